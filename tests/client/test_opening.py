"""An alert is shown only if nothing about it was touched and it was recorded for its recipient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.client import RefusedAlertError, open_alert, open_receipt
from broker.client.opening import open_withdrawal
from broker.model.codec import decode, encode
from broker.model.types import Alert, Channel, LogProof, Receipt, Withdrawal
from tests.client.recorded import ADDRESSEE, NOW, OTHER, RECIPIENT, WORDS, Sending

OPENERS: dict[str, Callable[..., Any]] = {"alert": open_alert, "receipt": open_receipt}
ALERT_FIELDS = [name for name in Alert.__struct_fields__ if name != "proof"]


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Sending:
    """A broker whose recipient's log holds several entries."""
    made = Sending(tmp_path_factory.mktemp("broker"))
    made.deliver(*(made.alert_set(f"earlier-{number}") for number in range(5)))
    made.deliver(made.alert_set("other", f"{OTHER}:csc"))
    return made


@pytest.fixture(scope="module")
def values(sending: Sending) -> dict[str, bytes]:
    """One sound message of each kind."""
    return {"alert": sending.alert(), "receipt": sending.receipt()}


def altered(value: bytes, kind: type[Any], **changes: Any) -> bytes:
    """The message with other fields, encoded anew; `proof__x` changes a field of its proof."""
    message = decode(value, kind)
    proof = {
        name.removeprefix("proof__"): one
        for name, one in changes.items()
        if name.startswith("proof__")
    }
    outer = {name: one for name, one in changes.items() if not name.startswith("proof__")}
    changed = msgspec.structs.replace(message.proof, **proof)
    return encode(msgspec.structs.replace(message, proof=changed, **outer))


def refusal(value: bytes, sending: Sending) -> RefusedAlertError:
    """The refusal of an alert that must be refused."""
    with pytest.raises(RefusedAlertError) as raised:
        open_alert(value, sending.agency())
    return raised.value


def test_a_sound_alert_opens_to_what_was_released(
    sending: Sending, values: dict[str, bytes]
) -> None:
    """Content, parsed values, and the place in the recipient's own log."""
    alert = open_alert(values["alert"], sending.agency())

    assert alert.released == {"text": WORDS}
    assert (alert.content.recipient, alert.content.alert_id) == (ADDRESSEE, alert.alert_id)
    assert alert.position.origin == f"broker.example/s0/{RECIPIENT}"
    assert (alert.position.index, alert.position.size) == (5, 6)


def test_a_sound_receipt_opens(sending: Sending, values: dict[str, bytes]) -> None:
    """It says what became of the record."""
    receipt = open_receipt(values["receipt"], sending.agency())

    assert (receipt.content.outcome, receipt.content.event_id) == ("accepted", "event-1")


@pytest.mark.parametrize("kind", OPENERS)
@given(data=st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_single_changed_byte_is_accepted(
    sending: Sending, values: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    """Whichever byte of the message is another one, nothing is shown."""
    value = bytearray(values[kind])
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(RefusedAlertError):
        OPENERS[kind](bytes(value), sending.agency())


@pytest.mark.parametrize("kind", OPENERS)
def test_not_one_bit_of_what_is_not_sealed_can_be_changed(
    sending: Sending, values: dict[str, bytes], kind: str
) -> None:
    """Every bit before and after the sealed content, one by one: ids, keys, leaf, proof, signature."""
    value = values[kind]
    sealed = (decode(value, Alert) if kind == "alert" else decode(value, Receipt)).sealed
    start = value.index(sealed)
    outside = [at for at in range(len(value)) if not start <= at < start + len(sealed)]

    for at in outside:
        for bit in range(8):
            changed = bytearray(value)
            changed[at] ^= 1 << bit
            with pytest.raises(RefusedAlertError):
                OPENERS[kind](bytes(changed), sending.agency())


@given(cut=st.integers(0, 100), more=st.binary(max_size=8))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message_cut_short_or_made_longer_is_refused(
    sending: Sending, values: dict[str, bytes], cut: int, more: bytes
) -> None:
    """One record is one alert, whole."""
    value = values["alert"]
    changed = value[: len(value) - cut] + more
    if changed != value:
        assert refusal(changed, sending).check in {"decodes", "checkpoint"}


@pytest.mark.parametrize("field", ALERT_FIELDS)
def test_no_field_can_be_taken_from_another_alert(
    sending: Sending, values: dict[str, bytes], field: str
) -> None:
    """Each field belongs to its own alert: one of a sound alert to the same recipient does not fit."""
    donor = decode(sending.alert(f"donor-{field}"), Alert)
    value = altered(values["alert"], Alert, **{field: getattr(donor, field)})
    if value == values["alert"]:
        assert field in {"recipient", "key_id", "wrapped_key"}
    else:
        assert refusal(value, sending).check in {"leaf", "inclusion", "seal"}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"recipient": OTHER}, "recipient"),
        ({"alert_id": "0" * 64}, "leaf"),
        ({"set_id": "set-2"}, "leaf"),
        ({"sealed": b"sealed by somebody"}, "leaf"),
        ({"leaf": b"{}"}, "leaf"),
        ({"leaf": b"not json"}, "leaf"),
        ({"key_id": "epoch-2"}, "seal"),
        ({"wrapped_key": bytes(80)}, "seal"),
        ({"wrapped_key": b""}, "seal"),
        ({"proof__index": 0}, "inclusion"),
        ({"proof__index": -1}, "inclusion"),
        ({"proof__hashes": ()}, "inclusion"),
        ({"proof__size": 7}, "checkpoint"),
        ({"proof__origin": "broker.example/s0"}, "checkpoint"),
        ({"proof__origin": f"broker.example/s0/{OTHER}"}, "checkpoint"),
        ({"proof__origin": f"other.example/s0/{RECIPIENT}"}, "checkpoint"),
        ({"proof__checkpoint": ""}, "checkpoint"),
    ],
)
def test_the_first_check_that_fails_is_named(
    sending: Sending, values: dict[str, bytes], changes: dict[str, Any], check: str
) -> None:
    """A refusal says which check failed, so that an operator knows where to look."""
    assert refusal(altered(values["alert"], Alert, **changes), sending).check == check


