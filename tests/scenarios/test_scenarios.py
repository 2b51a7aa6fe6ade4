"""The scenarios as they stand in the files: who is told, who is not, what is withheld, and why.

Each is played through the pure flow, here and in another region: the same statements with every
code exchanged for its counterpart must give the same answers with the codes exchanged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from broker.examples.scenarios import Expectation, Scenario, Told, fresh_scenarios, load_scenarios
from broker.flow import DecidedPart
from broker.model.codec import decode
from broker.model.fields import FIELD_GROUP, GROUPS
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.types import (
    AlertContent,
    Channel,
    IntakeOutcome,
    ReceiptContent,
    SealedDelivery,
    SetKind,
)
from broker.model.values import Decision, Outcome, SourcePosition
from broker.record import Decided
from tests.builders import NOW
from tests.oracle import SECRET, offline_flow
from tests.scenarios.transpose import WEST_MIDLANDS_TO_GREATER_MANCHESTER, transpose

HERE = load_scenarios()
ELSEWHERE = tuple(
    msgspec.structs.replace(
        transpose(scenario, WEST_MIDLANDS_TO_GREATER_MANCHESTER), code=f"{scenario.code} elsewhere"
    )
    for scenario in HERE
)
FRESH = tuple(
    msgspec.structs.replace(scenario, code=f"{scenario.code} fresh")
    for scenario in fresh_scenarios(NOW, "a run")
)
NEIGHBOURS_DIFFER = "adjacent"


class Played(msgspec.Struct):
    """One scenario, played: its parts, every alert that left, opened, and every refused part."""

    parts: dict[tuple[str, str], DecidedPart]
    """(event id, subject_ref) -> part; the subject_ref of a place or a group is empty."""
    alerts: dict[tuple[str, str, str], AlertContent]
    """(event id, subject_ref, recipient) -> alert."""
    returned: dict[tuple[str, str], ReceiptContent]
    """(event id, subject_ref) -> the receipt that tells its publisher that it was refused."""

    def part(self, event_id: str) -> DecidedPart:
        """The one part of an event that has one."""
        (found,) = [part for (one, _), part in self.parts.items() if one == event_id]
        return found


def play(scenario: Scenario) -> Played:
    """The whole scenario through one flow, in order, each event at its time."""
    flow = offline_flow()
    played = Played({}, {}, {})
    for offset, publication in enumerate(scenario.publications):
        event = publication.event
        source = SourcePosition(f"concerns.v1.{event.publisher}", 0, offset)
        outcome = flow.submit(event, publication.at, source)
        assert outcome.rejection is None, outcome.rejection
        sets = [one for one in outcome.sets if one.kind is SetKind.DECISION]
        for part, one in zip(outcome.parts, sets, strict=True):
            subject = part.linked.part.subject
            key = (event.event_id, subject.subject_ref if subject else "")
            played.parts[key] = part
            for delivery in one.deliveries:
                keep(played, key, delivery, one.set_id)
    return played


def keep(played: Played, key: tuple[str, str], delivery: SealedDelivery, set_id: str) -> None:
    """Opens one delivery as its recipient would."""
    plain = unpad(unseal(SECRET, delivery.sealed, sealed_for(delivery.recipient, set_id)))
    if delivery.channel is Channel.RECEIPT:
        played.returned[key] = decode(plain, ReceiptContent)
    else:
        content = decode(plain, AlertContent)
        played.alerts[*key, content.recipient] = content


@pytest.fixture(scope="module", params=[*HERE, *ELSEWHERE, *FRESH], ids=lambda one: one.code)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


@pytest.fixture(scope="module")
def played(scenario: Scenario) -> Played:
    return play(scenario)


def decisions(part: DecidedPart) -> dict[str, Decision]:
    return {one.decision.candidate.recipient: one.decision for one in part.decided}


def expected(scenario: Scenario, played: Played) -> Iterator[tuple[Expectation, DecidedPart]]:
    """Each expectation with each part that it is about."""
    return (
        (one, played.parts[one.event, subject])
        for one in scenario.expect
        for subject in scenario.parts_of(one)
    )


def alerts_of(played: Played, part: DecidedPart) -> dict[str, AlertContent]:
    """Recipient -> alert about that part."""
    subject = part.linked.part.subject
    key = (part.linked.part.event.event_id, subject.subject_ref if subject else "")
    return {who: alert for (*about, who), alert in played.alerts.items() if tuple(about) == key}


def test_every_part_has_one_expectation(scenario: Scenario) -> None:
    """None is forgotten and none is expected twice, so that `told` is complete over all."""
    about = Counter((one.event, ref) for one in scenario.expect for ref in scenario.parts_of(one))
    every = {
        (event.event_id, ref)
        for event in scenario.events
        for ref in [one.subject_ref for one in event.subjects] or [""]
    }

    assert about == Counter(every)


def test_exactly_those_are_told_who_must_be(scenario: Scenario, played: Played) -> None:
    """No more (a family would be hurt) and no fewer (a child would be left alone)."""
    for wanted, part in expected(scenario, played):
        told = {who for who, one in decisions(part).items() if one.outcome is Outcome.PERMIT}
        assert told == set(wanted.told), wanted.event
        assert alerts_of(played, part).keys() == told


def test_each_alert_shows_what_it_must_and_nothing_else(scenario: Scenario, played: Played) -> None:
    """Fields, values, clauses and obligations, as the opened alert has them."""
    for wanted, part in expected(scenario, played):
        alerts = alerts_of(played, part)
        for recipient, told in wanted.told.items():
            check_alert(alerts[recipient], told)


def test_a_publisher_learns_of_each_part_that_was_refused(
    scenario: Scenario, played: Played
) -> None:
    """With the reason, in words that say what to do; of no other part is such a receipt made."""
    wanted = {
        (one.event, ref): one.returned
        for one in scenario.expect
        for ref in scenario.parts_of(one)
        if one.returned is not None
    }

    assert {key: one.reason for key, one in played.returned.items()} == wanted
    for (_, subject_ref), one in played.returned.items():
        assert one.outcome is IntakeOutcome.REFUSED
        assert (one.explanation or "").startswith(f"{subject_ref}: ")
        assert "publish" in (one.explanation or "")


def check_alert(alert: AlertContent, told: Told) -> None:
    shown = {one.field: json.loads(one.value) for one in alert.released}
    assert alert.mode == told.mode
    assert set(told.has) <= shown.keys()
    assert not set(told.hasnt) & shown.keys()
    assert not told.only or shown.keys() == set(told.only)
    assert told.values.items() <= shown.items()
    assert set(told.cites) <= set(alert.reasons)
    assert set(told.obliged) <= set(alert.obligations)


def test_each_refusal_has_its_reason(scenario: Scenario, played: Played) -> None:
    """Refusals are decided and recorded like disclosures."""
    for wanted, part in expected(scenario, played):
        found = decisions(part)
        for recipient, reason in wanted.not_told.items():
            if recipient not in found and reason == "no_nexus":
                continue  # elsewhere the map differs: who adjoins there is another test's business
            assert found[recipient].outcome is not Outcome.PERMIT
            assert reason in found[recipient].reasons, recipient


def test_each_withheld_field_has_its_reason(scenario: Scenario, played: Played) -> None:
    """Withheld from whom, and why, field by field."""
    for wanted, part in expected(scenario, played):
        for recipient, fields in wanted.withheld.items():
            withheld = dict(decisions(part)[recipient].withheld)
            assert fields.items() <= withheld.items()


def test_every_neighbour_was_evaluated_and_refused_for_want_of_a_nexus(
    scenario: Scenario, played: Played
) -> None:
    """To be adjacent is never a reason to be told, and it is on record that it was not."""
    for _, part in expected(scenario, played):
        alone = [one for one in decisions(part).values() if one.candidate.capacity == ("adjacent",)]
        assert alone
        assert {(one.outcome, one.reasons) for one in alone} == {(Outcome.DENY, ("no_nexus",))}


def test_no_alert_holds_a_word_that_must_never_leave(scenario: Scenario, played: Played) -> None:
    """The source, the publisher's own words, and what equality audit alone may see."""
    for alert in played.alerts.values():
        text = " ".join(one.value for one in alert.released)
        assert not [word for word in scenario.never_in_any_alert if word in text]


