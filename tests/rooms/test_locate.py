"""Locate: an organisation is a candidate for a reason, and the reason is a nexus of the day."""

from __future__ import annotations

import ast
import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.locate import candidates
from broker.model import types as t
from broker.model.reference import Border, Organisation, Reference
from broker.model.values import Candidate, Claim, EarlierConcern, Linked, PartInput
from broker.reference import load_reference
from tests.builders import NOW, concern, subject
from tests.scenarios.transpose import WEST_MIDLANDS_TO_GREATER_MANCHESTER, transpose

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = load_reference(ROOT / "schemas" / "codesets", ROOT / "policies" / "organisations")
WV, SW, WS, DY, ST = "E08000031", "E08000028", "E08000030", "E08000027", "E10000028"
BM, SH, WMP, WMERC = "E08000025", "E06000051", "E23000014", "E23000016"
POWYS, WREXHAM = "W06000023", "W06000006"
ADVOCATE, SCHOOL, BLACK_COUNTRY = "ADV-WM-001", "SCH-WV-001", "ICB-BLACK-COUNTRY"


def fact(kind: str, organisation: str, **days: Any) -> t.NexusFact:
    return t.NexusFact(kind=t.NexusKind(kind), organisation=organisation, **days)


def part_of(
    *nexus: t.NexusFact,
    place: t.Place | None = None,
    publisher: str = ADVOCATE,
    earlier: tuple[str, ...] = (),
    at: datetime.datetime = NOW,
) -> Linked:
    """A child's part with these facts; a place's part if there are none."""
    child = subject(nexus=nexus) if nexus else None
    event = concern(publisher=publisher, subjects=(child,) if child else (), place=place)
    kind = t.PartKind.SUBJECT if child else t.PartKind.PLACE
    part = PartInput("p", "k", kind, event, child, at, 1, 1, "r")
    before = tuple(EarlierConcern(f"e{n}", code) for n, code in enumerate(earlier))
    return Linked(part, Claim((), at), 1, before)


def place(la: str | None, kind: str = "retail") -> t.Place:
    return t.Place(precision=t.PlacePrecision.PUBLIC_PLACE, kind=t.PlaceKind(kind), la_gss=la)


def found(linked: Linked, reference: Reference = REFERENCE) -> dict[str, tuple[str, ...]]:
    """Recipient -> capacities."""
    return {one.recipient: one.capacity for one in candidates(linked, reference)}


PARENTS_WARNING = part_of(fact("home", WV), fact("schooled_in", SCHOOL), place=place(SW))


def test_a_parents_warning_finds_home_place_school_and_every_neighbour() -> None:
    """S1: home and place of harm with their force; Walsall, Dudley, Staffordshire only as neighbours."""
    assert found(PARENTS_WARNING) == {
        f"{ADVOCATE}:advocate": ("originator",),
        f"{WV}:csc": ("home",),
        f"{SW}:mash": ("harm_place",),
        f"{WMP}:police": ("harm_place", "home"),
        f"{BLACK_COUNTRY}:health": ("home",),
        f"{SCHOOL}:school": ("schooled_in",),
        **{f"{code}:csc": ("adjacent",) for code in (WS, DY, ST, BM)},
    }


def test_a_scenario_moved_to_another_region_moves_with_its_reference_data() -> None:
    """Transposed, S1 finds the counterparts; further neighbours come from the real map there."""
    mapping = WEST_MIDLANDS_TO_GREATER_MANCHESTER
    elsewhere = found(transpose(PARENTS_WARNING, mapping))
    expected = transpose(found(PARENTS_WARNING), mapping)
    told = {who: why for who, why in expected.items() if why != ("adjacent",)}
    assert told.items() <= elsewhere.items()
    further = elsewhere.keys() - told.keys()
    assert {elsewhere[who] for who in further} == {("adjacent",)}
    tameside, manchester = mapping[WV], mapping[SW]
    around = REFERENCE.neighbours(tameside, NOW.date()) | REFERENCE.neighbours(
        manchester, NOW.date()
    )
    assert {who.split(":")[0] for who in further} == around - {tameside, manchester}


def test_a_placement_far_from_home_finds_the_welsh_neighbours_as_neighbours_only() -> None:
    """S2: Shropshire, its board and West Mercia; Powys and Wrexham adjacent, with their country."""
    linked = part_of(fact("placed_by", WV), fact("placed_in", SH), publisher=WV)
    all_of_them = found(linked)
    assert all_of_them[f"{WV}:csc"] == ("originator", "placed_by")
    assert all_of_them[f"{SH}:csc"] == ("placed_in",)
    assert all_of_them["ICB-SHROPSHIRE:health"] == ("placed_in",)
    assert all_of_them[f"{WMERC}:police"] == ("placed_in",)
    assert f"{BLACK_COUNTRY}:health" not in all_of_them
    abroad = {one.organisation: one for one in candidates(linked, REFERENCE)}
    for code in (POWYS, WREXHAM):
        assert abroad[code] == Candidate(code, "csc", ("adjacent",), "council", "Wales")


