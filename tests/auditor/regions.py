"""Ledgers of the scenarios as they stand and as played in another region, for reports that compare."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from broker.examples.scenarios import Scenario, load_scenarios
from broker.flow import Policy
from broker.model.types import DecisionSet
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from tests.auditor.ledgers import write_ledger
from tests.oracle import SECRET, offline_flow
from tests.scenarios.transpose import WEST_MIDLANDS_TO_GREATER_MANCHESTER, transpose

HERE = load_scenarios()
ELSEWHERE = tuple(transpose(one, WEST_MIDLANDS_TO_GREATER_MANCHESTER) for one in HERE)


def sets_of(
    scenario: Scenario,
    policy: Policy | None = None,
    number: int = 0,
    keys: dict[str, bytes] | None = None,
) -> list[DecisionSet]:
    """A scenario through a flow of its own: no other one is its past. Fills `keys` by part key."""
    flow = offline_flow()
    if policy is not None:
        flow = OfflineFlow(policy, flow._reception, lambda _part_key: SECRET)
    sets: list[DecisionSet] = []
    for offset, publication in enumerate(scenario.publications, 100 * number):
        source = SourcePosition(f"concerns.v1.{publication.event.publisher}", 0, offset)
        outcome = flow.submit(publication.event, publication.at, source)
        assert outcome.rejection is None, outcome.rejection
        sets += outcome.sets
        if keys is not None:
            keys |= {one.linked.part.part_key: SECRET for one in outcome.parts}
    return sets


def each_once(sets: Iterable[DecisionSet]) -> list[DecisionSet]:
    """One of each set id, the first."""
    found: dict[str, DecisionSet] = {}
    for one in sets:
        found.setdefault(one.set_id, one)
    return list(found.values())


def both_regions() -> list[DecisionSet]:
    """Every scenario here and elsewhere."""
    numbered = enumerate((*HERE, *ELSEWHERE))
    return each_once(one for number, played in numbered for one in sets_of(played, None, number))


def ledger_with_key(folder: Path, sets: Iterable[DecisionSet]) -> tuple[Path, Path]:
    """A ledger of these sets and the file of the key of its rows."""
    key = folder / "rows.key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(SECRET)
    return write_ledger(folder / "ledger", sets), key
