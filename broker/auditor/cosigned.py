"""Cosignatures: on the published checkpoints and on all former ones, as far as the store is here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from broker.auditor.keys import key_beside
from broker.auditor.report import BadLedgerError, CosignedCount
from broker.auditor.snapshot import CHECKPOINT, VERIFIER_KEY, WITNESS_KEYS, LogFiles
from broker.auditor.stored import Former
from broker.ledger import (
    Checkpoint,
    NoteError,
    VerifierKey,
    WitnessKey,
    cosignature_lines,
    cosigned_at,
    is_by,
    parse_witness_key,
)

MAX_KEY_BYTES = 4096


def witness_from(given: str) -> WitnessKey:
    """A witness's key from a text or from a file that holds it. Raises BadLedgerError."""
    text = given
    if "+" not in given or Path(given).is_file():
        try:
            with Path(given).open("rb") as file:
                text = file.read(MAX_KEY_BYTES).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadLedgerError(f"{given} cannot be read as a witness's key: {error}") from error
    try:
        return parse_witness_key(text)
    except NoteError as error:
        raise BadLedgerError(f"{given} is no witness's key: {error}") from error


def cosigners_of(log: LogFiles, key: VerifierKey, given: Sequence[WitnessKey]) -> frozenset[str]:
    """Keys of the witnesses whose cosignature on a log's published checkpoint holds.

    Each signature that is not the log's own must be by a key in `witness.vkeys` beside it or by one
    that was given, and must hold. Raises BadLedgerError.
    """
    note = (log.checkpoint or b"").decode("utf-8")
    known = [*_keys_beside(log), *given]
    found: set[str] = set()
    own = _own_keys(log, key)
    lines = [one for one in cosignature_lines(note) if not _is_logs_own(one, own)]
    for line in lines:
        by = next((one for one in known if is_by(line, one)), None)
        if by is None:
            raise BadLedgerError(
                f"{log.shown}/{CHECKPOINT}: has a signature by a key that is neither the log's nor in "
                f"{WITNESS_KEYS} nor given: it was changed or put there, or give the witness's key"
            )
        try:
            cosigned_at(note, line, by)
        except NoteError as error:
            raise BadLedgerError(f"{log.shown}/{CHECKPOINT}: {error}") from error
        found.add(by.text)
    if len(lines) != len(found):
        raise BadLedgerError(f"{log.shown}/{CHECKPOINT}: is cosigned twice by one witness")
    return frozenset(found)


def cosigned_count(
    shard: str,
    checkpoint: Checkpoint,
    on_published: frozenset[str],
    former: Former,
    witness: WitnessKey,
) -> CosignedCount:
    """What one witness cosigned of a shard. Raises BadLedgerError where that is nothing at all."""
    sizes = set(former.cosigned.get(witness.text, ()))
    if witness.text in on_published:
        sizes.add(checkpoint.size)
    if not sizes and checkpoint.size:
        raise BadLedgerError(
            f"{shard}/{CHECKPOINT}: {witness.name} cosigned none of the checkpoints of this log"
        )
    return CosignedCount(
        witness=witness.name,
        shard=shard,
        cosigned=len(sizes),
        checkpoints=max(1, len(former.notes)),
        newest=max(sizes) if sizes else None,
        entries=checkpoint.size,
    )


def _keys_beside(log: LogFiles) -> list[WitnessKey]:
    where = f"{log.shown}/{WITNESS_KEYS}"
    if log.witness_keys is None:
        return []
    try:
        text = log.witness_keys.decode("utf-8")
    except UnicodeDecodeError:
        raise BadLedgerError(f"{where}: is no UTF-8 text") from None
    if not text.endswith("\n"):
        raise BadLedgerError(f"{where}: its last line has no end: something was cut off")
    try:
        return [parse_witness_key(line) for line in text[:-1].split("\n")]
    except NoteError as error:
        raise BadLedgerError(f"{where}: {error}") from error


def _own_keys(log: LogFiles, key: VerifierKey) -> Sequence[VerifierKey]:
    """All keys beside a log: it may be verified by fewer."""
    text = (log.key or b"").decode("utf-8")
    beside = key_beside(text, f"{log.shown}/{VERIFIER_KEY}")
    return (key, beside, *beside.others)


def _is_logs_own(line: str, keys: Sequence[VerifierKey]) -> bool:
    return any(is_by(line, WitnessKey(one.origin, one.key_hash, one.public_key)) for one in keys)
