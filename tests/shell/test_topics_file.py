"""The topics file is read strictly, and topic names can hold nothing personal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.topics import TopicsError, load_topics

DAY_MS = 86_400_000
ENTRY = """\
version: 1
topics:
  - name: parts.v1
    doc: A doc that is long enough to say something.
    holds: [Alert]
    partitions: 2
    cleanup: delete
    retention: 7d
    segment: 6h
    max_bytes: 4096
    writers: [intake]
    readers: [decide]
"""


def read(folder: Path, text: str):
    path = folder / "topics.yaml"
    path.write_text(text, encoding="utf-8")
    return load_topics(path)


def test_the_file_has_every_topic_of_the_flow_with_its_retention() -> None:
    """Concerns and parts are forgotten after 7 days, alerts after 14; the rest is compacted."""
    topics = {topic.name: topic for topic in load_topics().topics}
    assert set(topics) == {
        "concerns.v1.{org}",
        "actions.v1.{org}",
        "parts.v1",
        "decisions.v1",
        "progress.v1",
        "held.v1",
        "manual.v1",
        "alerts.v1.{org}",
        "receipts.v1.{org}",
        "withdrawn.v1.{org}",
    }
    assert topics["concerns.v1.{org}"].retention == 7 * DAY_MS
    assert topics["parts.v1"].retention == 7 * DAY_MS
    assert topics["alerts.v1.{org}"].retention == 14 * DAY_MS
    assert {n for n, t in topics.items() if t.cleanup == "compact"} == {
        "progress.v1",
        "held.v1",
        "withdrawn.v1.{org}",
    }


def test_an_organisation_writes_and_reads_only_topics_that_carry_its_name() -> None:
    """The role `owner` stands in topics of one organisation only; none is open to all."""
    for topic in load_topics().topics:
        owned = "owner" in topic.writers or "owner" in topic.readers
        assert owned == topic.per_organisation
        assert not ("owner" in topic.writers and "owner" in topic.readers)


@given(st.text(min_size=1, max_size=80))
def test_a_topic_name_holds_only_letters_digits_and_hyphens_of_a_code(code: str) -> None:
    """Any other code is refused, whatever it holds."""
    topics = load_topics()
    if re.fullmatch(r"[A-Za-z0-9-]{1,64}", code):
        assert f"alerts.v1.{code}" in topics.named([code])
    else:
        with pytest.raises(TopicsError, match="cannot be part of a topic's name"):
            topics.named([code])


def test_each_organisation_gets_each_pattern_once() -> None:
    """Two organisations: five topics each, and the five fixed ones."""
    assert len(load_topics().named(["A", "B"])) == 5 * 2 + 5


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("partitions: 2", "partitions: 0", r"parts\.v1\.partitions"),
        ("retention: 7d", "retention: 7 weeks", r"such as 7d or 36h"),
        ("retention: 7d", "compact_within: 1d", r"retention belongs to cleanup: delete"),
        ("readers: [decide]", "readers: [everyone]", r"parts\.v1\.readers"),
        ("readers: [decide]", "readers: [owner]", r"has an owner"),
        ("name: parts.v1", "name: parts", r"must look like word\.v1"),
        ("segment: 6h", "segment: 6h\n    sgement: 6h", r"parts\.v1\.sgement"),
        ("version: 1", "version: [", r"cannot be read as YAML"),
    ],
)
def test_a_mistake_is_named_with_its_topic_and_field(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """What is wrong, and in which topic, is in the message; the unchanged file is accepted."""
    assert read(tmp_path, ENTRY).topics
    with pytest.raises(TopicsError, match=complaint):
        read(tmp_path, ENTRY.replace(old, new))


def test_a_topic_given_twice_is_refused(tmp_path: Path) -> None:
    """Two entries of one name would hide one of them."""
    with pytest.raises(TopicsError, match=r"given more than once: parts\.v1"):
        read(tmp_path, ENTRY + ENTRY.partition("topics:\n")[2])
