"""Kafka as a stranger reads it: librdkafka over TLS, `read_committed`, the operator's certificate.

Nothing here is imported from the broker. Messages are decoded by the schema files alone and opened with
the keys of the organisations that they are for.
"""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
KINDS = ("concerns", "actions", "parts", "alerts", "receipts", "withdrawn", "manual")
HEADER_BYTES = 10
QUIET_S = 0.4
LISTED_WITHIN_S = 30.0


@dataclasses.dataclass(frozen=True)
class Record:
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at_ms: int = 0
    """When Kafka took it, by its clock."""

    @property
    def kind(self) -> str:
        """The word before `.v1` in the topic's name."""
        return self.topic.split(".", 1)[0]

    @property
    def owner(self) -> str:
        """The organisation in the topic's name, or nobody."""
        return self.topic.split(".v1.", 1)[1] if ".v1." in self.topic else ""

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


def tls(keys_dir: Path, certificate: Path) -> dict[str, str]:
    """Settings of librdkafka for the owner of a certificate `<name>.pem` with its `<name>.key`."""
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(keys_dir / "kafka" / "ca.pem"),
        "ssl.certificate.location": str(certificate),
        "ssl.key.location": str(certificate.with_suffix(".key")),
    }


class Reader:
    """Everything that lies on the topics, read on from where it last stood."""

    def __init__(self, bootstrap: str, keys_dir: Path) -> None:
        """Connects at the first `read`."""
        self.records: list[Record] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                **tls(keys_dir, keys_dir / "kafka" / "operator.pem"),
            }
        )
        self._assigned = False

    def read(self) -> list[Record]:
        """What was not read before, once nothing more came for a moment."""
        if not self._assigned:
            self._assign()
        fresh: list[Record] = []
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            for message in self._consumer.consume(500, 0.1):
                error = message.error()
                if error is None:
                    quiet_since = time.monotonic()
                    fresh.append(
                        Record(
                            message.topic() or "",
                            message.partition() or 0,
                            message.offset() or 0,
                            message.key(),
                            message.value(),
                            message.timestamp()[1],
                        )
                    )
                elif error.code() == KafkaError.OFFSET_OUT_OF_RANGE:
                    raise KafkaException(error)
        self.records += fresh
        return fresh

    def close(self) -> None:
        """Disconnects."""
        self._consumer.close()

    def _assign(self) -> None:
        topics = self._listed()
        self._consumer.assign(
            [
                TopicPartition(name, partition, OFFSET_BEGINNING)
                for name, topic in topics.items()
                if name.split(".", 1)[0] in KINDS
                for partition in topic.partitions
            ]
        )
        self._assigned = True

    def _listed(self) -> dict[str, Any]:
        deadline = time.monotonic() + LISTED_WITHIN_S
        while True:
            try:
                return dict(self._consumer.list_topics(timeout=5).topics)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise


class Schemas:
    """Avro by the schema files, and nothing else of the project."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `<name>.avsc`."""
        self._folder = folder
        self._parsed: dict[str, Any] = {}

    def decode(self, data: bytes, name: str) -> dict[str, Any] | None:
        """A record in Avro's single-object encoding; None for anything else."""
        if name not in self._parsed:
            text = (self._folder / f"{name}.avsc").read_text(encoding="utf-8")
            self._parsed[name] = fastavro.parse_schema(json.loads(text))
        if data[:2] != b"\xc3\x01":
            return None
        try:
            found = fastavro.schemaless_reader(
                io.BytesIO(data[HEADER_BYTES:]), self._parsed[name], None
            )
        except Exception:  # noqa: BLE001 -- whatever hostile bytes lead to
            return None
        return found if isinstance(found, dict) else None


class Keys:
    """The organisations' private keys, by which what they were sent opens."""

    def __init__(self, keys_dir: Path) -> None:
        """`keys_dir` holds `organisations/<code>/sealing.pem`."""
        self._keys_dir = keys_dir
        self._private: dict[str, X25519PrivateKey] = {}
        self._data_keys: dict[tuple[str, bytes], bytes] = {}

    def open(self, message: dict[str, Any]) -> bytes:
        """The content of an alert or a receipt. Raises InvalidTag where it is for somebody else."""
        owner = message["recipient"]
        held = owner, message["wrapped_key"]
        if held not in self._data_keys:
            info = f"safeguarding-broker/data-key/v1\n{owner}\n{message['key_id']}".encode()
            self._data_keys[held] = HPKE.decrypt(message["wrapped_key"], self._of(owner), info)
        bound = f"recipient\n{owner}\n{message['set_id']}".encode()
        nonce = sha256(b"nonce\n" + bound).digest()[:12]
        padded = AESGCMSIV(self._data_keys[held]).decrypt(nonce, message["sealed"], bound)
        return padded[4 : 4 + int.from_bytes(padded[:4], "big")]

    def _of(self, owner: str) -> X25519PrivateKey:
        if owner not in self._private:
            path = self._keys_dir / "organisations" / owner / "sealing.pem"
            key = load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, X25519PrivateKey)
            self._private[owner] = key
        return self._private[owner]


def by_topic(records: list[Record]) -> dict[str, list[Record]]:
    """The records of each topic, in order."""
    found: dict[str, list[Record]] = defaultdict(list)
    for one in sorted(records, key=lambda one: (one.topic, one.partition, one.offset)):
        found[one.topic].append(one)
    return found
