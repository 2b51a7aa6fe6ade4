"""Keys that change while a process runs: it looks for new epochs once a second, and needs no restart."""

from __future__ import annotations

import datetime
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.model.envelope import IntakeEpoch
from broker.model.signing import Signer
from broker.shell.epochs import FILE, Epoch, epoch_at, read_epochs
from broker.shell.key_names import ledger_file
from broker.shell.key_register import FILE as REGISTER
from broker.shell.key_register import read_register
from broker.shell.key_source import source_of
from broker.shell.keys import (
    AgencyKeys,
    BrokerKeys,
    KeysError,
    current_epoch,
    load_agency_keys,
    load_broker_keys,
)
from broker.shell.rows_keys import DAYS, since_when

LOOK_EVERY_S = 1.0


class IntakeEpochs:
    """The epoch to which a client seals now; looked up again once a second at most."""

    def __init__(self, directory: Path) -> None:
        """`directory` holds the public register."""
        self._directory = directory
        self._looked_at = -LOOK_EVERY_S
        self._epoch: IntakeEpoch | None = None

    def current(self) -> IntakeEpoch:
        """By this machine's clock; intake takes every epoch that is not destroyed."""
        now = time.monotonic()
        if self._epoch is None or now - self._looked_at >= LOOK_EVERY_S:
            self._epoch, self._looked_at = current_epoch(self._directory), now
        return self._epoch


class Signing(msgspec.Struct, frozen=True):
    """What signs a ledger now, the newest first, and which keys verifiers are given."""

    signers: tuple[Signer, ...]
    listed: tuple[Ed25519PublicKey, ...]


class LedgerSigners:
    """The ledger's signing keys, looked up again once a second at most."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the key folder."""
        self._directory = directory
        self._looked_at = -LOOK_EVERY_S
        self._seen: tuple[tuple[str, ...], tuple[bytes, ...]] | None = None

    @property
    def every(self) -> tuple[Ed25519PublicKey, ...]:
        """Every key that the ledger ever had, revoked ones too: the store may be signed with them."""
        known = read_register(self._directory).ledger
        return tuple(Ed25519PublicKey.from_public_bytes(one.public) for one in reversed(known))

    def changed(self) -> Signing | None:
        """What signs now, if that is not what it was when last asked; else None. Raises KeysError."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return None
        self._looked_at = now
        register = read_register(self._directory)
        at = datetime.datetime.now(datetime.UTC)
        source = source_of(self._directory)
        ids = [
            one.key_id
            for one in reversed(register.ledger)
            if one.term.in_force(at) and source.holds(ledger_file(self._directory, one.key_id))
        ]
        listed = register.trusted_ledger_keys(at)
        seen = tuple(ids), tuple(one.public_bytes_raw() for one in listed)
        if not ids or seen == self._seen:
            return None
        self._seen = seen
        return Signing(
            tuple(source.signer(ledger_file(self._directory, one)) for one in ids),
            listed,
        )


class OwnKeys:
    """A client's own keys, read again when the register changed: a new key signs without a restart."""

    def __init__(self, directory: Path, organisation: str) -> None:
        """Raises KeysError where the organisation has no keys here."""
        self._directory = directory
        self._organisation = organisation
        self._looked_at = time.monotonic()
        self._keys = load_agency_keys(directory, organisation)

    def current(self) -> AgencyKeys:
        """By this machine's clock. A register that cannot be read leaves the keys as they were."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            with suppress(KeysError):
                self._keys = load_agency_keys(self._directory, self._organisation)
        return self._keys


def keys_now(held: AgencyKeys | OwnKeys) -> AgencyKeys:
    """The keys of a client, whether they were given once or are followed."""
    return held.current() if isinstance(held, OwnKeys) else held


class KeyRing:
    """The keys in force at a moment, read again when any were made, ended, revoked or destroyed."""

    def __init__(self, directory: Path) -> None:
        """Raises KeysError where the keys of now are missing: a process does not start without."""
        self._directory = directory
        self._own = directory / "broker"
        self._looked_at = -LOOK_EVERY_S
        self._stamp: object = None
        self._epochs: tuple[Epoch, ...] = ()
        self._rows: tuple[datetime.datetime, ...] = ()
        self._held: dict[tuple[str, int], BrokerKeys] = {}
        self.at(datetime.datetime.now(datetime.UTC))

    def at(self, moment: datetime.datetime) -> BrokerKeys:
        """The keys for a record of that time. Raises KeysError where they were destroyed."""
        self._look()
        interval = (
            epoch_at(self._epochs, moment).name,
            sum(since <= moment for since in self._rows),
        )
        if interval not in self._held:
            self._held[interval] = load_broker_keys(self._directory, moment)
        return self._held[interval]

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        paths = (self._own / FILE, self._own / DAYS, self._directory / REGISTER)
        stamp = tuple(one.stat().st_mtime_ns if one.exists() else None for one in paths)
        if not self._epochs or stamp != self._stamp:
            self._stamp = stamp
            self._epochs, self._rows = read_epochs(self._own), since_when(self._own)
            self._held.clear()
