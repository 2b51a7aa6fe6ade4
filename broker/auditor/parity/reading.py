"""What the parity report is made from: leaves of the ledger, and audit rows opened with the auditors' key.

Read from files alone. Tolerant: leaves and rows may have fields that are not known here, and old ones
may lack some. What a person wrote as a reason is never kept, only a digest by which repeats show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.recorded import shards_of
from broker.auditor.sidecars import all_sidecars
from broker.ledger import read_entries
from broker.model.codec import decode
from broker.model.sealer import open_rows
from broker.model.types import Action

PartId = tuple[str, str, int, str]
"""Publisher, event id, version, part id."""
READ = frozenset({"accepted", "decision", "closing", "action"})
ROWS = "rows"


class Leaf(msgspec.Struct, frozen=True):
    """What is read of a leaf of any of the kinds in READ. Times are UTC milliseconds since 1970."""

    kind: str
    set_id: str
    publisher: str
    event_id: str | None = None
    version: int | None = None
    part_id: str | None = None
    round: int = 0
    parts: tuple[str, ...] = ()
    recipient: str | None = None
    organisation: str = ""
    role: str = ""
    capacity: tuple[str, ...] = ()
    outcome: str = ""
    mode: str | None = None
    released: tuple[str, ...] = ()
    withheld: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()
    message_id: str | None = None
    count: int = 0
    decided_at: int = 0
    flags: tuple[str, ...] = ()
    parameters: str = ""
    act_set_id: str | None = None
    received_at: int = 0
    action: str | None = None
    alert_id: str | None = None

    @property
    def part(self) -> PartId:
        """Identity of the part, the same in each of its rounds."""
        return self.publisher, self.event_id or "", self.version or 0, self.part_id or ""


class Rows(msgspec.Struct, frozen=True):
    """What is read of a decision set's audit rows."""

    event_type: str | None = None
    provenance: str | None = None
    directness: str = "not_stated"
    specificity: str = "not_stated"
    severity: str = "routine"
    grading_scheme: str | None = None
    grading: tuple[str | None, str | None] | None = None
    observed_at: int = 0
    received_at: int = 0
    weight: int = 0
    band: str = ""
    explanation: tuple[str, ...] = ()
    origins: int = 0
    ethnicity: str | None = None
    sex: str | None = None
    age_band: str | None = None
    reason: str | None = None
    """Of a round that ended the part: why."""


class Round(msgspec.Struct, frozen=True):
    """One decision set of a part."""

    closing: Leaf
    decisions: tuple[Leaf, ...]
    rows: Rows


class Act(msgspec.Struct, frozen=True):
    """A human act: what, for whom, when, about which alert; a digest of its reason, if it has one."""

    set_id: str
    kind: str
    organisation: str
    """Whose act it is, also where the duty desk writes for an organisation that it serves."""
    at: int
    alert_id: str | None
    reason: str | None
    plan: bool = False
    """Whether it names the plan or assessment that it went into."""


class Material(msgspec.Struct, frozen=True):
    """Everything that the report is made from."""

    parts: Mapping[PartId, tuple[Round, ...]]
    """Each part's rounds, the first first."""
    accepted: tuple[Leaf, ...]
    acts: tuple[Act, ...]
    until: int
    """The latest time in the ledger: what was not done by then is not yet done."""


class _Head(msgspec.Struct, frozen=True):
    kind: str


_heads = msgspec.json.Decoder(_Head)
_leaves = msgspec.json.Decoder(Leaf)
_rows = msgspec.json.Decoder(Rows)
_any = msgspec.json.Decoder()


def read_material(ledger_dir: Path, rows_key: bytes) -> Material:
    """The whole ledger, as far as the report needs it.

    Raises LedgerError for files that are no log, ValueError for a leaf or rows that cannot be read,
    SealError where the key is not that of the rows.
    """
    sets: dict[str, list[Leaf]] = {}
    accepted: list[Leaf] = []
    acts: list[Leaf] = []
    rounds: dict[PartId, list[tuple[Leaf, tuple[Leaf, ...]]]] = {}
    for leaf in _leaves_of(ledger_dir):
        if leaf.kind == "accepted":
            accepted.append(leaf)
        elif leaf.kind == "action":
            acts.append(leaf)
        elif leaf.kind == "decision":
            sets.setdefault(leaf.set_id, []).append(leaf)
        else:
            rounds.setdefault(leaf.part, []).append((leaf, tuple(sets.pop(leaf.set_id, ()))))
    sealed = all_sidecars(ledger_dir, ROWS)

    def opened(set_id: str) -> bytes:
        content = sealed.get(set_id)
        return b"" if content is None else open_rows(rows_key, content, set_id)

    parts = {
        part: tuple(
            Round(closing, decisions, _rows_of(opened(closing.set_id)))
            for closing, decisions in sorted(found, key=lambda one: one[0].round)
        )
        for part, found in rounds.items()
    }
    times = [
        *(one.received_at for one in (*accepted, *acts)),
        *(one.closing.decided_at for found in parts.values() for one in found),
    ]
    return Material(
        parts=parts,
        accepted=tuple(accepted),
        acts=tuple(_act(leaf, opened(leaf.set_id)) for leaf in acts),
        until=max(times, default=0),
    )


def _leaves_of(ledger_dir: Path) -> Iterator[Leaf]:
    for shard in shards_of(ledger_dir):
        for data in read_entries(shard, 0):
            if _heads.decode(data).kind in READ:
                yield _leaves.decode(data)


def _rows_of(plain: bytes) -> Rows:
    return _rows.decode(plain) if plain else Rows()


def _act(leaf: Leaf, plain: bytes) -> Act:
    reason, plan = _of_answer(plain)
    return Act(
        set_id=leaf.set_id,
        kind=leaf.action or "",
        organisation=(leaf.recipient or leaf.publisher).partition(":")[0],
        at=leaf.received_at,
        alert_id=leaf.alert_id,
        reason=reason,
        plan=plan,
    )


def _of_answer(plain: bytes) -> tuple[str | None, bool]:
    """Digest of the reason, and whether a plan is named: from JSON, or from the act itself in Avro."""
    if not plain:
        return None, False
    try:
        found: Any = _any.decode(plain)
    except msgspec.DecodeError:
        act = decode(plain, Action)
        return sha256(act.reason.encode()).hexdigest() if act.reason else None, bool(act.plan)
    if not isinstance(found, dict):
        return None, False
    digest = found.get("reason_digest")
    return digest if isinstance(digest, str) else None, bool(found.get("plan"))
