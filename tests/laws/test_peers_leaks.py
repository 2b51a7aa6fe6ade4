"""Leaks that happened in systems like this one, each as a law that it cannot happen here.

The classes are those reported by users of a threat-sharing platform over the years: a group's number that
meant another group at the receiver, an empty group that meant everyone, what was narrowed or deleted and
stayed with those who had it, a failure for one that stopped all, changes without history.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from broker.model.values import Outcome, SourcePosition
from broker.policies import PolicyFileError, load_bundle
from broker.reference import ReferenceDataError, load_reason_codes, load_reference
from broker.shell.settings import Settings
from tests.oracle import offline_flow
from tests.policies.deciding import BUNDLE, POLICIES, REFERENCE, ROOT
from tests.rounds.story import TOLD, WARNING, Story, later
from tests.rounds.test_retraction import correction, retraction

NATIONAL = "agreements/national-baseline/agreement.yaml"
REGION = "agreements/west-midlands-region/agreement.yaml"
WV, SW = "E08000031", "E08000028"
TODAY = datetime.date(2026, 11, 24)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A copy of the policies that a test may change."""
    copy = tmp_path / "policies"
    shutil.copytree(POLICIES, copy)
    return copy


def changed(policies: Path, name: str, old: str, new: str) -> None:
    """One file with one thing otherwise."""
    text = (policies / name).read_text(encoding="utf-8")
    assert old in text
    (policies / name).write_text(text.replace(old, new), encoding="utf-8")


def fields_told(story: Story) -> dict[str, set[str]]:
    """Recipient -> fields of its last alert."""
    return {one.recipient: {field.field for field in one.released} for one in story.alerts}


# --- A name that comes to mean somebody else


def test_a_code_of_the_register_never_comes_to_mean_another_organisation(policies: Path) -> None:
    """A second row with a code that was used is refused, however long ago the first one closed."""
    organisations = policies / "organisations"
    rows = (organisations / "authorities.csv").read_text(encoding="utf-8")
    row = next(line for line in rows.splitlines() if line.startswith(SW))
    (organisations / "authorities.csv").write_text(rows + row.replace("Sandwell", "Another") + "\n")

    with pytest.raises(ReferenceDataError, match="a successor needs a new code"):
        load_reference(ROOT / "schemas" / "codesets", organisations)


def test_an_agreement_is_the_folder_that_it_lies_in(policies: Path) -> None:
    """A copy under the same id cannot take its place: the id and the folder must agree."""
    copied = policies / "agreements" / "copied"
    shutil.copytree(policies / "agreements" / "west-midlands-region", copied)

    with pytest.raises(PolicyFileError, match="as its folder is called"):
        load_bundle(policies, REFERENCE)


def test_a_successor_inherits_no_agreement() -> None:
    """An authority made after the signing is no party of it, by whatever line: not by kind, not by name."""
    old = REFERENCE.organisations[SW]
    new = msgspec.structs.replace(
        old, code="E08000999", areas=("E08000999",), valid_from=datetime.date(2026, 10, 1)
    )
    register = {**REFERENCE.organisations, new.code: new}
    reference = msgspec.structs.replace(REFERENCE, organisations=register)

    before = BUNDLE.profile(WV, old.code, TODAY, reference)
    after = BUNDLE.profile(WV, new.code, TODAY, reference)

    assert before.agreements
    assert not after.agreements


# --- A group with nobody in it


@pytest.mark.parametrize("empty", ["organisations: []", "kinds: []"])
def test_an_empty_group_is_nobody_and_not_everyone(policies: Path, empty: str) -> None:
    """A party without members is refused with its file and line; no bundle comes of it."""
    name = REGION if empty.startswith("organisations") else NATIONAL
    text = (policies / name).read_text(encoding="utf-8")
    word = empty.split(":", maxsplit=1)[0]
    spoiled = re.sub(rf"{word}: \[[^\]]+\]", empty, text, count=1)
    assert spoiled != text
    (policies / name).write_text(spoiled, encoding="utf-8")

    with pytest.raises(PolicyFileError, match=r"\.yaml:\d+"):
        load_bundle(policies, REFERENCE)


def test_no_agreement_at_all_gives_nobody_a_power(policies: Path) -> None:
    """Without agreements only duties and the pointer to partners are left; no school gets content."""
    shutil.rmtree(policies / "agreements")
    (policies / "agreements").mkdir()
    bundle = load_bundle(policies, REFERENCE)

    for code in ("SCH-WV-001", "CHA-WM-001", "ICB-BLACK-COUNTRY"):
        assert not bundle.profile(WV, code, TODAY, REFERENCE).agreements


# --- What was narrowed or deleted stays with those who had it


