"""Keys of the broker and, for the demonstration, of the organisations: made once, kept in files.

`var/keys/` is made with mode 0700. `broker/` holds the broker's own keys, `organisations/<code>/`
the private keys of invented organisations so that one machine can play all of them (a real agency
keeps its own and registers the public halves), and `directory.json` the public register: what an
agency needs to seal to intake and to check the ledger's signatures. Where the private halves of
signing keys and of intake's epochs lie is the key source's matter (broker.shell.key_source).
"""

from __future__ import annotations

import datetime
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from broker.model.envelope import IntakeEpoch, SigningIdentity
from broker.model.key_terms import KeyTerm
from broker.model.opening import HPKE, Opener
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.model.signing import Signer
from broker.shell.epochs import (
    Epoch,
    Kind,
    epoch_at,
    file_of,
    read_epochs,
    write_epochs,
)
from broker.shell.key_errors import KeysError
from broker.shell.key_files import (
    SECRET_BYTES,
    alone,
    as_text,
    from_text,
    load_x25519,
    make_secret,
    read_json,
    read_secret,
    write_json,
)
from broker.shell.key_names import key_file, ledger_file, make_key
from broker.shell.key_register import (
    FIRST_KEY,
    KeyRegister,
    LedgerKey,
    PublicKey,
    Use,
    read_register,
    with_keys,
    write_register,
)
from broker.shell.key_source import source_of
from broker.shell.rows_keys import rows_key_at
from broker.shell.subject_keys import SubjectKeys, read_subject_keys

__all__ = [
    "CODE",
    "DESK",
    "AgencyKeys",
    "BrokerKeys",
    "KeysError",
    "SubjectKeys",
    "current_epoch",
    "load_agency_keys",
    "load_broker_keys",
    "make_keys",
    "next_epoch",
    "read_subject_keys",
    "unwrap",
]

DESK = "DUTY-DESK"
"""Code of the broker's duty desk in the register."""
CODE = re.compile(r"[A-Za-z0-9-]{1,64}")
"""Organisation codes: letters, digits and hyphens, so that they can name folders and topics."""
WRAP_INFO = b"safeguarding-broker/data-key/v1\n"


class BrokerKeys(msgspec.Struct, frozen=True):
    """All keys that the processes hold. None of them is ever printed."""

    publisher_keys: dict[tuple[str, str], Ed25519PublicKey]
    """Of every publisher, those that ended or were revoked among them: `publisher_terms` says when."""
    epoch_keys: dict[str, Opener]
    linkage_key: bytes
    parts_key: bytes
    sealer: Sealer
    ledger_key: Signer
    """The newest that is in force."""
    publisher_terms: dict[tuple[str, str], KeyTerm] = {}
    ledger_keys: tuple[Signer, ...] = ()
    """All that sign now: in an overlap the old one beside the new one."""

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "BrokerKeys(...)"


class AgencyKeys(msgspec.Struct, frozen=True):
    """What an agency's client holds: its own private keys, and the public keys of the broker."""

    identity: SigningIdentity
    sealing_key: X25519PrivateKey
    epoch: IntakeEpoch
    ledger: Ed25519PublicKey
    """Signs the checkpoints of every log; each log has a name of its own."""
    publishers: dict[tuple[str, str], Ed25519PublicKey] = {}
    """(organisation code, key id) -> key that signs its statements, of every one in the register."""
    earlier_sealing: tuple[X25519PrivateKey, ...] = ()
    """Its other sealing keys: what was sealed to them still opens."""
    earlier_ledger: tuple[Ed25519PublicKey, ...] = ()
    """Other keys of the ledger that were not revoked."""

    def __repr__(self) -> str:
        """Only whose keys they are."""
        return f"AgencyKeys({self.identity.organisation})"


def make_keys(
    directory: Path,
    organisations: Sequence[str],
    registered: Mapping[str, Sequence[PublicKey]] | None = None,
) -> None:
    """Makes every key that is not there yet; never replaces one.

    `registered`: organisations that keep their own private keys and registered the public ones.
    """
    with alone(directory):
        _make_keys(directory, organisations, registered or {})


def _make_keys(
    directory: Path, organisations: Sequence[str], given: Mapping[str, Sequence[PublicKey]]
) -> None:
    own = directory / "broker"
    own.mkdir(exist_ok=True, mode=0o700)
    for name in ("linkage", "pairwise", "rows"):
        make_secret(own / f"{name}.key")
    source_of(directory).make_signer(ledger_file(directory, FIRST_KEY))
    epochs = read_epochs(own)
    _make_epochs(directory, epochs)
    register = _known(directory)
    for code in dict.fromkeys((*organisations, DESK)):
        if code not in register.organisations:
            own_keys = given[code] if code in given else _made(directory, code)
            register = with_keys(register, code, own_keys)
    write_register(directory, _with_epochs(directory, register, epochs), _now())
    for epoch in epochs:
        if epoch.holds(Kind.DATA):
            _make_data_keys(directory, epoch, register)


