"""The simulation for longer: `python -m tests.chaos.simulate --minutes 10`, a process on each core.

Prints how many interleavings ran, what was done to them, and the seed of the first world that failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.chaos.simulation import Simulated, simulate

MEMORY = Path("/dev/shm")


def run_for(seed: int, step: int, seconds: float, rounds: int | None) -> Simulated:
    """Worlds of every `step`-th seed from `seed` on, for so long or for so many rounds."""
    folder = Path(tempfile.mkdtemp(prefix="simulated-", dir=MEMORY if MEMORY.is_dir() else None))
    end = time.monotonic() + seconds

    def more(done: int) -> bool:
        return time.monotonic() < end and (rounds is None or done < rounds)

    try:
        return simulate(folder, itertools.count(seed, step), more)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the simulation; 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--rounds", type=int, default=None, help="for each core, at most")
    chosen = parser.parse_args(arguments)
    cores = os.cpu_count() or 1
    started = time.monotonic()
    with ProcessPoolExecutor(cores) as pool:
        parts = [
            pool.submit(run_for, chosen.seed + core, cores, chosen.minutes * 60, chosen.rounds)
            for core in range(cores)
        ]
        ran = [one.result() for one in parts]
    minutes = (time.monotonic() - started) / 60
    rounds = sum(one.rounds for one in ran)
    crashes = sum((one.crashes for one in ran), Counter[str]())
    found = [fault for one in ran for fault in one.found]
    print(
        f"simulation: {rounds:,} interleavings in {minutes:.1f} min ({rounds / minutes:,.0f} a minute), "
        f"seeds from {chosen.seed}; {dict(crashes)}"
    )
    print(f"simulation: {'FOUND: ' + '; '.join(found) if found else 'everything held'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
