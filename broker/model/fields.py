"""The catalogue of releasable fields: what an alert may hold, and the group by which each is decided.

A field that is not here cannot be released at all: the alert is built from this list only. Ethnicity
and sex are deliberately in no group (domain: for equality audit only), so no clause can reach them.
"""

from __future__ import annotations

from broker.model.types import Audience

GROUPS: dict[str, tuple[str, ...]] = {
    "identity": ("given_name", "family_name", "date_of_birth", "identifiers"),
    "address": ("address",),
    "harm": (
        "event_type",
        "harms",
        "text",
        "severity",
        "injury",
        "roles_welfare",
        "corroboration",
        "safe_to_tell",
    ),
    "role_suspect": ("roles_suspect",),
    "time_place": ("when", "place", "group"),
    "clinical": ("clinical_detail",),
    "safety_plan": ("safety_plan",),
    "placement": ("placement_notice",),
    "assessment": (
        "placement_plan",
        "stated_category",
        "others_state",
        "protective_factors",
        "child_voice",
        "request",
        "necessity",
        "answers",
    ),
    "source_identity": ("source", "summary"),
    "source_class": ("provenance", "grading", "source_reference", "publisher"),
    "third_party": ("peer_links",),
}
"""Field group -> fields, at most twelve groups: the unit that Cedar decides."""

FIELD_GROUP: dict[str, str] = {field: group for group, names in GROUPS.items() for field in names}
"""Field -> its group."""

EQUALITY_FIELDS: tuple[str, ...] = ("ethnicity", "sex")
"""Held for equality audit; withheld from every alert with reason `equality_audit_only`."""

WELFARE_ROLES: frozenset[str] = frozenset({"victim", "witness", "exploited", "subject_of_concern"})
"""Roles that go with the harm group."""

SUSPECT_ROLES: frozenset[str] = frozenset({"alleged_suspect", "convicted", "associate"})
"""Roles that are criminal-offence data or association, decided apart (scenario S3)."""

CAN_BE_SHOWN: dict[str, frozenset[str]] = {
    "when": frozenset({"generalise"}),
    "place": frozenset({"generalise"}),
    "provenance": frozenset({"generalise"}),
    "identifiers": frozenset({"pseudonymise"}),
}
"""Fields that can be shown otherwise than as stated, and how. No other field has a milder form."""

AUDIENCE_OF_KIND: dict[str, Audience] = {
    "authority": Audience.SOCIAL_CARE,
    "council": Audience.SOCIAL_CARE,
    "police": Audience.POLICE,
    "icb": Audience.HEALTH,
    "health_provider": Audience.HEALTH,
    "school": Audience.EDUCATION,
    "charity": Audience.VOLUNTARY,
    "advocate": Audience.VOLUNTARY,
}
"""Kind of recipient -> for whom its text must have been made fit."""
