"""Which decision sets are about one child, place or group: for who holds its key, and nobody else. Pure.

Tokens that one event joined are one subject: joins are followed both ways. A set is found by its tag,
which is made of the subject's key, or where it has none (older sets, a copy without its store) by the
hash that it is named by. Where the key is gone nothing is looked for.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from broker.auditor.who_knew import moment
from broker.model.canonical import digest_text
from broker.record import decision_set_id, subject_tag

JOINED_HEX = 32


class Join(msgspec.Struct, frozen=True):
    """A `link` leaf: the state of one token moved to an older one."""

    moved_from: str
    moved_to: str


class Certificate(msgspec.Struct, frozen=True):
    """What a certificate of erasure says; which token it is of, only who knows the token can see."""

    set_id: str
    act_set_id: str
    received_at: int
    """UTC milliseconds since 1970."""


class SetName(msgspec.Struct, frozen=True):
    """What a decision set is named by, besides its token."""

    set_id: str
    publisher: str
    event_id: str
    version: int
    round: int


class Tokens(msgspec.Struct, frozen=True):
    """Everything that stands for one subject."""

    held: tuple[str, ...]
    """Tokens whose key is held: what was decided under them can be found."""
    erased: tuple[tuple[str, datetime.datetime], ...]
    """Tokens whose key is gone, with when the ledger certifies their erasure."""
    unknown: tuple[str, ...]
    """Tokens, or hashes of tokens, whose key is not here and of which no certificate speaks."""


def tokens_of(
    token: str,
    keys: Mapping[str, bytes],
    joins: Iterable[Join],
    certificates: Iterable[Certificate],
) -> Tokens:
    """`token` and all that it was joined with, either way, and what is known of each."""
    known = {joined_name(one): one for one in (*keys, token)}
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for join in joins:
        ends = [
            joined_name(one) if joined_name(one) in known else one
            for one in (join.moved_from, join.moved_to)
        ]
        beside[ends[0]].add(ends[1])
        beside[ends[1]].add(ends[0])
    found, left = {joined_name(token)}, [joined_name(token)]
    while left:
        for name in beside[left.pop()] - found:
            found.add(name)
            left.append(name)
    names = sorted(known.get(one, one) for one in found)
    without = [one for one in names if one not in keys]
    erased = {one: at for one in without if (at := erased_at(one, certificates)) is not None}
    return Tokens(
        held=tuple(one for one in names if one in keys),
        erased=tuple(sorted(erased.items())),
        unknown=tuple(one for one in without if one not in erased),
    )


def joined_name(token: str) -> str:
    """How a `link` leaf names a token. Leaves of before that was so name the token itself."""
    return digest_text("joined", token)[:JOINED_HEX]


def erased_at(token: str, certificates: Iterable[Certificate]) -> datetime.datetime | None:
    """When the token's erasure was certified; None where it was not. The first, if there are several."""
    times = [
        one.received_at
        for one in certificates
        if digest_text("certificate", one.act_set_id, token) == one.set_id
    ]
    return moment(min(times)) if times else None


def tags_of(tokens: Iterable[str], keys: Mapping[str, bytes]) -> tuple[str, ...]:
    """The tags under which what was decided about these tokens lies."""
    return tuple(subject_tag(keys[one]) for one in tokens)


def sets_named(tokens: Iterable[str], names: Iterable[SetName]) -> frozenset[str]:
    """Those of the sets that are about one of these tokens: by hashing each with each."""
    wanted = tuple(tokens)
    return frozenset(
        one.set_id
        for one in names
        for token in wanted
        if decision_set_id(one.publisher, one.event_id, one.version, token, one.round) == one.set_id
    )
