"""Who knew what, when: every leaf once, counts that add up, nobody's identity, and sound FHIR."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auditor import Recorded, read_recorded, verify_ledger
from broker.auditor.fhir import audit_event
from broker.auditor.who_knew import (
    NOTICE,
    REFUSED,
    SETTLED,
    TOLD,
    WAITS,
    WITHDRAWN,
    Knew,
    Question,
    standings,
    who_knew,
)
from broker.examples.scenarios import load_scenarios
from broker.ledger import read_entries
from broker.model import types as t
from broker.model.values import SourcePosition
from broker.record import action_record
from tests.auditor.ledgers import write_ledger
from tests.oracle import offline_flow
from tests.rounds.story import AT, SW, WARNING, WMP, WV, act, later
from tests.rounds.story import TOLD as TOLD_OF_WARNING
from tests.rounds.test_retraction import retraction
from tests.rounds.test_review import CONSULT

CONSULTED = msgspec.structs.replace(CONSULT, event_id="61000000-0000-4000-8000-000000000009")
Leaf = dict[str, Any]
Everything = tuple[list[Leaf], Recorded]


def told_statements() -> list[tuple[t.ConcernEvent, datetime.datetime]]:
    """Every bundled scenario but the first, which is told apart."""
    return [(one.event, one.at) for found in load_scenarios()[1:] for one in found.publications]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """A ledger's leaves as they lie, and as the auditor reads them.

    All scenarios; the warning is acknowledged by Sandwell, and by a stranger for Wolverhampton, then
    retracted; a copy of it waits for its originator until the desk shows it to Sandwell.
    """
    flow = offline_flow()
    sets: list[t.DecisionSet] = []
    offsets = itertools.count()

    def tell(statement: t.ConcernEvent | t.Action, at: datetime.datetime) -> list[Leaf]:
        is_action = isinstance(statement, t.Action)
        owner = statement.organisation if isinstance(statement, t.Action) else statement.publisher
        topic = f"{'actions' if is_action else 'concerns'}.v1.{owner}"
        made = flow.submit(statement, at, SourcePosition(topic, 0, next(offsets))).sets
        sets.extend(made)
        return [json.loads(leaf) for one in made for leaf in one.leaves]

    def answer(action: t.Action, at: datetime.datetime) -> None:
        """An answer as it is recorded; intake itself would refuse the stranger's."""
        source = SourcePosition(f"actions.v1.{action.organisation}", 0, next(offsets))
        receipt = t.ReceiptContent(
            outcome=t.IntakeOutcome.ACCEPTED, event_id=action.action_id, received_at=at
        )
        sealer = flow._reception.sealer  # the tests' own keys
        sets.append(action_record(source, action, "e" * 64, receipt, sealer))

    alerts = {one["recipient"]: one.get("message_id") for one in tell(WARNING, AT)[1:-1]}
    tell(CONSULTED, later(minutes=5))
    own = act("acknowledge", alert_id=alerts[SW], organisation=SW.partition(":")[0])
    stranger = act("acknowledge", alert_id=alerts[WV], organisation="E08000030")
    answer(own, later(minutes=10))
    answer(stranger, later(minutes=11))
    tell(
        act("review", verdict="permit", recipient=SW, event_id=CONSULTED.event_id),
        later(minutes=30),
    )
    tell(retraction(), later(hours=2))
    for statement, at in told_statements():
        tell(statement, at)
    ledger = write_ledger(tmp_path_factory.mktemp("knew") / "ledger", sets, shards=2)
    assert verify_ledger(ledger).ok
    return list(_leaves(ledger)), read_recorded(ledger)


def _leaves(ledger: Path) -> Iterator[Leaf]:
    for shard in sorted(ledger.glob("s*")):
        for index, data in enumerate(read_entries(shard, 0)):
            yield json.loads(data) | {"log": shard.name, "entry": index}


def of(everything: Everything, **asked: Any) -> tuple[Knew, ...]:
    return who_knew(everything[1], Question(**asked))


