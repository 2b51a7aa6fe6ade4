"""Rotating and revoking keys: what changes, from when, and in which order the files are written.

Every change is announced and in force from a moment a little ahead (broker.shell.key_register): what
Kafka took before is judged and sealed by the keys of then, however late it is read. New keys first,
what names them after. The linkage key and the pairwise secret are not rotated (ADR 19).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from broker.model.key_terms import KeyTerm
from broker.shell.epochs import Epoch, Kind, read_epochs
from broker.shell.key_errors import KeysError
from broker.shell.key_files import alone
from broker.shell.key_names import ledger_file, make_key
from broker.shell.key_register import (
    KeyRegister,
    LedgerKey,
    PublicKey,
    Use,
    announced,
    next_id,
    read_register,
    with_keys,
    write_register,
)
from broker.shell.key_source import source_of
from broker.shell.keys import add_epoch
from broker.shell.rows_keys import add_rows_key, since_when

SIGNING_OVERLAP = datetime.timedelta(days=7)
"""How long a publisher's old signing key stays in force beside the new one."""
LEDGER_OVERLAP = datetime.timedelta(days=30)
"""How long the ledger signs with both: longer than Kafka keeps alerts, so that every one that lies
there opens for who knows only the new key."""
NOT_ROTATED = {
    "linkage": "the linkage key makes every token: rotating it is re-tokenising all state (ADR 19)",
    "pairwise": "the pairwise secret makes the pseudonyms by which recipients know children, and "
    "reply codes: rotating it would break the thread between two warnings about one child (ADR 19)",
    "subject": "a subject's key is destroyed by erasure, never rotated: `broker retention erase`",
}


class KeyKind(StrEnum):
    """What can be rotated here; certificates have a command of their own."""

    SIGNING = "signing"
    SEALING = "sealing"
    LEDGER = "ledger"
    PARTS = "parts"
    ROWS = "rows"


OF_AN_ORGANISATION = frozenset({KeyKind.SIGNING, KeyKind.SEALING})


class Change(msgspec.Struct, frozen=True):
    """One change of a key; facts that may be shown."""

    kind: KeyKind
    organisation: str
    """Empty for the broker's own keys."""
    key_id: str
    """The new key, or the one that was revoked."""
    in_force_from: datetime.datetime
    revoked: bool = False
    until: datetime.datetime | None = None
    """Until when the old one works beside it."""


def rotate(
    directory: Path,
    kind: KeyKind,
    organisation: str = "",
    *,
    at: datetime.datetime | None = None,
    overlap: datetime.timedelta | None = None,
) -> Change:
    """Makes a new key and announces it; the old one works on as long as `overlap`. Raises KeysError."""
    with alone(directory):
        return _rotated(directory, kind, organisation, announced(_now(), at), overlap)


def _rotated(
    directory: Path,
    kind: KeyKind,
    organisation: str,
    since: datetime.datetime,
    overlap: datetime.timedelta | None,
) -> Change:
    if kind is KeyKind.LEDGER:
        return _rotate_ledger(directory, since, LEDGER_OVERLAP if overlap is None else overlap)
    if kind is KeyKind.ROWS:
        own = directory / "broker"
        add_rows_key(own, since)
        return Change(kind, "", f"key-{len(since_when(own))}", since)
    if kind is KeyKind.PARTS:
        return Change(kind, "", add_epoch(directory, since, read_register(directory)).name, since)
    use = Use(kind.value)
    register = read_register(directory)
    known = _known(register, organisation)
    fresh = make_key(
        directory,
        organisation,
        PublicKey(
            use, next_id([one.key_id for one in known if one.use is use]), b"", KeyTerm(since)
        ),
    )
    # What is sealed from then on is sealed to the new key alone; what was before, opens with the old.
    kept = SIGNING_OVERLAP if overlap is None else overlap
    until = since if use is Use.SEALING else since + kept
    keys = [*(_ended(one, until) if one.use is use else one for one in known), fresh]
    changed = with_keys(register, organisation, keys)
    if use is Use.SEALING:
        add_epoch(directory, since, changed)
    else:
        write_register(directory, changed, _now())
    return Change(kind, organisation, fresh.key_id, since, until=until)


