"""What an auditor compares: each decision's facts and what came of them, from leaves and sealed rows.

Three questions are asked, each with the facts that may matter to it and no others: what was disclosed
(what law and agreements could look at), how much it weighed (the observations), and how soon it had to
be acknowledged or reviewed (severity and time left). Never among the facts: who an organisation is,
provenance, ethnicity, sex. Agreements and policy versions are kept beside the facts: they may explain
a difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from broker.auditor.recorded import RecordedDecision, RecordedPart
from broker.model.canonical import canonical_json, digest_text
from broker.model.sealer import open_rows
from broker.record import PolicyHashes
from broker.record.clocks import ACKNOWLEDGE_WITHIN, REVIEW_WITHIN, WINDOW_SHARE
from broker.weigh import DEFAULT_PARAMETERS

DISCLOSURE, WEIGHT, CLOCK = "disclosure", "weight", "clock"
QUESTIONS = (DISCLOSURE, WEIGHT, CLOCK)
EQUALITY = "equality_audit_only"
"""Why ethnicity and sex are withheld from everyone: whether they were stated is no fact here."""
MAY_EXPLAIN = frozenset({"agreements", "lapsed", "overdue"})
OF_NO_LAW = frozenset({"harms", "stated_category", "window_in", "observations"})
FLAGS_THAT_MATTER = frozenset({"retracted", "policy_error"})
GROUP_HEX = 16
MS = 1000


class Rows(msgspec.Struct, frozen=True):
    """What is needed of a set's sealed rows; the rest may grow."""

    severity: str = ""
    subject_tag: str = ""
    facts: Mapping[str, Any] | None = None
    candidates: tuple[Mapping[str, Any], ...] = ()


class Item(msgspec.Struct, frozen=True):
    """One decision under one question: equal `facts` must have an equal `outcome`."""

    question: str
    group: str
    """Names the facts: the same for equal facts, in every ledger."""
    facts: Mapping[str, Any]
    outcome: Mapping[str, Any]
    set_id: str
    publisher: str
    recipient: str
    """Empty for a question about the part and not about a recipient."""
    decided_at: int
    """UTC milliseconds since 1970."""
    hashes: PolicyHashes
    agreements: tuple[str, ...] = ()
    """In force and with a say; after them why none was, and which are overdue for review."""
    decision: str = ""
    """PERMIT, DENY or REVIEW."""


class Gathered(msgspec.Struct, frozen=True):
    """All items, and what could not be compared."""

    items: tuple[Item, ...]
    stated: tuple[Stated, ...]
    sets: int
    """Sets of first rounds that were compared."""
    by_people: int
    """Later rounds: a person or a correction made them, and no rule says that people agree."""
    without_rows: int
    """Sets whose rows are not in this copy."""
    older: int
    """Sets recorded before facts were kept in the rows."""


class Stated(msgspec.Struct, frozen=True):
    """A category that an agency stated of one subject and one harm."""

    subject: str
    """Tag of the subject in the rows; says nobody's name and is not shown."""
    harm: str
    scheme: str
    code: str
    publisher: str
    publisher_kind: str
    decided_at: int


def gather(parts: Iterable[RecordedPart], sealed: Mapping[str, bytes], rows_key: bytes) -> Gathered:
    """Everything that can be compared. Raises SealError for another key, ValueError for odd rows."""
    items: list[Item] = []
    stated: list[Stated] = []
    counts = {"sets": 0, "by_people": 0, "without_rows": 0, "older": 0}
    for part in parts:
        closing = part.closing
        if closing.round > 0:
            counts["by_people"] += 1
        elif closing.set_id not in sealed:
            counts["without_rows"] += 1
        else:
            rows = rows_of(sealed[closing.set_id], rows_key, closing.set_id)
            if rows.facts is None:
                counts["older"] += 1
                continue
            counts["sets"] += 1
            items += _items(part, rows, rows.facts)
            stated += _stated(part, rows, rows.facts)
    return Gathered(tuple(items), tuple(stated), **counts)


def rows_of(sealed: bytes, rows_key: bytes, set_id: str) -> Rows:
    """The rows of a set, opened. Raises SealError, ValueError."""
    plain = open_rows(rows_key, sealed, set_id)
    return msgspec.json.decode(plain, type=Rows)


