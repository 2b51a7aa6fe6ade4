"""A desk's own log of who looked at what: a signed Merkle log of leaves without a name or a word of content.

The log is of the ledger's kind and verified in the same way, but it is the desk's: written by its process,
signed with its key, beside its database. A leaf waits in memory until the next answer is about to leave;
the answer then waits until it is on disk. Answers that leave at the same time share one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.desk.settings import DeskSettings
from broker.ledger import (
    Delivery,
    FencedError,
    LedgerError,
    Message,
    Proof,
    RecordSet,
    ShardStore,
    folder_of,
)
from broker.model.signing import Signer
from broker.shell.key_files import alone, load_ed25519, make_private
from broker.shell.settings import Settings

FOLDER = "consultations"
ID_BYTES = 16
log = structlog.get_logger()


class ConsultationLog:
    """The log of one desk. All but the writing itself happens on the event loop."""

    def __init__(self, folder: Path, origin: str, key: Signer) -> None:
        """Opens nothing yet: the first write does."""
        self.folder = folder
        self.origin = origin
        self._key = key
        self._waiting: deque[RecordSet] = deque()
        self._noted = 0
        self._written = 0
        # The store belongs to one thread.
        self._thread = ThreadPoolExecutor(1, "consultations")
        self._store: ShardStore | None = None
        self._epoch = 0

    @classmethod
    def of(cls, own: DeskSettings, settings: Settings) -> ConsultationLog:
        """The log of a desk, with its key made where there is none. Raises KeysError."""
        folder = own.folder(settings.data_dir) / FOLDER
        key = signing_key(settings.keys_dir, own.organisation)
        return cls(folder, origin_of(settings, own.organisation), key)

    def add(self, leaf: bytes) -> None:
        """Notes a leaf; it is on disk when `settled` has returned."""
        self._waiting.append(RecordSet(secrets.token_hex(ID_BYTES), (leaf,), (), ()))
        self._noted += 1

    async def settled(self) -> None:
        """Returns when every leaf noted before is on disk. Raises LedgerError where that cannot be.

        What could not be written is kept and tried again with the next.
        """
        if self._written == self._noted:
            return
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write)

    @contextlib.asynccontextmanager
    async def open_until_end(self) -> AsyncIterator[None]:
        """Inside the block the log can be written; afterwards everything noted is, and it is closed."""
        try:
            yield
        finally:
            with contextlib.suppress(LedgerError):
                await self.settled()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()

    def _write(self) -> None:
        """Everything that waits, in one transaction; in the log's thread."""
        taken: list[RecordSet] = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        if not taken:
            return
        try:
            self._commit(taken)
        except Exception as error:
            self._waiting.extendleft(reversed(taken))
            raise LedgerError(f"{self.folder}: no consultation can be written: {error}") from error
        self._written += len(taken)
        # Outsiders read the files; nobody at the desk waits for them.
        self._thread.submit(self._publish)

    def _commit(self, taken: list[RecordSet]) -> None:
        if self._store is None:
            self._store = ShardStore.open(self.folder, self.origin, self._key)
            self._epoch = self._store.take_epoch()
        try:
            self._store.commit(taken, epoch=self._epoch, next_offset=0, render=_sends_nothing)
        except FencedError:
            # A desk that is being replaced by the next one still says what it showed.
            self._epoch = self._store.take_epoch()
            self._store.commit(taken, epoch=self._epoch, next_offset=0, render=_sends_nothing)

    def _publish(self) -> None:
        if self._store is None:
            return
        try:
            self._store.publish_tiles()
        except LedgerError as error:
            log.warning("log_of_desk_unpublished", error=type(error).__name__)

    def _close(self) -> None:
        if self._store is not None:
            self._publish()
            self._store.close()
            self._store = None


def origin_of(settings: Settings, organisation: str) -> str:
    """Name of a desk's log: the broker's, `desk`, and the organisation's code."""
    return f"{settings.name}/desk/{folder_of(organisation)}"


def signing_key(keys_dir: Path, organisation: str) -> Signer:
    """The key that signs the desk's log, made where there is none. Raises KeysError."""
    folder = keys_dir / "desk"
    path = folder / f"{organisation}.log.pem"
    with alone(folder):
        make_private(path, Ed25519PrivateKey.generate)
    return load_ed25519(path)


def _sends_nothing(_: Delivery, __: Proof) -> Message:
    raise AssertionError("a consultation is delivered to nobody")
