"""`broker policy`: what is wrong is named, what is decided is explained, what would change is listed."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.examples import example, to_line
from broker.examples.scenarios import load_scenarios
from broker.model.types import ConcernEvent
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.cli.said import Command

POLICIES = Settings().policies_dir
BASELINE = "agreements/national-baseline/agreement.yaml"
SCHOOL = "SCH-WV-001:school"
SAFETY_PLAN = "national-baseline/school-safety-plan"
ON = "2026-11-24"


def lines_of(*kinds: str) -> bytes:
    """Examples, one a line."""
    return "".join(to_line(example(kind)) + "\n" for kind in kinds).encode()


def event_id(kind: str = "concern") -> str:
    event = example(kind)
    assert isinstance(event, ConcernEvent)
    return event.event_id


@pytest.fixture
def rehearsal(broker: Command, tmp_path: Path) -> Path:
    """A ledger of two statements about two children, and an acknowledgement."""
    folder = tmp_path / "rehearsal"
    said = broker(
        "decide", "-", "--json", "--ledger", folder, given=lines_of("concern", "incident", "action")
    )
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """A copy of the policies with one text replaced in one file."""

    def change(old: str, new: str, name: str = BASELINE) -> Path:
        folder = tmp_path / "proposed"
        shutil.copytree(POLICIES, folder)
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return change


def changes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if "recipient" in row]


# ------------------------------------------------------------------------------------------- check


def test_the_policies_in_force_have_no_error(broker: Command) -> None:
    """Every agreement is counted, every example runs, and the bundle is the one that decides."""
    said = broker("policy", "check", "--on", ON, "--json")
    summary = said.rows[-1]

    assert said.code == 0, said.out
    assert summary["errors"] == 0
    assert summary["bundle"] == load_policy(Settings()).hashes.bundle
    assert summary["agreements"] == len(list((POLICIES / "agreements").glob("*/agreement.yaml")))
    assert summary["examples"] >= summary["agreements"]


@pytest.mark.parametrize(
    ("old", "new", "code", "clause"),
    [
        ("  - id: police-address\n", "  - id: police-address\n    gatewy: x\n", "broken", "police-address"),
        ("never_share: [source, summary]", "never_share: [source, text]", "broken", "text"),
        ("expires: 2029-02-28", "expires: 2026-02-28", "broken", "review_by"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_by_file_line_and_clause(
    broker: Command, changed: Callable[..., Path], old: str, new: str, code: str, clause: str
) -> None:
    """Exit code 1, and the other agreements are looked at all the same."""
    folder = changed(old, new)
    said = broker("policy", "check", folder, "--on", ON, "--json")
    errors = [row for row in said.rows if row.get("level") == "error"]

    assert said.code == 1
    assert said.rows[-1]["bundle"] is None
    assert [(one["file"], one["code"]) for one in errors] == [(str(folder / BASELINE), code)]
    assert errors[0]["line"]
    assert clause in errors[0]["clause"] + errors[0]["message"]
    shown = broker("policy", "check", folder, "--on", ON)
    assert f"{folder / BASELINE}:{errors[0]['line']}" in shown.out
    assert "NOT loadable" in shown.out


def test_an_example_that_no_longer_holds_is_an_error(
    broker: Command, changed: Callable[..., Path]
) -> None:
    """A clause that says less than its own examples: each is named with what was decided instead."""
    folder = changed(
        "fields: [given_name, family_name, safety_plan]", "fields: [given_name, family_name]"
    )
    said = broker("policy", "check", folder, "--on", ON, "--json")
    failed = [row for row in said.rows if row.get("code") == "example_fails"]

    assert said.code == 1
    assert {Path(one["file"]).name for one in failed} == {"examples.yaml"}
    assert failed[0]["clause"] == "a school carries out the safety plan and sees nothing else"
    assert "the example says PERMIT, decided was DENY" in failed[0]["message"]


def test_a_day_to_come_shows_what_will_have_ended(broker: Command) -> None:
    """Warnings do not fail; an agreement past its last day does not pass in silence."""
    now = broker("policy", "check", "--on", ON, "--json").rows
    later = broker("policy", "check", "--on", "2031-01-01", "--json").rows
    ended = [row for row in later if row.get("code") == "expired" and BASELINE in row["file"]]

    assert not [row for row in now if row.get("code") == "expired" and BASELINE in row["file"]]
    assert [row["level"] for row in ended] == ["warning"]


# ------------------------------------------------------------------------------------------ shadow


def test_the_policies_in_force_would_change_nothing(broker: Command, rehearsal: Path) -> None:
    """A copy of them is the same bundle, so every decision is the same."""
    said = broker("policy", "shadow", POLICIES, "--ledger", rehearsal, "--json")
    (summary,) = said.rows

    assert said.code == 0, said.err
    assert summary["present"] == summary["proposed"]
    assert (summary["changed"], summary["replayed"], summary["erased"]) == (0, 2, 0)
    assert (summary["unreadable"], summary["drifted"]) == ([], [])


def test_a_changed_clause_shows_exactly_what_flips(
    broker: Command, changed: Callable[..., Path], rehearsal: Path
) -> None:
    """Without the plan a name alone is no disclosure: the school is told nothing, by no clause."""
    folder = changed(
        "fields: [given_name, family_name, safety_plan]", "fields: [given_name, family_name]"
    )
    said = broker("policy", "shadow", folder, "--ledger", rehearsal, "--json")
    found = [one for one in changes(said.rows) if one["event_id"] == event_id()]
    summary = said.rows[-1]

    assert [one["recipient"] for one in found] == [SCHOOL]
    (flip,) = found
    assert flip["before"]["outcome"] == "PERMIT"
    assert flip["after"]["outcome"] == "DENY"
    assert flip["removed"] == ["given_name", "family_name", "safety_plan"]
    assert (flip["added"], flip["clauses_gone"], flip["clauses_new"]) == ([], [SAFETY_PLAN], [])
    assert {one["recipient"].partition(":")[2] for one in changes(said.rows)} == {"school"}
    assert summary["fields_added"] == 0
    assert summary["no_longer_told"] == len(changes(said.rows))
    assert summary["same"] + summary["changed"] > 10


def test_a_field_that_is_only_shown_otherwise_is_a_change(
    broker: Command, changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A leaf does not say how a field is shown: the sealed facts and the bundle that decided do."""
    blurred = changed(
        "  - id: earlier-concern\n",
        "  - id: harm-place-times\n"
        "    why: To show that a time can be given less precisely than it was stated.\n"
        "    fields: [when]\n"
        "    transform: generalise\n"
        "    recipients: {kinds: [authority], roles: [csc, mash], nexus: [harm_place]}\n"
        "    gateway: ca2004-s10\n"
        "  - id: earlier-concern\n",
    )
    path = blurred / BASELINE
    text = path.read_text(encoding="utf-8")
    start = text.index("  - id: harm-place-authority\n")
    end = text.index("  - id:", start + 1)
    without = text[start:end].replace("when, ", "", 1)
    path.write_text(text[:start] + without + text[end:], encoding="utf-8")
    precise = Path(shutil.copytree(blurred, tmp_path / "precise"))
    text = path.read_text(encoding="utf-8").replace(
        "    fields: [when]\n    transform: generalise\n", "    fields: [when]\n"
    )
    (precise / BASELINE).write_text(text, encoding="utf-8")
    monkeypatch.setenv("BROKER_POLICIES_DIR", str(blurred))
    folder = tmp_path / "ledger"
    broker("decide", "-", "--json", "--ledger", folder, given=lines_of("concern"))
    said = broker("policy", "shadow", precise, "--ledger", folder, "--json")
    (change,) = changes(said.rows)

    assert change["recipient"] == "E08000028:mash"
    assert change["shown_otherwise"] == [["when", "generalise", "as_stated"]]
    assert not [*change["clauses_new"], *change["clauses_gone"], *change["added"]]
    assert not change["removed"]


