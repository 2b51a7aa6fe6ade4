"""Brings Kafka's rights and quotas in line with the topics file and the connected organisations.

What is missing is added; what is surplus is taken away, so that an organisation that is no longer
connected loses its rights at the next start. aiokafka knows the requests, but its client for
operators does not send them: this does, many rights at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest_v1,
    DescribeAclsRequest_v1,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int8, Int16, Int32, Schema, String

from broker.shell.acls import Acl, Operation, Pattern, Resource, acls_of, surplus, too_wide
from broker.shell.topics import Quotas, TopicsError, TopicsFile, load_topics

ANY, ALLOW = 1, 3
EVERY_HOST = "*"
EXACT = 0
BATCH = 500
IN_FORCE_WITHIN_S = 15.0


class AccessChange(msgspec.Struct, frozen=True):
    """What one run changed at Kafka."""

    rights: int
    added: int
    removed: int
    quotas_set: int


class AlterClientQuotasResponse_v0(Response):  # type: ignore[misc]  # noqa: N801 -- named as aiokafka names them
    """Kafka's answer, as Kafka's own definition of the protocol has it."""

    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", Array(("type", String("utf-8")), ("name", String("utf-8")))),
            ),
        ),
    )


class AlterClientQuotasRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801 -- see above
    """Sets or removes quotas."""

    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse_v0
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("type", String("utf-8")), ("name", String("utf-8")))),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class DescribeClientQuotasResponse_v0(Response):  # type: ignore[misc]  # noqa: N801 -- see above
    """Quotas as Kafka has them."""

    API_KEY = 48
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", String("utf-8")),
        (
            "entries",
            Array(
                ("entity", Array(("type", String("utf-8")), ("name", String("utf-8")))),
                ("values", Array(("key", String("utf-8")), ("value", Float64))),
            ),
        ),
    )


class DescribeClientQuotasRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801 -- see above
    """Asks for the quotas of users."""

    API_KEY = 48
    API_VERSION = 0
    RESPONSE_TYPE = DescribeClientQuotasResponse_v0
    SCHEMA = Schema(
        (
            "components",
            Array(("type", String("utf-8")), ("match_type", Int8), ("match", String("utf-8"))),
        ),
        ("strict", Boolean),
    )


async def ensure_access(
    bootstrap: str,
    organisations: Sequence[str],
    *,
    security: Mapping[str, Any],
    topics: TopicsFile | None = None,
    closed: Sequence[str] = (),
) -> AccessChange:
    """Rights and quotas at `bootstrap` as the file says; returns what was changed.

    `closed` organisations, among the others, have no rights any more.

    `security` is that of the operator. Raises TopicsError where Kafka refuses, or where somebody
    has a right that reaches over the broker's topics and others' alike.
    """
    file = topics or load_topics()
    wanted = acls_of(file, organisations, closed)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **security)
    try:
        await admin.start()
        found = await _found(admin)
        gone = surplus(wanted, found, file)
        wide = too_wide(found, gone, file)
        if wide:
            raise TopicsError(
                f"{wide[0].principal} may {wide[0].operation.name} every {wide[0].resource.name} "
                f"{wide[0].name!r} at this Kafka, the broker's among them: take that right away, or "
                "give it for the names that are meant; nothing was changed."
            )
        missing = sorted(set(wanted) - set(found))
        await _remove(admin, gone)
        await _add(admin, missing)
        if missing or gone:
            await _in_force(admin, missing, gone)
        limited = await _limit(admin, organisations, file.access.quotas)
    except KafkaError as error:
        raise TopicsError(
            f"Kafka at {bootstrap} does not let its rights be set ({type(error).__name__}): see that "
            "it runs the StandardAuthorizer and that the operator is one of its super.users"
        ) from error
    finally:
        await admin.close()
    return AccessChange(len(wanted), len(missing), len(gone), limited)


async def _found(admin: AIOKafkaAdminClient) -> frozenset[Acl]:
    """Every right that Kafka has. What denies is left alone: an operator may have barred somebody."""
    answer = await _ask(admin, DescribeAclsRequest_v1(ANY, None, ANY, None, None, ANY, ALLOW))
    _check(answer.error_code)
    return frozenset(
        Acl(principal, Resource(kind), Pattern(pattern), name, Operation(operation))
        for kind, name, pattern, acls in answer.resources
        for principal, _host, operation, _permission in acls
        if kind in set(Resource) and operation in set(Operation)
    )


async def _add(admin: AIOKafkaAdminClient, acls: Sequence[Acl]) -> None:
    for start in range(0, len(acls), BATCH):
        answer = await _ask(admin, CreateAclsRequest_v1(_rows(acls[start : start + BATCH])))
        for code, *_ in answer.creation_responses:
            _check(code)


async def _remove(admin: AIOKafkaAdminClient, acls: Sequence[Acl]) -> None:
    for start in range(0, len(acls), BATCH):
        answer = await _ask(admin, DeleteAclsRequest_v1(_rows(acls[start : start + BATCH])))
        for code, *_ in answer.filter_responses:
            _check(code)


async def _in_force(
    admin: AIOKafkaAdminClient, missing: Iterable[Acl], gone: Iterable[Acl]
) -> None:
    """Returns when Kafka acts by the changes: its controller takes them before its brokers do."""
    here, away = set(missing), set(gone)
    deadline = time.monotonic() + IN_FORCE_WITHIN_S
    while True:
        found = await _found(admin)
        if here <= found and not away & found:
            return
        if time.monotonic() > deadline:
            raise TopicsError(
                "Kafka took the broker's rights and does not act by them yet: try again."
            )
        await asyncio.sleep(0.02)


def _rows(acls: Iterable[Acl]) -> list[tuple[Any, ...]]:
    return [
        (
            int(acl.resource),
            acl.name,
            int(acl.pattern),
            acl.principal,
            EVERY_HOST,
            int(acl.operation),
            ALLOW,
        )
        for acl in acls
    ]


async def _limit(
    admin: AIOKafkaAdminClient, organisations: Sequence[str], quotas: Quotas | None
) -> int:
    """Sets the quotas of those that have others; returns of how many."""
    wanted = {name: float(value) for name, value in quotas.model_dump().items()} if quotas else {}
    answer = await _ask(admin, DescribeClientQuotasRequest_v0([("user", 2, None)], True))
    _check(answer.error_code)
    held = {
        entity[0][1]: dict(values) for entity, values in answer.entries or [] if len(entity) == 1
    }
    changes = []
    for code in dict.fromkeys(organisations):
        now = held.get(code, {})
        if now != wanted:
            ops = [(key, value, False) for key, value in wanted.items()]
            ops += [(key, 0.0, True) for key in now if key not in wanted]
            changes.append(([("user", code)], ops))
    if changes:
        done = await _ask(admin, AlterClientQuotasRequest_v0(changes, False))
        for code, *_ in done.entries:
            _check(code)
    return len(changes)


async def _ask(admin: AIOKafkaAdminClient, struct: RequestStruct) -> Any:
    return await admin._send_to_controller(_Prepared(struct))  # noqa: SLF001 -- its public methods send no rights


class _Prepared(Request[RequestStruct]):  # type: ignore[misc]
    """A request whose version is settled: the least that Kafka 4 takes."""

    API_KEY: ClassVar[int] = 0

    def __init__(self, struct: RequestStruct) -> None:
        self._struct = struct

    def prepare(self, versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """As it is, whatever the versions."""
        del versions
        return self._struct

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        """Not asked for."""
        del request_struct_class
        return self._struct


def _check(code: int) -> None:
    if code:
        raise for_code(code)
