"""A ledger that signs everything properly and does not add up: the accounts find it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor import Report, verify_ledger
from broker.ledger import Delivery, RecordSet, ShardStore
from broker.model.canonical import canonical_json
from broker.model.types import DecisionSet
from broker.shell.ledger_worker import record_set
from tests.auditor.ledgers import (
    KEY,
    accepted,
    action,
    changed,
    decided,
    duplicate,
    rejected,
    story,
    write_ledger,
    write_shard,
)

Forge = Callable[[list[RecordSet]], Sequence[RecordSet]]


def report_of(
    directory: Path, sets: Sequence[DecisionSet], forge: Forge = lambda sets: sets
) -> Report:
    """The report on a ledger of these sets after `forge`, all signed with the ledger's key."""
    write_shard(directory / "s0", list(forge([record_set(one) for one in sets])))
    return verify_ledger(directory)


def with_leaf(number: int, at: int, **changes: Any) -> Forge:
    """Set `number` with other values in its leaf `at`."""

    def forge(sets: list[RecordSet]) -> list[RecordSet]:
        leaves = list(sets[number].leaves)
        leaves[at] = canonical_json({**json.loads(leaves[at]), **changes})
        return [*sets[:number], changed(sets[number], leaves), *sets[number + 1 :]]

    return forge


def with_leaves(number: int, choose: Callable[[list[bytes]], list[bytes]]) -> Forge:
    """Set `number` with other leaves."""

    def forge(sets: list[RecordSet]) -> list[RecordSet]:
        forged = changed(sets[number], choose(list(sets[number].leaves)))
        return [*sets[:number], forged, *sets[number + 1 :]]

    return forge


def with_deliveries(number: int, choose: Callable[[list[Delivery]], list[Delivery]]) -> Forge:
    """Set `number` with other deliveries."""

    def forge(sets: list[RecordSet]) -> list[RecordSet]:
        forged = msgspec.structs.replace(
            sets[number], deliveries=tuple(choose(list(sets[number].deliveries)))
        )
        return [*sets[:number], forged, *sets[number + 1 :]]

    return forge


def to(recipient: str, delivery: Delivery) -> Delivery:
    """The delivery, put into another organisation's log."""
    return msgspec.structs.replace(delivery, recipient=recipient)


def with_own_leaf(delivery: Delivery, **changes: Any) -> Delivery:
    """The delivery with other values in its own leaf."""
    leaf = canonical_json({**json.loads(delivery.leaf), **changes})
    return msgspec.structs.replace(delivery, leaf=leaf)


HASH = "0" * 64
EVENT = [accepted(0, 2), decided(0, 0), decided(0, 1)]
"""Set 0 accepts an event of two parts; sets 1 and 2 decide them, for five candidates each."""


