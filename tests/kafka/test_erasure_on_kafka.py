"""Erasure on a real Kafka: everybody is told, nothing is left in any file, and it can be done again."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import sqlite3
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.auditor import read_sidecars, shards_of
from broker.auditor.verify import verify_ledger
from broker.client import Publisher
from broker.commands import retention
from broker.intake import identifier_token
from broker.model import types as t
from broker.model.sealer import open_rows
from broker.shell.crash import ERASURE_POINTS
from broker.shell.keys import DESK, load_broker_keys, read_subject_keys
from tests.kafka.test_rounds_on_kafka import command, eventually, publish, told
from tests.simulation.harness import Broker, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
DIES_WITHIN_S = 20.0
PLANTED = "Zebulonia Quillfeather"
REASON = ("--reason", "asked for and granted")


def planted(running: Broker) -> tuple[t.ConcernEvent, str]:
    """An event whose words hold an unusual name, published; and the child's token."""
    event = fresh_event()
    texts = tuple(
        msgspec.structs.replace(one, text=f"{one.text} {PLANTED}.") for one in event.audience_texts
    )
    event = msgspec.structs.replace(event, audience_texts=texts, summary=f"About {PLANTED}.")
    publish(running, event)
    (identifier,) = event.subjects[0].identifiers
    keys = load_broker_keys(running.settings.keys_dir)
    return event, identifier_token(keys.linkage_key, identifier)


