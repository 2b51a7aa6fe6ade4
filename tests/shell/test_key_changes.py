"""Rotation and revocation as they lie in the key folder: announced, with overlap, never in the past."""

from __future__ import annotations

import datetime
import itertools
import time
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from broker.model.key_terms import Standing
from broker.model.sealer import open_rows
from broker.model.sealing import SealError, seal, unseal
from broker.shell.epochs import read_epochs
from broker.shell.key_changes import KeyKind, register_public, revoke, rotate, shown
from broker.shell.key_errors import KeysError
from broker.shell.key_register import PublicKey, Use, read_register
from broker.shell.key_ring import KeyRing, LedgerSigners, OwnKeys
from broker.shell.keys import (
    DESK,
    load_agency_keys,
    load_broker_keys,
    make_keys,
    next_epoch,
    unwrap,
)

SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def keys_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two organisations' keys; a change is in force at once, where a process has a few seconds."""
    monkeypatch.setattr("broker.shell.key_register.ANNOUNCED", datetime.timedelta())
    monkeypatch.setattr("broker.shell.key_ring.LOOK_EVERY_S", 0.0)
    make_keys(tmp_path, ["A", "B"])
    return tmp_path


def passed(moment: datetime.datetime) -> None:
    """Returns when that moment has come."""
    while now() < moment:
        time.sleep(0.02)


def test_publishers_sign_with_old_and_new_while_they_overlap(keys_dir: Path) -> None:
    """The new key from its moment, the old one until a week after; then only the new one."""
    change = rotate(keys_dir, KeyKind.SIGNING, "A")
    terms = load_broker_keys(keys_dir).publisher_terms
    standing = {
        when: [terms["A", one].standing(change.in_force_from + when) for one in ("key-1", "key-2")]
        for when in (-SECOND, 0 * SECOND, 6 * DAY, 7 * DAY)
    }

    force, ended, ahead = Standing.IN_FORCE, Standing.ENDED, Standing.NOT_YET
    assert list(standing.values()) == [
        [force, ahead],
        [force, force],
        [force, force],
        [ended, force],
    ]
    assert [one.standing(change.in_force_from) for one in terms.values()].count(force) == 4


def test_a_client_takes_its_new_key_without_a_restart(keys_dir: Path) -> None:
    """As soon as it is in force, and no sooner."""
    client = OwnKeys(keys_dir, "A")
    change = rotate(keys_dir, KeyKind.SIGNING, "A")
    before = client.current().identity.key_id
    passed(change.in_force_from)

    assert (before, client.current().identity.key_id) == ("key-1", "key-2")
    assert load_agency_keys(keys_dir, "B").identity.key_id == "key-1"


def test_what_is_sealed_after_a_rotation_opens_with_the_new_key_and_before_it_with_the_old(
    keys_dir: Path,
) -> None:
    """Who has both opens both; a thief of the old one reads nothing new."""
    ring = KeyRing(keys_dir)
    thief = load_agency_keys(keys_dir, "A").sealing_key
    change = rotate(keys_dir, KeyKind.SEALING, "A")
    old = ring.at(change.in_force_from - SECOND).sealer.data_keys["A"]
    new = ring.at(change.in_force_from).sealer.data_keys["A"]
    passed(change.in_force_from)
    agency = load_agency_keys(keys_dir, "A")

    for key in (old, new):
        opened = unwrap("A", key.key_id, key.wrapped, agency.sealing_key, *agency.earlier_sealing)
        assert opened == key.key
    assert unwrap("A", old.key_id, old.wrapped, thief) == old.key
    with pytest.raises(InvalidTag):
        unwrap("A", new.key_id, new.wrapped, thief)


def test_nothing_new_is_sealed_to_a_revoked_key(keys_dir: Path) -> None:
    """Not even in an epoch that was announced before; with no other key the duty desk is told."""
    announced = next_epoch(keys_dir, now() + DAY)
    thief = load_agency_keys(keys_dir, "A").sealing_key
    change = revoke(keys_dir, KeyKind.SEALING, "A", "key-1")
    ring = KeyRing(keys_dir)

    assert "A" in ring.at(change.in_force_from - SECOND).sealer.data_keys
    for moment in (change.in_force_from, announced.since):
        sealer = ring.at(moment).sealer
        assert not sealer.connected("A")
        assert sealer.key_for("A") == sealer.desk
        with pytest.raises(InvalidTag):
            unwrap(DESK, sealer.desk.key_id, sealer.desk.wrapped, thief)
    fresh = rotate(keys_dir, KeyKind.SEALING, "A", at=change.in_force_from + 10 * SECOND)
    for moment in (fresh.in_force_from, announced.since):
        key = KeyRing(keys_dir).at(moment).sealer.data_keys["A"]
        with pytest.raises(InvalidTag):
            unwrap("A", key.key_id, key.wrapped, thief)