def revoke(
    directory: Path,
    kind: KeyKind,
    organisation: str,
    key_id: str,
    *,
    at: datetime.datetime | None = None,
) -> Change:
    """Takes a key back, from a moment just ahead. Raises KeysError.

    A publisher's records that Kafka takes from then on are refused; a recipient's new messages are
    sealed to its other key, or go to the duty desk; a key of the ledger is no longer trusted.
    """
    with alone(directory):
        return _revoke(directory, kind, organisation, key_id, announced(_now(), at))


def _revoke(
    directory: Path, kind: KeyKind, organisation: str, key_id: str, moment: datetime.datetime
) -> Change:
    if kind not in (*OF_AN_ORGANISATION, KeyKind.LEDGER):
        raise KeysError(f"a {kind} key is not revoked but replaced: `broker keys rotate {kind}`")
    if kind is KeyKind.LEDGER:
        return _revoke_ledger(directory, key_id, moment)
    use = Use(kind.value)
    register = read_register(directory)
    known = _known(register, organisation)
    if not any((one.use, one.key_id) == (use, key_id) for one in known):
        raise KeysError(
            f"{organisation} has no {kind} key {key_id!r}: `broker keys show` lists them all"
        )
    keys = [
        _revoked(one, moment) if (one.use, one.key_id) == (use, key_id) else one for one in known
    ]
    changed = with_keys(register, organisation, keys)
    if use is Use.SEALING:
        add_epoch(directory, moment, changed)
    else:
        write_register(directory, changed, _now())
    return Change(kind, organisation, key_id, moment, revoked=True)


def register_public(
    directory: Path, registered: Mapping[str, Sequence[PublicKey]]
) -> tuple[Change, ...]:
    """Takes over the public keys that organisations registered; what changed. Raises KeysError.

    A key that was registered is never removed or replaced under its id: it is ended or revoked.
    """
    with alone(directory):
        return tuple(
            change
            for code, given in registered.items()
            for change in _registered(directory, code, given)
        )


def _registered(directory: Path, code: str, given: Sequence[PublicKey]) -> list[Change]:
    register = read_register(directory)
    before = register.organisations.get(code, ())
    if tuple(given) == tuple(before):
        return []
    check_continues(code, before, given)
    changed = with_keys(register, code, given)
    moment = announced(_now(), None)
    if _sealing(changed, code, moment) != _sealing(register, code, moment):
        add_epoch(directory, moment, changed)
    else:
        write_register(directory, changed, _now())
    return [
        Change(KeyKind(one.use.value), code, one.key_id, max(moment, one.term.valid_from))
        for one in given
        if one not in before
    ]


def check_continues(code: str, before: Sequence[PublicKey], now: Sequence[PublicKey]) -> None:
    """Raises KeysError where a registered key vanished, or is another one under the same id."""
    ids = {(one.use, one.key_id): one.public for one in now}
    for one in before:
        if ids.get((one.use, one.key_id)) != one.public:
            raise KeysError(
                f"{code}: the {one.use} key {one.key_id} was registered and is missing or another "
                "key now: keep it and give it a valid_to or a revoked_at; a new key needs a new id"
            )


class Shown(msgspec.Struct, frozen=True):
    """One key, as it may be shown: nothing of its private half."""

    kind: str
    organisation: str
    key_id: str
    standing: str
    valid_from: datetime.datetime | None
    valid_to: datetime.datetime | None
    revoked_at: datetime.datetime | None
    public: str
    """Its public half in hex; empty for keys that have none."""


