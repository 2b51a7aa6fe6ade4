"""What somebody told us, from the answers to the form to the statement that is signed and sent.

Pure. Whatever the form accepts, the broker's own verification accepts: the last thing that is done
here is to ask it. A grade is in the statement only where the organisation grades; how specific it is
follows from what was answered and is asked of nobody.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from broker.desk.tell_answers import MOST_LINES, Given, Problem, moment
from broker.desk.tell_asking import MOST_CHILDREN, Answers, Asking, Page
from broker.desk.tell_children import child
from broker.desk.tell_form import pages
from broker.desk.tell_words import AUDIENCES, WITHOUT_HARM
from broker.model.codec import encode
from broker.model.types import (
    Audience,
    AudienceText,
    ConcernEvent,
    Directness,
    EventType,
    Grading,
    GroupRef,
    Handling,
    HarmKind,
    Place,
    PlaceKind,
    PlacePrecision,
    Provenance,
    Severity,
    Source,
    Specificity,
    Subject,
    TimeInterval,
)
from broker.model.values import Rejection
from broker.verify import check_event

CONSULT = "consult_originator"
MOST_BYTES = 700_000
"""Of a statement; what intake takes, less what signing and sealing add."""
TO_A_PLACE = frozenset({"address", "street", "public_place", "ward"})
PAGE_OF = {
    "areas_do_not_adjoin": ("where", "beside"),
    "no_subject_and_no_place": ("about", "about"),
    "correction_without_reason": ("why", "reason"),
}
"""Reason of a refusal by the broker's verification -> where it is put right."""


class Telling(msgspec.Struct, frozen=True):
    """A statement while it is being written: its ids, and the answers as they came."""

    event_id: str
    origin_id: str
    answers: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    children: tuple[str, ...] = ()
    """Numbers of the children that were added, in order; a number is used once."""
    made_references: Mapping[str, str] = {}
    """Number of a child -> the reference that was made for it."""
    corrects: str | None = None
    """Id of the statement that it corrects."""

    def pages(self, asking: Asking) -> tuple[Page, ...]:
        """The pages of the form as answered so far."""
        return pages(self.answers, self.children, asking, corrects=self.corrects is not None)


class Read(msgspec.Struct, frozen=True):
    """The statement, or what keeps it from being sent."""

    event: ConcernEvent | None
    problems: tuple[Problem, ...]

    def of_page(self, slug: str) -> tuple[Problem, ...]:
        """The problems of one page."""
        return tuple(one for one in self.problems if one.page == slug)


def read(telling: Telling, asking: Asking, now: datetime.datetime) -> Read:
    """The statement as of `now`, or every problem with it, in the order of the pages."""
    problems: list[Problem] = []
    given = _given(telling.answers, telling.pages(asking), problems)
    event = _event(telling, given, asking, now)
    if event is not None and not problems:
        problems.extend(_refused(event, asking, now))
    order = list(given)
    problems.sort(key=lambda one: order.index(one.page) if one.page in given else len(order))
    return Read(None if problems else event, tuple(problems))


def _given(answers: Answers, asked: tuple[Page, ...], problems: list[Problem]) -> dict[str, Given]:
    given = {page.slug: Given(page, answers.get(page.slug, {}), problems) for page in asked}
    for one in given.values():
        one.check()
    return given


def _refused(event: ConcernEvent, asking: Asking, now: datetime.datetime) -> tuple[Problem, ...]:
    """What the broker would refuse, found by its own verification."""
    checked = check_event(event, None, b"", now, asking.reference)
    if isinstance(checked, Rejection):
        page, field = PAGE_OF.get(checked.reason, ("", ""))
        text = checked.explanation
        return (Problem(page, field, text[:1].upper() + text[1:]),)
    if len(encode(event)) > MOST_BYTES:
        return (Problem("heard", "summary", "Everything together is too long: shorten the texts"),)
    return ()