def test_every_decision_is_told_once_where_its_leaf_lies(everything: Everything) -> None:
    """Unasked, all decisions of the logs, no other, each with the place and ids of its own leaf."""
    names = ("log", "entry", "event_id", "part_id", "round", "recipient", "outcome", "message_id")
    leaves = [
        tuple(one[name] for name in names) for one in everything[0] if one["kind"] == "decision"
    ]
    found = [tuple(getattr(one, name) for name in names) for one in of(everything)]

    assert sorted(found, key=str) == sorted(leaves, key=str)


def test_counts_add_up_to_the_closing_leaves(everything: Everything) -> None:
    """Asked event by event, each part and round has as many of each outcome as its closing leaf."""
    closings = [one for one in everything[0] if one["kind"] == "closing"]
    found: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for event_id in {one["event_id"] for one in closings}:
        for one in of(everything, event_id=event_id):
            key = (one.publisher, one.event_id, one.version, one.part_id, one.round)
            found[key][one.outcome] += 1
    names = ("publisher", "event_id", "version", "part_id", "round")
    stated = {
        tuple(one[name] for name in names): Counter(
            PERMIT=one["permit"], DENY=one["deny"], REVIEW=one["review"]
        )
        for one in closings
        if one["count"]
    }

    assert dict(found) == stated
    assert sum(standings(of(everything)).values()) == sum(one["count"] for one in closings)


def test_the_accounting_would_see_a_decision_that_is_missing(everything: Everything) -> None:
    """With one decision taken out of what was read, the totals differ from the closing leaves."""
    leaves, recorded = everything
    first = recorded.parts[0]
    less = msgspec.structs.replace(first, decisions=first.decisions[1:])
    missing = msgspec.structs.replace(recorded, parts=(less, *recorded.parts[1:]))
    stated = sum(one["count"] for one in leaves if one["kind"] == "closing")

    assert sum(standings(who_knew(missing, Question())).values()) == stated - 1


def test_a_retraction_shows_with_when_and_why(everything: Everything) -> None:
    """All who were told of the warning are told and later withdrawn, and have a notice; no others."""
    found = of(everything, event_id=WARNING.event_id)
    withdrawn = {one.recipient: one.withdrawn for one in found if one.standing == WITHDRAWN}
    notices = {one.recipient: one for one in found if one.standing == NOTICE}

    assert withdrawn.keys() == notices.keys() == TOLD_OF_WARNING
    for one in withdrawn.values():
        assert one is not None
        assert (one.at, one.round, one.reasons) == (later(hours=2), 1, ("retracted",))
    assert {one.standing for one in found} == {WITHDRAWN, NOTICE, REFUSED}
    assert all(one.reasons for one in found)
    others = [one for one in of(everything) if one.event_id != WARNING.event_id]
    assert not any(one.withdrawn for one in others if one.event_id == CONSULTED.event_id)


def test_the_first_withdrawal_is_when_it_was_withdrawn(everything: Everything) -> None:
    """Taken back a second time in a third round, it is withdrawn since the second."""
    first, second = (one for one in everything[1].parts if one.closing.event_id == WARNING.event_id)
    closing = msgspec.structs.replace(
        second.closing, round=2, decided_at=second.closing.decided_at + 1
    )
    third = msgspec.structs.replace(second, closing=closing)
    found = who_knew(Recorded((third, first, second), ()), Question(recipient=SW))

    assert found[0].withdrawn is not None
    assert found[0].withdrawn.round == 1


def test_a_review_shows_as_a_round_of_its_own(everything: Everything) -> None:
    """Sandwell waited and is told from round 1 on; the force waits still, nothing shown to it."""
    found = {(one.recipient, one.round): one for one in of(everything, event_id=CONSULTED.event_id)}
    first, second = found[SW, 0], found[SW, 1]

    assert (first.standing, second.standing) == (SETTLED, TOLD)
    assert (first.decided_at, second.decided_at) == (later(minutes=5), later(minutes=30))
    assert any(reason.startswith("review/") for reason in second.reasons)
    assert found[WMP, 0].standing == WAITS
    assert found[WMP, 0].released == ()
    assert (WMP, 1) not in found


