"""What a verification found."""

from __future__ import annotations

import msgspec


class BadLedgerError(Exception):
    """What is wrong with a ledger: one sentence that names file, log, index and fault."""


class CosignedCount(msgspec.Struct, frozen=True):
    """What one witness cosigned of one shard."""

    witness: str
    shard: str
    cosigned: int
    """Checkpoints with its cosignature, the published one among them."""
    checkpoints: int
    """All that the store has; 1 where it is not here."""
    newest: int | None
    """Entries up to the newest one that it cosigned; None for none."""
    entries: int

    def line(self) -> str:
        """It in one sentence."""
        up_to = "none" if self.newest is None else f"the newest of {self.newest} entries"
        return (
            f"{self.shard}: {self.witness} cosigned {self.cosigned} of {self.checkpoints} checkpoints, "
            f"{up_to} of {self.entries}"
        )


class KafkaCount(msgspec.Struct, frozen=True):
    """What was compared."""

    deliveries: int
    """Messages on the organisations' topics and the duty desk's: each recorded, each once."""
    forgotten: int
    """Recorded deliveries that are on no topic and older than their topic keeps."""
    taken_in: int
    """Statements and acts on the publishers' topics: each with its leaf."""
    parts: int
    sets: int

    def line(self) -> str:
        """It in one sentence."""
        return (
            f"Kafka agrees: {self.deliveries} deliveries recorded and sent once, {self.taken_in} "
            f"records taken in, {self.parts} parts and {self.sets} decision sets accounted for; "
            f"{self.forgotten} deliveries are older than Kafka keeps"
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one verification. Counts are of what was read before the first fault, if any."""

    ok: bool
    first_bad: str | None = None
    """A sentence that names file, log, index and what is wrong; None if all is well."""
    entries: int = 0
    """Leaves of the auditors' logs."""
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    logs: int = 0
    """Logs verified: the auditors' and the organisations' own."""
    open_parts: int = 0
    """Accepted parts whose decision is not recorded."""
    root: str = ""
    """Base64: of one shard its root; of several the SHA-256 over the sorted lines `origin size root`."""
    cosigned: tuple[CosignedCount, ...] = ()
    """For each witness that was asked after, what it cosigned of each shard."""
    kafka: KafkaCount | None = None
    """What was compared with Kafka; None where that was not asked for, or failed."""
    notes: tuple[str, ...] = ()
    """What was not checked, and what is worth a look; no faults."""

    def summary_line(self) -> str:
        """The one line that says it."""
        if self.ok:
            return f"ledger verified: {self.entries} entries, root {self.root}"
        return f"ledger NOT verified: {self.first_bad}"
