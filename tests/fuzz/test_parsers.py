"""Whatever bytes arrive: taken or refused in words, never a crash, a hang or memory without bound."""

from __future__ import annotations

import resource
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.bounds import MAX_ITEMS, NotReadableError, TooManyItemsError, check_items, walker
from broker.model.codec import MARKER, CodecError, decode, encode
from broker.model.schemas import fingerprint_of, parsed_schemas
from tests.builders import concern, random_body
from tests.fuzz.mutations import changed
from tests.fuzz.targets import run, targets

CASES = {
    "nouns": 3_000,
    "record": 2_500,
    "signed-payload": 2_500,
    "signed-action": 2_000,
    "signed-statement": 2_500,
    "opened": 2_500,
    "agreement": 500,
    "plain-yaml": 2_500,
    "street-rows": 1_500,
    "note": 3_000,
}
"""Of each target; together more than 20,000. `make fuzz` tries at least a million."""
NOUNS = sorted(parsed_schemas())


def test_the_names_are_those_of_the_targets() -> None:
    """No parser is left out of the fuzz."""
    assert set(CASES) == set(targets())
    assert sum(CASES.values()) > 20_000


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_parser_takes_its_seeds(name: str) -> None:
    """What the fuzz begins from is sound: otherwise it would only knock at the door."""
    for seed in targets()[name].seeds:
        assert run(targets()[name], seed)


@pytest.mark.slow
@pytest.mark.timeout(170)
@pytest.mark.parametrize("name", sorted(CASES))
def test_no_bytes_crash_a_parser(name: str) -> None:
    """Thousands of damaged inputs: each is taken or refused, and memory does not grow with their number."""
    target = targets()[name]

    @settings(
        max_examples=CASES[name],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(changed(target.seeds))
    def law(data: bytes) -> None:
        run(target, data)

    law()


@pytest.mark.parametrize("name", ["nouns", "record", "note", "plain-yaml"])
def test_memory_does_not_grow_with_the_number_of_bad_inputs(name: str) -> None:
    """The same bad bytes again and again leave nothing behind."""
    target = targets()[name]
    bad = [seed[: len(seed) // 2] for seed in target.seeds]
    for one in bad * 20:
        run(target, one)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for one in bad * (400 // len(bad)):
        run(target, one)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown < 100_000


@pytest.mark.parametrize("noun", NOUNS)
def test_the_walk_ends_where_the_reader_ends(noun: str) -> None:
    """Counting goes over random records of every noun exactly, and refuses every one cut short."""
    schema = parsed_schemas()[noun]
    walk = walker(schema)
    for _ in range(20):
        body = random_body(schema)

        assert walk(body, 0, [10**9]) == len(body)
        with pytest.raises(NotReadableError):
            check_items(walk, body[:-1], 0, 10**9)


@given(extra=st.integers(1, 50))
def test_one_entry_too_many_is_refused(extra: int) -> None:
    """The limit is what it says: so many list entries and none more."""
    walk = walker({"type": "array", "items": "boolean"})

    def listed(count: int) -> bytes:
        header = bytearray()
        value = count << 1
        while value > 0x7F:
            header.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*header, value]) + bytes(count) + b"\x00"

    check_items(walk, listed(1000), 0, 1000)
    with pytest.raises(TooManyItemsError):
        check_items(walk, listed(1000 + extra), 0, 1000)


def bomb() -> bytes:
    """An event of a megabyte whose list of derived-from ids has almost a million empty entries."""
    honest = encode(concern(derived_from=("x-marks-the-list",)))
    name = b"x-marks-the-list"
    at = honest.index(name) - 2
    count = 900_000
    header, value = bytearray(), count << 1
    while value > 0x7F:
        header.append(value & 0x7F | 0x80)
        value >>= 7
    header.append(value)
    assert honest[at] == 2  # one entry
    return honest[:at] + bytes(header) + bytes(count) + honest[at + 2 + len(name) :]


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    """A million entries in a megabyte: refused, with less memory than the bytes themselves took twice."""
    data = bomb()
    assert len(data) > MAX_ITEMS
    tracemalloc.start()
    with pytest.raises(CodecError, match="list entries") as refused:
        decode(data, t.ConcernEvent)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert refused.value.reason == "too_large"
    assert peak < 2 * len(data)


@pytest.mark.parametrize("noun", NOUNS)
def test_a_length_that_is_not_there_takes_no_memory(noun: str) -> None:
    """Every place in a record where a length could stand, set to the largest there is."""
    writer = parsed_schemas()[noun]
    body = random_body(writer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in range(0, len(body), max(1, len(body) // 60)):
        data = MARKER + fingerprint_of(writer) + body[:at] + b"\xfe\xff\xff\xff\xff\x0f" + body[at:]
        try:
            decode(data, getattr(t, noun))
        except CodecError:
            continue

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
