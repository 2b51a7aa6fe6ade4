"""Carries out an erasure in the decide process: in an order in which a crash ends in a finished one.

1. what came before is sent and confirmed; 2. the last round of each part is sent, from ids alone, and
what waits is removed; 3. the subject's key is destroyed, and in the same transaction the certificate
is kept; 4. the tables forget; 5. the certificate is sent; 6. the record is acknowledged. Until 4 the
state is as it was, so doing 2 again gives the same bytes, and the ledger drops them.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog

from broker.flow import Policy
from broker.intake import ENTRY_ONLY, ToErase, opened_erasure, sealed_erasure
from broker.model.canonical import digest_text
from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import Part
from broker.policies.retention import RetentionPolicy, load_retention
from broker.record import Certified, StoreDate, certificate_record, stores_of
from broker.rounds import ERASED, RETENTION_ENDED, ErasedPart, counted, erase
from broker.shell.crash import point
from broker.shell.decide_state import CHANGELOG_COMPACTED_WITHIN, CHANGELOG_SEGMENT, DecideState
from broker.shell.kafka import DECISIONS_TOPIC, HELD_TOPIC, PARTS_TOPIC
from broker.shell.key_ring import KeyRing
from broker.shell.rotation import gone_by
from broker.shell.settings import Settings
from broker.shell.subject_keys import Erasure, SubjectKeys
from broker.shell.topics import TopicSpec, load_topics

DUE = "due"
"""Verdict of an act that erases because time has run out; any other erases on request."""
COMPACTED = datetime.timedelta(days=1)
"""How long Kafka keeps the mark of a removed record in a compacted topic (its own default)."""
Message = tuple[str, bytes | None, bytes | None]

log = structlog.get_logger()


def tag_of(sealer: Sealer, part_key: str) -> str:
    """By this alone an erased subject is known again: a pseudonym that no organisation gets."""
    return sealer.pairwise("(erasure)", part_key)


class Eraser:
    """Erases one key of parts.v1 at a time."""

    def __init__(
        self,
        state: DecideState,
        ring: KeyRing,
        subjects: SubjectKeys,
        settings: Settings,
        *,
        send: Callable[[Sequence[Message]], Awaitable[None]],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        """`send` returns when Kafka has confirmed; `flush` when the tables' changes are confirmed."""
        self._state = state
        self._ring = ring
        self._subjects = subjects
        self._settings = settings
        self._send = send
        self._flush = flush
        self._armed = settings.crash_at

    async def erase(self, part: Part, place: int, policy: Policy) -> None:
        """Everything that is kept under the key of `part`, which lies at `place` on parts.v1."""
        told = opened_erasure(part, self._ring.at(part.received_at).parts_key)
        if ENTRY_ONLY in part.flags:
            self._drop_entries(part.part_key, told)
            await self._flush()
            return
        tag = tag_of(self._ring.at(part.received_at).sealer, part.part_key)
        if not self._is_known(part, told, tag):
            return
        retention = load_retention(self._settings.policies_dir)
        rounds = self._rounds(part, told, retention, policy)
        await self._send(_messages(part, told, rounds))
        point("decide.erasure_sent", self._armed)
        self._destroy(part, place, tag, told, rounds, retention)
        self._state.forget(part.part_key, told.part_ids)
        await self._flush()
        self._state.compact()
        point("decide.state_erased", self._armed)
        kept = self._subjects.erasure(part.act_set_id or "", tag)
        last = [] if kept is None else [(DECISIONS_TOPIC, part.part_key.encode(), kept.certificate)]
        await self._send([*last, *self._to_older(part, told)])
        point("decide.certificate_sent", self._armed)
        log.info("erased", count=len(told.part_ids), reason=told.why or None)

    def _is_known(self, part: Part, told: ToErase, tag: str) -> bool:
        """Most tokens of a subject only point to another: nothing was ever kept under them."""
        return bool(
            told.part_ids
            or not self._state.history(part.part_key).is_empty()
            or self._subjects.erasure(part.act_set_id or "", tag)
        )

    def _rounds(
        self, part: Part, told: ToErase, retention: RetentionPolicy, policy: Policy
    ) -> list[ErasedPart]:
        due = told.why == DUE
        states = [self._state.rounds(part_id) for part_id in told.part_ids]
        return [
            erase(
                state,
                part.act_set_id or "",
                part.received_at,
                reason=RETENTION_ENDED if due else ERASED,
                tell=retention.tell_when_due or not due,
                hashes=policy.hashes,
                sealer=self._ring.at(part.received_at).sealer,
            )
            for state in states
            if state is not None
        ]

    def _destroy(
        self,
        part: Part,
        place: int,
        tag: str,
        told: ToErase,
        rounds: Sequence[ErasedPart],
        retention: RetentionPolicy,
    ) -> None:
        def erasure(now: datetime.datetime) -> Erasure:
            stated = Certified(
                act_set_id=part.act_set_id or "",
                part_key=part.part_key,
                why=told.why or "requested",
                received_at=part.received_at,
                stores=dates_of(retention, now, gone_by(self._settings.keys_dir, retention, now)),
                remains=tuple((one.what, one.why) for one in retention.remains),
                policy=retention.content_hash,
            )
            certificate = encode(certificate_record(stated, counted(rounds)))
            return Erasure(stated.act_set_id, tag, place, now, certificate)

        self._subjects.erase(part.part_key, erasure, point=lambda name: point(name, self._armed))

    def _drop_entries(self, part_key: str, told: ToErase) -> None:
        """What a younger token handed over while it was erased."""
        self._state.history(part_key).remove(told.statements)

    def _to_older(self, part: Part, told: ToErase) -> list[Message]:
        """To the token that this one was joined to: entries that were on their way there.

        It comes after them on that partition, since this process sent them.
        """
        if part.other_key is None or not told.statements:
            return []
        identity = digest_text("erase", part.part_id, part.other_key)[: len(part.part_id)]
        onward = msgspec.structs.replace(
            part,
            part_id=identity,
            part_key=part.other_key,
            other_key=None,
            flags=(ENTRY_ONLY,),
            sealed=sealed_erasure(identity, told, self._ring.at(part.received_at).parts_key),
        )
        return [(PARTS_TOPIC, onward.part_key.encode(), encode(onward))]