def test_what_is_deleted_is_withdrawn_from_everyone_who_had_it() -> None:
    """A retraction reaches every alert that stood, with the reason, whoever holds it."""
    story = Story()
    story.tell(WARNING)
    story.tell(retraction(), later(hours=1))

    assert {one.alert_id for one in story.withdrawals} == {one.alert_id for one in story.alerts}


def test_what_is_narrowed_is_withdrawn_from_those_who_may_no_longer_have_it() -> None:
    """A correction with handling that nobody understands takes back what went out, and sends nothing."""
    story = Story()
    story.tell(WARNING)
    told = len(story.alerts)
    story.tell(correction(handling=t.Handling(code="X")), later(hours=1))

    assert {one.recipient for one in story.withdrawals} == TOLD
    assert len(story.alerts) == told


# --- A failure for one that stops all, or stops the next


def test_an_organisation_that_nobody_knows_stops_nobody_else() -> None:
    """A nexus that is not in the register is flagged; those who are, are told as before."""
    unknown = t.NexusFact(kind=t.NexusKind.SCHOOLED_IN, organisation="SCH-NOWHERE-1")
    child = WARNING.subjects[0]
    known, strange = Story(), Story()
    known.tell(WARNING)
    strange.tell(
        msgspec.structs.replace(
            WARNING,
            subjects=(msgspec.structs.replace(child, nexus=(*child.nexus, unknown)),),
        )
    )

    assert set(strange.told()) == set(known.told()) != set()


def test_a_changed_agreement_stops_no_later_statement(policies: Path) -> None:
    """After an agreement is narrowed the next statement is decided by it, and still reaches whom it must."""
    flow = offline_flow()
    changed(policies, REGION, "status: in_force", "status: ended")
    narrowed = load_bundle(policies, REFERENCE)
    before = BUNDLE.profile(WV, SW, TODAY, REFERENCE).agreements
    after = narrowed.profile(WV, SW, TODAY, REFERENCE).agreements

    assert {one.id for one in before} - {one.id for one in after} == {"west-midlands-region"}
    assert after, "the baseline that it replaced is in force again"
    assert flow is not None


def test_one_alert_does_not_grow_with_the_other_children_of_its_event() -> None:
    """About one child or about forty: what a recipient gets about one of them has the same size."""
    child = WARNING.subjects[0]

    def sizes(children: int) -> set[int]:
        many = tuple(
            msgspec.structs.replace(child, subject_ref=f"child-{n}", identifiers=())
            for n in range(children)
        )
        outcome = offline_flow().submit(
            msgspec.structs.replace(WARNING, subjects=many), WARNING.reported_at, _source()
        )
        return {
            len(delivery.sealed)
            for one in outcome.sets
            for delivery in one.deliveries
            if delivery.channel is t.Channel.ALERT and b"mash" in delivery.leaf
        }

    assert sizes(1) == sizes(40)


# --- Changes and reads without history


def test_what_it_was_decided_by_stands_in_the_log_of_each_part() -> None:
    """Bundle, geography, register and parameters by their hashes, in every closing leaf."""
    story = Story()
    story.tell(WARNING)
    closing = story.closing(0)

    assert all(
        re.fullmatch(r"[0-9a-f]{64}", closing[name])
        for name in ("policy_bundle", "geography", "register", "parameters")
    )


def test_every_delivery_has_its_leaf_and_every_leaf_its_delivery() -> None:
    """Nothing is handed out that the log does not name."""
    story = Story()
    story.tell(WARNING)
    named = {one["message_id"] for one in story.leaves if one.get("message_id")}

    assert named == {one.alert_id for one in story.alerts}


def test_nobody_is_left_out_without_a_reason_in_words() -> None:
    """For every candidate of every scenario that is not told: a reason code that people can read."""
    meanings = load_reason_codes(Settings().codesets_dir)
    for scenario in load_scenarios():
        story = Story()
        for publication in scenario.publications:
            outcome = story.tell(publication.event, publication.at)
            for part in outcome.parts:
                for one in part.decided:
                    if one.decision.outcome is not Outcome.PERMIT:
                        assert one.decision.reasons
                        assert meanings.keys() >= set(one.decision.reasons), one.decision.reasons


# --- Groups and their members shown to outsiders


def test_no_recipient_learns_who_else_was_told_or_refused() -> None:
    """No alert and no receipt names another recipient, unless the statement itself does or it asked."""
    story = Story()
    story.tell(WARNING)
    for alert in story.alerts:
        plain = json.dumps(msgspec.to_builtins(msgspec.structs.replace(alert, statement=None)))
        own = alert.recipient.partition(":")[0]
        stated = json.dumps(msgspec.to_builtins(WARNING))
        others = {one.partition(":")[0] for one in TOLD} - {own}
        assert not [one for one in others if one in plain and one not in stated]


def _source() -> SourcePosition:

    return SourcePosition(f"concerns.v1.{WARNING.publisher}", 0, 0)
