"""`broker bench decide`: what one decision costs, warm and cold, with few and with many agreements.

Invented agreements, each between two authorities of the register, are written to a folder that is
removed again; what is decided is the warning of scenario S1 as an authority would publish it, for
everyone whom law and agreements are asked about. Figures are of one run on one machine. Speed is
never asserted in a test.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from broker.decide import PartFacts, PolicyBundle, decide, part_facts
from broker.examples import example
from broker.link import link
from broker.locate import candidates
from broker.model.reference import AUTHORITY, Reference
from broker.model.types import ConcernEvent, NexusKind, PartKind
from broker.model.values import Candidate, PartInput
from broker.policies import load_bundle
from broker.reference import load_reference
from broker.shell.policy import settle
from broker.shell.settings import Settings

FEW, MANY = 60, 2000
NOT_ASKED = frozenset({"adjacent", "originator"})
"""Candidates who are refused before law and agreements are asked."""
MICRO = 1e6
MODEL = "west-midlands-region"
"""The agreement that the invented ones are made after: 14 clauses, 130 lines."""


class DecideFigures(msgspec.Struct, frozen=True):
    """One run of the benchmark."""

    candidates: int
    clauses_per_agreement: int
    warm_us: float
    """One candidate, every field, circumstances seen before; few agreements."""
    warm_us_many: float
    cold_us: float
    """One candidate, every field, circumstances never seen: every question goes to Cedar."""
    cold_us_many: float
    first_us: float
    """The same when not even its agreements were ever used together: their policies are parsed too."""
    growth: float
    """Warm with many agreements over warm with few, less one."""
    growth_cold: float
    agreements: tuple[int, int]
    load_seconds: tuple[float, float]
    """Reading, checking and compiling the whole bundle, few and many."""


class _Ready(msgspec.Struct, frozen=True):
    """Bundles with few and with many agreements, and what is decided by them."""

    few: PolicyBundle
    many: PolicyBundle
    load_seconds: tuple[float, float]
    facts: PartFacts
    found: tuple[Candidate, ...]
    reference: Reference


def bench_decide(settings: Settings) -> DecideFigures:
    """Measures decisions under `FEW` and `MANY` invented agreements beside the delivered ones."""
    return _figures(_ready(settings))


def decide_runs(settings: Settings, runs: int) -> list[DecideFigures]:
    """The same several times; the agreements are loaded once."""
    ready = _ready(settings)
    return [_figures(ready) for _ in range(runs)]


def _ready(settings: Settings) -> _Ready:
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    bundles: list[PolicyBundle] = []
    seconds: list[float] = []
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory(prefix="bench-decide-") as folder:
            directory = _policies(Path(folder), settings, reference, count)
            started = time.perf_counter()
            bundles.append(load_bundle(directory, reference))
            seconds.append(time.perf_counter() - started)
            settle()
    facts, found = _part(reference)
    return _Ready(bundles[0], bundles[1], (seconds[0], seconds[1]), facts, found, reference)


def _figures(ready: _Ready) -> DecideFigures:
    few, many, facts, found = ready.few, ready.many, ready.facts, ready.found
    reference = ready.reference
    first = _cold(few, facts, found, reference, forget_sets=True)
    warm, warm_many = _alternately(
        lambda: _decide_all(few, facts, found, reference),
        lambda: _decide_all(many, facts, found, reference),
    )
    _cold(many, facts, found, reference, forget_sets=True)
    cold, cold_many = _alternately(
        lambda: _cold(few, facts, found, reference),
        lambda: _cold(many, facts, found, reference),
        times=15,
    )
    each = MICRO / len(found)
    return DecideFigures(
        candidates=len(found),
        clauses_per_agreement=len(few.court.clauses[MODEL]),
        warm_us=warm * each,
        warm_us_many=warm_many * each,
        cold_us=cold * each,
        cold_us_many=cold_many * each,
        first_us=first * each,
        growth=warm_many / warm - 1,
        growth_cold=cold_many / cold - 1,
        agreements=(FEW, MANY),
        load_seconds=ready.load_seconds,
    )


def _policies(folder: Path, settings: Settings, reference: Reference, count: int) -> Path:
    """The delivered law and agreements, and invented ones until there are `count`."""
    shutil.copytree(settings.policies_dir / "law", folder / "law")
    agreements = folder / "agreements"
    shutil.copytree(settings.policies_dir / "agreements", agreements)
    model = (agreements / MODEL / "agreement.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = YAML(typ="safe").load(model)
    head, _, rest = model.partition("parties:\n")
    tail = rest[rest.index("spoc:") :]
    authorities = sorted(
        one.code for one in reference.organisations.values() if one.kind == AUTHORITY
    )
    for number in range(count - len(list(agreements.iterdir()))):
        name = f"bench-{number}"
        parties = (
            "parties:\n"
            f"  - {{id: authorities, organisations: [{_pair(authorities, number)}], "
            "signed_on: 2026-04-20, signed_by: directors (invented)}\n"
        )
        target = agreements / name
        target.mkdir()
        text = head.replace(f"id: {raw['id']}", f"id: {name}", 1) + parties + tail
        (target / "agreement.yaml").write_text(text, encoding="utf-8")
    return folder


def _pair(codes: Sequence[str], number: int) -> str:
    """Two of the codes, another two for another number: no two agreements have the same parties."""
    step = 1 + number // len(codes)
    return f"{codes[number % len(codes)]}, {codes[(number + step) % len(codes)]}"


def _part(reference: Reference) -> tuple[PartFacts, tuple[Candidate, ...]]:
    """Facts and candidates of the parent's warning of scenario S1."""
    event = example("concern")
    if not isinstance(event, ConcernEvent):
        raise TypeError("the example of a concern is a ConcernEvent")
    home = next(one for one in event.subjects[0].nexus if one.kind is NexusKind.HOME)
    neighbour = min(
        code
        for code in reference.neighbours(home.organisation, event.reported_at.date())
        if event.place is None or code != event.place.la_gss
    )
    event = msgspec.structs.replace(event, publisher=neighbour)
    given = PartInput(
        part_id="part",
        part_key="key",
        kind=PartKind.SUBJECT,
        event=event,
        subject=event.subjects[0],
        received_at=event.reported_at,
        order=0,
        part_count=1,
        receipt_set_id="receipt",
    )
    linked = link(given, ())
    asked = [one for one in candidates(linked, reference) if NOT_ASKED.isdisjoint(one.capacity)]
    return part_facts(linked, reference), tuple(asked)


def _decide_all(
    bundle: PolicyBundle, facts: PartFacts, found: Sequence[Candidate], reference: Reference
) -> float:
    """Seconds for all candidates."""
    started = time.perf_counter()
    for candidate in found:
        decide(facts, candidate, bundle, reference)
    return time.perf_counter() - started


def _cold(
    bundle: PolicyBundle,
    facts: PartFacts,
    found: Sequence[Candidate],
    reference: Reference,
    *,
    forget_sets: bool = False,
) -> float:
    """Seconds for all candidates that reach the law, nothing remembered before any of them."""
    total = 0.0
    for candidate in found:
        bundle.forget(parsed_sets=forget_sets)
        total += _decide_all(bundle, facts, [candidate], reference)
    return total


def _alternately(
    one: Callable[[], float], other: Callable[[], float], times: int = 400
) -> tuple[float, float]:
    """Median of each, run in turn, so that what else the machine does meets both."""
    first, second = [], []
    one(), other()
    for _ in range(times):
        first.append(one())
        second.append(other())
    return sorted(first)[times // 2], sorted(second)[times // 2]
