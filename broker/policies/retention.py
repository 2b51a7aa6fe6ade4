"""The retention policy as data: periods, their marks, and what stays after an erasure and why."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from broker.model.canonical import canonical_json, digest
from broker.policies.law_files import Mark
from broker.policies.yaml_file import Strict, validated

FILE = Path("retention") / "retention.yaml"
_UNITS = {"h": "hours", "d": "days"}


def _period(value: object) -> object:
    """`7d` or `36h` as a period; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,3}[hd]", value):
        return datetime.timedelta(**{_UNITS[value[-1]]: int(value[:-1])})
    raise ValueError("must be a number of days or hours, such as 7d or 36h")


Period = Annotated[datetime.timedelta, BeforeValidator(_period)]


class _Facts(Strict):
    days: int = Field(ge=1)
    mark: Mark
    why: str


class _Log(Strict):
    years: int = Field(ge=1)
    mark: Mark
    why: str


class _Epochs(Strict):
    length: Period
    notice: Period


class Remaining(Strict):
    """Something that stays after an erasure, and why that is lawful."""

    what: str
    why: str


class RetentionPolicy(Strict):
    """The whole of `policies/retention/retention.yaml`."""

    version: Literal[1]
    in_force_from: datetime.date
    facts: _Facts
    disclosure_log: _Log
    topics: Mapping[str, Period]
    margin: Period
    waiting: Period
    epochs: _Epochs
    run_daily: bool
    tell_when_due: bool
    remains: tuple[Remaining, ...] = Field(min_length=1)

    @property
    def keeps_facts(self) -> datetime.timedelta:
        """How long after the newest set about a subject its key is kept."""
        return datetime.timedelta(days=self.facts.days)

    @property
    def content_hash(self) -> str:
        """SHA-256 in hex over what the file says; its comments do not count."""
        stated: dict[str, Any] = self.model_dump(mode="json")
        return digest(b"retention", canonical_json(stated))


def load_retention(policies_dir: Path) -> RetentionPolicy:
    """The retention policy. Raises PolicyFileError naming file, line and key."""
    policy: RetentionPolicy = validated(policies_dir / FILE, RetentionPolicy)
    return policy
