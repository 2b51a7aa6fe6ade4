"""A second, naive locate over the raw CSV files agrees with the first on generated parts everywhere.

It shares no code with broker.locate or broker.reference: plain loops over rows, one rule after the
other, as a person with the files and a pencil would do it.
"""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.locate import candidates
from broker.model import types as t
from broker.model.values import Claim, EarlierConcern, Linked, PartInput
from broker.reference import load_reference
from tests.builders import NOW, concern, subject

ROOT = Path(__file__).resolve().parents[2]
CODESETS = ROOT / "schemas" / "codesets"
REGISTER = ROOT / "policies" / "organisations"
REFERENCE = load_reference(CODESETS, REGISTER)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


BORDERS = table(CODESETS / "borders.csv")
POLICE_AREAS = table(CODESETS / "police_areas.csv")
REPLACED = table(CODESETS / "replaced_codes.csv")
ORGANISATIONS = [row for path in REGISTER.glob("*.csv") for row in table(path)]
AUTHORITIES = [row["gss_code"] for row in table(CODESETS / "authorities.csv")]
OTHERS = sorted({row["code"] for row in ORGANISATIONS} - set(AUTHORITIES))
OLD = [row["gss_code"] for row in REPLACED]


def holds(row: dict[str, str], day: str) -> bool:
    """ISO days compare as text."""
    return row["valid_from"] <= day and (row["valid_to"] == "" or day <= row["valid_to"])


def row_of(code: str, day: str) -> dict[str, str] | None:
    for row in ORGANISATIONS:
        if row["code"] == code and holds(row, day):
            return row
    return None


def renewed(code: str) -> str:
    for row in REPLACED:
        if row["gss_code"] == code:
            return row["successor"]
    return code


def naive(linked: Linked) -> list[tuple[str, str, tuple[str, ...]]]:  # noqa: C901, PLR0912 -- naive on purpose: one rule after the other
    """(organisation, role, capacities), sorted."""
    day = linked.part.received_at.date().isoformat()
    event = linked.part.event
    pairs: list[tuple[str, str]] = []  # (organisation, capacity), from facts about child and place
    if linked.part.subject is not None:
        for fact in linked.part.subject.nexus:
            begun = fact.valid_from is None or fact.valid_from.isoformat() <= day
            ended = fact.valid_to is not None and fact.valid_to.isoformat() < day
            if begun and not ended:
                pairs.append((renewed(fact.organisation), fact.kind.value))
    if event.place is not None:
        areas = (event.place.la_gss, *event.place.also_gss)
        pairs += [(renewed(area), "harm_place") for area in areas if area is not None]

    more: list[tuple[str, str]] = []
    neighbours: set[str] = set()
    for code, capacity in pairs:
        row = row_of(code, day)
        if row is None or row["kind"] not in ("authority", "council"):
            continue
        for area in POLICE_AREAS:
            if area["gss_code"] == code and holds(area, day):
                more.append((area["police_force_area_code"], capacity))  # noqa: PERF401 -- as above
        for board in ORGANISATIONS:
            served = board["kind"] == "icb" and code in board["areas"].split(" ")
            if served and capacity in ("home", "found_in", "placed_in"):
                more.append((board["code"], capacity))
        for border in BORDERS:
            if holds(border, day) and border["gss_a"] == code:
                neighbours.add(border["gss_b"])
            if holds(border, day) and border["gss_b"] == code:
                neighbours.add(border["gss_a"])
    if event.place is not None and event.place.kind == "transport":
        more.append(("BTP", "harm_place"))
    more += [(renewed(one.organisation), "earlier_concern") for one in linked.earlier]
    if event.request is not None:
        more.append((renewed(event.request.asked_of), "asked"))
    more += [(renewed(code), "requester") for code in linked.requesters]
    more.append((renewed(event.publisher), "originator"))

    concerned = {code for code, _ in pairs + more}
    more += [(code, "adjacent") for code in neighbours if code not in concerned]
    answer = []
    for code in sorted({code for code, _ in pairs + more}):
        row = row_of(code, day)
        if row is not None:
            capacities = tuple(sorted({what for one, what in pairs + more if one == code}))
            opens = [one for one in capacities if event.subjects or one != "earlier_concern"]
            answer.append((code, naive_role(row, tuple(opens)), capacities))
            place_here = event.subjects == () and "harm_place" in capacities
            if place_here and row["kind"] == "authority" and "csp" in row["roles"].split(" "):
                answer.append((code, "csp", ("harm_place",)))
    return sorted(answer)


