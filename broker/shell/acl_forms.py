"""The list of rights in the forms that operators of other Kafkas apply: shell commands, Strimzi users.

Pure: text from the list. What is printed is complete; nothing is left for the reader to add.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby

from broker.shell.acls import (
    PREFIX,
    Acl,
    Operation,
    Pattern,
    Resource,
    checked_code,
    organisation_principal,
)
from broker.shell.topics import Quotas, TopicsError

FLAGS = {
    Resource.TOPIC: "--topic",
    Resource.GROUP: "--group",
    Resource.TRANSACTIONAL_ID: "--transactional-id",
}
STRIMZI_KINDS = {
    Resource.TOPIC: "topic",
    Resource.GROUP: "group",
    Resource.TRANSACTIONAL_ID: "transactionalId",
}
SHELL_HEAD = """\
#!/bin/sh
# Rights and quotas of the broker, for Apache Kafka's own tools. Made by `broker keys acls --shell`.
# KAFKA is host:port; operator.properties holds the operator's certificate.
set -eu
"""
STRIMZI_HEAD = """\
# The broker's users on Strimzi, with their rights and quotas. Made by `broker keys acls --strimzi` from
# deploy/topics.yaml and policies/organisations/connected.yaml; a test holds it to them.
# Strimzi names a user in lower case and signs its certificate; set BROKER_KAFKA_RIGHTS=elsewhere, so that
# the broker leaves rights alone. Not run here: the form is checked, no cluster has seen it.
"""


def shell_commands(acls: Sequence[Acl], organisations: Sequence[str], quotas: Quotas | None) -> str:
    """A script of `kafka-acls.sh` and `kafka-configs.sh` that gives these rights and quotas."""
    lines = [SHELL_HEAD]
    for one, operations in _by_resource(acls):
        words = ["--add", "--allow-principal", one.principal]
        for operation in operations:
            words += ["--operation", _camel(operation)]
        words += [FLAGS[one.resource], one.name]
        if one.pattern is Pattern.PREFIXED:
            words += ["--resource-pattern-type", "prefixed"]
        lines.append(f"{_tool('kafka-acls.sh')} {shlex.join(words)}")
    if quotas is not None:
        limits = ",".join(f"{name}={value}" for name, value in quotas.model_dump().items())
        for code in dict.fromkeys(map(checked_code, organisations)):
            words = ["--alter", "--add-config", limits, "--entity-type", "users"]
            words += ["--entity-name", code]
            lines.append(f"{_tool('kafka-configs.sh')} {shlex.join(words)}")
    return "\n".join(lines) + "\n"


def strimzi_users(acls: Sequence[Acl], organisations: Sequence[str], quotas: Quotas | None) -> str:
    """One KafkaUser for each principal. Raises TopicsError where two would get one name."""
    limited = {organisation_principal(code) for code in organisations} if quotas else set()
    users, names = [STRIMZI_HEAD], set[str]()
    for principal, own in groupby(sorted(acls), lambda acl: acl.principal):
        name = principal.removeprefix("User:").lower()
        if name in names or name.startswith(PREFIX) != principal.startswith(f"User:{PREFIX}"):
            raise TopicsError(f"Two principals would be the Strimzi user {name}: rename one.")
        names.add(name)
        lines = [
            "---",
            "apiVersion: kafka.strimzi.io/v1",
            "kind: KafkaUser",
            f"metadata: {{name: {name}, labels: {{strimzi.io/cluster: safeguarding}}}}",
            "spec:",
            "  authentication: {type: tls}",
        ]
        if quotas is not None and principal in limited:
            lines.append(
                f"  quotas: {{producerByteRate: {quotas.producer_byte_rate}, "
                f"consumerByteRate: {quotas.consumer_byte_rate}, "
                f"requestPercentage: {quotas.request_percentage}}}"
            )
        lines += ["  authorization:", "    type: simple", "    acls:"]
        for one, operations in _by_resource(list(own)):
            listed = ", ".join(map(_camel, operations))
            lines += [
                (
                    f"      - resource: {{type: {STRIMZI_KINDS[one.resource]}, name: {one.name}, "
                    f"patternType: {'prefix' if one.pattern is Pattern.PREFIXED else 'literal'}}}"
                ),
                f"        operations: [{listed}]",
            ]
        users.append("\n".join(lines) + "\n")
    return "".join(users)


def _by_resource(acls: Sequence[Acl]) -> Iterator[tuple[Acl, list[Operation]]]:
    """Rights of one principal on one resource together: (the first of them, all operations)."""
    for _, group in groupby(
        sorted(acls), lambda acl: (acl.principal, acl.resource, acl.pattern, acl.name)
    ):
        same = list(group)
        yield same[0], [acl.operation for acl in same]


def _camel(operation: Operation) -> str:
    return "".join(word.capitalize() for word in operation.name.split("_"))


def _tool(name: str) -> str:
    return f'{name} --bootstrap-server "$KAFKA" --command-config operator.properties'