def test_an_alert_is_refused_by_an_organisation_that_it_is_not_for(
    sending: Sending, values: dict[str, bytes]
) -> None:
    """Delivered to the wrong topic, it says nothing there."""
    with pytest.raises(RefusedAlertError) as raised:
        open_alert(values["alert"], sending.agency(OTHER))
    assert raised.value.check == "recipient"


def test_a_log_that_another_ledger_signed_is_refused(sending: Sending, tmp_path: Path) -> None:
    """A second broker with a log of the same name cannot put anything into ours."""
    forger = Sending(tmp_path)
    forged = decode(forger.alert(), Alert)
    own = decode(sending.alert("own"), Alert)
    value = encode(msgspec.structs.replace(own, leaf=forged.leaf, proof=forged.proof))

    assert refusal(value, sending).check in {"leaf", "checkpoint"}
    assert refusal(encode(forged), sending).check == "checkpoint"


def test_content_for_another_addressee_or_of_another_alert_is_refused(sending: Sending) -> None:
    """What is inside must say what is outside, even if the broker itself mixed it up."""
    wrong_role = sending.alert("mixed-1", recipient=f"{RECIPIENT}:education")
    wrong_id = sending.alert("mixed-2", alert_id="another")

    assert refusal(wrong_role, sending).check == "content"
    assert refusal(wrong_id, sending).check == "content"


def test_what_was_recorded_for_somebody_else_is_refused_even_in_our_own_log(
    sending: Sending,
) -> None:
    """A broker that files an alert to another organisation in our log has made a mistake."""
    value = sending.deliver(
        sending.sealed_set("misfiled", RECIPIENT, f"{OTHER}:csc", Channel.ALERT)
    )[0][1]

    assert refusal(value, sending).check == "leaf"


def test_what_was_recorded_in_somebody_elses_log_is_refused(sending: Sending) -> None:
    """The ledger signed that log too, but we cannot see what else is in it."""
    ours = sending.alert_set("elsewhere")
    elsewhere = tuple(msgspec.structs.replace(one, recipient=OTHER) for one in ours.deliveries)
    sent = sending.deliver(msgspec.structs.replace(ours, deliveries=elsewhere))[0][1]

    assert refusal(altered(sent, Alert, recipient=RECIPIENT), sending).check == "checkpoint"


def test_a_leaf_of_another_channel_does_not_prove_an_alert(sending: Sending) -> None:
    """What was recorded as a receipt was not recorded as an alert."""
    value = sending.deliver(
        sending.sealed_set("as-receipt", RECIPIENT, ADDRESSEE, Channel.RECEIPT)
    )[0][1]

    assert refusal(value, sending).check == "leaf"


def test_a_receipt_is_no_alert_and_an_alert_no_receipt(
    sending: Sending, values: dict[str, bytes]
) -> None:
    """The kinds cannot be exchanged."""
    assert refusal(values["receipt"], sending).check == "decodes"
    with pytest.raises(RefusedAlertError):
        open_receipt(values["alert"], sending.agency())


@given(value=st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_lies_on_the_topic_is_refused_and_nothing_else_happens(
    sending: Sending, value: bytes
) -> None:
    """Noise is refused with the same error as a forgery."""
    assert refusal(value, sending).check == "decodes"


def test_a_refusal_shows_nothing_of_the_content_and_says_what_to_do(
    sending: Sending, values: dict[str, bytes]
) -> None:
    """Neither words nor values; the operators are named."""
    said = str(refusal(altered(values["alert"], Alert, set_id="x"), sending))

    assert WORDS not in said
    assert "operators" in said


def test_a_withdrawal_is_for_us_or_refused(sending: Sending) -> None:
    """Another organisation's withdrawal takes nothing back here."""
    ours = Withdrawal(alert_id="a", recipient=ADDRESSEE, reason="withdrawn", withdrawn_at=NOW)
    theirs = msgspec.structs.replace(ours, recipient=f"{OTHER}:csc")

    assert open_withdrawal(encode(ours), sending.agency()).content == ours
    with pytest.raises(RefusedAlertError):
        open_withdrawal(encode(theirs), sending.agency())


def test_a_proof_type_has_no_field_that_is_not_checked() -> None:
    """A new field of the proof would need a check of its own."""
    assert LogProof.__struct_fields__ == ("origin", "index", "size", "hashes", "checkpoint")
