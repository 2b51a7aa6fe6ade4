"""Looks for bytes wherever a program could have left them, in every form that it could have given them."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

WHOLE_MB = 1 << 20


def forms(value: bytes) -> frozenset[bytes]:
    """The bytes themselves, in hex, and in base64 wherever in a longer text they may begin.

    Of base64 only what does not depend on the neighbours: so one of the three always matches.
    """
    found = {value, value.hex().encode(), value.hex().upper().encode()}
    for before in range(3):
        after = -(before + len(value)) % 3
        padded = bytes(before) + value + bytes(after)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(padded)
            found.add(text[(4 if before else 0) : (len(text) - 4 if after else None)])
    return frozenset(one for one in found if len(one) >= 6)


def text_forms(text: str) -> frozenset[bytes]:
    """The same of words: in UTF-8 and UTF-16, as they stand and in small letters."""
    return frozenset(
        form
        for one in (text, text.lower())
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
        for form in forms(one.encode(encoding))
    )


def data_of(path: Path) -> bytes:
    """What a file holds, without the holes of a sparse one: Kafka reserves 10 MB for each index."""
    pieces = []
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole to its end
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            pieces.append(os.pread(file.fileno(), at - start, start))
    return b"".join(pieces)


def files_below(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of every file; one that vanishes meanwhile is left out."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                try:
                    yield str(path), data_of(path)
                except FileNotFoundError:
                    continue


def holding(
    places: Iterator[tuple[str, bytes]], wanted: Mapping[str, frozenset[bytes]]
) -> set[tuple[str, str]]:
    """(where, what) of everything that was found; `wanted` gives each thing a name that may be shown."""
    return {
        (where, name)
        for where, content in places
        for name, any_of in wanted.items()
        if any(one in content for one in any_of)
    }
