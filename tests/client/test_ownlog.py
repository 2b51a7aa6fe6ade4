"""What a client remembers of its own logs: they only grow, and nothing in them is exchanged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.client.ownlog import LogPosition, MissingEntries, OwnLogs

ORIGIN = "broker.example/s0/ORG-A"


def position(index: int, size: int, root: bytes | None = None, leaf: str = "") -> LogPosition:
    """An entry of an honest log: its root is a function of its size."""
    return LogPosition(ORIGIN, index, size, root or str(size).encode(), leaf or f"leaf-{index}")


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_an_honest_log_is_never_objected_to(batches: list[int], data: st.DataObject) -> None:
    """Entries of a log that only grew are taken, in order, and again at any later time."""
    logs, size, sent = OwnLogs(), 0, []
    for batch in batches:
        size += batch
        sent += [position(index, size) for index in range(size - batch, size)]
    for number, one in enumerate(sent):
        assert logs.objection(one) is None
        again = data.draw(st.integers(0, number))
        assert logs.objection(sent[again]) is None
    assert logs.missing(logs.sizes()) == ()


def test_a_later_entry_with_a_smaller_size_is_a_rollback() -> None:
    """A ledger that was put back to an earlier state cannot go on as if nothing had happened."""
    logs = OwnLogs()
    logs.objection(position(4, 10))

    assert "size 10 was signed before" in str(logs.objection(position(5, 6)))
    assert logs.objection(position(3, 6)) is None


def test_one_index_has_one_entry() -> None:
    """Another leaf where one was seen is another history."""
    logs = OwnLogs()
    logs.objection(position(4, 10))

    assert "other content" in str(logs.objection(position(4, 11, leaf="another")))


def test_one_size_has_one_root() -> None:
    """Two roots of one size are two histories."""
    logs = OwnLogs()
    logs.objection(position(4, 10))

    assert "another root" in str(logs.objection(position(5, 10, root=b"another")))


def test_what_was_objected_to_is_not_remembered() -> None:
    """A forged size does not make the honest entries after it look rolled back."""
    logs = OwnLogs()
    logs.objection(position(4, 10))
    logs.objection(position(4, 1000, leaf="forged"))

    assert logs.objection(position(5, 11)) is None


def test_indexes_that_never_came_are_named() -> None:
    """A log of six of which two entries came has four missing; another log is counted for itself."""
    logs = OwnLogs()
    logs.objection(position(1, 6))
    logs.objection(position(4, 6))
    logs.objection(LogPosition("broker.example/s1/ORG-A", 0, 1, b"r", "leaf"))

    assert logs.missing(logs.sizes()) == (MissingEntries(ORIGIN, 6, (0, 2, 3, 5)),)