def test_a_part_whose_key_is_gone_is_counted_as_erased(
    broker: Command, changed: Callable[..., Path], rehearsal: Path
) -> None:
    """Erasure holds: nobody can decide it again, and the rest is compared."""
    folder = changed("fields: [given_name, family_name, safety_plan]", "fields: [safety_plan]")
    before = broker("policy", "shadow", folder, "--ledger", rehearsal, "--json").rows
    with sqlite3.connect(rehearsal / "keys" / "subjects.db") as database:
        (first, *_) = [row[0] for row in database.execute("SELECT part_key FROM subject_key")]
        database.execute("DELETE FROM subject_key WHERE part_key = ?", (first,))
    after = broker("policy", "shadow", folder, "--ledger", rehearsal, "--json").rows

    assert (before[-1]["erased"], after[-1]["erased"]) == (0, 1)
    assert after[-1]["replayed"] == before[-1]["replayed"] - 1


def test_a_part_decided_under_yet_another_bundle_is_flagged(
    broker: Command,
    changed: Callable[..., Path],
    rehearsal: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Then what is in force now is not what decided it, and the comparison says so."""
    proposed = changed("fields: [given_name, family_name, safety_plan]", "fields: [safety_plan]")
    present = tmp_path / "present"
    shutil.copytree(POLICIES, present)
    path = present / BASELINE
    path.write_text(path.read_text("utf-8").replace("INVENTED", "invented"), encoding="utf-8")
    other = path.read_text("utf-8").replace("dpia_ref: DPIA-NB-1", "dpia_ref: DPIA-NB-2")
    path.write_text(other, encoding="utf-8")
    monkeypatch.setenv("BROKER_POLICIES_DIR", str(present))
    said = broker("policy", "shadow", proposed, "--ledger", rehearsal, "--json")

    assert said.rows[-1]["other_bundle"] == said.rows[-1]["replayed"] > 0
    assert all(one["other_bundle"] for one in changes(said.rows))
    shown = broker("policy", "shadow", proposed, "--ledger", rehearsal).out
    assert "decided under another bundle" in shown


def test_what_would_change_is_said_in_words(
    broker: Command, changed: Callable[..., Path], rehearsal: Path
) -> None:
    """Event, recipient, old and new decision, the clause, and what it comes to."""
    folder = changed(
        "fields: [given_name, family_name, safety_plan]", "fields: [given_name, family_name]"
    )
    said = broker("policy", "shadow", folder, "--ledger", rehearsal)

    assert said.code == 0
    for words in (
        event_id(),
        SCHOOL,
        "PERMIT CONTENT → DENY",
        SAFETY_PLAN,
        "disclosures removed: ",
    ):
        assert words in said.out


# --------------------------------------------------------------------------------------------- why


def test_why_names_the_clause_the_reasons_and_the_proof(broker: Command, rehearsal: Path) -> None:
    """Nexus, decision, clauses in words, withheld fields by reason, obligations, weight, delivery."""
    said = broker("policy", "why", event_id(), "E08000028:mash", "--ledger", rehearsal)
    text = " ".join(said.out.split())

    assert said.code == 0, said.err
    for words in (
        "E08000028, Sandwell",
        "harm happened or is feared in its area",
        "It was told.",
        "national-baseline/harm-place-authority: The authority of the place where harm happened",
        "gateway ca2004-s10",
        "source, summary: source_identity_protected: Who said it never leaves",
        "onward_prohibited:",
        "Weight: 750 of 1000",
        "It is known at first hand",
        "entry 0 of its own log s0/E08000028",
        "which is the one in force",
    ):
        assert words in text, words


def test_why_holds_no_word_of_what_was_said(broker: Command, rehearsal: Path) -> None:
    """It tells which fields, never what they hold: an explanation is no second disclosure."""
    event = example("concern")
    assert isinstance(event, ConcernEvent)
    (subject,) = event.subjects
    text = broker("policy", "why", event_id(), "E08000031", "--ledger", rehearsal).out

    for word in (subject.given_name, subject.family_name, subject.address, event.summary):
        assert word
        assert word not in text


def test_why_cites_the_duty_with_its_source(broker: Command, rehearsal: Path) -> None:
    """The home authority is told by statute, whatever the agreements say."""
    (row,) = broker("policy", "why", event_id(), "E08000031", "--ledger", rehearsal, "--json").rows
    (one,) = row["rounds"]
    duty = next(clause for clause in one["clauses"] if clause["name"] == "ca1989-sch2-4-2")

    assert "shall inform the home authority" in duty["words"]
    assert "Children Act 1989 Sch 2 para 4(2)" in duty["source"]
    assert one["nexus"] == ["the child lives in its area"]
    assert one["bundle_is_present"] is True


@pytest.mark.parametrize("recipient", ["SCH-WV-001", SCHOOL])
def test_a_recipient_is_found_by_code_and_by_door(
    broker: Command, rehearsal: Path, recipient: str
) -> None:
    """Both say the same."""
    (row,) = broker("policy", "why", event_id(), recipient, "--ledger", rehearsal, "--json").rows

    assert [one["recipient"] for one in row["rounds"]] == [SCHOOL]
    assert row["rounds"][0]["released"] == ["given_name", "family_name", "safety_plan"]


def test_a_recipient_is_found_by_name(broker: Command, rehearsal: Path) -> None:
    """As far as it names one; a neighbour's answer says that nothing links it."""
    said = broker("policy", "why", event_id(), "walsall", "--ledger", rehearsal)

    assert said.code == 0, said.err
    assert "E08000030" in said.out
    assert "no_nexus" in said.out
    assert "Nothing was sent to it." in said.out


def test_who_was_not_evaluated_is_told_who_was(broker: Command, rehearsal: Path) -> None:
    """An organisation of the register that nothing links to the child."""
    said = broker("policy", "why", event_id(), "Leeds", "--ledger", rehearsal)

    assert said.code == 0
    assert "It was not evaluated" in said.out
    assert "E08000028:mash" in said.out


def test_without_the_key_all_but_the_weight_is_explained(broker: Command, rehearsal: Path) -> None:
    """The leaf is enough for the rest."""
    with sqlite3.connect(rehearsal / "keys" / "subjects.db") as database:
        database.execute("DELETE FROM subject_key")
    text = broker("policy", "why", event_id(), "E08000028", "--ledger", rehearsal).out

    assert "national-baseline/harm-place-authority" in text
    assert "first hand" not in text
    assert "destroyed" in text


def test_another_bundle_than_the_recorded_one_is_said(
    broker: Command,
    changed: Callable[..., Path],
    rehearsal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clause that is gone is still named, and that it is gone."""
    folder = changed("- id: school-safety-plan", "- id: school-plan")
    monkeypatch.setenv("BROKER_POLICIES_DIR", str(folder))
    text = " ".join(broker("policy", "why", event_id(), SCHOOL, "--ledger", rehearsal).out.split())

    assert f"{SAFETY_PLAN}: no clause of the policies in force has this name" in text
    assert "in force now is" in text


@pytest.mark.parametrize(
    ("event", "recipient", "words"),
    [
        ("nope", "E08000028", "which holds 2"),
        (event_id()[:8], "Nowhere Council", "no code and no name of the register"),
        (event_id(), "invented", "say which of"),
    ],
)
def test_what_is_not_known_says_what_is(
    broker: Command, rehearsal: Path, event: str, recipient: str, words: str
) -> None:
    """One sentence with what there is instead."""
    said = broker("policy", "why", event, recipient, "--ledger", rehearsal)

    assert said.code == 1
    assert words in said.err
    assert said.err.count("\n") == 1


def test_every_scenario_can_be_explained_for_every_candidate(
    broker: Command, tmp_path: Path
) -> None:
    """No decision of the scenarios lacks words: each clause, reason and obligation is explained."""
    folder = tmp_path / "scenario"
    scenario = load_scenarios()[0]
    given = "".join(to_line(one.event) + "\n" for one in scenario.publications).encode()
    decided = broker("decide", "-", "--json", "--ledger", folder, given=given)
    recipients = {(r["event_id"], r["recipient"]) for r in decided.rows if "recipient" in r}
    for event, recipient in sorted(recipients):
        (row,) = broker("policy", "why", event, recipient, "--ledger", folder, "--json").rows
        for one in row["rounds"]:
            named = [*one["clauses"], *one["reasons"], *one["withheld"], *one["obligations"]]
            assert all(each["words"] for each in named), named
            assert one["nexus"]


# ------------------------------------------------------------------------------------------- table


@pytest.mark.slow
def test_the_table_is_written_as_page_and_csv(broker: Command, tmp_path: Path) -> None:
    """Its counts add up, in what is printed and in what is written."""
    out = tmp_path / "tables"
    options = ("--publisher", "charity", "--on", ON)
    said = broker("policy", "table", *options, "--out", out, "--json")
    (summary,) = said.rows
    with (out / "decision-table.csv").open(encoding="utf-8", newline="") as file:
        counts = {row["row"]: int(row["combinations"]) for row in csv.DictReader(file)}

    assert said.code == 0, said.err
    assert summary["counted"] == summary["combinations"] == sum(counts.values())
    assert sum(summary["decisions"].values()) == summary["combinations"]
    assert len(counts) == summary["rows"]
    assert (out / "decision-table.html").read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["check", "no-such-folder"], 1, "is no policies folder"),
        (["check", "--on", "soon"], 2, "is no date"),
        (["shadow", "no-such-folder"], 1, "is no policies folder"),
        (["shadow", "policies", "--ledger", "no-such-ledger"], 1, "holds no ledger"),
        (["why", "x", "y", "--ledger", "no-such-ledger"], 1, "holds no ledger"),
        (["table", "--agreement", "handshake"], 1, "agreements are"),
        (["table", "--publisher", "gossip"], 1, "kinds of publisher are"),
        (["gossip"], 2, "gossip"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    broker: Command, arguments: list[str], code: int, words: str
) -> None:
    """1 with one line on standard error, 2 for usage; never a traceback."""
    said = broker("policy", *arguments)

    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err
    if code == 1:
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "table", "why", "shadow"])
def test_every_command_has_help_with_examples(broker: Command, command: str) -> None:
    """Whoever asks for help sees what to type."""
    said = broker("policy", command, "--help")

    assert said.code == 0
    assert "Examples" in said.out
    assert f"broker policy {command}" in said.out.split("Examples")[1]
