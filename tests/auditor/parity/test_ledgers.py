"""From a real ledger to the verdict: a planted bias is found where it was planted, and nothing else is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from broker.auditor.asked import AskedError
from broker.auditor.parity.figures import Figures, figures
from broker.auditor.parity.reading import read_material
from broker.auditor.parity.reporting import made
from broker.auditor.parity.table import PART, RECIPIENT, Evidence, Line, evidence
from broker.commands.audit_parity import write
from broker.commands.errors import CommandError
from broker.commands.groups import audit_app
from broker.model import types as t
from broker.model.canonical import canonical_json
from broker.offline import Outcome
from tests.auditor.ledgers import write_ledger
from tests.auditor.parity.drawn import NAMED_POLICY, POLICY
from tests.auditor.parity.stories import (
    COMMUNITY,
    HEARD,
    SETTINGS,
    STATUTORY,
    Answers,
    everyone_heard,
    rows_key,
    statement,
    told,
    voices,
)
from tests.oracle import SECRET
from tests.rounds.story import AT, SW, WARNING, WV, Story, act, later
from tests.rounds.test_retraction import retraction

EACH = 16
"""Statements of each of four classes: thirty-two a side."""
EVENTS = voices(EACH, *COMMUNITY, *STATUTORY)


def table_of(folder: Path) -> Evidence:
    """The evidence of a ledger."""
    return evidence(read_material(folder, rows_key(folder)), POLICY)


def report_of(folder: Path) -> Figures:
    """The auditor's figures of a ledger."""
    return figures(table_of(folder), POLICY)


def stops_at(stage: int) -> Answers:
    """Two in three recipients of what the community said go no further than this answer."""

    def answers(event: t.ConcernEvent, number: int, alert: int) -> Sequence[str]:
        ignored = event.provenance in COMMUNITY and (number + alert) % 3
        return HEARD[:stage] if ignored else HEARD

    return answers


def refused_for_the_community(events: Sequence[t.ConcernEvent]) -> Any:
    """Records every other PERMIT of what the community said as a refusal, with counts that add up."""
    said = {one.event_id for one in events if one.provenance in COMMUNITY}

    def forge(one: t.DecisionSet) -> t.DecisionSet:
        leaves = [json.loads(leaf) for leaf in one.leaves]
        if leaves[-1]["kind"] != "closing" or leaves[-1]["event_id"] not in said:
            return one
        permits = [leaf for leaf in leaves if leaf.get("outcome") == "PERMIT"]
        for leaf in permits[::2]:
            leaf.update(outcome="DENY", mode=None, released=[], due=None, message_id=None)
        gone = len(permits[::2])
        leaves[-1].update(permit=leaves[-1]["permit"] - gone, deny=leaves[-1]["deny"] + gone)
        return msgspec.structs.replace(one, leaves=tuple(canonical_json(leaf) for leaf in leaves))

    return forge


@pytest.mark.parametrize(("stage", "name"), [(0, "acknowledged"), (1, "considered"), (2, "acted")])
def test_a_planted_bias_is_found_at_its_stage(tmp_path: Path, stage: int, name: str) -> None:
    """Answers withheld from one stage on: breach there, and pass at every other stage."""
    found = report_of(told(tmp_path / "ledger", EVENTS, stops_at(stage)))

    assert {one.measure: one.verdict.value for one in found.headlines} == {
        one.measure: "breach" if one.measure == name else "pass" for one in found.headlines
    }
    assert (found.overall.value, found.first_gap) == ("breach", name)
    assert found.overall_corrected.value == "breach"


def test_a_bias_in_disclosure_is_found_there(tmp_path: Path) -> None:
    """Half of the recipients of what the community said are refused: breach at `disclosed` alone."""
    forge = refused_for_the_community(EVENTS)
    found = report_of(told(tmp_path / "ledger", EVENTS, forge=forge))

    assert found.first_gap == "disclosed"
    assert [one.measure for one in found.headlines if one.verdict == "breach"] == ["disclosed"]


def test_equal_treatment_passes_and_the_same_little_of_it_does_not(tmp_path: Path) -> None:
    """Thirty-two statements a side that fare alike pass; four a side that fare alike are insufficient."""
    many = report_of(told(tmp_path / "many", EVENTS))
    few = report_of(told(tmp_path / "few", voices(2, *COMMUNITY, *STATUTORY)))

    assert (many.overall.value, many.first_gap) == ("pass", None)
    assert {one.verdict.value for one in few.headlines} == {"insufficient"}
    assert (few.overall.value, few.first_gap) == ("insufficient", None)