def test_deciding_again_across_every_rotation_seals_alike(keys_dir: Path) -> None:
    """Whatever was rotated since: the keys for a record follow from Kafka's time of it alone."""
    moment = now()
    before = load_broker_keys(keys_dir, moment)
    for kind, whose in (
        (KeyKind.SEALING, "A"),
        (KeyKind.SIGNING, "B"),
        (KeyKind.PARTS, ""),
        (KeyKind.ROWS, ""),
        (KeyKind.LEDGER, ""),
    ):
        rotate(keys_dir, kind, whose)
    revoke(keys_dir, KeyKind.SEALING, "B", "key-1")
    after = KeyRing(keys_dir).at(moment)

    assert after.sealer == before.sealer
    assert after.parts_key == before.parts_key
    assert after.linkage_key == before.linkage_key
    for one in read_register(keys_dir).keys_of("B", Use.SIGNING):
        assert (one.key_id == "key-1") is one.term.in_force(moment)


def test_rows_of_every_key_open_with_the_file_and_old_ones_with_an_earlier_copy(
    keys_dir: Path,
) -> None:
    """An auditor who holds the file of then reads the rows of then."""
    path = keys_dir / "broker" / "rows.key"
    earlier = path.read_bytes()
    change = rotate(keys_dir, KeyKind.ROWS)
    ring = KeyRing(keys_dir)
    old = ring.at(change.in_force_from - SECOND).sealer.seal_rows(b"old", "1")
    new = ring.at(change.in_force_from).sealer.seal_rows(b"new", "2")

    assert open_rows(path.read_bytes(), old, "1") == b"old"
    assert open_rows(path.read_bytes(), new, "2") == b"new"
    assert open_rows(earlier, old, "1") == b"old"
    with pytest.raises(SealError):
        open_rows(earlier, new, "2")


def test_parts_that_wait_open_after_the_key_of_parts_was_rotated(keys_dir: Path) -> None:
    """Each by the key of its own time."""
    ring = KeyRing(keys_dir)
    change = rotate(keys_dir, KeyKind.PARTS)
    moments = (change.in_force_from - SECOND, change.in_force_from)
    sealed = [seal(ring.at(one).parts_key, b"part", b"id") for one in moments]

    assert len(set(sealed)) == 2
    for moment, one in zip(moments, sealed, strict=True):
        assert unseal(KeyRing(keys_dir).at(moment).parts_key, one, b"id") == b"part"


def test_the_ledger_signs_with_both_keys_and_after_the_overlap_with_the_new_one(
    keys_dir: Path,
) -> None:
    """Verifiers are given both, as long as neither is revoked."""
    signing = LedgerSigners(keys_dir)
    first = signing.changed()
    change = rotate(keys_dir, KeyKind.LEDGER, overlap=SECOND)
    announced = signing.changed()
    passed(change.in_force_from)
    both = signing.changed()
    passed(change.in_force_from + SECOND)
    one = signing.changed()

    counts = [(len(found.signers), len(found.listed)) for found in (first, both, one) if found]
    assert counts == [(1, 1), (2, 2), (1, 2)]
    assert announced is not None
    assert len(announced.listed) == 2
    assert signing.changed() is None


def test_a_revoked_key_of_the_ledger_is_trusted_by_nobody(keys_dir: Path) -> None:
    """Only where another one signs: a ledger that cannot sign is no ledger."""
    with pytest.raises(KeysError, match="rotate ledger"):
        revoke(keys_dir, KeyKind.LEDGER, "", "key-1")
    old = load_agency_keys(keys_dir, "A").ledger.public_bytes_raw()
    rotate(keys_dir, KeyKind.LEDGER)
    change = revoke(keys_dir, KeyKind.LEDGER, "", "key-1")
    passed(change.in_force_from)
    agency = load_agency_keys(keys_dir, "A")

    assert old not in [one.public_bytes_raw() for one in (agency.ledger, *agency.earlier_ledger)]
    found = LedgerSigners(keys_dir).changed()
    assert found is not None
    assert old not in [one.public_bytes_raw() for one in found.listed]


def test_a_ledger_whose_key_was_lost_goes_on_with_the_next_one(keys_dir: Path) -> None:
    """Nothing that was signed is lost; the lost key is listed for verifiers until it is revoked."""
    (keys_dir / "broker" / "ledger.pem").unlink()
    with pytest.raises(KeysError, match="rotate ledger"):
        load_broker_keys(keys_dir)
    change = rotate(keys_dir, KeyKind.LEDGER)
    signing = LedgerSigners(keys_dir)
    assert signing.changed() is None
    passed(change.in_force_from)
    found = signing.changed()

    assert found is not None
    assert (len(found.signers), len(found.listed)) == (1, 2)
    assert len(load_broker_keys(keys_dir).ledger_keys) == 1


