"""Events that flow while faults are done: published by a client that is not ours, expected by an oracle."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from broker.examples import example
from broker.model.envelope import seal_statement
from broker.model.types import ConcernEvent, Identifier, IdentifierScheme
from broker.model.values import Outcome, SourcePosition
from broker.offline import OfflineFlow
from broker.shell.keys import load_agency_keys
from tests.chaos.checker import Published
from tests.chaos.own_kafka import tls
from tests.chaos.plant import Plant
from tests.oracle import offline_flow

PUBLISHERS = ("ADV-WM-001", "CHA-WM-001")
CHILDREN = 3
"""At a time, of each publisher; after a while another takes the place of one."""
EVENTS_OF_A_CHILD = 12
CONFIRMED_WITHIN_S = 90.0


class Child:
    """An invented child, and what the oracle knows of it."""

    def __init__(self, publisher: str, number: int) -> None:
        """Known by an id of its own in nobody's system."""
        self.publisher, self.name = publisher, f"{publisher}-{number}-{uuid.uuid4()}"
        self.events = 0
        self._flow = _empty_flow()

    def concern(self, kind: str = "concern", relates_to: str | None = None) -> ConcernEvent:
        """One more statement about the child."""
        event = example(kind)
        assert isinstance(event, ConcernEvent)
        (subject, *_) = event.subjects
        known = Identifier(scheme=IdentifierScheme.LOCAL, value=self.name, system="chaos")
        return msgspec.structs.replace(
            event,
            event_id=str(uuid.uuid4()),
            publisher=self.publisher,
            origin_id=str(uuid.uuid4()),
            subjects=(msgspec.structs.replace(subject, identifiers=(known,)),),
            relates_to=relates_to,
        )

    def expected(self, event: ConcernEvent) -> tuple[str, ...]:
        """Who must be told of it, by the offline flow, which never saw Kafka."""
        self.events += 1
        source = SourcePosition(f"concerns.v1.{self.publisher}", 0, self.events)
        outcome = self._flow.submit(event, event.reported_at, source)
        assert outcome.rejection is None, outcome.rejection
        return tuple(
            one.decision.candidate.recipient
            for part in outcome.parts
            for one in part.decided
            if one.decision.outcome is Outcome.PERMIT
        )


@cache
def _loaded() -> OfflineFlow:
    return offline_flow()


def _empty_flow() -> OfflineFlow:
    """The oracle with nothing in its state; policy and reference data are loaded once."""
    held = _loaded()
    return OfflineFlow(held._policy, held._reception, held._subject_key)


class Script:
    """What is published, in an order of chance, and the journal of it."""

    def __init__(self, send: Callable[[str, bytes], None], keys_dir: Path, seed: int) -> None:
        """`send` takes a topic and the bytes."""
        self.journal: list[Published] = []
        self.certain = True
        """False while Kafka's clock is shifted: then it is not said who must be told."""
        self._send = send
        self._chance = random.Random(seed)
        self._keys_dir = keys_dir
        self._bytes: list[tuple[str, bytes]] = []
        self._children = [Child(org, n) for org in PUBLISHERS for n in range(CHILDREN)]

    def flow(self, count: int = 3) -> None:
        """Publishes events and does not wait for Kafka."""
        for _ in range(count):
            child = self._child()
            self._publish(child, child.concern())

    def repeat(self, count: int) -> None:
        """Publishes bytes again that were published before, long ago or just now."""
        for topic, data in self._chance.choices(self._bytes, k=count) if self._bytes else ():
            self._send(topic, data)

    def reorder(self, count: int) -> None:
        """Retractions before what they retract, and repeats of both, in an order of chance."""
        later: list[tuple[str, bytes]] = []
        for number in range(count):
            child = Child(self._chance.choice(PUBLISHERS), number)
            original = child.concern()
            retraction = child.concern("retraction", relates_to=original.event_id)
            for event in (retraction, original):
                self._publish(child, event)
            later += self._bytes[-2:]
        self._chance.shuffle(later)
        for topic, data in later:
            self._send(topic, data)

    def sealed(self, event: ConcernEvent, signer: str | None = None) -> bytes:
        """The envelope of an event, signed by its publisher or, wrongly, by another."""
        keys = load_agency_keys(self._keys_dir, event.publisher)
        identity = keys.identity
        if signer is not None:
            other = load_agency_keys(self._keys_dir, signer).identity
            identity = msgspec.structs.replace(identity, key=other.key)
        return seal_statement(event, identity, keys.epoch, os.urandom(32))

    def another_child(self) -> Child:
        """A child of whom nobody has heard."""
        return Child(self._chance.choice(PUBLISHERS), 0)

    def _publish(self, child: Child, event: ConcernEvent) -> None:
        told = child.expected(event)
        self.journal.append(Published(event.event_id, child.name, told if self.certain else None))
        self._bytes = [*self._bytes[-200:], (f"concerns.v1.{child.publisher}", self.sealed(event))]
        self._send(*self._bytes[-1])

    def _child(self) -> Child:
        at = self._chance.randrange(len(self._children))
        if self._children[at].events >= EVENTS_OF_A_CHILD:
            self._children[at] = Child(self._children[at].publisher, at)
        return self._children[at]


class Traffic(Script):
    """The same over Kafka, by a client that is not ours."""

    def __init__(self, plant: Plant, seed: int) -> None:
        """Connects at once; Kafka must run."""
        super().__init__(self.send, plant.data_dir / "keys", seed)
        self.failed: list[str] = []
        self.records = 0
        self._producers = {one: self._producer(plant.bootstrap, one) for one in PUBLISHERS}

    def send(self, topic: str, data: bytes | None, key: bytes | None = None) -> None:
        """Any bytes, to a topic of one of the publishers."""
        self.records += 1
        producer = self._producers[topic.split(".v1.")[1]]
        producer.produce(topic, data, key=key, on_delivery=self._delivered)
        producer.poll(0)

    def confirm(self) -> None:
        """Returns when Kafka has confirmed all that was sent."""
        for one in self._producers.values():
            if one.flush(CONFIRMED_WITHIN_S):
                self.failed.append("a publisher's records were not confirmed in time")

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self.failed.append(f"a record was not taken by Kafka: {error}")

    def _producer(self, bootstrap: str, owner: str) -> Producer:
        certificate = self._keys_dir / "organisations" / owner / "kafka.pem"
        return Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 500,
                "linger.ms": 0,
                "log_level": 0,
                **tls(self._keys_dir, certificate),
            }
        )
