"""What the clock shows: what waits and is overdue, the ages of keys, and what Kafka refused."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from pathlib import Path

from broker.rounds import DueBook
from broker.shell.denials import denials_log, read_denials
from broker.shell.epochs import FIRST, Epoch, Kind, epoch_at, file_of, read_epochs
from broker.shell.key_errors import KeysError
from broker.shell.settings import Settings
from broker.shell.watch.labels import OPERATIONS
from broker.shell.watch.process import Watch

COUNT_EVERY_S = 5.0
READ_EVERY_S = 30.0


class Overdue:
    """Looked at once a second; counts every five, reads files every thirty."""

    def __init__(self, watch: Watch, settings: Settings, book: DueBook) -> None:
        """`book` is the one that the clock fills."""
        self._figures = watch.figures
        self._settings = settings
        self._book = book
        self._counted = self._read = -READ_EVERY_S
        self._log_size = -1

    def look(self, now: datetime.datetime) -> None:
        """`now` is the moment that the clock acts by."""
        turn = time.monotonic()
        if turn - self._counted >= COUNT_EVERY_S:
            self._counted = turn
            self._count(now)
        if turn - self._read >= READ_EVERY_S:
            self._read = turn
            self._ages(datetime.datetime.now(datetime.UTC))
            self._denials()

    def _count(self, now: datetime.datetime) -> None:
        for kind, standing in self._book.standing(now).items():
            self._figures.waiting.set(standing.waiting, due=kind)
            self._figures.overdue.set(standing.overdue, due=kind)
            self._figures.longest.set(standing.longest.total_seconds(), due=kind)

    def _ages(self, now: datetime.datetime) -> None:
        own = self._settings.keys_dir / "broker"
        try:
            epochs = read_epochs(own)
        except KeysError:
            return
        since = _since(epoch_at(epochs, now), own)
        if since is not None:
            self._figures.epoch_age.set((now - since).total_seconds())
        for kind in Kind:
            held = [one for one in epochs if one.holds(kind) and one.since <= now]
            oldest = _since(held[0], own) if held else None
            if oldest is not None:
                self._figures.key_age.set((now - oldest).total_seconds(), key=kind.value)

    def _denials(self) -> None:
        log = denials_log(self._settings.data_dir)
        size = log.stat().st_size if log.exists() else 0
        if size == self._log_size:
            return
        self._log_size = size
        counted: Counter[str] = Counter()
        for one in read_denials(log):
            counted[one.operation] += one.count
        for operation in {*OPERATIONS, *counted}:
            self._figures.denials.set(counted[operation], operation=operation)


def _since(epoch: Epoch, own: Path) -> datetime.datetime | None:
    """Since when an epoch is in force; of the first, which always was, when its key was made."""
    if epoch.name != FIRST.name:
        return epoch.since
    made = file_of(own, epoch.name, Kind.INTAKE)
    if not made.exists():
        return None
    return datetime.datetime.fromtimestamp(made.stat().st_mtime, datetime.UTC)
