"""The law as files: Cedar policies, gateways, handling conditions, settings, what data law it rests on.

A rule or gateway marked K is from general knowledge, not re-read at its source. It stands behind a
setting, so that whoever answers for the broker can switch it off until a lawyer has looked.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import cedarpy
import msgspec
from pydantic import Field, model_validator

from broker.decide import Condition, Gateway, LegalGround, Permit, policies_of
from broker.decide.cedar import Policy
from broker.model.fields import FIELD_GROUP, GROUPS
from broker.policies.errors import PolicyFileError
from broker.policies.yaml_file import Strict, line_of, read_text, validated

SCHEMA_FILE = "broker.cedarschema"
Mark = Literal["S", "K"]
"""S: the text was read at its source. K: from general knowledge, behind a setting."""


class _Marked(Strict):
    mark: Mark
    setting: str | None = None

    @model_validator(mode="after")
    def _known_only_behind_a_setting(self) -> Self:
        if self.mark == "K" and not self.setting:
            raise ValueError("mark K needs a setting that can switch it off")
        return self


class _SettingRow(Strict):
    id: str
    what: str
    default: bool
    on: bool | None = None
    source: str


class _SettingsFile(Strict):
    settings: tuple[_SettingRow, ...]


class _GatewayRow(_Marked):
    id: str
    title: str
    source: str
    in_force_from: datetime.date | None
    in_force_to: datetime.date | None = None
    never_from: tuple[str, ...] = ()
    never_for: tuple[str, ...] = ()
    only_to: tuple[str, ...] = ()
    only_parts: tuple[str, ...] = ()
    never_fields: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fields_exist(self) -> Self:
        for field in self.never_fields:
            if field not in FIELD_GROUP and field not in GROUPS:
                raise ValueError(f"no field and no group is called {field!r}")
        return self


class _GatewaysFile(Strict):
    gateways: tuple[_GatewayRow, ...] = Field(min_length=1)


class _ConditionRow(_Marked):
    id: str
    title: str
    needs_person: str | None = None
    duties_wait: bool = False
    not_for: tuple[str, ...] = ()
    obligation: str | None = None


class _ConditionsFile(Strict):
    conditions: tuple[_ConditionRow, ...]


class _GroundRow(_Marked):
    id: str
    cites: str
    source: str
    publishers: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    rests_on: tuple[Literal["duty", "power"], ...] = ()
    fields: tuple[str, ...] = ()
    in_force_from: datetime.date | None = None
    in_force_to: datetime.date | None = None


class _GroundsFile(Strict):
    grounds: tuple[_GroundRow, ...] = Field(min_length=1)


class _DeskFile(Strict):
    name: str
    contact: str


class LawFiles(msgspec.Struct, frozen=True):
    """The folder `law/`, read and checked."""

    schema: str
    policies: tuple[Policy, ...]
    """Those in force: a rule that is switched off is not among them."""
    gateways: tuple[Gateway, ...]
    conditions: Mapping[str, Condition]
    grounds: tuple[LegalGround, ...]
    desk: str
    """The broker's duty desk and how to reach it."""
    settings: Mapping[str, bool]

    def permits(self) -> dict[str, Permit]:
        """What must be known of each permit of the law besides its Cedar text."""
        return {one.id: _law_permit(one) for one in self.policies if one.is_permit}


def read_law(law_dir: Path) -> LawFiles:
    """The law. Raises PolicyFileError naming file, line and rule."""
    schema = read_text(law_dir / SCHEMA_FILE)
    settings = _settings(law_dir / "settings.yaml")
    gateways = _gateways(law_dir / "gateways.yaml", settings)
    known = {one.id for one in gateways}
    return LawFiles(
        schema=schema,
        policies=tuple(
            one
            for path in sorted(law_dir.glob("*.cedar"))
            for one in _policies(path, schema, known, settings)
        ),
        gateways=gateways,
        conditions=_conditions(law_dir / "conditions.yaml", settings),
        grounds=_grounds(law_dir / "grounds.yaml", settings),
        desk=_desk(law_dir / "duty_desk.yaml"),
        settings=settings,
    )


def parsed(path: Path, text: str, schema: str) -> tuple[Policy, ...]:
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
        raise PolicyFileError(path, name, what, line_of_policy(text, name))
    return policies


def valid(text: str, schema: str) -> bool:
    """Whether Cedar can read the policies and they fit the schema."""
    try:
        return bool(cedarpy.validate_policies(text, schema).validation_passed)
    except ValueError:
        return False


def line_of_policy(text: str, name: str) -> int | None:
    """The line (from 1) on which a Cedar policy gives its id."""
    head, found, _ = text.partition(f'@id("{name}")')
    return head.count("\n") + 1 if found else None