def test_only_the_recipients_own_answer_acknowledges(everything: Everything) -> None:
    """A stranger's answer is told with its name, and acknowledges nothing."""
    found = {one.recipient: one for one in of(everything, event_id=WARNING.event_id)[::-1]}
    own, other = found[SW], found[WV]

    assert own.acknowledged_at == later(minutes=10)
    assert other.acknowledged_at is None
    assert [one.organisation for one in other.answers] == ["E08000030"]
    assert found[WMP].answers == ()


def test_who_passed_an_alert_on_by_hand_answers_for_it(everything: Everything) -> None:
    """The same stranger's answer counts where the recipient has no connection of its own."""
    recorded = everything[1]
    parts = tuple(
        msgspec.structs.replace(
            part,
            decisions=tuple(
                msgspec.structs.replace(one, channel="manual" if one.channel else None)
                for one in part.decisions
            ),
        )
        for part in recorded.parts
    )
    by_hand = msgspec.structs.replace(recorded, parts=parts)
    found = who_knew(by_hand, Question(event_id=WARNING.event_id, recipient=WV))

    assert found[0].acknowledged_at == later(minutes=11)


def test_the_first_answer_is_when_it_was_acknowledged(everything: Everything) -> None:
    """Answers are told by time, in whatever order the logs have them."""
    recorded = everything[1]
    (first,) = [
        one for one in recorded.intake if one.publisher == SW.partition(":")[0] and one.alert_id
    ]
    minute = 60_000
    again = msgspec.structs.replace(
        first, action="consider", received_at=first.received_at + minute
    )
    for intake in ((again, first), (first, again)):
        (found, _) = who_knew(
            Recorded(recorded.parts, intake), Question(event_id=WARNING.event_id, recipient=SW)
        )
        assert [one.kind for one in found.answers] == ["acknowledge", "consider"]
        assert found.acknowledged_at == later(minutes=10)


def test_a_clause_that_only_withholds_a_field_names_its_agreement(everything: Everything) -> None:
    """An agreement that shows nothing is found by what was withheld for it."""
    part = everything[1].parts[0]
    withheld = (("place", "invented-agreement/limit"),)
    one = msgspec.structs.replace(part.decisions[0], withheld=withheld)
    planted = Recorded((msgspec.structs.replace(part, decisions=(one,)),), ())

    assert len(who_knew(planted, Question(agreement="invented-agreement"))) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30 * 24 * 60))
def test_a_moment_parts_the_decisions_in_two(everything: Everything, minutes: int) -> None:
    """Before it and from it on: nothing twice, nothing missing, whatever the moment."""
    cut = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=minutes)
    before, after = of(everything, until=cut), of(everything, since=cut)

    assert before + after == of(everything)
    assert all(one.decided_at < cut for one in before)


def test_the_first_moment_counts_and_the_last_does_not(everything: Everything) -> None:
    """A decision made at `since` is in the range, one made at `until` is not."""
    asked = {"event_id": WARNING.event_id}
    found = of(everything, since=AT, until=later(hours=2), **asked)

    assert {one.round for one in found} == {0}
    assert {one.round for one in of(everything, since=later(hours=2), **asked)} == {1}
    assert of(everything, since=later(seconds=1), until=later(hours=2), **asked) == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_logs_changes_nothing(everything: Everything, chance: random.Random) -> None:
    """Shards are read one after the other; read in any other order, the answer is the same."""
    recorded = everything[1]
    parts, intake = list(recorded.parts), list(recorded.intake)
    chance.shuffle(parts)
    chance.shuffle(intake)

    assert who_knew(Recorded(tuple(parts), tuple(intake)), Question()) == of(everything)


