"""Commitments: each shown value leads to the signed root, nothing else does, and what is hidden stays so."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.canonical import canonical_json
from broker.model.codec import decode, encode
from broker.model.commitments import (
    HASH_BYTES,
    SALT_BYTES,
    SLOTS,
    Committed,
    SubjectProof,
    commit,
    commitment,
    commitment_root,
    committed,
    event_salts,
    root_from,
    subject_salts,
)
from broker.model.fields import GROUPS
from broker.model.projections import (
    CAN_LEAVE,
    DERIVED_FIELDS,
    EVENT_NAMES,
    SUBJECT_NAMES,
    projection,
)
from tests.builders import NOW, concern, subject

SEED = bytes(range(32))
seeds = st.binary(min_size=32, max_size=32)
words = st.none() | st.text(max_size=12)
moments = st.integers(-1_000_000, 1_000_000).map(lambda one: NOW + datetime.timedelta(minutes=one))
roles = st.lists(
    st.builds(t.RoleInIncident, role=st.sampled_from(t.RoleKind), basis=words), max_size=3
).map(tuple)
identifiers = st.lists(
    st.builds(
        t.Identifier,
        scheme=st.sampled_from(t.IdentifierScheme),
        value=st.sampled_from(["9434765919", "9434765918", "B801200005001", "77/1"]),
    ),
    max_size=3,
).map(tuple)


@st.composite
def events(draw: st.DrawFn, children: int = 4) -> t.ConcernEvent:
    """An event about some children, with more or less in it."""
    count = draw(st.integers(0, children))
    subjects = tuple(
        subject(
            subject_ref=f"child-{number}",
            given_name=draw(words),
            roles=draw(roles),
            identifiers=draw(identifiers),
            injury=draw(words),
            safety_plan=draw(words),
            placement=draw(st.none() | st.builds(t.Placement, care_plan=words)),
        )
        for number in range(count)
    )
    links = (
        (t.PeerLink(from_ref="child-0", to_ref="child-1", relationship="friend", basis="said so"),)
        if count > 1 and draw(st.booleans())
        else ()
    )
    return concern(
        subjects=subjects,
        peer_links=links,
        provenance=draw(st.sampled_from(t.Provenance)),
        when=draw(st.none() | st.builds(t.TimeInterval, start=moments)),
        place=draw(
            st.none()
            | st.builds(t.Place, precision=st.sampled_from(t.PlacePrecision), la_gss=words)
        ),
        audience_texts=tuple(
            t.AudienceText(audience=one, text=text)
            for one in t.Audience
            if (text := draw(words)) is not None
        ),
    )


def names(event: t.ConcernEvent) -> list[tuple[str, int | None]]:
    """Every value of the event that can be shown: its name, and which child's it is."""
    return [(name, None) for name in EVENT_NAMES] + [
        (name, index) for index in range(len(event.subjects)) for name in SUBJECT_NAMES
    ]


def value_of(name: str, event: t.ConcernEvent, index: int | None) -> bytes:
    """Its canonical JSON."""
    return canonical_json(projection(name, event, None if index is None else event.subjects[index]))


def salt_of(name: str, seed: bytes, index: int | None) -> bytes:
    """Its salt."""
    if index is None:
        return event_salts(seed)[EVENT_NAMES.index(name)]
    return subject_salts(seed, index)[SUBJECT_NAMES.index(name)]


def holds(made: Committed, index: int | None, name: str, salt: bytes, value: bytes) -> bool:
    """As a recipient checks it, from what an alert about that child holds."""
    proof = made.subjects[index or 0]
    return (
        len(salt) == SALT_BYTES
        and root_from(made.event, proof) == made.root
        and committed(name, made.event, proof.commitments) == commitment(name, salt, value)
    )


@given(events(), seeds)
def test_whatever_can_be_shown_proves(event: t.ConcernEvent, seed: bytes) -> None:
    """Any value of any event, of the statement or of one child, leads to the root that is signed."""
    made = commit(event, seed)

    assert made.root == commitment_root(event, seed)
    for name, index in names(event):
        assert holds(made, index, name, salt_of(name, seed, index), value_of(name, event, index))


@given(events(), events(), seeds, st.data())
def test_no_other_value_name_salt_child_or_event_proves(
    event: t.ConcernEvent, other: t.ConcernEvent, seed: bytes, data: st.DataObject
) -> None:
    """What is shown is that value under that name, of that child, in that statement, or it is refused."""
    made = commit(event, seed)
    name, index = data.draw(st.sampled_from(names(event)))
    salt, value = salt_of(name, seed, index), value_of(name, event, index)
    elsewhere, whose = data.draw(st.sampled_from(names(event)))
    lied = data.draw(st.text(max_size=12))

    if canonical_json(lied) != value:
        assert not holds(made, index, name, salt, canonical_json(lied))
    if elsewhere != name:
        assert not holds(made, whose if whose is not None else index, elsewhere, salt, value)
    elif whose != index:
        assert not holds(made, whose, name, salt, value)
    assert not holds(made, index, name, bytes(SALT_BYTES), value)
    assert not holds(made, index, name, salt + value[:1], value[1:])
    of_other = commit(other, bytes(reversed(seed)) + b"other")
    swapped = msgspec.structs.replace(made, event=of_other.event)
    assert not holds(swapped, index, name, salt, value)


