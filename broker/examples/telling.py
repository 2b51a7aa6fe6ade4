"""What a mother's warning (the first scenario) looks like in the form "Tell us something"; all invented."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

MOTHER = Path(__file__).parent / "answers" / "mother.json"
Answers = dict[str, dict[str, tuple[str, ...]]]
"""Page of the form -> field -> values."""


def mothers_answers(today: datetime.date | None = None) -> Answers:
    """The answers as the file has them; with `today`, seen the day before and expected three days on."""
    answers = msgspec.json.decode(MOTHER.read_bytes(), type=Answers)
    if today is None:
        return answers
    for page, name, day in (
        ("heard", "observed", today - datetime.timedelta(days=1)),
        ("when", "start", today + datetime.timedelta(days=3)),
    ):
        for part in ("day", "month", "year"):
            answers[page][f"{name}-{part}"] = (str(getattr(day, part)),)
    return answers
