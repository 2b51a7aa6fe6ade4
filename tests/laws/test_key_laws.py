"""Laws of keys with dates: a record is judged by Kafka's time of it, and by nothing else."""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.flow import receive
from broker.model.envelope import IntakeEpoch, SigningIdentity, seal_statement
from broker.model.key_terms import KeyTerm, Standing
from broker.model.values import SourcePosition
from broker.reception import IntakeResult, IntakeView, RawRecord, Reception
from tests.builders import ADVOCATE, NOW, SANDWELL, concern
from tests.rooms.test_reception import EPOCH_KEY, KEYS, RECEPTION

SECOND = datetime.timedelta(seconds=1)
MOMENTS = st.integers(-1000, 1000).map(lambda seconds: NOW + seconds * SECOND)
MAYBE = st.none() | MOMENTS
TERMS = st.builds(KeyTerm, valid_from=MOMENTS, valid_to=MAYBE, revoked_at=MAYBE)
SEALED = seal_statement(
    concern(reported_at=NOW - 2000 * SECOND),
    SigningIdentity(ADVOCATE, "key-1", KEYS[ADVOCATE]),
    IntakeEpoch("epoch-1", EPOCH_KEY.public_key()),
    os.urandom(32),
)
REASONS = {
    Standing.IN_FORCE: None,
    Standing.REVOKED: "key_revoked",
    Standing.ENDED: "key_not_in_force",
    Standing.NOT_YET: "key_not_in_force",
}


def taken(
    at: datetime.datetime, reception: Reception, owner: str = ADVOCATE, data: bytes = SEALED
) -> IntakeResult:
    """What becomes of the record that Kafka took at that moment."""
    record = RawRecord(SourcePosition(f"concerns.v1.{owner}", 0, 1), owner, at, data)
    view = IntakeView(seen=lambda _key: None, aliases=lambda _tokens: {})
    return receive(record, view, reception)


def with_term(term: KeyTerm, reception: Reception = RECEPTION) -> Reception:
    return msgspec.structs.replace(reception, key_terms={(ADVOCATE, "key-1"): term})


def reason(result: IntakeResult) -> str | None:
    return None if result.rejection is None else result.rejection.reason


@given(TERMS, MOMENTS)
def test_a_record_is_judged_by_the_keys_of_its_time(term: KeyTerm, at: datetime.datetime) -> None:
    """Accepted if and only if its key was in force then; else the reason says which way it was not."""
    result = taken(at, with_term(term))

    assert reason(result) == REASONS[term.standing(at)]
    assert len(result.sets) == 1
    assert len(result.sets[0].deliveries) == 1


@given(TERMS, MOMENTS, MOMENTS)
def test_what_happens_to_a_key_later_changes_nothing_of_what_came_before(
    term: KeyTerm, at: datetime.datetime, later: datetime.datetime
) -> None:
    """Revoked or ended after a record, the record gives the same bytes whenever it is read."""
    later = max(at, later) + SECOND
    for name in ("valid_to", "revoked_at"):
        if getattr(term, name) is not None and getattr(term, name) <= later:
            continue
        changed = msgspec.structs.replace(term, **{name: later})
        assert taken(at, with_term(changed)).sets == taken(at, with_term(term)).sets


@given(TERMS, MOMENTS)
def test_a_revoked_key_never_signs_again(term: KeyTerm, at: datetime.datetime) -> None:
    """From the moment of its revocation on, whatever its other dates are."""
    revoked = msgspec.structs.replace(term, revoked_at=at)
    for after in (0, 1, 86_400):
        assert revoked.standing(at + after * SECOND) is Standing.REVOKED


@given(st.integers(-40, 40), st.none() | st.integers(-40, 40), st.none() | st.integers(-40, 40))
def test_an_organisation_publishes_on_its_days_and_on_no_other(
    day: int, first: int | None, last: int | None
) -> None:
    """From its first day to its last, both included, by Kafka's time of the record."""
    at = NOW + datetime.timedelta(days=day)
    dates: dict[str, Any] = {
        "valid_from": datetime.date.min if first is None else NOW.date() + first * 86_400 * SECOND,
        "valid_to": None if last is None else NOW.date() + last * 86_400 * SECOND,
    }
    exists = (first is None or first <= day) and (last is None or day <= last)
    data = seal_statement(
        concern(reported_at=at),
        SigningIdentity(ADVOCATE, "key-1", KEYS[ADVOCATE]),
        IntakeEpoch("epoch-1", EPOCH_KEY.public_key()),
        bytes(32),
    )
    known = RECEPTION.reference.organisations
    changed = msgspec.structs.replace(
        RECEPTION.reference,
        organisations={**known, ADVOCATE: msgspec.structs.replace(known[ADVOCATE], **dates)},
    )
    result = taken(at, msgspec.structs.replace(RECEPTION, reference=changed), data=data)

    assert reason(result) == (None if exists else "organisation_closed")


def test_who_is_not_in_the_register_publishes_nothing() -> None:
    """A key alone makes nobody a publisher: no row in the register means nobody."""
    known = dict(RECEPTION.reference.organisations)
    del known[ADVOCATE]
    empty = msgspec.structs.replace(RECEPTION.reference, organisations=known)

    assert reason(taken(NOW, msgspec.structs.replace(RECEPTION, reference=empty))) == (
        "organisation_closed"
    )
    assert reason(taken(NOW, msgspec.structs.replace(RECEPTION, publisher_keys={}))) == (
        "unknown_publisher"
    )


def test_a_successor_publishes_nothing_by_its_predecessors_code() -> None:
    """Neither under the old code, nor with the old code's key under its own."""
    old = "E08000099"
    moved = msgspec.structs.replace(
        RECEPTION.reference, successors={**RECEPTION.reference.successors, old: SANDWELL}
    )
    reception = msgspec.structs.replace(
        RECEPTION,
        reference=moved,
        publisher_keys={**RECEPTION.publisher_keys, (old, "key-1"): KEYS[ADVOCATE].public_key()},
    )
    epoch = IntakeEpoch("epoch-1", EPOCH_KEY.public_key())
    by_old = seal_statement(
        concern(publisher=old), SigningIdentity(old, "key-1", KEYS[ADVOCATE]), epoch, bytes(32)
    )
    by_new = seal_statement(
        concern(publisher=SANDWELL),
        SigningIdentity(SANDWELL, "key-1", KEYS[ADVOCATE]),
        epoch,
        bytes(32),
    )

    assert reason(taken(NOW, reception, old, by_old)) == "organisation_closed"
    assert reason(taken(NOW, reception, SANDWELL, by_new)) == "bad_signature"


def test_a_refusal_for_a_key_says_what_to_do() -> None:
    """With its reason in the leaf, and words in the receipt."""
    result = taken(NOW, with_term(KeyTerm(revoked_at=NOW)))
    (leaf,) = result.sets[0].leaves

    assert json.loads(leaf)["reason"] == "key_revoked"
    assert result.rejection is not None
    assert "publish it again" in result.rejection.explanation
