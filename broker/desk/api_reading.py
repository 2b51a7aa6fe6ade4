"""What a system sends to the HTTP door, as statements: JSON by the schema, Avro, or CloudEvents. Pure.

JSON is one object or a list of them. Avro is the single-object encoding, as on Kafka. A CloudEvent comes in
binary mode (`ce-` headers) or structured (`application/cloudevents+json`, or `-batch+json`), and carries
either of these as its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.exceptions import CloudEventValidationError

from broker.model.codec import CodecError, decode
from broker.model.plain import NOT_VALID, statement_of
from broker.model.types import Action, ConcernEvent

MOST_AT_ONCE = 500
AVRO = ("avro/binary", "application/avro", "application/vnd.apache.avro")
JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
Statement = ConcernEvent | Action


class NotReadError(ValueError):
    """What cannot be read as statements at all, in words; `status` is the answer's."""

    def __init__(self, what: str, status: int = 400) -> None:
        """`what` is wrong."""
        super().__init__(what)
        self.status = status


class Unread(msgspec.Struct, frozen=True):
    """One of several that could not be read."""

    reason: str
    explanation: str


def read(headers: Mapping[str, str], body: bytes) -> list[Statement | Unread]:
    """Every statement of a request, in order. Raises NotReadError where the whole cannot be read."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if any(name.startswith("ce-") for name in headers) or kind == CLOUD_EVENT:
        return [_of_cloud_event(headers, body)]
    if kind == CLOUD_EVENTS:
        events = _json(body)
        return [
            _of_cloud_event({"content-type": CLOUD_EVENT}, msgspec.json.encode(one))
            for one in _few(events)
        ]
    if kind in AVRO:
        return [_of_avro(body)]
    if kind == JSON:
        plain = _json(body)
        return [_of_plain(one) for one in _few(plain if isinstance(plain, list) else [plain])]
    raise NotReadError(
        f"the content type {kind or '(none)'} is not taken here: send {JSON}, {AVRO[0]}, {CLOUD_EVENT} or "
        f"{CLOUD_EVENTS}",
        415,
    )


def _of_cloud_event(headers: Mapping[str, str], body: bytes) -> Statement | Unread:
    try:
        event = from_http_event(HTTPMessage(headers=dict(headers), body=body))
        data, kind = event.get_data(), (event.get_datacontenttype() or JSON).partition(";")[0]
    except (CloudEventValidationError, ValueError, TypeError, KeyError, RecursionError) as error:
        return Unread(NOT_VALID, f"it is no CloudEvent of version 1.0 ({type(error).__name__})")
    if kind in AVRO and isinstance(data, bytes):
        return _of_avro(data)
    if isinstance(data, bytes | str):
        try:
            data = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Unread(NOT_VALID, "the data of the CloudEvent are neither JSON nor Avro")
    statement = _of_plain(data)
    if isinstance(statement, Unread):
        return statement
    named = statement.action_id if isinstance(statement, Action) else statement.event_id
    if event.get_id() != named:
        return Unread(NOT_VALID, "the id of the CloudEvent is not that of the statement in it")
    return statement


def _of_avro(data: bytes) -> Statement | Unread:
    try:
        return decode(data, ConcernEvent)
    except CodecError as first:
        try:
            return decode(data, Action)
        except CodecError:
            return Unread(first.reason, str(first))


def _of_plain(plain: Any) -> Statement | Unread:
    if not isinstance(plain, dict):
        return Unread(NOT_VALID, "it is not a JSON object")
    try:
        return statement_of(plain)
    except CodecError as error:
        return Unread(error.reason, str(error))


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotReadError("the body is not JSON") from None


def _few(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise NotReadError("a batch is a list")
    if not 0 < len(found) <= MOST_AT_ONCE:
        raise NotReadError(f"send between 1 and {MOST_AT_ONCE} statements at once", 413)
    return found