@given(events(), seeds, st.data())
def test_no_changed_bit_of_a_proof_leads_to_the_root(
    event: t.ConcernEvent, seed: bytes, data: st.DataObject
) -> None:
    """Commitments, path and slot all carry the root."""
    made = commit(event, seed)
    proof = data.draw(st.sampled_from(made.subjects))
    part = data.draw(st.sampled_from(["event", "commitments", "path", "slot"]))
    if part == "slot":
        slot = data.draw(st.integers(-1, 2 * SLOTS))
        changed = msgspec.structs.replace(proof, slot=slot)
        assert (root_from(made.event, changed) == made.root) == (slot == proof.slot)
        return
    whole = bytearray(made.event if part == "event" else getattr(proof, part))
    if whole:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    event_part = bytes(whole) if part == "event" else made.event
    changed = proof if part == "event" else msgspec.structs.replace(proof, **{part: bytes(whole)})
    assert (root_from(event_part, changed) == made.root) == (not whole)


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 64])
def test_a_proof_of_another_length_leads_nowhere(cut: int) -> None:
    """A list too short or too long is no list of those names."""
    made = commit(concern(), SEED)
    (proof,) = made.subjects
    for longer in (b"", bytes(32)):
        shape = SubjectProof(proof.commitments[cut:] + longer, proof.slot, proof.path[cut:])
        if cut or longer:
            assert root_from(made.event, shape) != made.root
            assert root_from(made.event[cut:] + longer, proof) != made.root


@given(st.integers(1, 40), seeds)
@settings(max_examples=40)
def test_a_proof_does_not_say_how_many_children_there_are(count: int, seed: bytes) -> None:
    """About one child or about forty: commitments and path of a child are equally long."""
    many = concern(subjects=tuple(subject(subject_ref=f"c{n}") for n in range(count)))
    one, made = commit(concern(), seed), commit(many, seed)

    shape = {(len(made.event), len(p.commitments), len(p.path)) for p in made.subjects}
    assert shape == {(len(one.event), len(one.subjects[0].commitments), len(one.subjects[0].path))}
    assert len({proof.slot for proof in made.subjects}) == count


def test_every_slot_is_drawn_and_the_first_child_is_no_nearer_to_the_first() -> None:
    """The slot of an only child spreads over the whole tree, as the seed falls."""
    event = concern()
    drawn = [commit(event, number.to_bytes(32, "big")).subjects[0].slot for number in range(600)]

    assert len(set(drawn)) > 300
    assert 0.4 < sum(slot < SLOTS // 2 for slot in drawn) / len(drawn) < 0.6


@given(events(), seeds)
def test_an_absent_field_is_committed_to_like_any_other(event: t.ConcernEvent, seed: bytes) -> None:
    """No commitment is left out and no two are alike, so nothing shows what the statement holds."""
    made = commit(event, seed)
    whole = made.event + b"".join(proof.commitments for proof in made.subjects)
    pieces = {whole[at : at + HASH_BYTES] for at in range(0, len(whole), HASH_BYTES)}

    assert len(pieces) == len(names(event))


@given(events(), seeds)
def test_what_avro_carries_is_what_was_committed_to(event: t.ConcernEvent, seed: bytes) -> None:
    """Intake, which decodes the event, finds the root that its publisher signed."""
    assert commitment_root(decode(encode(event), t.ConcernEvent), seed) == commitment_root(
        event, seed
    )


@pytest.mark.parametrize(
    ("change", "only"),
    [
        ({"summary": "other"}, {"whole"}),
        ({"provenance": t.Provenance.CARER}, {"provenance", "whole"}),
        ({"when": t.TimeInterval(start=NOW)}, {"when", "when/generalised", "whole"}),
    ],
)
def test_a_changed_field_changes_its_own_commitments(change: Any, only: set[str]) -> None:
    """Its own forms, and the one over the whole statement, which holds also what is never shown."""
    one, other = commit(concern(), SEED), commit(concern(**change), SEED)
    changed = {
        name
        for name in EVENT_NAMES
        if committed(name, one.event, b"") != committed(name, other.event, b"")
    }

    assert changed == only
    assert one.root != other.root


def test_a_commitment_cannot_be_guessed_without_the_seed() -> None:
    """The same value under another seed has another commitment."""
    one, other = commit(concern(), SEED), commit(concern(), bytes(32))

    assert not [
        name
        for name in EVENT_NAMES
        if committed(name, one.event, b"") == committed(name, other.event, b"")
    ]


def test_more_children_than_slots_are_refused_in_words() -> None:
    """A tree has so many slots and no more."""
    many = concern(subjects=(subject(),) * (SLOTS + 1))

    with pytest.raises(ValueError, match="publish several"):
        commit(many, SEED)


def test_whatever_the_catalogue_can_release_is_committed_to_or_made_by_the_broker() -> None:
    """But for the source's identity and the publisher's own words, which never leave."""
    releasable = {one for group in GROUPS.values() for one in group} | {"existence"}

    assert {"source", "summary"} == releasable - CAN_LEAVE
    assert releasable >= CAN_LEAVE
    assert not DERIVED_FIELDS & {name.partition("/")[0] for name in (*EVENT_NAMES, *SUBJECT_NAMES)}


def test_every_field_of_an_act_is_committed_to() -> None:
    """Acts are not shown field by field: their root is over all fields, one by one."""
    act = t.Action(
        action_id="a", kind=t.ActionKind.REVIEW, organisation="O", actor="p", acted_at=NOW
    )
    changes: list[dict[str, Any]] = [{"actor": "q"}, {"verdict": "permit"}, {"fields": ("text",)}]
    roots = {commitment_root(msgspec.structs.replace(act, **one), SEED) for one in changes}

    assert len({commitment_root(act, SEED), *roots}) == 4
