"""The retention policy agrees with what Kafka is told, and with what waits for a person."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from broker.policies import PolicyFileError
from broker.policies.retention import FILE, load_retention
from broker.record import HELD_FOR
from broker.shell.erasing import dates_of
from broker.shell.settings import Settings
from broker.shell.topics import load_topics

POLICIES = Settings().policies_dir
NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
NOTHING_OF_A_SUBJECT = {"progress.v1", "withdrawn.v1.{org}"}
"""Topics with ids of alerts and of shards only."""
TABLES_AND_KEYS = {"subject_key", "sealed_facts", "decide_tables", "intake_tables", "changelogs"}


def test_topics_are_kept_as_long_as_the_policy_says() -> None:
    """Every topic that forgets by time is in the policy, with the same period."""
    topics = load_topics().topics
    told = {
        one.name: datetime.timedelta(milliseconds=one.retention)
        for one in topics
        if one.retention is not None
    }

    assert dict(load_retention(POLICIES).topics) == told


def test_what_waits_can_still_be_read_when_a_person_looks() -> None:
    """A part is read again from parts.v1: it waits for no longer than that keeps it, less a margin."""
    policy = load_retention(POLICIES)

    assert policy.waiting == HELD_FOR
    assert HELD_FOR + policy.margin <= policy.topics["parts.v1"]


def test_facts_are_kept_until_nothing_waits_and_nothing_can_be_taken_back() -> None:
    """Time runs out for a subject only after every topic has forgotten the newest set about it."""
    policy = load_retention(POLICIES)

    assert policy.keeps_facts > max(policy.topics.values()) + policy.margin


def test_a_certificate_dates_every_store_that_may_hold_something_of_a_subject() -> None:
    """No topic is left out but those that hold nothing; done is now, all else is later."""
    dates = dates_of(load_retention(POLICIES), NOW)
    named = {one.store for one in dates}
    topics = {one.name for one in load_topics().topics} - NOTHING_OF_A_SUBJECT

    assert named == TABLES_AND_KEYS | {name.removesuffix(".{org}") for name in topics}
    assert all(one.at == NOW for one in dates if one.by is None)
    assert all(one.by > NOW for one in dates if one.by is not None)


def test_another_figure_is_another_policy_and_another_comment_is_not(tmp_path: Path) -> None:
    """Certificates name the hash of what the file says."""
    shutil.copytree(POLICIES / "retention", tmp_path / "retention")
    path = tmp_path / FILE
    text = path.read_text()
    first = load_retention(tmp_path).content_hash
    path.write_text(text + "\n# a remark\n")
    assert load_retention(tmp_path).content_hash == first
    path.write_text(text.replace("days: 28", "days: 42"))
    assert load_retention(tmp_path).content_hash != first


@pytest.mark.parametrize("wrong", ["days: 0", "days: many", "dayz: 28"])
def test_a_policy_that_is_not_one_is_named_with_its_line(tmp_path: Path, wrong: str) -> None:
    """Nothing is erased by figures that nobody wrote."""
    shutil.copytree(POLICIES / "retention", tmp_path / "retention")
    path = tmp_path / FILE
    path.write_text(path.read_text().replace("days: 28", wrong))

    with pytest.raises(PolicyFileError, match=r"facts"):
        load_retention(tmp_path)