def test_an_organisation_is_all_its_roles_and_nobody_else(everything: Everything) -> None:
    """By organisation, by role, and never by the beginning of a code."""
    code, _, role = SW.partition(":")
    whole = of(everything, recipient=code)

    assert {one.organisation for one in whole} == {code}
    assert of(everything, recipient=SW) == tuple(one for one in whole if one.role == role)
    assert whole == tuple(one for one in of(everything) if one.organisation == code)
    assert of(everything, recipient=code[:-1]) == ()


def test_an_agreement_is_found_where_a_clause_shows_or_refuses(everything: Everything) -> None:
    """Exactly the leaves that name one of its clauses; a clause's are part of its agreement's."""
    named = {
        (one["log"], one["entry"])
        for one in everything[0]
        if one["kind"] == "decision" and '"national-baseline/' in json.dumps(one)
    }
    whole = of(everything, agreement="national-baseline")
    clause = of(everything, agreement="national-baseline/home-authority")

    assert {(one.log, one.entry) for one in whole} == named
    assert 0 < len(clause) < len(whole)
    assert set(clause) <= set(whole)
    assert of(everything, agreement="national") == ()


def test_a_part_is_one_childs_share_of_one_event(everything: Everything) -> None:
    """The parts of an event have nothing in common and make up the event."""
    for event, _ in told_statements():
        whole = of(everything, event_id=event.event_id)
        parts = {one.part_id for one in whole}
        found = [one for part_id in parts for one in of(everything, part_id=part_id)]
        assert Counter(found) == Counter(whole)


def test_no_answer_holds_a_persons_identity(everything: Everything) -> None:
    """Not a name, number, address or word of what was said; the statements do hold such."""
    events = [WARNING, *(event for event, _ in told_statements())]
    secrets = {
        secret
        for event in events
        for one in event.subjects
        for secret in (
            *(one.given_name, one.family_name, one.address, one.safety_plan, one.injury),
            *(identifier.value for identifier in one.identifiers),
        )
        if secret
    } | {event.summary for event in events if event.summary}
    answer = msgspec.json.encode(of(everything)).decode()
    fhir = json.dumps([audit_event(one) for one in of(everything)])

    assert len(secrets) > 20
    for secret in secrets:
        for text in (answer, fhir):
            assert not re.search(rf"\b{re.escape(secret)}\b", text)


INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def faults_of(resource: Any) -> list[str]:
    """What FHIR R4 requires of an AuditEvent and BALP of permit and deny, and is not so."""
    checks: dict[str, Callable[[], bool]] = {
        "resourceType": lambda: resource["resourceType"] == "AuditEvent",
        "id": lambda: FHIR_ID.fullmatch(resource["id"]) is not None,
        "type": lambda: resource["type"]["code"] == "110113" and bool(resource["type"]["system"]),
        "subtype": lambda: [one["code"] for one in resource["subtype"]] == ["AuthZ-Consent"],
        "action": lambda: resource["action"] == "E",
        "recorded": lambda: INSTANT.fullmatch(resource["recorded"]) is not None,
        "outcome": lambda: resource["outcome"] in {"0", "4", "8", "12"},
        "agent": lambda: len(resource["agent"]) >= 2,
        "agent.requestor": lambda: all(type(one["requestor"]) is bool for one in resource["agent"]),
        "one requestor": lambda: sum(one["requestor"] for one in resource["agent"]) == 1,
        "agent.who": lambda: all(one["who"] for one in resource["agent"]),
        "source.observer": lambda: bool(resource["source"]["observer"]),
        "agents of BALP": lambda: all(
            len(of_type(resource["agent"], code)) == 1
            for code in ("110150", "IRCP", "PROV", "authserver")
        ),
        "agent.network": lambda: all(
            ("network" in one) == (one["type"]["coding"][0]["code"] == "110150")
            for one in resource["agent"]
        ),
        "requestor of BALP": lambda: of_type(resource["agent"], "IRCP")[0]["requestor"] is True,
        "entities of BALP": lambda: (
            [one["type"]["code"] for one in resource["entity"]]
            == ["1"] + ["Consent"] * (len(resource["entity"]) - 1)
            and len(resource["entity"]) >= 2
        ),
        "patient": lambda: (
            resource["entity"][0]["what"]["type"] == "Patient"
            and resource["entity"][0]["role"]["code"] == "1"
        ),
        "entity.detail": lambda: all(
            one["type"] and set(one) == {"type", "valueString"}
            for entity in resource["entity"]
            for one in entity.get("detail", ())
        ),
        "nothing empty": lambda: not list(empty(resource)),
    }
    faults = []
    for name, holds in checks.items():
        try:
            fine = holds()
        except (KeyError, TypeError, IndexError):
            fine = False
        faults += [] if fine else [name]
    return faults