def test_a_stage_that_nobody_reached_is_no_pass(tmp_path: Path) -> None:
    """Where no recipient has answered at all, alike in silence is not alike in being heard."""
    found = report_of(told(tmp_path / "ledger", EVENTS, lambda *_: ()))

    assert [one.measure for one in found.headlines][-1] == "acknowledged"
    assert found.overall.value == "insufficient"


def lines_about(table: Evidence, provenance: t.Provenance) -> list[Line]:
    """Recipients of one class that had a nexus."""
    return [
        one
        for one in table.lines
        if one.unit == RECIPIENT and one.provenance == provenance and one.eligible
    ]


def test_what_was_taken_back_counts_in_no_stage(tmp_path: Path) -> None:
    """A retracted statement was received, and is in no later denominator."""
    parent, officer = statement(1, t.Provenance.PARENT), statement(2, t.Provenance.POLICE)
    back = retraction(parent)
    found = report_of(told(tmp_path / "ledger", [parent, officer], after=[back]))
    counts = {(one.measure, one.key): (one.reached, one.at_risk) for one in found.counts}

    assert counts["received", "provenance:parent"] == (0, 1)
    assert ("graded", "provenance:parent") not in counts
    assert counts["disclosed", "provenance:police"] == (4, 5)
    assert found.complete


def test_a_review_belongs_to_the_first_round(tmp_path: Path) -> None:
    """Told after a person had looked is told: one line for each candidate, none for the review."""
    waiting = statement(1, t.Provenance.PARENT, handling=t.Handling(code="Z"))
    answer = act("review", verdict="permit", event_id=waiting.event_id)
    before = table_of(told(tmp_path / "before", [waiting]))
    after = table_of(told(tmp_path / "after", [waiting], after=[answer]))

    assert len(before.lines) == len(after.lines)
    assert not any(one.told for one in before.lines)
    assert sum(one.told for one in lines_about(after, t.Provenance.PARENT)) == 4
    assert all(one.reviewed for one in after.lines if one.told)
    assert not any(one.refused and one.told for one in after.lines)


def test_an_answer_of_somebody_else_is_no_answer(tmp_path: Path) -> None:
    """Only a recipient's own answers count, however many others write."""
    folder = told(tmp_path / "ledger", [statement(1, t.Provenance.PARENT)])
    material = read_material(folder, rows_key(folder))
    stolen = tuple(msgspec.structs.replace(act_, organisation="other") for act_ in material.acts)
    table = evidence(msgspec.structs.replace(material, acts=stolen), POLICY)

    assert any(one.told for one in table.lines)
    assert not any(one.acknowledged for one in table.lines)


