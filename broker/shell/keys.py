"""Keys of the broker and, for the demonstration, of the organisations: made once, kept in files.

`var/keys/` is made with mode 0700. `broker/` holds the broker's own keys, `organisations/<code>/`
the private keys of invented organisations so that one machine can play all of them (a real agency
keeps its own and registers the public halves), and `directory.json` the public register: what an
agency needs to seal to intake and to check the ledger's signatures.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from broker.model.envelope import HPKE, IntakeEpoch, SigningIdentity
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.shell.epochs import (
    Epoch,
    Kind,
    epoch_at,
    file_of,
    read_epochs,
    write_epochs,
)
from broker.shell.epochs import write_private as _write_private
from broker.shell.key_errors import KeysError
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

SECRET_BYTES = 32
FIRST_KEY = "key-1"
DESK = "DUTY-DESK"
"""Code of the broker's duty desk in the register."""
CODE = re.compile(r"[A-Za-z0-9-]{1,64}")
"""Organisation codes: letters, digits and hyphens, so that they can name folders and topics."""
WRAP_INFO = b"safeguarding-broker/data-key/v1\n"


class BrokerKeys(msgspec.Struct, frozen=True):
    """All keys that the processes hold. None of them is ever printed."""

    publisher_keys: dict[tuple[str, str], Ed25519PublicKey]
    epoch_keys: dict[str, X25519PrivateKey]
    linkage_key: bytes
    parts_key: bytes
    sealer: Sealer
    ledger_key: Ed25519PrivateKey

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

    def __repr__(self) -> str:
        """Only whose keys they are."""
        return f"AgencyKeys({self.identity.organisation})"


def make_keys(directory: Path, organisations: Sequence[str]) -> None:
    """Makes every key that is not there yet; never replaces one."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = directory / "broker"
    own.mkdir(exist_ok=True, mode=0o700)
    for name in ("linkage", "rows", "pairwise"):
        _make_secret(own / f"{name}.key")
    _make_private(own / "ledger.pem", Ed25519PrivateKey.generate)
    epochs = read_epochs(own)
    _make_epochs(own, epochs)
    for code in dict.fromkeys((*organisations, DESK)):
        folder = directory / "organisations" / code
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_private(folder / "signing.pem", Ed25519PrivateKey.generate)
        _make_private(folder / "sealing.pem", X25519PrivateKey.generate)
    _write_directory(directory, organisations, epochs)
    for epoch in epochs:
        if epoch.holds(Kind.DATA):
            _make_data_keys(directory, epoch.name, organisations)


def next_epoch(directory: Path, since: datetime.datetime) -> Epoch:
    """Makes the keys of one more epoch and announces it: in force from `since`. Raises KeysError.

    Keys first, the list after, so that whoever finds it in the list finds its keys.
    """
    own = directory / "broker"
    epochs = read_epochs(own)
    if since <= epochs[-1].since:
        raise KeysError(
            f"{epochs[-1].name} is in force from {epochs[-1].since}: choose a later time"
        )
    number = int(epochs[-1].name.removeprefix("epoch-")) + 1
    fresh = Epoch(f"epoch-{number}", since.replace(microsecond=0))
    _make_epochs(own, (fresh,))
    organisations = tuple(_read_json(directory / "directory.json")["organisations"])
    _make_data_keys(directory, fresh.name, organisations)
    write_epochs(own, (*epochs, fresh))
    _write_directory(directory, (), (*epochs, fresh))
    return fresh


def load_broker_keys(directory: Path, moment: datetime.datetime | None = None) -> BrokerKeys:
    """The processes' keys, of the epoch in force at `moment` (default: now) where they have epochs.

    Raises KeysError where a file is missing, or where the epoch's keys were destroyed.
    """
    own = directory / "broker"
    register = _read_json(directory / "directory.json")
    epochs = read_epochs(own)
    epoch = epoch_at(epochs, moment or datetime.datetime.now(datetime.UTC))
    for kind in (Kind.PARTS, Kind.DATA):
        if not epoch.holds(kind):
            raise KeysError(f"the {kind} key of {epoch.name} was destroyed at {epoch.gone[kind]}")
    path = file_of(own, epoch.name, Kind.DATA)
    data_keys = {
        code: DataKey(entry["key_id"], _unb64(entry["key"]), _unb64(entry["wrapped"]))
        for code, entry in _read_json(path).items()
    }
    desk = data_keys.get(DESK)
    if desk is None:
        raise KeysError(f"{path} has no key of {DESK}: run `broker up` to add it")
    return BrokerKeys(
        publisher_keys=_signing_keys(register),
        epoch_keys={
            one.name: _load_x25519(file_of(own, one.name, Kind.INTAKE))
            for one in epochs
            if one.holds(Kind.INTAKE)
        },
        linkage_key=_read_secret(own / "linkage.key"),
        parts_key=_read_secret(file_of(own, epoch.name, Kind.PARTS)),
        sealer=Sealer(
            data_keys=data_keys,
            desk=desk,
            rows_key=_read_secret(own / "rows.key"),
            pairwise_secret=_read_secret(own / "pairwise.key"),
        ),
        ledger_key=_load_ed25519(own / "ledger.pem"),
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
    public = _read_json(directory / "directory.json")
    if "ledger" not in public:
        raise KeysError(
            f"{directory / 'directory.json'} lacks the ledger's public key: run `broker up` to add it"
        )
    return AgencyKeys(
        identity=SigningIdentity(organisation, FIRST_KEY, _load_ed25519(folder / "signing.pem")),
        sealing_key=_load_x25519(folder / "sealing.pem"),
        epoch=_current_epoch(public),
        ledger=Ed25519PublicKey.from_public_bytes(_unb64(public["ledger"])),
        publishers=_signing_keys(public),
    )


def current_epoch(directory: Path) -> IntakeEpoch:
    """The epoch to which agencies seal now, by this machine's clock. Raises KeysError."""
    return _current_epoch(_read_json(directory / "directory.json"))


