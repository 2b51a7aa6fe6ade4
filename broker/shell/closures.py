"""Organisations that closed: they lose topics, rights and certificates on the day, without a restart.

Who exists is said by the register (policies/organisations/), by day. A successor has a code of its own
and is nobody's heir here: rights are made of codes, and no code leads to another's.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from broker.reference import ReferenceDataError, load_connected
from broker.shell.access import AccessChange, ensure_access
from broker.shell.certificates import alone_with_certificates, pair_of, read_certificate, take_back
from broker.shell.settings import Settings
from broker.shell.topics import TopicsError

LOOK_EVERY_S = 30.0
"""How soon after midnight, or after a change of the register, rights follow."""

log = structlog.get_logger()


def connected(settings: Settings) -> tuple[str, ...]:
    """Every connected organisation; those that closed keep their topics, for what they wrote before."""
    return load_connected(settings.organisations_dir / "connected.yaml")


def connected_today(settings: Settings) -> tuple[str, ...]:
    """Connected organisations that exist today, UTC. Raises ReferenceDataError."""
    today = datetime.datetime.now(datetime.UTC).date()
    return load_connected(settings.organisations_dir / "connected.yaml", today)


def take_certificates_back(settings: Settings, codes: Sequence[str]) -> list[str]:
    """Revokes the certificates of these organisations and removes them with their keys; whose."""
    now, done = datetime.datetime.now(datetime.UTC), []
    with alone_with_certificates(settings.keys_dir):
        for code in codes:
            pair = pair_of(settings.keys_dir, code, process=False)
            if pair.certificate.exists():
                take_back(settings.keys_dir, read_certificate(pair.certificate), now)
                pair.certificate.unlink()
                pair.key.unlink(missing_ok=True)
                done.append(code)
    return done


def closed(settings: Settings) -> tuple[str, ...]:
    """Connected organisations that do not exist today."""
    present = frozenset(connected_today(settings))
    return tuple(code for code in connected(settings) if code not in present)


async def bring_in_line(settings: Settings, security: Mapping[str, Any]) -> AccessChange:
    """Certificates and rights at Kafka as of today. Raises ReferenceDataError, TopicsError."""
    gone = closed(settings)
    take_certificates_back(settings, gone)
    return await ensure_access(
        settings.kafka_bootstrap, connected(settings), security=security, closed=gone
    )


async def follow(settings: Settings, security: Mapping[str, Any]) -> None:
    """Keeps rights in line with the register for as long as it runs; what fails is tried again."""
    known = connected_today(settings)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            now = connected_today(settings)
            if now != known:
                change = await bring_in_line(settings, security)
                log.info("rights_followed", count=change.removed)
                known = now
        except (ReferenceDataError, TopicsError, OSError) as error:
            log.error("rights_not_followed", error=type(error).__name__)
