"""Whom an organisation's alerts go to in turn when nobody acknowledges them: `contacts.yaml`, as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.reference.files import ReferenceDataError
from broker.reference.register import Register

FILE = "contacts.yaml"
_Role = Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,39}$")]


class _Contacts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    by_kind: dict[str, tuple[_Role, ...]]
    organisations: dict[str, tuple[_Role, ...]] = {}


def load_contacts(organisations_dir: Path, register: Register) -> Mapping[str, tuple[str, ...]]:
    """Organisation code, or kind, -> roles in turn; empty where there is no such file.

    Raises ReferenceDataError for a kind or a code that the register does not have, and for a role
    that is there twice or is a front door.
    """
    path = organisations_dir / FILE
    if not path.exists():
        return {}
    try:
        found = _Contacts.model_validate(YAML(typ="safe").load(path))
    except (YAMLError, ValueError, RecursionError) as error:
        what = f"it must hold `by_kind` and may hold `organisations`, lists of roles ({error})"
        raise ReferenceDataError(path, None, what) from None
    kinds = {placed.row.kind for placed in register.values()}
    for name in (*found.by_kind, *found.organisations):
        if name not in kinds and name not in register:
            raise ReferenceDataError(path, None, f"{name} is no kind or code of the register")
    contacts = {**found.by_kind, **found.organisations}
    for name, roles in contacts.items():
        doors = {
            role
            for placed in register.values()
            if name in (placed.row.code, placed.row.kind)
            for role in placed.row.roles
        }
        if len(set(roles)) < len(roles) or doors & set(roles):
            raise ReferenceDataError(
                path, None, f"{name}: a role is there twice or is a front door"
            )
    return contacts
