"""Plans: a seed is all that it takes to have the same faults again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.shell.crash import POINTS
from tests.chaos.faults import DOES
from tests.chaos.plan import POINTS_OF, QUICK, TARGETS, plan, quick_plan


@given(st.integers(0, 2**31), st.integers(0, 60), st.integers(0, 60))
def test_a_seed_plans_the_same_faults_however_many_are_asked_for(seed, few, more) -> None:
    """The first faults of a long run are those of a short one."""
    least = min(few, more)
    assert plan(seed, few)[:least] == plan(seed, more)[:least]


@given(st.integers(0, 2**31))
def test_every_kind_comes_before_any_comes_by_chance(seed) -> None:
    """No run is without a kind of fault."""
    assert {one.kind for one in plan(seed, len(TARGETS))} == set(TARGETS)


@given(st.integers(0, 2**31))
def test_a_long_run_has_every_target(seed) -> None:
    """Two hundred faults meet every process, every tear, every broken socket, every poison."""
    met = {(one.kind, one.target) for one in plan(seed, 400)}
    assert met == {(kind, target) for kind, targets in TARGETS.items() for target in targets}


def test_every_planned_kind_is_done_and_the_dozen_is_a_dozen() -> None:
    """What is planned exists; what `make test` does is part of it."""
    assert set(DOES) == set(TARGETS)
    assert all(target in TARGETS[kind] for kind, target in QUICK)
    assert len(quick_plan(7, 12)) == 12


def test_the_crash_points_are_the_brokers_own() -> None:
    """A process is told to die at each point of its list, but for those that only a witness passes."""
    planned = {f"{name}.{point}" for name, points in POINTS_OF.items() for point in points}
    assert planned == set(POINTS) - {"ledger.witnessed"}