def test_wolverhampton_and_birmingham_do_not_adjoin() -> None:
    """A trap of the map: Birmingham borders Dudley, Sandwell and Walsall, not Wolverhampton."""
    assert BM not in {one.split(":")[0] for one in found(part_of(fact("home", WV)))}
    assert REFERENCE.neighbours(WV, NOW.date()) == {DY, SW, WS, ST}


def test_a_place_is_enough() -> None:
    """S5: an interchange without any child concerns authority, partnership, force, transport police."""
    linked = part_of(place=place(SW, "transport"))
    assert found(linked) == {
        f"{ADVOCATE}:advocate": ("originator",),
        f"{SW}:mash": ("harm_place",),
        f"{SW}:csp": ("harm_place",),
        f"{WMP}:police": ("harm_place",),
        "BTP:police": ("harm_place",),
        **{f"{code}:csc": ("adjacent",) for code in (WV, WS, DY, BM)},
    }


def test_a_place_on_a_border_concerns_both_sides_each_by_hub_and_partnership() -> None:
    """S5: Sandwell and Dudley alike; who reported the place before keeps the hub as its door."""
    border = msgspec.structs.replace(place(SW, "transport"), also_gss=(DY,))
    everyone = found(part_of(place=border, earlier=(DY,)))

    for code in (SW, DY):
        assert everyone[f"{code}:csp"] == ("harm_place",)
        assert "harm_place" in everyone[f"{code}:mash"]
        assert f"{code}:csc" not in everyone
    assert "earlier_concern" in everyone[f"{DY}:mash"]


def test_a_partnership_is_told_of_places_and_never_of_persons() -> None:
    """The part of a child, whatever the place, has no partnership among its candidates."""
    assert not [who for who in found(PARENTS_WARNING) if who.endswith(":csp")]


def test_a_station_in_an_unknown_area_still_concerns_transport_police() -> None:
    """A place without an authority is a place; who is concerned by its kind is told."""
    linked = part_of(place=place(None, "transport"))
    assert found(linked) == {f"{ADVOCATE}:advocate": ("originator",), "BTP:police": ("harm_place",)}
    assert "BTP:police" not in found(part_of(place=place(None, "retail")))


@pytest.mark.parametrize("kind", ["home", "found_in", "placed_by", "placed_in", "responsible"])
def test_a_person_in_an_area_goes_to_its_childrens_social_care(kind: str) -> None:
    """A person's nexus opens children's social care, whatever else happened there."""
    both = found(part_of(fact(kind, WV), place=place(WV)))
    assert both[f"{WV}:csc"] == tuple(sorted((kind, "harm_place")))
    assert f"{WV}:mash" not in both


def test_originator_and_earlier_concern_are_theirs_alone() -> None:
    """Neither the force of that area nor its neighbours share them: they know nothing of it."""
    linked = part_of(fact("home", WV), publisher=SH, earlier=(SH, "SCH-DY-001"))
    everyone = found(linked)
    assert everyone[f"{SH}:csc"] == ("earlier_concern", "originator")
    assert everyone["SCH-DY-001:school"] == ("earlier_concern",)
    assert f"{WMERC}:police" not in everyone
    assert f"{POWYS}:csc" not in everyone
    assert not [who for who, why in everyone.items() if "originator" in why and SH not in who]


def test_a_publisher_that_is_a_neighbour_is_there_for_what_it_said() -> None:
    """`adjacent` is only for those who have no other capacity."""
    assert found(part_of(fact("home", WV), publisher=DY))[f"{DY}:mash"] == ("originator",)


def test_another_child_of_the_event_brings_nobody_to_this_one() -> None:
    """A part is about one subject: facts of another subject are not its own."""
    linked = part_of(fact("home", WV))
    other = subject(subject_ref="child-2", nexus=(fact("home", SH),))
    event = msgspec.structs.replace(
        linked.part.event, subjects=(*linked.part.event.subjects, other)
    )
    more = msgspec.structs.replace(linked, part=msgspec.structs.replace(linked.part, event=event))
    assert candidates(more, REFERENCE) == candidates(linked, REFERENCE)


@pytest.mark.parametrize(
    ("days", "counts"),
    [
        ({}, True),
        ({"valid_from": NOW.date()}, True),
        ({"valid_to": NOW.date()}, True),
        ({"valid_from": NOW.date() + datetime.timedelta(1)}, False),
        ({"valid_to": NOW.date() - datetime.timedelta(1)}, False),
    ],
)
def test_a_fact_counts_on_the_days_on_which_it_holds(
    days: dict[str, datetime.date], counts: bool
) -> None:
    """First and last day are included; before and after, there is no nexus."""
    linked = part_of(fact("home", WV, **days), fact("found_in", SH))
    assert (f"{WV}:csc" in found(linked)) is counts


