"""What the ledger takes and gives. It opens nothing: leaves and bodies are bytes to it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class LedgerError(RuntimeError):
    """A ledger that cannot record, publish or be read; says what was wrong and what to do."""


class FencedError(LedgerError):
    """Another writer has taken the shard: this one must stop and record nothing more."""


class ContradictionError(LedgerError):
    """The log does not continue what a witness has cosigned: nothing may be delivered from it."""


class Delivery(msgspec.Struct, frozen=True):
    """One thing to hand to one organisation once it is recorded."""

    recipient: str
    """Organisation code: whose own log gets `leaf`."""
    channel: str
    leaf: bytes
    body: bytes
    """Sealed, and opaque here; `render` makes the message from it."""


class Message(msgspec.Struct, frozen=True):
    """The final bytes of one Kafka message."""

    topic: str
    key: bytes
    value: bytes


class Proof(msgspec.Struct, frozen=True):
    """Inclusion of one leaf in its recipient's own log, as of a signed checkpoint."""

    origin: str
    index: int
    size: int
    hashes: tuple[bytes, ...]
    """RFC 9162 inclusion path, from the leaf up."""
    checkpoint: str


class RecordSet(msgspec.Struct, frozen=True):
    """Everything of one decision set: recorded whole or not at all."""

    set_id: str
    leaves: tuple[bytes, ...]
    deliveries: tuple[Delivery, ...]
    sidecars: tuple[tuple[str, bytes], ...]
    """(name, sealed bytes), kept beside the log and committed to by a leaf."""


class Committed(msgspec.Struct, frozen=True):
    """Set ids of one batch: recorded now, and dropped because they were recorded before."""

    recorded: tuple[str, ...]
    dropped: tuple[str, ...]


Render = Callable[[Delivery, Proof], Message]
"""Makes the final bytes of a delivery, with its proof."""
