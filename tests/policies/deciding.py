"""Decides one statement by real policies, or by a copy that a test has changed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from broker.decide import PartFacts, PolicyBundle, decide, part_facts
from broker.examples import example
from broker.link import link
from broker.locate import candidates
from broker.model.codec import from_builtins, to_json_value
from broker.model.types import ConcernEvent, PartKind
from broker.model.values import Decision, Linked, PartInput
from broker.policies import load_bundle
from broker.reference import load_reference

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"
REFERENCE = load_reference(ROOT / "schemas" / "codesets", POLICIES / "organisations")
BUNDLE = load_bundle(POLICIES, REFERENCE)
WV, SW, WS, DY, ST, SH = (
    "E08000031",
    "E08000028",
    "E08000030",
    "E08000027",
    "E10000028",
    "E06000051",
)
WMP, STP = "E23000014", "E23000015"


def statement(kind: str = "concern", **changes: Any) -> ConcernEvent:
    """The bundled example with some fields replaced, given as JSON has them."""
    return from_builtins(to_json_value(example(kind)) | changes, ConcernEvent)


def child(home: str = WV, *nexus: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    """One invented child who lives there."""
    facts = [{"kind": kind, "organisation": code} for kind, code in (("home", home), *nexus)]
    return [
        {
            "subject_ref": "child-1",
            "given_name": "Noor",
            "family_name": "Invented-Field",
            "nexus": facts,
            **more,
        }
    ]


def linked(event: ConcernEvent, at: datetime.datetime | None = None) -> Linked:
    """The statement's only part, with nothing before it."""
    subject = event.subjects[0] if event.subjects else None
    kind = PartKind.SUBJECT if subject else PartKind.PLACE
    received = at or event.reported_at
    return link(PartInput("p", "k", kind, event, subject, received, 0, 1, "r"), ())


def facts_of(event: ConcernEvent, at: datetime.datetime | None = None) -> PartFacts:
    """What the law may know of it."""
    return part_facts(linked(event, at), REFERENCE)


def decided(
    event: ConcernEvent, bundle: PolicyBundle = BUNDLE, at: datetime.datetime | None = None
) -> dict[str, Decision]:
    """Recipient -> decision."""
    part = linked(event, at)
    facts = part_facts(part, REFERENCE)
    found = (decide(facts, one, bundle, REFERENCE) for one in candidates(part, REFERENCE))
    return {one.candidate.recipient: one for one in found}