def of_type(agents: list[Any], code: str) -> list[Any]:
    """The agents of one slice: BALP tells them apart by the code of their type."""
    return [one for one in agents if one["type"]["coding"][0]["code"] == code]


def empty(value: Any) -> Iterator[Any]:
    """What FHIR's JSON forbids anywhere: null, an empty text, list or object."""
    if value is None or value in ("", [], {}):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from empty(one)


def test_every_decision_is_a_sound_audit_event(everything: Everything) -> None:
    """All have what R4 and BALP's shapes require, and ids of their own."""
    found = of(everything)
    resources = [audit_event(one) for one in found]

    assert [faults_of(one) for one in resources] == [[]] * len(found)
    assert len({one["id"] for one in resources}) == len(found)
    assert resources == [audit_event(one) for one in found]


def test_the_audit_event_says_permit_deny_and_why(everything: Everything) -> None:
    """Permit is success, refusal serious, waiting minor; reasons, event, parties are those decided."""
    codes = {"PERMIT": "0", "REVIEW": "4", "DENY": "8"}
    for one in of(everything):
        resource = audit_event(one)
        what, bundle, *clauses = resource["entity"]
        stated = {d["type"]: d["valueString"] for d in what["detail"]}
        reasons = [d["valueString"] for d in what["detail"] if d["type"] == "reason"]
        who = {
            agent["type"]["coding"][0]["code"]: agent["who"]["identifier"]["value"]
            for agent in resource["agent"]
        }
        assert resource["outcome"] == codes[one.outcome]
        assert what["what"]["identifier"]["value"] == one.part_id
        assert stated["event"] == one.event_id
        assert bundle["what"]["identifier"]["value"] == one.policy_bundle
        assert tuple(reasons) == one.reasons
        assert tuple(c["what"]["identifier"]["value"] for c in clauses) == one.clauses
        assert (who["IRCP"], who["PROV"], who["CST"]) == (
            one.recipient,
            one.organisation,
            one.publisher,
        )
        assert resource["recorded"] == one.decided_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda one: one.pop("type"), "type"),
        (lambda one: one.pop("recorded"), "recorded"),
        (lambda one: one.update(recorded="2026-11-20"), "recorded"),
        (lambda one: one["agent"][0].pop("requestor"), "agent.requestor"),
        (lambda one: one["agent"].clear(), "agent"),
        (lambda one: one["source"].pop("observer"), "source.observer"),
        (lambda one: one["agent"].pop(1), "agents of BALP"),
        (lambda one: one["agent"][1].pop("network"), "agent.network"),
        (lambda one: one["entity"].pop(), "entities of BALP"),
        (lambda one: one["entity"].append({"type": {"code": "2"}}), "entities of BALP"),
        (lambda one: one["entity"][0].pop("role"), "patient"),
        (lambda one: one.update(outcome="PERMIT"), "outcome"),
        (lambda one: one["entity"][0]["detail"][0].update(valueString=""), "nothing empty"),
        (lambda one: one["entity"][0]["detail"][0].update(valueCode="x"), "entity.detail"),
    ],
)
def test_the_check_of_audit_events_finds_what_is_missing(
    everything: Everything, damage: Callable[[Any], Any], named: str
) -> None:
    """So that a sound resource means something: each required element is missed when it is gone."""
    resource = copy.deepcopy(audit_event(of(everything)[0]))
    damage(resource)

    assert named in faults_of(resource)
