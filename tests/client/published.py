"""A signed statement through the real flow and a real ledger: what each recipient's client then opens."""

from __future__ import annotations

import datetime
import os
import uuid
from pathlib import Path
from typing import Any

import msgspec

from broker.client import OpenedAlert, open_alert
from broker.examples.scenarios import load_scenarios
from broker.flow import decide_part, part_input, receive, record_part
from broker.model import types as t
from broker.model.codec import decode
from broker.model.envelope import seal_statement
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.values import SourcePosition
from broker.reception import IntakeResult, IntakeView, RawRecord, Reception
from broker.reference import load_connected
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.client.recorded import Sending
from tests.oracle import SECRET

HOME, SANDWELL, POLICE, SCHOOL = "E08000031", "E08000028", "E23000014", "SCH-WV-001"
AT = datetime.datetime(2026, 11, 19, 17, 20, tzinfo=datetime.UTC)
WARNING = load_scenarios()[0].events[0]


def warning(**changes: Any) -> t.ConcernEvent:
    """The parent's warning of S1, about two children who know each other, with much in it."""
    one = msgspec.structs.replace(
        WARNING.subjects[0],
        safety_plan="Does not leave school alone on Friday.",
        injury="bruised wrist",
        clinical_detail="seen by a nurse",
        necessity="named in the threat",
        child_voice=t.ChildVoice(words="I am scared", wish_on_sharing="tell them"),
        roles=(
            t.RoleInIncident(role=t.RoleKind.VICTIM, basis="named in the threat"),
            t.RoleInIncident(role=t.RoleKind.ASSOCIATE, basis="seen together"),
        ),
        identifiers=(
            *WARNING.subjects[0].identifiers,
            t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value="9434765918"),
            t.Identifier(scheme=t.IdentifierScheme.LOCAL, value="77/1", system="a register"),
        ),
    )
    other = msgspec.structs.replace(
        one,
        subject_ref="child-2",
        identifiers=(t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value="9990000018"),),
        given_name="Lee",
        family_name="Invented-Other",
        safety_plan="Walks home with a neighbour.",
        protective_factors=("has a dog",),
        injury="none seen",
    )
    event = msgspec.structs.replace(
        WARNING,
        event_id=str(uuid.uuid4()),
        subjects=(one, other),
        peer_links=(
            t.PeerLink(
                from_ref="child-1", to_ref="child-2", relationship="friends", basis="both said"
            ),
        ),
        grading=t.Grading(scheme="3x5x2", source_evaluation="2", information_assessment="A"),
        stated_category=t.StatedCategory(scheme="cin_factors", code="24A", indicators=("threat",)),
        source_identifiable=False,
    )
    return msgspec.structs.replace(event, **changes)


class Told:
    """A broker with keys of its own; tells what a statement leads to and lets each client open it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings()
        connected = load_connected(settings.organisations_dir / "connected.yaml")
        self.sending = Sending(folder, *connected)
        self.policy = load_policy(settings)
        keys = self.sending.keys
        self.reception = Reception(
            publisher_keys=keys.publisher_keys,
            epoch_keys=keys.epoch_keys,
            linkage_key=keys.linkage_key,
            parts_key=keys.parts_key,
            reference=self.policy.reference,
            sealer=keys.sealer,
        )
        self._offset = 0

    def sets(
        self, event: t.ConcernEvent, seed: bytes = b""
    ) -> tuple[list[t.DecisionSet], list[t.DecisionSet]]:
        """(the sets of intake, the decision set of each part), by the flow as it is imported now."""
        taken = self._received(event, seed)
        sealer, made = self.reception.sealer, []
        for number, part in enumerate(taken.parts):
            given = part_input(part, number, self.reception.parts_key)
            result = decide_part(given, (), self.policy, sealer.pairwise)
            made.append(record_part(result, (), self.policy, sealer, SECRET))
        return list(taken.sets), made

    def parts(self, event: t.ConcernEvent) -> tuple[t.Part, ...]:
        """The parts that intake writes for decide."""
        return self._received(event, b"").parts

    def _received(self, event: t.ConcernEvent, seed: bytes) -> IntakeResult:
        agency = self.sending.agency(event.publisher)
        data = seal_statement(event, agency.identity, agency.epoch, seed or os.urandom(32))
        self._offset += 1
        source = SourcePosition(f"concerns.v1.{event.publisher}", 0, self._offset)
        view = IntakeView(seen=lambda _key: None, aliases=lambda _tokens: {})
        taken = receive(RawRecord(source, event.publisher, AT, data), view, self.reception)
        assert taken.rejection is None, taken.rejection
        return taken

    def alerts(self, event: t.ConcernEvent) -> list[tuple[str, bytes]]:
        """(organisation, alert) of everything that the statement leads to, as Kafka would hold it."""
        _, decided = self.sets(event)
        return self.delivered(*decided)

    def delivered(self, *sets: t.DecisionSet) -> list[tuple[str, bytes]]:
        """(organisation, alert) of everything that these sets send."""
        return [
            (topic.removeprefix("alerts.v1."), value)
            for topic, value in self.sending.deliver(*sets)
            if topic.startswith("alerts.v1.")
        ]

    def open(self, organisation: str, value: bytes) -> OpenedAlert:
        """As the organisation's own client opens it."""
        return open_alert(value, self.sending.agency(organisation))

    def opened(self, event: t.ConcernEvent) -> dict[str, list[OpenedAlert]]:
        """Organisation -> its alerts, in the order of the event's parts."""
        found: dict[str, list[OpenedAlert]] = {}
        for organisation, value in self.alerts(event):
            found.setdefault(organisation, []).append(self.open(organisation, value))
        return found

    def content(self, delivery: t.SealedDelivery, set_id: str) -> t.AlertContent:
        """What lies sealed in a delivery."""
        key = self.reception.sealer.data_keys[delivery.recipient].key
        return decode(
            unpad(unseal(key, delivery.sealed, sealed_for(delivery.recipient, set_id))),
            t.AlertContent,
        )
