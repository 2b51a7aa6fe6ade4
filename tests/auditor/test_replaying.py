"""Replay of whole ledgers: identical to the byte, or named, or plainly not replayable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor import read_sidecars
from broker.auditor.compared import OF_NO_RULE, OF_THE_SEAL
from broker.auditor.recorded_sets import RecordedSet, recorded_sets
from broker.auditor.replay import subject_of
from broker.auditor.replaying import Beside, Replayed, ReplayKeys, Verdict, replay_sets
from broker.auditor.subjects import Subjects
from broker.flow import Policy
from broker.model.canonical import canonical_json
from broker.model.types import ConcernEvent
from broker.shell.keys import load_broker_keys, read_subject_keys
from broker.shell.policy import load_policy
from tests.auditor.replayed import (
    POLICY,
    SETTINGS,
    acts,
    fewer_agreements,
    first_permit_refused,
    overtaken,
    reviewed,
    scenarios,
    write,
)
from tests.rounds.test_retraction import retraction

TOLD_TO_OTHERS = "56000000-0000-4000-8000-000000000001"
"""A scenario's event that reaches one recipient more where the region has agreed nothing."""


class Held(msgspec.Struct, frozen=True):
    """A ledger's sets, with all that replay takes."""

    sets: tuple[RecordedSet, ...]
    beside: Beside
    keys: ReplayKeys

    def replay(self, policy: Policy = POLICY, **changes: Any) -> list[Replayed]:
        """Every set's verdict, with something changed."""
        held = msgspec.structs.replace(self, **changes)
        return list(replay_sets(held.sets, held.beside, held.keys, policy))


def held_in(folder: Path) -> Held:
    """What a rehearsal's folder holds."""
    subjects = read_subject_keys(folder / "keys" / "subjects.db")
    beside = Beside(*(read_sidecars(folder / "s0", name) for name in ("facts", "rows")))
    sealer = load_broker_keys(folder / "keys").sealer
    return Held(tuple(recorded_sets(folder)), beside, ReplayKeys(subjects, sealer))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """All scenarios, all kinds of statement, and acts on them."""
    statements = itertools.chain(scenarios(), acts(), reviewed(), overtaken())
    return held_in(write(tmp_path_factory.mktemp("whole") / "ledger", statements))


def verdicts(found: Iterable[Replayed]) -> set[Verdict]:
    return {one.verdict for one in found}


def unsealed(held: Held) -> ReplayKeys:
    return ReplayKeys(held.keys.subjects, None)


def key_of(held: Held, one: RecordedSet) -> str:
    """The part key of a set."""
    closing = one.closing
    found = subject_of(closing.set_id, one.part[:3], closing.round, held.keys.subjects)
    assert found is not None
    return found


def test_every_set_is_made_again_to_the_byte(whole: Held) -> None:
    """All scenarios and every kind of later round: permit, refusal, withdrawal, an act without effect."""
    found = whole.replay()

    assert verdicts(found) == {Verdict.IDENTICAL}
    assert len(found) == len(whole.sets)
    assert max(one.round for one in found) == 8
    flags = {flag for one in whole.sets if one.closing.round for flag in one.closing.flags}
    assert flags >= {"corrected", "retracted", "escalated", "break_glass_not_justified"}
    assert not any(one.rules or one.differences or one.detail for one in found)


def test_without_the_brokers_keys_all_else_is_compared(whole: Held) -> None:
    """A forged reason is found without the seal; what a recipient's leaf hashes to is not compared."""
    one = whole.sets[0]
    told = next(number for number, leaf in enumerate(one.leaves) if b'"PERMIT"' in leaf)

    assert verdicts(whole.replay(keys=unsealed(whole))) == {Verdict.IDENTICAL}
    for field, expected in (("reasons", Verdict.DIFFERS), ("recipient_leaf", Verdict.IDENTICAL)):
        forged = changed(one, told, field, ["because"] if field == "reasons" else "0" * 64)
        (found,) = whole.replay(sets=(forged,), keys=unsealed(whole))
        assert found.verdict is expected


