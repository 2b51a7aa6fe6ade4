"""Decisions as FHIR R4 AuditEvent resources, in the shapes of IHE BALP's authorisation decisions.

Pure. BALP 1.1 (Basic Audit Log Patterns), AuthZ consent: permit and deny. No resource claims BALP's
profile: that asks for the patient and for a client's network address, and the ledger holds neither.
Nobody asked for what is sent unasked: the recipient is the requestor as BALP's information recipient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from broker.auditor.who_knew import Knew, Withdrawn
from broker.model.canonical import digest_text

DCM = "http://dicom.nema.org/resources/ontology/DCM"
AUTHZ = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
SECURITY_ROLE = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
OURS = "https://safeguarding-broker.example/fhir"
"""Prefix of the identifier systems that are this broker's own."""
SUCCESS, MINOR, SERIOUS = "0", "4", "8"
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "PERMIT": (SUCCESS, "Permitted"),
    "REVIEW": (MINOR, "Nothing shown: a person has to decide"),
    "DENY": (SERIOUS, "Refused"),
}
"""Outcome -> AuditEvent outcome, as BALP has permit and deny, and its words."""
Resource = dict[str, Any]


def audit_event(one: Knew) -> Resource:
    """One decision as a FHIR R4 AuditEvent, JSON-ready; the same decision gives the same resource."""
    code, words = OUTCOMES[one.outcome]
    reasons = ", ".join(one.reasons)
    broker = {"identifier": _identifier("log", one.log), "display": "safeguarding broker"}
    return {
        "resourceType": "AuditEvent",
        "id": digest_text("fhir", one.log, str(one.entry), one.event_id, one.recipient),
        "type": _coding(DCM, "110113", "Security Alert"),
        "subtype": [
            _coding(AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent")
        ],
        "action": "E",
        "recorded": _instant(one),
        "outcome": code,
        "outcomeDesc": f"{words}: {reasons}" if reasons else words,
        "agent": _agents(one, broker),
        "source": {
            "observer": broker,
            "type": [_coding(SOURCE_TYPE, "6", "Security Server")],
        },
        "entity": [_event(one), *(_clause(name) for name in one.clauses)],
    }


def _agents(one: Knew, broker: Resource) -> list[Resource]:
    return [
        _agent(SECURITY_ROLE, "authserver", "authorization server", broker),
        _agent(
            PARTICIPATION,
            "IRCP",
            "information recipient",
            {"identifier": _identifier("recipient", one.recipient)},
            requestor=True,
        ),
        _agent(
            ROLE_CLASS,
            "PROV",
            "healthcare provider",
            {"identifier": _identifier("organisation", one.organisation)},
        ),
        _agent(
            PARTICIPATION,
            "CST",
            "custodian",
            {"identifier": _identifier("organisation", one.publisher)},
        ),
    ]


def _agent(
    system: str, code: str, display: str, who: Resource, *, requestor: bool = False
) -> Resource:
    return {
        "type": {"coding": [_coding(system, code, display)]},
        "who": who,
        "requestor": requestor,
    }


def _event(one: Knew) -> Resource:
    """The statement that was decided on: ids, and every code that says why."""
    return {
        "what": {"identifier": _identifier("event", one.event_id)},
        "type": _coding(ENTITY_TYPE, "2", "System Object"),
        "role": _coding(OBJECT_ROLE, "4", "Domain Resource"),
        "detail": [{"type": name, "valueString": value} for name, value in _details(one) if value],
    }


def _details(one: Knew) -> Sequence[tuple[str, str]]:
    return (
        ("part", one.part_id),
        ("version", str(one.version)),
        ("round", str(one.round)),
        ("mode", one.mode or ""),
        ("standing", one.standing),
        *(("reason", reason) for reason in one.reasons),
        *(("released", field) for field in one.released),
        *(("withheld", f"{field}: {reason}") for field, reason in one.withheld),
        ("message", one.message_id or ""),
        ("acknowledged", one.acknowledged_at.isoformat() if one.acknowledged_at else ""),
        ("withdrawn", _taken_back(one.withdrawn)),
        ("policy_bundle", one.policy_bundle),
        ("ledger_entry", f"{one.log}/{one.entry}"),
    )


def _taken_back(withdrawn: Withdrawn | None) -> str:
    if withdrawn is None:
        return ""
    return f"{withdrawn.at.isoformat()} round {withdrawn.round}: {', '.join(withdrawn.reasons)}"


def _clause(name: str) -> Resource:
    """The clause that permits, where BALP names the consent: here law or a sharing agreement."""
    return {
        "what": {"identifier": _identifier("clause", name)},
        "type": _coding(RESOURCE_TYPES, "Consent", "Consent"),
    }


def _identifier(kind: str, value: str) -> Resource:
    return {"system": f"{OURS}/{kind}", "value": value}


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}


def _instant(one: Knew) -> str:
    return re.sub(r"\+00:00$", "Z", one.decided_at.isoformat(timespec="milliseconds"))


def export_parameters(export: Mapping[str, Any]) -> Resource:
    """Of which logs, to which checkpoint, and of which question an export is: a Parameters resource."""
    logs = [
        {
            "name": "log",
            "part": [
                {"name": "origin", "valueString": one["origin"]},
                {"name": "size", "valueDecimal": one["size"]},
                {"name": "root", "valueBase64Binary": one["root"]},
            ],
        }
        for one in export["logs"]
    ]
    question = [
        {"name": name, "valueString": str(value)} for name, value in export["question"].items()
    ]
    return {
        "resourceType": "Parameters",
        "parameter": [
            *logs,
            *([{"name": "question", "part": question}] if question else []),
            {"name": "verified", "valueBoolean": export["verified"]},
        ],
    }
