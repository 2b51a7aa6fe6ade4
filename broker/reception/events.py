"""An opened event: new, a duplicate, refused, taken back, or read again after a crash (same bytes then)."""

from __future__ import annotations

import msgspec

from broker.intake import (
    Occasion,
    SeenEntry,
    identity_tokens,
    paired,
    part_keys,
    parts_of,
    position_of,
    resolve_event,
    retract_parts,
    seen_parts,
)
from broker.model.canonical import digest
from broker.model.codec import encode
from broker.model.commitments import SLOTS, Committed, commit
from broker.model.statement import Statement, statement_of
from broker.model.types import (
    ConcernEvent,
    EventType,
    PartStep,
)
from broker.model.values import Rejection
from broker.reception.values import (
    IntakeResult,
    IntakeView,
    Opened,
    RawRecord,
    Reception,
    receipt_content,
    rejected,
    repeated,
)
from broker.record import (
    SignedAs,
    accepted_record,
    intake_set_id,
    link_record,
)
from broker.verify import TAKES_BACK, check_event, keys_digest

RETRACTED = "retracted"
"""Flag: the publisher took the statement back before it came, so it is told to nobody."""
SAME_NUMBER_TWICE = "same_number_twice"
"""Flag: two children of one event share a number, so the later one stands alone."""


def take_event(
    record: RawRecord,
    event: ConcernEvent,
    opened: Opened,
    view: IntakeView,
    reception: Reception,
) -> IntakeResult:
    """What becomes of an event: its leaf and receipt, and what decide must do."""
    committed = _committed(event, opened)
    root = committed.root if committed else b""
    checked = check_event(event, opened.envelope, root, record.received_at, reception.reference)
    if isinstance(checked, Rejection):
        return rejected(record, checked, reception)
    sound, flags = checked
    content = digest(opened.encoded)
    key = f"{event.publisher}/{event.event_id}"
    known = view.seen(key)
    if known is not None and known.source != record.source:
        return repeated(record, event.event_id, content, known, reception)
    seen = known or _first_seen(record, sound, flags, content, view, reception)
    encoded = opened.encoded if sound is event else encode(sound)
    given = _Given(sound, encoded, seen, opened, committed)
    if sound.event_type in TAKES_BACK:
        return _taken_back(record, given, view, reception)
    return _accepted(record, given, reception)


class _Given(msgspec.Struct, frozen=True):
    """An event as it goes on, with what it came in."""

    event: ConcernEvent
    encoded: bytes
    seen: SeenEntry
    opened: Opened
    committed: Committed | None
    """None for an unsigned event."""

    def statement(self, index: int | None) -> Statement | None:
        """What the part about that subject needs to prove what it shows."""
        if self.opened.envelope is None or self.committed is None:
            return None
        stated = self.opened.statement
        amended = isinstance(stated, ConcernEvent) and stated.place != self.event.place
        return statement_of(
            self.opened.envelope,
            self.committed,
            self.opened.seed,
            index,
            self.opened.encoded if amended else b"",
        )


def _committed(event: ConcernEvent, opened: Opened) -> Committed | None:
    """What a signed event commits to; None for one about more children than verification lets pass."""
    if opened.envelope is None or len(event.subjects) > SLOTS:
        return None
    return commit(event, opened.seed)


def _first_seen(
    record: RawRecord,
    event: ConcernEvent,
    flags: tuple[str, ...],
    content: str,
    view: IntakeView,
    reception: Reception,
) -> SeenEntry:
    if event.event_type is EventType.RETRACTION:
        # It is about a statement, not about anybody: whom that was about is known.
        return SeenEntry(
            digest=content,
            source=record.source,
            set_id=intake_set_id(record.source),
            received_at=record.received_at,
            resolutions=(),
            flags=flags,
            version=event.version,
        )
    keys, tokens = part_keys(event), identity_tokens(event, reception.linkage_key)
    known = view.aliases(tuple(token for stated in tokens for token in stated))
    position = position_of(record.received_at, record.source)
    resolutions = resolve_event(keys, tokens, known, position)
    if any(
        stated and resolution.token == key.key
        for key, stated, resolution in zip(keys, tokens, resolutions, strict=True)
    ):
        flags = (*flags, SAME_NUMBER_TWICE)
    if view.seen(_mark_of(event.publisher, event.event_id)) is not None:
        flags = (*flags, RETRACTED)
    return SeenEntry(
        digest=content,
        source=record.source,
        set_id=intake_set_id(record.source),
        received_at=record.received_at,
        resolutions=resolutions,
        flags=flags,
        version=event.version,
        parts=seen_parts(event, keys, resolutions),
    )


def _accepted(
    record: RawRecord, given: _Given, reception: Reception, *, without_parts: bool = False
) -> IntakeResult:
    event, seen = given.event, given.seen
    parts, moves = (
        ((), ())
        if without_parts
        else parts_of(event, given.encoded, seen, reception.parts_key, given.statement)
    )
    part_ids = tuple(one.part_id for one in seen.parts)
    accepted = accepted_record(
        record.source,
        event,
        () if without_parts else part_ids,
        record.envelope_hash,
        receipt_content(event.event_id, seen, 0 if without_parts else len(part_ids)),
        reception.sealer,
        SignedAs(given.committed.root, _keys_in_force(event.publisher, record, reception))
        if given.committed
        else None,
    )
    joins = tuple(
        link_record(record.source, event.event_id, move.part_key, move.other_key or "")
        for move in moves
    )
    return IntakeResult(
        sets=(accepted, *joins),
        parts=(*moves, *parts),
        seen=(f"{event.publisher}/{event.event_id}", seen),
        aliases=tuple(row for resolution in seen.resolutions for row in resolution.entries),
    )


def _taken_back(
    record: RawRecord, given: _Given, view: IntakeView, reception: Reception
) -> IntakeResult:
    """A retraction or a correction: to every part of what it takes back, or held until that comes.

    A retraction has no part of its own. The parts of a correction go to decide with what they
    correct, so that they reach those who were told; those that correct nothing go alone.
    """
    event, seen = given.event, given.seen
    original = view.seen(f"{event.publisher}/{event.relates_to}")
    is_retraction = event.event_type is EventType.RETRACTION
    taken = _accepted(record, given, reception, without_parts=is_retraction)
    if original is None:
        mark = (_mark_of(event.publisher, event.relates_to or ""), seen)
        return msgspec.structs.replace(taken, mark=mark)
    own = [part for part in taken.parts if part.step is PartStep.DECIDE]
    moves = [part for part in taken.parts if part.step is PartStep.MOVE]
    limited = [msgspec.structs.replace(part, only_told=True) for part in own]
    corrections = paired(original, limited)
    sent_on = {part.part_id for part in corrections.values()}
    alone = [part for part in limited if part.part_id not in sent_on]
    back = retract_parts(
        event.publisher,
        event.relates_to or "",
        original,
        Occasion(record.source, record.received_at, seen.set_id),
        view.aliases(tuple(one.part_key for one in original.standing)),
        corrections,
        reception.parts_key,
    )
    return msgspec.structs.replace(taken, parts=(*moves, *back, *alone))


def _keys_in_force(publisher: str, record: RawRecord, reception: Reception) -> str:
    """By which registered keys the sender was judged: a function of Kafka's time of the record."""
    return keys_digest(publisher, reception.publisher_keys, reception.key_terms, record.received_at)


def _mark_of(publisher: str, event_id: str) -> str:
    """Key of intake's note that a statement was taken back before it came."""
    return f"{RETRACTED}/{publisher}/{event_id}"
