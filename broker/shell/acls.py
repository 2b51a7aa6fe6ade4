"""Who may do what at Kafka: the whole list, made of the topics file and the connected organisations.

Pure. What is not on the list is refused (`StandardAuthorizer`, deny by default). An organisation is
the principal `User:<code>`, a process `User:process-<role>`; the mapping rules turn the name of a
certificate into one of these, so that no organisation can be called like a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum

import msgspec

from broker.shell.topics import ORGANISATION, TopicsError, TopicsFile, TopicSpec

PROCESSES = ("intake", "decide", "ledger", "clock")
"""Processes of the broker with a certificate of their own."""
OPERATOR = "operator"
"""Makes topics, rights and quotas at each start; may do everything at Kafka, as who runs it can."""
KAFKA_ITSELF = "broker"
"""Kafka's own certificate."""
PREFIX = "process-"
MAPPING_RULES = (
    r"RULE:^CN=(intake|decide|ledger|clock|operator|broker),OU=process(?:,.*)?$/process-$1/,"
    r"RULE:^CN=(?!process-)([A-Za-z0-9-]+),OU=organisation(?:,.*)?$/$1/,"
    "RULE:(?s)^.*$/process-nobody/"
)
"""Kafka's `ssl.principal.mapping.rules`: a certificate of any other name is `process-nobody`, who
may do nothing."""
SUPER_USERS = f"User:{PREFIX}{KAFKA_ITSELF};User:{PREFIX}{OPERATOR}"


class Resource(IntEnum):
    """What a right is about, by Kafka's own numbers."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5


class Pattern(IntEnum):
    """How the name of a resource is read, by Kafka's own numbers."""

    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """What may be done, by Kafka's own numbers."""

    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


IMPLIES_DESCRIBE = frozenset({Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER})
"""Operations that let their holder describe the same resource."""


class Acl(msgspec.Struct, frozen=True, order=True):
    """One right: this principal may do this with these resources, from any host."""

    principal: str
    resource: Resource
    pattern: Pattern
    name: str
    operation: Operation


def checked_code(code: str) -> str:
    """An organisation's code that can be a principal. Raises TopicsError for any other."""
    if not ORGANISATION.fullmatch(code) or code.startswith(PREFIX):
        raise TopicsError(
            f"Organisation code {code!r} cannot be a name at Kafka: use 1 to 64 letters, digits and "
            f"hyphens, and do not begin with {PREFIX}"
        )
    return code


def organisation_principal(code: str) -> str:
    """`User:<code>`. Raises TopicsError for a code that is none, or that looks like a process."""
    return f"User:{checked_code(code)}"


def process_principal(role: str) -> str:
    """`User:process-<role>`."""
    return f"User:{PREFIX}{role}"


def group_of(code: str, purpose: str) -> str:
    """A consumer group of an organisation: under its own prefix, so that nobody else may join."""
    return f"{code}.{purpose}"


def acls_of(
    topics: TopicsFile, organisations: Sequence[str], closed: Sequence[str] = ()
) -> tuple[Acl, ...]:
    """Every right that there is, sorted. Raises TopicsError for a code that cannot be a principal.

    `closed`: organisations among them that have none any more; the processes still read what they
    wrote while they had, and answer it.
    """
    gone = frozenset(map(organisation_principal, closed))
    codes = tuple(dict.fromkeys(map(checked_code, organisations)))
    found = {acl for spec in topics.topics for acl in _of_topic(spec, topics, codes)}
    found |= {
        Acl(
            organisation_principal(code),
            Resource.GROUP,
            Pattern.PREFIXED,
            group_of(code, ""),
            Operation.READ,
        )
        for code in codes
    }
    found |= set(_of_workers(topics))
    return tuple(sorted(acl for acl in found if acl.principal not in gone))


def allowed(
    acls: Iterable[Acl], principal: str, operation: Operation, resource: Resource, name: str
) -> bool:
    """Whether the list lets `principal` do this, as Kafka's authorizer reads it."""
    return any(
        acl.principal == principal
        and covers(acl, resource, name)
        and (
            acl.operation in (operation, Operation.ALL)
            or (operation is Operation.DESCRIBE and acl.operation in IMPLIES_DESCRIBE)
        )
        for acl in acls
    )


def covers(acl: Acl, resource: Resource, name: str) -> bool:
    """Whether a right is about this resource."""
    if acl.resource is not resource:
        return False
    if acl.pattern is Pattern.PREFIXED:
        return name.startswith(acl.name)
    return acl.name in (name, "*")


def surplus(wanted: Iterable[Acl], found: Iterable[Acl], topics: TopicsFile) -> tuple[Acl, ...]:
    """Rights in Kafka that must go: those that are not wanted and are our principals' or about ours.

    So an organisation that is no longer connected loses what it had.
    """
    right = set(wanted)
    principals = {acl.principal for acl in right}
    return tuple(
        sorted(
            acl
            for acl in found
            if acl not in right and (acl.principal in principals or _is_ours(acl, topics))
        )
    )