def naive_role(row: dict[str, str], capacities: tuple[str, ...]) -> str:
    if row["kind"] == "council":
        return "csc"
    if row["kind"] != "authority":
        return row["roles"].split(" ")[0]
    for capacity in capacities:
        if capacity not in ("harm_place", "originator", "schooled_in", "asked", "requester"):
            return "csc"
    return "mash"


dates = st.none() | st.dates(datetime.date(2025, 1, 1), datetime.date(2028, 1, 1))
authorities = st.sampled_from(AUTHORITIES)
codes = authorities | authorities | authorities | st.sampled_from(OTHERS + OLD)
facts = st.builds(
    t.NexusFact,
    kind=st.sampled_from(t.NexusKind),
    organisation=codes,
    valid_from=dates,
    valid_to=dates,
)
requests = st.builds(t.InformationRequest, asked_of=codes, purpose=st.just("to keep a child safe"))


def beside(code: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Up to three areas that adjoin this one, and none for an island."""
    near = sorted(REFERENCE.neighbours(code, NOW.date()))
    if not near:
        return st.just(())
    return st.lists(st.sampled_from(near), max_size=3, unique=True).map(tuple)


def place(
    areas: st.SearchStrategy[str | None], others: st.SearchStrategy[tuple[str, ...]]
) -> st.SearchStrategy[t.Place]:
    """A place of any sort in and beside these areas."""
    return st.builds(
        t.Place,
        precision=st.sampled_from(t.PlacePrecision),
        kind=st.sampled_from(t.PlaceKind),
        la_gss=areas,
        also_gss=others,
    )


places = place(st.none() | authorities | st.sampled_from(OLD), st.just(())) | authorities.flatmap(
    lambda code: place(st.just(code), beside(code))
)


@st.composite
def linked_parts(draw: st.DrawFn) -> Linked:
    """A part of a child or of a place, anywhere, on any day about now."""
    nexus = draw(st.lists(facts, max_size=6))
    child = subject(nexus=tuple(nexus)) if draw(st.booleans()) else None
    place = draw(st.none() | places) if child else draw(places)
    event = concern(
        publisher=draw(codes),
        subjects=(child,) if child else (),
        place=place,
        provenance=draw(st.sampled_from(t.Provenance)),
        request=draw(st.none() | requests),
    )
    earlier = draw(st.lists(st.builds(EarlierConcern, event_id=st.just("e"), organisation=codes)))
    moment = draw(
        st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2029, 1, 1))  # noqa: DTZ001
    ).replace(tzinfo=datetime.UTC)
    part = PartInput(
        part_id="p",
        part_key="k",
        kind=t.PartKind.SUBJECT if child else t.PartKind.PLACE,
        event=event,
        subject=child,
        received_at=moment,
        order=1,
        part_count=1,
        receipt_set_id="r",
    )
    requesters = draw(st.lists(codes, max_size=1))
    return Linked(
        part,
        Claim((), NOW),
        agencies_seen=1,
        earlier=tuple(earlier),
        requesters=tuple(requesters),
    )


@settings(max_examples=300, deadline=None)
@given(linked_parts())
def test_two_independent_ways_to_find_candidates_agree_everywhere(linked: Linked) -> None:
    """broker.locate over indexes and the naive loops over raw rows name the same candidates."""
    found = [(one.organisation, one.role, one.capacity) for one in candidates(linked, REFERENCE)]
    assert found == naive(linked)


def test_every_authority_as_a_home_gives_the_same_candidates_both_ways() -> None:
    """No authority is left to chance: each of the 153 once as the home of a child."""
    assert len(AUTHORITIES) == 153
    for code in AUTHORITIES:
        fact = t.NexusFact(kind=t.NexusKind.HOME, organisation=code)
        child = subject(nexus=(fact,))
        event = concern(publisher=code, subjects=(child,))
        part = PartInput("p", "k", t.PartKind.SUBJECT, event, child, NOW, 1, 1, "r")
        linked = Linked(part, Claim((), NOW), 1, ())
        found = [
            (one.organisation, one.role, one.capacity) for one in candidates(linked, REFERENCE)
        ]
        assert found == naive(linked)
        assert (code, "csc", ("home", "originator")) in found