def shown(directory: Path, now: datetime.datetime) -> tuple[Shown, ...]:
    """Every key with its dates: of organisations, of the ledger, epochs and rows. Raises KeysError."""
    register = read_register(directory)
    found = [
        _shown(one.use.value, code, one, now)
        for code in sorted(register.organisations)
        for one in register.organisations[code]
    ]
    found += [_shown("ledger", "", one, now) for one in register.ledger]
    own = directory / "broker"
    epochs = read_epochs(own)
    for number, epoch in enumerate(epochs):
        until = epochs[number + 1].since if number + 1 < len(epochs) else None
        term = KeyTerm(epoch.since, until)
        found += [_of_epoch(kind, epoch, term, now) for kind in Kind]
    begins = since_when(own)
    for number, since in enumerate(begins):
        term = KeyTerm(since, begins[number + 1] if number + 1 < len(begins) else None)
        found.append(
            _as_shown("rows", "", f"key-{number + 1}", term, term.standing(now).value, b"")
        )
    return tuple(found)


def _rotate_ledger(
    directory: Path, since: datetime.datetime, overlap: datetime.timedelta
) -> Change:
    register = read_register(directory)
    key_id = next_id([one.key_id for one in register.ledger])
    source, name = source_of(directory), ledger_file(directory, key_id)
    source.make_signer(name)
    public = source.signer(name).public_key().public_bytes_raw()
    until = since + overlap
    keys = (
        *(_ended(one, until) for one in register.ledger),
        LedgerKey(key_id, public, KeyTerm(since)),
    )
    write_register(directory, msgspec.structs.replace(register, ledger=keys), _now())
    return Change(KeyKind.LEDGER, "", key_id, since, until=until)


def _revoke_ledger(directory: Path, key_id: str, moment: datetime.datetime) -> Change:
    register = read_register(directory)
    if key_id not in [one.key_id for one in register.ledger]:
        raise KeysError(f"the ledger has no key {key_id!r}: `broker keys show` lists them all")
    others = [one for one in register.ledger if one.key_id != key_id and one.term.in_force(moment)]
    if not others:
        raise KeysError(
            "that is the ledger's only key in force then: `broker keys rotate ledger` first, so that "
            "the ledger can sign with another one"
        )
    keys = tuple(_revoked(one, moment) if one.key_id == key_id else one for one in register.ledger)
    write_register(directory, msgspec.structs.replace(register, ledger=keys), _now())
    return Change(KeyKind.LEDGER, "", key_id, moment, revoked=True)


def _known(register: KeyRegister, organisation: str) -> tuple[PublicKey, ...]:
    known = register.organisations.get(organisation)
    if not known:
        raise KeysError(
            f"{organisation or 'an organisation'!r} has no keys here: name its code, as in "
            "policies/organisations/connected.yaml"
        )
    return known


def _ended(one: Any, until: datetime.datetime) -> Any:
    """A key that ends then, if it does not end before."""
    term: KeyTerm = one.term
    if term.revoked_at is not None or (term.valid_to is not None and term.valid_to <= until):
        return one
    return msgspec.structs.replace(one, term=msgspec.structs.replace(term, valid_to=until))


def _revoked(one: Any, moment: datetime.datetime) -> Any:
    """A key that is revoked then; the first revocation counts."""
    if one.term.revoked_at is not None:
        return one
    return msgspec.structs.replace(one, term=msgspec.structs.replace(one.term, revoked_at=moment))


def _sealing(register: KeyRegister, code: str, at: datetime.datetime) -> bytes | None:
    found = register.newest(code, Use.SEALING, at)
    return None if found is None else found.public


def _shown(kind: str, code: str, one: PublicKey | LedgerKey, now: datetime.datetime) -> Shown:
    return _as_shown(kind, code, one.key_id, one.term, one.term.standing(now).value, one.public)


def _of_epoch(kind: Kind, epoch: Epoch, term: KeyTerm, now: datetime.datetime) -> Shown:
    standing = term.standing(now).value if epoch.holds(kind) else "destroyed"
    return _as_shown(kind.value, "", epoch.name, term, standing, b"")


def _as_shown(
    kind: str, code: str, key_id: str, term: KeyTerm, standing: str, public: bytes
) -> Shown:
    return Shown(
        kind=kind,
        organisation=code,
        key_id=key_id,
        standing=standing,
        valid_from=term.valid_from,
        valid_to=term.valid_to,
        revoked_at=term.revoked_at,
        public=public.hex(),
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
