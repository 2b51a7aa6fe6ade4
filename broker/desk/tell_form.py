"""The form by which somebody tells us something: its pages, in order.

What is asked depends on who asks: police may grade, and nobody else is asked to. Pure: which pages there
are follows from what was answered so far and from the register.
"""

from __future__ import annotations

import re

from broker.desk import tell_questions as q
from broker.desk import tell_questions_event as e
from broker.desk.tell_asking import Answers, Asking, Page, one_of

EVERY = frozenset(
    {"why", "speaker", "heard", "passed", "about", "when", "where", "harm", "sharing", "grading"}
)
OF_CHILD = re.compile(r"(child|care)-[1-9][0-9]?")


def is_part(slug: str) -> bool:
    """Whether some form has a page of that name."""
    return slug in EVERY or OF_CHILD.fullmatch(slug) is not None


def pages(
    answers: Answers, children: tuple[str, ...], asking: Asking, *, corrects: bool = False
) -> tuple[Page, ...]:
    """Every page, in order. `children` are the numbers of the children that were added."""
    about = one_of(answers.get("about", {}), "about")
    of_children = children if about == "children" else ()
    return (
        *((q.why(),) if corrects else ()),
        q.speaker(),
        q.heard(),
        q.passed(),
        q.about(),
        *(page for slot in of_children for page in (q.child(slot, asking), q.care(slot))),
        e.when(),
        e.where(asking),
        e.harm(asking, corrects=corrects),
        e.sharing(),
        *((e.grading(),) if asking.may_grade else ()),
    )
