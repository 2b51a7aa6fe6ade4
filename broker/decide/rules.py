"""Field by field: what law and agreements say for one set of circumstances.

Cedar answers by field group; this settles each field: a duty's minimum stands, whatever agreements
say; a power's fields are released only where every agreement that speaks permits them, and as the
most restrictive of them shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from broker.decide.cedar import EXISTENCE, POLICY_ERROR, Verdict
from broker.decide.law import Permit
from broker.model.canonical import canonical_json
from broker.model.fields import FIELD_GROUP
from broker.model.values import FieldRuling

NOT_IN_AGREEMENT = "not_in_agreement"
NO_AGREEMENT = "no_agreement"
AS_STATED = "as_stated"
AUDIENCE_TEXT = "audience_text"
RESTRICTION = (AS_STATED, "generalise", "pseudonymise")
"""Transforms, the least restrictive first."""


class Circumstances(msgspec.Struct, frozen=True):
    """The context of policies/law/broker.cedarschema: all that a rule may look at. Hashable."""

    role: str
    kind: str
    country: str
    capacity: tuple[str, ...]
    event_type: str
    part: str
    origin_kind: str
    handling: str
    conditions: tuple[str, ...]
    gateways: tuple[str, ...]
    agreements: tuple[str, ...]
    cross_border: bool
    family_unsafe: bool
    recipient_unsafe: bool
    source_identifiable: bool
    grading_unlabelled: bool
    placed_away: bool
    serves_placement: bool
    necessity_stated: bool
    is_answer: bool
    adult: bool = False
    regime: str = "uk_gdpr"
    depersonalised: bool = False

    def context(self) -> str:
        """The context as Cedar reads it."""
        return canonical_json(self).decode()


class Ruling(msgspec.Struct, frozen=True):
    """What holds for every field of the catalogue in these circumstances."""

    fields: Mapping[str, FieldRuling | str]
    """Field -> how it is released, or the reason code why it is withheld."""
    duties: frozenset[str]
    """Fields that a duty releases: no condition and no agreement takes them away."""
    existence: FieldRuling | None
    """The clause by which it may be told that a concern is held, if one does."""
    error: bool
    cited: Mapping[str, tuple[str, ...]] = {}
    """Field -> every duty that requires it: the record names all of them, not only the first."""


def rule(
    verdicts: Mapping[str, Verdict],
    permits: Mapping[str, Permit],
    agreements: Sequence[str],
    lapsed: str | None,
) -> Ruling:
    """Settles every field. `agreements`: ids of those in force that speak; `lapsed`: why none is."""
    if any(verdict.error for verdict in verdicts.values()):
        return Ruling(dict.fromkeys(FIELD_GROUP, POLICY_ERROR), frozenset(), None, error=True)
    silent = NOT_IN_AGREEMENT if agreements else lapsed or NO_AGREEMENT
    fields: dict[str, FieldRuling | str] = {}
    ruled: FieldRuling | None
    cited: dict[str, tuple[str, ...]] = {}
    for field, group in FIELD_GROUP.items():
        verdict = verdicts[group]
        duties = _duties(field, verdict, permits)
        if duties:
            cited[field] = duties
            ruled = FieldRuling(
                field, _shown(field, permits[duties[0]].transform(group)), duties[0]
            )
        else:
            ruled = _of_power(field, group, verdict, permits, agreements)
        fields[field] = ruled or verdict.prohibition or silent
    return Ruling(
        fields, frozenset(cited), _existence(verdicts[EXISTENCE]), error=False, cited=cited
    )


def _duties(field: str, verdict: Verdict, permits: Mapping[str, Permit]) -> tuple[str, ...]:
    """The duties that require a field, in order."""
    return tuple(
        name for name in verdict.permits if permits[name].duty and permits[name].names(field)
    )


def _of_power(
    field: str,
    group: str,
    verdict: Verdict,
    permits: Mapping[str, Permit],
    agreements: Sequence[str],
) -> FieldRuling | None:
    """Released only if each agreement that speaks has a clause for it; the strictest of them rules.

    Within one agreement the mildest clause holds: its clauses together say what its parties agreed.
    """
    strictest: FieldRuling | None = None
    for agreement in agreements:
        clauses = [
            FieldRuling(field, permits[name].transform(group), name)
            for name in verdict.permits
            if permits[name].agreement == agreement and permits[name].names(field)
        ]
        if not clauses:
            return None
        mildest = min(clauses, key=lambda one: (RESTRICTION.index(one.transform), one.clause))
        if strictest is None or _stricter(mildest, strictest):
            strictest = mildest
    if strictest is None:
        return None
    shown = _shown(field, strictest.transform)
    return msgspec.structs.replace(strictest, transform=shown)


def _stricter(one: FieldRuling, other: FieldRuling) -> bool:
    return RESTRICTION.index(one.transform) > RESTRICTION.index(other.transform)


def _shown(field: str, transform: str) -> str:
    """The text is never shown but in the words made for the audience."""
    return AUDIENCE_TEXT if field == "text" else transform


def _existence(verdict: Verdict) -> FieldRuling | None:
    if not verdict.allowed:
        return None
    return FieldRuling(EXISTENCE, AS_STATED, verdict.permits[0])
