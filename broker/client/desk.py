"""The duty desk's client: what waits for a person, and the signed acts that answer it.

Every act goes through intake, decide and ledger like any other statement; this only reads the queue
and publishes. What is read here is sealed to the desk and opened with its own key.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import msgspec
from cryptography.exceptions import InvalidTag

from broker.client.connection import ClientError, HoldsKeys, whole_topic
from broker.client.opening import OpenedReceipt
from broker.client.publisher import Publisher
from broker.model.codec import CodecError, decode
from broker.model.sealing import SealError, unpad, unseal
from broker.model.types import Action, ConcernEvent, Held
from broker.record import HeldContent, held_binding
from broker.shell.kafka import HELD_TOPIC
from broker.shell.key_ring import OwnKeys
from broker.shell.keys import DESK, AgencyKeys, unwrap
from broker.shell.settings import Settings


class HeldPart(msgspec.Struct, frozen=True):
    """One part that waits, opened."""

    content: HeldContent
    event: ConcernEvent


class Desk(HoldsKeys):
    """The duty desk at one broker. Open it with `Desk.connect`."""

    def __init__(
        self, keys: AgencyKeys | OwnKeys, settings: Settings, publisher: Publisher
    ) -> None:
        """`publisher` publishes as the desk."""
        super().__init__(keys)
        self._settings = settings
        self._publisher = publisher

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, settings: Settings | None = None, organisation: str = DESK
    ) -> AsyncIterator[Self]:
        """The desk, or another organisation that answers for its own statements.

        Raises ClientError where Kafka or the topics are missing, KeysError where the keys are.
        """
        used = settings or Settings()
        async with Publisher.connect(organisation, used) as publisher:
            yield cls(OwnKeys(used.keys_dir, organisation), used, publisher)

    async def queue(self) -> tuple[HeldPart, ...]:
        """Everything that waits now, the most urgent first. Only the desk can open it."""
        organisation = self._keys.identity.organisation
        records = await whole_topic(self._settings, organisation, HELD_TOPIC)
        latest = {record.key: record.value for record in records}
        held = [self._opened(value) for value in latest.values() if value]
        return tuple(sorted(held, key=lambda one: (one.content.due, one.content.part_id)))

    async def find(self, part_id: str) -> HeldPart:
        """The waiting part whose id begins so. Raises ClientError for none, or more than one."""
        found = [one for one in await self.queue() if one.content.part_id.startswith(part_id)]
        if len(found) != 1:
            several = "several parts wait" if found else "no part waits"
            raise ClientError(
                f"{several} whose id begins with {part_id!r}: see `broker review list`"
            )
        return found[0]

    async def act(self, action: Action) -> OpenedReceipt:
        """Publishes a signed act and returns its receipt."""
        return await self._publisher.publish_and_wait(action)

    def _opened(self, value: bytes) -> HeldPart:
        return open_held(value, self._keys)


def open_held(value: bytes, keys: AgencyKeys) -> HeldPart:
    """A record of the queue, opened with the desk's keys. Raises ClientError where they do not."""
    try:
        held = decode(value, Held)
        organisation = keys.identity.organisation
        key = unwrap(
            organisation,
            held.key_id,
            held.wrapped_key,
            keys.sealing_key,
            *keys.earlier_sealing,
        )
        packed = unpad(unseal(key, held.sealed, held_binding(held.part_id, held.round)))
        content = msgspec.msgpack.decode(packed, type=HeldContent)
        return HeldPart(content, decode(content.event, ConcernEvent))
    except (CodecError, SealError, InvalidTag, ValueError):
        raise ClientError(
            "the queue cannot be opened with these keys: it is sealed to the duty desk"
        ) from None


def new_act_id() -> str:
    """An id for an act."""
    return str(uuid.uuid4())