def test_an_old_code_is_accepted_and_the_code_in_force_is_given() -> None:
    """Barnsley and Sheffield changed their codes in 2025; what goes out names the new one."""
    old = found(part_of(fact("home", "E08000016"), place=place("E08000019")))
    assert old == found(part_of(fact("home", "E08000038"), place=place("E08000039")))
    assert old["E08000038:csc"] == ("home",)
    assert "E08000016:csc" not in old


def test_an_authority_that_was_split_gives_way_to_its_successors_on_the_day() -> None:
    """Surrey's coming split: the old row ends, new rows begin, borders with them, and nothing is both."""
    surrey, hampshire = "E10000030", "E10000014"
    last, first = datetime.date(2027, 3, 31), datetime.date(2027, 4, 1)
    rows = dict(REFERENCE.organisations)
    rows[surrey] = msgspec.structs.replace(rows[surrey], valid_to=last)
    new = "E06999999"  # invented: the real code is not published
    rows[new] = Organisation(
        new, "Half", "authority", "England", (new,), ("csc", "mash"), first, None
    )
    borders = dict(REFERENCE.borders)
    borders[hampshire] = (
        *(b for b in borders[hampshire] if b.neighbour != surrey),
        Border(surrey, datetime.date.min, last),
        Border(new, first, None),
    )
    changed = msgspec.structs.replace(REFERENCE, organisations=rows, borders=borders)
    for day, there, gone in ((last, surrey, new), (first, new, surrey)):
        at = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
        around = found(part_of(fact("home", hampshire), at=at), changed)
        assert around[f"{there}:csc"] == ("adjacent",)
        assert f"{gone}:csc" not in around
        assert f"{gone}:csc" not in found(part_of(fact("home", gone), at=at), changed)


def test_a_force_covers_an_area_only_on_its_days() -> None:
    """A pair of area and force that ended brings no force after its last day."""
    ended = {(WV, WMP): (datetime.date.min, NOW.date() - datetime.timedelta(1))}
    changed = msgspec.structs.replace(REFERENCE, service_dates=ended)
    assert f"{WMP}:police" not in found(part_of(fact("home", WV)), changed)


@settings(max_examples=40, deadline=None)
@given(
    provenance=st.sampled_from(t.Provenance),
    severity=st.sampled_from(t.Severity),
    directness=st.sampled_from(t.Directness),
    grading=st.none() | st.builds(t.Grading, scheme=st.sampled_from(["3x5x2", "ungraded"])),
    role=st.sampled_from(t.RoleKind),
)
def test_who_said_it_how_it_is_graded_and_the_childs_role_change_no_candidate(
    provenance: t.Provenance,
    severity: t.Severity,
    directness: t.Directness,
    grading: t.Grading | None,
    role: t.RoleKind,
) -> None:
    """A mother's warning reaches whom an officer's would, in the same order."""
    event = msgspec.structs.replace(
        PARENTS_WARNING.part.event,
        provenance=provenance,
        severity=severity,
        directness=directness,
        grading=grading,
    )
    child = msgspec.structs.replace(
        subject(nexus=event.subjects[0].nexus), roles=(t.RoleInIncident(role=role),), sex="F"
    )
    part = msgspec.structs.replace(PARENTS_WARNING.part, event=event, subject=child)
    swapped = msgspec.structs.replace(PARENTS_WARNING, part=part)
    assert candidates(swapped, REFERENCE) == candidates(PARENTS_WARNING, REFERENCE)


def test_locate_does_not_even_read_provenance_or_weight() -> None:
    """The room touches these attributes of an event and its subject, and no others."""
    read = {
        node.attr
        for path in (ROOT / "broker" / "locate").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    of_the_event = read & set(t.ConcernEvent.__struct_fields__)
    of_an_organisation = set(Organisation.__struct_fields__)  # its `roles` are front doors
    of_the_subject = (read & set(t.Subject.__struct_fields__)) - of_an_organisation
    assert of_the_event == {"place", "publisher", "request"}
    assert of_the_subject == {"nexus"}


def test_order_of_facts_and_of_earlier_concerns_changes_nothing() -> None:
    """Candidates come sorted, whatever order the facts came in."""
    facts = (fact("home", WV), fact("found_in", SH), fact("associate_home", DY))
    forward = part_of(*facts, earlier=(BM, SW))
    backward = part_of(*reversed(facts), earlier=(SW, BM))
    assert candidates(forward, REFERENCE) == candidates(backward, REFERENCE)
    assert list(candidates(forward, REFERENCE)) == sorted(candidates(forward, REFERENCE))
