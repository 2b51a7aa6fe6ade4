"""What is proved about: the policies that the broker loads, and copies of them with a fault put in.

The policies are those of the loaded bundle itself, in the form in which it hands them to Cedar, under
their stable ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from broker.decide import policies_of
from broker.decide.cedar import Policy
from broker.policies import load_bundle
from broker.policies.law_files import SCHEMA_FILE
from broker.reference import load_reference
from broker.shell.settings import PROJECT_DIR

Policies = tuple[Policy, ...]
_AGREEMENTS = {".": {"left": {"Var": "context"}, "attr": "agreements"}}
_NO_AGREEMENT = {"Set": [{"Value": ""}]}
"""A set that holds no agreement: none is called by the empty name. (Cedar types no empty set.)"""
_COMMENT = re.compile(r"//[^\n]*")
_ATTRIBUTE = re.compile(r'"?(\w+)"?\s*\??\s*:(?!:)')


class Rules(msgspec.Struct, frozen=True):
    """Law and the clauses of all agreements, with the schema by which Cedar reads them."""

    law: Policies
    clauses: Policies
    schema: Path

    @property
    def all(self) -> Policies:
        """Every policy."""
        return (*self.law, *self.clauses)

    @property
    def prohibitions(self) -> Policies:
        """Every forbid."""
        return tuple(one for one in self.all if not one.is_permit)

    @property
    def permits(self) -> Policies:
        """Every permit."""
        return tuple(one for one in self.all if one.is_permit)

    @property
    def duties(self) -> Policies:
        """Permits of the law that no agreement may take away."""
        return tuple(
            one for one in self.law if one.is_permit and one.annotations.get("kind") == "duty"
        )

    @property
    def duties_without_agreements(self) -> Policies:
        """Duties and the law's prohibitions, read as where no agreement is in force."""
        bound = (*(one for one in self.law if not one.is_permit), *self.duties)
        return tuple(Policy(one.id, read_without_agreements(one.body)) for one in bound)

    def changed(self, without: Iterable[str], add: str) -> Rules:
        """A copy without those policies and with the Cedar text `add`.

        What is added is a clause if it has an @agreement, else law. Raises ValueError where a
        policy to take out is not there, or one to add is: then the fault would be none.
        """
        gone = frozenset(without)
        unknown = gone - {one.id for one in self.all}
        if unknown:
            raise ValueError(f"there is no policy {min(unknown)!r} to take out")
        added = policies_of(add) if add else ()
        twice = {one.id for one in added} & ({one.id for one in self.all} - gone)
        if twice:
            raise ValueError(f"{min(twice)!r} is there already: give what is added its own @id")
        clauses = tuple(one for one in added if "agreement" in one.annotations)
        return Rules(
            (*(one for one in self.law if one.id not in gone), *_others(added, clauses)),
            (*(one for one in self.clauses if one.id not in gone), *clauses),
            self.schema,
        )


def _others(policies: Policies, left_out: Policies) -> Iterator[Policy]:
    return (one for one in policies if one not in left_out)


def load_rules(policies_dir: Path) -> Rules:
    """What the broker loads from that folder. Raises PolicyFileError where it would refuse it."""
    codesets = PROJECT_DIR / "schemas" / "codesets"
    reference = load_reference(codesets, policies_dir / "organisations")
    court = load_bundle(policies_dir, reference).court
    clauses = tuple(one for found in court.clauses.values() for one in found)
    return Rules(court.law, clauses, policies_dir / "law" / SCHEMA_FILE)


def read_without_agreements(body: Any) -> Any:
    """A policy's body with `context.agreements` read as holding none."""
    if body == {"isEmpty": {"arg": _AGREEMENTS}}:
        return {"Value": True}
    if body == _AGREEMENTS:
        return _NO_AGREEMENT
    if isinstance(body, Mapping):
        return {key: read_without_agreements(value) for key, value in body.items()}
    if isinstance(body, list):
        return [read_without_agreements(one) for one in body]
    return body


def facts_read(body: Any) -> frozenset[str]:
    """Names of the facts of the context that a policy looks at."""
    if isinstance(body, list):
        return frozenset[str]().union(*(facts_read(one) for one in body))
    if not isinstance(body, Mapping):
        return frozenset()
    own = {body["attr"]} if body.get("left") == {"Var": "context"} and "attr" in body else set()
    return frozenset(own).union(*(facts_read(one) for one in body.values()))


def attributes_of(schema: str) -> frozenset[str]:
    """Names of all attributes in a Cedar schema, wherever they stand."""
    return frozenset(_ATTRIBUTE.findall(_COMMENT.sub("", schema)))


def words_of(name: str) -> frozenset[str]:
    """The words of an attribute's name: `child_ethnicity` and `childEthnicity` both say ethnicity."""
    return frozenset(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("_"))
