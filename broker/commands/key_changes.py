"""What `broker keys rotate`, `revoke` and `show` do and print: public facts only, never a private key."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.commands.errors import CommandError
from broker.reference import load_reference
from broker.shell.key_changes import (
    NOT_ROTATED,
    OF_AN_ORGANISATION,
    Change,
    KeyKind,
    Shown,
    register_public,
    revoke,
    rotate,
    shown,
)
from broker.shell.registered_keys import load_registered
from broker.shell.settings import Settings

STYLES = {"in_force": "green", "revoked": "red", "not_yet": "yellow"}
SHOWN_OF_PUBLIC = 16


def kind_of(word: str) -> KeyKind:
    """The kind of key that a word names. Raises CommandError, for those that are not rotated with why."""
    if word in NOT_ROTATED:
        raise CommandError(NOT_ROTATED[word])
    if word == "certificates":
        raise CommandError("certificates: `broker keys rotate-certificates [WHOSE] [--revoke]`")
    try:
        return KeyKind(word)
    except ValueError:
        known = ", ".join(one.value for one in KeyKind)
        raise CommandError(f"there is no kind of key {word!r}: one of {known}") from None


def rotated(
    settings: Settings,
    word: str,
    organisation: str | None,
    at: datetime.datetime | None,
    overlap_days: float | None,
) -> Change:
    """Rotates a key. Raises CommandError where the kind and the organisation do not go together."""
    kind = kind_of(word)
    if (kind in OF_AN_ORGANISATION) is not bool(organisation):
        raise CommandError(
            f"a {kind} key is an organisation's: name its code"
            if kind in OF_AN_ORGANISATION
            else f"the {kind} key is the broker's own: name no organisation"
        )
    overlap = None if overlap_days is None else datetime.timedelta(days=overlap_days)
    return rotate(settings.keys_dir, kind, organisation or "", at=_utc(at), overlap=overlap)


def revoked(
    settings: Settings,
    word: str,
    organisation: str | None,
    key_id: str,
    at: datetime.datetime | None,
) -> Change:
    """Revokes a key. Raises CommandError, KeysError."""
    return revoke(settings.keys_dir, kind_of(word), organisation or "", key_id, at=_utc(at))


def registered(settings: Settings) -> tuple[Change, ...]:
    """Takes over registered public keys; what changed. Raises ReferenceDataError, KeysError."""
    register = load_reference(settings.codesets_dir, settings.organisations_dir).organisations
    found = load_registered(settings.organisations_dir, register)
    return register_public(settings.keys_dir, found)


def keys_of(settings: Settings, organisation: str | None) -> tuple[Shown, ...]:
    """Every key, or one organisation's, with its dates."""
    found = shown(settings.keys_dir, datetime.datetime.now(datetime.UTC))
    return tuple(one for one in found if organisation is None or one.organisation == organisation)


def row(one: Change | Shown) -> dict[str, Any]:
    """As a JSON-ready object."""
    built: dict[str, Any] = msgspec.to_builtins(one)
    return built


def sentence(change: Change) -> str:
    """What a change means, in words."""
    whose = f" of {change.organisation}" if change.organisation else ""
    moment = f"{change.in_force_from:%d %B %Y, %H:%M:%S} UTC"
    if change.revoked:
        return f"The {change.kind} key {change.key_id}{whose} is revoked from {moment}."
    until = ""
    if change.until is not None and change.until > change.in_force_from:
        until = f"; the one before works until {change.until:%d %B %Y, %H:%M} UTC"
    return f"The {change.kind} key {change.key_id}{whose} is in force from {moment}{until}."


def show(out: Console, found: Sequence[Shown]) -> None:
    """One row a key."""
    table = Table(title="Keys", title_justify="left")
    for name in ("kind", "whose", "key", "standing", "from", "to", "public"):
        table.add_column(name, overflow="fold", no_wrap=name in ("standing", "from", "to"))
    for one in found:
        ends = one.revoked_at or one.valid_to
        begins = one.valid_from
        table.add_row(
            one.kind,
            one.organisation or "broker",
            one.key_id,
            Text(one.standing.replace("_", " "), style=STYLES.get(one.standing, "")),
            "" if begins is None or begins.timestamp() == 0 else f"{begins:%Y-%m-%d %H:%M}",
            "" if ends is None else f"{ends:%Y-%m-%d %H:%M}",
            one.public[:SHOWN_OF_PUBLIC],
        )
    out.print(table)


def _utc(at: datetime.datetime | None) -> datetime.datetime | None:
    """A moment that was given without a time zone is UTC."""
    return None if at is None else at.replace(tzinfo=datetime.UTC)
