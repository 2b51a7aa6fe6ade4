"""Witnesses: our own instrument and litewitness by the same laws, and what the writer does with answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import (
    ContradictionError,
    LastCosigned,
    ShardStore,
    cosigned_at,
    cosigners,
    verifier_key,
)
from broker.shell.witness_client import (
    Answer,
    Contradicted,
    Cosigned,
    Unanswered,
    WitnessClient,
)
from broker.shell.witnesses_file import Witness, WitnessesError, WitnessPolicy, read_witnesses
from broker.shell.witnessing import Witnessing
from tests.ledger.shards import (
    KEY,
    ORIGIN,
    a_set,
    connection_of,
    copy_store,
    in_child,
    open_store,
    record,
    remove_store,
)
from tests.ledger.witness import LITEWITNESS, MISSING, SmallWitness, litewitness, small_witness

pytestmark = pytest.mark.usefixtures("each_store")

LOGS = {ORIGIN: verifier_key(ORIGIN, KEY.public_key())}


@pytest.fixture(params=["small", "litewitness"])
def witness(request: pytest.FixtureRequest) -> Iterator[Witness]:
    """A fresh witness that knows the log: our instrument, then one that others wrote."""
    if request.param == "small":
        with small_witness(LOGS) as small:
            yield small.witness
        return
    if not LITEWITNESS:
        pytest.skip(MISSING)
    with litewitness(LOGS) as real:
        yield real


@pytest.fixture
def small() -> Iterator[SmallWitness]:
    """Our instrument alone, for what must be made to happen."""
    with small_witness(LOGS) as one:
        yield one


def grow(store: ShardStore, first: int, count: int = 20) -> None:
    """So many sets more."""
    record(store, [a_set(number) for number in range(first, first + count)])


async def asked(witness: Witness, store: ShardStore, old: int) -> Answer:
    """The answer to the store's checkpoint, where the witness is thought to know `old`."""
    client = WitnessClient(5)
    size, note = store.witnessed.tip()
    try:
        return await client.ask(witness, old, size, note, store.witnessed.proof)
    finally:
        await client.close()


async def test_a_log_that_grows_is_cosigned_at_every_step(witness: Witness, tmp_path: Path) -> None:
    """From nothing, over several sizes, and once more at the same size; each line holds by its key."""
    store = open_store(tmp_path)
    old = 0
    for step in range(6):
        answer = await asked(witness, store, old)
        size, note = store.witnessed.tip()
        assert isinstance(answer, Cosigned), answer
        assert cosigned_at(note, answer.line, witness.key) > 1_700_000_000
        assert isinstance(await asked(witness, store, size), Cosigned)
        old = size
        grow(store, step * 20, 3 * step + 1)


async def test_a_witness_that_knows_more_than_we_thought_is_asked_from_there(
    witness: Witness, tmp_path: Path
) -> None:
    """A kill between its answer and our writing it down leaves us behind: the next round catches up."""
    store = open_store(tmp_path)
    grow(store, 0)
    assert isinstance(await asked(witness, store, 0), Cosigned)
    grow(store, 20)

    assert isinstance(await asked(witness, store, 0), Cosigned)


async def test_a_store_put_back_contradicts(witness: Witness, tmp_path: Path) -> None:
    """It has fewer entries than the witness cosigned."""
    store = open_store(tmp_path / "s0")
    grow(store, 0)
    copy_store(tmp_path / "s0", tmp_path / "older")
    grow(store, 20)
    assert isinstance(await asked(witness, store, 0), Cosigned)

    answer = await asked(witness, open_store(tmp_path / "older"), 60)
    assert answer == Contradicted("has cosigned 120 entries and there are 60")


@pytest.mark.parametrize("more", [0, 5])
async def test_a_fork_contradicts(witness: Witness, tmp_path: Path, more: int) -> None:
    """The same number of entries or more, signed by the log's own key, and another history."""
    store, other = open_store(tmp_path / "s0"), open_store(tmp_path / "fork")
    grow(store, 0)
    grow(other, 1, 20 + more)
    assert isinstance(await asked(witness, store, 0), Cosigned)

    for old in (0, 60):
        assert isinstance(await asked(witness, other, old), Contradicted)


async def test_a_witness_that_does_not_know_the_log_or_its_key_has_not_answered(
    witness: Witness, tmp_path: Path
) -> None:
    """Not set up for us: an alarm, and no contradiction."""
    stranger = ShardStore.open(
        tmp_path / "a", "stranger/s0", KEY, connection=connection_of(tmp_path / "a")
    )
    impostor = ShardStore.open(
        tmp_path / "b",
        ORIGIN,
        Ed25519PrivateKey.generate(),
        connection=connection_of(tmp_path / "b"),
    )

    assert await asked(witness, stranger, 0) == Unanswered("it answers 404")
    assert await asked(witness, impostor, 0) == Unanswered("it answers 403")


