"""What policies can tell apart, read off their text, so that a whole space can be asked in a minute.

A Cedar policy of this project compares text only with words written in it. So two values that stand
in the same lists of words everywhere are one value to it, and what it never reads does not matter.
Where a policy uses any other operator, every value counts as different from every other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from broker.decide import Circumstances, PolicyBundle, Ruling, rule
from broker.decide.bundle import QUESTIONS
from broker.decide.cedar import Policy, Verdict

BOTH_SIDES = ("&&", "||")
EQUALITY = ("==", "!=")
WHOLE = "every group"
Words = tuple[str, frozenset[str]]
"""An attribute of the context and the words that it is compared with at one place."""


FIXED = ("role", "kind", "country", "capacity", "origin_kind", "regime", "agreements")
"""Attributes that stay as they are while others vary: a policy that needs another value is left out."""


class _OpaqueError(Exception):
    """An operator that this module does not know: nothing may be taken as the same."""


class Reading:
    """One policy: what it compares, and what it cannot hold without."""

    def __init__(self, policy: Policy) -> None:
        """Reads its conditions once."""
        self.policy = policy
        self.words: tuple[Words, ...] | None
        self.needs: tuple[Words, ...] = ()
        conditions = policy.body["conditions"]
        try:
            self.words = tuple(one for held in conditions for one in _read(held["body"]))
        except _OpaqueError:
            self.words = None
            return
        self.needs = tuple(
            need
            for held in conditions
            if held["kind"] == "when"
            for part in _conjuncts(held["body"])
            for need in _needed(part)
        )

    def can_hold(self, fixed: Mapping[str, frozenset[str]]) -> bool:
        """False only if a condition that it cannot hold without fails for these values."""
        return all(
            attribute not in fixed or not words.isdisjoint(fixed[attribute])
            for attribute, words in self.needs
        )


class Discernment:
    """What a set of policies sees of circumstances."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        """Takes what each policy compares."""
        self._words: dict[str, list[frozenset[str]]] | None = {}
        self._known: dict[tuple[str, Hashable], Hashable] = {}
        for reading in readings:
            if reading.words is None:
                self._words = None
                return
            for attribute, words in reading.words:
                self._words.setdefault(attribute, []).append(words)

    def seen(self, circumstances: Circumstances) -> tuple[Any, ...]:
        """Equal for circumstances that no policy of the set can tell apart."""
        if self._words is None:
            return (circumstances,)
        return tuple([self._alike(one, getattr(circumstances, one)) for one in self._words])

    def _alike(self, attribute: str, value: Hashable) -> Hashable:
        key = (attribute, value)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._class_of(attribute, value)
        return found

    def _class_of(self, attribute: str, value: Hashable) -> Hashable:
        lists = (self._words or {})[attribute]
        if isinstance(value, str):
            return frozenset(n for n, words in enumerate(lists) if value in words)
        if isinstance(value, tuple):
            held = frozenset(n for n, words in enumerate(lists) if not words.isdisjoint(value))
            return bool(value), held
        return value


class DiscerningBundle(PolicyBundle):
    """The same bundle, which asks Cedar once for circumstances that its policies cannot tell apart."""

    def __init__(self, bundle: PolicyBundle) -> None:
        """Takes over everything that `bundle` holds."""
        self.__dict__.update(vars(bundle))
        self._readings = {
            one.id: Reading(one)
            for one in (
                *self.court.law,
                *(one for found in self.court.clauses.values() for one in found),
            )
        }
        self._left: dict[Hashable, tuple[tuple[str, ...], Mapping[str, Discernment]]] = {}
        self._slices: dict[tuple[str, ...], Mapping[str, Discernment]] = {}
        self._answers: dict[Hashable, Ruling] = {}
        self._verdicts: dict[Hashable, Verdict] = {}
        self.last_seen: Hashable = None
        """What the policies saw when the last ruling was asked for: who probes for differences."""

    def ruling(self, circumstances: Circumstances, lapsed: str | None) -> Ruling:
        """As PolicyBundle.ruling: the same questions to the same court, fewer times."""
        agreements = circumstances.agreements
        ids, slices = self._left_for(circumstances)
        key = (ids, agreements, lapsed, slices[WHOLE].seen(circumstances))
        self.last_seen = key
        found = self._answers.get(key)
        if found is None:
            verdicts = {}
            for group in QUESTIONS:
                asked = (ids, agreements, group, slices[group].seen(circumstances))
                verdict = self._verdicts.get(asked)
                if verdict is None:
                    context = circumstances.context()
                    verdict = self.court.judge(agreements, context, [group])[group]
                    self._verdicts[asked] = verdict
                verdicts[group] = verdict
            found = rule(verdicts, self.permits, agreements, lapsed)
            self._answers[key] = found
        return found

    def _left_for(
        self, circumstances: Circumstances
    ) -> tuple[tuple[str, ...], Mapping[str, Discernment]]:
        """Policies that can hold for these fixed values, and what each slice of them sees."""
        key = tuple([getattr(circumstances, one) for one in FIXED])
        found = self._left.get(key)
        if found is None:
            fixed = {
                name: frozenset(value if isinstance(value, tuple) else (value,))
                for name, value in zip(FIXED, key, strict=True)
            }
            law = (one.id for one in self.court.law)
            clauses = (
                one.id for name in circumstances.agreements for one in self.court.clauses[name]
            )
            ids = tuple(one for one in (*law, *clauses) if self._readings[one].can_hold(fixed))
            found = self._left[key] = (ids, self._slices_of(ids))
        return found

    def _slices_of(self, ids: tuple[str, ...]) -> Mapping[str, Discernment]:
        found = self._slices.get(ids)
        if found is None:
            readings = [self._readings[one] for one in ids]
            found = {
                group: Discernment(one for one in readings if one.policy.concerns(group))
                for group in QUESTIONS
            }
            self._slices[ids] = found = {**found, WHOLE: Discernment(readings)}
        return found


def _conjuncts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    both = body.get("&&")
    if both is None:
        yield body
        return
    yield from _conjuncts(both["left"])
    yield from _conjuncts(both["right"])


def _needed(node: Mapping[str, Any]) -> Iterator[Words]:
    """A comparison that must find one of its words, where the conjunct is such a one."""
    if set(node) <= {"==", "contains", "containsAny"}:
        yield from (one for one in _read(node) if one[1])


def _read(node: Mapping[str, Any]) -> Iterator[Words]:
    """Every comparison of an attribute with words, in a condition of Cedar's JSON form."""
    [(operator, given)] = node.items()
    if operator in BOTH_SIDES:
        yield from _read(given["left"])
        yield from _read(given["right"])
    elif operator == "!":
        yield from _read(given["arg"])
    elif operator == "isEmpty":
        yield _attribute(given["arg"]), frozenset()
    elif operator == ".":
        yield _attribute(node), frozenset()
    elif operator in EQUALITY:
        yield from _compared(given["left"], given["right"])
    elif operator in ("contains", "containsAny"):
        yield from _contained(given["left"], given["right"], one=operator == "contains")
    elif operator != "Value":
        raise _OpaqueError


def _compared(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Words]:
    if _about_resource(left) or _about_resource(right):
        return
    side, word = (right, left) if "Value" in left else (left, right)
    yield _attribute(side), frozenset(_words([word]))


def _contained(left: Mapping[str, Any], right: Mapping[str, Any], *, one: bool) -> Iterator[Words]:
    if _about_resource(left) or _about_resource(right):
        return
    if "Set" in left:
        if not one:
            raise _OpaqueError
        yield _attribute(right), frozenset(_words(left["Set"]))
    else:
        yield _attribute(left), frozenset(_words([right] if one else right.get("Set", [right])))


def _about_resource(node: Mapping[str, Any]) -> bool:
    return node == {"Var": "resource"}


def _attribute(node: Mapping[str, Any]) -> str:
    held = node.get(".")
    if held is None or held["left"] != {"Var": "context"}:
        raise _OpaqueError
    return str(held["attr"])


def _words(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        value = node.get("Value")
        if not isinstance(value, str):
            raise _OpaqueError
        yield value
