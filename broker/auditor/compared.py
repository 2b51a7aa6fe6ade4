"""Leaves as they were recorded against leaves as they were made again: which field of which differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

CLOSING = "closing"
LEAF = "leaf"
"""Named as the field where a leaf is on one side only, or differs in nothing but its bytes."""
ORDER = "order"
"""Named as the field where the leaves are the same and do not stand as they must, each once."""
MISSING = None
OF_THE_SEAL = frozenset({"recipient_leaf", "receipt", "rows_hash", "channel"})
"""What only the broker's own keys give: whether there is one is compared without them too."""
OF_NO_RULE = frozenset(
    {
        *("kind", "v", "set_id", "publisher", "event_id", "version", "part_id", "round"),
        ORDER,
        *("decided_at", "receipt_set_id", "act_set_id", "facts_hash"),
    }
)
"""What no policy, register or parameter bears on: a change of rules explains no difference in it."""


class Difference(msgspec.Struct, frozen=True):
    """One field of one leaf."""

    leaf: str
    """The recipient of a decision, `closing`, or `all`."""
    field: str
    recorded: Any
    derived: Any

    @property
    def may_be_a_rules(self) -> bool:
        """Whether a change of rules can explain it."""
        return self.field not in OF_NO_RULE


def compare_leaves(
    recorded: Sequence[bytes], derived: Sequence[bytes], *, sealed: bool
) -> tuple[Difference, ...]:
    """Every difference, in the order of the log; none only where all bytes are the same.

    Without `sealed` the values of `OF_THE_SEAL` are not compared, for they were made under stand-in
    keys. Raises ValueError for a leaf that cannot be read.
    """
    if sealed and tuple(recorded) == tuple(derived):
        return ()
    names, expected = [_name(one) for one in recorded], [_name(one) for one in derived]
    before = dict(zip(names, recorded, strict=True))
    after = dict(zip(expected, derived, strict=True))
    found: list[Difference] = []
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            here, there = name in before, name in after
            found.append(Difference(name, LEAF, _whether(here), _whether(there)))
        else:
            found += _fields(name, before[name], after[name], sealed=sealed)
    if names != expected and not found:
        found.append(Difference("all", ORDER, names, expected))
    return tuple(found)


def _fields(name: str, recorded: bytes, derived: bytes, *, sealed: bool) -> list[Difference]:
    if recorded == derived:
        return []
    before, after = msgspec.json.decode(recorded), msgspec.json.decode(derived)
    found = []
    for field in dict.fromkeys((*before, *after)):
        one, other = before.get(field, MISSING), after.get(field, MISSING)
        if not sealed and field in OF_THE_SEAL:
            one, other = _whether(one is not None), _whether(other is not None)
        if one != other:
            found.append(Difference(name, field, one, other))
    if sealed and not found:
        found.append(Difference(name, LEAF, recorded.decode(), derived.decode()))
    return found


def _whether(there: bool) -> str:
    return "there" if there else "not there"


def _name(data: bytes) -> str:
    """By this a leaf is known in its set."""
    leaf = msgspec.json.decode(data)
    return CLOSING if leaf.get("kind") == CLOSING else str(leaf.get("recipient"))
