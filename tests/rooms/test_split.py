"""Split: one event, its parts, and what each part is keyed by."""

from __future__ import annotations

import pytest

from broker.intake import part_keys
from broker.model import types as t
from broker.model.types import ConcernEvent
from tests.builders import SANDWELL, WOLVERHAMPTON, concern, subject


def at(event_id: str = "e", **where: object) -> ConcernEvent:
    place = t.Place(precision=t.PlacePrecision.UNKNOWN, kind=t.PlaceKind.RETAIL, **where)  # type: ignore[arg-type]
    return concern(event_id=event_id, subjects=(), place=place)


def key(event: ConcernEvent) -> str:
    (found,) = part_keys(event)
    return found.key


def test_each_child_is_a_part_and_a_place_only_where_no_child_is_named() -> None:
    """The unit that is decided: a child, else the place, else the group."""
    place = t.Place(precision=t.PlacePrecision.LA, la_gss=SANDWELL)
    children = (subject(subject_ref="a"), subject(subject_ref="b"))
    both = part_keys(concern(subjects=children, place=place))
    group = part_keys(concern(subjects=(), group=t.GroupRef(group_ref="g")))

    assert [one.kind for one in both] == [t.PartKind.SUBJECT] * 2
    assert [one.kind for one in part_keys(concern(subjects=(), place=place))] == [t.PartKind.PLACE]
    assert [one.kind for one in group] == [t.PartKind.GROUP]


def test_one_small_area_is_one_place_however_it_is_worded() -> None:
    """Two agencies that describe the same corner differently speak of one place."""
    one = at(lsoa="E01009999", la_gss=SANDWELL, description="Anvil Cross car park")
    other = at("f", lsoa="E01009999", la_gss=SANDWELL, description="retail park, A41")

    assert key(one) == key(other)


def test_a_named_place_is_told_apart_from_its_namesake_elsewhere() -> None:
    """Without a small area the name counts, within its authority; case and spaces do not."""
    here = at(la_gss=SANDWELL, description="Market  Place")

    assert key(here) == key(at("f", la_gss=SANDWELL, description="market place"))
    assert key(here) != key(at("f", la_gss=WOLVERHAMPTON, description="Market Place"))


def test_both_sides_of_a_border_mean_one_place() -> None:
    """Each names its own area first; whoever knows of one side only speaks of another place."""
    name = "Bus Interchange"
    ours = at(la_gss=SANDWELL, also_gss=(WOLVERHAMPTON,), description=name)
    theirs = at("f", la_gss=WOLVERHAMPTON, also_gss=(SANDWELL,), description=name)

    assert key(ours) == key(theirs)
    assert key(ours) != key(at("g", la_gss=SANDWELL, description=name))


@pytest.mark.parametrize(
    "where", [{}, {"la_gss": SANDWELL}, {"description": "on or near a street"}]
)
def test_somewhere_in_a_county_is_no_place(where: dict[str, str]) -> None:
    """Two incidents nobody knows where are not two witnesses of one: each stands alone."""
    assert key(at("e", **where)) != key(at("f", **where))
    assert key(at("e", **where)) == key(at("e", **where))
