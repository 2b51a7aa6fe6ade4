"""The jars of the embedded Kafka: fetched once, pinned by hash, looked at before every start.

`deploy/kafka-jars.lock` says what each jar must hash to (SHA-256). `ensure_jars` promises that
every path it returns held exactly those bytes a moment ago: a jar is hashed as it arrives, before
it gets its final name, and again at each start (45 MB, about 0.05 s). The cache folder is named
after the lock, so two versions of the project never share a half-changed one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from broker.shell.embedded.errors import EmbeddedKafkaError

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCK_FILE = Path(__file__).resolve().parents[3] / "deploy" / "kafka-jars.lock"
CACHE_VARIABLE = "BROKER_CACHE_DIR"
_DOWNLOADS_AT_ONCE = 4
_TIMEOUT_S = 60
_STALE_AFTER_S = 3600


class Jar(msgspec.Struct, frozen=True):
    """One jar of the lock: its Maven coordinate, its size in bytes and its SHA-256 in hex."""

    group: str
    name: str
    version: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The name that the jar has in the cache."""
        return f"{self.name}-{self.version}.jar"


class JarLock(msgspec.Struct, frozen=True):
    """The whole lock: the Kafka version, and every jar that it starts with."""

    kafka: str
    jar: tuple[Jar, ...]


def cache_dir() -> Path:
    """The folder for what can be fetched again: BROKER_CACHE_DIR, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "safeguarding-broker"


def read_lock(path: Path = LOCK_FILE) -> JarLock:
    """Read the lock. Raises EmbeddedKafkaError if the file is missing or is not a lock."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), JarLock)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise EmbeddedKafkaError(
            f"The list of Kafka's jars, {path}, cannot be read: {error}. "
            "Restore it with: git checkout deploy/kafka-jars.lock"
        ) from error


def ensure_jars(lock: JarLock, *, cache: Path | None = None, quiet: bool = False) -> list[Path]:
    """The paths of all jars of `lock`, each with the bytes that the lock names.

    What is missing is fetched, with a progress bar on standard error unless `quiet`. What is there
    is hashed and never fetched again, so after the first time no network is needed.

    Raises EmbeddedKafkaError when a jar cannot be fetched, or holds other bytes than it must.
    """
    folder = (cache or cache_dir()) / f"kafka-{lock.kafka}-{_digest_of(lock)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedKafkaError(
            f"The cache folder {folder} cannot be made: {error.strerror}. "
            f"Name another one with {CACHE_VARIABLE}."
        ) from error
    missing = [jar for jar in lock.jar if not (folder / jar.filename).exists()]
    if missing:
        _fetch(missing, folder, quiet=quiet)
    for jar in lock.jar:
        _check(jar, folder / jar.filename)
    return [folder / jar.filename for jar in lock.jar]


def _digest_of(lock: JarLock) -> str:
    return hashlib.sha256(msgspec.json.encode(lock)).hexdigest()[:12]


def _check(jar: Jar, path: Path) -> None:
    """Refuse a jar whose bytes are not those of the lock."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != jar.sha256:
        raise EmbeddedKafkaError(
            f"The jar {path} is not what deploy/kafka-jars.lock says it is: its SHA-256 is "
            f"{found}, it must be {jar.sha256}. Kafka is not started. Delete that file; the next "
            "start fetches it again. If this comes back, someone on the way changes what you fetch."
        )


def _fetch(missing: Sequence[Jar], folder: Path, *, quiet: bool) -> None:
    """Fetch `missing` into `folder`; a jar gets its final name only once its hash is right."""
    total = sum(jar.size for jar in missing)
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    for left in folder.glob(".fetching-*"):  # by a fetch that was killed
        if time.time() - left.stat().st_mtime > _STALE_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    try:
        with (
            Progress(*columns, TimeRemainingColumn(), console=console) as progress,
            ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
        ):
            bar = progress.add_task("Fetching Apache Kafka, once", total=total)
            waiting = {pool.submit(_fetch_one, jar, staging, folder): jar for jar in missing}
            try:
                for done in as_completed(waiting):
                    done.result()
                    progress.advance(bar, waiting[done].size)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch_one(jar: Jar, staging: Path, folder: Path) -> None:
    context = MavenContext(repo_cache=staging, remote_repos=_repositories(), timeout=_TIMEOUT_S)
    artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
    try:
        arrived = artifact.resolve()
        _check(jar, arrived)
        arrived.replace(folder / jar.filename)
    except (requests.RequestException, RuntimeError) as error:
        raise EmbeddedKafkaError(
            f"{jar.group}:{jar.name}:{jar.version}, a part of Apache Kafka, could not be fetched "
            f"({type(error).__name__}). The first start needs the network; later ones do not. "
            "Behind a proxy, set HTTPS_PROXY; for a mirror of Maven Central, name it in jgo's "
            "configuration file; with a Kafka of your own, set BROKER_KAFKA_BOOTSTRAP."
        ) from error
    except OSError as error:
        raise EmbeddedKafkaError(
            f"{jar.filename} could not be written to {folder}: {error.strerror or error}. "
            f"Make room, or name another folder with {CACHE_VARIABLE}."
        ) from error


def _repositories() -> dict[str, str] | None:
    """The Maven repositories that jgo is configured with here; None means Maven Central."""
    return GlobalSettings.load().repositories or None