def test_what_the_leaf_says_was_released_is_what_the_alert_holds(played: Played) -> None:
    """The record and the alert are made from one ruling: they cannot differ."""
    for part in played.parts.values():
        for one in part.decided:
            assert [field for field, _, _ in one.released] == released_by(one)


def released_by(one: Decided) -> list[str]:
    return [ruling.field for ruling in one.decision.released]


def test_acknowledgement_is_due_before_the_threatened_window_opens(
    scenario: Scenario, played: Played
) -> None:
    """A warning about Saturday is worth something only before Saturday."""
    for wanted, part in expected(scenario, played):
        if wanted.acknowledge_before is not None:
            alerts = alerts_of(played, part)
            for recipient in wanted.told:
                assert alerts[recipient].acknowledge_by < wanted.acknowledge_before


def test_an_echo_counts_once_and_a_new_pair_of_eyes_counts(
    scenario: Scenario, played: Played
) -> None:
    """Origins, not reports: four records of one observation are one (S4)."""
    for wanted, part in expected(scenario, played):
        if wanted.origins is not None:
            assert part.weight.independent_origins == wanted.origins.independent
            assert part.linked.agencies_seen == wanted.origins.agencies


@pytest.mark.parametrize("scenario", [HERE[3], ELSEWHERE[3]], ids=lambda one: one.code)
def test_four_records_weigh_what_the_one_observation_weighs(scenario: Scenario) -> None:
    """The last echo has the weight that the first statement alone has at that moment."""
    last = scenario.publications[3]
    first = scenario.publications[0].event
    alone = offline_flow().submit(
        first, last.at, SourcePosition(f"concerns.v1.{first.publisher}", 0, 0)
    )
    played = play(scenario)
    echoed = played.part(last.event.event_id).weight

    assert echoed.value == alone.parts[0].weight.value
    assert echoed.computed_letter is None
    assert played.part(scenario.events[4].event_id).weight.value > echoed.value