def _event(
    telling: Telling, given: Mapping[str, Given], asking: Asking, now: datetime.datetime
) -> ConcernEvent | None:
    """The statement as far as it can be read; None where it has no meaning without an answer."""
    speaker, heard, harm = given["speaker"], given["heard"], given["harm"]
    observed = _observed(heard, now)
    when = _when(given["when"], now)
    place = _place(given["where"], _about(given) == "place")
    subjects = _subjects(telling, given, asking)
    group = _group(telling, given["about"])
    kind, harms = _kind(telling, harm), _harms(telling, harm)
    passed = given["passed"]
    derived = _references(passed)
    chosen = [
        speaker.chosen("provenance"),
        heard.chosen("directness"),
        harm.chosen("severity"),
        kind,
    ]
    _areas_known(given, place, subjects)
    if observed is None or not all(chosen):
        return None
    first = passed.chosen("came") == "first"
    return ConcernEvent(
        event_id=telling.event_id,
        event_type=EventType(kind),
        publisher=asking.organisation.code,
        observed_at=observed,
        reported_at=now,
        when=when,
        place=place,
        group=group,
        subjects=subjects,
        harms=harms,
        summary=_summary(heard, passed),
        audience_texts=_texts(given["sharing"]),
        severity=Severity(chosen[2]),
        grading=_grading(given),
        handling=_handling(given["sharing"]),
        provenance=Provenance(chosen[0]),
        directness=Directness(chosen[1]),
        specificity=_specificity(subjects, group, when, place),
        source=_source(speaker),
        source_identifiable=speaker.chosen("identifiable") != "no",
        # What has no known first observation must count with anything like it, never beside it.
        origin_id=telling.origin_id if first else telling.event_id,
        origin_unknown=not first,
        derived_from=derived,
        relates_to=telling.corrects,
        reason=given["why"].text("reason") if "why" in given else None,
    )


def _about(given: Mapping[str, Given]) -> str:
    return given["about"].chosen("about")


def _observed(heard: Given, now: datetime.datetime) -> datetime.datetime | None:
    day, time = heard.day("observed"), heard.time("observed_time")
    if day is None:
        return None
    at = moment(day, time)
    if at > now:
        heard.problem("observed-day", "The day on which it was seen or heard is still to come")
    return at


def _when(given: Given, now: datetime.datetime) -> TimeInterval | None:
    known = given.chosen("when")
    start, end = given.day("start"), given.day("end")
    start_time, end_time = given.time("start_time"), given.time("end_time")
    if known not in {"happened", "expected"}:
        return None
    if start is None:
        if end or start_time or end_time:
            given.problem("start-day", "Enter the day, or the first day")
        return None
    begins = moment(start, start_time)
    ends = _ends(start, start_time, end, end_time)
    if ends is not None and ends < begins:
        given.problem("end-day", "The end is before the beginning: compare the two")
    if known == "happened" and begins > now:
        given.problem("start-day", "That is still to come: choose that it is expected")
    last = ends or moment(start, start_time or datetime.time(23, 59))
    if known == "expected" and last < now:
        given.problem("start-day", "That is over: choose that it has happened, or another day")
    return TimeInterval(start=begins, end=ends)


def _ends(
    start: datetime.date,
    start_time: datetime.time | None,
    end: datetime.date | None,
    end_time: datetime.time | None,
) -> datetime.datetime | None:
    """Whole days end with the day: without a time nothing is meant to be at midnight."""
    if end is None and end_time is None:
        return None if start_time else moment(start, datetime.time(23, 59))
    return moment(end or start, end_time or datetime.time(23, 59))


def _place(given: Given, needed: bool) -> Place | None:
    precision = given.chosen("precision")
    description, area, beside = (
        given.text("description"),
        given.chosen("area"),
        given.chosen("beside"),
    )
    stated = precision not in {"", "unknown"}
    if needed and not (description or area):
        given.problem("description", "Say which place it is, or choose its area")
    if precision in TO_A_PLACE and not description:
        given.problem("description", "Say in words where it is")
    if precision == "la" and not area:
        given.problem("area", "Choose the area")
    if beside and not area:
        given.problem("area", "Choose the area in which it lies, besides the one next to it")
    if not (stated or description or area) or not precision:
        return None
    return Place(
        precision=PlacePrecision(precision),
        kind=PlaceKind(given.chosen("kind") or "other"),
        la_gss=area or None,
        also_gss=(beside,) if beside else (),
        description=description,
    )


def _subjects(telling: Telling, given: Mapping[str, Given], asking: Asking) -> tuple[Subject, ...]:
    if _about(given) != "children":
        return ()
    if not telling.children:
        given["about"].problem("about", "Add the child that it is about")
    if len(telling.children) > MOST_CHILDREN:
        given["about"].problem("about", f"More than {MOST_CHILDREN} children: send several")
    return tuple(
        child(
            number,
            given[f"child-{slot}"],
            given[f"care-{slot}"],
            telling.made_references.get(slot, ""),
            asking,
        )
        for number, slot in enumerate(telling.children, 1)
    )