def _current_epoch(register: dict[str, Any]) -> IntakeEpoch:
    now = datetime.datetime.now(datetime.UTC)
    # A register that an earlier broker wrote has one epoch and no date.
    listed = register.get("epochs") or [register["epoch"]]
    in_force = [
        one
        for one in listed
        if "since" not in one or datetime.datetime.fromisoformat(one["since"]) <= now
    ]
    newest = (in_force or listed)[-1]
    public = X25519PublicKey.from_public_bytes(_unb64(newest["public_key"]))
    return IntakeEpoch(newest["name"], public)


def unwrap(organisation: str, key_id: str, wrapped: bytes, private: X25519PrivateKey) -> bytes:
    """The data key that travels with an alert or a receipt."""
    return HPKE.decrypt(wrapped, private, _wrap_info(organisation, key_id))


def _signing_keys(register: dict[str, Any]) -> dict[tuple[str, str], Ed25519PublicKey]:
    """(organisation code, key id) -> its public signing key."""
    return {
        (code, entry["key_id"]): Ed25519PublicKey.from_public_bytes(_unb64(entry["signing"]))
        for code, entry in register["organisations"].items()
    }


def _make_epochs(own: Path, epochs: Sequence[Epoch]) -> None:
    """Keys of these epochs that are not there yet and were not destroyed."""
    for one in epochs:
        if one.holds(Kind.INTAKE):
            _make_private(file_of(own, one.name, Kind.INTAKE), X25519PrivateKey.generate)
        if one.holds(Kind.PARTS):
            _make_secret(file_of(own, one.name, Kind.PARTS))


def _make_data_keys(directory: Path, name: str, organisations: Sequence[str]) -> None:
    """One data key for each recipient, wrapped once, so that sealing again gives the same bytes."""
    path = file_of(directory / "broker", name, Kind.DATA)
    held: dict[str, Any] = _read_json(path) if path.exists() else {}
    register = _read_json(directory / "directory.json")["organisations"]
    for code in dict.fromkeys((*organisations, DESK)):
        if code in held:
            continue
        key = secrets.token_bytes(SECRET_BYTES)
        public = X25519PublicKey.from_public_bytes(_unb64(register[code]["sealing"]))
        wrapped = HPKE.encrypt(key, public, _wrap_info(code, name))
        held[code] = {"key_id": name, "key": _b64(key), "wrapped": _b64(wrapped)}
    _write_private(path, json.dumps(held, indent=1).encode())


def _write_directory(
    directory: Path, organisations: Sequence[str], epochs: Sequence[Epoch]
) -> None:
    path = directory / "directory.json"
    known = _read_json(path)["organisations"] if path.exists() else {}
    for code in dict.fromkeys((*organisations, DESK)):
        folder = directory / "organisations" / code
        known[code] = {
            "key_id": FIRST_KEY,
            "signing": _public(_load_ed25519(folder / "signing.pem")),
            "sealing": _public(_load_x25519(folder / "sealing.pem")),
        }
    own = directory / "broker"
    content = {
        "ledger": _public(_load_ed25519(own / "ledger.pem")),
        "epochs": [
            {
                "name": one.name,
                "since": one.since.isoformat(),
                "public_key": _public(_load_x25519(file_of(own, one.name, Kind.INTAKE))),
            }
            for one in epochs
            if one.holds(Kind.INTAKE)
        ],
        "organisations": known,
    }
    _write_private(path, json.dumps(content, indent=1).encode())


def _wrap_info(organisation: str, key_id: str) -> bytes:
    return WRAP_INFO + organisation.encode() + b"\n" + key_id.encode()


def _public(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return _b64(key.public_key().public_bytes_raw())


def _make_secret(path: Path) -> None:
    if not path.exists():
        _write_private(path, secrets.token_bytes(SECRET_BYTES))


def _make_private(path: Path, generate: Any) -> None:
    if not path.exists():
        pem = generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write_private(path, pem)


def _read_secret(path: Path) -> bytes:
    content = _read(path)
    if len(content) != SECRET_BYTES:
        raise KeysError(f"{path} does not hold a 32-byte key: restore it from backup")
    return content


def _load_ed25519(path: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(_read(path), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{path} is not an Ed25519 key: restore it from backup")
    return key


def _load_x25519(path: Path) -> X25519PrivateKey:
    key = serialization.load_pem_private_key(_read(path), None)
    if not isinstance(key, X25519PrivateKey):
        raise KeysError(f"{path} is not an X25519 key: restore it from backup")
    return key


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(_read(path))
    return value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeysError(f"{path} is missing: run `broker up` once to make keys") from None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