async def test_another_key_than_the_one_configured_has_not_cosigned(
    small: SmallWitness, tmp_path: Path
) -> None:
    """Whoever answers at the address must sign with the witness's own key."""
    with small_witness(LOGS) as other:
        swapped = msgspec.structs.replace(small.witness, url=other.witness.url)
        answer = await asked(swapped, open_store(tmp_path), 0)

    assert isinstance(answer, Unanswered)
    assert "no cosignature" in answer.why


class Shard:
    """A shard's folder, its file of the last cosigned checkpoint, and the step between record and send."""

    def __init__(self, folder: Path, *witnesses: Witness, **policy: object) -> None:
        self.folder = folder / "ledger" / "s0"
        self.store = open_store(self.folder)
        self.policy = WitnessPolicy(
            **{"witnesses": witnesses, "quorum": len(witnesses), "timeout_s": 1.0, **policy}  # type: ignore[arg-type]
        )
        self.last = LastCosigned(folder / "witnessed" / "s0.checkpoint", LOGS[ORIGIN])

    async def confirm(self) -> None:
        """As a process does that was started just now."""
        witnessing = Witnessing("s0", self.store, self.policy, self.last)
        try:
            await witnessing.confirm()
        finally:
            await witnessing.close()

    def published(self) -> str:
        """The checkpoint as outsiders see it."""
        self.store.publish_tiles()
        return (self.folder / "checkpoint").read_text()

    def put_back(self, older: Path) -> None:
        """The store's folder as it was."""
        self.store.close()
        remove_store(self.folder)
        copy_store(older, self.folder)
        self.store = open_store(self.folder)


async def test_the_published_checkpoint_carries_what_the_quorum_cosigned(
    small: SmallWitness, tmp_path: Path
) -> None:
    """Two of two, with their keys beside it; the file outside the store has the same."""
    with small_witness(LOGS, "witness.example/second") as second:
        shard = Shard(tmp_path, small.witness, second.witness)
        grow(shard.store, 0)
        await shard.confirm()
        note = shard.published()

    assert cosigners(note, [small.key, second.key]) == {small.key.name, second.key.name}
    assert (tmp_path / "witnessed/s0.checkpoint").read_text().splitlines()[:3] == note.splitlines()[
        :3
    ]
    keys = (shard.folder / "witness.vkeys").read_text().splitlines()
    assert sorted(keys) == sorted([small.key.text, second.key.text])
    shard.store.close()
    shard.store = open_store(shard.folder)
    assert shard.published() == note


async def test_one_round_trip_a_batch(small: SmallWitness, tmp_path: Path) -> None:
    """However many events it holds; none where nothing was recorded."""
    shard = Shard(tmp_path, small.witness)
    witnessing = Witnessing("s0", shard.store, shard.policy, shard.last)
    for batch in range(5):
        grow(shard.store, 100 * batch, 50)
        await witnessing.confirm()
        await witnessing.confirm()
    await witnessing.close()

    assert small.asked == 5


@pytest.mark.parametrize("witnesses", ["configured", "none"])
async def test_a_store_put_back_is_refused_before_anybody_is_asked(
    small: SmallWitness, tmp_path: Path, witnesses: str
) -> None:
    """The file outside the store knows better; taking the witnesses out of the settings does not help."""
    shard = Shard(tmp_path, small.witness)
    grow(shard.store, 0)
    await shard.confirm()
    copy_store(shard.folder, tmp_path / "older")
    grow(shard.store, 20)
    await shard.confirm()
    shard.put_back(tmp_path / "older")
    asked_before = small.asked
    if witnesses == "none":
        shard.policy = WitnessPolicy()

    with pytest.raises(ContradictionError, match="cosigned 120 entries and the store has 60"):
        await shard.confirm()
    grow(shard.store, 500, 20)
    with pytest.raises(ContradictionError, match="do not continue"):
        await shard.confirm()
    assert small.asked == asked_before


@pytest.mark.parametrize("if_unreachable", ["deliver", "wait"])
async def test_a_whole_machine_put_back_is_refused_by_the_witness(
    small: SmallWitness, tmp_path: Path, if_unreachable: str
) -> None:
    """Store and file are as old as each other: only the witness remembers, whatever the policy."""
    shard = Shard(tmp_path, small.witness, if_unreachable=if_unreachable)
    grow(shard.store, 0)
    await shard.confirm()
    copy_store(shard.folder, tmp_path / "older")
    shutil.copytree(tmp_path / "witnessed", tmp_path / "older-file")
    grow(shard.store, 20)
    await shard.confirm()
    shard.put_back(tmp_path / "older")
    shutil.rmtree(tmp_path / "witnessed")
    shutil.copytree(tmp_path / "older-file", tmp_path / "witnessed")

    with pytest.raises(ContradictionError, match="has cosigned 120 entries and there are 60"):
        await shard.confirm()
    grow(shard.store, 500, 20)
    with pytest.raises(ContradictionError, match="does not find the 120 entries to continue"):
        await shard.confirm()


