"""Keys in a PKCS #11 token: it signs (Ed25519) and agrees on secrets (X25519), and never hands a key out.

`BROKER_KEYS=pkcs11:module=/usr/lib/softhsm/libsofthsm2.so;token=broker;pin-source=/run/broker/pin`. The
PIN is read from a file, never from the setting: an environment can be read by others. A key's label
in the token is the path of its file below the key folder.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from broker.model.opening import Opener
from broker.model.signing import Signer
from broker.shell.key_errors import KeysError

PARTS = frozenset({"module", "token", "pin-source"})
CURVE_ED25519 = bytes.fromhex("130c656477617264733235353139")
"""PrintableString `edwards25519`, as SoftHSM names the curve; PKCS #11 v3 tokens take it too."""
CURVE_X25519 = bytes.fromhex("130a63757276653235353139")
"""PrintableString `curve25519`."""
RAW = 32
MISSING = (
    "BROKER_KEYS names a PKCS #11 token and the package python-pkcs11 is not installed: "
    "`pip install --require-hashes -r requirements/pkcs11.lock`"
)


class TokenSource:
    """Keys of one token, through one session."""

    def __init__(self, session: Any, directory: Path) -> None:
        """Use `of`."""
        self._session = session
        self._directory = directory
        # A session carries one operation at a time.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, setting: str, directory: Path) -> TokenSource:
        """Logs in to the token that the setting describes. Raises KeysError."""
        stated = dict(part.partition("=")[::2] for part in setting.split(";") if part)
        if stated.keys() != PARTS:
            raise KeysError(
                f"BROKER_KEYS=pkcs11: needs {', '.join(sorted(PARTS))}, separated by semicolons, "
                f"and has {', '.join(sorted(stated)) or 'none of them'}"
            )
        try:
            import pkcs11  # noqa: PLC0415 -- an optional package
        except ImportError:
            raise KeysError(MISSING) from None
        try:
            pin = Path(stated["pin-source"]).read_text(encoding="utf-8").strip()
            token = pkcs11.lib(stated["module"]).get_token(token_label=stated["token"])
            try:
                session = token.open(rw=True, user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:
                # A process logs in to a token once, for all its sessions.
                session = token.open(rw=True)
            return cls(session, directory)
        except (OSError, RuntimeError, pkcs11.PKCS11Error) as error:
            raise KeysError(
                f"the token {stated['token']!r} does not open ({type(error).__name__}): see that "
                "module, label and PIN file are right and that the token is there"
            ) from None

    def signer(self, name: Path) -> Signer:
        """A handle to the key: it signs inside the token."""
        return _TokenSigner(self, self._label(name), self._public(name))

    def opener(self, name: Path) -> Opener:
        """A handle to the key: it agrees on secrets inside the token."""
        return _TokenOpener(self, self._label(name), self._public(name))

    def make_signer(self, name: Path) -> None:
        """Made inside the token; it cannot be taken out."""
        self._make(name, CURVE_ED25519, signs=True)

    def make_opener(self, name: Path) -> None:
        """Made inside the token; it cannot be taken out."""
        self._make(name, CURVE_X25519, signs=False)

    def holds(self, name: Path) -> bool:
        """Whether the token has a private key of that label."""
        return self.find(self._label(name), private=True) is not None

    def destroy(self, name: Path) -> None:
        """Destroys both halves in the token."""
        with self._lock:
            for private in (True, False):
                found = self.find(self._label(name), private=private)
                if found is not None:
                    found.destroy()

    def find(self, label: str, *, private: bool) -> Any:
        """The object of that label, or None."""
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 -- an optional package

        wanted = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY if private else ObjectClass.PUBLIC_KEY,
            Attribute.LABEL: label,
        }
        with self._lock:
            return next(iter(list(self._session.get_objects(wanted))), None)

    def sign(self, label: str, data: bytes) -> bytes:
        """A signature by the key of that label."""
        from pkcs11 import Mechanism  # noqa: PLC0415 -- an optional package

        with self._lock:
            return bytes(self._held(label).sign(data, mechanism=Mechanism.EDDSA))

    def exchange(self, label: str, peer: bytes) -> bytes:
        """The shared secret of the key of that label with a public key."""
        from pkcs11 import KDF, Attribute, KeyType, Mechanism  # noqa: PLC0415 -- an optional package

        with self._lock:
            shared = self._held(label).derive_key(
                KeyType.GENERIC_SECRET,
                RAW * 8,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, peer),
                template={
                    Attribute.SENSITIVE: False,
                    Attribute.EXTRACTABLE: True,
                    Attribute.TOKEN: False,
                },
            )
            try:
                return bytes(shared[Attribute.VALUE])
            finally:
                shared.destroy()

    def _held(self, label: str) -> Any:
        found = self.find(label, private=True)
        if found is None:
            raise KeysError(f"the token has no key {label}: run `broker up` once to make keys")
        return found

    def _make(self, name: Path, curve: bytes, *, signs: bool) -> None:
        from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415 -- an optional package

        label = self._label(name)
        with self._lock:
            if self.find(label, private=True) is not None:
                return
            parameters = self._session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: curve}, local=True
            )
            parameters.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=label,
                public_template={Attribute.VERIFY: signs, Attribute.PRIVATE: False},
                private_template={
                    Attribute.SIGN: signs,
                    Attribute.DERIVE: not signs,
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                },
            )

    def _public(self, name: Path) -> bytes:
        from pkcs11 import Attribute  # noqa: PLC0415 -- an optional package

        with self._lock:
            found = self.find(self._label(name), private=False)
            if found is None:
                raise KeysError(
                    f"the token has no key {self._label(name)}: run `broker up` once to make keys"
                )
            # An octet string around the point; tokens differ in whether they write it.
            return bytes(found[Attribute.EC_POINT])[-RAW:]

    def _label(self, name: Path) -> str:
        return name.resolve().relative_to(self._directory.resolve()).as_posix()


class _TokenSigner:
    """An Ed25519 key of a token."""

    def __init__(self, source: TokenSource, label: str, public: bytes) -> None:
        self._source = source
        self._label = label
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def public_key(self) -> Ed25519PublicKey:
        return self._public

    def sign(self, data: bytes, /) -> bytes:
        return self._source.sign(self._label, data)


class _TokenOpener:
    """An X25519 key of a token."""

    def __init__(self, source: TokenSource, label: str, public: bytes) -> None:
        self._source = source
        self._label = label
        self._public = X25519PublicKey.from_public_bytes(public)

    def public_key(self) -> X25519PublicKey:
        return self._public

    def exchange(self, peer_public_key: X25519PublicKey) -> bytes:
        return self._source.exchange(self._label, peer_public_key.public_bytes_raw())
