"""An agreement as people write it: `policies/agreements/<id>/agreement.yaml`, read strictly.

The keys are those of an ICO data-sharing agreement (domain section 7), with the names that the
English single-unique-identifier work uses where it has one. A key that is misspelt is an error, not
a clause that silently does nothing.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator

from broker.model.fields import CAN_BE_SHOWN, FIELD_GROUP, GROUPS
from broker.model.types import EventType
from broker.policies.errors import PolicyFileError
from broker.policies.yaml_file import Strict, complaint, line_of, read_yaml

Kind = Literal[
    "authority", "police", "icb", "health_provider", "school", "charity", "advocate", "council"
]
Nexus = Literal[
    "home",
    "found_in",
    "placed_by",
    "placed_in",
    "schooled_in",
    "harm_place",
    "responsible",
    "associate_home",
    "earlier_concern",
    "asked",
    "requester",
]
Identity = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
ADDRESSED = frozenset({"asked", "requester"})
"""Nexus of a request and of an answer: what such a clause gives is for that one alone."""
NEVER = frozenset(GROUPS["source_identity"])
"""Fields that no clause may list: the source's identity never leaves the originator."""
CLASS_AS_STATED = frozenset({"home", "responsible", "placed_by"})
"""Who may be told the source's class as stated: the child's own authority (a child has few parents)."""


class PartyLine(Strict):
    """Who is bound: organisations by code, or all of a kind (in an area, if one is named)."""

    id: Identity
    organisations: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    areas: tuple[str, ...] = ()
    signed_on: datetime.date | None = None
    signed_by: str | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if not self.organisations and not self.kinds:
            raise ValueError("name organisations or kinds: an empty party means nobody")
        if (self.signed_on is None) != (self.signed_by is None):
            raise ValueError("signed_on and signed_by go together")
        return self


class Recipients(Strict):
    """To whom a clause applies: kind, front door and nexus; all that are given must fit."""

    kinds: tuple[Kind, ...] = Field(
        min_length=1, validation_alias=AliasChoices("kinds", "destOrgTypes")
    )
    roles: tuple[str, ...] = ()
    nexus: tuple[Nexus, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _addressed_alone(self) -> Self:
        if len(self.nexus) > 1 and not ADDRESSED.isdisjoint(self.nexus):
            raise ValueError("asked and requester each need a clause of their own: split the nexus")
        return self


class Unless(Strict):
    """Facts of the statement under which a clause does not hold."""

    source_identifiable: Literal[True] | None = None
    family_unsafe: Literal[True] | None = None


class DataItem(Strict):
    """One clause: which fields, to whom, on what gateway, shown how."""

    id: Identity
    why: str = Field(min_length=20)
    fields: tuple[str, ...] = Field(min_length=1)
    recipients: Recipients
    gateway: str
    transform: Literal["as_stated", "generalise", "pseudonymise"] = "as_stated"
    event_types: tuple[EventType, ...] = ()
    parts: tuple[Literal["subject", "place", "group"], ...] = ()
    unless: Unless = Unless()

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        for field in self.fields:
            if field not in FIELD_GROUP:
                raise ValueError(f"no field is called {field!r}: see broker/model/fields.py")
            if field in NEVER:
                raise ValueError(f"{field!r} never leaves the originator: take it out")
            if self.transform != "as_stated" and self.transform not in CAN_BE_SHOWN.get(
                field, frozenset()
            ):
                raise ValueError(f"{field!r} cannot be shown by {self.transform!r}")
        if "provenance" in self.fields and self.transform == "as_stated":
            self._class_stays_at_home()
        if "publisher" in self.fields and not self.unless.source_identifiable:
            self._publisher_points_to_nobody()
        return self

    def _is_for_own_authority(self) -> bool:
        wanted = self.recipients
        return set(wanted.kinds) == {"authority"} and set(wanted.nexus) <= CLASS_AS_STATED

    def _class_stays_at_home(self) -> None:
        """The source's class as stated is for the child's own authority; all others get it blurred."""
        if not self._is_for_own_authority():
            raise ValueError(
                "'provenance' as stated is for the child's own authority only: "
                "give it to others in a clause of its own with transform: generalise"
            )

    def _publisher_points_to_nobody(self) -> None:
        """Where a source could be recognised, who published is for those who may see its class as stated."""
        if not self._is_for_own_authority():
            raise ValueError(
                "'publisher' is for others than the child's own authority only where it points to no "
                "source: give it to them in a clause of its own with unless: {source_identifiable: true}"
            )


class Onward(Strict):
    """What recipients may pass on."""

    allowed: bool
    consult_originator: bool


class Conditions(Strict):
    """Conditions of data law on which the parties rely."""

    article_6: tuple[str, ...]
    article_9: tuple[str, ...]
    schedule_1: tuple[str, ...]
    article_10: str
    policy_document: str


class AgreementFile(Strict):
    """The whole of one file."""

    id: Identity
    version: int = Field(ge=1)
    title: str
    invented: bool
    status: Literal["draft", "in_force", "ended"]
    tier: Literal[1, 2, 3]
    country: Literal["England"]
    purposes: tuple[str, ...] = Field(min_length=1)
    parties: tuple[PartyLine, ...] = Field(min_length=1)
    spoc: str
    gateways: tuple[str, ...] = Field(min_length=1)
    conditions: Conditions
    triggers: tuple[EventType, ...] = ()
    speaks_about: tuple[Kind, ...] = ()
    """Kinds of recipient that get nothing by it although it has no clause for them: a refusal, not a gap."""
    data_items: tuple[DataItem, ...] = Field(min_length=1)
    never_share: tuple[str, ...]
    prevails_over: tuple[Identity, ...] = ()
    onward: Onward
    retention: dict[str, str]
    security: dict[str, str]
    rights_contact: str
    dpia_ref: str
    breach_contact_hours: int = Field(ge=1, le=72)
    effective_from: datetime.date = Field(
        validation_alias=AliasChoices("effective_from", "validFrom")
    )
    review_by: datetime.date
    expires: datetime.date = Field(validation_alias=AliasChoices("expires", "validUntil"))

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        names = [item.id for item in self.data_items]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"data_items.{twice[0]}: {twice[0]} is there twice: a reason must name one"
            )
        for item in self.data_items:
            if item.gateway not in self.gateways:
                raise ValueError(f"data_items.{item.id}: {item.gateway} is not among the gateways")
            forbidden = sorted(set(item.fields) & set(self.never_share))
            if forbidden:
                raise ValueError(
                    f"data_items.{item.id}: {forbidden[0]} is under never_share as well"
                )
        if not self.effective_from <= self.review_by <= self.expires:
            raise ValueError(
                "review_by: effective_from, review_by and expires must come in that order"
            )
        return self


def read_agreement(path: Path) -> AgreementFile:
    """One agreement, checked. Raises PolicyFileError with file, line and clause."""
    raw = read_yaml(path)
    try:
        found = AgreementFile.model_validate(raw)
    except ValidationError as error:
        raise complaint(path, error, raw) from None
    if found.id != path.parent.name:
        what = f"must be {path.parent.name!r}, as its folder is called"
        raise PolicyFileError(path, "id", what, line_of(path, ("id",)))
    return found
