"""The questions about who speaks, what was seen or heard, and whom it is about."""

from __future__ import annotations

from broker.desk import tell_words as w
from broker.desk.tell_asking import NOT_KNOWN, Asking, Page, Question
from broker.desk.tell_words import Choice


def why() -> Page:
    """Why a statement is corrected."""
    return Page(
        "why",
        "What is to be put right",
        (
            Question(
                "reason",
                "long",
                "Why is it corrected?",
                "In a sentence. Those who were told learn that it was corrected.",
                needed=True,
                missing="Say why it is corrected",
                rows=3,
            ),
        ),
    )


def speaker() -> Page:
    """Whose voice it is; nothing of it changes how it is weighed."""
    return Page(
        "speaker",
        "Who is speaking",
        (
            Question(
                "provenance",
                "radios",
                "Who saw, heard or knows it?",
                "Not who writes it down. A parent's word counts as much as anybody's: the answer changes "
                "nothing in how it is weighed.",
                w.SPEAKERS,
                needed=True,
                missing="Choose who is speaking",
            ),
            Question(
                "not_named",
                "radios",
                "Do they ask not to be named?",
                choices=w.YES_NO,
                needed=True,
                missing="Choose whether they ask not to be named",
            ),
            Question(
                "identifiable",
                "radios",
                "Could somebody work out who it was?",
                "From the words, the time or the place, even without a name.",
                w.choices(("yes", "Yes, or I am not sure"), ("no", "No")),
                needed=True,
                missing="Choose whether somebody could work out who it was",
            ),
            Question(
                "source_name", "text", "Their name (optional)", "It stays with you: nobody is told."
            ),
            Question(
                "source_contact",
                "text",
                "How to reach them (optional)",
                "It stays with you as well.",
            ),
            Question(
                "source_relationship",
                "text",
                "What they are to the child (optional)",
                "Such as mother, neighbour or coach.",
            ),
        ),
    )


def heard() -> Page:
    """What was seen or heard first-hand, how it is known, and when."""
    return Page(
        "heard",
        "What was seen or heard",
        (
            Question(
                "summary",
                "long",
                "What did they see, hear or read?",
                "In their own words, as far as you can. Nobody else is shown this text: later you write what "
                "others may read.",
                needed=True,
                missing="Write what was seen or heard",
                rows=8,
            ),
            Question(
                "directness",
                "radios",
                "How do they know?",
                choices=w.KNOWS,
                needed=True,
                missing="Choose how they know",
            ),
            Question(
                "observed",
                "date",
                "On which day did they see or hear it?",
                needed=True,
                missing="Enter the day on which it was seen or heard",
            ),
            Question(
                "observed_time",
                "time",
                "At what time, about? (optional)",
                "Such as 4pm or 16:30.",
                width="govuk-input--width-5",
            ),
        ),
    )


def passed() -> Page:
    """Who told whom, so that one observation that many pass on counts once."""
    return Page(
        "passed",
        "How it came to you",
        (
            Question(
                "came",
                "radios",
                "How did it come to you?",
                "One thing that many have passed on must count once, not many times.",
                w.CAME,
                needed=True,
                missing="Choose how it came to you",
            ),
            Question(
                "chain",
                "long",
                "Who told whom?",
                "Such as: the grandmother told the school, the school told us. It stays with you.",
                under=("came", "chain"),
                missing="Say who told whom",
                rows=3,
            ),
            Question(
                "references",
                "long",
                "References of what it was made from (optional)",
                "If you had a message about it, or told us of it before: its reference, one on each line.",
                under=("came", "chain"),
                rows=3,
            ),
        ),
    )


def about() -> Page:
    """Children, a group or a place."""
    return Page(
        "about",
        "Who or what it is about",
        (
            Question(
                "about",
                "radios",
                "Who or what is it about?",
                choices=w.ABOUT,
                needed=True,
                missing="Choose who or what it is about",
            ),
            Question(
                "group",
                "text",
                "The group in a few words",
                "Such as: boys of about 14 who meet at the bus station after school.",
                under=("about", "group"),
                missing="Describe the group in a few words",
            ),
        ),
    )


def child(slot: str, asking: Asking) -> Page:
    """Who the child is, as far as it is known."""
    unknown = Choice(NOT_KNOWN, "I do not know")
    return Page(
        f"child-{slot}",
        f"Child {slot}: who it is",
        (
            Question("given_name", "text", "First name (optional)"),
            Question("family_name", "text", "Last name (optional)"),
            Question("born", "date", "Date of birth (optional)", "Such as 27 3 2011."),
            Question(
                "home",
                "select",
                "Where does the child live?",
                "The council's area. It decides who looks after the child's safety.",
                choices=(unknown,),
                groups=asking.areas,
                needed=True,
                missing="Choose where the child lives, or that you do not know",
            ),
            Question("address", "text", "Address (optional)"),
            Question(
                "school",
                "select",
                "School or college (optional)",
                choices=(Choice("", "None of these, or I do not know"), *asking.schools),
            ),
            Question(
                "roles",
                "checkboxes",
                "What has the child to do with it? (optional)",
                "Choose all that hold. One does not cancel another.",
                w.ROLES,
            ),
            Question("injury", "text", "Injury, in plain words (optional)"),
            Question(
                "nhs_number",
                "text",
                "NHS number (optional)",
                "10 digits, such as 943 476 5919. No number is needed: without one we make a reference for "
                "this child.",
                width="govuk-input--width-10",
            ),
            Question(
                "upn",
                "text",
                "Unique pupil number (optional)",
                "A letter and 12 digits, such as B801200005001.",
                width="govuk-input--width-10",
            ),
            Question(
                "own_reference",
                "text",
                "Your own reference (optional)",
                "If you told us of this child before, the same as then.",
                width="govuk-input--width-10",
            ),
        ),
        "Nothing here needs to be complete. Leave empty what you do not know.",
    )


def care(slot: str) -> Page:
    """The child's own voice, strengths, and whether it is safe to tell."""
    return Page(
        f"care-{slot}",
        f"Child {slot}: their voice, and what helps",
        (
            Question(
                "voice", "long", "What does the child say? (optional)", "Their words.", rows=3
            ),
            Question(
                "voice_how",
                "text",
                "Who heard it, and how? (optional)",
                "Such as: said to the aunt.",
            ),
            Question("voice_wish", "text", "What does the child want to be shared? (optional)"),
            Question(
                "strengths",
                "long",
                "Who or what helps the child? (optional)",
                "One on each line, such as: trusts his football coach.",
                rows=3,
            ),
            Question(
                "safety_plan",
                "long",
                "What is done to keep the child safe? (optional)",
                "In words for those who carry it out. Schools are shown this.",
                rows=3,
            ),
            Question(
                "safe_child",
                "radios",
                "Is it safe if the child learns that this was shared?",
                choices=w.SAFE,
                needed=True,
                missing="Choose whether it is safe if the child learns of it",
            ),
            Question(
                "safe_parents",
                "radios",
                "Is it safe if the parents or carers learn of it?",
                choices=w.SAFE,
                needed=True,
                missing="Choose whether it is safe if the parents or carers learn of it",
            ),
            Question("safe_reason", "text", "Why, or why not? (optional)"),
        ),
    )
