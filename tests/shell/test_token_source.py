"""Keys in a PKCS #11 token: the same broker, and no private key in any file.

Needs SoftHSM2 (Debian: softhsm2) and the dependency group `pkcs11`; skipped, and said so, elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger import ShardStore, open_checkpoint, verifier_key
from broker.model.codec import decode
from broker.model.envelope import open_body, seal_statement, signature_holds
from broker.model.opening import HPKE, open_sealed
from broker.model.types import Envelope
from broker.shell.epochs import Kind, destroy
from broker.shell.key_changes import KeyKind, rotate
from broker.shell.key_errors import KeysError
from broker.shell.key_source import SETTING, FileSource, _source, source_of
from broker.shell.keys import load_agency_keys, load_broker_keys, make_keys
from tests.builders import NOW, concern

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234-not-for-live-use"
ORIGIN = "test/s0"


class Held:
    """An X25519 key that is no `X25519PrivateKey`: HPKE is computed around its shared secret."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()

    def public_key(self) -> X25519PublicKey:
        """Its public half."""
        return self._key.public_key()

    def exchange(self, peer_public_key: X25519PublicKey) -> bytes:
        """As a token gives it."""
        return self._key.exchange(peer_public_key)


@given(st.binary(max_size=2000), st.binary(max_size=100))
def test_hpke_round_a_tokens_secret_opens_what_the_library_sealed(
    content: bytes, info: bytes
) -> None:
    """And nothing under another info, or that was changed."""
    key = Held()
    sealed = HPKE.encrypt(content, key.public_key(), info)

    assert open_sealed(sealed, key, info) == content
    with pytest.raises(InvalidTag):
        open_sealed(sealed, key, info + b"x")
    with pytest.raises(InvalidTag):
        open_sealed(sealed[:-1] + bytes([sealed[-1] ^ 1]), key, info)


def test_a_setting_that_names_no_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that names a token without saying which."""
    for setting, what in (("vault:x", "must begin with"), ("pkcs11:token=x", "needs module")):
        monkeypatch.setenv(SETTING, setting)
        with pytest.raises(KeysError, match=what):
            source_of(tmp_path)
    monkeypatch.setenv(SETTING, f"file:{tmp_path}")
    assert isinstance(source_of(tmp_path), FileSource)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh token of SoftHSM2, and a key folder whose private keys are to lie in it.

    One for all: a process loads the module once.
    """
    pytest.importorskip("pkcs11", reason="the dependency group pkcs11 is not installed")
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed: apt-get install softhsm2")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    (folder / "pin").write_text(PIN)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", str(configuration))
        command = ["softhsm2-util", "--init-token", "--free", "--label", "broker"]
        subprocess.run([*command, "--pin", PIN, "--so-pin", PIN], check=True, capture_output=True)
        patched.setenv(SETTING, f"pkcs11:module={MODULE};token=broker;pin-source={folder / 'pin'}")
        yield folder / "keys"
    _source.cache_clear()


def test_a_broker_with_its_keys_in_a_token_does_all_that_one_with_files_does(token: Path) -> None:
    """Agencies sign, intake opens, the ledger signs, keys rotate and are destroyed: inside the token."""
    make_keys(token, ["ADV-WM-001", "E08000028"])
    make_keys(token, ["ADV-WM-001", "E08000028"])
    files = sorted(path.name for path in token.rglob("*.pem"))
    assert set(files) == {"sealing.pem"}

    agency, keys = load_agency_keys(token, "ADV-WM-001"), load_broker_keys(token)
    assert not isinstance(keys.ledger_key, Ed25519PrivateKey)
    event = concern(publisher="ADV-WM-001")
    envelope = decode(
        seal_statement(event, agency.identity, agency.epoch, os.urandom(32)), Envelope
    )
    assert signature_holds(envelope, keys.publisher_keys["ADV-WM-001", "key-1"])
    assert open_body(envelope, keys.epoch_keys).payload

    store = ShardStore.open(token.parent / "s0", ORIGIN, keys.ledger_key)
    store.publish_tiles()
    note = (token.parent / "s0" / "checkpoint").read_text()
    assert open_checkpoint(note, verifier_key(ORIGIN, agency.ledger)).size == 0
    assert rotate(token, KeyKind.SIGNING, "ADV-WM-001").key_id == "key-2"
    assert len(load_broker_keys(token).publisher_keys) == 4

    source, name = source_of(token), token / "broker" / "intake-epoch-1.pem"
    assert source.holds(name)
    destroy(token / "broker", "epoch-1", Kind.INTAKE, NOW, source.destroy)
    assert not source.holds(name)
    assert not load_broker_keys(token).epoch_keys


def test_a_key_in_a_token_cannot_be_taken_out(token: Path) -> None:
    """The token refuses to give it, whoever asks with the PIN."""
    import pkcs11

    make_keys(token, ["A"])
    source = source_of(token)
    source.make_opener(token / "broker" / "other.pem")
    for name in ("broker/ledger.pem", "broker/other.pem"):
        held = source.find(name, private=True)  # type: ignore[attr-defined]
        with pytest.raises(pkcs11.PKCS11Error):
            held[pkcs11.Attribute.VALUE]


def test_a_wrong_pin_is_said_without_the_pin(token: Path) -> None:
    """What to look at, and nothing secret; by the command, since a process logs in once."""
    wrong = token.parent / "wrong"
    wrong.write_text("4321-wrong")
    setting = os.environ[SETTING].replace(str(token.parent / "pin"), str(wrong))
    done = subprocess.run(
        [sys.executable, "-m", "broker.cli", "keys", "make"],
        env={**os.environ, SETTING: setting, "BROKER_DATA_DIR": str(token.parent / "var")},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "does not open" in said
    assert "4321" not in said