async def test_deliver_goes_on_without_a_witness_and_catches_up(
    small: SmallWitness, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An alarm now; the next cosignature proves the whole way, and what was published is cosigned then."""
    shard = Shard(tmp_path, small.witness, if_unreachable="deliver")
    grow(shard.store, 0)
    await shard.confirm()
    small.stop()
    grow(shard.store, 20)
    await shard.confirm()
    assert cosigners(shard.published(), [small.key]) == frozenset()
    assert "witness_quorum_missed" in capfd.readouterr().out

    small.start()
    await shard.confirm()
    assert cosigners(shard.published(), [small.key]) == {small.key.name}


async def test_wait_sends_nothing_until_the_witness_is_back(
    small: SmallWitness, tmp_path: Path
) -> None:
    """It asks again and again; what is recorded stays recorded."""
    shard = Shard(tmp_path, small.witness, if_unreachable="wait")
    grow(shard.store, 0)
    small.stop()
    waiting = asyncio.create_task(shard.confirm())
    await asyncio.sleep(0.7)
    assert not waiting.done()

    small.start()
    await asyncio.wait_for(waiting, 10)
    assert cosigners(shard.published(), [small.key]) == {small.key.name}


async def test_a_slow_witness_is_waited_for_no_longer_than_the_policy_says(
    small: SmallWitness, tmp_path: Path
) -> None:
    """Slow within the time is cosigned; slower than it counts as unreachable."""
    shard = Shard(tmp_path, small.witness, timeout_s=2.0)
    grow(shard.store, 0)
    small.delay_s = 0.3
    await shard.confirm()
    assert cosigners(shard.published(), [small.key]) == {small.key.name}

    shard.policy = msgspec.structs.replace(shard.policy, timeout_s=0.2)
    small.delay_s = 1.0
    grow(shard.store, 20)
    await shard.confirm()
    assert cosigners(shard.published(), [small.key]) == frozenset()


@pytest.mark.parametrize("point", ["ledger.witnessed", "after"])
async def test_a_kill_around_the_witness_leaves_nothing_that_stops_the_next(
    small: SmallWitness, tmp_path: Path, point: str
) -> None:
    """Killed after the witness answered, before or after that was written down: the next one goes on."""
    shard = Shard(tmp_path, small.witness)
    grow(shard.store, 0)
    shard.store.close()

    def work() -> None:
        child = Shard(tmp_path, small.witness)
        witnessing = Witnessing("s0", child.store, child.policy, child.last, f"{point}:1")
        asyncio.run(witnessing.confirm())
        os.kill(os.getpid(), signal.SIGKILL)

    assert await asyncio.to_thread(in_child, work) == -signal.SIGKILL
    shard = Shard(tmp_path, small.witness)
    grow(shard.store, 20)
    await shard.confirm()
    assert cosigners(shard.published(), [small.key]) == {small.key.name}


GOOD = """\
quorum: 1
witnesses:
  - key: {key}
    url: https://witness.example
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("quorum: 1", "quorum: 2"), "quorum 2 of 1 witnesses"),
        (("quorum: 1", "quorum: 0"), "greater than or equal to 1"),
        (("https://", "ftp://"), "url"),
        (("quorum: 1", "quorum: 1\nif_unreachable: hope"), "if_unreachable"),
        (("+", "-"), "key"),
        (("witnesses:", "witness:"), "witness"),
        (("quorum: 1", "{"), "no file of witnesses"),
    ],
)
def test_a_witnesses_file_that_cannot_be_used_says_why(
    small: SmallWitness, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    """Nobody believes to be witnessed who is not."""
    path = tmp_path / "witnesses.yaml"
    good = GOOD.format(key=small.key.text)
    path.write_text(good)
    assert read_witnesses(path).witnesses == (Witness(small.key, "https://witness.example/"),)
    assert read_witnesses(path).if_unreachable == "deliver"

    path.write_text(good.replace(*change, 1))
    with pytest.raises(WitnessesError, match=said):
        read_witnesses(path)


def test_without_a_file_there_are_no_witnesses(tmp_path: Path) -> None:
    """And a file that is named must be there."""
    assert read_witnesses(None) == WitnessPolicy()
    with pytest.raises(WitnessesError, match="BROKER_WITNESSES"):
        read_witnesses(tmp_path / "absent.yaml")
