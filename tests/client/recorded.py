"""An alert and a receipt as the broker sends them: recorded in a real ledger, sealed with real keys."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from broker.ledger import ShardStore
from broker.model.canonical import canonical_json
from broker.model.codec import encode
from broker.model.types import (
    AlertContent,
    Channel,
    DecisionSet,
    IntakeOutcome,
    Mode,
    ReceiptContent,
    ReleasedField,
    SetKind,
)
from broker.record.leaves import leaf, sealed_delivery
from broker.shell.keys import AgencyKeys, load_agency_keys, load_broker_keys, make_keys
from broker.shell.ledger_worker import record_set, render

RECIPIENT = "ORG-A"
OTHER = "ORG-B"
ADDRESSEE = f"{RECIPIENT}:csc"
NAME = "broker.example/s0"
NOW = datetime.datetime(2026, 11, 23, 10, 0, tzinfo=datetime.UTC)
WORDS = "words of the alert"


class Sending:
    """A broker that records and delivers to some organisations, the first of them by default."""

    def __init__(self, folder: Path, *organisations: str, shard: str = "s0") -> None:
        self.organisations = organisations or (RECIPIENT, OTHER)
        self.addressee = f"{self.organisations[0]}:csc"
        make_keys(folder / "keys", self.organisations)
        self.folder = folder
        self.keys = load_broker_keys(folder / "keys")
        self.store = ShardStore.open(folder / shard, NAME, self.keys.ledger_key)
        self.epoch = self.store.take_epoch()
        self.sent = self.store.outbox_after(0, 1000)[-1][0] if self.store.size() else 0

    def agency(self, organisation: str | None = None) -> AgencyKeys:
        """What the organisation's client holds."""
        return load_agency_keys(self.folder / "keys", organisation or self.organisations[0])

    def deliver(self, *sets: DecisionSet) -> list[tuple[str, bytes]]:
        """(topic, value) of everything that recording these sets sends."""
        before = self.sent
        self.store.commit(
            [record_set(one) for one in sets], epoch=self.epoch, next_offset=0, render=render
        )
        messages = self.store.outbox_after(before, 1000)
        self.sent = messages[-1][0]
        return [(message.topic, message.value) for _, message in messages]

    def alert(self, set_id: str = "set-1", addressee: str = "", **changes: object) -> bytes:
        """The value of one alert."""
        return self.deliver(self.alert_set(set_id, addressee, **changes))[0][1]

    def alert_set(
        self, set_id: str = "set-1", addressee: str = "", **changes: object
    ) -> DecisionSet:
        """The set that tells one organisation; its content, or other content than it should be."""
        addressee = addressee or self.addressee
        organisation = addressee.split(":", maxsplit=1)[0]
        return self.sealed_set(set_id, organisation, addressee, Channel.ALERT, **changes)

    def sealed_set(
        self, set_id: str, organisation: str, addressee: str, channel: Channel, **changes: object
    ) -> DecisionSet:
        """A set whose one delivery may be for another addressee or channel than it should be."""
        delivery = sealed_delivery(self.keys.sealer, channel, organisation, set_id, addressee, b"")
        content = msgspec.structs.replace(
            AlertContent(
                alert_id=delivery.message_id,
                event_id="event-1",
                part="part-of-ours",
                recipient=addressee,
                capacity=("home",),
                mode=Mode.CONTENT,
                released=(
                    ReleasedField(
                        field="text", value=canonical_json(WORDS).decode(), transform="as_stated"
                    ),
                ),
                weight_band="considerable",
                severity="same_day",
                acknowledge_by=NOW,
                decided_at=NOW,
                policy_bundle="b",
                marking="OFFICIAL-SENSITIVE",
            ),
            **changes,
        )
        sealed = sealed_delivery(
            self.keys.sealer, channel, organisation, set_id, addressee, encode(content)
        )
        return DecisionSet(
            set_id=set_id,
            kind=SetKind.DECISION,
            leaves=(leaf("closing", set_id),),
            deliveries=(msgspec.structs.replace(sealed, channel=Channel.ALERT),),
        )

    def receipt(self, set_id: str = "set-r") -> bytes:
        """The value of one receipt."""
        content = ReceiptContent(
            outcome=IntakeOutcome.ACCEPTED, event_id="event-1", parts=1, received_at=NOW
        )
        owner = self.organisations[0]
        sealed = sealed_delivery(
            self.keys.sealer, Channel.RECEIPT, owner, set_id, owner, encode(content)
        )
        one = DecisionSet(
            set_id=set_id,
            kind=SetKind.INTAKE,
            leaves=(leaf("accepted", set_id),),
            deliveries=(sealed,),
        )
        return self.deliver(one)[0][1]