def test_the_honest_event_adds_up(tmp_path: Path) -> None:
    """What the forgeries below start from."""
    report = report_of(tmp_path, EVENT)
    assert report.ok, report.first_bad


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (with_leaves(1, lambda own: own[:1] + own[2:]), "log s0, leaf 2: is decision 2 of set"),
        (with_leaves(1, lambda own: own[1:]), "log s0, leaf 1: is decision 1 of set"),
        (with_leaves(1, lambda own: own[:4] + own[5:]), "log s0, leaf 5: closes set"),
        (with_leaves(1, lambda own: own[:-1]), "log s0, leaf 1: the decisions of set"),
        (with_leaves(2, lambda own: own[:-1]), "log s0, leaf 7: the decisions of set"),
        (with_leaves(1, lambda own: [own[1], own[0], *own[2:]]), "leaf 1: is decision 1 of set"),
        (with_leaves(1, lambda own: [*own[:1], own[0], *own[1:]]), "leaf 2: is decision 0 of set"),
        (with_leaves(1, lambda own: [*own, own[-1]]), "leaf 7: set"),
        (with_leaf(1, 1, recipient="E08000031:role0"), "leaf 2: decides for E08000031:role0 a s"),
        (with_leaf(1, 5, count=6), "closes set"),
        (with_leaf(1, 5, permit=1, deny=3), "closes set"),
        (with_leaf(1, 5, review=2), "closes set"),
        (with_leaf(1, 1, part_id="other"), "leaf 2: is of another part or round"),
        (with_leaf(1, 1, round=1), "leaf 2: is of another part or round"),
        (with_leaf(1, 5, part_id="other"), "leaf 6: closes another part"),
        (with_leaf(1, 5, receipt_set_id=HASH), "leaf 6: names another record than log s0, leaf 0"),
        (with_leaf(1, 1, set_id=HASH), "leaf 1: the decisions of set"),
        (with_leaf(1, 5, set_id=HASH), "leaf 1: the decisions of set"),
        (with_leaf(1, 0, recipient_leaf=HASH), "log s0/recipients/E08000031, leaf 0: no leaf"),
        (with_leaf(1, 0, recipient_leaf=None), "leaf 1: PERMIT for E08000031:role0, and nothing"),
        (with_leaf(1, 1, recipient_leaf=HASH), "leaf 2: DENY for E08000028:role1, and something"),
        (with_leaf(1, 0, outcome="MAYBE"), "leaf 1: is no leaf that this auditor knows"),
        (with_leaf(1, 0, kind="whisper"), "leaf 1: is no leaf that this auditor knows"),
        (with_leaf(1, 0, v=2), "leaf 1: has format 2; this auditor knows 1"),
        (with_leaf(1, 0, organisation="E08000028"), "log s0/recipients/E08000031, leaf 0: no"),
        (with_leaf(0, 0, parts=["a", "a"]), "leaf 0: names part a twice"),
        (with_leaf(0, 0, set_id=HASH), "leaf 0: its set id is not that of the record"),
        (with_leaf(0, 0, receipt=HASH), "log s0/recipients/ADV-TEST, leaf 0: no leaf"),
        (with_leaf(0, 0, publisher="E08000028"), "log s0/recipients/ADV-TEST, leaf 0: no"),
        (lambda sets: [sets[0], sets[1]], "leaf 0: accepted part"),
        (lambda sets: [sets[1], sets[2]], "decides part"),
        (with_deliveries(1, lambda own: own[1:]), "is not in the log s0/recipients/E08000031"),
        (with_deliveries(0, lambda own: []), "is not in the log s0/recipients/ADV-TEST"),
        (
            with_deliveries(1, lambda own: [to("GHOST", own[0]), *own[1:]]),
            "log s0/recipients/GHOST, leaf 0: no leaf of the auditors' log s0 commits to it",
        ),
        (
            with_deliveries(1, lambda own: [*own, own[0]]),
            "log s0/recipients/E08000031, leaf 1: no leaf of the auditors' log s0 commits to it",
        ),
        (
            with_deliveries(1, lambda own: [*own, with_own_leaf(own[0], message_id="more")]),
            "log s0/recipients/E08000031, leaf 1: no leaf of the auditors' log s0 commits to it",
        ),
        (
            with_deliveries(1, lambda own: [with_own_leaf(own[0], content_hash=HASH), *own[1:]]),
            "log s0/recipients/E08000031, leaf 0: no leaf of the auditors' log s0 commits to it",
        ),
    ],
)
def test_a_forgery_that_is_signed_throughout_is_found(
    tmp_path: Path, forge: Forge, said: str
) -> None:
    """Removed, added, moved, altered, misdirected: named by log and leaf."""
    report = report_of(tmp_path, EVENT, forge)

    assert not report.ok
    assert said in str(report.first_bad)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"set_id": HASH}, "set, recipient or kind differ"),
        ({"recipient": "E08000031:other"}, "set, recipient or kind differ"),
        ({"kind": "receipt"}, "set, recipient or kind differ"),
        ({"v": 3}, "has format 3"),
        ({"recipient": 7}, "is no leaf that this auditor knows"),
    ],
)
def test_a_recipients_leaf_says_what_its_commitment_says(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """Even where the auditors' leaf commits to it, its words must be those of the decision."""

    def forge(sets: list[RecordSet]) -> Sequence[RecordSet]:
        sets = list(
            with_deliveries(1, lambda own: [with_own_leaf(own[0], **changes), *own[1:]])(sets)
        )
        digest = sha256(b"\x00" + sets[1].deliveries[0].leaf).hexdigest()
        return with_leaf(1, 0, recipient_leaf=digest)(sets)

    report = report_of(tmp_path, EVENT, forge)

    assert not report.ok
    assert f"log s0/recipients/E08000031, leaf 0: {said}" in str(report.first_bad)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([duplicate(5, of=0)], "refers to set"),
        ([accepted(0, 0), action(1), duplicate(5, of=9)], "refers to set"),
        ([accepted(0), decided(0), decided(0, round_=2)], "round 2 without the round before it"),
        ([decided(0), accepted(1, 0)], "decides part"),
        ([story(1)[-1]], "refers to event event-0"),
    ],
)
def test_what_refers_to_nothing_is_found(
    tmp_path: Path, sets: Sequence[DecisionSet], said: str
) -> None:
    """A repeat of nothing, a round after none, a decision and a join of what was not accepted."""
    report = report_of(tmp_path, sets)

    assert not report.ok
    assert said in str(report.first_bad)


def test_one_record_has_one_leaf_over_all_shards(tmp_path: Path) -> None:
    """The same set on two shards, or one offset with two leaves: the ledger counts twice."""
    write_shard(tmp_path / "s0", [record_set(rejected(1))])
    write_shard(tmp_path / "s1", [record_set(rejected(1))])

    assert "log s1, leaf 0: set" in str(verify_ledger(tmp_path).first_bad)
    assert "was recorded before (log s0, leaf 0)" in str(verify_ledger(tmp_path).first_bad)


def test_one_event_is_accepted_once(tmp_path: Path) -> None:
    """A second acceptance of the same id would tell everyone twice."""

    def forge(sets: list[RecordSet]) -> Sequence[RecordSet]:
        return with_leaf(2, 0, event_id="event-0")(sets)

    report = report_of(tmp_path, [accepted(0), decided(0), accepted(1, 0)], forge)

    assert "leaf 7: event event-0 of ADV-TEST was accepted before" in str(report.first_bad)


