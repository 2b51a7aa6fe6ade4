"""Tables of evidence by chance, for laws that hold of any table: every class, grade and answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from broker.auditor.parity.policy import load_parity_policy
from broker.auditor.parity.table import PART, RECIPIENT, Evidence, Line
from broker.model.types import Provenance

FILE = Path(__file__).resolve().parents[3] / "policies" / "audit" / "parity.yaml"
NAMED_POLICY = load_parity_policy(FILE)
POLICY = NAMED_POLICY.policy
SHARES = (30, 10, 8, 5, 12, 9, 3, 14, 8, 20, 4, 30, 2)
AGES = ("5-9", "10-12", "13-15", "16-17", "18+", "not_stated")


def random_evidence(statements: int, seed: int, *, answered: float = 0.9) -> Evidence:
    """So many statements of one or two parts, each with four candidates."""
    chance = random.Random(seed)

    def yes(share: float) -> int:
        return int(chance.random() < share)

    lines: list[Line] = []
    for number in range(statements):
        provenance = chance.choices(list(Provenance), SHARES)[0].value
        has_grade = yes(0.5)
        base: dict[str, Any] = {
            "statement": number,
            "provenance": provenance,
            "group": POLICY.group_of(provenance),
            "event_type": chance.choice(["concern", "incident"]),
            "severity": chance.choice(["immediate", "same_day"]),
            "directness": chance.choice(["direct", "indirect"]),
            "specificity": "specific",
            "standing": yes(0.97),
            "graded": yes(0.95),
            "has_grade": has_grade,
            "graded_2": has_grade * yes(0.4),
            "graded_d": has_grade * yes(0.3),
            "weighted": yes(0.98),
            "high_weight": yes(0.5),
            "weight": 500,
        }
        for part in range(1 + yes(0.2)):
            child: dict[str, Any] = {
                "part": 2 * number + part,
                "origins": 1 + yes(0.3),
                "ethnicity": chance.choice(list(POLICY.ethnicity)),
                "sex": chance.choice("FMU"),
                "age_band": chance.choices(AGES, (5, 15, 40, 30, 4, 6))[0],
            }
            lines.append(Line(unit=PART, **base, **child))
            lines += (_recipient(base | child, chance, answered) for _ in range(4))
    return Evidence(tuple(lines), statements, statements)


def _recipient(part: dict[str, Any], chance: random.Random, answered: float) -> Line:
    def yes(share: float) -> int:
        return int(chance.random() < share)

    told = yes(0.8)
    acknowledged = told * yes(answered)
    considered = acknowledged * yes(answered)
    return Line(
        unit=RECIPIENT,
        **part,
        recipient_kind="csc",
        eligible=1,
        told=told,
        full=told * yes(0.9),
        refused=(1 - told) * yes(0.7),
        released=told * 8,
        withheld=told * chance.randrange(4),
        acknowledged=acknowledged,
        considered=considered,
        acted=considered * yes(0.5),
        hours=chance.random() * 50 if told else None,
        quick=considered * yes(0.1),
        same_reason=considered * yes(0.1),
        reviewed=told * yes(0.2),
        review_quick=0,
    )
