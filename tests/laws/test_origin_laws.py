"""Origins: records of one first observation count once, in whatever sequence they arrive."""

from __future__ import annotations

import datetime
import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.link import entry_of, join, link
from broker.model import types as t
from broker.model.values import Linked, PartInput, StateEntry
from broker.weigh import DEFAULT_PARAMETERS, weigh
from tests.builders import NOW, concern
from tests.laws.histories import EVENTS, LATER, events, histories, part_of, past_of

History = tuple[PartInput, tuple[StateEntry, ...]]
ONE_HARM = [t.HarmKind.WEAPON_THREAT]
DIRECTNESS = [t.Directness.DIRECT, t.Directness.INDIRECT, t.Directness.NOT_KNOWN]


def value(linked: Linked) -> int:
    return weigh(linked.claim, DEFAULT_PARAMETERS).value


def witness(number: int, directness: t.Directness) -> t.ConcernEvent:
    """A first observation of its own, of the same harm at the same time."""
    return concern(
        event_id=f"event-{number}",
        origin_id=f"origin-{number}",
        publisher=f"PUBLISHER-{number}",
        directness=directness,
    )


WITNESSES = st.lists(st.sampled_from(DIRECTNESS), min_size=1, max_size=5).map(
    lambda kinds: [witness(number, kind) for number, kind in enumerate(kinds)]
)


def together(told: list[t.ConcernEvent]) -> list[frozenset[int]]:
    """The naive answer: merge what shares an id until nothing does.

    A record made from several joins them only once they are one group.
    """
    own = [{one.event_id, one.origin_id} for one in told]
    made_from = [set(one.derived_from) - ids for one, ids in zip(told, own, strict=True)]
    groups = [({number}, set(ids)) for number, ids in enumerate(own)]
    for _ in range(len(told) + 1):
        for number, named in enumerate(made_from):
            if len(named) == 1 or any(named <= ids for _, ids in groups):
                mine = next(ids for members, ids in groups if number in members)
                mine |= named
        merged: list[tuple[set[int], set[str]]] = []
        for members, ids in groups:
            touching = [group for group in merged if group[1] & ids]
            merged = [group for group in merged if group not in touching]
            joined = (
                members.union(*(one for one, _ in touching)),
                ids.union(*(i for _, i in touching)),
            )
            merged.append(joined)
        groups = merged
    return [frozenset(members) for members, _ in groups]


def of_one_claim(told: list[t.ConcernEvent]) -> list[t.ConcernEvent]:
    """The same ids and publishers, all of the same harm at the same time, all origins known."""
    return [
        msgspec.structs.replace(
            one, harms=tuple(ONE_HARM), observed_at=NOW, origin_unknown=False, dependence=()
        )
        for one in told
    ]


@given(histories(), st.data())
def test_repeats_sequence_and_what_comes_later_change_nothing(
    history: History, data: st.DataObject
) -> None:
    """The same past shuffled, with repeats, and with later entries in state: the same link."""
    part, past = history
    later = data.draw(st.lists(events(st.sampled_from(EVENTS)), max_size=3))
    after = [entry_of(part_of(event, LATER + number)) for number, event in enumerate(later)]
    repeats = data.draw(st.lists(st.sampled_from(past), max_size=4)) if past else []
    shuffled = data.draw(st.permutations([*past, *repeats, *after]))

    assert link(part, shuffled) == link(part, past)


@given(histories(), st.randoms(use_true_random=False))
def test_it_does_not_matter_in_which_order_earlier_records_came(
    history: History, chance: random.Random
) -> None:
    """Late and out of order is normal: who reported first changes neither claim nor origins."""
    part, past = history
    orders = list(range(len(past)))
    chance.shuffle(orders)
    moved = [
        msgspec.structs.replace(entry, order=order)
        for entry, order in zip(past, orders, strict=True)
    ]

    assert link(part, moved) == link(part, past)


@given(histories())
def test_each_part_decided_twice_is_linked_the_same(history: History) -> None:
    """After a crash parts are decided again with all entries, also their own, already in state."""
    part, past = history
    everything = (*past, entry_of(part))

    for number, entry in enumerate(past):
        event = concern(event_id=entry.event_id, origin_id=entry.observation.origin)
        again = part_of(event, order=number)
        assert link(again, everything) == link(again, past[:number])
    assert link(part, everything) == link(part, past)


@given(histories())
def test_a_part_is_never_a_second_witness_to_itself(history: History) -> None:
    """Its own entry, even at an earlier place, is the part itself."""
    part, past = history
    itself = msgspec.structs.replace(entry_of(part), order=-1)

    assert link(part, (itself, *past)) == link(part, past)


@given(st.lists(events(st.sampled_from(EVENTS)), min_size=1, unique_by=lambda one: one.event_id))
def test_records_are_one_origin_exactly_if_shared_ids_connect_them(
    told: list[t.ConcernEvent],
) -> None:
    """Against a naive merge: origins of the claim, agencies that saw the part's own, and its name."""
    told = of_one_claim(told)
    groups = together(told)
    mine = next(group for group in groups if 0 in group)
    linked = link(part_of(told[0]), past_of(*told[1:]))

    assert len({one.origin for one in linked.claim.observations}) == len(groups)
    assert linked.agencies_seen == len({told[number].publisher for number in mine})
    assert linked.claim.observations[0].origin == min(told[number].origin_id for number in mine)


@given(histories())
def test_retracted_entries_never_count(history: History) -> None:
    """A past with retracted records is the past without them."""
    part, past = history
    retracted = [msgspec.structs.replace(entry, retracted=entry.order % 2 == 0) for entry in past]
    standing = [entry for entry in past if entry.order % 2]

    assert link(part, retracted) == link(part, standing)


