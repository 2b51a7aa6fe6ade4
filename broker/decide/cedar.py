"""Asks Cedar: law and the clauses of a profile, one field group at a time, through parsed handles.

Cedar skips a `forbid` that errors, and then allows. So the context is checked against the schema on
every question and any diagnostics error at all is a refusal (`policy_error`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cedarpy
import msgspec

EXISTENCE = "existence"
FATE = "fate"
_ACTIONS = {EXISTENCE: "disclose_existence", FATE: "disclose_fate"}
"""What is asked about with an action of its own; every field group is with `disclose`."""
POLICY_ERROR = "policy_error"
_CANDIDATE = {"type": "Recipient", "id": "candidate"}
_CACHED_SETS = 4096


class Verdict(msgspec.Struct, frozen=True):
    """Cedar's answer for one field group: the permits that allow it, or the prohibition against it."""

    allowed: bool
    permits: tuple[str, ...] = ()
    """Ids of every permit that holds, sorted; empty where refused."""
    prohibition: str | None = None
    """Reason code of the first prohibition that holds (by id), if one does."""
    error: bool = False


class Policy(msgspec.Struct, frozen=True):
    """One policy with its stable id, in Cedar's JSON form."""

    id: str
    body: dict[str, Any]

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations, such as `source` and `reason`."""
        return dict(self.body.get("annotations", {}))

    @property
    def is_permit(self) -> bool:
        """True for a permit, False for a forbid."""
        return bool(self.body["effect"] == "permit")

    def concerns(self, group: str) -> bool:
        """False only if its scope or its first condition names other groups than this one."""
        scope = self.body["resource"]
        if scope["op"] == "==":
            return bool(scope["entity"]["id"] == group)
        groups = _listed_groups(self.body["conditions"])
        return groups is None or group in groups


def _listed_groups(conditions: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """Groups of `[FieldGroup::"a", …].contains(resource)` that must hold; None where not listed."""
    for condition in conditions:
        if condition["kind"] == "when":
            for conjunct in _conjuncts(condition["body"]):
                listed = conjunct.get("contains")
                if listed is not None and listed["right"] == {"Var": "resource"}:
                    members = listed["left"]["Set"]
                    return frozenset(member["Value"]["__entity"]["id"] for member in members)
    return None


def _conjuncts(body: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    both = body.get("&&")
    if both is None:
        yield body
        return
    yield from _conjuncts(both["left"])
    yield from _conjuncts(both["right"])


def policies_of(text: str) -> tuple[Policy, ...]:
    """Policies of a Cedar text under their own `@id` (Cedar's ids are positions and would shift).

    Raises ValueError where the text cannot be parsed or a policy has no id of its own.
    """
    parsed = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    found: dict[str, Policy] = {}
    for position, body in parsed.items():
        stable = body.get("annotations", {}).get("id")
        if not stable:
            raise ValueError(f"{position} has no @id: give it one, so that a reason can name it")
        if stable in found:
            raise ValueError(f'@id("{stable}") is there twice: ids must be unique')
        found[stable] = Policy(stable, body)
    return tuple(found.values())


def policy_set(policies: Iterable[Policy]) -> cedarpy.PolicySet:
    """A parsed set whose diagnostics name the stable ids."""
    bodies = {policy.id: policy.body for policy in policies}
    document = {"staticPolicies": bodies, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


class CompiledClauses(Mapping[str, tuple[Policy, ...]]):
    """The clauses of agreements, each agreement's parsed when it is first asked for.

    Of 2,000 agreements two organisations share a few. The texts were checked when they were read.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Agreement id -> the Cedar text of its clauses."""
        self._texts = texts
        self._parsed: dict[str, tuple[Policy, ...]] = {}

    def __getitem__(self, agreement: str) -> tuple[Policy, ...]:
        found = self._parsed.get(agreement)
        if found is None:
            found = self._parsed[agreement] = policies_of(self._texts[agreement])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class Court:
    """Answers questions by law and agreements. Immutable but for parsed sets that it keeps."""

    def __init__(
        self, law: Sequence[Policy], clauses: Mapping[str, Sequence[Policy]], schema: str
    ) -> None:
        """`clauses`: agreement id -> its permits. Raises ValueError if the schema is not Cedar."""
        self.law = tuple(law)
        self.clauses = clauses
        self._schema = cedarpy.Schema.from_str(schema)
        self._entities = cedarpy.Entities.from_json_str("[]")
        self._reasons = {one.id: one.annotations["reason"] for one in self.law if not one.is_permit}
        self._sets: dict[tuple[tuple[str, ...], str], cedarpy.PolicySet] = {}

    def judge(
        self, agreements: tuple[str, ...], context: str, groups: Iterable[str]
    ) -> dict[str, Verdict]:
        """Verdict for each group, by the law and the clauses of those agreements.

        `context` is the JSON of schema type `Circumstances`. The group `existence` is asked with
        the action `disclose_existence`.
        """
        return {
            group: self._ask(self._slice(agreements, group), context, group) for group in groups
        }

    def judge_by_all(self, context: str, groups: Iterable[str]) -> dict[str, Verdict]:
        """The same by every policy of the bundle in one set: what `judge` must agree with."""
        clauses = [one for found in self.clauses.values() for one in found]
        whole = policy_set([*self.law, *clauses])
        return {group: self._ask(whole, context, group) for group in groups}

    def forget(self) -> None:
        """Drops the parsed sets: they are parsed again when they are asked for."""
        self._sets.clear()

    def _slice(self, agreements: tuple[str, ...], group: str) -> cedarpy.PolicySet:
        key = (agreements, group)
        found = self._sets.get(key)
        if found is None:
            clauses = [one for agreement in agreements for one in self.clauses[agreement]]
            found = policy_set(one for one in (*self.law, *clauses) if one.concerns(group))
            if len(self._sets) >= _CACHED_SETS:
                self._sets.clear()
            self._sets[key] = found
        return found

    def _ask(self, policies: cedarpy.PolicySet, context: str, group: str) -> Verdict:
        action = _ACTIONS.get(group, "disclose")
        request = {
            "principal": _CANDIDATE,
            "action": {"type": "Action", "id": action},
            "resource": {"type": "FieldGroup", "id": group},
            "context": context,
        }
        [answer] = cedarpy.is_authorized_batch([request], policies, self._entities, self._schema)
        if answer.diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            return Verdict(allowed=False, error=True)
        determining = tuple(sorted(answer.diagnostics.reasons))
        if answer.allowed:
            return Verdict(allowed=True, permits=determining)
        return Verdict(
            allowed=False, prohibition=self._reasons[determining[0]] if determining else None
        )
