"""The keys that a decision is sealed with, as a value: the shell looks them up, the flow only uses them."""

from __future__ import annotations

import contextlib
import hmac
import unicodedata
from collections.abc import Mapping
from functools import cached_property

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from broker.model.sealing import KEY_BYTES, DataKey, SealError, pad, seal_by, unseal

PAIRWISE_HEX = 32


class Sealer(msgspec.Struct, frozen=True, dict=True):
    """Data keys of connected organisations, the duty desk's for the others, and the broker's own.

    What is made of its keys lives as long as it does: the shell drops it when a key ends.
    """

    data_keys: Mapping[str, DataKey]
    desk: DataKey
    """For organisations that are not connected: a person at the broker's duty desk passes it on."""
    rows_key: bytes
    """Auditors' key for audit rows and intake notes; they survive erasure."""
    pairwise_secret: bytes
    """Makes the pseudonym by which one recipient knows one child."""

    def connected(self, organisation: str) -> bool:
        """True if the organisation has topics and a key of its own."""
        return organisation in self.data_keys

    def key_for(self, organisation: str) -> DataKey:
        """The organisation's data key, or the duty desk's."""
        return self.data_keys.get(organisation, self.desk)

    def pairwise(self, organisation: str, part_key: str) -> str:
        """Pseudonym of a child, place or group that no two organisations share."""
        message = f"{organisation}\x00{part_key}".encode()
        return hmac.digest(self.pairwise_secret, message, "sha256").hex()[:PAIRWISE_HEX]

    def seal_for(self, organisation: str, content: bytes, set_id: str) -> tuple[DataKey, bytes]:
        """`content`, padded and sealed for one organisation; bound to it and to the set."""
        key = self.key_for(organisation)
        return key, seal_by(key.cipher, pad(content), sealed_for(organisation, set_id))

    @cached_property
    def reply_key(self) -> bytes:
        """Key of the reply codes that go out with alerts; the broker's own, and nobody else's."""
        return hmac.digest(self.pairwise_secret, b"reply code", "sha256")

    @cached_property
    def reply_cipher(self) -> AESGCMSIV:
        """What seals with it."""
        return AESGCMSIV(self.reply_key)

    def digest_of_words(self, organisation: str, words: str) -> str:
        """Equal for equal words of one organisation, whatever their case and spaces; says nothing else.

        By it duplicated reasons are counted without reading them; nobody without the broker's secret
        can try words.
        """
        plain = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
        message = f"words\n{organisation}\n{plain}".encode()
        return hmac.digest(self.pairwise_secret, message, "sha256").hex()[:PAIRWISE_HEX]

    def seal_rows(self, content: bytes, set_id: str) -> bytes:
        """`content` sealed to the auditors."""
        return seal_by(self._rows_cipher, content, _rows_of(set_id))

    @cached_property
    def _rows_cipher(self) -> AESGCMSIV:
        return AESGCMSIV(self.rows_key)


def open_rows(keys: bytes, sealed: bytes, set_id: str) -> bytes:
    """What is sealed to the auditors of one set. `keys` are those of their file, one after another.

    Raises SealError where none of them is that of the rows.
    """
    for start in range(0, len(keys), KEY_BYTES):
        with contextlib.suppress(SealError):
            return unseal(keys[start : start + KEY_BYTES], sealed, _rows_of(set_id))
    raise SealError("the sealed rows do not open: the key is not the auditors' of that time")


def _rows_of(set_id: str) -> bytes:
    """Associated data of a set's rows."""
    return b"rows\n" + set_id.encode()


def sealed_for(organisation: str, set_id: str) -> bytes:
    """Associated data of everything sealed to a recipient: recipient and set id (design: the chain)."""
    return b"recipient\n" + organisation.encode() + b"\n" + set_id.encode()
