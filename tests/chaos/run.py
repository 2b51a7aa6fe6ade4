"""The fault suite: `python -m tests.chaos.run --faults 200 --seed 7`, or `make chaos`.

After each fault the checker looks until everything is accounted for. The same seed plans the same faults
at the same points. What fails stops the run, and its folder is kept.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from broker.reference import load_connected
from tests.chaos.checker import Checker, Findings
from tests.chaos.disks import own_namespace
from tests.chaos.faults import FaultError, NotPossibleError, inject
from tests.chaos.own_kafka import Reader
from tests.chaos.plan import Fault, plan, quick_plan
from tests.chaos.plant import WORKERS, Plant
from tests.chaos.traffic import Traffic

ROOT = Path(__file__).resolve().parents[2]
SETTLES_WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
PR_SET_PDEATHSIG = 1
FSCK = Path.home() / "go" / "bin" / "fsck"


class Run:
    """One run: a plant, its traffic and a checker."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Starts everything."""
        organisations = load_connected(ROOT / "policies/organisations/connected.yaml")
        self.plant = Plant(folder, organisations, mount=own_namespace())
        self.done: Counter[str] = Counter()
        self.not_possible: Counter[str] = Counter()
        self.found: list[str] = []
        self._checker: Checker | None = None
        try:
            self.plant.start()
            self.traffic = Traffic(self.plant, seed)
            self._checker = self._fresh_checker()
            self.traffic.flow(6)
            self._note(self.settle())
        except BaseException:
            self.close()
            raise

    @property
    def counts(self) -> Counter[str]:
        """Leaves by kind, and messages, as the checker saw them last."""
        return Counter() if self._checker is None else self._checker.counts

    def close(self) -> None:
        """Ends everything."""
        if self._checker is not None:
            self._checker.close()
        self.plant.stop()

    def do(self, fault: Fault) -> str:
        """One fault, and what the checker says after it."""
        started = time.monotonic()
        try:
            inject(self.plant, self.traffic, fault)
        except NotPossibleError as error:
            self.not_possible[fault.kind] += 1
            return f"not possible here: {error}"
        except FaultError as error:
            self.found.append(str(error))
        self.done[f"{fault.kind} {fault.target}"] += 1
        lied = fault.kind == "torn_write" and fault.target == "wal_lost"
        found = self.settle(lenient=lied)
        self._note(found)
        if found and not found.wrong:
            self.found.append(f"after a restart of all workers: {self._after_restart()}")
        return f"{'FOUND: ' + self.found[0] if self.found else 'held'}; {time.monotonic() - started:.1f} s"

    def settle(self, *, lenient: bool = False) -> Findings:
        """Looks until nothing is missing; what is wrong ends it at once."""
        deadline = time.monotonic() + SETTLES_WITHIN_S
        self.plant.watch()
        self.traffic.confirm()
        assert self._checker is not None
        while True:
            self.plant.watch()
            found = self._checker.check(self.traffic.journal)
            hopeless = found.wrong or (found.unrecorded and not lenient)
            if not found or hopeless or time.monotonic() > deadline:
                found.wrong += self.traffic.failed
                return found
            time.sleep(LOOK_EVERY_S)

    def _after_restart(self) -> str:
        """Whether what is missing was only stuck: it comes when the processes are started anew."""
        for name in WORKERS:
            self.plant.kill(name)
            self.plant.start_worker(name)
        return str(self.settle()) or "nothing is missing"

    def look_from_the_start(self) -> None:
        """A new checker reads all topics from their start, at the end of a run."""
        assert self._checker is not None
        self._checker.close()
        self._checker = self._fresh_checker()
        self._note(self.settle())
        self.found += _fsck(self.plant.data_dir / "ledger")

    def _note(self, found: Findings) -> None:
        if found:
            self.found.append(str(found))

    def _fresh_checker(self) -> Checker:
        data_dir = self.plant.data_dir
        reader = Reader(self.plant.bootstrap, data_dir / "keys")
        return Checker(reader, data_dir, ROOT / "schemas")


def _fsck(ledger: Path) -> list[str]:
    """What Tessera's fsck says of each log, where it is installed."""
    if not FSCK.exists():
        return []
    faults = []
    for vkey in sorted(ledger.glob("s[0-9]*/log.vkey")):
        log = vkey.parent
        command = [str(FSCK), "-N", "2048", "--ui=false", f"--storage_url=file://{log}/"]
        command.append(f"--public_key={vkey}")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if "Successfully fsck'd" not in done.stdout + done.stderr:
            faults.append(f"fsck does not accept {log.name}: {(done.stdout + done.stderr)[-300:]}")
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a plan; 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="default: one drawn by chance")
    parser.add_argument("--kind", action="append", default=[], help="only faults of these kinds")
    parser.add_argument("--quick", action="store_true", help="the dozen of `make test`")
    parser.add_argument("--minutes", type=float, default=None, help="no new fault after so long")
    parser.add_argument("--only-plan", action="store_true", help="print the plan and do nothing")
    parser.add_argument("--json", type=Path, default=None, help="write the report there")
    parser.add_argument(
        "--folder", type=Path, default=None, help="default: a new one, removed if all holds"
    )
    chosen = parser.parse_args(arguments)
    seed = (
        int.from_bytes(time.time_ns().to_bytes(8, "big")[-3:])
        if chosen.seed is None
        else chosen.seed
    )
    faults = (
        quick_plan(seed, chosen.faults) if chosen.quick else plan(seed, chosen.faults, chosen.kind)
    )
    print(f"chaos: {len(faults)} faults of seed {seed} (again: --seed {seed})", flush=True)
    if chosen.only_plan:
        for fault in faults:
            print(f"{fault.number:4d}  {fault}")
        return 0
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    report = _run(folder, seed, faults, chosen.minutes)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report, indent=1))
    if not report["found"] and chosen.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return int(bool(report["found"]))


def _run(
    folder: Path, seed: int, faults: Sequence[Fault], minutes: float | None
) -> dict[str, object]:
    started = time.monotonic()
    run = Run(folder, seed)
    try:
        print(f"chaos: in {folder}; full disk by {run.plant.disks.how}", flush=True)
        for fault in faults:
            if run.found or (minutes and time.monotonic() - started > minutes * 60):
                break
            print(f"{fault.number:4d}  {fault}: {run.do(fault)}", flush=True)
        if not run.found:
            run.look_from_the_start()
        if run.found:
            shutil.copytree(run.plant.data_dir, folder / "kept")
        return _report(run, seed, started)
    finally:
        run.close()


def _report(run: Run, seed: int, started: float) -> dict[str, object]:
    report: dict[str, object] = {
        "seed": seed,
        "faults": sum(run.done.values()),
        "kinds": dict(sorted(run.done.items())),
        "not_possible": dict(run.not_possible),
        "records": run.traffic.records,
        "events": len(run.traffic.journal),
        "seen": dict(sorted(run.counts.items())),
        "ended_by_themselves": dict(Counter(run.plant.ended)),
        "seconds": round(time.monotonic() - started, 1),
        "found": run.found,
    }
    print(json.dumps(report, indent=1), flush=True)
    held = "everything held" if not run.found else f"FOUND (seed {seed}): {run.found}"
    print(f"chaos: {report['faults']} faults in {report['seconds']} s; {held}", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
