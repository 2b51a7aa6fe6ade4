"""The certificate of an erasure: which store forgot the subject, or will have by when, and what remains.

It names nobody: which sets it is about is said by the closing leaves of the same act. Dates are UTC
milliseconds. `at` is when it was done; `by` is when it is gone at the latest.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence

import msgspec

from broker.model.canonical import digest_text
from broker.model.types import DecisionSet, SetKind
from broker.record.leaves import leaf, milliseconds

NOTHING_KEPT = b"safeguarding-broker/nothing-kept/v1\n"


class StoreDate(msgspec.Struct, frozen=True):
    """One store and when it has forgotten: `at` for done, `by` for at the latest."""

    store: str
    at: datetime.datetime | None = None
    by: datetime.datetime | None = None


class Counted(msgspec.Struct, frozen=True):
    """What an erasure found: parts, recipients that were told of it, and who waited for a person."""

    parts: int
    told: int
    ended: int


class Certified(msgspec.Struct, frozen=True):
    """What a certificate states besides the counts."""

    act_set_id: str
    part_key: str
    """Of this only a hash is used, and only together with the act."""
    why: str
    received_at: datetime.datetime
    stores: tuple[StoreDate, ...]
    remains: tuple[tuple[str, str], ...]
    """(what, why it lawfully stays)."""
    policy: str
    """Hash of the retention policy by which the dates were made."""


def certificate_record(stated: Certified, counted: Counted) -> DecisionSet:
    """The certificate's leaf, in a set of its own."""
    set_id = certificate_set_id(stated.act_set_id, stated.part_key)
    own = leaf(
        "certificate",
        set_id,
        act_set_id=stated.act_set_id,
        why=stated.why,
        received_at=milliseconds(stated.received_at),
        parts=counted.parts,
        told=counted.told,
        ended=counted.ended,
        stores=[_dated(one) for one in stated.stores],
        remains=[{"what": what, "why": why} for what, why in stated.remains],
        policy=stated.policy,
    )
    return DecisionSet(set_id=set_id, kind=SetKind.CERTIFICATE, leaves=(own,))


def certificate_set_id(act_set_id: str, part_key: str) -> str:
    """One certificate for each token that an act erases."""
    return digest_text("certificate", act_set_id, part_key)


def key_of_nothing(act_set_id: str) -> bytes:
    """Seals what lies beside a round of an erasure: nothing that its leaf does not say as well.

    The subject's own key is gone by then, and a round must be made again with the same bytes.
    """
    return hashlib.sha256(NOTHING_KEPT + act_set_id.encode()).digest()


def _dated(one: StoreDate) -> dict[str, str | int]:
    word, moment = ("at", one.at) if one.at is not None else ("by", one.by)
    return {"store": one.store, word: milliseconds(moment)} if moment else {"store": one.store}


def stores_of(dates: Sequence[StoreDate]) -> tuple[StoreDate, ...]:
    """In order of name, so that the same dates give the same leaf."""
    return tuple(sorted(dates, key=lambda one: one.store))
