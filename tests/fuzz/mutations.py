"""Changes to sound bytes: what an enemy, a bug or a bad line does to them."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

BOMBS = (
    b"\xff" * 9 + b"\x01",  # the largest Avro length
    b"\xfe\xff\xff\xff\x0f",
    b"\x80" * 12,
    b"[" * 2000,
    b'{"a":' * 500,
    b"- " * 1000,
    b"&a [*a,*a]\n",
    b"\x00" * 64,
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",  # half of a surrogate pair
    "\u202e\u0000\u2028".encode(),
    b"1e999",
    b"-0",
    b"9" * 400,
    b"9999-12-31T23:59:59.999999+23:59",
    b"0001-01-01",
    b"=cmd|' /C calc'!A0",
    struct.pack(">q", -(2**63)),
)
"""Pieces that have hurt parsers before."""


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with a few changes, or something else altogether."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        span = draw(st.sampled_from((1, 1, 2, 4, 16, 200)))
        kind = draw(
            st.sampled_from(("bit", "byte", "cut", "end", "twice", "bomb", "other", "random"))
        )
        if kind == "bit" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + span]
        elif kind == "end":
            del data[at:]
        elif kind == "twice":
            data[at:at] = data[at : at + span]
        elif kind == "bomb":
            data[at : at + span] = draw(st.sampled_from(BOMBS))
        elif kind == "other":
            other = draw(st.sampled_from(seeds))
            data[at : at + span] = other[at : at + span * 4]
        else:
            data[at : at + span] = draw(st.binary(max_size=32))
    return bytes(data)
