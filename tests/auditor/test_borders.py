"""The border matrix counts what the leaves say, and what it hides cannot be solved for."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor import Recorded, RecordedDecision, RecordedPart, read_recorded
from broker.auditor.borders import Area, Borders, Fate, borders
from broker.auditor.borders_published import ALL, EVERYWHERE, MEASURES, lines, table_of
from broker.auditor.recorded import RecordedClosing, RecordedIntake, RecordedWeight
from broker.auditor.suppression import SMALL, WIDER, possible
from tests.auditor.regions import both_regions, ledger_with_key
from tests.auditor.replayed import POLICY

HOME, NEXT, FAR, FORCE, SCHOOL = "E08000031", "E08000028", "E08000025", "E23000014", "SCH-WV-001"
REFERENCE = POLICY.reference
AT = round(datetime.datetime(2026, 11, 2, tzinfo=datetime.UTC).timestamp() * 1000)
HOUR = 3_600_000


def decision(organisation: str, outcome: str = "PERMIT", **changes: object) -> RecordedDecision:
    """One leaf."""
    base = RecordedDecision(
        set_id="set",
        n=0,
        recipient=f"{organisation}:csc",
        organisation=organisation,
        role="csc",
        capacity=("home",),
        outcome=outcome,
        mode={"PERMIT": "CONTENT", "REVIEW": "CONTENT"}.get(outcome),
        released=("harms",),
        clauses=(),
        withheld=(("source", "source_identity_protected"),),
        reasons=(),
        obligations=(),
        weight=RecordedWeight(500, "some"),
        channel=None,
        recipient_leaf=None,
        message_id=f"alert-{organisation}",
    )
    return msgspec.structs.replace(base, **changes)


def part(
    number: int, *made: RecordedDecision, publisher: str = HOME, round_: int = 0
) -> RecordedPart:
    """One round of a part, an hour after the one before."""
    closing = RecordedClosing(
        set_id=f"set-{number}-{round_}",
        publisher=publisher,
        event_id=f"event-{number}",
        version=1,
        part_id=f"part-{number}",
        round=round_,
        decided_at=AT + round_ * HOUR,
        flags=(),
        policy_bundle="b",
        geography="g",
        register="r",
        parameters="p",
    )
    return RecordedPart("s0", 0, closing, made)


def report(*parts: RecordedPart, intake: tuple[RecordedIntake, ...] = ()) -> Borders:
    return borders(Recorded(parts, intake), REFERENCE)


leaf = st.builds(
    decision,
    st.sampled_from([HOME, NEXT, FAR, FORCE, SCHOOL]),
    st.sampled_from(["PERMIT", "DENY", "REVIEW"]),
    capacity=st.sampled_from([("home",), ("adjacent",), ("originator",)]),
    mode=st.sampled_from(["CONTENT", "EXISTENCE"]),
    withheld=st.sampled_from([(), (("text", "not_in_agreement"),)]),
)
rounds = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from([HOME, NEXT, FORCE]), st.lists(leaf, max_size=4)),
    max_size=20,
)


def parts_of(drawn: list[tuple[int, str, list[RecordedDecision]]]) -> list[RecordedPart]:
    """What was drawn as rounds: a statement drawn again is its next round."""
    seen: Counter[tuple[int, str]] = Counter()
    found = []
    for number, publisher, made in drawn:
        found.append(part(number, *made, publisher=publisher, round_=seen[number, publisher]))
        seen[number, publisher] += 1
    return found


@given(rounds)
@settings(max_examples=60, deadline=None)
def test_every_part_and_recipient_is_counted_once(drawn: list) -> None:
    """Sums of both tables equal, by brute force, the different parts and recipients of the leaves."""
    parts = parts_of(drawn)
    found = report(*parts)
    pairs = {
        (one.closing.publisher, one.closing.event_id, leaf.recipient)
        for one in parts
        for leaf in one.decisions
    }
    told = {
        (one.closing.publisher, one.closing.event_id, leaf.recipient)
        for one in parts
        for leaf in one.decisions
        if leaf.outcome == "PERMIT"
    }
    every = (*found.cells, *found.kinds)

    assert sum(one.total for one in every) == len(pairs)
    assert sum(one.told for one in every) == len(told)


@given(rounds)
@settings(max_examples=25, deadline=None)
def test_nothing_that_is_hidden_can_be_solved_for(drawn: list) -> None:
    """An attacker who solves for each hidden cell finds more than five values, and no small one is shown."""
    for cells in (report(*parts_of(drawn)).cells, report(*parts_of(drawn)).kinds):
        counts, sums = table_of(cells)
        shown = {
            (one.origin, one.to, one.kind, name): one.counts[name]
            for one in lines(cells, authorised=False)
            for name in MEASURES
        }
        hidden = frozenset(cell for cell, count in shown.items() if count is None)
        assert shown.keys() == counts.keys()
        assert not [count for count in shown.values() if count in SMALL]
        for cell in sorted(hidden, key=str)[:12]:
            low, high = possible(cell, hidden, counts, sums)
            assert high is None or high - low >= WIDER


@pytest.mark.parametrize(
    ("leaves", "fate"),
    [
        ((decision(NEXT),), Fate.WHOLE),
        ((decision(NEXT, withheld=(("text", "not_in_agreement"),)),), Fate.PARTIAL),
        ((decision(NEXT, mode="EXISTENCE"),), Fate.EXISTENCE),
        ((decision(NEXT, "DENY"),), Fate.REFUSED),
        ((decision(NEXT, "DENY", capacity=("adjacent",)),), Fate.NO_NEXUS),
        ((decision(NEXT, "REVIEW"),), Fate.REVIEW),
        ((decision(NEXT, "REVIEW"), decision(NEXT)), Fate.WHOLE),
        ((decision(NEXT), decision(NEXT, "DENY", capacity=())), Fate.WITHDRAWN),
        ((decision(NEXT, "REVIEW"), decision(NEXT, "DENY", capacity=())), Fate.REFUSED),
    ],
)
def test_the_last_word_counts(leaves: tuple[RecordedDecision, ...], fate: Fate) -> None:
    """What a person releases is told; what is taken back was told and is withdrawn."""
    made = [part(0, one, round_=number) for number, one in enumerate(leaves)]
    (cell,) = report(*made).cells

    assert cell.counts[fate] == cell.total == 1


def test_who_has_not_acknowledged_is_counted_as_such() -> None:
    """One answers after two hours, one never does, and who is not its recipient answers for nobody."""
    answers = tuple(
        RecordedIntake(
            "action", f"act-{n}", who, AT + hours * HOUR, None, None, "acknowledge", alert
        )
        for n, (who, hours, alert) in enumerate([(NEXT, 2, "first"), (FAR, 1, "second")])
    )
    found = report(
        part(0, decision(NEXT, message_id="first")),
        part(1, decision(NEXT, message_id="second")),
        intake=answers,
    )
    (cell,) = found.cells

    assert (cell.told, cell.acknowledged) == (2, 1)
    assert cell.to_acknowledgement_s == 2 * 3600
    whole = next(one for one in lines(found.cells, authorised=True) if one.to == EVERYWHERE)
    assert (whole.counts["acknowledged"], whole.counts["not_acknowledged"]) == (1, 1)


def test_adjacent_is_not_nexus_and_silence_is_said() -> None:
    """Wolverhampton told Birmingham, which it does not adjoin, and not Sandwell, which it does."""
    found = report(part(0, decision(FAR), decision(NEXT, "DENY", capacity=("adjacent",))))

    assert [(one.origin.code, one.to.code) for one in found.beyond] == [(HOME, FAR)]
    assert [
        one.evaluated for one in found.silent if {one.one.code, one.other.code} == {HOME, NEXT}
    ] == [1]
    assert found.cells[0].to_decision_s == 0


def test_who_serves_several_stands_for_itself_and_a_school_for_its_authority() -> None:
    """No guess is made for which authority a force spoke."""
    (cell,) = report(part(0, decision(SCHOOL), publisher=FORCE)).kinds

    assert cell.origin == Area(FORCE, REFERENCE.organisations[FORCE].name, is_authority=False)
    assert (cell.to.code, cell.to.is_authority, cell.kind) == (HOME, True, "school")


def test_a_period_takes_parts_by_their_first_round() -> None:
    """What came later of a part counts with it; what began outside does not."""
    made = Recorded((part(0, decision(NEXT, "REVIEW")), part(0, decision(NEXT), round_=1)), ())

    (cell,) = borders(made, REFERENCE, AT, AT + 1).cells
    assert cell.counts[Fate.WHOLE] == 1
    assert not borders(made, REFERENCE, AT + 1, None).cells
    assert not borders(made, REFERENCE, None, AT).cells


def test_a_real_ledger_counts_to_its_leaves(tmp_path: Path) -> None:
    """Both regions' scenarios: the whole line of the authorised table is the number of leaves."""
    ledger, _ = ledger_with_key(tmp_path, both_regions())
    recorded = read_recorded(ledger)
    found = borders(recorded, REFERENCE)
    whole = [
        one.counts[ALL]
        for cells in (found.cells, found.kinds)
        for one in lines(cells, authorised=True)
        if one.origin == one.to == EVERYWHERE and one.kind == ALL
    ]

    assert sum(one or 0 for one in whole) == sum(len(one.decisions) for one in recorded.parts)
