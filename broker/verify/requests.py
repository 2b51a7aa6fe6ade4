"""Requests for information: whom they ask, what for, for which fields, and about whom.

Whether it is said why each child is asked about is not verified here: a request may be granted for
some children and refused for others, and the law does that part by part.
"""

from __future__ import annotations

from broker.model.fields import FIELD_GROUP
from broker.model.reference import Reference
from broker.model.types import ConcernEvent, EventType, InformationRequest
from broker.model.values import Rejection


def check_request(event: ConcernEvent, reference: Reference) -> Rejection | None:
    """None for a sound request, and for any other statement that does not ask; else why not."""
    if event.event_type is not EventType.INFORMATION_REQUEST:
        if event.request is None:
            return None
        return _unclear(event, "only an information_request may ask: leave `request` out")
    if event.request is None:
        return _unclear(event, "it does not say whom it asks: fill in `request`")
    if not event.subjects:
        return Rejection(
            "request_without_subject",
            "the request names no child: say about whom you ask, and why about each",
            event.event_id,
        )
    return _asks_somebody(event, event.request, reference) or _asks_clearly(event, event.request)


def _asks_somebody(
    event: ConcernEvent, request: InformationRequest, reference: Reference
) -> Rejection | None:
    asked = reference.current_code(request.asked_of)
    if asked not in reference.organisations:
        return Rejection(
            "unknown_organisation",
            f"{request.asked_of!r} is asked and is not in the register: take a code from it",
            event.event_id,
        )
    if asked == reference.current_code(event.publisher):
        return _unclear(event, "it asks its own publisher: name the organisation that is asked")
    return None


def _asks_clearly(event: ConcernEvent, request: InformationRequest) -> Rejection | None:
    if event.answers is not None:
        return _unclear(event, "a request cannot be an answer too: publish two events")
    if not request.purpose.strip():
        return _unclear(event, "it gives no purpose: say what the information is needed for")
    unknown = next((name for name in request.wanted if name not in FIELD_GROUP), None)
    if unknown is not None:
        return _unclear(
            event, f"it asks for {unknown!r}, and no statement has such a field: name others"
        )
    return None


def _unclear(event: ConcernEvent, what: str) -> Rejection:
    return Rejection("request_unclear", what, event.event_id)
