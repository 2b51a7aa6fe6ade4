"""Requests for what is held: the asker's side, and the queue that the duty desk alone can open."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from broker.client.connection import ClientError, whole_topic
from broker.client.opening import OpenedReceipt, RefusedAlertError, open_alert
from broker.client.publisher import Publisher
from broker.model.types import Action
from broker.record.subject_access import REQUEST_FIELD, AccessRequest
from broker.shell.keys import DESK, AgencyKeys, load_agency_keys
from broker.shell.settings import Settings


async def ask(settings: Settings, action: Action) -> OpenedReceipt:
    """Publishes an act as its organisation, and returns the receipt, its proof checked."""
    async with Publisher.connect(action.organisation, settings) as publisher:
        return await publisher.publish_and_wait(action)


async def access_requests(settings: Settings) -> tuple[AccessRequest, ...]:
    """Every request that Kafka still keeps for the desk, the oldest first.

    Raises ClientError where Kafka or the topic is missing, KeysError where the desk's keys are.
    """
    keys = load_agency_keys(settings.keys_dir, DESK)
    records = await whole_topic(settings, DESK, f"alerts.v1.{DESK}")
    return requests_in([record.value for record in records], keys)


def requests_in(values: Sequence[bytes], keys: AgencyKeys) -> tuple[AccessRequest, ...]:
    """The requests among the desk's alerts; what is not proved to be recorded is passed over."""
    found: dict[tuple[str, str], AccessRequest] = {}
    for value in values:
        try:
            alert = open_alert(value, keys)
        except RefusedAlertError:
            continue
        held = alert.released.get(REQUEST_FIELD)
        if held is not None:
            request = msgspec.convert(held, AccessRequest)
            found.setdefault((request.organisation, request.action_id), request)
    return tuple(found.values())


def one_request(requests: Sequence[AccessRequest], action_id: str) -> AccessRequest:
    """The request whose id begins so. Raises ClientError for none, or more than one."""
    found = [one for one in requests if one.action_id.startswith(action_id)]
    if len(found) != 1:
        several = "several requests wait" if found else "no request waits"
        raise ClientError(
            f"{several} whose id begins with {action_id!r}: see `broker audit subject-access list`"
        )
    return found[0]