def _messages(part: Part, told: ToErase, rounds: Sequence[ErasedPart]) -> list[Message]:
    key = part.part_key.encode()
    sets = [(DECISIONS_TOPIC, key, encode(one.recorded)) for one in rounds]
    waiting = [(HELD_TOPIC, part_id.encode(), None) for part_id in told.part_ids]
    return [*sets, *waiting]


def dates_of(
    retention: RetentionPolicy,
    now: datetime.datetime,
    epochs: Mapping[str, datetime.datetime] | None = None,
) -> tuple[StoreDate, ...]:
    """When each store has forgotten a subject whose key is destroyed `now`, a whole second."""
    done = now.replace(microsecond=0)
    stores = [StoreDate(name, at=done) for name in ("subject_key", "sealed_facts", "decide_tables")]
    later = {"intake_tables": retention.margin, "changelogs": _compaction(retention)}
    for topic in load_topics().topics:
        kept = _kept(topic, retention)
        if kept is not None:
            later[topic.name.removesuffix(".{org}")] = kept
    stores += [StoreDate(name, by=done + period) for name, period in later.items()]
    stores += [StoreDate(name, by=by) for name, by in (epochs or {}).items()]
    return stores_of(stores)


def _kept(topic: TopicSpec, retention: RetentionPolicy) -> datetime.timedelta | None:
    """How long a record may still lie in a topic after now; None where it holds nothing of a subject."""
    segment = datetime.timedelta(milliseconds=topic.segment)
    if topic.name == HELD_TOPIC and topic.compact_within is not None:
        lag = datetime.timedelta(milliseconds=topic.compact_within)
        return lag + segment + retention.margin
    if topic.name in retention.topics:
        return retention.topics[topic.name] + segment + retention.margin
    return None


def _compaction(retention: RetentionPolicy) -> datetime.timedelta:
    """The tables' changelogs: the value by compaction, then the mark that it was removed."""
    return CHANGELOG_COMPACTED_WITHIN + CHANGELOG_SEGMENT + COMPACTED + retention.margin
