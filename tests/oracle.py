"""The oracle: what should be delivered, computed by the offline flow that never saw Kafka."""

from __future__ import annotations

from functools import cache

from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.model.types import ConcernEvent
from broker.model.values import Outcome, SourcePosition
from broker.offline import OfflineFlow
from broker.reception import Reception
from broker.reference import load_connected, load_reference
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

SECRET = bytes(32)


@cache
def _policy():
    return load_policy(Settings())


def offline_flow() -> OfflineFlow:
    """A flow with nothing in its state."""
    settings = Settings()
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    key = DataKey("epoch-1", SECRET, bytes(80))
    connected = load_connected(settings.organisations_dir / "connected.yaml")
    reception = Reception(
        publisher_keys={},
        epoch_keys={},
        linkage_key=SECRET,
        parts_key=SECRET,
        reference=reference,
        sealer=Sealer(
            data_keys=dict.fromkeys(connected, key),
            desk=key,
            rows_key=SECRET,
            pairwise_secret=SECRET,
        ),
    )
    return OfflineFlow(_policy(), reception, lambda _part_key: SECRET)


def expected_alerts(event: ConcernEvent) -> list[tuple[str, str]]:
    """(event id, recipient) of every alert that a connected recipient must get, and no other."""
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    outcome = offline_flow().submit(event, event.reported_at, source)
    assert outcome.rejection is None, outcome.rejection
    connected = set(load_connected(Settings().organisations_dir / "connected.yaml"))
    return [
        (event.event_id, one.decision.candidate.recipient)
        for part in outcome.parts
        for one in part.decided
        if one.decision.outcome is Outcome.PERMIT
        and one.decision.candidate.organisation in connected
    ]
