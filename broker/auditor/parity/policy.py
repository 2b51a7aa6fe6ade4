"""By what the parity report judges: a versioned policy file, named in every report by its hash."""

from __future__ import annotations

import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from broker.auditor.suppression import SMALL
from broker.model.types import Provenance
from broker.policies.yaml_file import Strict, validated

FILE = Path("audit") / "parity.yaml"
CONTENT = ("event_type", "severity", "directness", "specificity", "origins")
"""What a stratum may be made of: content, and nothing of who said it."""
NOT_STATED = "not_stated"
Share = Annotated[float, Field(gt=0)]


class Band(Strict):
    """Between which ratios two rates count as alike in practice."""

    low: Annotated[float, Field(gt=0, lt=1)]
    high: Annotated[float, Field(gt=1)]


class ParityPolicy(Strict):
    """The policy as its file has it. Units: `quick_seconds` seconds, `level` a share of 1."""

    version: Annotated[int, Field(ge=1)]
    effective_from: datetime.date
    review_by: datetime.date
    why: Annotated[str, Field(min_length=20)]
    level: Annotated[float, Field(gt=0.5, lt=1)]
    band: Band
    least_statements: Annotated[int, Field(ge=1)]
    correction: Literal["bonferroni"]
    groups: dict[str, tuple[Provenance, ...]]
    headline: str
    reference: str
    strata: tuple[Literal["event_type", "severity", "directness", "specificity", "origins"], ...]
    most_origins: Annotated[int, Field(ge=1)]
    not_statements: tuple[str, ...]
    quick_seconds: Annotated[int, Field(ge=0)]
    same_reason: Annotated[int, Field(ge=2)]
    suppress_up_to: int
    ethnicity: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = [one for classes in self.groups.values() for one in classes]
        if sorted(named) != sorted(Provenance):
            raise ValueError("groups: every class of provenance must be in exactly one group")
        if self.headline == self.reference or not {self.headline, self.reference} <= set(
            self.groups
        ):
            raise ValueError("headline and reference must be two of the groups")
        if self.suppress_up_to != SMALL[-1]:
            raise ValueError(f"suppress_up_to: numbers 1 to {SMALL[-1]} are suppressed, no others")
        if any(len(classes) < 2 for classes in self.groups.values()):
            raise ValueError("groups: a group of one class would give that class away")
        codes = [one for listed in self.ethnicity.values() for one in listed]
        if len(codes) != len(set(codes)):
            raise ValueError("ethnicity: a code stands in two groups")
        return self

    def group_of(self, provenance: str) -> str:
        """The group of a class of provenance."""
        return next(name for name, classes in self.groups.items() if provenance in classes)

    def ethnic_group(self, code: str | None) -> str:
        """The group of an ethnicity code; `not_listed` for one that the file does not know."""
        if code is None:
            return NOT_STATED
        return next((name for name, codes in self.ethnicity.items() if code in codes), "not_listed")


class NamedPolicy(Strict):
    """A policy with the hash of its file's bytes."""

    policy: ParityPolicy
    hash: str


def load_parity_policy(path: Path) -> NamedPolicy:
    """The policy of that file. Raises PolicyFileError that names the line."""
    policy = validated(path, ParityPolicy)
    return NamedPolicy(policy=policy, hash=sha256(path.read_bytes()).hexdigest())
