"""Would it have weighed the same from another voice? Every weight in the ledger, made again with each.

Where the subject's key is there, the sealed facts go through the real link and weigh once as they were
and once for every other class of provenance. Where it was erased, the facts are gone for good and only
the audit row is left: a weight that rests on the part's own observation alone is made again from it.
Pure: leaves, sealed bytes and keys in, differences out.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from broker.auditor.parity.reading import Round, Rows
from broker.auditor.recorded_sets import RecordedSet
from broker.auditor.replay import FactsError, open_facts, read_facts
from broker.auditor.subjects import Subjects
from broker.link import link
from broker.link.grading import letter_of
from broker.model.canonical import canonical_json, digest
from broker.model.codec import encode
from broker.model.sealing import SealError
from broker.model.types import Directness, Grading, Provenance
from broker.model.values import Claim, Observation, PartInput, StateEntry, Weight
from broker.weigh import DEFAULT_PARAMETERS, WeightParameters, weigh

Weighing = Callable[[PartInput, Sequence[StateEntry], WeightParameters], Weight]
MILLISECONDS = 1000
PARAMETERS = digest(canonical_json(DEFAULT_PARAMETERS))
"""Under other parameters a weight may be another; what it is from each voice is compared all the same."""


class Checked(StrEnum):
    """What became of one weight."""

    SAME = "same from every voice"
    DIFFERS = "differs"
    FROM_ROW = "erased, same from its row"
    ERASED = "erased"
    """And its row does not say enough to make it again."""
    UNREADABLE = "not readable"
    NO_WEIGHT = "no weight"
    """A round that took back or ended, and weighed nothing."""


class Difference(msgspec.Struct, frozen=True):
    """A weight that is another than it should be."""

    set_id: str
    what: str
    """`recorded`: not what its facts give; else the class from which it would weigh something else."""
    recorded: int
    derived: int


class Counterfactual(msgspec.Struct, frozen=True):
    """Every weight with its verdict, and every difference."""

    counts: Mapping[str, int]
    differences: tuple[Difference, ...]
    voices: int
    """From how many classes each was made again."""

    @property
    def holds(self) -> bool:
        """Whether nothing differs and nothing was unreadable."""
        return not self.differences and not self.counts.get(Checked.UNREADABLE)


def real_weighing(
    part: PartInput, past: Sequence[StateEntry], parameters: WeightParameters
) -> Weight:
    """link, then weigh, as the flow does."""
    return weigh(link(part, past).claim, parameters)


def counterfactual(
    sets: Iterable[RecordedSet],
    rows: Mapping[str, Round],
    facts: Mapping[str, bytes],
    subject_keys: Mapping[str, bytes],
    weighing: Weighing = real_weighing,
) -> Counterfactual:
    """The check over a whole ledger. `rows`: set id -> its round; `facts`: set id -> sealed facts."""
    subjects = Subjects(subject_keys)
    counts = dict.fromkeys((str(one) for one in Checked), 0)
    differences: list[Difference] = []
    for one in sets:
        set_id = one.closing.set_id
        recorded = rows[set_id].rows if set_id in rows else Rows()
        key = subjects.of(one)
        if recorded.band in {"", "not_weighed"}:
            verdict = Checked.NO_WEIGHT
        elif key is None or set_id not in facts:
            verdict, found = _from_row(set_id, recorded)
            differences += found
        else:
            try:
                found = list(_from_facts(one, recorded, facts[set_id], subject_keys[key], weighing))
                verdict = Checked.DIFFERS if found else Checked.SAME
                differences += found
            except (SealError, FactsError):
                verdict = Checked.UNREADABLE
        counts[verdict] += 1
    return Counterfactual(counts, tuple(differences), len(Provenance))


def _from_facts(
    one: RecordedSet, recorded: Rows, sealed: bytes, subject_key: bytes, weighing: Weighing
) -> Iterator[Difference]:
    set_id = one.closing.set_id
    part, past = read_facts(open_facts(sealed, subject_key, set_id))
    plain = weighing(part, past, DEFAULT_PARAMETERS).value
    if plain != recorded.weight and one.closing.parameters == PARAMETERS:
        yield Difference(set_id, "recorded", recorded.weight, plain)
    for voice in Provenance:
        event = msgspec.structs.replace(part.event, provenance=voice)
        swapped = msgspec.structs.replace(part, event=event, encoded=encode(event))
        derived = weighing(swapped, past, DEFAULT_PARAMETERS).value
        if derived != plain:
            yield Difference(set_id, voice.value, recorded.weight, derived)


def _from_row(set_id: str, rows: Rows) -> tuple[Checked, list[Difference]]:
    """From what is left: a single observation, told by the same sentences, must weigh the same."""
    evaluation, assessment = rows.grading or (None, None)
    grading = rows.grading_scheme and Grading(
        scheme=rows.grading_scheme,
        source_evaluation=evaluation,
        information_assessment=assessment,
    )
    own = Observation(
        origin="own",
        origin_unknown=False,
        directness=rows.directness,
        specificity=rows.specificity,
        letter=letter_of(grading or None, Directness(rows.directness)),
        doubted=False,
        observed_at=_moment(rows.observed_at),
    )
    made = weigh(Claim((own,), _moment(rows.received_at)), DEFAULT_PARAMETERS)
    if made.explanation != rows.explanation or made.independent_origins != rows.origins:
        return Checked.ERASED, []
    if made.value == rows.weight:
        return Checked.FROM_ROW, []
    return Checked.DIFFERS, [Difference(set_id, "recorded", rows.weight, made.value)]


def _moment(stated: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(stated / MILLISECONDS, datetime.UTC)
