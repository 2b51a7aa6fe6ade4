"""Loads what parts are decided by, and keeps it up with the files while the broker runs."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from broker.flow import Policy
from broker.policies.archive import ARCHIVE, Sources, archive_policy, load_files
from broker.shell.settings import Settings
from broker.weigh import DEFAULT_PARAMETERS

LOOK_EVERY_S = 1.0
Stamp = tuple[tuple[str, int, int], ...]
"""Path, time of change and size of every file that a policy is made of."""

log = structlog.get_logger()


def load_policy(settings: Settings) -> Policy:
    """The policy in force, with the hashes by which every record names it."""
    return load_files(sources_of(settings), DEFAULT_PARAMETERS)


def sources_of(settings: Settings) -> Sources:
    """The folders that the policy in force is loaded from."""
    return Sources(settings.policies_dir, settings.codesets_dir, settings.organisations_dir)


def archive_in(ledger_dir: Path, settings: Settings, policy: Policy) -> None:
    """Keeps beside a ledger what it is decided by, once for each hash. Raises ArchiveError, OSError."""
    archive_policy(ledger_dir / ARCHIVE, sources_of(settings), policy)


def settle() -> None:
    """Takes what was loaded out of the garbage collector's rounds: it stays for as long as it is in force.

    Thousands of agreements are hundreds of thousands of objects; looking through them again and again
    would make a decision dearer the more agreements there are.
    """
    gc.collect()
    gc.freeze()


class PolicyHolder:
    """The policy in force, replaced by a good new one when its files change, and never by a bad one.

    Ask `current()` once for a part and use that value to the end of the part: a policy is
    immutable, so a part is decided and recorded by exactly one. Changed files are taken when they
    have been still from one look to the next, are loaded whole beside the old policy, and come into
    force together. Of files that cannot be loaded nothing is used: alarm `policy_not_loaded`. Before
    anything is decided by a policy it lies in the ledger's archive, for replay.
    """

    def __init__(
        self, settings: Settings, *, clock: Callable[[], float] = time.monotonic, wait: bool = False
    ) -> None:
        """Raises what `load_policy` raises: a broker does not start with a broken policy.

        `wait`: `current()` itself loads, where otherwise a thread does and the old policy serves on.
        """
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._taken = self._seen = _stamp(settings)
        self._policy = load_policy(settings)
        archive_in(settings.ledger_dir, settings, self._policy)
        settle()
        self._looked_at = clock()
        self._loading: threading.Thread | None = None
        self.refused = False
        """Whether the files as they are now cannot be loaded, so that older ones are in force."""

    @property
    def bundle_hash(self) -> str:
        """Hash of the bundle in force, without looking at the files."""
        return self._policy.hashes.bundle

    def current(self) -> Policy:
        """The policy in force. Looks at the files once a second at most; costs nothing between."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        return self._policy

    def _look(self) -> None:
        if self._loading is not None and self._loading.is_alive():
            return
        stamp = _stamp(self._settings)
        still, self._seen = stamp == self._seen, stamp
        if not still or stamp == self._taken:
            return
        self._taken = stamp
        if self._wait:
            self._load()
            return
        self._loading = threading.Thread(target=self._load, name="policy", daemon=True)
        self._loading.start()

    def _load(self) -> None:
        started = time.perf_counter()
        try:
            policy = load_policy(self._settings)
            archive_in(self._settings.ledger_dir, self._settings, policy)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with new files, the old policy stays
            self.refused = True
            path = getattr(error, "path", None)
            log.error(
                "policy_not_loaded",
                error=type(error).__name__,
                path=f"{path}:{getattr(error, 'line', None) or ''}" if path else None,
                reason=getattr(error, "where", None),
            )
            return
        self._policy = policy
        self.refused = False
        gc.unfreeze()
        settle()
        log.info("policy_loaded", seconds=round(time.perf_counter() - started, 3))


def _stamp(settings: Settings) -> Stamp:
    """What the files look like from outside; a file that vanishes meanwhile is a change as well."""
    found = []
    for path in sorted(_files(settings)):
        try:
            seen = path.stat()
        except OSError:
            continue
        found.append((str(path), seen.st_mtime_ns, seen.st_size))
    return tuple(found)


def _files(settings: Settings) -> list[Path]:
    folders = (settings.policies_dir, settings.codesets_dir)
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
