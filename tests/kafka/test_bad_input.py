"""Whatever lies on a topic gets a leaf and a receipt that says what to do, and stops nobody."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable

import msgspec
import pytest

from broker.auditor.verify import verify_ledger
from broker.client.connection import producer_of
from broker.model import types as t
from broker.model.codec import encode
from broker.model.envelope import seal_statement, signed_of, signing_input
from broker.model.types import ConcernEvent, Envelope, ReceiptContent
from broker.shell.keys import load_agency_keys
from tests.simulation.harness import Broker, fresh_event, receipts_of

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
WITHIN_S = 45.0
Maker = Callable[[Broker, ConcernEvent], bytes]


def sealed(broker: Broker, event: ConcernEvent, owner: str | None = None) -> bytes:
    """The event as its publisher's own client would send it."""
    keys = load_agency_keys(broker.settings.keys_dir, owner or event.publisher)
    return seal_statement(event, keys.identity, keys.epoch, os.urandom(32))


def tampered(broker: Broker, event: ConcernEvent) -> bytes:
    """Signed, and then changed in one bit of its body."""
    data = bytearray(sealed(broker, event))
    data[-100] ^= 1
    return bytes(data)


def by_a_stranger(broker: Broker, event: ConcernEvent) -> bytes:
    """A publisher that the register does not have."""
    keys = load_agency_keys(broker.settings.keys_dir, event.publisher)
    stranger = msgspec.structs.replace(keys.identity, organisation="NOT-REGISTERED")
    return seal_statement(event, stranger, keys.epoch, os.urandom(32))


def under_another_key(broker: Broker, event: ConcernEvent) -> bytes:
    """The right name with another organisation's key."""
    keys = load_agency_keys(broker.settings.keys_dir, event.publisher)
    other = load_agency_keys(broker.settings.keys_dir, "E08000028")
    forged = msgspec.structs.replace(keys.identity, key=other.identity.key)
    return seal_statement(event, forged, keys.epoch, os.urandom(32))


def of_another_epoch(broker: Broker, event: ConcernEvent) -> bytes:
    """Sealed to a key that intake does not hold."""
    keys = load_agency_keys(broker.settings.keys_dir, event.publisher)
    epoch = msgspec.structs.replace(keys.epoch, name="epoch-of-long-ago")
    return seal_statement(event, keys.identity, epoch, os.urandom(32))


def unsealed(broker: Broker, event: ConcernEvent) -> bytes:
    """A signed envelope with rubbish where the sealed body should be."""
    keys = load_agency_keys(broker.settings.keys_dir, event.publisher)
    envelope = Envelope(
        publisher=event.publisher,
        key_id=keys.identity.key_id,
        epoch=keys.epoch.name,
        event_id=event.event_id,
        commitment_root=bytes(32),
        sealed_body=b"not sealed at all",
        signature=b"",
    )
    signature = keys.identity.key.sign(signing_input(signed_of(envelope)))
    return encode(msgspec.structs.replace(envelope, signature=signature))


def at_no_place(broker: Broker, event: ConcernEvent) -> bytes:
    place = t.Place(precision=t.PlacePrecision.LA, la_gss="E08999999")
    return sealed(broker, msgspec.structs.replace(event, place=place))


def about_nobody(broker: Broker, event: ConcernEvent) -> bytes:
    return sealed(broker, msgspec.structs.replace(event, subjects=(), place=None))


def of_one_child_twice(broker: Broker, event: ConcernEvent) -> bytes:
    return sealed(broker, msgspec.structs.replace(event, subjects=event.subjects * 2))


