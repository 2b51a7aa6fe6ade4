"""Tiles and entry bundles: names, layout, and bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales.tiles import tile_path

from broker.ledger import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    Tile,
    TileError,
    changed_tiles,
    decode_bundle,
    encode_bundle,
    partial_tiles,
)


@given(st.integers(0, 5), st.integers(0, 10**10), st.integers(1, 256))
def test_a_tile_is_named_as_tlog_tiles_names_it(level: int, number: int, width: int) -> None:
    """Our paths are those of an independent implementation."""
    tile = Tile(level, number, width)
    partial = 0 if width == TILE_WIDTH else width

    assert tile.path == "/".join(tile_path(level, number, partial))
    assert tile.entries_path == "/".join(tile_path(-1, number, partial))
    assert tile.path.startswith(tile.folder)
    assert tile.entries_path.startswith(tile.entries_folder)


@given(st.integers(0, 200_000), st.integers(0, 3_000))
def test_a_growing_log_has_what_it_had_and_what_changed(before: int, more: int) -> None:
    """Full tiles stay; changed ones and unchanged ones together are all; partial ones are the last."""
    size = before + more
    all_tiles = set(changed_tiles(0, size))
    kept = {one for one in changed_tiles(0, before) if one in all_tiles}
    changed = set(changed_tiles(before, size))

    assert kept | changed == all_tiles
    assert {one for one in all_tiles if one.width < TILE_WIDTH} == set(partial_tiles(size))
    assert all(one.width < TILE_WIDTH for one in set(changed_tiles(0, before)) - kept)
    assert sum(one.width for one in all_tiles if one.level == 0) == size


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    """Encoding and decoding are each other's inverse."""
    assert decode_bundle(encode_bundle(entries)) == entries


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=9), st.data())
def test_a_cut_bundle_is_never_read_as_whole(entries: list[bytes], data: st.DataObject) -> None:
    """Cut between two entries: the ones before; cut elsewhere: an error, never an altered entry."""
    whole = encode_bundle(entries)
    at = data.draw(st.integers(0, len(whole) - 1))
    before = [one for one in range(len(entries)) if len(encode_bundle(entries[:one])) == at]
    if before:
        assert decode_bundle(whole[:at]) == entries[: before[0]]
    else:
        with pytest.raises(TileError, match="cut short"):
            decode_bundle(whole[:at])


def test_an_entry_may_have_65535_bytes_and_no_more() -> None:
    """The length stands in two bytes."""
    assert decode_bundle(encode_bundle([bytes(MAX_ENTRY_BYTES)])) == [bytes(MAX_ENTRY_BYTES)]
    with pytest.raises(TileError, match="65,535"):
        encode_bundle([bytes(MAX_ENTRY_BYTES + 1)])
