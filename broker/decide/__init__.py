"""decide: what each candidate may have of one part, field by field, and why.

Order: what needs no law (no nexus, own statement, another country, unreadable handling), then Cedar
over the law and the agreements in force, then what agreements and the part itself take away again.
Pure: the bundle is immutable; it only remembers answers that it would give again.
"""

from broker.decide.bundle import Legislation, PolicyBundle
from broker.decide.cedar import FATE, Court, policies_of
from broker.decide.corrections import corrected_type, corrects
from broker.decide.decision import decide
from broker.decide.facts import PartFacts, Recipient, part_facts, present_fields
from broker.decide.fate import FATE_MODE, decide_fate
from broker.decide.free_text import Reading, within_words
from broker.decide.grounds import LawfulBasis, LegalGround
from broker.decide.law import Agreement, Condition, Gateway, Party, Permit, Profile
from broker.decide.limits import within_limits
from broker.decide.looked_at import looked_at, looked_at_of_part
from broker.decide.rules import Circumstances, Ruling, rule

__all__ = [
    "FATE",
    "FATE_MODE",
    "Agreement",
    "Circumstances",
    "Condition",
    "Court",
    "Gateway",
    "LawfulBasis",
    "LegalGround",
    "Legislation",
    "PartFacts",
    "Party",
    "Permit",
    "PolicyBundle",
    "Profile",
    "Reading",
    "Recipient",
    "Ruling",
    "corrected_type",
    "corrects",
    "decide",
    "decide_fate",
    "looked_at",
    "looked_at_of_part",
    "part_facts",
    "policies_of",
    "present_fields",
    "rule",
    "within_limits",
    "within_words",
]
