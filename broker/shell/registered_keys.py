"""Public keys that organisations registered: `policies/organisations/keys/<code>.yaml`, one file each.

An organisation of which there is such a file keeps its private keys itself; those of the
demonstration have none, their keys are made here. No public key may be another organisation's too:
a successor registers anew, and what its predecessor's key signs is never its own.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.model.key_terms import BEGINNING, KeyTerm
from broker.reference import ReferenceDataError
from broker.shell.key_register import PublicKey, Use

FOLDER = "keys"
RAW_BYTES = 32


def _raw(text: object) -> object:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64") from None
    if len(raw) != RAW_BYTES:
        raise ValueError(f"has {len(raw)} bytes and must have {RAW_BYTES}: the bare public key")
    return raw


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    use: Use
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")]
    public: Annotated[bytes, BeforeValidator(_raw)]
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> _Key:
        if self.valid_to is not None and self.valid_to <= (self.valid_from or BEGINNING):
            raise ValueError("valid_to is not after valid_from: exchange or correct them")
        return self

    def as_key(self) -> PublicKey:
        term = KeyTerm(
            _utc(self.valid_from) or BEGINNING, _utc(self.valid_to), _utc(self.revoked_at)
        )
        return PublicKey(self.use, self.id, self.public, term)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    organisation: str
    keys: Annotated[tuple[_Key, ...], Field(min_length=1)]


def load_registered(
    organisations_dir: Path, register: Container[str]
) -> dict[str, tuple[PublicKey, ...]]:
    """Organisation code -> its registered keys; empty where nobody registered any.

    `register` holds the codes of all organisations. Raises ReferenceDataError, which names the file:
    for a file that is not named after its organisation, one that is of no organisation of the
    register, an id twice, or a public key that is registered twice.
    """
    found: dict[str, tuple[PublicKey, ...]] = {}
    owners: dict[bytes, str] = {}
    for path, read in _files(organisations_dir / FOLDER):
        code = read.organisation
        if path.stem != code:
            raise ReferenceDataError(path, None, f"is of {code}: name the file {code}.yaml")
        if code not in register:
            raise ReferenceDataError(path, None, f"{code} is not in the register: add its row")
        ids = [(one.use, one.id) for one in read.keys]
        if len(set(ids)) < len(ids):
            raise ReferenceDataError(path, None, "an id is there twice for one use")
        for one in read.keys:
            other = owners.setdefault(one.public, code)
            if other != code or sum(one.public == key.public for key in read.keys) > 1:
                raise ReferenceDataError(
                    path,
                    None,
                    f"the key {one.id} is registered for {other} already: a key has one owner and "
                    "one id, and a successor brings its own",
                )
        found[code] = tuple(one.as_key() for one in read.keys)
    return found


def _files(folder: Path) -> Iterator[tuple[Path, _File]]:
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        try:
            yield path, _File.model_validate(YAML(typ="safe").load(path))
        except (YAMLError, OSError, ValidationError) as error:
            what = (
                "it must hold `organisation` and `keys`, each with use, id, public and dates with a "
                f"time zone ({type(error).__name__}: {_where(error)})"
            )
            raise ReferenceDataError(path, None, what) from None


def _where(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))} {first['msg']}"
    return "it cannot be read"


def _utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    return None if moment is None else moment.astimezone(datetime.UTC)
