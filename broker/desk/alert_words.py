"""What codes in an alert are called on a duty desk's pages. A code without a word of its own is its words."""

from __future__ import annotations

from collections.abc import Mapping

from broker.desk.pages import words

EVENTS: Mapping[str, str] = {
    "concern": "Concern",
    "incident": "Incident",
    "intelligence": "Information from the police",
    "missing_episode": "Missing",
    "exclusion": "Excluded from school",
    "school_move": "Moved to another school",
    "ehe_start": "Home education began",
    "custody_event": "In custody",
    "release": "Released from custody",
    "nrm_referral": "Referred to the National Referral Mechanism",
    "ed_attendance_injury": "Injury seen at an emergency department",
    "stop_search": "Stopped and searched",
    "placement_out_of_area": "Placed out of area",
    "placement_end": "Placement ended",
    "safety_plan_shared": "Safety plan",
    "order_made": "Court order made",
    "context_concern": "Concern about a place or a group",
    "peer_link": "Link between young people",
    "freelancing_indicator": "Sign of work for others",
    "protective_factor": "A strength",
    "child_voice": "What a child says",
    "correction": "Correction",
    "retraction": "Taken back",
    "threat_to_life": "Threat to life",
    "bereavement_aftermath": "After a death",
    "information_request": "Request for information",
}
WHY_US: Mapping[str, str] = {
    "home": "The child lives in the area that you serve.",
    "found_in": "The child was found in, or spends time in, the area that you serve.",
    "placed_by": "You placed the child.",
    "placed_in": "The child is placed in the area that you serve.",
    "schooled_in": "The child goes to school with you, or in the area that you serve.",
    "responsible": "You are responsible for the child.",
    "associate_home": "Somebody with whom the child is linked lives in the area that you serve.",
    "harm_place": "It happened, or is expected to happen, in the area that you serve.",
    "earlier_concern": "You told of an earlier concern about the same child or place.",
    "originator": "You published it.",
    "asked": "You were asked for information about the child.",
    "requester": "You asked for information about the child, and this answers you.",
    "adjacent": "You are a neighbour of the area.",
}
"""Nexus -> why this organisation is concerned, as it is told."""
SEVERITY: Mapping[str, str] = {
    "immediate": "Act now",
    "same_day": "Act today",
    "routine": "Routine",
}
SEVERITY_SAID: Mapping[str, str] = {
    "immediate": "Somebody must act now.",
    "same_day": "Somebody must act on the day.",
    "routine": "It can wait for the next working day.",
}
BANDS: Mapping[str, str] = {
    "slight": "Slight: there is little to go by yet. It can still be true.",
    "some": "Some: there is something to go by.",
    "considerable": "Considerable: there is a good deal to go by.",
    "strong": "Strong: there is much to go by.",
}
ROLES: Mapping[str, str] = {
    "victim": "victim",
    "witness": "witness",
    "exploited": "exploited by others",
    "subject_of_concern": "somebody to be concerned for",
    "alleged_suspect": "said to be a suspect",
    "convicted": "convicted",
    "associate": "linked with somebody concerned",
}
PROVENANCE: Mapping[str, str] = {
    "family_or_community": "somebody of the family or the community (not said more closely)",
    "professional": "somebody at work (not said more closely)",
    "anonymous_public": "a member of the public who gave no name",
    "youth_justice": "youth justice service",
    "other_statutory": "another public body",
}
DESKS: Mapping[str, str] = {
    "csc": "children's social care",
    "mash": "multi-agency safeguarding hub",
    "csp": "community safety partnership",
    "yjs": "youth justice service",
}
KNOWN_TO: Mapping[str, str] = {
    "address": "one dwelling or building",
    "street": "a street",
    "public_place": "a named public place",
    "lsoa": "a small area of about 1,500 people",
    "msoa": "an area of about 8,000 people",
    "ward": "an electoral ward",
    "la": "a whole authority and no closer",
    "unknown": "not known how closely",
}
PLACES: Mapping[str, str] = {
    "home": "a home or a placement",
    "school": "a school or a college",
    "public_open_space": "a park or another open space",
    "retail": "shops and what belongs to them",
    "transport": "stations, interchanges, trains, trams or buses",
    "night_time_economy": "bars, clubs or late food",
    "online": "somewhere on the internet",
}
ANSWERS: Mapping[str, str] = {
    "yes": "yes, it is safe",
    "no": "NO, it is not safe",
    "not_known": "not known: do not read it as yes",
}
SOURCE_3X5X2: Mapping[str, str] = {"1": "reliable", "2": "untested", "3": "not reliable"}
KNOWN_3X5X2: Mapping[str, str] = {
    "A": "known directly to the source",
    "B": "known indirectly but corroborated",
    "C": "known indirectly",
    "D": "not known how",
    "E": "suspected to be false",
}
MARKS: Mapping[str, tuple[str, str]] = {
    "signed": ("Signed", "is what its publisher signed. Checked here."),
    "committed": (
        "Held together",
        "belongs to one signed statement. Checked here; whose signature it bears, an auditor can say.",
    ),
    "derived_by_broker": ("Made by the broker", "is worked out by the broker, not stated."),
    "unproved": ("Not proved", "was signed by nobody, or is older than such proofs."),
}
"""How a field was proved -> its mark, and what the mark says of the field."""
REFUSED: Mapping[str, str] = {
    "decodes": "It is damaged, or no message of the broker.",
    "recipient": "It is addressed to another organisation.",
    "leaf": "What it says about its record is about something else.",
    "checkpoint": "The broker's ledger did not sign for it.",
    "inclusion": "It was not recorded before it was sent.",
    "seal": "It does not open with this organisation's key.",
    "content": "What is inside does not agree with what is outside.",
    "statement": "Something in it is not what its publisher signed.",
    "rolled_back": "It contradicts what the ledger said before.",
}
"""Check of the client -> what was wrong, as a sentence."""


def said(table: Mapping[str, str], code: str) -> str:
    """The words of a code; where the table has none, the code with spaces."""
    return table.get(code, words(code))


def desk_of(recipient: str) -> str:
    """Which desk of an organisation an alert is for: `E08000028:mash` is the hub."""
    return said(DESKS, recipient.partition(":")[2])