def _areas_known(
    given: Mapping[str, Given], place: Place | None, subjects: tuple[Subject, ...]
) -> None:
    """Notes a problem where nobody at all would be concerned."""
    if _about(given) and not (place and place.la_gss) and not any(one.nexus for one in subjects):
        given["where"].problem(
            "area",
            "Choose an area: where it happens or where the child lives. Without either, nobody can be "
            "told. If you know neither, choose the area in which you heard of it",
        )


def _group(telling: Telling, about: Given) -> GroupRef | None:
    if about.chosen("about") != "group":
        return None
    return GroupRef(group_ref=f"group-{telling.event_id}", description=about.text("group"))


def _kind(telling: Telling, harm: Given) -> str:
    return EventType.CORRECTION.value if telling.corrects else harm.chosen("type")


def _harms(telling: Telling, harm: Given) -> tuple[HarmKind, ...]:
    found = tuple(HarmKind(code) for code in harm.all_chosen("harms"))
    kind = _kind(telling, harm)
    if not found and kind and kind not in WITHOUT_HARM and not telling.corrects:
        harm.problem("harms", "Choose at least one of what you fear or what happened")
    return found


def _references(passed: Given) -> tuple[str, ...]:
    if passed.chosen("came") != "chain":
        return ()
    found = passed.lines("references")
    if len(found) > MOST_LINES:
        passed.problem("references", f"Give no more than {MOST_LINES} references")
    if any(" " in one or not one.isascii() or len(one) > 128 for one in found):
        passed.problem(
            "references", "A reference has letters, digits and hyphens: one on each line"
        )
    return found


def _summary(heard: Given, passed: Given) -> str | None:
    summary = heard.text("summary")
    chain = passed.text("chain") if passed.chosen("came") == "chain" else None
    return f"{summary}\n\nHow it came to us: {chain}" if summary and chain else summary


def _texts(sharing: Given) -> tuple[AudienceText, ...]:
    stated = ((one.code, sharing.text(f"text_{one.code}")) for one in AUDIENCES)
    return tuple(AudienceText(audience=Audience(code), text=text) for code, text in stated if text)


def _handling(sharing: Given) -> Handling:
    """With a condition wherever it is not said that it may be passed on."""
    if sharing.chosen("handling") == "P":
        return Handling(code="P")
    return Handling(code="C", conditions=(CONSULT,))


def _grading(given: Mapping[str, Given]) -> Grading | None:
    page = given.get("grading")
    if page is None or page.chosen("graded") != "yes":
        return None
    evaluation, assessment = page.chosen("evaluation"), page.chosen("assessment")
    if not evaluation:
        page.problem("evaluation", "Choose the source evaluation")
    if not assessment:
        page.problem("assessment", "Choose the intelligence assessment")
    doubted = evaluation == "3" or assessment == "E"
    reason, reviewer = page.text("doubt_reason"), page.text("doubt_reviewer")
    if doubted and not (reason and reviewer):
        field = "doubt_reviewer" if reason else "doubt_reason"
        page.problem(field, "Say why it is doubted, and who reviewed that")
    handling = given["sharing"].chosen("handling")
    return Grading(
        scheme="3x5x2",
        source_evaluation=evaluation,
        information_assessment=assessment,
        handling=handling,
        original=f"{evaluation}{assessment}{handling}",
        doubt_reason=reason if doubted else None,
        doubt_reviewer=reviewer if doubted else None,
    )


def _specificity(
    subjects: tuple[Subject, ...],
    group: GroupRef | None,
    when: TimeInterval | None,
    place: Place | None,
) -> Specificity:
    """Who, when and where; two of them; or general: as the schema has it."""
    named = bool(subjects) or group is not None
    located = place is not None and place.precision.value in TO_A_PLACE
    known = sum((named, when is not None, located))
    return {3: Specificity.SPECIFIC, 2: Specificity.PARTIAL}.get(known, Specificity.GENERAL)


def _source(speaker: Given) -> Source | None:
    name, contact = speaker.text("source_name"), speaker.text("source_contact")
    relationship = speaker.text("source_relationship")
    if not (name or contact or relationship):
        return None
    return Source(
        name=name,
        contact=contact,
        relationship=relationship,
        asks_not_to_be_named=speaker.chosen("not_named") != "no",
    )
