"""A recipient checks each released field against what its publisher signed; a redactor that cheats is caught.

Every alert here comes from the real flow and a real ledger, and is opened by the recipient's own client.
What cheats stands where the redaction step stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import broker.flow
from broker.auditor.rederive import begin
from broker.auditor.replay import open_facts
from broker.client import OpenedAlert, RefusedAlertError
from broker.client.proving import StatementError, proved_fields
from broker.later import Sealing, act_input, act_on_part
from broker.model import types as t
from broker.model.codec import encode
from broker.model.commitments import commitment_root, event_salts, subject_salts
from broker.model.projections import DERIVED_FIELDS, EVENT_NAMES, SUBJECT_NAMES
from broker.model.statement import unpack
from broker.model.values import Decision, FieldRuling, Linked, Weight
from broker.record import Decided
from broker.redact import release
from broker.rounds import first_state
from tests.client.published import AT, HOME, POLICE, SANDWELL, SCHOOL, Told, warning
from tests.oracle import SECRET

Released = tuple[tuple[str, Any, str], ...]
Cheat = Callable[[Linked, Decision, Released], Released]
SEED = bytes(range(32))
INSTEAD: dict[str, Any] = {
    "as_stated": "generalised",
    "generalised": "as_stated",
    "audience_text": "as_stated",
    "pseudonymised": "as_stated",
    "derived_by_broker": "as_stated",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def opened(told: Told) -> dict[str, list[OpenedAlert]]:
    """The warning about two children, as an honest broker tells of it."""
    return told.opened(warning())


def every(opened: dict[str, list[OpenedAlert]]) -> list[OpenedAlert]:
    return [alert for alerts in opened.values() for alert in alerts]


def refused(told: Told, content: t.AlertContent) -> bool:
    """Whether the client refuses this content."""
    try:
        proved_fields(content, told.sending.agency(HOME).publishers)
    except StatementError:
        return True
    return False


def test_every_field_of_an_honest_alert_is_proved_or_marked_as_the_brokers(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """Signed where the recipient may know the publisher, committed where not, derived where made here."""
    assert opened.keys() == {HOME, SANDWELL, POLICE, SCHOOL}
    for organisation, alerts in opened.items():
        for alert in alerts:
            for field, how in alert.proved.items():
                if field in DERIVED_FIELDS:
                    assert how == "derived_by_broker"
                else:
                    assert how == ("committed" if organisation == SCHOOL else "signed")
    assert {"corroboration", "source_reference", "grading"} <= opened[HOME][0].proved.keys()


def test_who_may_not_know_the_publisher_is_not_told_by_the_proof(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """No name, no key, no signature that only one key fits; the root stays the same for all."""
    withheld = opened[SCHOOL][0].content.statement
    named = opened[HOME][0].content.statement
    assert withheld is not None
    assert named is not None

    assert (withheld.publisher, withheld.key_id, withheld.epoch) == (None, "", "")
    assert (withheld.signature, withheld.body_hash) == (b"", b"")
    assert (named.publisher, withheld.root) == ("ADV-WM-001", named.root)


def test_where_a_source_could_be_recognised_only_the_own_authority_knows_who_published(
    told: Told,
) -> None:
    """For all others the publisher points to the source: they check against the root alone."""
    alerts = told.opened(warning(source_identifiable=True))

    assert alerts[HOME][0].proved["text"] == "signed"
    for organisation in (SANDWELL, POLICE):
        assert alerts[organisation][0].proved["text"] == "committed"
        assert "publisher" not in alerts[organisation][0].released


def test_the_auditors_leaf_holds_the_root_that_recipients_compare(told: Told) -> None:
    """Who may not know the signer can have an auditor compare: the leaf of intake holds the root."""
    event = warning()
    intake, decided = told.sets(event, SEED)
    leaf = json.loads(intake[0].leaves[0])
    roots = {
        content.statement.root.hex()
        for one in decided
        for delivery in one.deliveries
        if (content := told.content(delivery, one.set_id)).statement is not None
    }

    assert leaf["commitment_root"] == commitment_root(event, SEED).hex()
    assert roots == {leaf["commitment_root"]}


def test_a_pointer_carries_no_statement(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is something is all that it says: no root by which two pointers could be joined."""

    def only_existence(linked: Linked, decision: Decision, *rest: Any) -> Decided:
        pointer = (FieldRuling("existence", "as_stated", "law"),)
        mere = msgspec.structs.replace(decision, mode="EXISTENCE", released=pointer)
        return shown(linked, mere, *rest)

    shown = broker.flow.shown
    monkeypatch.setattr(
        broker.flow,
        "shown",
        lambda linked, decision, *rest: (only_existence if decision.released else shown)(
            linked, decision, *rest
        ),
    )
    alerts = every(told.opened(warning()))

    assert alerts
    for alert in alerts:
        assert alert.content.statement is None
        assert alert.proved == {"existence": "derived_by_broker"}


