"""Decisions as FHIR R4 AuditEvent resources, in the shape of IHE BALP's authorisation decisions.

Pure. BALP 1.1 (Basic Audit Log Patterns), profile IHE.BasicAudit.AuthZconsent, for permit and deny: its
four agents, and of entities its patient and consents, no other. No resource claims the profile: the
patient is the id of a part, which may be a place or a group; a client's network address is the topic;
and consent is law or a sharing agreement. Nobody asked for what is sent unasked: the recipient is the
requestor as BALP's information recipient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from broker.auditor.who_knew import MANUAL, Knew, Withdrawn
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
URI_ADDRESS = "5"
"""FHIR network-type: the address is a URI."""
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
        "entity": [
            _part(one),
            _consent("policy_bundle", one.policy_bundle),
            *(_consent("clause", name) for name in one.clauses),
        ],
    }


def _agents(one: Knew, broker: Resource) -> list[Resource]:
    return [
        _agent(SECURITY_ROLE, "authserver", "authorization server", broker),
        _client(one),
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


def _client(one: Knew) -> Resource:
    """By what it went out, or would have: the recipient's topic stands for a network address."""
    topic = "manual.v1" if one.channel == MANUAL else f"alerts.v1.{one.organisation}"
    client = _agent(DCM, "110150", "Application", {"identifier": _identifier("topic", topic)})
    return client | {"network": {"address": f"kafka:{topic}", "type": URI_ADDRESS}}


def _part(one: Knew) -> Resource:
    """Whom it was about, by the id of the part: a logical reference that resolves to nobody here."""
    patient = {"type": "Patient", "identifier": _identifier("part", one.part_id)}
    return {
        "what": patient,
        "type": _coding(ENTITY_TYPE, "1", "Person"),
        "role": _coding(OBJECT_ROLE, "1", "Patient"),
        "detail": [{"type": name, "valueString": value} for name, value in _details(one) if value],
    }


def _details(one: Knew) -> Sequence[tuple[str, str]]:
    return (
        ("event", one.event_id),
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
        ("ledger_entry", f"{one.log}/{one.entry}"),
    )


def _taken_back(withdrawn: Withdrawn | None) -> str:
    if withdrawn is None:
        return ""
    return f"{withdrawn.at.isoformat()} round {withdrawn.round}: {', '.join(withdrawn.reasons)}"


def _consent(kind: str, name: str) -> Resource:
    """What BALP names the consent: here the policies in force, and each clause that permits."""
    return {
        "what": {"type": "Consent", "identifier": _identifier(kind, name)},
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
