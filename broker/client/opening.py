"""Opens what the broker sent, after it is proved that it was recorded first.

In this order: it decodes; it is for us; its leaf is about it and commits to the sealed bytes; the
broker's ledger signed our own log; the leaf is in that log; only then is anything unsealed, and
what is inside must agree with what is outside, and each released field with what its publisher signed.
Whatever fails is refused, and no content is shown.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag

from broker.client.ownlog import LogPosition
from broker.client.proving import StatementError, proved_fields
from broker.ledger import NoteError, inclusion_holds, open_checkpoint, verifier_keys
from broker.model.codec import CodecError, decode
from broker.model.sealer import sealed_for
from broker.model.sealing import SealError, unpad, unseal
from broker.model.types import (
    Alert,
    AlertContent,
    Channel,
    LogProof,
    Receipt,
    ReceiptContent,
    Withdrawal,
)
from broker.record.leaves import FORMAT, leaf_hash
from broker.shell.keys import AgencyKeys, unwrap

REMEDY = "do not act on it; tell the broker's operators and quote the Kafka offset"
ContentT = TypeVar("ContentT", bound=msgspec.Struct)


class RefusedAlertError(RuntimeError):
    """A message that must not be shown: `check` is the check that failed, the text says what to do.

    Checks: `decodes`, `recipient`, `leaf`, `checkpoint`, `inclusion`, `seal`, `content`, `statement` (a
    field is not what its publisher signed), and for a Subscriber `rolled_back`. Nothing of the
    content is in it.
    """

    def __init__(self, check: str, what: str) -> None:
        """`what` is wrong, in words without content."""
        super().__init__(f"refused ({check}): {what}: {REMEDY}")
        self.check = check


class OpenedAlert(msgspec.Struct, frozen=True):
    """An alert whose proof held: what was released, and where it stands in the recipient's log."""

    alert_id: str
    set_id: str
    content: AlertContent
    released: dict[str, Any]
    """Field -> value, as far as it was released."""
    position: LogPosition
    proved: dict[str, str]
    """Field -> how it was proved: `signed`, `committed`, `derived_by_broker` or `unproved`
    (broker.client.proving)."""


class OpenedReceipt(msgspec.Struct, frozen=True):
    """A receipt whose proof held: what became of one published record."""

    receipt_id: str
    set_id: str
    content: ReceiptContent
    position: LogPosition


class OpenedWithdrawal(msgspec.Struct, frozen=True):
    """A withdrawal: the alert that no longer stands. Only a sealed one comes with a proof."""

    content: Withdrawal
    position: LogPosition | None


class _Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leaf of an organisation's own log (broker.record.leaves)."""

    kind: str
    v: int
    set_id: str
    message_id: str
    recipient: str
    content_hash: str


class _Message(msgspec.Struct, frozen=True):
    """What alert and receipt have in common, and what its leaf must say."""

    channel: Channel
    message_id: str
    set_id: str
    recipient: str
    key_id: str
    wrapped_key: bytes
    sealed: bytes
    leaf: bytes
    proof: LogProof


def open_alert(value: bytes, keys: AgencyKeys) -> OpenedAlert:
    """The alert in the value of a Kafka record. Raises RefusedAlertError and shows nothing."""
    message = _alert_message(value, Channel.ALERT)
    content, leaf, position = _opened(message, keys, AlertContent)
    stated = (content.alert_id, content.recipient)
    if stated != (message.message_id, leaf.recipient):
        raise RefusedAlertError("content", "inside, it is another alert or for another recipient")
    values = _values(content)
    try:
        proved = proved_fields(content, keys.publishers)
    except StatementError as error:
        raise RefusedAlertError("statement", str(error)) from None
    return OpenedAlert(message.message_id, message.set_id, content, values, position, proved)


def open_receipt(value: bytes, keys: AgencyKeys) -> OpenedReceipt:
    """The receipt in the value of a Kafka record. Raises RefusedAlertError and shows nothing."""
    receipt = _decoded(value, Receipt)
    message = _Message(
        channel=Channel.RECEIPT,
        message_id=receipt.receipt_id,
        set_id=receipt.set_id,
        recipient=receipt.recipient,
        key_id=receipt.key_id,
        wrapped_key=receipt.wrapped_key,
        sealed=receipt.sealed,
        leaf=receipt.leaf,
        proof=receipt.proof,
    )
    content, _, position = _opened(message, keys, ReceiptContent)
    return OpenedReceipt(message.message_id, message.set_id, content, position)