class Kept(Story):
    """A story whose every set is kept, to be read as a ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.sets: list[t.DecisionSet] = []

    def tell(self, statement: t.ConcernEvent | t.Action, at: datetime.datetime = AT) -> Outcome:
        """As the story tells it."""
        outcome = super().tell(statement, at)
        self.sets += outcome.sets
        return outcome


def test_real_answers_are_read_where_they_belong(tmp_path: Path) -> None:
    """Through the flow, with reply codes: who answered, how far it went, when, and into which plan."""
    story = Kept()
    story.tell(WARNING)
    story.tell(story.answer(WV, "acknowledge"), later(minutes=30))
    story.tell(story.answer(WV, "consider"), later(hours=2))
    story.tell(story.answer(SW, "act", plan="CP-2026-118"), later(hours=3))
    material = read_material(write_ledger(tmp_path / "ledger", story.sets), SECRET)
    table = evidence(material, POLICY)
    lines = [one for one in table.lines if one.told and one.eligible]

    assert len(lines) == 4
    assert sorted((one.acknowledged, one.considered, one.acted) for one in lines) == [
        (0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 1, 1),
    ]  # fmt: skip
    assert sorted((one.hours, one.planned) for one in lines if one.considered) == [(2, 0), (3, 1)]
    assert sum(one.unit == PART for one in table.lines) == 1
    assert table.listed == table.decided == 1


def test_one_event_about_two_children_is_two_parts_and_one_statement(tmp_path: Path) -> None:
    """Received and graded once, weighed and told for each child."""
    first, second = statement(1, t.Provenance.PARENT), statement(2, t.Provenance.PARENT)
    other = msgspec.structs.replace(second.subjects[0], subject_ref="child-2")
    both = msgspec.structs.replace(first, subjects=(*first.subjects, other))
    found = report_of(told(tmp_path / "ledger", [both, statement(3, t.Provenance.POLICE)]))
    counts = {(one.measure, one.key): (one.reached, one.at_risk) for one in found.counts}

    assert counts["graded", "provenance:parent"] == (1, 1)
    assert counts["weighted", "provenance:parent"] == (2, 2)
    assert counts["disclosed", "provenance:parent"][1] == 10


def test_the_same_words_for_many_alerts_are_seen(tmp_path: Path) -> None:
    """Reasons are compared by digest; an answer within a minute is quick."""
    folder = told(tmp_path / "ledger", voices(3, t.Provenance.PARENT, t.Provenance.POLICE))
    material = read_material(folder, rows_key(folder))
    at_once = {one.closing.decided_at for found in material.parts.values() for one in found}
    stamped = tuple(
        msgspec.structs.replace(one, reason="the same", at=min(at_once) + 30_000)
        for one in material.acts
    )
    honest = evidence(material, POLICY)
    rubber = evidence(msgspec.structs.replace(material, acts=stamped), POLICY)

    assert not any(one.quick or one.same_reason for one in honest.lines)
    assert all(one.quick and one.same_reason for one in rubber.lines if one.considered)
    assert all(act_.reason for act_ in material.acts)


def test_the_files_name_nobody_and_stand_alone(tmp_path: Path) -> None:
    """No identity, organisation, id or outside request in any file; the marking is on every page."""
    folder = told(tmp_path / "ledger", voices(3, *COMMUNITY, *STATUTORY))
    material = read_material(folder, rows_key(folder))
    secret = {
        *(one for part in material.parts for one in part if isinstance(one, str)),
        *(leaf.organisation for found in material.parts.values() for leaf in found[0].decisions),
        "Kyle", "Harper", "Nowhere Close", "2011-03-04",
    }  # fmt: skip
    for authorised in (True, False):
        report = made(SETTINGS, folder, authorised=authorised)
        files = write(report, tmp_path / f"out-{authorised}")
        for file in files:
            text = file.read_text(encoding="utf-8")
            assert not [one for one in secret if one in text], file.name
        page = files[0].read_text(encoding="utf-8")
        marking = "OFFICIAL-SENSITIVE" if authorised else ">OFFICIAL<"
        assert page.count(marking) >= 2
        assert "<script" not in page
        assert "url(http" not in page
        assert not [one for one in ("src=", "<link", "@import") if one in page]
        assert page.count('role="img" aria-label="') == page.count("<figure>") > 1
    assert not list((tmp_path / "out-False").glob("evidence*"))


def test_a_published_report_never_lies_beside_single_lines(tmp_path: Path) -> None:
    """Into a folder with the auditor's table nothing is published; the error says what to do."""
    folder = told(tmp_path / "ledger", voices(1, *COMMUNITY), everyone_heard)
    write(made(SETTINGS, folder, authorised=True), tmp_path / "out")

    with pytest.raises(CommandError, match="name another folder"):
        write(made(SETTINGS, folder), tmp_path / "out")


def test_the_command_says_what_it_found_and_where(tmp_path: Path) -> None:
    """The published version by default; JSON with the same verdict; the marking first."""
    folder = told(tmp_path / "ledger", EVENTS, stops_at(1))
    runner, out = CliRunner(), tmp_path / "out"
    said = runner.invoke(audit_app, ["parity", str(folder), "--out", str(out)])
    plain = runner.invoke(audit_app, ["parity", str(folder), "--json"])

    assert (said.exit_code, plain.exit_code) == (0, 0)
    assert said.output.split()[0] == "OFFICIAL"
    assert "Breach: a gap opens at the stage “considered”." in said.output
    assert (out / "parity.html").exists()
    found = json.loads(plain.output)
    assert (found["figures"]["overall"], found["figures"]["first_gap"]) == ("breach", "considered")
    assert found["about"]["policy_hash"] == NAMED_POLICY.hash


def test_another_key_shows_nothing_and_says_so(tmp_path: Path) -> None:
    """Without the auditors' key there is no report."""
    folder = told(tmp_path / "ledger", voices(1, *COMMUNITY))
    wrong = tmp_path / "rows.key"
    wrong.write_bytes(bytes(range(32)))
    with pytest.raises(AskedError, match="is not the key"):
        made(SETTINGS, folder, rows_key=wrong)
    with pytest.raises(AskedError, match="--rows-key"):
        made(SETTINGS, folder, rows_key=tmp_path / "nowhere.key")