@given(WITNESSES, st.sampled_from(DIRECTNESS))
def test_a_further_witness_never_lowers_the_weight(
    known: list[t.ConcernEvent], directness: t.Directness
) -> None:
    """Through link and weigh: one more first observation, one more origin, no less weight."""
    part = part_of(known[0])
    before = link(part, past_of(*known[1:]))
    after = link(part, past_of(*known[1:], witness(9, directness)))

    assert value(after) >= value(before)
    assert weigh(after.claim, DEFAULT_PARAMETERS).independent_origins == len(known) + 1


@given(WITNESSES, st.data())
def test_an_echo_is_seen_and_counts_for_nothing(
    known: list[t.ConcernEvent], data: st.DataObject
) -> None:
    """Passed on by more agencies, under the origin's id or made from any of its records: same weight."""
    first = known[0]
    chain = [first]
    for number in range(data.draw(st.integers(1, 4))):
        keeps = data.draw(st.booleans())
        before = data.draw(st.sampled_from(chain))
        chain.append(
            msgspec.structs.replace(
                before,
                event_id=f"echo-{number}",
                publisher=f"ECHOING-{number}",
                origin_id=first.origin_id if keeps else f"origin-{number}-misnamed",
                derived_from=() if keeps else (before.event_id,),
            )
        )
    alone = link(part_of(first), past_of(*known[1:]))
    last = link(part_of(chain[-1]), past_of(*known[1:], *chain[:-1]))

    assert weigh(last.claim, DEFAULT_PARAMETERS) == weigh(alone.claim, DEFAULT_PARAMETERS)
    assert last.agencies_seen == len(chain)
    assert "origin_echo" in last.flags


@given(WITNESSES, st.sampled_from(DIRECTNESS), st.data())
def test_a_summary_of_several_witnesses_makes_neither_fewer_nor_more_of_them(
    known: list[t.ConcernEvent], directness: t.Directness, data: st.DataObject
) -> None:
    """A record made from others adds nothing to them and does not turn two witnesses into one."""
    best = min(known, key=lambda one: DIRECTNESS.index(one.directness))
    directness = max(directness, best.directness, key=DIRECTNESS.index)
    sources = data.draw(
        st.lists(st.sampled_from(known), min_size=1, unique_by=lambda one: one.event_id)
    )
    if best not in sources:
        sources.append(best)
    summary = concern(
        event_id="summary",
        origin_id="origin-of-the-summary",
        publisher="SUMMARISING",
        directness=directness,
        derived_from=tuple(
            data.draw(st.sampled_from([one.event_id, one.origin_id])) for one in sources
        ),
    )
    before = weigh(link(part_of(known[0]), past_of(*known[1:])).claim, DEFAULT_PARAMETERS)
    after = link(part_of(known[0]), past_of(*known[1:], summary))
    weight = weigh(after.claim, DEFAULT_PARAMETERS)
    as_part = link(part_of(summary), past_of(*known))

    assert weight.value == before.value == value(as_part)
    assert weight.independent_origins == before.independent_origins
    assert "origin_echo" in as_part.flags


@given(st.lists(events(st.sampled_from(EVENTS)), max_size=8), st.data())
def test_taking_over_state_again_or_in_another_sequence_changes_nothing(
    told: list[t.ConcernEvent], data: st.DataObject
) -> None:
    """Join is idempotent, commutative and associative, and keeps one entry for each event."""
    entries = [
        msgspec.structs.replace(entry, retracted=data.draw(st.booleans()))
        for entry in past_of(*told)
    ]
    parts = [
        tuple(data.draw(st.lists(st.sampled_from(entries), max_size=6)) if entries else ())
        for _ in range(3)
    ]
    one, other, third = parts
    joined = join(one, other)

    assert join(joined, other) == join(other, one) == joined
    assert join(join(one, other), third) == join(one, join(other, third))
    assert len({entry.statement for entry in joined}) == len(joined)
    assert {entry.statement for entry in joined} == {entry.statement for entry in (*one, *other)}


@given(histories(), st.integers(1, 50))
def test_state_handed_over_twice_is_taken_over_once(history: History, moved_at: int) -> None:
    """A hand-over that arrives again, at a later place, leaves the entries where they were."""
    _, past = history
    cut = len(past) // 2
    younger = tuple(msgspec.structs.replace(entry, order=LATER + moved_at) for entry in past[cut:])
    again = tuple(msgspec.structs.replace(entry, order=LATER * 2) for entry in younger)
    joined = join(past[:cut], younger)

    assert join(joined, again) == joined
    assert join(joined, ()) == joined


@given(WITNESSES)
def test_records_far_apart_in_time_or_of_another_harm_do_not_corroborate(
    known: list[t.ConcernEvent],
) -> None:
    """A claim is one harm in one stretch of time; the rest is an earlier concern, no witness."""
    long_ago = [
        msgspec.structs.replace(one, observed_at=NOW - datetime.timedelta(days=60))
        for one in known[1:]
    ]
    otherwise = [msgspec.structs.replace(one, harms=(t.HarmKind.NEGLECT,)) for one in known[1:]]

    for others in (long_ago, otherwise):
        linked = link(part_of(known[0]), past_of(*others))
        assert len(linked.claim.observations) == 1
        assert len(linked.earlier) == len(others)


@given(histories())
def test_an_earlier_concern_is_named_once_for_each_organisation_and_origin(
    history: History,
) -> None:
    """Echoes of one organisation are no further concern of it, and nobody is left out."""
    part, past = history
    linked = link(part, past)

    assert {one.organisation for one in linked.earlier} == {one.publisher for one in past}
    assert len({one.event_id for one in linked.earlier}) == len(linked.earlier) <= len(past)
    assert part.event.event_id not in {one.event_id for one in linked.earlier}
