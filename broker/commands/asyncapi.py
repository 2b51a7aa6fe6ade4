"""The Kafka side for those who write clients: AsyncAPI 3, generated from the topics file and the schemas.

It says what an organisation's own client may send and receive (the topics that it owns, and the duty
desk's). What is inside a sealed body stands beside it as a schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from broker.model.schemas import SCHEMAS_DIR, load_raw_schemas
from broker.shell.cloud_events import AVRO, TYPES
from broker.shell.topics import TopicSpec, load_topics

AVRO_FORMAT = "application/vnd.apache.avro+json;version=1.9.0"
SEALED_WITHIN = {
    "Envelope": ("SealedBody", "ConcernEvent", "Action"),
    "Alert": ("AlertContent", "Withdrawal"),
    "Receipt": ("ReceiptContent",),
    "Held": ("ConcernEvent",),
}
"""Noun -> what lies sealed in it."""
WHAT = (
    "What an organisation's client sends to and gets from the broker on Kafka. Records are Avro "
    "single-object encoding, sealed and signed as docs/adr/0007-proofs.md and "
    "0011-verifiable-redaction.md say; each carries CloudEvents attributes in its headers. Reading "
    "needs isolation.level=read_committed."
)
Described = dict[str, Any]


def described() -> Described:
    """The whole description."""
    specs = [
        one for one in load_topics().topics if {"owner", "desk"} & {*one.writers, *one.readers}
    ]
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Safeguarding broker on Kafka",
            "version": version("safeguarding-broker"),
            "description": WHAT,
        },
        "defaultContentType": AVRO.decode(),
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka-secure",
                "description": "TLS, and a certificate of each organisation's own "
                "(`broker keys rotate-certificates`).",
                "variables": {
                    "bootstrap": {
                        "description": "host:port, as `broker up` prints it.",
                        "default": "localhost:9092",
                    }
                },
                "security": [{"$ref": "#/components/securitySchemes/certificate"}],
            }
        },
        "channels": {_id(one): _channel(one) for one in specs},
        "operations": {name: made for one in specs for name, made in _operations(one)},
        "components": {
            "securitySchemes": {"certificate": {"type": "X509"}},
            "messages": {name: _message(name) for name in _held(specs)},
            "schemas": _schemas(specs),
        },
    }


def text() -> str:
    """The description as docs/asyncapi.json holds it."""
    return json.dumps(described(), indent=1, ensure_ascii=False)


def _id(spec: TopicSpec) -> str:
    return spec.name.partition(".")[0]


def _held(specs: Sequence[TopicSpec]) -> list[str]:
    return sorted({noun for one in specs for noun in one.holds})


def _channel(spec: TopicSpec) -> Described:
    made: Described = {
        "address": spec.name,
        "description": spec.doc,
        "messages": {noun: {"$ref": f"#/components/messages/{noun}"} for noun in spec.holds},
        "bindings": {
            "kafka": {
                "partitions": spec.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [spec.cleanup],
                    "max.message.bytes": spec.max_bytes,
                    **({"retention.ms": spec.retention} if spec.retention else {}),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }
    if spec.per_organisation:
        made["parameters"] = {"org": {"description": "Code of the organisation in the register."}}
    return made


def _operations(spec: TopicSpec) -> list[tuple[str, Described]]:
    own = {"owner", "desk"}
    kinds = [("send", spec.writers), ("receive", spec.readers)]
    return [
        (
            f"{action}_{_id(spec)}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{_id(spec)}"},
                "summary": spec.doc,
                "description": _who(roles),
            },
        )
        for action, roles in kinds
        if own & set(roles)
    ]


def _who(roles: Sequence[str]) -> str:
    said = {
        "owner": "the organisation that the topic is named after",
        "desk": "the broker's duty desk",
    }
    return (
        f"May do it: {' and '.join(said[one] for one in roles if one in said)}, by its certificate."
    )


def _message(noun: str) -> Described:
    sealed = SEALED_WITHIN.get(noun, ())
    inside = f" Sealed in it: {', '.join(sealed)} (components/schemas)." if sealed else ""
    return {
        "name": noun,
        "title": noun,
        "contentType": AVRO.decode(),
        "description": f"{_raw(noun)['doc']}{inside}",
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{noun}"},
    }


def _schemas(specs: Sequence[TopicSpec]) -> Described:
    held = _held(specs)
    nouns = sorted({*held, *(inner for noun in held for inner in SEALED_WITHIN.get(noun, ()))})
    made: Described = {noun: {"schemaFormat": AVRO_FORMAT, "schema": _raw(noun)} for noun in nouns}
    made["CloudEventHeaders"] = {
        "type": "object",
        "description": "CloudEvents 1.0, Kafka binding, binary mode. The broker sends them and reads none.",
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string"},
            "ce_source": {"type": "string", "format": "uri-reference"},
            "ce_type": {"type": "string", "enum": sorted(one.decode() for one in TYPES.values())},
            "content-type": {"type": "string", "const": AVRO.decode()},
            "traceparent": {
                "type": "string",
                "description": "W3C trace context, where it is traced.",
            },
        },
    }
    return made


def _raw(noun: str) -> Described:
    return next(one for one in load_raw_schemas(SCHEMAS_DIR) if one["name"] == noun)
