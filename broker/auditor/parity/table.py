"""One tidy table of the evidence: a line for each part, and one for each part and recipient.

Every figure of the parity report is a count over this table. It holds no identity: no event, part,
set or organisation can be named from it, rows are numbered in an order that says nothing of time,
and a recipient is only the kind of its door. Yes is 1, no is 0.

Later rounds belong to the part's first: who was told after a review was told; who is told that was no
candidate of the first round is left out. A statement that was taken back does not stand and counts
in no stage; how many were taken back is a figure of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256

import msgspec

from broker.auditor.parity.policy import NOT_STATED, ParityPolicy
from broker.auditor.parity.reading import Act, Leaf, Material, PartId, Round, Rows
from broker.link.grading import EVALUATION_OF_5X5X5, LABELLED, LETTER_OF_5X5X5

PART = "part"
RECIPIENT = "recipient"
NO_CHILD = "no_child"
HOUR_MS = 3_600_000
TAKEN_BACK = frozenset({"retracted", "corrected"})
ANSWERS = {"acknowledge": 1, "consider": 2, "no_further_action": 2, "act": 3}
"""How far an answer goes: each includes those before it."""
HIGH = frozenset({"strong", "considerable"})
HINT = frozenset({"adjacent"})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table; its fields are the columns."""

    row: int = 0
    unit: str
    statement: int
    part: int
    provenance: str
    group: str
    event_type: str
    severity: str
    directness: str
    specificity: str
    origins: int
    ethnicity: str
    sex: str
    age_band: str
    standing: int
    graded: int
    """Its grading could be read, or it has none, which is neutral: nothing stops it here."""
    has_grade: int
    graded_2: int
    graded_d: int
    weighted: int
    high_weight: int
    weight: int
    recipient_kind: str = ""
    eligible: int = 0
    """Concerned by more than bordering on somebody who is, and not the one that said it."""
    told: int = 0
    full: int = 0
    refused: int = 0
    released: int = 0
    withheld: int = 0
    acknowledged: int = 0
    considered: int = 0
    acted: int = 0
    planned: int = 0
    """It acted, and named the plan or assessment that it went into."""
    hours: float | None = None
    """From the alert to the consideration, or to the end of the ledger."""
    quick: int = 0
    same_reason: int = 0
    reviewed: int = 0
    review_quick: int = 0


class Evidence(msgspec.Struct, frozen=True):
    """The table, and what could not be put into it."""

    lines: tuple[Line, ...]
    listed: int
    """Parts that accepted statements have."""
    decided: int
    """Of those, how many have a decision for every candidate."""


class _Answer(msgspec.Struct, frozen=True):
    reach: int = 0
    considered_at: int | None = None
    same_reason: bool = False
    planned: bool = False


def evidence(material: Material, policy: ParityPolicy) -> Evidence:
    """The table of a ledger, by what the policy calls alike."""
    work = _Table(material, policy)
    made = sorted(work.made(), key=lambda one: one[0])
    lines = tuple(
        msgspec.structs.replace(line, row=number) for number, (_, line) in enumerate(made, 1)
    )
    listed, decided = work.completeness()
    return Evidence(lines, listed, decided)