def test_parts_that_wait_are_counted_and_only_tolerated_when_asked(tmp_path: Path) -> None:
    """Accepted and not yet decided: an error unless the caller says that time may bring it."""
    report = report_of(tmp_path, [accepted(0, 3), decided(0, 1), duplicate(7, of=0)])
    tolerant = verify_ledger(tmp_path, allow_open=True)

    assert (report.ok, report.open_parts) == (False, 2)
    assert "(and 1 more like it)" in str(report.first_bad)
    assert (tolerant.ok, tolerant.open_parts) == (True, 2)


def test_decisions_ahead_of_their_acceptance_are_tolerated_as_open(tmp_path: Path) -> None:
    """On another shard the acceptance may come a moment later; a contradiction never."""
    ahead = [decided(0), duplicate(5, of=0), story(1)[-1]]
    assert not report_of(tmp_path, ahead).ok
    assert verify_ledger(tmp_path, allow_open=True).ok

    forged = with_leaf(1, 5, receipt_set_id=HASH)([record_set(accepted(0)), record_set(decided(0))])
    write_shard(tmp_path / "forged/s0", list(forged))
    assert not verify_ledger(tmp_path / "forged", allow_open=True).ok


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 60_000,
        b'{"kind":"closing"}',
        b'{"kind": "link","event_id":"e","moved_from":"a","moved_to":"b","set_id":"s","v":1}',
        b'{"event_id":"e","kind":"link","moved_from":"a","moved_to":"b","set_id":"s","v":1,"v":1}',
        b'{"event_id":"e","kind":"link","moved_from":"a","moved_to":"b","set_id":"s","v":1.0}',
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_leaf_that_is_no_canonical_leaf_is_named(tmp_path: Path, leaf: bytes, own: bool) -> None:
    """Not JSON, not a leaf, or one value written in two ways: a sentence, never a traceback."""
    delivery = Delivery("A", "alert", leaf, record_set(rejected(1)).deliveries[0].body)
    sets = [RecordSet("x", () if own else (leaf,), (delivery,) if own else (), ())]
    write_shard(tmp_path / "s0", sets)
    where = "log s0/recipients/A, leaf 0: is no" if own else "log s0, leaf 0: is no"

    assert where in str(verify_ledger(tmp_path).first_bad)


def test_all_logs_have_one_key_and_one_name(tmp_path: Path) -> None:
    """A shard signed by another key, or of another ledger, is not this ledger's."""
    write_shard(tmp_path / "a/s0", [record_set(rejected(1))])
    write_shard(tmp_path / "a/s1", [], key=Ed25519PrivateKey.generate())
    assert "s1/log.vkey: another public key than that of s0" in str(
        verify_ledger(tmp_path / "a").first_bad
    )
    write_shard(tmp_path / "b/s0", [record_set(rejected(1))])
    other = ShardStore.open(tmp_path / "b/s1", "other/s1", KEY)
    other.publish_tiles()
    other.close()
    assert "the shards are of different ledgers: other, test" in str(
        verify_ledger(tmp_path / "b").first_bad
    )


def test_one_sent_leaf_answers_for_one_decision(tmp_path: Path) -> None:
    """Two decisions that commit to the same leaf: one of the two was never sent."""

    def forge(sets: list[RecordSet]) -> Sequence[RecordSet]:
        sent = json.loads(sets[1].leaves[0])
        copied = {"organisation": sent["organisation"], "recipient_leaf": sent["recipient_leaf"]}
        return with_leaf(1, 3, **copied)(sets)

    report = report_of(tmp_path, EVENT, forge)

    assert "leaf 4: commits to the same leaf as log s0, leaf 1" in str(report.first_bad)


def test_one_round_of_a_part_is_decided_once(tmp_path: Path) -> None:
    """The same part and round in a set of another id: decided twice, and perhaps otherwise."""

    def forge(sets: list[RecordSet]) -> Sequence[RecordSet]:
        again = [canonical_json({**json.loads(one), "set_id": HASH}) for one in sets[1].leaves]
        return [*sets, RecordSet(HASH, tuple(again), (), ())]

    report = report_of(tmp_path, [accepted(0), decided(0, candidates=1, first=1)], forge)

    assert "was closed before (log s0, leaf 2)" in str(report.first_bad)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)), st.integers(1, 3), st.integers(1, 9))
def test_order_shards_and_batches_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], shards: int, batch: int
) -> None:
    """However events are interleaved, a whole ledger adds up, and one without a set does not."""
    sets = [
        one for event in order for one in (accepted(event, 2), decided(event, 1), decided(event))
    ]
    whole = write_ledger(tmp_path_factory.mktemp("whole"), sets, shards=shards, batch=batch)
    less = write_ledger(tmp_path_factory.mktemp("less"), sets[:-1], shards=shards, batch=batch)

    assert verify_ledger(whole).ok
    assert not verify_ledger(less).ok
    assert verify_ledger(less, allow_open=True).open_parts == 1
