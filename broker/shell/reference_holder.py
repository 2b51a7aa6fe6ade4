"""The register and the code sets as intake reads them: kept up with the files while the broker runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from broker.model.reference import Reference
from broker.reference import load_reference
from broker.shell.settings import Settings

LOOK_EVERY_S = 1.0

log = structlog.get_logger()


class ReferenceHolder:
    """Reference data in force, replaced by good new files and never by bad ones.

    Changed files are taken when they have been still from one look to the next. Of files that cannot
    be loaded nothing is used: alarm `policy_not_loaded`. What has dates is judged by Kafka's time of
    a record, so an organisation that is closed ahead closes on its day, whenever its records are read.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ReferenceDataError: a broker does not start with a broken register."""
        self._settings = settings
        self._clock = clock
        self._seen = self._taken = self._stamp()
        self._looked_at = clock()
        self._reference = self._load()

    def current(self) -> Reference:
        """Looks at the files once a second at most."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        return self._reference

    def _look(self) -> None:
        stamp = self._stamp()
        still, self._seen = stamp == self._seen, stamp
        if not still or stamp == self._taken:
            return
        self._taken = stamp
        try:
            self._reference = self._load()
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with new files, the old ones stay
            log.error("policy_not_loaded", error=type(error).__name__)

    def _load(self) -> Reference:
        return load_reference(self._settings.codesets_dir, self._settings.organisations_dir)

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        folders = (self._settings.codesets_dir, self._settings.organisations_dir)
        found = []
        for path in sorted(path for folder in folders for path in Path(folder).glob("*.*")):
            try:
                seen = path.stat()
            except OSError:
                continue
            found.append((str(path), seen.st_mtime_ns, seen.st_size))
        return tuple(found)