def _names_by_position(text: str) -> dict[str, str]:
    """Cedar's validator counts policies; people know them by their `@id`."""
    bodies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return {place: str(body["annotations"]["id"]) for place, body in bodies.items()}


def _policies(
    path: Path, schema: str, gateways: Collection[str], settings: Mapping[str, bool]
) -> tuple[Policy, ...]:
    """Those of one file that are not switched off."""
    text = read_text(path)
    policies = parsed(path, text, schema)
    for policy in policies:
        wrong = _wrong_with(policy, gateways, settings)
        if wrong:
            raise PolicyFileError(path, policy.id, wrong, line_of_policy(text, policy.id))
    return tuple(one for one in policies if settings.get(one.annotations.get("setting", ""), True))


def _wrong_with(
    policy: Policy, gateways: Collection[str], settings: Mapping[str, bool]
) -> str | None:
    notes = policy.annotations
    if policy.is_permit and notes.get("gateway") not in gateways:
        return "@gateway must name a row of gateways.yaml"
    if not policy.is_permit and not notes.get("reason"):
        return "a forbid needs a @reason that the record gives"
    if not notes.get("source"):
        return "@source must say which statute or rule it is"
    if notes.get("mark") == "K" and "setting" not in notes:
        return '@mark("K") needs a @setting that can switch it off'
    if notes.get("setting", "") not in {"", *settings}:
        return "@setting must name a row of settings.yaml"
    return None


def _law_permit(policy: Policy) -> Permit:
    notes = policy.annotations
    return Permit(
        id=policy.id,
        duty=notes.get("kind") == "duty",
        agreement=None,
        gateway=notes["gateway"],
        only_fields=frozenset(notes.get("only_fields", "").split()),
    )


def _settings(path: Path) -> dict[str, bool]:
    rows: Sequence[_SettingRow] = validated(path, _SettingsFile).settings
    return {row.id: row.default if row.on is None else row.on for row in rows}


def _rows(path: Path, key: str, kind: type[Any], settings: Mapping[str, bool]) -> Sequence[Any]:
    """The rows of a file, each id once, each setting one that exists."""
    rows: Sequence[Any] = getattr(validated(path, kind), key)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        line = (path, (key, number))
        if row.id in seen:
            raise PolicyFileError(path, f"{key}.{row.id}", "is there twice", line_of(*line))
        if row.setting is not None and row.setting not in settings:
            what = f"setting {row.setting!r} is not a row of settings.yaml"
            raise PolicyFileError(path, f"{key}.{row.id}", what, line_of(*line))
        seen.add(row.id)
    return rows


def _on(row: _Marked, settings: Mapping[str, bool]) -> bool:
    return row.setting is None or settings[row.setting]


def _gateways(path: Path, settings: Mapping[str, bool]) -> tuple[Gateway, ...]:
    return tuple(
        Gateway(
            id=row.id,
            title=row.title,
            source=row.source,
            in_force_from=row.in_force_from,
            in_force_to=row.in_force_to,
            never_from=frozenset(row.never_from),
            never_for=frozenset(row.never_for),
            only_to=frozenset(row.only_to),
            only_parts=frozenset(row.only_parts),
            never_fields=frozenset(
                field for name in row.never_fields for field in GROUPS.get(name, (name,))
            ),
            switched_on=_on(row, settings),
        )
        for row in _rows(path, "gateways", _GatewaysFile, settings)
    )


def _conditions(path: Path, settings: Mapping[str, bool]) -> dict[str, Condition]:
    """Those that are switched on. One that is off is unknown, and what is unknown withholds."""
    return {
        row.id: Condition(
            id=row.id,
            title=row.title,
            needs_person=row.needs_person,
            duties_wait=row.duties_wait,
            not_for=frozenset(row.not_for),
            obligation=row.obligation,
        )
        for row in _rows(path, "conditions", _ConditionsFile, settings)
        if _on(row, settings)
    }


def _grounds(path: Path, settings: Mapping[str, bool]) -> tuple[LegalGround, ...]:
    return tuple(
        LegalGround(
            id=row.id,
            cites=row.cites,
            publishers=frozenset(row.publishers),
            recipients=frozenset(row.recipients),
            regimes=frozenset(row.regimes),
            rests_on=frozenset(row.rests_on),
            fields=frozenset(row.fields),
            in_force_from=row.in_force_from,
            in_force_to=row.in_force_to,
        )
        for row in _rows(path, "grounds", _GroundsFile, settings)
        if _on(row, settings)
    )


def _desk(path: Path) -> str:
    desk = validated(path, _DeskFile)
    return f"{desk.name}: {desk.contact}"
