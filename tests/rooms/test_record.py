"""Record and deliver: clocks, leaves, and what a sealed delivery commits to."""

import datetime
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.deliver import body_of, message_of, topic_of
from broker.model.codec import decode
from broker.model.sealer import Sealer, sealed_for
from broker.model.sealing import PAD_BYTES, DataKey, SealError, pad, seal, unpad, unseal
from broker.model.types import Alert, Channel, LogProof, Receipt, Severity, TimeInterval
from broker.record import acknowledge_by
from broker.record.leaves import leaf_hash, sealed_delivery
from tests.builders import NOW

KEY = DataKey("e1", bytes(range(32)), b"wrapped")
DESK = DataKey("e1", bytes(32), b"wrapped for the desk")
SEALER = Sealer(data_keys={"E08000031": KEY}, desk=DESK, rows_key=bytes(32), pairwise_secret=b"s")
PROOF = LogProof(origin="o", index=0, size=1, hashes=(), checkpoint="c")


def test_a_threatened_window_brings_the_clock_forward() -> None:
    """A threat for four hours from now leaves one hour to acknowledge, whatever the severity."""
    window = TimeInterval(start=NOW + datetime.timedelta(hours=4))

    assert acknowledge_by(Severity.ROUTINE, window, NOW) == NOW + datetime.timedelta(hours=1)
    assert acknowledge_by(Severity.ROUTINE, None, NOW) == NOW + datetime.timedelta(days=3)


@given(
    st.sampled_from(list(Severity)),
    st.timedeltas(datetime.timedelta(days=-30), datetime.timedelta(days=30)),
)
def test_no_window_ever_puts_an_acknowledgement_off(
    severity: Severity, until: datetime.timedelta
) -> None:
    """The window can only shorten the clock, and never to before the event was received."""
    window = TimeInterval(start=NOW + until)

    assert NOW <= acknowledge_by(severity, window, NOW) <= acknowledge_by(severity, None, NOW)


@given(st.binary(max_size=5000))
def test_what_is_sealed_for_a_recipient_opens_for_it_and_for_nobody_else(content: bytes) -> None:
    """Bound to recipient and set; the same content gives the same bytes."""
    one = sealed_delivery(SEALER, Channel.ALERT, "E08000031", "set-1", "E08000031:csc", content)
    again = sealed_delivery(SEALER, Channel.ALERT, "E08000031", "set-1", "E08000031:csc", content)

    assert one == again
    assert unpad(unseal(KEY.key, one.sealed, sealed_for("E08000031", "set-1"))) == content
    for key, bound in (
        (DESK.key, sealed_for("E08000031", "set-1")),
        (KEY.key, sealed_for("E08000028", "set-1")),
        (KEY.key, sealed_for("E08000031", "set-2")),
    ):
        with pytest.raises(SealError):
            unseal(key, one.sealed, bound)


@given(st.binary(max_size=3000))
def test_size_says_no_more_than_the_next_kibibyte(content: bytes) -> None:
    """Fields that are withheld must not show in the length."""
    assert len(pad(content)) % PAD_BYTES == 0
    assert unpad(pad(content)) == content


def test_the_recipients_leaf_commits_to_the_sealed_bytes() -> None:
    """What is recorded is exactly what is sent."""
    one = sealed_delivery(SEALER, Channel.ALERT, "E08000031", "set-1", "E08000031:csc", b"x")
    own = json.loads(one.leaf)

    assert own["content_hash"] == hashlib.sha256(one.sealed).hexdigest()
    assert own["message_id"] == one.message_id
    assert leaf_hash(one.leaf) == hashlib.sha256(b"\x00" + one.leaf).hexdigest()


def test_an_unconnected_organisation_is_served_by_the_duty_desk() -> None:
    """Nobody is left out for want of a connection: the desk opens it and rings them."""
    one = sealed_delivery(SEALER, Channel.ALERT, "E10000001", "set-1", "E10000001:csc", b"x")
    topic, _, _ = message_of("E10000001", one.leaf, body_of("set-1", one), PROOF)

    assert one.channel is Channel.MANUAL
    assert topic == "manual.v1"
    assert unpad(unseal(DESK.key, one.sealed, sealed_for("E10000001", "set-1"))) == b"x"


@pytest.mark.parametrize(
    ("channel", "kind", "topic"),
    [(Channel.ALERT, Alert, "alerts.v1.X"), (Channel.RECEIPT, Receipt, "receipts.v1.X")],
)
def test_a_message_carries_seal_leaf_and_proof_and_no_word_of_content(
    channel: Channel, kind: type[Alert | Receipt], topic: str
) -> None:
    """The final bytes: sealed content, the recipient's leaf, its proof; the key is a hash."""
    one = sealed_delivery(SEALER, channel, "E08000031", "set-1", "E08000031", b"Example Name")
    _, key, value = message_of("X", one.leaf, body_of("set-1", one), PROOF)
    message = decode(value, kind)

    assert topic_of(channel, "X") == topic
    assert (message.leaf, message.proof, message.sealed) == (one.leaf, PROOF, one.sealed)
    assert b"Example" not in value + key


def test_sealing_differs_by_what_it_is_bound_to() -> None:
    """Two recipients of the same words cannot compare what they got."""
    assert seal(KEY.key, b"x", b"a") != seal(KEY.key, b"x", b"b")
    assert SEALER.pairwise("A", "token") != SEALER.pairwise("B", "token")
