"""One message to an organisation, held to the log that it says it is recorded in. Opens no content."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

import msgspec

from broker.auditor.leaves import OwnLeaf, read_own_leaf
from broker.ledger import (
    Checkpoint,
    NoteError,
    VerifierKey,
    folder_of,
    inclusion_holds,
    leaf_hash,
    open_checkpoint,
)
from broker.model.codec import CodecError, decode
from broker.model.types import Alert, LogProof, Receipt

ALERTS, RECEIPTS, WITHDRAWN, MANUAL = "alerts.v1", "receipts.v1", "withdrawn.v1", "manual.v1"
KIND_OF = {ALERTS: "alert", RECEIPTS: "receipt", WITHDRAWN: "withdrawal"}

KeyOf = Callable[[str, str], VerifierKey]
"""(origin that a proof names, folder of the organisation) -> the key of that log; ValueError for none."""


class Sent(msgspec.Struct, frozen=True):
    """What a message says of itself, once that holds together."""

    folder: str
    """Of the organisation's own log."""
    origin: str
    index: int
    digest: bytes
    """Hash of the leaf in that log."""
    message_id: str
    wrapped: tuple[str, bytes]
    """Id of the data key, and the key sealed to the organisation."""


def kind_of(topic: str) -> tuple[str, str]:
    """(kind, organisation's code) of a topic; the code is empty where the topic is nobody's own."""
    word, version, *organisation = f"{topic}.".split(".", 2)
    return f"{word}.{version}", "".join(organisation).rstrip(".")


def check_message(topic: str, key: object, value: object, key_of: KeyOf) -> Sent:
    """The message, if its leaf is that of its content and its proof holds by `key_of` its log.

    That the log has that leaf now is for the caller to see. Raises ValueError with the rest of a
    sentence: what is wrong with it.
    """
    kind, organisation = kind_of(topic)
    message_id, message = _decoded(kind, value)
    leaf = _leaf(message.leaf)
    if (leaf.message_id, leaf.set_id) != (message_id, message.set_id):
        raise ValueError("has the leaf of another message")
    if key != message_id.encode():
        raise ValueError("has another key than its message id")
    if kind != MANUAL and (leaf.kind, message.recipient) != (KIND_OF.get(kind), organisation):
        raise ValueError(f"is a {leaf.kind} for {message.recipient} and belongs elsewhere")
    if sha256(message.sealed).hexdigest() != leaf.content_hash:
        raise ValueError("has other sealed content than its leaf commits to")
    folder = folder_of(message.recipient)
    _check_proof(message.leaf, message.proof, key_of(message.proof.origin, folder))
    return Sent(
        folder=folder,
        origin=message.proof.origin,
        index=message.proof.index,
        digest=leaf_hash(message.leaf),
        message_id=message_id,
        wrapped=(message.key_id, message.wrapped_key),
    )


def _decoded(kind: str, value: object) -> tuple[str, Alert | Receipt]:
    if not isinstance(value, bytes):
        raise ValueError("has no content")
    if kind != RECEIPTS:
        try:
            alert = decode(value, Alert)
        except CodecError as error:
            if kind != MANUAL:
                raise ValueError(f"is no alert of the broker ({error.reason})") from error
        else:
            return alert.alert_id, alert
    try:
        receipt = decode(value, Receipt)
    except CodecError as error:
        raise ValueError(f"is no message of the broker ({error.reason})") from error
    return receipt.receipt_id, receipt


def _leaf(data: bytes) -> OwnLeaf:
    try:
        return read_own_leaf(data)
    except ValueError as error:
        raise ValueError(f"has a leaf that {error}") from error


@lru_cache(maxsize=256)
def _opened(note: str, key: VerifierKey) -> Checkpoint:
    """A whole batch has one checkpoint."""
    return open_checkpoint(note, key)


def _check_proof(leaf: bytes, proof: LogProof, key: VerifierKey) -> None:
    if proof.origin != key.origin:
        raise ValueError(f"has a proof of the log {proof.origin!r}, not of {key.origin!r}")
    try:
        checkpoint = _opened(proof.checkpoint, key)
    except NoteError as error:
        raise ValueError(f"has a checkpoint in its proof that {error}") from error
    if checkpoint.size != proof.size or not inclusion_holds(
        leaf, proof.index, proof.size, proof.hashes, checkpoint.root
    ):
        raise ValueError("has a proof that does not hold")
