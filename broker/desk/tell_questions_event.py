"""The questions about when, where and what it is, how soon, what may be shared, and the grade, if any."""

from __future__ import annotations

from broker.desk import tell_words as w
from broker.desk.tell_asking import Asking, Page, Question
from broker.desk.tell_words import Choice


def when() -> Page:
    """When it happened or is expected."""
    short = "govuk-input--width-5"
    return Page(
        "when",
        "When",
        (
            Question(
                "when",
                "radios",
                "Has it happened?",
                choices=w.WHEN,
                needed=True,
                missing="Choose whether it has happened",
            ),
            Question("start", "date", "Day, or the first day", "Leave empty if you do not know."),
            Question("start_time", "time", "Time, about (optional)", "Such as 2pm.", width=short),
            Question("end", "date", "Last day, if there is another (optional)"),
            Question("end_time", "time", "Until about (optional)", "Such as 3:30pm.", width=short),
        ),
    )


def where(asking: Asking) -> Page:
    """Where, with stated precision."""
    return Page(
        "where",
        "Where",
        (
            Question(
                "description",
                "text",
                "Where, in words (optional)",
                "Such as: Anvil Cross retail park, by the cinema.",
            ),
            Question(
                "precision",
                "radios",
                "How exactly do you know the place?",
                choices=w.PRECISION,
                needed=True,
                missing="Choose how exactly you know the place",
            ),
            Question("kind", "radios", "What sort of place is it?", choices=w.PLACE_KINDS),
            Question(
                "area",
                "select",
                "In which area?",
                "The council's area. It decides who is told because of the place.",
                choices=(Choice("", "I do not know, or it is online"),),
                groups=asking.areas,
            ),
            Question(
                "beside",
                "select",
                "If it lies on a border: which area is on the other side? (optional)",
                choices=(Choice("", "It does not"),),
                groups=asking.areas,
            ),
        ),
    )


def harm(asking: Asking, *, corrects: bool) -> Page:
    """Kind of statement, harms and urgency, in plain words."""
    kinds = (*w.EVERYBODYS, *w.OF_KIND.get(asking.organisation.kind, ()))
    kind = Question(
        "type",
        "radios",
        "What is it?",
        choices=kinds,
        needed=True,
        missing="Choose what it is",
    )
    return Page(
        "harm",
        "What it is, and how soon",
        (
            *(() if corrects else (kind,)),
            Question(
                "harms",
                "checkboxes",
                "What do you fear, or what happened?",
                "Choose all that hold.",
                w.HARMS,
                missing="Choose at least one",
            ),
            Question(
                "severity",
                "radios",
                "How soon must somebody act?",
                choices=w.SEVERITY,
                needed=True,
                missing="Choose how soon somebody must act",
            ),
        ),
    )


def sharing() -> Page:
    """What may be passed on, and in which words to whom."""
    texts = tuple(
        Question(f"text_{one.code}", "long", f"{one.text} (optional)", rows=3)
        for one in w.AUDIENCES
    )
    return Page(
        "sharing",
        "What others may be told",
        (
            Question(
                "handling",
                "radios",
                "May it be passed on?",
                choices=w.HANDLING,
                needed=True,
                missing="Choose whether it may be passed on",
            ),
            *texts,
        ),
        "Only those are told whom it concerns and who may know it. For each you can write what they read. "
        "Do not say who told you. Where you write nothing, they read no words.",
    )


def grading() -> Page:
    """The grade, of those who grade."""
    doubt = "Needed for 3 or E: a doubt without a reason lowers nothing."
    return Page(
        "grading",
        "Grading",
        (
            Question(
                "graded",
                "radios",
                "Was it graded (3x5x2)?",
                choices=w.YES_NO,
                needed=True,
                missing="Choose whether it was graded",
            ),
            Question(
                "evaluation",
                "radios",
                "Source evaluation",
                choices=w.EVALUATION,
                missing="Choose the source evaluation",
            ),
            Question(
                "assessment",
                "radios",
                "Intelligence assessment",
                choices=w.ASSESSMENT,
                missing="Choose the intelligence assessment",
            ),
            Question("doubt_reason", "text", "Why it is doubted (optional)", doubt),
            Question(
                "doubt_reviewer",
                "text",
                "Who reviewed the doubt (optional)",
                "A staff reference, not a name.",
            ),
        ),
    )
