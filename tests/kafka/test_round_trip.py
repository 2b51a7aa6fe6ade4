"""From an agency's client through the whole broker to another's, and back as a receipt."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from broker.client import OpenedAlert, Publisher, Subscriber
from broker.examples import fresh_example, to_line
from tests.simulation.harness import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
ADVOCATE = "ADV-WM-001"
SANDWELL = "E08000028"
WALSALL = "E08000030"
BURST = 60
COMMAND = str(Path(sys.executable).with_name("broker"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def about(event_id: str, alerts: Subscriber) -> OpenedAlert:
    """The next alert about one event; others are at work on the same broker."""
    async for alert in alerts:
        if alert.content.event_id == event_id:
            return alert
    raise AssertionError("a subscriber never ends of its own accord")


def environment(broker: Broker) -> dict[str, str]:
    """What an agency's shell must know."""
    return {
        "BROKER_KAFKA_BOOTSTRAP": broker.settings.kafka_bootstrap,
        "BROKER_DATA_DIR": str(broker.settings.data_dir),
        "COLUMNS": "100",
        "PYTHONUNBUFFERED": "1",
    }


def command(broker: Broker, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The real command, as an agency runs it."""
    return subprocess.run(
        [COMMAND, *arguments],
        input=given,
        env=environment(broker),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


async def test_a_warning_published_here_is_read_there_and_nobody_else_hears_of_it(
    running: Broker,
) -> None:
    """The authority of the place gets the words for it; a neighbour without nexus gets nothing."""
    warning = fresh_example("concern", now())
    async with Publisher.connect(ADVOCATE, running.settings) as publisher:
        published = await publisher.publish(warning)
        receipt = await publisher.wait_for_receipt(published, 60)
    async with (
        Subscriber.connect(SANDWELL, running.settings) as alerts,
        asyncio.timeout(60),
    ):
        alert = await about(published.event_id, alerts)
        missing = await alerts.missing_from_own_log()
    async with Subscriber.connect(WALSALL, running.settings, from_start=True) as silence:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await about(published.event_id, silence)

    assert (receipt.content.outcome, receipt.content.event_id) == ("accepted", published.event_id)
    assert alert.content.event_id == published.event_id
    assert "Gala Wharf" in alert.released["text"]
    assert not {"source", "summary"} & alert.released.keys()
    assert missing == ()


async def test_every_record_of_a_burst_gets_its_receipt(running: Broker) -> None:
    """The last of many is answered as soon as the first: nothing waits for a next record."""
    burst = [fresh_example("concern", now()) for _ in range(BURST)]
    async with Publisher.connect(ADVOCATE, running.settings) as publisher:
        for one in range(0, BURST, 7):
            sent = await publisher.publish_many(burst[one : one + 7])
            receipts = [await publisher.wait_for_receipt(record, 20) for record in sent]
            assert [one.content.outcome for one in receipts] == ["accepted"] * len(sent)
        again = await publisher.publish_many(burst)
        repeated = [await publisher.wait_for_receipt(record, 20) for record in again]

    assert [one.content.outcome for one in repeated] == ["duplicate"] * BURST


def test_the_commands_publish_and_subscribe(running: Broker) -> None:
    """As the README has it: an example is published, printed where it belongs, and verified."""
    warning = to_line(fresh_example("concern", now()))
    foreign = warning.replace(ADVOCATE, "NOBODY")
    published = command(running, "publish", "-", "--json", given=f"{warning}\nnoise\n{foreign}\n")
    again = command(running, "publish", "-", given=warning)
    rows = [json.loads(line) for line in published.stdout.splitlines()]
    event_id = json.loads(warning)["event_id"]
    taken = command(running, "subscribe", SANDWELL, "--from-start", "--count", "1")
    as_json = command(running, "subscribe", "E23000014", "--from-start", "--count", "1", "--json")
    verified = command(running, "audit", "verify")

    assert published.returncode == 1
    assert [row["outcome"] for row in rows[:3]] == ["accepted", "not_sent", "not_sent"]
    assert rows[0]["event_id"] == event_id
    assert rows[-1]["lines"] == 3
    assert (again.returncode, again.stdout.count("duplicate")) == (0, 2)
    assert taken.returncode == 0, taken.stderr
    assert "acknowledge by" in taken.stdout
    assert "Pat Example" not in taken.stdout + as_json.stdout
    assert json.loads(as_json.stdout)["recipient"] == "E23000014:police"
    assert verified.returncode == 0, verified.stdout
    assert "ledger verified" in verified.stdout


def test_ctrl_c_ends_a_subscription_without_a_word(running: Broker) -> None:
    """It prints until it is told to stop; being told is no error."""
    listening = subprocess.Popen(
        [COMMAND, "subscribe", SANDWELL, "--from-start", "--json"],
        env=environment(running),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listening.stdout is not None
    first = json.loads(listening.stdout.readline())
    listening.send_signal(signal.SIGINT)
    _, complaints = listening.communicate(timeout=20)

    assert first["recipient"].startswith(SANDWELL)
    assert (listening.returncode, complaints) == (0, "")


def test_the_example_of_the_readme_runs(running: Broker) -> None:
    """The lines that a newcomer copies publish an event and print the alert."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    block = re.sub(r'Publisher\.connect\("[^"]+"\)', f'Publisher.connect("{ADVOCATE}")', block)
    line = to_line(fresh_example("concern", now()))
    given = (
        "from broker.model.codec import from_json\n"
        "from broker.model.types import ConcernEvent\n"
        f"event = from_json({line!r}, ConcernEvent)\n"
    )
    copied = subprocess.Popen(
        [sys.executable, "-c", given + block],
        env=environment(running),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert copied.stdout is not None
    said = copied.stdout.readline()
    copied.kill()
    _, complaints = copied.communicate(timeout=20)

    assert said.startswith(f"{SANDWELL}:"), complaints