def next_epoch(directory: Path, since: datetime.datetime) -> Epoch:
    """Makes the keys of one more epoch and announces it: in force from `since`. Raises KeysError."""
    with alone(directory):
        return add_epoch(directory, since, read_register(directory))


def add_epoch(directory: Path, since: datetime.datetime, keys: KeyRegister) -> Epoch:
    """The same with a register that changes with it, for who has the folder alone.

    Keys first, the list after, so that whoever finds it in the list finds its keys. Epochs that are
    announced for later follow the register too.
    """
    own = directory / "broker"
    epochs = read_epochs(own)
    since = since.replace(microsecond=0)
    current = epoch_at(epochs, _now())
    same = next((one for one in epochs if one.since == since), None)
    if since <= current.since or (same is not None and since <= _now()):
        raise KeysError(f"{current.name} is in force from {current.since}: choose a later time")
    number = max(int(one.name.removeprefix("epoch-")) for one in epochs) + 1
    # Two changes that are announced for one moment share an epoch.
    fresh = same or Epoch(f"epoch-{number}", since)
    _make_epochs(directory, (fresh,))
    _make_data_keys(directory, fresh, keys)
    for later in (one for one in epochs if one.since > since and one.holds(Kind.DATA)):
        _make_data_keys(directory, later, keys)
    added = () if same else (fresh,)
    announced = tuple(sorted((*epochs, *added), key=lambda one: one.since))
    write_epochs(own, announced)
    write_register(directory, _with_epochs(directory, keys, announced), _now())
    return fresh


def load_broker_keys(directory: Path, moment: datetime.datetime | None = None) -> BrokerKeys:
    """The processes' keys, of the epoch in force at `moment` (default: now) where they have epochs.

    Raises KeysError where a file is missing, or where the epoch's keys were destroyed.
    """
    own = directory / "broker"
    at = moment or _now()
    register = read_register(directory)
    epochs = read_epochs(own)
    epoch = epoch_at(epochs, at)
    for kind in (Kind.PARTS, Kind.DATA):
        if not epoch.holds(kind):
            raise KeysError(f"the {kind} key of {epoch.name} was destroyed at {epoch.gone[kind]}")
    path = file_of(own, epoch.name, Kind.DATA)
    data_keys = {
        code: DataKey(entry["key_id"], from_text(entry["key"]), from_text(entry["wrapped"]))
        for code, entry in read_json(path).items()
    }
    desk = data_keys.get(DESK)
    if desk is None:
        raise KeysError(f"{path} has no key of {DESK}: run `broker up` to add it")
    source = source_of(directory)
    signing = tuple(
        source.signer(name)
        for one in reversed(register.ledger)
        if one.term.in_force(at) and source.holds(name := ledger_file(directory, one.key_id))
    )
    if not signing:
        raise KeysError(
            f"no key of the ledger that is in force is held (such as {own / 'ledger.pem'}): restore it "
            "from backup, or `broker keys rotate ledger` makes another one"
        )
    return BrokerKeys(
        publisher_keys=register.signing_keys(),
        epoch_keys={
            one.name: source.opener(file_of(own, one.name, Kind.INTAKE))
            for one in epochs
            if one.holds(Kind.INTAKE)
        },
        linkage_key=read_secret(own / "linkage.key"),
        parts_key=read_secret(file_of(own, epoch.name, Kind.PARTS)),
        sealer=Sealer(
            data_keys=data_keys,
            desk=desk,
            rows_key=rows_key_at(own, at),
            pairwise_secret=read_secret(own / "pairwise.key"),
        ),
        ledger_key=signing[0],
        publisher_terms=register.signing_terms(),
        ledger_keys=signing,
    )


def load_agency_keys(directory: Path, organisation: str) -> AgencyKeys:
    """The keys of one organisation's client. Raises KeysError where it has none here."""
    folder = directory / "organisations" / organisation
    # The code may come from a file that anybody wrote: it must not lead elsewhere.
    if not CODE.fullmatch(organisation) or not folder.is_dir():
        raise KeysError(
            f"no keys for {organisation!r} under {directory}: add it to "
            "policies/organisations/connected.yaml and run `broker up`"
        )
    register = read_register(directory)
    signing = _own_key(register, organisation, Use.SIGNING)
    sealing = _own_key(register, organisation, Use.SEALING)
    ledger = register.trusted_ledger_keys(_now())
    if not ledger:
        raise KeysError("every key of the ledger was revoked: fetch the directory anew")
    return AgencyKeys(
        identity=SigningIdentity(
            organisation,
            signing.key_id,
            source_of(directory).signer(key_file(directory, organisation, signing)),
        ),
        sealing_key=load_x25519(key_file(directory, organisation, sealing)),
        epoch=_current_epoch(register),
        ledger=ledger[0],
        publishers=register.signing_keys(),
        earlier_sealing=tuple(
            load_x25519(path)
            for one in register.keys_of(organisation, Use.SEALING)
            if one != sealing and (path := key_file(directory, organisation, one)).exists()
        ),
        earlier_ledger=ledger[1:],
    )


