"""Keys change while the broker runs: nothing stops, nothing is lost, and a revoked key does nothing more."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.auditor import verify_ledger
from broker.auditor.keys import OneKey
from broker.client.connection import ClientError
from broker.client.publisher import Publisher
from broker.client.subscriber import Subscriber
from broker.ledger import open_checkpoint, verifier_key
from broker.model.types import ConcernEvent, IntakeOutcome
from broker.shell.access import AccessChange, ensure_access
from broker.shell.closures import closed, connected
from broker.shell.key_changes import KeyKind, revoke, rotate
from broker.shell.key_ring import OwnKeys
from broker.shell.keys import load_agency_keys
from broker.shell.security import security_of_operator
from broker.shell.settings import Settings
from tests.kafka.test_round_trip import about, command
from tests.simulation.harness import Broker, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
CHARITY, RECIPIENT, CLOSING = "CHA-WM-001", "E08000028", "CHA-GM-001"
WITHIN_S = 60
LOOKED_AGAIN_S = 1.2


def event() -> ConcernEvent:
    """A warning by an organisation whose keys no other test uses."""
    return msgspec.structs.replace(fresh_event(), publisher=CHARITY)


async def in_force(moment: datetime.datetime) -> None:
    """Returns a little after that moment, when a client has looked again."""
    left = moment - datetime.datetime.now(datetime.UTC)
    await asyncio.sleep(max(left.total_seconds(), 0) + LOOKED_AGAIN_S)


async def test_a_publisher_rotates_and_revokes_its_signing_key(running: Broker) -> None:
    """Old and new key are both accepted; the revoked one is refused with a receipt that says so."""
    directory = running.settings.keys_dir
    old = load_agency_keys(directory, CHARITY)
    async with Publisher.connect(CHARITY, running.settings) as publisher:
        first = await publisher.publish(event())
        change = rotate(directory, KeyKind.SIGNING, CHARITY)
        await in_force(change.in_force_from)
        second = await publisher.publish(event())
        assert OwnKeys(directory, CHARITY).current().identity.key_id == change.key_id
        publisher._held = old
        third = await publisher.publish(event())
        gone = revoke(directory, KeyKind.SIGNING, CHARITY, old.identity.key_id)
        await in_force(gone.in_force_from)
        fourth = await publisher.publish(event())
        receipts = [
            (await publisher.wait_for_receipt(one, WITHIN_S)).content
            for one in (first, second, third, fourth)
        ]

    accepted, refused = IntakeOutcome.ACCEPTED, IntakeOutcome.REJECTED
    assert [one.outcome for one in receipts] == [accepted, accepted, accepted, refused]
    assert receipts[3].reason == "key_revoked"
    assert "publish it again" in (receipts[3].explanation or "")


async def test_a_recipient_rotates_its_sealing_key_and_the_old_one_is_revoked(
    running: Broker,
) -> None:
    """Both alerts open with its keys; with the old one alone only the earlier opens."""
    directory = running.settings.keys_dir
    thief = load_agency_keys(directory, RECIPIENT)
    before, after = fresh_event(), fresh_event()
    async with (
        Publisher.connect(before.publisher, running.settings) as publisher,
        Subscriber.connect(RECIPIENT, running.settings, from_start=True) as alerts,
    ):
        await publisher.publish(before)
        first = await asyncio.wait_for(about(before.event_id, alerts), WITHIN_S)
        change = rotate(directory, KeyKind.SEALING, RECIPIENT)
        await in_force(change.in_force_from)
        await publisher.publish(after)
        second = await asyncio.wait_for(about(after.event_id, alerts), WITHIN_S)
        gone = revoke(directory, KeyKind.SEALING, RECIPIENT, "key-1")
        await in_force(gone.in_force_from)
        last = fresh_event()
        await publisher.publish(last)
        third = await asyncio.wait_for(about(last.event_id, alerts), WITHIN_S)
        assert alerts.refused == []
    stolen = msgspec.structs.replace(thief, earlier_sealing=())
    async with Subscriber.connect(RECIPIENT, running.settings, from_start=True) as alerts:
        alerts._held = stolen
        opened = await asyncio.wait_for(about(before.event_id, alerts), WITHIN_S)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(about(last.event_id, alerts), 3)
        assert {one.check for one in alerts.refused} == {"seal"}

    assert opened.alert_id == first.alert_id
    assert len({first.alert_id, second.alert_id, third.alert_id}) == 3


async def test_the_ledger_signs_with_both_keys_while_they_overlap(running: Broker) -> None:
    """An alert by either key opens for a client that knows only one; the ledger verifies by both."""
    directory, ledger = running.settings.keys_dir, running.settings.ledger_dir
    old = load_agency_keys(directory, RECIPIENT)
    change = rotate(directory, KeyKind.LEDGER)
    await in_force(change.in_force_from)
    new = load_agency_keys(directory, RECIPIENT)
    assert new.ledger.public_bytes_raw() != old.ledger.public_bytes_raw()
    until = time.monotonic() + WITHIN_S
    while len((ledger / "s0" / "log.vkey").read_text().splitlines()) < 2:
        assert time.monotonic() < until, "log.vkey does not list the new key"
        await asyncio.sleep(0.1)
    one = fresh_event()
    async with Publisher.connect(one.publisher, running.settings) as publisher:
        sent = await publisher.publish(one)
        await publisher.wait_for_receipt(sent, WITHIN_S)
    for keys in (
        msgspec.structs.replace(new, ledger=old.ledger, earlier_ledger=()),
        msgspec.structs.replace(new, ledger=new.ledger, earlier_ledger=()),
    ):
        async with Subscriber.connect(RECIPIENT, running.settings, from_start=True) as alerts:
            alerts._held = keys
            await asyncio.wait_for(about(one.event_id, alerts), WITHIN_S)

    for public in (old.ledger, new.ledger):
        assert verify_ledger(ledger, keys=OneKey(public), allow_open=True).first_bad is None
        for path in sorted(ledger.glob("s*/checkpoint")):
            origin = f"{running.settings.name}/{path.parent.name}"
            open_checkpoint(path.read_text(), verifier_key(origin, public))


def test_keys_of_parts_and_rows_change_and_a_person_sees_all(running: Broker) -> None:
    """By the command; the next warning is decided and recorded as ever."""
    for words in (("rotate", "parts"), ("rotate", "rows"), ("show", RECIPIENT)):
        done = command(running, "keys", *words)
        assert done.returncode == 0, done.stderr
    asyncio.run(_told_again(running))


async def _told_again(running: Broker) -> None:
    one = fresh_event()
    async with (
        Publisher.connect(one.publisher, running.settings) as publisher,
        Subscriber.connect(RECIPIENT, running.settings, from_start=True) as alerts,
    ):
        await asyncio.sleep(5)
        await publisher.publish(one)
        await asyncio.wait_for(about(one.event_id, alerts), WITHIN_S)


async def test_an_organisation_that_closes_can_neither_publish_nor_read(
    running: Broker, tmp_path: Path
) -> None:
    """Its rights are gone at once, those of others stay; on its last day it still had them."""
    policies = tmp_path / "policies"
    shutil.copytree(running.settings.policies_dir, policies)
    register = policies / "organisations" / "invented.csv"
    today = datetime.datetime.now(datetime.UTC).date()
    operator = security_of_operator(running.settings)
    changed = running.settings.model_copy(update={"policies_dir": policies})

    def closes(day: datetime.date) -> None:
        lines = register.read_text().splitlines()
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{CLOSING},"))
        *kept, _, invented = lines[at].split(",")
        lines[at] = ",".join([*kept, f"{day}", invented])
        register.write_text("\n".join(lines) + "\n")

    one = msgspec.structs.replace(fresh_event(), publisher=CLOSING)
    async with Publisher.connect(CLOSING, running.settings) as publisher:
        closes(today)
        assert (await bring_in_line_of_rights(changed, operator)).removed == 0
        sent = await publisher.publish(one)
        assert (await publisher.wait_for_receipt(sent, WITHIN_S)).content.reason is None
        closes(today - datetime.timedelta(days=1))
        try:
            change = await bring_in_line_of_rights(changed, operator)
            assert change.removed > 0
            with pytest.raises(ClientError, match="may write its topics"):
                await asyncio.wait_for(publisher.publish(one), WITHIN_S)
            async with Publisher.connect(CHARITY, running.settings) as other:
                await other.publish(event())
        finally:
            restored = await bring_in_line_of_rights(running.settings, operator)
    assert restored.added == change.removed


async def bring_in_line_of_rights(settings: Settings, operator: Mapping[str, Any]) -> AccessChange:
    """Only the rights: the certificate is needed again by the other tests."""
    return await ensure_access(
        settings.kafka_bootstrap, connected(settings), security=operator, closed=closed(settings)
    )
