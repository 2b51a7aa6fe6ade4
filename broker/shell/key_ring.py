"""Keys that change while a process runs: it looks for new epochs once a second, and needs no restart."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

from broker.model.envelope import IntakeEpoch
from broker.shell.epochs import FILE, Epoch, epoch_at, read_epochs
from broker.shell.keys import BrokerKeys, current_epoch, load_broker_keys

LOOK_EVERY_S = 1.0


class IntakeEpochs:
    """The epoch to which a client seals now; looked up again once a second at most."""

    def __init__(self, directory: Path) -> None:
        """`directory` holds the public register."""
        self._directory = directory
        self._looked_at = -LOOK_EVERY_S
        self._epoch: IntakeEpoch | None = None

    def current(self) -> IntakeEpoch:
        """By this machine's clock; intake takes every epoch that is not destroyed."""
        now = time.monotonic()
        if self._epoch is None or now - self._looked_at >= LOOK_EVERY_S:
            self._epoch, self._looked_at = current_epoch(self._directory), now
        return self._epoch


class KeyRing:
    """The keys of the epoch in force at a moment, read again when an epoch was made or destroyed."""

    def __init__(self, directory: Path) -> None:
        """Raises KeysError where the keys of now are missing: a process does not start without."""
        self._directory = directory
        self._own = directory / "broker"
        self._looked_at = -LOOK_EVERY_S
        self._stamp: object = None
        self._epochs: tuple[Epoch, ...] = ()
        self._held: dict[str, BrokerKeys] = {}
        self.at(datetime.datetime.now(datetime.UTC))

    def at(self, moment: datetime.datetime) -> BrokerKeys:
        """The keys for a record of that time. Raises KeysError where they were destroyed."""
        self._look()
        name = epoch_at(self._epochs, moment).name
        if name not in self._held:
            self._held[name] = load_broker_keys(self._directory, moment)
        return self._held[name]

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        path = self._own / FILE
        stamp = path.stat().st_mtime_ns if path.exists() else None
        if not self._epochs or stamp != self._stamp:
            self._stamp, self._epochs = stamp, read_epochs(self._own)
            self._held.clear()