def current_epoch(directory: Path) -> IntakeEpoch:
    """The epoch to which agencies seal now, by this machine's clock. Raises KeysError."""
    return _current_epoch(read_register(directory))


def unwrap(organisation: str, key_id: str, wrapped: bytes, *private: X25519PrivateKey) -> bytes:
    """The data key that travels with an alert or a receipt, by whichever key opens it.

    Raises InvalidTag where none does.
    """
    for key in private:
        try:
            return HPKE.decrypt(wrapped, key, _wrap_info(organisation, key_id))
        except InvalidTag:
            continue
    raise InvalidTag


def _own_key(register: KeyRegister, code: str, use: Use) -> PublicKey:
    """The key in force; where there is none the last one, which the broker then refuses in words."""
    known = register.keys_of(code, use)
    if not known:
        raise KeysError(f"the directory has no {use} key of {code}: run `broker up` to add it")
    return register.newest(code, use, _now()) or known[-1]


def _current_epoch(register: KeyRegister) -> IntakeEpoch:
    now = _now()
    # A register that an earlier broker wrote has one epoch and no date.
    in_force = [
        one
        for one in register.epochs
        if "since" not in one or datetime.datetime.fromisoformat(one["since"]) <= now
    ]
    newest = (in_force or register.epochs)[-1]
    public = X25519PublicKey.from_public_bytes(from_text(newest["public_key"]))
    return IntakeEpoch(newest["name"], public)


def _known(directory: Path) -> KeyRegister:
    """The register as it is, or the first one of a new folder."""
    if (directory / "directory.json").exists():
        return read_register(directory)
    key = source_of(directory).signer(ledger_file(directory, FIRST_KEY))
    return KeyRegister({}, (LedgerKey(FIRST_KEY, key.public_key().public_bytes_raw()),))


def _made(directory: Path, code: str) -> tuple[PublicKey, ...]:
    """A new organisation's first keys."""
    (directory / "organisations" / code).mkdir(parents=True, exist_ok=True, mode=0o700)
    return tuple(make_key(directory, code, PublicKey(use, FIRST_KEY, b"")) for use in Use)


def _make_epochs(directory: Path, epochs: Iterable[Epoch]) -> None:
    """Keys of these epochs that are not there yet and were not destroyed."""
    own = directory / "broker"
    for one in epochs:
        if one.holds(Kind.INTAKE):
            source_of(directory).make_opener(file_of(own, one.name, Kind.INTAKE))
        if one.holds(Kind.PARTS):
            make_secret(file_of(own, one.name, Kind.PARTS))


def _make_data_keys(directory: Path, epoch: Epoch, register: KeyRegister) -> None:
    """One data key for each recipient, wrapped once, so that sealing again gives the same bytes.

    To the sealing key in force when the epoch begins; who has none then gets none, and a person at
    the duty desk passes on what is for it. Of an epoch that is in force nothing is ever changed.
    """
    path = file_of(directory / "broker", epoch.name, Kind.DATA)
    held: dict[str, Any] = read_json(path) if path.exists() else {}
    ahead = epoch.since > _now()
    for code in register.organisations:
        key = register.sealing_key(code, epoch.since)
        wrapped_to = None if key is None else as_text(key.public_bytes_raw())
        known = held.get(code)
        if known is not None and not (ahead and known.get("to", wrapped_to) != wrapped_to):
            continue
        held.pop(code, None)
        if key is None:
            continue
        secret = secrets.token_bytes(SECRET_BYTES)
        wrapped = HPKE.encrypt(secret, key, _wrap_info(code, epoch.name))
        held[code] = {
            "key_id": epoch.name,
            "key": as_text(secret),
            "wrapped": as_text(wrapped),
            "to": wrapped_to,
        }
    write_json(path, held)


def _with_epochs(directory: Path, register: KeyRegister, epochs: Sequence[Epoch]) -> KeyRegister:
    source, own = source_of(directory), directory / "broker"
    listed = [
        {
            "name": one.name,
            "since": one.since.isoformat(),
            "public_key": as_text(
                source.opener(file_of(own, one.name, Kind.INTAKE)).public_key().public_bytes_raw()
            ),
        }
        for one in epochs
        if one.holds(Kind.INTAKE)
    ]
    return msgspec.structs.replace(register, epochs=tuple(listed))


def _wrap_info(organisation: str, key_id: str) -> bytes:
    return WRAP_INFO + organisation.encode() + b"\n" + key_id.encode()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