def _items(part: RecordedPart, rows: Rows, facts: Mapping[str, Any]) -> Iterator[Item]:
    of_recipient = {str(one.get("recipient")): one.get("facts") for one in rows.candidates}
    if part.decisions:
        yield _item(part, WEIGHT, _weighed(facts), {"band": part.decisions[0].weight.band})
    for decision in part.decisions:
        mine = of_recipient.get(decision.recipient)
        if not isinstance(mine, Mapping):
            continue
        yield _disclosure(part, decision, facts, mine)
        if decision.due is not None:
            yield _clock(part, decision, rows.severity, facts)


def _disclosure(
    part: RecordedPart,
    decision: RecordedDecision,
    facts: Mapping[str, Any],
    mine: Mapping[str, Any],
) -> Item:
    looked_at = {
        **{name: one for name, one in facts.items() if name not in OF_NO_LAW},
        **{f"recipient_{name}": one for name, one in mine.items() if name not in MAY_EXPLAIN},
        "recipient_role": decision.role,
        "recipient_capacity": sorted(decision.capacity),
        "flags": sorted(FLAGS_THAT_MATTER.intersection(part.closing.flags)),
    }
    outcome = {
        "outcome": decision.outcome,
        "mode": decision.mode,
        "released": sorted(decision.released),
        "withheld": sorted([name, why] for name, why in decision.withheld if why != EQUALITY),
    }
    agreements = (
        *mine.get("agreements", ()),
        *([f"lapsed: {mine['lapsed']}"] if mine.get("lapsed") else ()),
        *(f"overdue: {one}" for one in mine.get("overdue", ())),
    )
    return _item(part, DISCLOSURE, looked_at, outcome, decision, agreements)


def _weighed(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The observations, with their age as the weight takes it: in bands of days."""
    return {
        "observations": [
            {**one, "days_old": _age(int(one["days_old"]))} for one in facts["observations"]
        ]
    }


def _age(days: int) -> str:
    limits = [limit for limit, _ in DEFAULT_PARAMETERS.recency]
    limit = next((one for one in limits if days <= one), None)
    return f"up to {limit}" if limit is not None else f"over {limits[-1]}"


def _clock(
    part: RecordedPart, decision: RecordedDecision, severity: str, facts: Mapping[str, Any]
) -> Item:
    """A clock is that of severity, or a quarter of the time left where that is shorter."""
    table = ACKNOWLEDGE_WITHIN if decision.outcome == "PERMIT" else REVIEW_WITHIN
    within = next(one for name, one in table.items() if name.value == severity)
    left = facts.get("window_in")
    near = left is not None and left / WINDOW_SHARE < within.total_seconds() * MS
    given = (decision.due or 0) - part.closing.decided_at
    said = f"{math.ceil(given / MS)} s"
    if near and left is not None and abs(left / WINDOW_SHARE - given) <= MS:
        said = "a quarter of the time left"
    looked_at = {"severity": severity, "window_near": near, "decision": decision.outcome}
    return _item(part, CLOCK, looked_at, {"clock": said}, decision)


def _item(
    part: RecordedPart,
    question: str,
    facts: Mapping[str, Any],
    outcome: Mapping[str, Any],
    decision: RecordedDecision | None = None,
    agreements: tuple[str, ...] = (),
) -> Item:
    closing = part.closing
    return Item(
        question=question,
        group=f"f{digest_text(question, canonical_json(facts).decode())[:GROUP_HEX]}",
        facts=facts,
        outcome=outcome,
        set_id=closing.set_id,
        publisher=closing.publisher,
        recipient=decision.recipient if decision else "",
        decided_at=closing.decided_at,
        hashes=PolicyHashes(
            closing.policy_bundle, closing.geography, closing.register, closing.parameters
        ),
        agreements=agreements,
        decision=decision.outcome if decision else "",
    )


def _stated(part: RecordedPart, rows: Rows, facts: Mapping[str, Any]) -> Iterator[Stated]:
    category = facts.get("stated_category")
    if not category or not rows.subject_tag:
        return
    scheme, code = category
    for harm in facts.get("harms", ()):
        yield Stated(
            subject=rows.subject_tag,
            harm=harm,
            scheme=scheme,
            code=code,
            publisher=part.closing.publisher,
            publisher_kind=str(facts.get("publisher_kind")),
            decided_at=part.closing.decided_at,
        )