def files_below(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder; one that goes meanwhile is not there."""
    found = {}
    for one in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if one.is_file():
                found[one] = one.read_bytes()
    return found


def test_an_erased_child_is_in_no_file_and_everybody_told_was_told(running: Broker) -> None:
    """Key file, tables and sealed facts hold neither key nor token; the certificate counts the told."""
    settings = running.settings
    event, token = planted(running)
    eventually(lambda: bool(told(running, event.event_id)))
    eventually(lambda: token in read_subject_keys(settings.keys_dir / "subjects.db"))
    recipients = told(running, event.event_id)
    key = read_subject_keys(settings.keys_dir / "subjects.db")[token]
    (done,) = command(running, "retention", "erase", token, *REASON)
    (certificate,) = done["certificates"]

    assert certificate["told"] == recipients.total()
    assert {"subject_key", "decide_tables", "parts.v1", "held.v1"} <= {
        one["store"] for one in certificate["stores"]
    }
    assert key not in b"".join(files_below(settings.keys_dir).values())
    for folder in (settings.keys_dir, settings.data_dir / "state", settings.ledger_dir):
        found = [str(one) for one, held in files_below(folder).items() if token.encode() in held]
        assert not found, folder
    rows_keys = (settings.keys_dir / "broker" / "rows.key").read_bytes()
    others = read_subject_keys(settings.keys_dir / "subjects.db").values()
    assert key not in others
    for shard in shards_of(settings.ledger_dir):
        for set_id, sealed in read_sidecars(shard, "rows").items():
            opened = open_rows(rows_keys, sealed, set_id)
            assert PLANTED.encode() not in opened
            assert token.encode() not in opened
    assert verify_ledger(settings.ledger_dir, keys=None, allow_open=True).ok


def test_a_child_heard_of_again_has_another_key_and_is_told_of_as_at_first(
    running: Broker,
) -> None:
    """The same identifiers in a new statement: decided, alerted, and erased again on its own."""
    settings = running.settings
    event, token = planted(running)
    path = settings.keys_dir / "subjects.db"
    eventually(lambda: token in read_subject_keys(path))
    first = read_subject_keys(path)[token]
    command(running, "retention", "erase", token, *REASON)
    again = msgspec.structs.replace(
        event, event_id=str(uuid.uuid4()), origin_id=f"origin-{uuid.uuid4()}"
    )
    publish(running, again)
    eventually(lambda: told(running, again.event_id) == told(running, event.event_id))

    assert read_subject_keys(path)[token] != first
    (done,) = command(running, "retention", "erase", token, *REASON)
    assert done["certificates"][0]["parts"] == 1


def test_a_hold_stops_an_erasure_until_it_is_lifted(running: Broker) -> None:
    """Said with its reason, exit code 1; after the lift it is erased."""
    settings = running.settings
    _, token = planted(running)
    eventually(lambda: token in read_subject_keys(settings.keys_dir / "subjects.db"))
    command(running, "retention", "hold", token, "--reason", "inquest")
    with pytest.raises(AssertionError, match=r"under hold \(inquest\)"):
        command(running, "retention", "erase", token, *REASON)
    command(running, "retention", "hold", token, "--lift")
    (done,) = command(running, "retention", "erase", token, *REASON)

    assert done["outcome"] == "accepted"


def test_the_run_erases_whose_time_has_run_out_and_nobody_else(running: Broker) -> None:
    """Recipients get no withdrawal, who is under hold stays, and the certificate says why."""
    settings = running.settings
    old, recent, held = (planted(running) for _ in range(3))
    for _, token in (old, recent, held):
        eventually(partial(has_key, running, token))
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=60)
    with contextlib.closing(sqlite3.connect(settings.keys_dir / "subjects.db")) as database:
        database.execute(
            "UPDATE subject_key SET newest = ? WHERE part_key IN (?, ?)",
            (round(long_ago.timestamp() * 1000), old[1], held[1]),
        )
        database.commit()
    command(running, "retention", "hold", held[1], "--reason", "inquest")
    (would,) = command(running, "retention", "run", "--dry-run")
    assert (would["due"], would["held"], would["erased"]) == ([old[1]], [held[1]], [])
    (done,) = command(running, "retention", "run")
    (erased,) = done["erased"]
    (certificate,) = erased["certificates"]

    assert erased["token"] == old[1]
    assert (certificate["why"], certificate["parts"], certificate["told"]) == ("due", 1, 0)
    assert old[1] not in keys_of(running)
    assert {recent[1], held[1]} <= set(keys_of(running))
    (again,) = command(running, "retention", "run", "--dry-run")
    assert again["due"] == []


@pytest.mark.slow
def test_a_kill_at_any_step_ends_in_a_finished_erasure(running: Broker) -> None:
    """Killed at each step in turn and started again: certified once, and everybody told once."""
    settings = running.settings
    by_process = [
        [one for one in ERASURE_POINTS if one.startswith(n)] for n in ("intake", "decide")
    ]
    for points in itertools.zip_longest(*by_process):
        armed = {point.split(".")[0]: point for point in points if point}
        event, token = planted(running)
        eventually(partial(has_key, running, token))
        eventually(partial(told, running, event.event_id))
        recipients = told(running, event.event_id).total()
        key = keys_of(running)[token]
        for name, point in armed.items():
            running.kill(name)
            running.start(name, f"{point}:1")
        action = asyncio.run(ask(running, token))
        for name, point in armed.items():
            assert running.died(name, DIES_WITHIN_S), f"{name} never reached {point}"
            running.start(name)
        eventually(partial(certified, running, action))
        (certificate,) = certified(running, action)

        assert certificate["told"] == recipients, points
        assert token not in keys_of(running)
        eventually(partial(has_no_trace, settings.data_dir / "state", token))
        assert not traces(settings.keys_dir, key), points
    assert verify_ledger(settings.ledger_dir, keys=None, allow_open=True).ok


def keys_of(running: Broker) -> dict[str, bytes]:
    return read_subject_keys(running.settings.keys_dir / "subjects.db")


async def ask(running: Broker, token: str) -> str:
    """The signed act, published and not waited for."""
    action = t.Action(
        action_id=str(uuid.uuid4()),
        kind=t.ActionKind.ERASE,
        organisation=DESK,
        actor="desk-1",
        reason="asked for and granted",
        subject=token,
        acted_at=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
    )
    async with Publisher.connect(DESK, running.settings) as publisher:
        await publisher.publish(action)
    return action.action_id


def certified(running: Broker, action: str) -> list[dict[str, Any]]:
    return list(retention.certificates(running.settings, action))


def has_key(running: Broker, token: str) -> bool:
    """Whether the subject's key is held."""
    return token in keys_of(running)


def has_no_trace(folder: Path, token: str) -> bool:
    """Whether no file below holds the token."""
    return not traces(folder, token.encode())


def traces(folder: Path, trace: bytes) -> list[str]:
    """Files below a folder that hold these bytes."""
    return [str(one) for one, held in files_below(folder).items() if trace in held]
