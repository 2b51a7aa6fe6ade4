"""Replay: what was sealed for it decides the same again, for every scenario and every example."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from broker.auditor import (
    FactsError,
    differences,
    open_facts,
    read_recorded,
    read_sidecars,
    replay_part,
    shadow,
    subject_of,
)
from broker.auditor.recorded import RecordedPart
from broker.commands.recording import new_ledger
from broker.examples import KINDS, example
from broker.examples.scenarios import load_scenarios
from broker.flow import DecidedPart, Policy
from broker.model.sealing import SealError
from broker.model.types import ConcernEvent
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from broker.reference import load_connected
from broker.shell.keys import read_subject_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

SETTINGS = Settings()


class Rehearsal(msgspec.Struct):
    """A ledger with what was decided when it was written, by set id of the closing leaf."""

    folder: Path
    policy: Policy
    decided: dict[tuple[str, str], DecidedPart]

    @property
    def parts(self) -> tuple[RecordedPart, ...]:
        """Every first round."""
        return tuple(one for one in read_recorded(self.folder).parts if one.closing.round == 0)

    @property
    def keys(self) -> dict[str, bytes]:
        """Part key -> key, as the ledger's folder holds them."""
        return read_subject_keys(self.folder / "keys" / "subjects.db")

    @property
    def facts(self) -> dict[str, bytes]:
        """Set id -> sealed facts."""
        return read_sidecars(self.folder / "s0", "facts")

    def opened(self, part: RecordedPart) -> bytes:
        """The facts of a part, opened with its subject's key."""
        set_id = part.closing.set_id
        key = subject_of(set_id, part.statement, 0, self.keys)
        assert key is not None
        return open_facts(self.facts[set_id], self.keys[key], set_id)


def statements() -> Iterable[tuple[ConcernEvent, object]]:
    """Every scenario's events in order, then one of every kind."""
    for scenario in load_scenarios():
        yield from ((one.event, one.at) for one in scenario.publications)
    for kind in KINDS:
        event = example(kind)
        if isinstance(event, ConcernEvent):
            yield event, event.reported_at


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("rehearsal") / "ledger"
    policy = load_policy(SETTINGS)
    connected = load_connected(SETTINGS.organisations_dir / "connected.yaml")
    decided: dict[tuple[str, str], DecidedPart] = {}
    with new_ledger(folder, "test", policy.reference, connected) as recorder:
        flow = OfflineFlow(policy, recorder.reception, recorder.subject_key)
        for offset, (event, at) in enumerate(statements()):
            source = SourcePosition(f"concerns.v1.{event.publisher}", 0, offset)
            outcome = flow.submit(event, at, source)  # type: ignore[arg-type]
            recorder.take(outcome.sets)
            for part in outcome.parts:
                decided[part.linked.part.part_id, part.linked.part.part_key] = part
    return Rehearsal(folder, policy, decided)


def test_every_part_is_decided_the_same_again(rehearsal: Rehearsal) -> None:
    """Link, weight, decisions and what redaction builds: all of it, from the sealed facts alone."""
    replayed = 0
    for part in rehearsal.parts:
        facts = rehearsal.opened(part)
        again = replay_part(facts, rehearsal.policy, lambda *_: "pseudonym")
        key = again.linked.part.part_id, again.linked.part.part_key
        first = rehearsal.decided[key]
        replayed += 1

        assert differences(part, again) == ()
        assert again.linked.part == first.linked.part
        assert again.weight == first.weight
        assert again.linked == first.linked
        assert [one.decision for one in again.decided] == [one.decision for one in first.decided]
        assert (again.weight.value, again.weight.band) == (
            part.decisions[0].weight.value,
            part.decisions[0].weight.band,
        )
    assert replayed == len(rehearsal.decided) >= len(KINDS)


def test_what_differs_is_named_by_its_recipient(rehearsal: Rehearsal) -> None:
    """A leaf with another reason than the facts give is found."""
    part = rehearsal.parts[0]
    again = replay_part(rehearsal.opened(part), rehearsal.policy, lambda *_: "pseudonym")
    (first, *others) = part.decisions
    forged = msgspec.structs.replace(first, reasons=("because",))
    changed = msgspec.structs.replace(part, decisions=(forged, *others))
    fewer = msgspec.structs.replace(part, decisions=tuple(others))

    assert differences(changed, again) == (first.recipient,)
    assert differences(fewer, again) == (first.recipient,)


def test_the_same_policy_in_the_shadow_changes_nothing(rehearsal: Rehearsal) -> None:
    """No change, nothing drifted, every part compared."""
    facts = rehearsal.facts
    found = shadow(
        rehearsal.parts,
        lambda part: facts.get(part.closing.set_id),
        rehearsal.keys,
        rehearsal.policy,
        rehearsal.policy,
    )

    assert found.replayed == len(rehearsal.parts)
    assert found.same == sum(len(part.decisions) for part in rehearsal.parts)
    assert (found.changes, found.unreadable, found.drifted) == ((), (), ())
    assert (found.erased, found.no_facts, found.other_bundle) == (0, 0, 0)


def test_what_stands_in_the_way_of_replay_is_counted(rehearsal: Rehearsal) -> None:
    """A destroyed key, facts that are not there, a later round, and facts that are damaged."""
    one, two, three, four = rehearsal.parts[:4]
    keys = rehearsal.keys
    gone = subject_of(one.closing.set_id, one.statement, 0, keys)
    assert gone is not None
    others = [part for part in (two, three, four) if subject_of_part(part, keys) != gone]
    later = msgspec.structs.replace(
        others[0], closing=msgspec.structs.replace(others[0].closing, round=1)
    )
    held = {name: key for name, key in keys.items() if name != gone}
    facts = {others[0].closing.set_id: b"damaged" * 4}
    found = shadow(
        [one, others[0], later, others[1]],
        lambda part: facts.get(part.closing.set_id),
        held,
        rehearsal.policy,
        rehearsal.policy,
    )

    assert (found.erased, found.no_facts, found.later_rounds, found.replayed) == (1, 1, 1, 0)
    assert len(found.unreadable) == 1
    assert others[0].closing.event_id in found.unreadable[0]


def subject_of_part(part: RecordedPart, keys: dict[str, bytes]) -> str | None:
    return subject_of(part.closing.set_id, part.statement, 0, keys)


def test_facts_open_for_their_own_subject_and_set_only(rehearsal: Rehearsal) -> None:
    """Another child's key, or another set's facts, do not open; bytes that say nothing are refused."""
    one = rehearsal.parts[0]
    own = subject_of_part(one, rehearsal.keys)
    other = next(key for name, key in rehearsal.keys.items() if name != own)
    assert own is not None
    with pytest.raises(SealError):
        open_facts(rehearsal.facts[one.closing.set_id], other, one.closing.set_id)
    with pytest.raises(SealError):
        open_facts(rehearsal.facts[one.closing.set_id], rehearsal.keys[own], "another set")
    with pytest.raises(FactsError, match="cannot be read"):
        replay_part(b"nothing", rehearsal.policy, lambda *_: "")
