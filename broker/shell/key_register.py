"""The public register of keys (`directory.json`): every key of every organisation, with its dates.

Keys are added, ended and revoked; none is ever removed, so that what an earlier one signed can still
be judged. A change is announced: it is in force from a moment a little ahead (ANNOUNCED), so that
every process has read it by then, and a record is judged by Kafka's time of it alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from broker.model.key_terms import BEGINNING, KeyTerm, Standing
from broker.shell.key_errors import KeysError
from broker.shell.key_files import as_text, from_text, read_json, write_json

FILE = "directory.json"
FIRST_KEY = "key-1"
ANNOUNCED = datetime.timedelta(seconds=3)
"""How long before it is in force a change is announced: processes look once a second."""


class Use(StrEnum):
    """What an organisation's key is for."""

    SIGNING = "signing"
    SEALING = "sealing"


class PublicKey(msgspec.Struct, frozen=True):
    """One registered key: whose, for what, its public half and its dates."""

    use: Use
    key_id: str
    public: bytes
    term: KeyTerm = KeyTerm()


class LedgerKey(msgspec.Struct, frozen=True):
    """One public key of the ledger, with its dates."""

    key_id: str
    public: bytes
    term: KeyTerm = KeyTerm()


class KeyRegister(msgspec.Struct, frozen=True):
    """All public keys, as the file has them."""

    organisations: Mapping[str, tuple[PublicKey, ...]]
    ledger: tuple[LedgerKey, ...]
    epochs: tuple[dict[str, Any], ...] = ()

    def keys_of(self, code: str, use: Use) -> tuple[PublicKey, ...]:
        """An organisation's keys of one use, in the order of their registration."""
        return tuple(one for one in self.organisations.get(code, ()) if one.use is use)

    def newest(self, code: str, use: Use, at: datetime.datetime) -> PublicKey | None:
        """The key in force that began last; None for an organisation that has none."""
        found = [one for one in self.keys_of(code, use) if one.term.in_force(at)]
        return max(found, key=lambda one: one.term.valid_from, default=None)

    def signing_keys(self) -> dict[tuple[str, str], Ed25519PublicKey]:
        """(organisation code, key id) -> key, of all that ever were."""
        return {
            (code, one.key_id): Ed25519PublicKey.from_public_bytes(one.public)
            for code in self.organisations
            for one in self.keys_of(code, Use.SIGNING)
        }

    def signing_terms(self) -> dict[tuple[str, str], KeyTerm]:
        """(organisation code, key id) -> when that key may be used."""
        return {
            (code, one.key_id): one.term
            for code in self.organisations
            for one in self.keys_of(code, Use.SIGNING)
        }

    def sealing_key(self, code: str, at: datetime.datetime) -> X25519PublicKey | None:
        """The key to which that organisation's data keys are wrapped at a moment."""
        found = self.newest(code, Use.SEALING, at)
        return None if found is None else X25519PublicKey.from_public_bytes(found.public)

    def trusted_ledger_keys(self, at: datetime.datetime) -> tuple[Ed25519PublicKey, ...]:
        """Every key of the ledger that is not revoked, the newest first: ended ones, and announced ones."""
        kept = [one for one in self.ledger if one.term.standing(at) is not Standing.REVOKED]
        return tuple(Ed25519PublicKey.from_public_bytes(one.public) for one in reversed(kept))


def read_register(directory: Path) -> KeyRegister:
    """The register in a key folder. Raises KeysError."""
    path = directory / FILE
    content = read_json(path)
    if "ledger" not in content:
        raise KeysError(f"{path} lacks the ledger's public key: run `broker up` to add it")
    try:
        return KeyRegister(
            organisations={
                code: _keys_of(entry) for code, entry in content["organisations"].items()
            },
            ledger=_ledger_keys(content),
            epochs=tuple(content.get("epochs") or [content["epoch"]]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise KeysError(f"{path} cannot be read ({type(error).__name__}): restore it") from error


def write_register(directory: Path, register: KeyRegister, now: datetime.datetime) -> None:
    """Writes the register, whole or not at all.

    Beside the dated keys it names the ones in force, as clients of earlier releases read them.
    """
    ledger = [one for one in register.ledger if one.term.in_force(now)]
    content = {
        "ledger": as_text((ledger or register.ledger)[-1].public),
        "ledger_keys": [_built(one) for one in register.ledger],
        "epochs": list(register.epochs),
        "organisations": {code: _entry(register, code, now) for code in register.organisations},
    }
    write_json(directory / FILE, content)


def with_keys(register: KeyRegister, code: str, keys: Iterable[PublicKey]) -> KeyRegister:
    """The register with the keys of one organisation replaced by these."""
    return msgspec.structs.replace(
        register, organisations={**register.organisations, code: tuple(keys)}
    )


def next_id(known: Sequence[str]) -> str:
    """The id after the last one: an id is never used twice."""
    numbers = [int(one.rpartition("-")[2]) for one in known if one.rpartition("-")[2].isdigit()]
    return f"key-{max(numbers, default=0) + 1}"


def announced(now: datetime.datetime, at: datetime.datetime | None) -> datetime.datetime:
    """From when a change is in force: as asked, but never before every process can know of it."""
    soonest = (now + ANNOUNCED).replace(microsecond=0) + datetime.timedelta(seconds=1)
    if at is None:
        return soonest
    if at < soonest:
        raise KeysError(
            f"a change of keys is announced and in force from {soonest:%Y-%m-%dT%H:%M:%SZ} at the "
            "soonest: what was taken in before was judged by the keys of then; leave --at out for "
            "the soonest"
        )
    return at


def _keys_of(entry: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    if "keys" in entry:
        return tuple(
            PublicKey(Use(one["use"]), one["key_id"], from_text(one["public"]), _term(one))
            for one in entry["keys"]
        )
    # As earlier releases wrote it: one key of each, without dates.
    return tuple(PublicKey(use, entry["key_id"], from_text(entry[use.value])) for use in Use)


def _ledger_keys(content: Mapping[str, Any]) -> tuple[LedgerKey, ...]:
    if "ledger_keys" in content:
        return tuple(
            LedgerKey(one["key_id"], from_text(one["public"]), _term(one))
            for one in content["ledger_keys"]
        )
    return (LedgerKey(FIRST_KEY, from_text(content["ledger"])),)


def _entry(register: KeyRegister, code: str, now: datetime.datetime) -> dict[str, Any]:
    entry: dict[str, Any] = {"keys": [_built(one) for one in register.organisations[code]]}
    for use in Use:
        newest = register.newest(code, use, now)
        if newest is not None:
            entry[use.value] = as_text(newest.public)
            if use is Use.SIGNING:
                entry["key_id"] = newest.key_id
    return entry


def _built(one: PublicKey | LedgerKey) -> dict[str, Any]:
    built: dict[str, Any] = {"use": one.use.value} if isinstance(one, PublicKey) else {}
    built |= {"key_id": one.key_id, "public": as_text(one.public)}
    if one.term.valid_from != BEGINNING:
        built["valid_from"] = one.term.valid_from.isoformat()
    for name in ("valid_to", "revoked_at"):
        moment = getattr(one.term, name)
        if moment is not None:
            built[name] = moment.isoformat()
    return built


def _term(entry: Mapping[str, Any]) -> KeyTerm:
    return KeyTerm(
        _moment(entry.get("valid_from")) or BEGINNING,
        _moment(entry.get("valid_to")),
        _moment(entry.get("revoked_at")),
    )


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)
