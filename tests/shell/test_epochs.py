"""Epochs: what a record is sealed under follows from its time alone; destroyed keys are gone."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.sealing import SealError, seal, unseal
from broker.policies.retention import load_retention
from broker.shell.epochs import Epoch, Kind, destroy, epoch_at, file_of, read_epochs
from broker.shell.key_ring import IntakeEpochs, KeyRing
from broker.shell.keys import (
    KeysError,
    current_epoch,
    load_agency_keys,
    load_broker_keys,
    make_keys,
    next_epoch,
    unwrap,
)
from broker.shell.rotation import destroy_due, due_dates, gone_by, needed, rotate_if_due
from broker.shell.settings import Settings

POLICY = load_retention(Settings().policies_dir)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    make_keys(tmp_path, ["A", "B"])
    return tmp_path


@given(st.lists(st.integers(1, 10_000), min_size=1, unique=True), st.integers(0, 20_000))
def test_the_epoch_of_a_record_is_the_last_one_in_force_at_its_time(
    starts: list[int], at: int
) -> None:
    """Whatever epochs are announced later, and whenever it is asked again."""
    epochs = [Epoch("first", moment(0)), *(Epoch(str(s), moment(s)) for s in sorted(starts))]
    found = epoch_at(epochs, moment(at))

    assert found.since <= moment(at)
    later = [one for one in epochs if one.since > moment(at)]
    assert epoch_at([one for one in epochs if one not in later], moment(at)) == found


def moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def test_before_and_after_a_change_the_same_record_is_sealed_alike(keys_dir: Path) -> None:
    """By the keys in force at its time, also by a process that learns of the change while it runs."""
    ring = KeyRing(keys_dir)
    first = ring.at(NOW)
    next_epoch(keys_dir, NOW + HOUR)
    fresh = KeyRing(keys_dir)

    assert fresh.at(NOW).parts_key == first.parts_key
    assert fresh.at(NOW).sealer == first.sealer
    after = fresh.at(NOW + HOUR)
    assert after.parts_key != first.parts_key
    assert after.sealer.data_keys["A"].key != first.sealer.data_keys["A"].key
    assert after.sealer.pairwise("A", "x") == first.sealer.pairwise("A", "x")
    assert set(after.epoch_keys) == {"epoch-1", "epoch-2"}


def test_a_process_learns_of_an_epoch_without_a_restart(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again within a second; a client then seals to what is in force."""
    monkeypatch.setattr("broker.shell.key_ring.LOOK_EVERY_S", 0.0)
    ring, client = KeyRing(keys_dir), IntakeEpochs(keys_dir)
    before = client.current()
    next_epoch(keys_dir, NOW - HOUR)

    assert "epoch-2" in ring.at(NOW).epoch_keys
    assert (before.name, client.current().name) == ("epoch-1", "epoch-2")


def test_an_announced_epoch_is_used_only_once_it_is_in_force(keys_dir: Path) -> None:
    """Agencies go on with the one before until then."""
    next_epoch(keys_dir, NOW + HOUR)

    assert current_epoch(keys_dir).name == "epoch-1"
    assert load_agency_keys(keys_dir, "A").epoch.name == "epoch-1"


def test_a_recipient_opens_messages_of_every_epoch(keys_dir: Path) -> None:
    """The data key travels wrapped, with the name of its epoch."""
    next_epoch(keys_dir, NOW - HOUR)
    key = load_broker_keys(keys_dir).sealer.data_keys["A"]

    assert key.key_id == "epoch-2"
    private = load_agency_keys(keys_dir, "A").sealing_key
    assert unwrap("A", key.key_id, key.wrapped, private) == key.key


def test_a_destroyed_key_is_overwritten_removed_and_never_made_again(keys_dir: Path) -> None:
    """What was sealed under it does not open; making missing keys leaves it gone."""
    own = keys_dir / "broker"
    old = load_broker_keys(keys_dir)
    sealed = seal(old.parts_key, b"what was said", b"part")
    next_epoch(keys_dir, NOW - HOUR)
    path = file_of(own, "epoch-1", Kind.PARTS)
    with path.open("rb") as kept:
        destroy(own, "epoch-1", Kind.PARTS, NOW)
        kept.seek(0)
        assert kept.read() != old.parts_key
    destroy(own, "epoch-1", Kind.PARTS, NOW + DAY)
    make_keys(keys_dir, ["A", "B", "C"])

    assert not path.exists()
    assert read_epochs(own)[0].gone == {Kind.PARTS: NOW}
    for one in own.iterdir():
        assert old.parts_key not in one.read_bytes()
    with pytest.raises(KeysError, match="destroyed"):
        KeyRing(keys_dir).at(NOW - DAY)
    with pytest.raises(SealError):
        unseal(load_broker_keys(keys_dir).parts_key, sealed, b"part")
    assert "C" in load_broker_keys(keys_dir).sealer.data_keys


def test_an_epoch_has_its_time_and_its_keys_go_when_nothing_needs_them(keys_dir: Path) -> None:
    """Intake's first, then those of parts, then recipients'; never those of the epoch in force."""
    own = keys_dir / "broker"
    fresh = rotate_if_due(keys_dir, POLICY, NOW)
    assert fresh is not None
    assert fresh.since == NOW + POLICY.epochs.notice
    assert rotate_if_due(keys_dir, POLICY, NOW + DAY) is None
    assert destroy_due(keys_dir, POLICY, fresh.since) == []
    gone = []
    for kind in (Kind.INTAKE, Kind.PARTS, Kind.DATA):
        due = fresh.since + needed(POLICY, kind)
        assert destroy_due(keys_dir, POLICY, due - HOUR) == []
        assert destroy_due(keys_dir, POLICY, due) == [("epoch-1", kind)]
        gone.append(due)

    assert gone == sorted(gone)
    assert not read_epochs(own)[1].gone
    assert due_dates(keys_dir, POLICY) == []


def test_what_a_certificate_promises_a_daily_run_keeps(keys_dir: Path) -> None:
    """Every key of the epoch in force at an erasure is destroyed by the date that was stated."""
    own = keys_dir / "broker"
    promised: dict[tuple[str, Kind], datetime.datetime] = {}
    for day in range(50):
        run = NOW + day * DAY
        rotate_if_due(keys_dir, POLICY, run)
        destroy_due(keys_dir, POLICY, run)
        held = {(one.name, kind) for one in read_epochs(own) for kind in Kind if one.holds(kind)}
        assert not [key for key, by in promised.items() if by <= run and key in held]
        for hours in (0, 5, 23):
            asked = run + hours * HOUR
            name = epoch_at(read_epochs(own), asked).name
            for kind in Kind:
                by = gone_by(keys_dir, POLICY, asked)[f"{kind.value}_epoch"]
                promised[name, kind] = min(by, promised.get((name, kind), by))

    assert sum(not one.holds(Kind.DATA) for one in read_epochs(own)) >= 3


def test_keys_of_an_earlier_broker_are_its_first_epoch(keys_dir: Path) -> None:
    """A folder without a list of epochs, and a register with one epoch and no date, still work."""
    (keys_dir / "directory.json").write_text(
        (keys_dir / "directory.json")
        .read_text()
        .replace('"epochs": [', '"epoch_list": [')
        .replace('"organisations"', f'"epoch": {register_epoch(keys_dir)}, "organisations"', 1)
    )

    assert current_epoch(keys_dir).name == "epoch-1"


def register_epoch(keys_dir: Path) -> str:
    public = current_epoch(keys_dir).public_key.public_bytes_raw()
    return json.dumps({"name": "epoch-1", "public_key": base64.b64encode(public).decode()})
