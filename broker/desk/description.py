"""The description of the HTTP door, generated: OpenAPI 3.1 at /openapi.json, for everybody to read."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Litestar, Request, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.response import Response

from broker.desk.api_reading import AVRO, CLOUD_EVENT, CLOUD_EVENTS, JSON, MOST_AT_ONCE
from broker.desk.api_values import Problem
from broker.model.types import Action, ConcernEvent

TITLE = "Safeguarding broker: the HTTP door of one organisation's desk"
WHAT = (
    "Publish statements and acts, read alerts after their proof held, answer them, and check the proofs "
    "yourself. Everything goes through the broker's log: what was decided is recorded before it is sent. "
    "Nothing here scores a child."
)
REF = "#/components/schemas/{name}"
STATEMENTS_PATH = "/api/v1/statements"


def config(version: str) -> OpenAPIConfig:
    """What Litestar makes the description of."""
    return OpenAPIConfig(
        title=TITLE,
        version=version,
        description=WHAT,
        path="/schema",
        render_plugins=[],
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="A token that `broker desk token` made for one system.",
                )
            }
        ),
        tags=[
            Tag("systems", "Statements, alerts, receipts, answers and proofs."),
            Tag("webhooks", "What comes, sent on to a system that waits."),
        ],
    )


@get("/openapi.json", exclude_from_auth=True, skip_session=True)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description, without signing in."""
    return Response(described(request.app), media_type="application/vnd.oai.openapi+json")


@lru_cache(maxsize=4)
def described(app: Litestar) -> bytes:
    """The whole description, as JSON.

    To what Litestar generates from the handlers are added the bodies of statements, which are made of the
    Avro schemas' types, and the one shape of every error.
    """
    plain: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema())
    _, named = msgspec.json.schema_components((ConcernEvent, Action, Problem), ref_template=REF)
    schemas = plain.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(named)
    one = {"oneOf": [{"$ref": REF.format(name=name)} for name in ("ConcernEvent", "Action")]}
    raw = {"type": "string", "contentEncoding": "binary"}
    plain["paths"][STATEMENTS_PATH]["post"]["requestBody"] = {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "anyOf": [
                        one,
                        {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_AT_ONCE},
                    ]
                }
            },
            AVRO[0]: {"schema": raw},
            CLOUD_EVENT: {"schema": {"type": "object", "required": ["id", "source", "type"]}},
            CLOUD_EVENTS: {
                "schema": {
                    "type": "array",
                    "items": {"type": "object"},
                    "minItems": 1,
                    "maxItems": MOST_AT_ONCE,
                }
            },
        },
    }
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
    for path in plain["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status, words in ERRORS.items():
                responses[status] = {"description": words, "content": problem}
    return msgspec.json.encode(plain)


ERRORS = {
    "400": "The request cannot be read, or what it asks cannot be done.",
    "401": "No token, or one that has ended.",
    "403": "The token does not have this right.",
    "404": "Nothing of that id is at this desk.",
    "413": "Too much at once.",
    "415": "A kind of content that is not taken.",
    "422": "It can be read and is not valid; the detail says where.",
    "429": "Too many requests: wait a minute.",
}
