"""Identifiers to one subject token: the alias table (design: Identity).

Each identifier becomes a keyed token. Identifiers stated together in one verified event belong to
one canonical token; when two known children turn out to be one, the state of the younger token
moves to the older. Names and dates of birth are never used.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

import msgspec

from broker.model.types import Identifier, IdentifierScheme

TOKEN_HEX = 32


class AliasEntry(msgspec.Struct, frozen=True):
    """Where one token points: to the canonical token, which was first seen at `born`."""

    canonical: str
    born: str
    """Sortable position of the event that first stated it: time, topic, partition, offset."""


class Resolution(msgspec.Struct, frozen=True):
    """The outcome for the identifiers of one subject."""

    token: str
    entries: tuple[tuple[str, AliasEntry], ...]
    """Alias rows to write: (token, entry)."""
    joined: tuple[str, ...] = ()
    """Younger canonical tokens whose state moves to `token`: each is a `link` leaf."""


def identifier_token(linkage_key: bytes, identifier: Identifier) -> str:
    """Keyed pseudonym of one identifier: HMAC-SHA-256 over scheme, system and normalised value."""
    value = "".join(identifier.value.split()).upper()
    system = identifier.system if identifier.scheme is IdentifierScheme.LOCAL else ""
    message = "\x00".join((identifier.scheme.value, system or "", value))
    return hmac.new(linkage_key, message.encode(), hashlib.sha256).hexdigest()[:TOKEN_HEX]


def resolve(
    tokens: Sequence[str], fallback: str, aliases: Mapping[str, AliasEntry], position: str
) -> Resolution:
    """The canonical token for identifier `tokens` stated together at `position`.

    `fallback` is a token made from the event's own reference, used where no identifier is usable:
    such a subject stands alone until an event names it better. `aliases` holds the rows known for
    these tokens and for the canonical tokens that they point to.
    """
    if not tokens:
        return Resolution(token=fallback, entries=())
    known = {root_of(token, aliases) for token in tokens if token in aliases}
    if not known:
        oldest = AliasEntry(canonical=min(tokens), born=position)
    else:
        roots = {token: aliases[token] for token in known}
        oldest = min(roots.values(), key=lambda entry: (entry.born, entry.canonical))
    joined = tuple(sorted(known - {oldest.canonical}))
    fresh = [token for token in tokens if aliases.get(token) != oldest]
    moved = {*fresh, *joined, oldest.canonical}
    rows = tuple((token, oldest) for token in sorted(moved) if aliases.get(token) != oldest)
    return Resolution(token=oldest.canonical, entries=rows, joined=joined)


def root_of(token: str, aliases: Mapping[str, AliasEntry]) -> str:
    """The canonical token at the end of the chain from `token`."""
    seen = set()
    while token not in seen and token in aliases and aliases[token].canonical != token:
        seen.add(token)
        token = aliases[token].canonical
    return token


def older_of(existing: AliasEntry | None, fresh: AliasEntry) -> AliasEntry:
    """The row to keep: the one that points to the older token.

    Rows only ever move towards the oldest token, so writing one again after a crash, in any order,
    cannot undo a join that came later.
    """
    if existing is None:
        return fresh
    return min(existing, fresh, key=lambda entry: (entry.born, entry.canonical))
