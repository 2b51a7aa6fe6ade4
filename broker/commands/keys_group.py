"""The command group `broker keys`: keys, certificates, rights at Kafka, and what Kafka refused."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from broker.commands.words import MARKUP, Json, examples, say, settings_in_force, terminal, write

keys_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For operators: keys, certificates, rights at Kafka, and what Kafka refused.",
)


@keys_app.command("make", epilog=examples("broker keys make", "broker keys make --json"))
def keys_make(as_json: Json = False) -> None:
    """Make the demonstration's keys and certificates that are missing or end within 30 days."""
    from broker.commands import kafka_keys

    made = kafka_keys.make(settings_in_force())
    if as_json:
        write({"made": made})
    else:
        say(f"{len(made)} certificates made" + (f": {', '.join(made)}" if made else ""))


@keys_app.command("show", epilog=examples("broker keys show", "broker keys show SCH-WV-001 --json"))
def keys_show(
    organisation: Annotated[
        str | None, typer.Argument(metavar="[ORG]", help="Only this organisation's keys.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every key and certificate: whose, from when, until when; never a private key."""
    from broker.commands import kafka_keys, key_changes

    settings = settings_in_force()
    found = key_changes.keys_of(settings, organisation)
    held = [one for one in kafka_keys.certificates(settings) if organisation in (None, one.owner)]
    if as_json:
        certificates = [{"kind": "certificate", **msgspec.to_builtins(one)} for one in held]
        write(*map(key_changes.row, found), *certificates)
    else:
        key_changes.show(terminal(), found)
        kafka_keys.show_held(terminal(), held)


@keys_app.command(
    "rotate",
    epilog=examples(
        "broker keys rotate signing SCH-WV-001",
        "broker keys rotate sealing SCH-WV-001",
        "broker keys rotate ledger --overlap-days 30",
        "broker keys rotate parts",
        "broker keys rotate rows --at 2026-12-01T00:00:00",
    ),
)
def keys_rotate_one(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="signing, sealing, ledger, parts or rows.")
    ],
    organisation: Annotated[
        str | None, typer.Argument(metavar="[ORG]", help="Whose, for signing and sealing.")
    ] = None,
    at: Annotated[
        datetime.datetime | None,
        typer.Option("--at", help="From when, in UTC; default: in a few seconds."),
    ] = None,
    overlap_days: Annotated[
        float | None,
        typer.Option("--overlap-days", min=0, help="How long the old key works beside the new."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a new key and announce it; processes and clients take it without a restart.

    What Kafka took before is judged and sealed by the keys of then, however late it is read.
    """
    from broker.commands import key_changes

    change = key_changes.rotated(settings_in_force(), kind, organisation, at, overlap_days)
    write(key_changes.row(change)) if as_json else say(key_changes.sentence(change))


@keys_app.command(
    "revoke",
    epilog=examples(
        "broker keys revoke signing SCH-WV-001 key-1   # it is in wrong hands",
        "broker keys revoke sealing SCH-WV-001 key-1",
        "broker keys revoke ledger key-1",
    ),
)
def keys_revoke(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="signing, sealing or ledger.")],
    whose: Annotated[
        list[str], typer.Argument(metavar="[ORG] KEY", help="Whose, and its id in `keys show`.")
    ],
    at: Annotated[
        datetime.datetime | None,
        typer.Option("--at", help="From when, in UTC; default: in a few seconds."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a key back: what it signs from then on is refused, what it signed before stands.

    Nothing new is sealed to a revoked sealing key; without another one the duty desk is told instead.
    """
    from broker.commands import key_changes

    *organisations, key_id = whose
    change = key_changes.revoked(settings_in_force(), kind, "".join(organisations[:1]), key_id, at)
    write(key_changes.row(change)) if as_json else say(key_changes.sentence(change))


@keys_app.command(
    "register", epilog=examples("broker keys register", "broker keys register --json")
)
def keys_register(as_json: Json = False) -> None:
    """Take over the public keys in policies/organisations/keys/; `broker up` does so at its start.

    A key that was registered stays: it is ended or revoked, never replaced.
    """
    from broker.commands import key_changes

    changes = key_changes.registered(settings_in_force())
    if as_json:
        write(*map(key_changes.row, changes))
    else:
        say("\n".join(map(key_changes.sentence, changes)) or "Nothing changed.")


@keys_app.command(
    "rotate-certificates",
    epilog=examples(
        "broker keys rotate-certificates",
        "broker keys rotate-certificates SCH-WV-001 --revoke   # its key is in wrong hands",
    ),
)
def keys_rotate(
    owners: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WHOSE]...", help="Codes or processes; default: all."),
    ] = None,
    revoke: Annotated[
        bool,
        typer.Option(
            "--revoke",
            help="Take the old ones back: the embedded Kafka refuses them within a minute. "
            "Default: they run out beside the new ones.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make new certificates of the development authority; a process takes its new one at its start.

    A connection that is open stays open until it ends: taking a right away ends what it may do at once.
    """
    from broker.commands import kafka_keys

    rotated = kafka_keys.rotate(settings_in_force(), owners or [], revoke=revoke)
    if as_json:
        write({"rotated": rotated, "revoked": revoke})
    else:
        say(f"{len(rotated)} new certificates" + ("; the old ones are revoked" if revoke else ""))


@keys_app.command(
    "acls",
    epilog=examples(
        "broker keys acls",
        "broker keys acls --shell > acls.sh",
        "broker keys acls --strimzi > deploy/strimzi/kafka-users.yaml",
    ),
)
def keys_acls(
    shell: Annotated[
        bool, typer.Option("--shell", help="As commands of kafka-acls.sh and kafka-configs.sh.")
    ] = False,
    strimzi: Annotated[bool, typer.Option("--strimzi", help="As Strimzi KafkaUsers.")] = False,
    as_json: Json = False,
) -> None:
    """List every right at Kafka, made of deploy/topics.yaml and the connected organisations."""
    from broker.commands import kafka_keys

    settings = settings_in_force()
    if shell:
        say(kafka_keys.as_shell(settings).rstrip("\n"))
    elif strimzi:
        say(kafka_keys.as_strimzi(settings).rstrip("\n"))
    elif as_json:
        write(*map(kafka_keys.right_row, kafka_keys.rights(settings)))
    else:
        kafka_keys.show_rights(terminal(), kafka_keys.rights(settings))


@keys_app.command("denials", epilog=examples("broker keys denials", "broker keys denials --json"))
def keys_denials(
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Kafka's authorizer log; default: the embedded Kafka's, var/log/kafka-denials.log.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count what Kafka refused: by whom, which operation, on which kind of resource; no names."""
    from broker.commands import kafka_keys

    counted = kafka_keys.denials(settings_in_force(), log)
    if as_json:
        write(*map(msgspec.to_builtins, counted))
    else:
        kafka_keys.show_denials(terminal(), counted)
