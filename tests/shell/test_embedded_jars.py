"""The jars of the embedded Kafka are the pinned ones or none."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from broker.shell.embedded import EmbeddedKafka, EmbeddedKafkaError
from broker.shell.embedded.jars import LOCK_FILE, ensure_jars, read_lock

NO_NETWORK = "http://127.0.0.1:9"  # nothing listens there: whatever is fetched fails at once


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, NO_NETWORK)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own with the real jars in it."""
    jars = ensure_jars(read_lock())
    copy = tmp_path / "cache" / jars[0].parent.name
    copy.mkdir(parents=True)
    for jar in jars:
        (copy / jar.name).symlink_to(jar)
    monkeypatch.setenv("BROKER_CACHE_DIR", str(copy.parent))
    return copy


def test_every_jar_of_the_lock_is_pinned_by_a_sha256_and_no_host_is_named() -> None:
    """The lock names what and which bytes, never where from."""
    lock = read_lock()
    assert len(lock.jar) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in lock.jar)
    assert len({jar.filename for jar in lock.jar}) == len(lock.jar)
    assert any(j.name == "kafka_2.13" and j.version == lock.kafka == "4.3.0" for j in lock.jar)
    assert "://" not in LOCK_FILE.read_text(encoding="utf-8")


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    """No jar and no network: a plain sentence, and no half-made cache."""
    with pytest.raises(EmbeddedKafkaError, match="first start needs the network"):
        ensure_jars(read_lock(), cache=tmp_path, quiet=True)
    assert not list(tmp_path.rglob("*.jar"))
    assert not list(tmp_path.rglob(".fetching-*"))


@pytest.mark.usefixtures("offline")
def test_a_missing_jar_alone_is_fetched_again(own_cache: Path) -> None:
    """Deleting one jar asks for that jar only: offline, the error names it."""
    (own_cache / "pcollections-4.0.2.jar").unlink()
    with pytest.raises(EmbeddedKafkaError, match=r"org\.pcollections:pcollections:4\.0\.2"):
        ensure_jars(read_lock(), quiet=True)


def test_a_tampered_jar_stops_the_start_and_is_named(own_cache: Path, tmp_path: Path) -> None:
    """One changed byte in one jar: Kafka is not started, and the message names that jar."""
    victim = own_cache / "kafka-server-4.3.0.jar"
    real = victim.resolve()
    victim.unlink()
    shutil.copyfile(real, victim)
    with victim.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    kafka = EmbeddedKafka(tmp_path / "kafka")
    with pytest.raises(EmbeddedKafkaError, match=re.escape(str(victim))) as caught:
        kafka.start()
    assert "Delete that file" in str(caught.value)
    assert not kafka.alive()


def test_an_unreadable_lock_says_how_to_restore_it(tmp_path: Path) -> None:
    """A damaged lock is an error that names the file and the way back."""
    damaged = tmp_path / "kafka-jars.lock"
    damaged.write_text('kafka = "4.3.0"\n[[jar]]\nname = "kafka"\n', encoding="utf-8")
    with pytest.raises(EmbeddedKafkaError, match=r"git checkout deploy/kafka-jars\.lock"):
        read_lock(damaged)
