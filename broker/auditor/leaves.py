"""Leaves as the auditor reads them: what the accounts need of each kind; the rest may grow."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from broker.model.canonical import canonical_json
from broker.record import PolicyHashes

FORMAT = 1
Outcome = Literal["PERMIT", "DENY", "REVIEW"]


class Source(msgspec.Struct, frozen=True):
    """The Kafka position of the record that an intake leaf accounts for."""

    topic: str
    partition: int
    offset: int


class _Leaf(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    v: int
    set_id: str


class _Intake(_Leaf, frozen=True, kw_only=True):
    source: Source
    publisher: str
    receipt: str
    """RFC 6962 hash, in hex, of the leaf in the publisher's own log."""


class Accepted(_Intake, frozen=True, kw_only=True, tag="accepted"):
    """An event that will be decided, part by part."""

    event_id: str
    version: int
    parts: tuple[str, ...]


class Duplicate(_Intake, frozen=True, kw_only=True, tag="duplicate"):
    """A record that was seen before."""

    event_id: str
    first_set_id: str


class Rejected(_Intake, frozen=True, kw_only=True, tag="rejected"):
    """A record that was refused."""


class Action(_Intake, frozen=True, kw_only=True, tag="action"):
    """A human act."""

    rows_hash: str
    action: str = ""
    queued: str | None = None
    """RFC 6962 hash, in hex, of the leaf in the duty desk's own log, where the act is work for it."""
    desk: str = ""
    """What was done, such as `review`."""


class StoreDate(msgspec.Struct, frozen=True):
    """One store, and when it has forgotten: UTC milliseconds, done (`at`) or at the latest (`by`)."""

    store: str
    at: int | None = None
    by: int | None = None


class Remains(msgspec.Struct, frozen=True):
    """What stays after an erasure, and why it may."""

    what: str
    why: str


class Certificate(_Leaf, frozen=True, kw_only=True, tag="certificate"):
    """What an erasure did: counts, dates and what remains."""

    act_set_id: str
    why: Literal["requested", "due"]
    received_at: int
    parts: int
    told: int
    ended: int
    stores: tuple[StoreDate, ...]
    remains: tuple[Remains, ...]
    policy: str


class Link(_Leaf, frozen=True, kw_only=True, tag="link"):
    """A join of two tokens, stated by one event."""

    event_id: str


class _OfPart(_Leaf, frozen=True, kw_only=True):
    publisher: str
    event_id: str
    version: int
    part_id: str
    round: int

    @property
    def part(self) -> tuple[str, str, int, str]:
        """Identity of the part."""
        return self.publisher, self.event_id, self.version, self.part_id


class Decision(_OfPart, frozen=True, kw_only=True, tag="decision"):
    """One candidate of one part."""

    n: int
    recipient: str
    organisation: str
    outcome: Outcome
    recipient_leaf: str | None
    """RFC 6962 hash, in hex, of the leaf in the organisation's own log."""
    channel: str | None = None
    """By which an alert, a withdrawal or a receipt reaches it; None where nothing is sent."""
    reasons: tuple[str, ...] = ()
    capacity: tuple[str, ...] = ()
    mode: str | None = None
    receipt: str | None = None
    """The same of the receipt by which a publisher is told that this part was refused, or answered."""


class Closing(_OfPart, frozen=True, kw_only=True, tag="closing"):
    """The end of a decision set: how many decisions it has, and what was kept beside them."""

    count: int
    permit: int
    deny: int
    review: int
    receipt_set_id: str
    facts_hash: str
    rows_hash: str
    policy_bundle: str = ""
    geography: str = ""
    register: str = ""
    parameters: str = ""
    flags: tuple[str, ...] = ()
    act_set_id: str | None = None

    @property
    def hashes(self) -> PolicyHashes:
        """By what the set was decided."""
        return PolicyHashes(self.policy_bundle, self.geography, self.register, self.parameters)


Leaf = Accepted | Duplicate | Rejected | Action | Certificate | Link | Decision | Closing


class OwnLeaf(msgspec.Struct, frozen=True):
    """A leaf of an organisation's own log."""

    kind: str
    v: int
    set_id: str
    message_id: str
    recipient: str
    content_hash: str


_leaves: msgspec.json.Decoder[Leaf] = msgspec.json.Decoder(Leaf)
_own_leaves = msgspec.json.Decoder(OwnLeaf)


def read_leaf(data: bytes) -> Leaf:
    """A leaf of an auditors' log. Raises ValueError and says what is wrong with it."""
    leaf: Leaf = _read(data, _leaves)
    return leaf


def read_own_leaf(data: bytes) -> OwnLeaf:
    """A leaf of an organisation's own log. Raises ValueError and says what is wrong with it."""
    leaf: OwnLeaf = _read(data, _own_leaves)
    return leaf


def _read(data: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        leaf = decoder.decode(data)
        plain = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"is no leaf that this auditor knows ({error})") from error
    if canonical_json(plain) != data:
        raise ValueError("is not canonical JSON")
    if leaf.v != FORMAT:
        raise ValueError(f"has format {leaf.v}; this auditor knows {FORMAT}")
    return leaf