def changed(value: Any) -> Any:
    """Another value of the same look."""
    if isinstance(value, dict):
        return {name: changed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [changed(one) for one in value] or ["more"]
    return f"{value} " if isinstance(value, str) else "other"


def changes_one(field: str) -> Cheat:
    def cheat(_linked: Linked, _decision: Decision, shown: Released) -> Released:
        return tuple((f, changed(v), how) if f == field else (f, v, how) for f, v, how in shown)

    return cheat


def takes_from_the_other_child(linked: Linked, decision: Decision, shown: Released) -> Released:
    """Shows the safety plan of the other child of the same statement."""
    event, subject = linked.part.event, linked.part.subject
    (other,) = [one for one in event.subjects if one != subject]
    return tuple((f, other.safety_plan if f == "safety_plan" else v, how) for f, v, how in shown)


def claims_its_own(_linked: Linked, _decision: Decision, shown: Released) -> Released:
    """Changes the text and says that the broker made it."""
    return tuple(
        (f, "all is well", "derived_by_broker") if f == "safety_plan" else (f, v, how)
        for f, v, how in shown
    )


def invents(how: str) -> Cheat:
    """Shows in place of the safety plan what the publisher never stated."""

    def cheat(_linked: Linked, _decision: Decision, shown: Released) -> Released:
        invented = ("bad_character", "known to the police", how)
        return tuple(invented if one[0] == "safety_plan" else one for one in shown)

    return cheat


def says_a_derived_one_was_stated(
    _linked: Linked, _decision: Decision, shown: Released
) -> Released:
    """Passes off the broker's own count as the publisher's word."""
    return tuple((f, v, "as_stated" if f in DERIVED_FIELDS else how) for f, v, how in shown)


def hides_an_absent_one(_linked: Linked, _decision: Decision, shown: Released) -> Released:
    """Says that nothing was stated where something was."""
    return tuple((f, None if f == "safety_plan" else v, how) for f, v, how in shown)


CHEATS: dict[str, tuple[Cheat, set[str]]] = {
    "another child's": (takes_from_the_other_child, {HOME, SANDWELL, POLICE, SCHOOL}),
    "claims its own": (claims_its_own, {HOME, SANDWELL, POLICE, SCHOOL}),
    "invents": (invents("as_stated"), {HOME, SANDWELL, POLICE, SCHOOL}),
    "invents as derived": (invents("derived_by_broker"), {HOME, SANDWELL, POLICE, SCHOOL}),
    "derived as stated": (says_a_derived_one_was_stated, {HOME, SANDWELL, POLICE}),
    "absent": (hides_an_absent_one, {HOME, SANDWELL, POLICE, SCHOOL}),
    "the text": (changes_one("text"), {HOME, SANDWELL, POLICE}),
    "the place": (changes_one("place"), {HOME, SANDWELL, POLICE}),
    "the number": (changes_one("identifiers"), {HOME}),
    "the class of the source": (changes_one("provenance"), {HOME, SANDWELL, POLICE}),
    "the publisher": (changes_one("publisher"), {HOME, SANDWELL, POLICE}),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_redactor_that_cheats_is_caught_by_each_client_that_it_cheats(
    told: Told, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Recorded, signed by the ledger and delivered like any other: and refused, without showing it."""
    cheat, cheated = CHEATS[name]

    def cheating(
        linked: Linked, decision: Decision, weight: Weight, own: str, seen: Any = None
    ) -> Released:
        return cheat(linked, decision, release(linked, decision, weight, own, seen))

    monkeypatch.setattr(broker.flow, "release", cheating)
    caught = set()
    for organisation, value in told.alerts(warning()):
        if organisation not in cheated:
            told.open(organisation, value)
            continue
        with pytest.raises(RefusedAlertError) as raised:
            told.open(organisation, value)
        assert raised.value.check == "statement"
        assert "Invented" not in str(raised.value)
        caught.add(organisation)

    assert caught == cheated


def test_a_redactor_that_takes_the_statement_away_shows_unproved_fields(
    told: Told, opened: dict[str, list[OpenedAlert]]
) -> None:
    """Without a proof nothing is called proved: the reader is told that it is not."""
    for alert in every(opened):
        bare = msgspec.structs.replace(
            alert.content,
            statement=None,
            released=tuple(
                msgspec.structs.replace(one, salt=b"") for one in alert.content.released
            ),
        )
        found = proved_fields(bare, {})
        assert set(found.values()) <= {"unproved", "derived_by_broker"}
        assert found["given_name"] == "unproved"


@given(data=st.data())
@settings(max_examples=300)
def test_no_change_of_a_field_or_of_its_proof_is_accepted(
    told: Told, opened: dict[str, list[OpenedAlert]], data: st.DataObject
) -> None:
    """Value, name, salt and what was done; a field of another alert; any byte of the statement."""
    content = data.draw(st.sampled_from(every(opened))).content
    at = data.draw(st.integers(0, len(content.released) - 1))
    donor = data.draw(st.sampled_from(every(opened))).content
    one, theirs = content.released[at], data.draw(st.sampled_from(donor.released))
    others: dict[str, Callable[[], dict[str, Any]]] = {
        "value": lambda: {"value": json.dumps(changed(json.loads(one.value)))},
        "field": lambda: {"field": theirs.field},
        "salt": lambda: {"salt": bytes(reversed(one.salt)) + b"x"},
        "transform": lambda: {"transform": INSTEAD[one.transform]},
        "taken": lambda: {"value": theirs.value, "salt": theirs.salt},
    }
    what = data.draw(st.sampled_from(sorted(others)))
    touched = msgspec.structs.replace(one, **others[what]())
    released = (*content.released[:at], touched, *content.released[at + 1 :])
    same = (touched.value, touched.salt, touched.field) == (one.value, one.salt, one.field)
    # What the broker makes is not proved: its value is the broker's word, and marked as that.
    brokers = touched.transform == "derived_by_broker" and touched.field in DERIVED_FIELDS
    # A text for another audience is the publisher's word too: who gets which is the broker's decision.
    other_text = what == "taken" and {one.field, theirs.field} == {"text"}
    if brokers or other_text or (same and touched.transform == one.transform):
        return

    assert refused(told, msgspec.structs.replace(content, released=released))


@given(data=st.data())
@settings(max_examples=300)
def test_no_changed_byte_of_a_statement_is_accepted(
    told: Told, opened: dict[str, list[OpenedAlert]], data: st.DataObject
) -> None:
    """Root, commitments, path, slot, key, epoch, hash, signature, publisher: all are held by the rest."""
    content = data.draw(st.sampled_from(every(opened))).content
    proof = content.statement
    assert proof is not None
    name = data.draw(st.sampled_from(t.StatementProof.__struct_fields__))
    stated = getattr(proof, name)
    if not stated and name != "position":
        return  # withheld: there is nothing to change
    if isinstance(stated, int):
        other: Any = data.draw(st.integers(-2, 2000).filter(lambda one: one != stated))
    elif isinstance(stated, str):
        other = stated + "x"
    else:
        flipped = bytearray(stated)
        flipped[data.draw(st.integers(0, len(stated) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        other = bytes(flipped)
    tampered = msgspec.structs.replace(proof, **{name: other})

    assert refused(told, msgspec.structs.replace(content, statement=tampered))


def test_a_statement_is_bound_to_its_event(
    told: Told, opened: dict[str, list[OpenedAlert]]
) -> None:
    """A signed root shown under another event's id is refused."""
    content = msgspec.structs.replace(opened[HOME][0].content, event_id="another")

    assert refused(told, content)


def test_a_field_cannot_be_shown_twice(told: Told, opened: dict[str, list[OpenedAlert]]) -> None:
    """Else the one that is proved could cover for one that is not."""
    content = opened[HOME][0].content
    twice = msgspec.structs.replace(content, released=(*content.released, content.released[0]))

    assert refused(told, twice)


def test_a_publisher_that_the_directory_does_not_know_is_refused_with_a_remedy(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """An old directory is the likely cause: the words say to fetch it anew."""
    with pytest.raises(StatementError, match="fetch the directory anew"):
        proved_fields(opened[HOME][0].content, {})


def test_an_alert_is_as_long_for_one_child_as_for_forty(told: Told) -> None:
    """Neither the bytes on the topic nor those inside say how many children the statement is about."""
    many = tuple(
        msgspec.structs.replace(warning().subjects[1], subject_ref=f"child-{n}", identifiers=())
        for n in range(2, 41)
    )
    one = warning(subjects=warning().subjects[:1], peer_links=())
    forty = msgspec.structs.replace(one, subjects=(*one.subjects, *many))

    def first_part(event: t.ConcernEvent) -> list[tuple[str, int, int]]:
        made = told.sets(event, SEED)[1][0]
        return [
            (d.recipient, len(d.sealed), len(encode(told.content(d, made.set_id))))
            for d in made.deliveries
        ]

    assert first_part(one) == first_part(forty)


def test_nothing_by_which_an_unreleased_field_could_be_guessed_is_in_an_alert(told: Told) -> None:
    """Its salt is not there, nor the seed; and no commitment to it can be computed without one."""
    _, decided = told.sets(warning(), SEED)
    for index, one in enumerate(decided):
        salts = dict(zip(EVENT_NAMES, event_salts(SEED), strict=True)) | dict(
            zip(SUBJECT_NAMES, subject_salts(SEED, index), strict=True)
        )
        for delivery in one.deliveries:
            content = told.content(delivery, one.set_id)
            plain = encode(content)
            there = {name for name, salt in salts.items() if salt in plain}
            stated = [f for f in content.released if f.transform != "derived_by_broker"]
            assert len(there) == len(stated)
            assert {name.partition("/")[0] for name in there} == {f.field for f in stated}
            assert SEED not in plain
            elsewhere = subject_salts(SEED, 1 - index)
            assert not [salt for salt in elsewhere if salt in plain]


def test_a_mistyped_number_is_set_aside_by_both_sides_alike(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """What fails its check digit is neither committed to nor shown, so what is shown proves."""
    shown = opened[HOME][0].released["identifiers"]

    assert [one["value"] for one in shown] == ["9434765919", "77/1"]


def test_a_place_in_old_codes_is_shown_in_those_in_force_with_what_was_written(told: Told) -> None:
    """The broker brings the code up to date and says so; what the publisher wrote proves beside it."""
    old, new = next(
        (one, other)
        for one, other in sorted(told.policy.reference.successors.items())
        if other in told.policy.reference.organisations and other.startswith("E0")
    )
    place = t.Place(precision=t.PlacePrecision.PUBLIC_PLACE, kind=t.PlaceKind.RETAIL, la_gss=old)
    alerts = told.opened(warning(place=place))
    alert = alerts[HOME][0]
    shown = alert.released["place"]

    assert (shown["la_gss"], shown["areas_as_stated"]["la_gss"]) == (new, old)
    assert alert.proved["place"] == "derived_by_broker"
    assert alert.proved["text"] == "signed"
    for lie in (
        {"la_gss": new, "also_gss": []},
        {"la_gss": old, "also_gss": [new]},
        {"la_gss": old},
        {},
        None,
    ):
        told_otherwise = tuple(
            msgspec.structs.replace(one, value=json.dumps(shown | {"areas_as_stated": lie}))
            if one.field == "place"
            else one
            for one in alert.content.released
        )
        assert refused(told, msgspec.structs.replace(alert.content, released=told_otherwise))


def test_a_statement_about_a_place_proves_too(told: Told) -> None:
    """Without a child the statement's own fields are all there is."""
    event = warning(
        subjects=(),
        peer_links=(),
        publisher="E23000014",
        provenance=t.Provenance.POLICE,
        source=None,
    )
    alerts = every(told.opened(event))

    assert alerts
    for alert in alerts:
        assert alert.content.statement is not None
        assert alert.content.statement.subject_commitments == b""
        assert set(alert.proved.values()) <= {"signed", "committed", "derived_by_broker"}
        assert {"signed", "committed"} & set(alert.proved.values())


def test_replay_makes_the_same_bytes_with_their_proofs(told: Told) -> None:
    """The sealed facts hold what proves: an auditor makes the delivered alert again, to the byte."""
    old = next(
        one
        for one, other in sorted(told.policy.reference.successors.items())
        if other in told.policy.reference.organisations and other.startswith("E0")
    )
    place = t.Place(precision=t.PlacePrecision.PUBLIC_PLACE, kind=t.PlaceKind.RETAIL, la_gss=old)
    for event in (warning(), warning(place=place)):
        for recorded in told.sets(event)[1]:
            (sealed,) = [one.content for one in recorded.sidecars if one.name == "facts"]
            facts = open_facts(sealed, SECRET, recorded.set_id)
            again = begin(facts, told.policy, told.reception.sealer, SECRET).recorded
            assert recorded.deliveries
            assert again.deliveries == recorded.deliveries
            assert again.leaves == recorded.leaves


def test_a_part_of_an_earlier_release_is_decided_and_its_alert_is_unproved(told: Told) -> None:
    """What was sealed before parts carried statements is a bare event: it must not be lost."""
    event = warning()
    assert unpack(encode(event)).event == encode(event)
    assert unpack(encode(event)).statement is None


def test_a_later_round_proves_like_the_first(told: Told) -> None:
    """An act carries the part as it was decided: a person's release shows what the publisher signed."""
    act = t.Action(
        action_id="act-1",
        kind=t.ActionKind.RELEASE,
        organisation="DUTY-DESK",
        actor="desk-1",
        reason="life",
        recipient=f"{SCHOOL}:school",
        acted_at=AT,
    )
    (part, *_) = told.parts(warning())
    key = told.reception.parts_key
    given = act_input(part, msgspec.structs.replace(part, received_at=AT), 0, key)
    state = first_state(part, 0, "concern", ())
    policy, sealing = told.policy, Sealing(told.reception.sealer, SECRET)
    asked = act_on_part(act, "set-1", state, given, (), policy, sealing)
    second = msgspec.structs.replace(act, action_id="act-2", actor="desk-2", confirms="act-1")
    made = act_on_part(second, "set-2", asked.state, given, (), policy, sealing)
    (alert,) = [told.open(*one) for one in told.delivered(made.recorded)]

    assert set(alert.proved.values()) <= {"committed", "signed", "derived_by_broker"}
    assert alert.content.statement is not None
    assert len(alert.released) > 3