BAD: list[tuple[str, Maker]] = [
    ("not_avro", lambda _b, _e: b"this is no record"),
    ("not_avro", lambda b, e: b"\x00\x00\x00\x00\x07" + sealed(b, e)[10:]),
    ("truncated", lambda b, e: sealed(b, e)[:-40]),
    ("truncated", lambda b, e: sealed(b, e) + b"and more"),
    ("unknown_schema", lambda b, e: b"\xc3\x01" + bytes(8) + sealed(b, e)[10:]),
    ("unknown_schema", lambda _b, e: encode(e)),
    ("too_large", lambda _b, _e: os.urandom(10_000_000)),
    ("bad_signature", tampered),
    ("bad_signature", under_another_key),
    ("unknown_publisher", by_a_stranger),
    ("not_topic_owner", lambda b, e: sealed(b, msgspec.structs.replace(e, publisher="E08000028"))),
    ("cannot_open", of_another_epoch),
    ("cannot_open", unsealed),
    ("invalid_gss_code", at_no_place),
    ("no_subject_and_no_place", about_nobody),
    ("not_valid", of_one_child_twice),
]


def answers(broker: Broker, owner: str, records: list[bytes]) -> list[ReceiptContent]:
    """Writes the records to the owner's topic, one after the other; their receipts, in that order."""

    async def send() -> list[ReceiptContent]:
        async with producer_of(broker.settings, owner) as producer:
            sent = [await producer.send_and_wait(f"concerns.v1.{owner}", one) for one in records]
        for _ in range(round(WITHIN_S / 0.3)):
            receipts = await receipts_of(broker.settings, owner)
            by_offset = {one.source_offset: one for one in receipts}
            if all(one.offset in by_offset for one in sent):
                return [by_offset[one.offset] for one in sent]
            await asyncio.sleep(0.3)
        raise AssertionError("not every record got its receipt in time")

    return asyncio.run(send())


def test_every_kind_of_bad_record_is_rejected_with_its_reason_and_stops_nobody(
    running: Broker,
) -> None:
    """Each gets a receipt with its reason and a remedy; the sound one behind them is accepted."""
    event = fresh_event(0)
    records = [make(running, fresh_event(n)) for n, (_, make) in enumerate(BAD, 1)]
    found = answers(running, event.publisher, [*records, sealed(running, event)])
    report = verify_ledger(running.settings.ledger_dir, allow_open=True)

    *rejected, accepted = found
    assert [one.reason for one in rejected] == [reason for reason, _ in BAD]
    assert all(one.outcome == "rejected" and len(one.explanation or "") > 20 for one in rejected)
    assert (accepted.outcome, accepted.event_id) == ("accepted", event.event_id)
    assert report.ok, report.first_bad
    assert report.rejected >= len(BAD)


def test_the_same_again_is_a_duplicate_and_other_content_under_one_id_is_refused(
    running: Broker,
) -> None:
    """A duplicate gets the first receipt again; a reused id does not change what was said."""
    event = fresh_event(0)
    changed = msgspec.structs.replace(event, summary="Something else entirely.")
    found = answers(
        running,
        event.publisher,
        [sealed(running, event), sealed(running, event), sealed(running, changed)],
    )

    assert [one.outcome for one in found] == ["accepted", "duplicate", "rejected"]
    assert found[2].reason == "id_reused"
    assert (found[1].received_at, found[1].parts) == (found[0].received_at, found[0].parts)


def test_late_and_oddly_graded_statements_are_accepted(running: Broker) -> None:
    """Late is normal; an unknown handling or an unlabelled grade is accepted and waits for a person."""
    event = fresh_event(0)
    long_ago = event.reported_at.replace(year=2023)
    late = msgspec.structs.replace(
        event, event_id=str(uuid.uuid4()), observed_at=long_ago, reported_at=long_ago, when=None
    )
    handled = msgspec.structs.replace(
        event, event_id=str(uuid.uuid4()), handling=t.Handling(code="Z9")
    )
    graded = msgspec.structs.replace(
        event, event_id=str(uuid.uuid4()), grading=t.Grading(scheme="B2", source_evaluation="B")
    )
    wrong_number = t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value="9434765918")
    (child,) = event.subjects
    mistyped = msgspec.structs.replace(
        event,
        event_id=str(uuid.uuid4()),
        subjects=(msgspec.structs.replace(child, identifiers=(wrong_number,)),),
    )
    odd = [late, handled, graded, mistyped]
    found = answers(running, event.publisher, [sealed(running, one) for one in odd])

    assert [one.outcome for one in found] == ["accepted"] * 4
    assert found[3].flags == ("check_digit_failed",)
