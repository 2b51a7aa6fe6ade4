"""Erasures add up: the rounds that an act ended, whom they reached, and what its certificate states."""

from __future__ import annotations

from collections import Counter

import msgspec

from broker.auditor.leaves import Certificate, Closing
from broker.auditor.report import BadLedgerError

ERASED = "erased"
DESTROYED = "subject_key"
"""The store whose date every certificate must state as done."""


class ErasureBook:
    """Takes the closing leaves and certificates of every shard, each shard in its own order."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.certificates = 0
        self._open: dict[tuple[str, str], Counter[str]] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._acts: set[str] = set()
        self._named: list[tuple[str, str]] = []

    def take_act(self, set_id: str) -> None:
        """An accepted act that erases."""
        self._acts.add(set_id)

    def take_closing(self, shard: str, where: str, leaf: Closing, told: int) -> None:
        """The end of a set of which `told` decisions sent something; those of no erasure are passed."""
        if ERASED not in leaf.flags:
            return
        key = shard, leaf.act_set_id or ""
        held = self._open.setdefault(key, Counter())
        held.update(parts=1, told=told, ended=leaf.count - told)
        self._places.setdefault(key, where)

    def take_certificate(self, shard: str, where: str, leaf: Certificate) -> None:
        """A certificate: it must state what the rounds before it on its shard did. Raises BadLedgerError."""
        _check_form(where, leaf)
        found = self._open.pop((shard, leaf.act_set_id), Counter())
        stated = {"parts": leaf.parts, "told": leaf.told, "ended": leaf.ended}
        for name, count in stated.items():
            if count != found[name]:
                raise BadLedgerError(
                    f"{where}: certifies {count} {name} for act {leaf.act_set_id}, and the leaves "
                    f"before it hold {found[name]}"
                )
        self.certificates += 1
        self._named.append((where, leaf.act_set_id))

    def still_open(self) -> list[str]:
        """What only time may bring: certificates of erasures, and the acts that they name."""
        without = [
            f"{self._places[key]}: ends a part by erasure, and no certificate follows it"
            for key in self._open
        ]
        unknown = [
            f"{where}: certifies the erasure of act {act}, which no leaf holds"
            for where, act in self._named
            if act not in self._acts
        ]
        return [*without, *unknown]


def _check_form(where: str, leaf: Certificate) -> None:
    names = [one.store for one in leaf.stores]
    wrong = [one.store for one in leaf.stores if (one.at is None) == (one.by is None)]
    if wrong or len(set(names)) != len(names):
        raise BadLedgerError(
            f"{where}: a certificate states one date for each store, done (`at`) or at the latest (`by`)"
        )
    if not any(one.store == DESTROYED and one.at is not None for one in leaf.stores):
        raise BadLedgerError(f"{where}: certifies an erasure and not when the key was destroyed")
    if any(not one.what or not one.why for one in leaf.remains):
        raise BadLedgerError(f"{where}: names something that remains without saying why it may")


class ErasedParts(msgspec.Struct):
    """Parts whose content was erased, for replay: facts sealed before do not open any more."""

    rounds: dict[tuple[str, str, int, str], int] = msgspec.field(default_factory=dict)

    def take(self, part: tuple[str, str, int, str], round_: int, flags: tuple[str, ...]) -> None:
        """The closing leaf of one round of a part."""
        if ERASED in flags:
            self.rounds[part] = max(round_, self.rounds.get(part, 0))

    def holds(self, part: tuple[str, str, int, str], round_: int) -> bool:
        """True for the round that erased a part and every one before it."""
        return round_ <= self.rounds.get(part, -1)