class _Table:
    def __init__(self, material: Material, policy: ParityPolicy) -> None:
        self._material = material
        self._policy = policy
        self._acts = {act.set_id: act for act in material.acts}
        self._by_alert: dict[str, list[Act]] = {}
        for act in material.acts:
            if act.alert_id and act.kind in ANSWERS:
                self._by_alert.setdefault(act.alert_id, []).append(act)
        self._reasons = Counter(
            (organisation, reason)
            for organisation, reason, _ in {
                (act.organisation, act.reason, act.alert_id)
                for act in material.acts
                if act.reason and ANSWERS.get(act.kind, 0) > 1
            }
        )
        self._parts = _numbered({part: part for part in material.parts})
        self._statements = _numbered({part: part[:3] for part in material.parts})

    def made(self) -> Iterator[tuple[str, Line]]:
        """Lines with what they are put in order by, a digest that nobody can foresee."""
        for part, rounds in self._material.parts.items():
            first = rounds[0]
            if first.closing.round or first.rows.provenance is None:
                continue
            if first.rows.event_type in self._policy.not_statements:
                continue
            line = self._part(part, rounds)
            yield _digest(part), line
            for leaf in first.decisions:
                yield _digest((*part, leaf.recipient)), self._recipient(line, leaf, rounds)

    def completeness(self) -> tuple[int, int]:
        """Parts that accepted statements have, and those of them that were decided in full."""
        listed = decided = 0
        for leaf in self._material.accepted:
            for part_id in leaf.parts:
                rounds = self._material.parts.get(
                    (leaf.publisher, leaf.event_id or "", leaf.version or 0, part_id), ()
                )
                listed += 1
                decided += bool(rounds) and _in_full(rounds[0])
        return listed, decided

    def _part(self, part: PartId, rounds: tuple[Round, ...]) -> Line:
        closing, rows = rounds[0].closing, rounds[0].rows
        evaluation, letter, has_grade = _grade(rows)
        taken_back = "retracted" in closing.flags or any(
            one.rows.reason in TAKEN_BACK for one in rounds
        )
        weighted = _in_full(rounds[0]) and rows.band not in {"", "not_weighed"}
        child = rows.sex is not None
        return Line(
            unit=PART,
            statement=self._statements[part],
            part=self._parts[part],
            provenance=rows.provenance or "",
            group=self._policy.group_of(rows.provenance or ""),
            event_type=rows.event_type or "",
            severity=rows.severity,
            directness=rows.directness,
            specificity=rows.specificity,
            origins=min(rows.origins, self._policy.most_origins),
            ethnicity=self._policy.ethnic_group(rows.ethnicity) if child else NO_CHILD,
            sex=rows.sex or NO_CHILD,
            age_band=(rows.age_band or NOT_STATED) if child else NO_CHILD,
            standing=int(not taken_back),
            graded=int(rows.grading_scheme is None or rows.grading_scheme in LABELLED),
            has_grade=int(has_grade),
            graded_2=int(evaluation == "2"),
            graded_d=int(letter == "D"),
            weighted=int(weighted),
            high_weight=int(weighted and rows.band in HIGH),
            weight=rows.weight,
        )

    def _recipient(self, part: Line, leaf: Leaf, rounds: tuple[Round, ...]) -> Line:
        later = [
            (one.closing, decision)
            for one in rounds
            for decision in one.decisions
            if decision.recipient == leaf.recipient and one.rows.reason not in TAKEN_BACK
        ]
        alerts = [
            (closing, one) for closing, one in later if one.outcome == "PERMIT" and one.message_id
        ]
        fields = msgspec.structs.asdict(part) | {
            "unit": RECIPIENT,
            "recipient_kind": leaf.role,
            "eligible": int(_is_concerned(leaf)),
            **self._reviewed(leaf, later),
        }
        if not alerts:
            refused = not later or later[-1][1].outcome == "DENY"
            return Line(**(fields | {"refused": int(refused)}))
        closing, alert = alerts[0]
        answer = self._answer([one for _, one in alerts])
        done = answer.considered_at
        hours = ((self._material.until if done is None else done) - closing.decided_at) / HOUR_MS
        quick = done is not None and hours * 3600 < self._policy.quick_seconds
        told = {
            "told": 1,
            "full": int(any(one.mode == "CONTENT" for _, one in alerts)),
            "released": len(alert.released),
            "withheld": len(alert.withheld),
            "acknowledged": int(answer.reach >= 1),
            "considered": int(answer.reach >= 2),
            "acted": int(answer.reach >= 3),
            "planned": int(answer.planned),
            "hours": max(hours, 0.0),
            "quick": int(quick),
            "same_reason": int(answer.same_reason),
        }
        return Line(**(fields | told))

    def _answer(self, alerts: list[Leaf]) -> _Answer:
        """How far the recipient's own answers go; those of anyone else do not count."""
        acts = [
            act
            for alert in alerts
            for act in self._by_alert.get(alert.message_id or "", ())
            if act.organisation == alert.organisation
        ]
        deep = [act for act in acts if ANSWERS[act.kind] > 1]
        return _Answer(
            reach=max((ANSWERS[act.kind] for act in acts), default=0),
            planned=any(act.plan for act in acts if ANSWERS[act.kind] > 2),
            considered_at=min((act.at for act in deep), default=None),
            same_reason=any(
                self._reasons[act.organisation, act.reason or ""] >= self._policy.same_reason
                for act in deep
            ),
        )

    def _reviewed(self, first: Leaf, later: list[tuple[Leaf, Leaf]]) -> Mapping[str, int]:
        """Whether a person decided what had waited, and how soon."""
        if first.outcome != "REVIEW":
            return {}
        for closing, _ in later[1:]:
            act = self._acts.get(closing.act_set_id or "")
            if act is not None and act.kind == "review":
                quick = act.at - later[0][0].decided_at < self._policy.quick_seconds * 1000
                return {"reviewed": 1, "review_quick": int(quick)}
        return {}


def _grade(rows: Rows) -> tuple[str | None, str | None, bool]:
    """Evaluation and assessment as in 3x5x2, and whether there is a grade that can be read."""
    evaluation, letter = rows.grading or (None, None)
    evaluation, letter = ((one or "").strip().upper() for one in (evaluation, letter))
    if rows.grading_scheme == "5x5x5":
        evaluation = EVALUATION_OF_5X5X5.get(evaluation, "")
        letter = LETTER_OF_5X5X5.get(letter, "")
    elif rows.grading_scheme != "3x5x2":
        return None, None, False
    return evaluation, letter, bool(evaluation or letter)


def _in_full(first: Round) -> bool:
    closing = first.closing
    return closing.count == len(first.decisions) and "policy_error" not in closing.flags


def _is_concerned(leaf: Leaf) -> bool:
    capacity = set(leaf.capacity)
    return bool(capacity - HINT) and not (
        "originator" in capacity or "own_statement" in leaf.reasons
    )


def _digest(key: tuple[object, ...]) -> str:
    return sha256(repr(key).encode()).hexdigest()


def _numbered(keys: Mapping[PartId, tuple[object, ...]]) -> dict[PartId, int]:
    """Numbers from 1 in the order of digests: they say neither when nor whose."""
    order = {key: n for n, key in enumerate(sorted(set(keys.values()), key=_digest), 1)}
    return {part: order[key] for part, key in keys.items()}