def test_one_child_is_one_subject_and_two_projections() -> None:
    """S3: the same pseudonym for one recipient over both events, another for every other."""
    alerts = play(HERE[2]).alerts
    by_recipient: dict[str, set[str]] = {}
    for (*_, recipient), alert in alerts.items():
        by_recipient.setdefault(recipient.split(":")[0], set()).add(alert.part)

    assert all(len(pseudonyms) == 1 for pseudonyms in by_recipient.values())
    assert len(set().union(*by_recipient.values())) == len(by_recipient)


def test_a_place_is_told_without_anything_that_joins_it_to_a_person() -> None:
    """S5: no field about a child, and a pseudonym that no alert about a child ever has."""
    (s5,) = [one for one in HERE if one.code == "S5"]
    of_places = [*play(s5).alerts.values()]
    of_persons = {
        alert.part for one in HERE if one is not s5 for alert in play(one).alerts.values()
    }
    about_a_child = set(FIELD_GROUP) - {*GROUPS["time_place"], *GROUPS["source_class"]}
    about_a_child -= {"event_type", "harms", "text", "severity", "corroboration"}

    assert of_places
    for alert in of_places:
        assert alert.part not in of_persons
        assert not {one.field for one in alert.released} & about_a_child


def test_a_rumour_of_grade_2d_weighs_as_one_without_a_grade() -> None:
    """S6: "untested, not known" is neutral; only a reasoned doubt that somebody answers for lowers."""
    (s6,) = [one for one in HERE if one.code == "S6"]
    rumour = s6.publications[2]
    plain = msgspec.structs.replace(
        rumour, event=msgspec.structs.replace(rumour.event, grading=None)
    )
    graded = play(s6).part(rumour.event.event_id)
    ungraded = play(msgspec.structs.replace(s6, publications=(*s6.publications[:2], plain))).part(
        rumour.event.event_id
    )

    assert graded.weight == ungraded.weight
    assert graded.weight.independent_origins == 1


def test_a_scenario_names_no_real_person() -> None:
    """Every family name says that it is invented; every number is of the range never issued."""
    for scenario in HERE:
        for event in scenario.events:
            for subject in event.subjects:
                assert "Invented" in (subject.family_name or "")
                numbers: list[Any] = [
                    i.value for i in subject.identifiers if i.scheme == "nhs_number"
                ]
                assert all(n.startswith("999") or n == "9434765919" for n in numbers)