def changed(one: RecordedSet, number: int, field: str, value: object) -> RecordedSet:
    """The set with one field of one leaf changed; the closing as replay reads it changes along."""
    leaves = [msgspec.json.decode(leaf) for leaf in one.leaves]
    leaves[number][field] = value
    made = tuple(canonical_json(leaf) for leaf in leaves)
    return msgspec.structs.replace(one, leaves=made)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_field_of_whatever_leaf_is_forged_is_named(
    whole: Held, data: st.DataObject
) -> None:
    """One field of one leaf of one first round, given another value: that leaf and field, no other."""
    firsts = [one for one in whole.sets if not one.closing.round]
    one = data.draw(st.sampled_from(firsts))
    number = data.draw(st.integers(0, len(one.leaves) - 1))
    leaf = msgspec.json.decode(one.leaves[number])
    # The name of a leaf says which leaf it is: a changed one is a leaf too many and one too few.
    field = data.draw(st.sampled_from(sorted(leaf.keys() - {"recipient", "kind"})))
    forged = changed(one, number, field, {"forged": True})
    (found,) = whole.replay(sets=(forged,))

    assert found.verdict is Verdict.DIFFERS
    name = leaf.get("recipient", "closing")
    assert [(d.leaf, d.field, d.recorded) for d in found.differences] == [
        (name, field, {"forged": True})
    ]
    assert found.differences[0].derived == leaf[field]


@pytest.mark.parametrize("change", ["added", "removed", "swapped", "spaced"])
def test_leaves_added_removed_or_moved_are_found(whole: Held, change: str) -> None:
    """Which leaves there are, their order and their very bytes count."""
    one = next(one for one in whole.sets if len(one.leaves) > 2)
    first, second, *others = one.leaves
    leaves = {
        "added": (first, first, second, *others),
        "removed": (second, *others),
        "swapped": (second, first, *others),
        "spaced": (first + b" ", second, *others),
    }[change]
    forged = msgspec.structs.replace(one, leaves=tuple(leaves))
    (found,) = whole.replay(sets=(forged,))

    assert found.verdict is Verdict.DIFFERS
    assert found.differences
    if change != "spaced":
        (unseen,) = whole.replay(sets=(forged,), keys=unsealed(whole))
        assert unseen.verdict is Verdict.DIFFERS


def test_a_disclosure_recorded_as_a_refusal_is_found_in_a_signed_ledger(tmp_path: Path) -> None:
    """Signed anew, counts that add up: the facts alone say otherwise, and which field."""
    held = held_in(write(tmp_path / "forged", scenarios(), first_permit_refused))
    found = held.replay()
    differing = [one for one in found if one.verdict is Verdict.DIFFERS]

    assert verdicts(found) <= {Verdict.DIFFERS, Verdict.IDENTICAL}
    assert differing
    for one in differing:
        (outcome,) = [each for each in one.differences if each.field == "outcome"]
        assert (outcome.recorded, outcome.derived) == ("DENY", "PERMIT")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """Policies without one of the agreements."""
    folder = fewer_agreements(tmp_path_factory.mktemp("other") / "policies")
    return load_policy(SETTINGS.model_copy(update={"policies_dir": folder}))


def test_what_changed_rules_decide_otherwise_is_told_as_that(whole: Held, other: Policy) -> None:
    """Without an agreement some sets differ, all say which hash changed, and none counts as a fault."""
    found = whole.replay(other)

    assert verdicts(found) == {Verdict.IDENTICAL, Verdict.RULES}
    for one in found:
        (change,) = one.rules
        assert (change.of, change.recorded, change.present) == (
            "policy_bundle",
            POLICY.hashes.bundle,
            other.hashes.bundle,
        )
    fields = {each.field for one in found for each in one.differences}
    assert not fields & OF_NO_RULE
    assert fields - OF_THE_SEAL


def test_no_change_of_rules_explains_what_no_rule_bears_on(whole: Held, other: Policy) -> None:
    """A forged time is a difference, also under rules that changed."""
    one = whole.sets[0]
    (found,) = whole.replay(other, sets=(changed(one, -1, "decided_at", 1),))

    assert found.rules
    assert found.verdict is Verdict.DIFFERS


def test_another_name_of_the_rules_explains_nothing_by_itself(whole: Held) -> None:
    """Who writes another bundle into a closing leaf is found: every alert names its bundle as well."""
    one = next(one for one in whole.sets if b'"PERMIT"' in b"".join(one.leaves))
    forged = changed(one, -1, "policy_bundle", "0" * 64)
    closing = msgspec.structs.replace(one.closing, policy_bundle="0" * 64)
    (found,) = whole.replay(sets=(msgspec.structs.replace(forged, closing=closing),))

    assert found.verdict is Verdict.RULES
    assert {each.field for each in found.differences} == {"recipient_leaf"}