def open_withdrawal(value: bytes, keys: AgencyKeys) -> OpenedWithdrawal:
    """The withdrawal in the value of a Kafka record, plain or sealed with a proof.

    Raises RefusedAlertError.
    """
    try:
        content = decode(value, Withdrawal)
        position = None
    except CodecError:
        message = _alert_message(value, Channel.WITHDRAWAL)
        content, _, position = _opened(message, keys, Withdrawal)
    if content.recipient.split(":")[0] != keys.identity.organisation:
        raise RefusedAlertError("recipient", "the withdrawal is for another organisation")
    return OpenedWithdrawal(content, position)


def _alert_message(value: bytes, channel: Channel) -> _Message:
    alert = _decoded(value, Alert)
    return _Message(
        channel=channel,
        message_id=alert.alert_id,
        set_id=alert.set_id,
        recipient=alert.recipient,
        key_id=alert.key_id,
        wrapped_key=alert.wrapped_key,
        sealed=alert.sealed,
        leaf=alert.leaf,
        proof=alert.proof,
    )


def _decoded(value: bytes, kind: type[ContentT]) -> ContentT:
    try:
        return decode(value, kind)
    except CodecError as error:
        raise RefusedAlertError("decodes", f"it is no {kind.__name__} ({error.reason})") from None


def _opened(
    message: _Message, keys: AgencyKeys, kind: type[ContentT]
) -> tuple[ContentT, _Leaf, LogPosition]:
    """Content, leaf and place in the log of a message, once every check before it held."""
    own = keys.identity.organisation
    if message.recipient != own:
        raise RefusedAlertError("recipient", "it is addressed to another organisation")
    leaf = _checked_leaf(message, own)
    position = _checked_position(message, keys)
    return _unsealed(message, keys, kind), leaf, position


def _checked_leaf(message: _Message, own: str) -> _Leaf:
    """The leaf, which must be about this message and commit to exactly these sealed bytes."""
    try:
        leaf = msgspec.json.decode(message.leaf, type=_Leaf)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RefusedAlertError("leaf", "its leaf cannot be read") from None
    expected = {
        "kind": message.channel.value,
        "v": FORMAT,
        "set_id": message.set_id,
        "message_id": message.message_id,
        "content_hash": hashlib.sha256(message.sealed).hexdigest(),
    }
    wrong = [name for name, value in expected.items() if getattr(leaf, name) != value]
    if leaf.recipient.split(":")[0] != own:
        wrong.append("recipient")
    if wrong:
        raise RefusedAlertError("leaf", f"its leaf is about something else ({', '.join(wrong)})")
    return leaf


def _checked_position(message: _Message, keys: AgencyKeys) -> LogPosition:
    """Where the leaf stands in our own log, by a checkpoint that the broker's ledger signed."""
    proof = message.proof
    if not proof.origin.endswith(f"/{keys.identity.organisation}"):
        raise RefusedAlertError("checkpoint", "its proof is for the log of somebody else")
    try:
        signed = open_checkpoint(
            proof.checkpoint,
            verifier_keys(proof.origin, (keys.ledger, *keys.earlier_ledger)),
        )
    except NoteError:
        # What the note says is not repeated: it comes from whoever forged it.
        raise RefusedAlertError("checkpoint", "the broker's ledger did not sign its log") from None
    if signed.size != proof.size:
        raise RefusedAlertError("checkpoint", "its proof is for another size than was signed")
    if not inclusion_holds(message.leaf, proof.index, proof.size, proof.hashes, signed.root):
        raise RefusedAlertError("inclusion", "it is not in the log, so it was not recorded")
    return LogPosition(proof.origin, proof.index, proof.size, signed.root, leaf_hash(message.leaf))


def _unsealed(message: _Message, keys: AgencyKeys, kind: type[ContentT]) -> ContentT:
    own = keys.identity.organisation
    own_keys = (keys.sealing_key, *keys.earlier_sealing)
    try:
        key = unwrap(own, message.key_id, message.wrapped_key, *own_keys)
        padded = unseal(key, message.sealed, sealed_for(own, message.set_id))
        return decode(unpad(padded), kind)
    except (InvalidTag, SealError, ValueError):
        raise RefusedAlertError("seal", "it does not open with this organisation's key") from None


def _values(content: AlertContent) -> dict[str, Any]:
    """Released values, parsed."""
    try:
        return {one.field: msgspec.json.decode(one.value) for one in content.released}
    except msgspec.DecodeError:
        raise RefusedAlertError("content", "a released value cannot be read") from None
