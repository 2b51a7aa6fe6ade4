"""Plays a scenario elsewhere: every code of one region replaced by its counterpart in another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

WEST_MIDLANDS_TO_GREATER_MANCHESTER: Mapping[str, str] = {
    "E08000031": "E08000008",  # Wolverhampton -> Tameside
    "E08000028": "E08000003",  # Sandwell -> Manchester
    "E08000030": "E08000004",  # Walsall -> Oldham
    "E08000027": "E08000007",  # Dudley -> Stockport
    "E10000028": "E10000007",  # Staffordshire -> Derbyshire
    "E08000025": "E08000009",  # Birmingham -> Trafford
    "E06000051": "E06000049",  # Shropshire -> Cheshire East
    "E23000014": "E23000005",  # West Midlands Police -> Greater Manchester Police
    "E23000015": "E23000018",  # Staffordshire Police -> Derbyshire Constabulary
    "E23000016": "E23000006",  # West Mercia Police -> Cheshire Constabulary
    "ICB-BLACK-COUNTRY": "ICB-GREATER-MANCHESTER",
    "ICB-SHROPSHIRE": "ICB-CHESHIRE-EAST",
    "SCH-WV-001": "SCH-TM-001",
    "SCH-SW-001": "SCH-MN-001",
    "SCH-WS-001": "SCH-OL-001",
    "SCH-DY-001": "SCH-SK-001",
    "SCH-SH-001": "SCH-CE-001",
    "NHS-WV-001": "NHS-TM-001",
    "ADV-WM-001": "ADV-GM-001",
    "CHA-WM-001": "CHA-GM-001",
}
"""The two regions of the demonstration; policies/organisations/README.md says why they fit."""


def transpose(value: Any, mapping: Mapping[str, str]) -> Any:
    """`value` with every code of `mapping` replaced, all at once, wherever a text holds one.

    Takes text, mappings (keys too), lists, tuples and msgspec structs; anything else is returned as
    it is. A code inside a longer word is left alone.
    """
    codes = "|".join(re.escape(code) for code in sorted(mapping, key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9-])(?:{codes})(?![A-Za-z0-9-])")
    return _transposed(value, pattern, mapping)


def _transposed(value: Any, pattern: re.Pattern[str], mapping: Mapping[str, str]) -> Any:
    if type(value) is str:
        return pattern.sub(lambda found: mapping[found[0]], value)
    if isinstance(value, Mapping):
        return {
            _transposed(key, pattern, mapping): _transposed(one, pattern, mapping)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_transposed(one, pattern, mapping) for one in value]
    if isinstance(value, tuple):
        return tuple(_transposed(one, pattern, mapping) for one in value)
    if isinstance(value, msgspec.Struct):
        changes = {
            name: _transposed(getattr(value, name), pattern, mapping)
            for name in value.__struct_fields__
        }
        return msgspec.structs.replace(value, **changes)
    return value
