"""Epochs: the keys of intake, of parts and of recipients' messages change by the day, not by surprise.

`broker/epochs.json` lists them with the moment from which each is in force. Which epoch a record is
sealed under follows from Kafka's time of that record alone, so deciding again after a crash gives the
same bytes across a change. An epoch is announced before it is in force, so that every process has its
keys by then. A destroyed key is overwritten and removed, and the list says when.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import secrets
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from broker.shell.key_errors import KeysError

FIRST_EPOCH = "epoch-1"
FILE = "epochs.json"


class Kind(StrEnum):
    """What an epoch has a key for."""

    INTAKE = "intake"
    """Agencies seal their statements to it."""
    PARTS = "parts"
    """Intake seals to it what decide reads."""
    DATA = "data"
    """Recipients' data keys; each recipient holds its own, wrapped, with every message."""


class Epoch(msgspec.Struct, frozen=True):
    """One epoch: its name, from when it is in force, and which of its keys are destroyed since when."""

    name: str
    since: datetime.datetime
    gone: dict[Kind, datetime.datetime] = {}

    def holds(self, kind: Kind) -> bool:
        """True while that key exists."""
        return kind not in self.gone


FIRST = Epoch(FIRST_EPOCH, datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))


def read_epochs(own: Path) -> tuple[Epoch, ...]:
    """All epochs in the order in which they come into force. Raises KeysError."""
    path = own / FILE
    if not path.exists():
        return (FIRST,)
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Epoch, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise KeysError(f"{path} cannot be read ({error}): restore it from backup") from error


def epoch_at(epochs: Sequence[Epoch], moment: datetime.datetime) -> Epoch:
    """The epoch in force at a moment."""
    return [one for one in epochs if one.since <= moment][-1]


def ends_of(epochs: Sequence[Epoch]) -> dict[str, datetime.datetime]:
    """Epoch -> when the next one took over; without the last."""
    return {one.name: later.since for one, later in itertools.pairwise(epochs)}


def file_of(own: Path, name: str, kind: Kind) -> Path:
    """Where an epoch's key lies."""
    first = name == FIRST_EPOCH
    return (
        own
        / {
            Kind.INTAKE: f"intake-{name}.pem",
            Kind.PARTS: "parts.key" if first else f"parts-{name}.key",
            Kind.DATA: "data-keys.json" if first else f"data-keys-{name}.json",
        }[kind]
    )


def write_epochs(own: Path, epochs: Sequence[Epoch]) -> None:
    """The list, whole or not at all."""
    write_private(own / FILE, json.dumps(msgspec.to_builtins(epochs), indent=1).encode())


def write_private(path: Path, content: bytes) -> None:
    """Written whole or not at all, readable by the owner only."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def overwrite(path: Path) -> None:
    """Overwrites a key's file and removes it; a second time does nothing."""
    if not path.exists():
        return
    with path.open("r+b") as stream:
        stream.write(secrets.token_bytes(path.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())
    path.unlink()


def destroy(
    own: Path,
    name: str,
    kind: Kind,
    now: datetime.datetime,
    destroy_key: Callable[[Path], None] = overwrite,
) -> None:
    """Overwrites an epoch's key, removes it, and notes when; a second time does nothing.

    `destroy_key` is for keys that lie elsewhere than in a file.

    The file first, the note after: a crash between them is finished by the next call.
    """
    destroy_key(file_of(own, name, kind))
    noted = tuple(
        msgspec.structs.replace(one, gone={kind: now.replace(microsecond=0)} | one.gone)
        if one.name == name
        else one
        for one in read_epochs(own)
    )
    write_epochs(own, noted)
