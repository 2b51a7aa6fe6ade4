"""`broker keys`: certificates, rights at Kafka and what Kafka refused; facts that may be shown."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from broker.commands.errors import CommandError
from broker.shell.acl_forms import shell_commands, strimzi_users
from broker.shell.acls import OPERATOR, PROCESSES, Acl, acls_of
from broker.shell.certificates import (
    Held,
    held_certificates,
    make_certificates,
    rotate_certificates,
)
from broker.shell.closures import closed, connected, connected_today
from broker.shell.denials import Denials, denials_log, read_denials
from broker.shell.keys import make_keys
from broker.shell.settings import Settings
from broker.shell.topics import TopicsError, load_topics

SOON_DAYS = 30
SHOWN_OF_FINGERPRINT = 16


def make(settings: Settings) -> list[str]:
    """Makes all keys and certificates that are missing or end soon; whose certificates were made."""
    make_keys(settings.keys_dir, connected(settings))
    return make_certificates(settings.keys_dir, connected_today(settings))


def rotate(settings: Settings, owners: Sequence[str], *, revoke: bool) -> list[str]:
    """New certificates for these, or for all. Raises CommandError for one that nobody has."""
    processes = (*PROCESSES, OPERATOR)
    known = [
        *((code, False) for code in connected_today(settings)),
        *((one, True) for one in processes),
    ]
    chosen = [one for one in known if not owners or one[0] in owners]
    unknown = sorted(set(owners) - {name for name, _ in chosen})
    if unknown:
        raise CommandError(
            f"{', '.join(unknown)}: neither a connected organisation nor a process of the broker; "
            "see `broker keys show`"
        )
    return rotate_certificates(settings.keys_dir, chosen, revoke=revoke)


def show_held(out: Console, held: Sequence[Held]) -> None:
    """Whose certificate, its fingerprint, until when."""
    today = datetime.datetime.now(datetime.UTC)
    table = Table("unit", "whose", "fingerprint (SHA-256)", "valid until", "")
    for one in held:
        left = (one.valid_until - today).days
        note = "revoked" if one.revoked else ""
        if not note and left < SOON_DAYS:
            note = "[red]expired[/red]" if left < 0 else f"ends in {left} days"
        printed = one.fingerprint[:SHOWN_OF_FINGERPRINT]
        table.add_row(one.unit, one.owner, printed, f"{one.valid_until:%Y-%m-%d}", note)
    out.print(table)


def certificates(settings: Settings) -> list[Held]:
    """Public facts of every certificate of the key folder."""
    return held_certificates(settings.keys_dir)


def rights(settings: Settings) -> tuple[Acl, ...]:
    """Every right at Kafka, from the topics file and the register. Raises CommandError."""
    try:
        return acls_of(load_topics(), connected(settings), closed(settings))
    except TopicsError as error:
        raise CommandError(str(error)) from error


def right_row(acl: Acl) -> dict[str, str]:
    """One right as JSON."""
    return {
        "principal": acl.principal,
        "operation": acl.operation.name.lower(),
        "resource": acl.resource.name.lower(),
        "pattern": acl.pattern.name.lower(),
        "name": acl.name,
    }


def as_shell(settings: Settings) -> str:
    """The rights as a script for Kafka's own tools."""
    return shell_commands(rights(settings), connected(settings), load_topics().access.quotas)


def as_strimzi(settings: Settings) -> str:
    """The rights as Strimzi users."""
    return strimzi_users(rights(settings), connected(settings), load_topics().access.quotas)


def show_rights(out: Console, acls: Sequence[Acl]) -> None:
    """A table, one line for each right, and how many there are."""
    table = Table("principal", "may", "kind", "name")
    for acl in acls:
        name = acl.name if acl.pattern.name == "LITERAL" else f"{acl.name}*"
        kind = acl.resource.name.lower().replace("_", " ")
        table.add_row(acl.principal.removeprefix("User:"), acl.operation.name.lower(), kind, name)
    out.print(table)
    kinds = Counter(acl.principal.startswith("User:process-") for acl in acls)
    out.print(
        f"{len(acls)} rights: {kinds[False]} of organisations, {kinds[True]} of processes; "
        "whatever is not listed is refused"
    )


def denials(settings: Settings, log: Path | None) -> tuple[Denials, ...]:
    """What Kafka refused, counted. Raises CommandError where the named log is not there."""
    if log is not None and not log.is_file():
        raise CommandError(f"{log} is no file: name Kafka's authorizer log")
    return read_denials(log or denials_log(settings.data_dir))


def show_denials(out: Console, counted: Sequence[Denials]) -> None:
    """A table of the counts, or that there are none."""
    if not counted:
        out.print("Kafka refused nothing")
        return
    table = Table("who", "was refused", "on", "times")
    for one in counted:
        table.add_row(one.principal, one.operation, one.resource, str(one.count))
    out.print(table)
