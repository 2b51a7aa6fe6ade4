"""Which witnesses cosign the ledger's checkpoints, as data: the file that BROKER_WITNESSES names.

    quorum: 1                   # how many must have cosigned before a batch counts as witnessed
    if_unreachable: deliver     # or wait: what is recorded is not sent until the quorum has cosigned
    timeout_s: 3
    witnesses:
      - key: witness.example+00000000+BASE64
        url: https://witness.example/

`deliver` is the default. A warning that waits for somebody else's server is a child who is not
protected, and nothing is lost by going on: what was not cosigned now is covered by the next cosignature,
which proves the whole way from the last one. Only seeing a fork is delayed, and an alarm says so.
Whoever must be able to show every single delivery as witnessed before it left chooses `wait`. A
contradiction stops deliveries under both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.ledger import NoteError, WitnessKey, parse_witness_key

Unreachable = Literal["deliver", "wait"]


class WitnessesError(ValueError):
    """A witnesses file that cannot be used; says what to do."""


class Witness(msgspec.Struct, frozen=True):
    """One witness."""

    key: WitnessKey
    url: str
    """Ends with a slash; `add-checkpoint` is put behind it."""


class WitnessPolicy(msgspec.Struct, frozen=True):
    """Who must have seen a checkpoint, and what happens where they cannot be asked."""

    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0
    if_unreachable: Unreachable = "deliver"
    timeout_s: float = 3.0


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    url: str = Field(pattern=r"^https?://[^\s?#]+$")

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        try:
            parse_witness_key(text)
        except NoteError as error:
            raise ValueError(str(error)) from error
        return text


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    quorum: int = Field(ge=1)
    if_unreachable: Unreachable = "deliver"
    timeout_s: float = Field(3.0, gt=0, le=60)
    witnesses: tuple[_Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.quorum > len(self.witnesses):
            raise ValueError(f"quorum {self.quorum} of {len(self.witnesses)} witnesses: lower it")
        names = [parse_witness_key(row.key).name for row in self.witnesses]
        if len(set(names)) < len(names):
            raise ValueError("two witnesses have one name, so one could stand for both")
        return self


def read_witnesses(path: Path | None) -> WitnessPolicy:
    """The witnesses of the file; none where no file is named. Raises WitnessesError."""
    if path is None:
        return WitnessPolicy()
    try:
        rows = _File.model_validate(YAML(typ="safe").load(path))
    except OSError as error:
        raise WitnessesError(
            f"{path} cannot be read ({error.strerror}): name the witnesses' file in BROKER_WITNESSES, "
            "or unset it to run without witnesses"
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise WitnessesError(f"{path} is no file of witnesses: {error}") from error
    return WitnessPolicy(
        witnesses=tuple(
            Witness(parse_witness_key(row.key), f"{row.url.rstrip('/')}/") for row in rows.witnesses
        ),
        quorum=rows.quorum,
        if_unreachable=rows.if_unreachable,
        timeout_s=rows.timeout_s,
    )
