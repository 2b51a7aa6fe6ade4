"""Loads one policy bundle: law, gateways, conditions and agreements that fit each other, or none.

Everything is checked before a bundle exists: Cedar's own validation against the schema, stable ids,
gateways that exist, parties that the register knows. Loading never changes a bundle in use, so a
broken file cannot replace a good one.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cedarpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.decide import Condition, Court, Gateway, Permit, PolicyBundle, policies_of
from broker.decide.cedar import Policy
from broker.model.canonical import canonical_json, digest
from broker.model.reference import Reference
from broker.policies.agreement_file import AgreementFile, read_agreement, read_yaml
from broker.policies.compile import cedar_of, permits_of, value_of
from broker.policies.errors import PolicyFileError

SCHEMA_FILE = "broker.cedarschema"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _GatewayRow(_Strict):
    id: str
    title: str
    source: str
    in_force_from: datetime.date | None
    in_force_to: datetime.date | None = None
    never_from: tuple[str, ...] = ()
    never_for: tuple[str, ...] = ()


class _GatewaysFile(_Strict):
    gateways: tuple[_GatewayRow, ...] = Field(min_length=1)


class _ConditionRow(_Strict):
    id: str
    title: str
    needs_person: str | None = None
    obligation: str | None = None


class _ConditionsFile(_Strict):
    conditions: tuple[_ConditionRow, ...]


def load_bundle(policies_dir: Path, reference: Reference) -> PolicyBundle:
    """The bundle of `policies_dir`. Raises PolicyFileError naming file and clause."""
    law_dir = policies_dir / "law"
    schema_path = law_dir / SCHEMA_FILE
    schema = _read_text(schema_path)
    gateways = _gateways(law_dir / "gateways.yaml")
    conditions = _conditions(law_dir / "conditions.yaml")
    law = [one for path in sorted(law_dir.glob("*.cedar")) for one in _law(path, schema, gateways)]
    agreements = _agreements(policies_dir / "agreements", reference, gateways)
    clauses = {found.id: _clauses(path, found, schema) for path, found in agreements}
    permits = {one.id: _law_permit(one) for one in law if one.is_permit}
    for _, found in agreements:
        permits |= permits_of(found)
    return PolicyBundle(
        court=Court(law, clauses, schema),
        permits=permits,
        gateways=gateways,
        conditions=conditions,
        agreements=[value_of(found) for _, found in agreements],
        bundle_hash=_hash(schema, law, gateways, conditions, [found for _, found in agreements]),
    )


def _law(path: Path, schema: str, gateways: Sequence[Gateway]) -> tuple[Policy, ...]:
    text = _read_text(path)
    policies = _parsed(path, text, schema)
    known = {one.id for one in gateways}
    for policy in policies:
        notes = policy.annotations
        if policy.is_permit and notes.get("gateway") not in known:
            raise PolicyFileError(path, policy.id, "@gateway must name a row of gateways.yaml")
        if not policy.is_permit and not notes.get("reason"):
            raise PolicyFileError(path, policy.id, "a forbid needs a @reason that the record gives")
        if not notes.get("source"):
            raise PolicyFileError(path, policy.id, "@source must say which statute or rule it is")
    return policies


def _parsed(path: Path, text: str, schema: str) -> tuple[Policy, ...]:
    """Policies that Cedar can read and that fit the schema: no unknown fact, no type error."""
    try:
        policies = policies_of(text)
        result = cedarpy.validate_policies(text, schema)
    except ValueError as error:
        raise PolicyFileError(path, "", str(error)) from None
    if not result.validation_passed:
        first = result.errors[0]
        name = _names_by_position(text).get(str(first.policy_id), str(first.policy_id))
        what = str(first.error).replace(f"`{first.policy_id}`", f"`{name}`")
        raise PolicyFileError(path, name, what)
    return policies


def _names_by_position(text: str) -> dict[str, str]:
    """Cedar's validator counts policies; people know them by their `@id`."""
    bodies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return {place: str(body["annotations"]["id"]) for place, body in bodies.items()}


def _law_permit(policy: Policy) -> Permit:
    notes = policy.annotations
    return Permit(
        id=policy.id,
        duty=notes.get("kind") == "duty",
        agreement=None,
        only_fields=frozenset(notes.get("only_fields", "").split()),
    )


def _gateways(path: Path) -> tuple[Gateway, ...]:
    rows = _validated(path, _GatewaysFile).gateways
    return tuple(
        Gateway(
            id=row.id,
            title=row.title,
            source=row.source,
            in_force_from=row.in_force_from,
            in_force_to=row.in_force_to,
            never_from=frozenset(row.never_from),
            never_for=frozenset(row.never_for),
        )
        for row in rows
    )


def _conditions(path: Path) -> Mapping[str, Condition]:
    rows = _validated(path, _ConditionsFile).conditions
    return {
        row.id: Condition(
            id=row.id, title=row.title, needs_person=row.needs_person, obligation=row.obligation
        )
        for row in rows
    }


def _agreements(
    directory: Path, reference: Reference, gateways: Sequence[Gateway]
) -> list[tuple[Path, AgreementFile]]:
    found = []
    for path in sorted(directory.glob("*/agreement.yaml")):
        agreement = read_agreement(path)
        _check(path, agreement, reference, {one.id for one in gateways})
        found.append((path, agreement))
    known = {agreement.id for _, agreement in found}
    for path, agreement in found:
        for other in agreement.prevails_over:
            if other not in known:
                raise PolicyFileError(path, "prevails_over", f"there is no agreement {other!r}")
    return found


def _check(
    path: Path, agreement: AgreementFile, reference: Reference, gateways: Iterable[str]
) -> None:
    """Codes and gateways that an agreement names must exist."""
    unknown = sorted(set(agreement.gateways) - set(gateways))
    if unknown:
        raise PolicyFileError(path, "gateways", f"{unknown[0]} is not in law/gateways.yaml")
    for line in agreement.parties:
        for code in (*line.organisations, *line.areas):
            if reference.current_code(code) not in reference.organisations:
                raise PolicyFileError(path, f"parties.{line.id}", f"{code} is not in the register")


def _clauses(path: Path, agreement: AgreementFile, schema: str) -> tuple[Policy, ...]:
    return _parsed(path, cedar_of(agreement), schema)


def _validated(path: Path, kind: type[Any]) -> Any:
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(one) for one in problem["loc"])
        raise PolicyFileError(path, where, problem["msg"]) from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(path, "", f"cannot be read ({type(error).__name__})") from None


def _hash(
    schema: str,
    law: Sequence[Policy],
    gateways: Sequence[Gateway],
    conditions: Mapping[str, Condition],
    agreements: Sequence[AgreementFile],
) -> str:
    """SHA-256 over what the bundle says; comments and the order of files do not matter."""
    return digest(
        b"bundle",
        schema.encode(),
        canonical_json(sorted((one.id, canonical_json(one.body).decode()) for one in law)),
        canonical_json(sorted(canonical_json(_sorted(one)).decode() for one in gateways)),
        canonical_json({name: conditions[name] for name in sorted(conditions)}),
        canonical_json(sorted(one.model_dump_json() for one in agreements)),
    )


def _sorted(gateway: Gateway) -> dict[str, Any]:
    """Sets have no order of their own: give them one."""
    return {
        "id": gateway.id,
        "title": gateway.title,
        "source": gateway.source,
        "from": gateway.in_force_from,
        "to": gateway.in_force_to,
        "never_from": sorted(gateway.never_from),
        "never_for": sorted(gateway.never_for),
    }