def too_wide(found: Iterable[Acl], gone: Iterable[Acl], topics: TopicsFile) -> tuple[Acl, ...]:
    """Rights that reach over ours and others' alike, such as one for all topics; `gone` left out.

    They may belong to somebody: the broker neither takes them away nor runs beside them.
    """
    removed = set(gone)
    return tuple(
        sorted(acl for acl in found if acl not in removed and _reaches_over(acl, _names(topics)))
    )


def _of_topic(spec: TopicSpec, topics: TopicsFile, codes: Sequence[str]) -> Iterator[Acl]:
    for operation, roles in ((Operation.WRITE, spec.writers), (Operation.READ, spec.readers)):
        for role in roles:
            for principal, pattern, name in _holders(role, spec, topics, codes):
                yield Acl(principal, Resource.TOPIC, pattern, name, operation)


def _holders(
    role: str, spec: TopicSpec, topics: TopicsFile, codes: Sequence[str]
) -> Iterator[tuple[str, Pattern, str]]:
    """(principal, pattern, topic) of everyone who plays `role` for a topic of the file."""
    acts_for = {str(process): code for process, code in topics.access.acts_for.items()}
    desk = topics.access.desk
    if role == "owner":
        for code in codes:
            yield organisation_principal(code), Pattern.LITERAL, spec.of(code)
    elif role == "desk":
        if desk in codes:
            yield organisation_principal(desk), Pattern.LITERAL, spec.of(desk)
    elif role in acts_for:
        if acts_for[role] in codes:
            yield process_principal(role), Pattern.LITERAL, spec.of(acts_for[role])
    elif spec.per_organisation:
        for code in codes:
            yield process_principal(role), Pattern.LITERAL, spec.of(code)
    else:
        yield process_principal(role), Pattern.LITERAL, spec.name


def _of_workers(topics: TopicsFile) -> Iterator[Acl]:
    """Consumer groups and changelog topics of the workers, positions, and the ledger's transactions."""
    for role, group in topics.access.groups.items():
        principal = process_principal(role)
        yield Acl(principal, Resource.GROUP, Pattern.LITERAL, group, Operation.READ)
        for operation in (Operation.CREATE, Operation.READ, Operation.WRITE):
            yield Acl(principal, Resource.TOPIC, Pattern.PREFIXED, f"{group}-", operation)
    groups = topics.access.every_group
    for role, group in topics.access.positions.items():
        yield Acl(process_principal(role), Resource.GROUP, Pattern.LITERAL, group, Operation.READ)
    for role, others in topics.access.looks_at.items():
        for other in others:
            principal = process_principal(role)
            yield Acl(principal, Resource.GROUP, Pattern.LITERAL, groups[other], Operation.DESCRIBE)
    partitions: Mapping[str, int] = {spec.name: spec.partitions for spec in topics.topics}
    for role, topic in topics.access.transactions.items():
        for number in range(partitions.get(topic, 0)):
            name = transactional_id(role, number)
            principal = process_principal(role)
            yield Acl(principal, Resource.TRANSACTIONAL_ID, Pattern.LITERAL, name, Operation.WRITE)


def transactional_id(role: str, partition: int) -> str:
    """The transactional id of the one writer of a partition."""
    return f"{role}-s{partition}"


def _is_ours(acl: Acl, topics: TopicsFile) -> bool:
    """Whether a right is about a topic, group or transaction of the broker and nothing else."""
    if acl.resource is Resource.GROUP and acl.principal == f"User:{acl.name.removesuffix('.')}":
        return acl.name.endswith(".") and bool(ORGANISATION.fullmatch(acl.name[:-1]))
    return any(
        acl.resource is resource and (acl.name.startswith(name) if is_family else acl.name == name)
        for resource, name, is_family in _names(topics)
    )


def _reaches_over(acl: Acl, names: Iterable[tuple[Resource, str, bool]]) -> bool:
    if acl.pattern is Pattern.LITERAL and acl.name != "*":
        return False
    wide = "" if acl.name == "*" else acl.name
    return any(
        acl.resource is resource and name.startswith(wide) and name != acl.name
        for resource, name, _ in names
    )


def _names(topics: TopicsFile) -> tuple[tuple[Resource, str, bool], ...]:
    """(kind, name, whether every name that begins so is meant) of all that is the broker's."""
    groups = topics.access.groups.values()
    every = topics.access.every_group.values()
    return (
        *((Resource.TOPIC, spec.of(""), spec.per_organisation) for spec in topics.topics),
        *((Resource.TOPIC, f"{group}-", True) for group in groups),
        *((Resource.GROUP, group, False) for group in every),
        *((Resource.TRANSACTIONAL_ID, f"{role}-s", True) for role in topics.access.transactions),
    )