def test_a_destroyed_key_is_erased_and_its_commitments_verify(whole: Held) -> None:
    """All of one child's rounds, and nobody else's; a commitment that fails is told as that."""
    gone = key_of(whole, whole.sets[0])
    theirs = [one for one in whole.sets if key_of(whole, one) == gone]
    others = {name: key for name, key in whole.keys.subjects.items() if name != gone}
    keys = ReplayKeys(others, whole.keys.sealer)
    found = whole.replay(keys=keys)

    assert [one.verdict for one in found].count(Verdict.ERASED) == len(theirs) > 1
    assert verdicts(found) == {Verdict.ERASED, Verdict.IDENTICAL}
    for name in ("facts", "rows"):
        forged = dict(getattr(whole.beside, name)) | {theirs[0].closing.set_id: b"another"}
        beside = msgspec.structs.replace(whole.beside, **{name: forged})
        broken = whole.replay(keys=keys, beside=beside, sets=theirs)
        assert [one.verdict for one in broken].count(Verdict.BROKEN) == 1
        assert broken[0].verdict is Verdict.BROKEN
        assert name in broken[0].detail
    (unchecked, *_) = whole.replay(keys=keys, beside=Beside({}, {}))
    assert unchecked.verdict is Verdict.ERASED_UNCHECKED


def test_facts_that_are_not_here_stop_the_later_rounds_too(whole: Held) -> None:
    """A round is not replayed on a state that nobody can make again, and that is said."""
    late = next(one for one in whole.sets if one.closing.round == 2)
    first = next(one for one in whole.sets if one.part == late.part)
    facts = {name: one for name, one in whole.beside.facts.items() if name != first.closing.set_id}
    found = whole.replay(beside=msgspec.structs.replace(whole.beside, facts=facts))
    of_part = [one for one in found if one.part_id == late.closing.part_id]

    assert of_part[0].verdict is Verdict.NO_FACTS
    assert verdicts(of_part[1:]) == {Verdict.NOT_REPLAYED}
    assert len(of_part) > 2
    assert all(one.detail for one in of_part[1:])


@pytest.mark.parametrize("missing", [True, False])
def test_a_later_round_that_cannot_be_made_again_stops_those_after_it(
    whole: Held, missing: bool
) -> None:
    """Missing or forged facts of round 1: round 2 is not replayed on the state of round 0."""
    one = next(one for one in whole.sets if one.closing.round == 1)
    facts = dict(whole.beside.facts)
    facts[one.closing.set_id] = b"forged"
    if missing:
        del facts[one.closing.set_id]
    found = whole.replay(beside=msgspec.structs.replace(whole.beside, facts=facts))
    first, second, *after = [each for each in found if each.part_id == one.closing.part_id]

    assert first.verdict is Verdict.IDENTICAL
    assert second.verdict is (Verdict.NO_FACTS if missing else Verdict.BROKEN)
    assert verdicts(after) == {Verdict.NOT_REPLAYED}


def test_what_changed_rules_did_to_a_round_explains_the_rounds_after_it(
    tmp_path: Path, other: Policy
) -> None:
    """A retraction under the present rules reaches those told under the old ones: no fault."""
    event, at = next(one for one in scenarios() if one[0].event_id == TOLD_TO_OTHERS)
    assert isinstance(event, ConcernEvent)
    held = held_in(write(tmp_path / "ledger", [(event, at), (retraction(event), at)]))
    first = next(one for one in held.sets if not one.closing.round)
    last = next(one for one in held.sets if one.part == first.part and one.closing.round)
    closing = msgspec.structs.replace(last.closing, policy_bundle=other.hashes.bundle)
    present = changed(last, -1, "policy_bundle", other.hashes.bundle)
    found = held.replay(other, sets=(first, msgspec.structs.replace(present, closing=closing)))

    assert found[0].rules
    assert found[1].rules == ()
    assert [one.verdict for one in found] == [Verdict.RULES, Verdict.RULES]


def test_facts_that_do_not_open_under_the_held_key_are_a_fault(whole: Held) -> None:
    """A key made anew, or forged facts: nothing passes for replayed."""
    one = whole.sets[0]
    keys = ReplayKeys({key_of(whole, one): bytes(32)}, whole.keys.sealer)
    (found,) = whole.replay(sets=(one,), keys=keys)

    assert found.verdict is Verdict.UNREADABLE
    assert "made anew" in found.detail


def test_keys_are_not_in_what_is_printed_of_them(whole: Held) -> None:
    """No key is in the words for what holds it."""
    assert repr(whole.keys) == "ReplayKeys(...)"


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whom_a_set_is_about_is_found_in_whatever_order(whole: Held, data: st.DataObject) -> None:
    """Any order of sets and keys, some keys gone: what every key tried in turn gives as well."""
    names = data.draw(st.permutations(sorted(whole.keys.subjects)))
    held = names[: data.draw(st.integers(0, len(names)))]
    sets = data.draw(st.lists(st.sampled_from(whole.sets), max_size=12))
    found = Subjects(held)

    for one in sets:
        closing = one.closing
        assert found.of(one) == subject_of(closing.set_id, one.part[:3], closing.round, held)