def test_no_change_reaches_into_the_past(tmp_path: Path) -> None:
    """What was taken in was judged: a change is announced, so that every process knows of it."""
    make_keys(tmp_path, ["A"])
    for made in (
        lambda: rotate(tmp_path, KeyKind.SIGNING, "A", at=now() - DAY),
        lambda: revoke(tmp_path, KeyKind.SIGNING, "A", "key-1", at=now()),
    ):
        with pytest.raises(KeysError, match="announced"):
            made()
    change = revoke(tmp_path, KeyKind.SIGNING, "A", "key-1")
    assert change.in_force_from - now() > 2 * SECOND


def test_two_changes_of_one_moment_share_an_epoch(keys_dir: Path) -> None:
    """And both are in it."""
    at = (now() + DAY).replace(microsecond=0)
    thieves = {one: load_agency_keys(keys_dir, one).sealing_key for one in ("A", "B")}
    for one in ("A", "B"):
        rotate(keys_dir, KeyKind.SEALING, one, at=at)
    sealer = KeyRing(keys_dir).at(at).sealer

    assert len(read_epochs(keys_dir / "broker")) == 2
    for code, thief in thieves.items():
        key = sealer.data_keys[code]
        with pytest.raises(InvalidTag):
            unwrap(code, key.key_id, key.wrapped, thief)


def test_a_key_that_is_not_there_is_not_revoked(keys_dir: Path) -> None:
    """The error says where all are listed; kinds without revocation say what to do instead."""
    for kind, whose, key_id in (
        (KeyKind.SIGNING, "A", "key-7"),
        (KeyKind.SIGNING, "NOBODY", "key-1"),
        (KeyKind.PARTS, "", "epoch-1"),
    ):
        with pytest.raises(KeysError, match=r"broker keys|name its code"):
            revoke(keys_dir, kind, whose, key_id)


def test_what_is_shown_of_keys_is_public(keys_dir: Path) -> None:
    """No byte of any private key, in whatever form."""
    rotate(keys_dir, KeyKind.LEDGER)
    text = repr(shown(keys_dir, now()))
    secrets = [
        (keys_dir / "broker" / name).read_bytes() for name in ("linkage.key", "rows.key")
    ] + [load_agency_keys(keys_dir, "A").sealing_key.private_bytes_raw()]

    assert {one.kind for one in shown(keys_dir, now())} == {
        *("signing", "sealing", "ledger", "intake", "parts", "data", "rows")
    }
    assert not [one for one in secrets if one.hex() in text]


def test_a_registered_key_is_ended_and_never_replaced(keys_dir: Path) -> None:
    """Under one id there is one key for good: what it signed can always be judged."""
    first = read_register(keys_dir).organisations["A"]
    other = PublicKey(Use.SIGNING, "key-2", bytes(range(32)))
    assert [one.key_id for one in register_public(keys_dir, {"A": (*first, other)})] == ["key-2"]
    assert register_public(keys_dir, {"A": (*first, other)}) == ()

    stolen = msgspec.structs.replace(first[0], public=bytes(32))
    for wrong in ((other,), (stolen, first[1], other)):
        with pytest.raises(KeysError, match="A: the signing key key-1 was registered"):
            register_public(keys_dir, {"A": wrong})


def test_a_new_sealing_key_that_is_registered_takes_a_new_epoch(keys_dir: Path) -> None:
    """Its owner holds the private half; nothing is sealed to the old one any more."""
    theirs = load_agency_keys(keys_dir, "B").sealing_key
    first = read_register(keys_dir).organisations["A"]
    ended = tuple(
        msgspec.structs.replace(one, term=msgspec.structs.replace(one.term, valid_to=now()))
        if one.use is Use.SEALING
        else one
        for one in first
    )
    fresh = PublicKey(Use.SEALING, "key-2", theirs.public_key().public_bytes_raw())
    (*_, change) = register_public(keys_dir, {"A": (*ended, fresh)})
    key = KeyRing(keys_dir).at(change.in_force_from).sealer.data_keys["A"]

    assert unwrap("A", key.key_id, key.wrapped, theirs) == key.key


def test_ids_of_keys_only_rise(keys_dir: Path) -> None:
    """None is used twice, also after a revocation."""
    at = (now() + DAY).replace(microsecond=0)
    ids = []
    for number in range(3):
        change = rotate(keys_dir, KeyKind.SIGNING, "A", at=at + number * DAY)
        ids.append(change.key_id)
        revoke(keys_dir, KeyKind.SIGNING, "A", change.key_id)

    assert ids == ["key-2", "key-3", "key-4"]
    assert all(one < other for one, other in itertools.pairwise(ids))
