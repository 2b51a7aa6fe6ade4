"""Reads `policies/law/properties.yaml`: what must hold of law and agreements, each with its faults.

A property is a sentence for people and a check. A planted fault is what would break it: a copy of the
policies with a rule taken out or put in, in which the check must find the violation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from broker.policies.yaml_file import Strict, validated

FILE = "properties.yaml"


class Fault(Strict):
    """A change of the policies that breaks the property."""

    says: str = Field(min_length=20)
    without: tuple[str, ...] = ()
    """Ids of policies taken out."""
    add: str = ""
    """Cedar text put in."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.without and not self.add.strip():
            raise ValueError("name policies to take out, or write policies to put in")
        return self


class Property(Strict):
    """One thing that must hold."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    says: str = Field(min_length=40)
    check: Literal["never", "duties_stand", "never_errors", "none_dead", "nothing_added"] = "never"
    never: str = ""
    """Cedar expression over action, resource and context: what is never permitted."""
    except_duties: bool = False
    """True: but for what a duty permits."""
    whatever_agreements_say: bool = False
    """True: proved a second time with a clause added that permits everything."""
    faults: tuple[Fault, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.check == "never") != bool(self.never.strip()):
            raise ValueError("`never` is the expression of the check `never`, and of no other")
        if self.except_duties and self.whatever_agreements_say:
            raise ValueError("except_duties and whatever_agreements_say do not go together")
        return self


class Properties(Strict):
    """The whole file."""

    facts_that_no_rule_may_read: tuple[str, ...] = Field(min_length=1)
    properties: tuple[Property, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [one.id for one in self.properties]
        if len(set(names)) < len(names):
            raise ValueError("two properties have the same id")
        return self


def read_properties(policies_dir: Path) -> Properties:
    """The properties of that folder. Raises PolicyFileError with file and place."""
    found: Properties = validated(policies_dir / "law" / FILE, Properties)
    return found
