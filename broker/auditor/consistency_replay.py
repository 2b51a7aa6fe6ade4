"""Whether another policy version really explains a difference: a set is decided again under the other.

Pure. A difference that the other version does not bring about when it is tried is explained by
nothing, whatever the hashes say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from broker.auditor.consistency import Disagreement, Variant, Why
from broker.auditor.consistency_facts import DISCLOSURE, EQUALITY
from broker.auditor.recorded import RecordedPart
from broker.auditor.replay import FactsError, open_facts, replay_part, subject_of
from broker.auditor.shadow import Told, told_of
from broker.flow import Policy
from broker.model.canonical import canonical_json
from broker.model.sealing import SealError

BUNDLE = "bundle "
NOT_TRIED = "not tried: the other version, the facts or the key is not at hand"


class Tried(msgspec.Struct, frozen=True):
    """What is at hand for trying: parts, their sealed facts, keys, and policies by bundle hash."""

    parts: Mapping[str, RecordedPart]
    """Set id -> part."""
    facts: Mapping[str, bytes]
    keys: Mapping[str, bytes]
    policies: Mapping[str, Policy]

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "Tried(...)"


def confirmed(found: Disagreement, at_hand: Tried) -> Disagreement:
    """The disagreement with what trying it showed; as it was where it is no matter of versions.

    Every outcome is tried under the version of every other: unexplained where one keeps its own.
    """
    if found.why is not Why.VERSION or found.question != DISCLOSURE:
        return found
    shown = [
        one for mine, other in _pairs(found) if (one := _try(mine, other, at_hand)) is not None
    ]
    against = [words for explained, words in shown if not explained]
    if against:
        return msgspec.structs.replace(found, why=Why.NOTHING, confirmed=against[0])
    return msgspec.structs.replace(found, confirmed=shown[0][1] if shown else NOT_TRIED)


def _pairs(found: Disagreement) -> Iterator[tuple[Variant, Variant]]:
    return (
        (mine, other) for mine in found.variants for other in found.variants if mine is not other
    )


def _try(mine: Variant, other: Variant, at_hand: Tried) -> tuple[bool, str] | None:
    """One set of `mine` under a bundle of `other`; None where it cannot be tried."""
    bundles = [one.removeprefix(BUNDLE) for one in other.versions if one.startswith(BUNDLE)]
    own = {one.removeprefix(BUNDLE) for one in mine.versions}
    policy = next(
        (at_hand.policies[one] for one in bundles if one in at_hand.policies and one not in own),
        None,
    )
    if policy is None:
        return None
    for set_id in mine.sets:
        told = _again(set_id, policy, at_hand)
        recipient = next((one for one in mine.recipients if told and one in told), None)
        if told is None or recipient is None:
            continue
        return _compared(set_id, recipient, told[recipient], mine, policy, at_hand)
    return None


def _again(set_id: str, policy: Policy, at_hand: Tried) -> dict[str, Told] | None:
    part, sealed = at_hand.parts.get(set_id), at_hand.facts.get(set_id)
    if part is None or sealed is None:
        return None
    key = subject_of(set_id, part.statement, part.closing.round, at_hand.keys)
    if key is None:
        return None
    try:
        facts = open_facts(sealed, at_hand.keys[key], set_id)
        return told_of(replay_part(facts, policy, lambda _organisation, _key: "pseudonym"))
    except (SealError, FactsError):
        return None


def _compared(
    set_id: str, recipient: str, told: Told, mine: Variant, policy: Policy, at_hand: Tried
) -> tuple[bool, str]:
    version = policy.hashes.bundle[:12]
    outcome = {
        "outcome": told.outcome,
        "mode": told.mode,
        "released": sorted(told.released),
        "withheld": sorted([name, why] for name, why in told.withheld.items() if why != EQUALITY),
    }
    if canonical_json(outcome) == canonical_json(mine.outcome):
        return (
            False,
            f"set {set_id} is decided under bundle {version} as it was: no rule changed it",
        )
    recorded = next(one for one in at_hand.parts[set_id].decisions if one.recipient == recipient)
    rules_then = (*recorded.clauses, *recorded.reasons)
    rules_now = (*told.clauses, *told.reasons)
    gone = sorted(set(rules_then) - set(rules_now))
    new = sorted(set(rules_now) - set(rules_then))
    return True, (
        f"set {set_id} for {recipient}, decided again under bundle {version}: "
        f"{told.outcome}, {len(told.released)} fields; rules that no longer speak: "
        f"{', '.join(gone) or 'none'}; that now speak: {', '.join(new) or 'none'}"
    )
