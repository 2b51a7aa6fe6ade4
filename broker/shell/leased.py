"""Runs a writer for each shard that this process has leased, for as long as it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aiokafka.errors import ProducerFenced

from broker.ledger import FencedError

LOOK_EVERY_S = 0.1

Write = Callable[[str], Coroutine[Any, Any, None]]
"""Writes one shard until cancelled."""

log = structlog.get_logger()


async def write_leased(held: Callable[[], frozenset[str]], write: Write) -> None:
    """Writes what `held()` names, until cancelled or until a writer fails.

    A writer that was fenced has lost its shard to another process, which is no failure: it begins
    anew if the shard is this process's still.
    """
    running: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            mine = held()
            for shard in sorted(running):
                if running[shard].done():
                    _end_of(shard, running.pop(shard))
                elif shard not in mine:
                    await _stop(running.pop(shard))
                    log.info("shard_given_up", shard=shard)
            for shard in sorted(mine - running.keys()):
                running[shard] = asyncio.create_task(write(shard))
                log.info("shard_leased", shard=shard)
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        for task in running.values():
            await _stop(task)


def _end_of(shard: str, task: asyncio.Task[None]) -> None:
    """Raises what ended a writer, unless it was fenced."""
    try:
        task.result()
    except (FencedError, ProducerFenced) as error:
        log.warning("shard_lost", shard=shard, reason=type(error).__name__)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("writer_ended", reason=type(error).__name__)
