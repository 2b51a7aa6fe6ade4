"""Types of the nouns. Generated from schemas/*.avsc by broker.model.generate: do not edit."""

from __future__ import annotations

import datetime
import enum

import msgspec


class EventType(enum.StrEnum):
    """What kind of statement this is."""

    CONCERN = "concern"
    INCIDENT = "incident"
    INTELLIGENCE = "intelligence"
    MISSING_EPISODE = "missing_episode"
    EXCLUSION = "exclusion"
    SCHOOL_MOVE = "school_move"
    EHE_START = "ehe_start"
    CUSTODY_EVENT = "custody_event"
    RELEASE = "release"
    NRM_REFERRAL = "nrm_referral"
    ED_ATTENDANCE_INJURY = "ed_attendance_injury"
    STOP_SEARCH = "stop_search"
    PLACEMENT_OUT_OF_AREA = "placement_out_of_area"
    PLACEMENT_END = "placement_end"
    SAFETY_PLAN_SHARED = "safety_plan_shared"
    ORDER_MADE = "order_made"
    CONTEXT_CONCERN = "context_concern"
    PEER_LINK = "peer_link"
    FREELANCING_INDICATOR = "freelancing_indicator"
    PROTECTIVE_FACTOR = "protective_factor"
    CHILD_VOICE = "child_voice"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    THREAT_TO_LIFE = "threat_to_life"
    BEREAVEMENT_AFTERMATH = "bereavement_aftermath"
    INFORMATION_REQUEST = "information_request"


class TimeInterval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it happened or is expected to happen."""

    start: datetime.datetime
    """Start, UTC."""
    end: datetime.datetime | None = None
    """End, UTC; absent for a moment."""


class PlacePrecision(enum.StrEnum):
    """How precisely the place is known, finest first."""

    ADDRESS = "address"
    STREET = "street"
    PUBLIC_PLACE = "public_place"
    LSOA = "lsoa"
    MSOA = "msoa"
    WARD = "ward"
    LA = "la"
    UNKNOWN = "unknown"


class PlaceKind(enum.StrEnum):
    """What sort of place it is; decides which organisations of the area are concerned."""

    HOME = "home"
    SCHOOL = "school"
    PUBLIC_OPEN_SPACE = "public_open_space"
    RETAIL = "retail"
    TRANSPORT = "transport"
    NIGHT_TIME_ECONOMY = "night_time_economy"
    ONLINE = "online"
    OTHER = "other"


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where, with the precision at which it is known."""

    precision: PlacePrecision
    """Stated precision."""
    kind: PlaceKind = PlaceKind.OTHER
    """Sort of place."""
    la_gss: str | None = None
    """GSS code of the upper-tier authority in which it lies."""
    also_gss: tuple[str, ...] = ()
    """For a place on a border: GSS codes of the other authorities that it lies in or opens onto.
    """
    lsoa: str | None = None
    """LSOA code (E01…), if known."""
    msoa: str | None = None
    """MSOA code (E02…), if known."""
    uprn: str | None = None
    """Unique property reference number, if known."""
    description: str | None = None
    """The place in words."""


class GroupRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group that the event is about, when no child is named."""

    group_ref: str
    """The publisher's reference for the group."""
    description: str | None = None
    """The group in words."""


class IdentifierScheme(enum.StrEnum):
    """Whose numbering it is. `nhs_number` and `upn` carry check digits; `local` needs `system`."""

    NHS_NUMBER = "nhs_number"
    UPN = "upn"
    LOCAL = "local"


class Identifier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identifier as the publisher holds it. Resolved to a subject token; never used as a key, a
    topic or a log field.
    """

    scheme: IdentifierScheme
    """Numbering scheme."""
    value: str
    """The identifier itself, spaces allowed."""
    system: str | None = None
    """For `local`: the system that issued it, such as `niche:E23000014`. Opaque."""


class RoleKind(enum.StrEnum):
    """Role in the incident, not a label of the child."""

    VICTIM = "victim"
    WITNESS = "witness"
    ALLEGED_SUSPECT = "alleged_suspect"
    CONVICTED = "convicted"
    EXPLOITED = "exploited"
    ASSOCIATE = "associate"
    SUBJECT_OF_CONCERN = "subject_of_concern"


class RoleInIncident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One role of the child in what happened. A child may hold several at once; none cancels
    another.
    """

    role: RoleKind
    """The role."""
    basis: str | None = None
    """What the role rests on."""


class NexusKind(enum.StrEnum):
    """The kinds of connection a publisher can state."""

    HOME = "home"
    FOUND_IN = "found_in"
    PLACED_BY = "placed_by"
    PLACED_IN = "placed_in"
    SCHOOLED_IN = "schooled_in"
    RESPONSIBLE = "responsible"
    ASSOCIATE_HOME = "associate_home"


class NexusFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an organisation is concerned with this child. Facts, with validity; the law and the
    agreements say what follows from them.
    """

    kind: NexusKind
    """Kind of connection."""
    organisation: str
    """GSS code of the authority, or organisation code (a school, an integrated care board) from
    the register.
    """
    valid_from: datetime.date | None = None
    """First day on which it holds; absent means since before the event."""
    valid_to: datetime.date | None = None
    """Last day on which it holds; absent means still."""
    basis: str | None = None
    """How it is known."""


class Placement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A placement of a looked-after child, Care Planning Regulations 2010, regs 11 and 13."""

    started_on: datetime.date | None = None
    """Day the placement started or will start."""
    emergency: bool = False
    """True when made in an emergency, so that notice is due within five working days."""
    reasons: str | None = None
    """Why this placement is the most suitable."""
    assessment_of_needs: str | None = None
    """Assessment of the child's needs."""
    care_plan: str | None = None
    """The care plan."""
    dcs_approved: bool = False
    """Director of children's services approved a placement at a distance (reg 11(5))."""
    withhold_from: tuple[str, ...] = ()
    """Persons who must not be told, reg 13(3), as references and not names."""


class ChildVoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The child's own words."""

    words: str
    """The words."""
    how_obtained: str | None = None
    """By whom and how they were heard."""
    wish_on_sharing: str | None = None
    """What the child wishes about sharing."""


class Answer(enum.StrEnum):
    """A question that may be unanswered; `not_known` is never read as yes."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not_known"


class SafeToTell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether it is safe that the child or the family learn of the disclosure."""

    child: Answer = Answer.NOT_KNOWN
    """Safe to tell the child?"""
    parents_or_carers: Answer = Answer.NOT_KNOWN
    """Safe to tell parents or carers?"""
    reason: str | None = None
    """Why it is or is not safe."""


class Ethnicity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For equality audit only; never part of weight, category or routing and never in an alert."""

    code: str
    """Code, such as `WBRI`."""
    scheme: str = "dfe"
    """Code set, such as `dfe` or `ons_18plus1`."""
    defined_by: str = "unknown"
    """`self`, `officer` or `unknown`."""


class Subject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One child or young person whom the event is about. Every subject becomes a part of its own;
    another subject of the same event is a third party to it.
    """

    subject_ref: str
    """Name of this subject inside this event only, such as `child-1`. Never an identifier of the
    person.
    """
    identifiers: tuple[Identifier, ...] = ()
    """Identifiers that the publisher states together for this child. Stated together in one
    verified event, they belong to one subject token.
    """
    given_name: str | None = None
    """Given name."""
    family_name: str | None = None
    """Family name."""
    date_of_birth: datetime.date | None = None
    """Date of birth. Never used to match children."""
    address: str | None = None
    """Where the child lives or is placed, as written."""
    roles: tuple[RoleInIncident, ...] = ()
    """Roles, multi-valued: a child may be victim and suspect at once."""
    nexus: tuple[NexusFact, ...] = ()
    """Connections to authorities and other organisations."""
    injury: str | None = None
    """Injury in plain words, as far as safeguarding needs it, such as `stab wound, left thigh`.
    """
    clinical_detail: str | None = None
    """Clinical detail beyond the injury. Patient information."""
    safety_plan: str | None = None
    """What is being done to keep this child safe, in words fit for those who carry it out."""
    placement: Placement | None = None
    """Placement that the event notifies."""
    child_voice: ChildVoice | None = None
    """What the child says."""
    protective_factors: tuple[str, ...] = ()
    """Strengths: trusted adults, school, activities."""
    safe_to_tell: SafeToTell | None = None
    """Safe-to-tell flags."""
    ethnicity: Ethnicity | None = None
    """Ethnicity for equality audit."""
    sex: str = "U"
    """F, M or U, for equality audit only."""
    necessity: str | None = None
    """For an information request: why this child is asked about, such as a stated risk. Without it
    the request about this child is refused.
    """


class HarmKind(enum.StrEnum):
    """What harm is alleged or feared. Facts stated by the publisher; none is a score."""

    SERIOUS_VIOLENCE = "serious_violence"
    WEAPON_THREAT = "weapon_threat"
    WEAPON_CARRYING = "weapon_carrying"
    CHILD_CRIMINAL_EXPLOITATION = "child_criminal_exploitation"
    CHILD_SEXUAL_EXPLOITATION = "child_sexual_exploitation"
    TRAFFICKING = "trafficking"
    MISSING = "missing"
    ROBBERY = "robbery"
    DRUG_SUPPLY = "drug_supply"
    PHYSICAL_ABUSE = "physical_abuse"
    EMOTIONAL_ABUSE = "emotional_abuse"
    NEGLECT = "neglect"
    DOMESTIC_ABUSE = "domestic_abuse"
    ONLINE_HARM = "online_harm"
    SELF_HARM = "self_harm"
    BEREAVEMENT = "bereavement"
    OTHER = "other"


class Audience(enum.StrEnum):
    """Who the words are for."""

    SOCIAL_CARE = "social_care"
    POLICE = "police"
    HEALTH = "health"
    EDUCATION = "education"
    VOLUNTARY = "voluntary"


class AudienceText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that the publisher has made fit for one audience."""

    audience: Audience
    """Audience."""
    text: str
    """The words."""


class Severity(enum.StrEnum):
    """How soon someone must act, as the publisher sees it. Sets clocks, never weight."""

    IMMEDIATE = "immediate"
    SAME_DAY = "same_day"
    ROUTINE = "routine"


class Grading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The grading as received. Partners are not asked to grade; a missing grade is `ungraded`,
    never a default.
    """

    scheme: str
    """`3x5x2`, `5x5x5` or `ungraded`. Anything else is unlabelled and waits for review, since the
    letters of the two schemes mean opposite axes.
    """
    source_evaluation: str | None = None
    """3x5x2: 1, 2 or 3. 5x5x5: A to E."""
    information_assessment: str | None = None
    """3x5x2: A to E. 5x5x5: 1 to 5."""
    handling: str | None = None
    """The scheme's own handling code: P or C; 1 to 5."""
    original: str | None = None
    """The grading exactly as received."""
    doubt_reason: str | None = None
    """For source evaluation 3 or assessment E: why. Without it the doubt lowers nothing."""
    doubt_reviewer: str | None = None
    """Who reviewed that doubt."""


class Handling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the publisher allows the information to be handled."""

    code: str
    """`P` lawful sharing permitted, `C` permitted with conditions. Any other code withholds all
    until a person has looked.
    """
    conditions: tuple[str, ...] = ()
    """Conditions for C, such as `consult_originator`. An unknown condition withholds."""


class Provenance(enum.StrEnum):
    """Who first said it. Shown, audited, and never an input to weight, candidates, order or
    clocks.
    """

    PARENT = "parent"
    CARER = "carer"
    FAMILY_MEMBER = "family_member"
    CHILD = "child"
    COMMUNITY_MEMBER = "community_member"
    ANONYMOUS_PUBLIC = "anonymous_public"
    CHARITY = "charity"
    EDUCATION = "education"
    HEALTH = "health"
    SOCIAL_CARE = "social_care"
    YOUTH_JUSTICE = "youth_justice"
    POLICE = "police"
    OTHER_STATUTORY = "other_statutory"


class Directness(enum.StrEnum):
    """How the observer knows. Everyone fills it; a grading letter counts only where it is
    `not_stated`.
    """

    DIRECT = "direct"
    INDIRECT = "indirect"
    NOT_KNOWN = "not_known"
    NOT_STATED = "not_stated"


class Specificity(enum.StrEnum):
    """How specific the statement is: who, when and where; two of them; or general."""

    SPECIFIC = "specific"
    PARTIAL = "partial"
    GENERAL = "general"
    NOT_STATED = "not_stated"


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person who said it. Never leaves the originator."""

    name: str | None = None
    """Name."""
    contact: str | None = None
    """Phone, address or other contact."""
    relationship: str | None = None
    """Relationship to the child."""
    asks_not_to_be_named: bool = True
    """The person asked not to be named."""


class DependenceBasis(enum.StrEnum):
    """Why they may not be independent."""

    SHARED_HOUSEHOLD = "shared_household"
    SHARED_BRIEFING = "shared_briefing"
    NOT_KNOWN = "not_known"


class Dependence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stated reason why another origin may not be independent of this one."""

    origin_id: str
    """The other origin."""
    basis: DependenceBasis
    """Why they may not be independent."""


class StatedCategory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A category that the agency states. The broker computes none."""

    scheme: str
    """Code set, such as `cin_factors`."""
    code: str
    """Code, such as `24A`."""
    indicators: tuple[str, ...] = ()
    """The indicators that it rests on; a single one is flagged."""


class PeerLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A relationship between two young people, with its basis. Association alone never says member
    of anything.
    """

    from_ref: str
    """subject_ref of one."""
    to_ref: str
    """subject_ref of the other."""
    relationship: str
    """The relationship."""
    basis: str
    """What it rests on."""
    seen_on: datetime.date | None = None
    """When it was seen."""


class LawfulBasis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The publisher's own statement of its basis for sharing."""

    gateways: tuple[str, ...] = ()
    """Statutory gateways relied on."""
    article_6: str | None = None
    """UK GDPR Article 6 ground."""
    article_9: str | None = None
    """UK GDPR Article 9 condition."""
    schedule_1: str | None = None
    """DPA 2018 Schedule 1 condition."""
    regime: str = "uk_gdpr"
    """`uk_gdpr` or `part3`."""
    necessity: str | None = None
    """Why sharing is necessary."""


class InformationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for information under Children Act 2004 s.16H or an agreement."""

    asked_of: str
    """Organisation code of the one that is asked."""
    purpose: str
    """What it is needed for."""
    wanted: tuple[str, ...] = ()
    """Field names that are asked for."""


class ConcernEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agency's statement about one or more children, a group or a place."""

    event_id: str
    """UUID of the event, chosen by the publisher. Same id and same bytes is a duplicate; same id
    and other bytes is refused.
    """
    version: int = 1
    """1 for the first statement; a correction is an event of its own."""
    event_type: EventType
    """Kind of statement."""
    publisher: str
    """Organisation code of the publisher from the register; must own the topic and the signing
    key.
    """
    observed_at: datetime.datetime
    """When the observer saw or heard it. Recency counts from here."""
    reported_at: datetime.datetime
    """When the publisher wrote it down."""
    when: TimeInterval | None = None
    """Time of the incident, or the window of a threat."""
    place: Place | None = None
    """Where it happened or is expected."""
    group: GroupRef | None = None
    """Group that the event is about."""
    subjects: tuple[Subject, ...] = ()
    """Children whom the event is about; may be empty for a place or a group."""
    harms: tuple[HarmKind, ...] = ()
    """Harms that the statement is about. Two observations corroborate each other only if they
    share one.
    """
    summary: str | None = None
    """The statement in full, in the publisher's words. Stays with the originator; others get an
    audience text.
    """
    audience_texts: tuple[AudienceText, ...] = ()
    """Per-audience shareable texts. No text for an audience means that it receives none."""
    severity: Severity = Severity.SAME_DAY
    """Urgency for the clocks."""
    grading: Grading | None = None
    """Grading as received."""
    handling: Handling
    """Handling code and conditions."""
    provenance: Provenance
    """Whose voice it is."""
    directness: Directness
    """Directness of knowledge. Required: say `not_stated` only where a grading letter says it
    instead.
    """
    specificity: Specificity
    """Specificity."""
    source: Source | None = None
    """Source identity, for the originator only."""
    source_identifiable: bool = False
    """True if class, time, place or wording could show who the source is."""
    origin_id: str
    """Identity of the first observation by one observer of one occurrence. Agencies that pass a
    thing on keep it.
    """
    origin_unknown: bool = False
    """True if the first observation is not known; then it is not counted as independent of
    anything similar.
    """
    derived_from: tuple[str, ...] = ()
    """Event ids or origin ids that this record was made from."""
    dependence: tuple[Dependence, ...] = ()
    """Origins that this one may depend on."""
    stated_category: StatedCategory | None = None
    """Category stated by the agency."""
    peer_links: tuple[PeerLink, ...] = ()
    """Links between subjects."""
    relates_to: str | None = None
    """For a correction or a retraction: the event id that it corrects."""
    reason: str | None = None
    """For a correction or a retraction: why."""
    lawful_basis: LawfulBasis | None = None
    """Lawful basis as stated."""
    marking: str = "OFFICIAL-SENSITIVE"
    """Protective marking."""
    request: InformationRequest | None = None
    """For an information request: of whom, and for what."""
    answers: str | None = None
    """Event id of the information request that this answers."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a publisher puts on its concerns topic. Nothing in it but the body says anything about
    a person, and the body is sealed.
    """

    publisher: str
    """Organisation code; owner of the topic and the key."""
    key_id: str
    """Which of the publisher's signing keys."""
    epoch: str
    """Which of intake's epoch keys the body is sealed to."""
    event_id: str
    """Event id, equal to that inside."""
    commitment_root: bytes
    """SHA-256 root of the salted field commitments."""
    sealed_body: bytes
    """HPKE of SealedBody to intake's epoch key."""
    signature: bytes
    """Ed25519 by the publisher over the signing input (domain separated, all fields above)."""


class SealedBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the envelope seals."""

    seed: bytes
    """32 random bytes from which the salts of the field commitments are derived."""
    payload: bytes
    """ConcernEvent or Action in Avro single-object encoding."""


class ActionKind(enum.StrEnum):
    """What the person did."""

    ACKNOWLEDGE = "acknowledge"
    CONSIDER = "consider"
    ACT = "act"
    NO_FURTHER_ACTION = "no_further_action"
    REVIEW = "review"
    RELEASE = "release"
    WITHDRAW = "withdraw"
    REQUEST = "request"
    LOOK_BACK = "look_back"
    ESCALATE = "escalate"
    EXPIRE = "expire"
    SUBJECT_ACCESS = "subject_access"
    ERASE = "erase"
    CONSULT = "consult"


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed human act. Recorded with a leaf; a new round where it changes a decision, never an
    edit.
    """

    action_id: str
    """UUID of the act."""
    kind: ActionKind
    """What was done."""
    organisation: str
    """Organisation code of the person who acts."""
    actor: str
    """The person's staff reference within that organisation; not a name."""
    alert_id: str | None = None
    """The alert that it answers."""
    event_id: str | None = None
    """The event that it concerns."""
    part_id: str | None = None
    """The part that it concerns."""
    reason: str | None = None
    """Why, in words. Required for review, release, withdraw and consult."""
    acted_at: datetime.datetime
    """When the person acted."""
    event_publisher: str | None = None
    """Publisher of the event that it concerns: event ids are the publisher's own."""
    recipient: str | None = None
    """For review and release: the recipient that it is about, such as `E08000028:mash`; absent for
    all that wait.
    """
    verdict: str | None = None
    """For review: `permit` or `refuse`. For look_back: `justified` or `not_justified`. For erase:
    `requested`, or `due` where its time has run out.
    """
    confirms: str | None = None
    """For the second person of a break-glass release: the action id of the first. For consult: the
    action id of the request that is answered.
    """
    expires_at: datetime.datetime | None = None
    """For release: when what was shown must be looked back on at the latest."""
    fields: tuple[str, ...] = ()
    """For review: fields that the person releases where no agreement speaks."""
    reply: bytes = b""
    """For an answer to an alert: the reply code that the alert carries, unchanged. Only who opened
    the alert has it.
    """
    plan: str | None = None
    """For act: reference of the plan or assessment that it went into, as the organisation keeps
    it; not a name.
    """
    originator_may_know: bool = True
    """For an answer: whether who published the statement may learn of it, by role class."""
    asked_about: tuple[Identifier, ...] = ()
    """For subject_access: identifiers of the person who asks what is held."""
    subject: str | None = None
    """For erase: token of the subject, or key of the place or group."""


class PartKind(enum.StrEnum):
    """What the part is keyed by."""

    SUBJECT = "subject"
    PLACE = "place"
    GROUP = "group"


class PartStep(enum.StrEnum):
    """What decide does with it: decide the part; hand the state of this key to another; take over
    handed state; take back; carry out an act; erase what is kept of the key.
    """

    DECIDE = "decide"
    MOVE = "move"
    ADOPT = "adopt"
    RETRACT = "retract"
    ACT = "act"
    ERASE = "erase"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one event says about one subject, place or group: the unit that is decided. Written by
    intake, read by decide.
    """

    part_id: str
    """Hash of event id, version and part key."""
    event_id: str
    """Event id."""
    version: int
    """Event version."""
    publisher: str
    """Organisation code of the publisher."""
    kind: PartKind
    """What the part is keyed by."""
    part_key: str
    """Canonical subject token, place key or group key. A keyed pseudonym; the Kafka key."""
    subject_ref: str | None = None
    """Which subject of the event, for a subject part."""
    part_count: int
    """How many parts the event has."""
    received_at: datetime.datetime
    """LogAppendTime of the event."""
    source_topic: str
    """Topic the event came from."""
    source_partition: int
    """Its partition."""
    source_offset: int
    """Its offset."""
    receipt_set_id: str
    """Set id of the intake record that accepted the event."""
    flags: tuple[str, ...] = ()
    """What verification noted, such as `check_digit_failed` or `unsigned`."""
    step: PartStep = PartStep.DECIDE
    """What decide does with it."""
    other_key: str | None = None
    """For move: the older token that takes over. For adopt: the younger token that hands over. For
    retract: the key of the part that corrects this one.
    """
    sealed: bytes
    """Sealed under the parts key: the ConcernEvent to decide with what proves it, the state
    entries to adopt, the human act to carry out, or the correcting ConcernEvent; empty for move
    and for a plain retraction.
    """
    only_told: bool = False
    """True for the part of a correction: it reaches those in `told`, and for anyone else a person
    decides.
    """
    told: tuple[str, ...] = ()
    """For the part of a correction: recipients who were told what it corrects."""
    act_set_id: str | None = None
    """For act and retract: set id of the intake record that brought it."""


class SetKind(enum.StrEnum):
    """What was recorded."""

    INTAKE = "intake"
    DECISION = "decision"
    LINK = "link"
    ACTION = "action"
    CERTIFICATE = "certificate"


class Channel(enum.StrEnum):
    """Which of the organisation's topics."""

    ALERT = "alert"
    RECEIPT = "receipt"
    WITHDRAWAL = "withdrawal"
    MANUAL = "manual"


class SealedDelivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to hand to one organisation once it is recorded."""

    recipient: str
    """Organisation code."""
    channel: Channel
    """Which topic."""
    message_id: str
    """Alert or receipt id."""
    leaf: bytes
    """Leaf of the recipient's own log."""
    key_id: str
    """Recipient's data key under which it is sealed."""
    wrapped_key: bytes
    """That data key, HPKE-sealed to the recipient's public key."""
    sealed: bytes
    """Sealed content."""


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sealed material kept beside the log and committed to by a leaf."""

    name: str
    """`facts` or `rows`."""
    content: bytes
    """Sealed bytes."""


class DecisionSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record, whole: every leaf and every delivery of one part in one round, or of one intake
    record. The ledger reads no plaintext from it.
    """

    set_id: str
    """Hash of event id, version, token and round; for intake records of topic, partition and
    offset.
    """
    kind: SetKind
    """What was recorded."""
    leaves: tuple[bytes, ...] = ()
    """Leaves of the auditors' log, canonical JSON, in order."""
    deliveries: tuple[SealedDelivery, ...] = ()
    """What to deliver after recording."""
    sidecars: tuple[Sidecar, ...] = ()
    """Sealed facts for replay and rows for audit."""


class LogProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inclusion of a leaf in the recipient's own log."""

    origin: str
    """Origin line of the log."""
    index: int
    """Index of the leaf."""
    size: int
    """Tree size."""
    hashes: tuple[bytes, ...] = ()
    """Inclusion proof, leaf to root."""
    checkpoint: str
    """Signed checkpoint (C2SP signed note)."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recipient gets: sealed content with the proof that it was recorded before it was
    sent.
    """

    alert_id: str
    """Hash of set id and recipient."""
    set_id: str
    """The recorded set."""
    recipient: str
    """Organisation code."""
    key_id: str
    """Data key."""
    wrapped_key: bytes
    """Data key sealed to the recipient."""
    sealed: bytes
    """AlertContent, padded and sealed; associated data is recipient and set id."""
    leaf: bytes
    """The leaf in the recipient's own log."""
    proof: LogProof
    """Proof for that leaf."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a publisher gets for every record it sent: accepted, duplicate or rejected, with proof."""

    receipt_id: str
    """Hash of set id and recipient."""
    set_id: str
    """The recorded set."""
    recipient: str
    """Organisation code of the publisher."""
    key_id: str
    """Data key."""
    wrapped_key: bytes
    """Data key sealed to the publisher."""
    sealed: bytes
    """ReceiptContent, padded and sealed."""
    leaf: bytes
    """The leaf in the publisher's own log."""
    proof: LogProof
    """Proof for that leaf."""


class IntakeOutcome(enum.StrEnum):
    """What became of the record."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    REFUSED = "refused"
    ANSWERED = "answered"


class Fate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of a statement at one recipient, as far as its publisher may know."""

    answer: str
    """`acknowledge`, `consider`, `act` or `no_further_action`."""
    by: str
    """Who answered, as a class of organisation, such as `authority`; a name only where a clause
    releases it.
    """
    answered_at: datetime.datetime
    """When the broker received the answer."""
    plan_informed: bool = False
    """True if it went into a plan or an assessment."""


class ReceiptContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed part of a receipt."""

    outcome: IntakeOutcome
    """What became of the record."""
    event_id: str | None = None
    """Event or action id, where it could be read."""
    reason: str | None = None
    """Reason code for a rejection."""
    explanation: str | None = None
    """What was wrong, where, and what to do, in plain English."""
    parts: int = 0
    """Number of parts that will be decided."""
    flags: tuple[str, ...] = ()
    """What verification noted."""
    received_at: datetime.datetime
    """LogAppendTime."""
    source_topic: str | None = None
    """Topic of the record that this answers."""
    source_offset: int | None = None
    """Offset of the record that this answers, so that even an unreadable one can be found."""
    fate: Fate | None = None
    """For outcome `answered`: what came of it."""


class Mode(enum.StrEnum):
    """Whether the content or only the existence of a concern is disclosed."""

    CONTENT = "CONTENT"
    EXISTENCE = "EXISTENCE"


class ReleasedField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One released field."""

    field: str
    """Field name."""
    value: str
    """Canonical JSON of the value."""
    transform: str
    """What was done to it: `as_stated`, `generalised`, `pseudonymised`, `audience_text` or
    `derived_by_broker`.
    """
    salt: bytes = b""
    """Salt of the publisher's commitment to this value; empty where the broker derived it."""


class StatementProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the publisher signed, so that each released field can be checked without the rest."""

    publisher: str | None = None
    """Organisation code of the publisher; absent where this recipient may not know it."""
    key_id: str = ""
    """Its signing key; empty where the publisher is withheld."""
    epoch: str = ""
    """Intake epoch of the envelope."""
    body_hash: bytes = b""
    """SHA-256 of the sealed body."""
    signature: bytes = b""
    """The publisher's signature; empty where the publisher is withheld."""
    root: bytes = b""
    """The field-commitment root that was signed."""
    event_commitments: bytes = b""
    """Commitments to the statement's own fields, 32 bytes each, in the order of their names."""
    subject_commitments: bytes = b""
    """Commitments to this subject's fields, likewise; empty for a place or group."""
    position: int = 0
    """Slot of this subject in the tree of subjects; drawn by chance, so it says nothing of their
    number.
    """
    path: bytes = b""
    """Sibling hashes from this subject to the root of subjects, 32 bytes each; always equally
    many.
    """


class AlertContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed part of an alert: released fields and nothing else."""

    alert_id: str
    """Alert id."""
    event_id: str
    """Event id."""
    part: str
    """Pairwise pseudonym of the part for this recipient."""
    recipient: str
    """Organisation and role, such as `E06000051:csc`."""
    capacity: tuple[str, ...] = ()
    """Why this recipient is concerned."""
    mode: Mode
    """Mode."""
    released: tuple[ReleasedField, ...] = ()
    """Released fields."""
    obligations: tuple[str, ...] = ()
    """What the recipient must observe."""
    reasons: tuple[str, ...] = ()
    """Clauses and rules that permit the disclosure."""
    weight_band: str
    """Band of the weight."""
    weight_explanation: tuple[str, ...] = ()
    """How the weight came about, in words."""
    severity: str
    """Urgency."""
    acknowledge_by: datetime.datetime
    """When acknowledgement is due."""
    decided_at: datetime.datetime
    """LogAppendTime by which it was decided."""
    policy_bundle: str
    """SHA-256 of the policy bundle."""
    marking: str
    """Protective marking."""
    reply: bytes = b""
    """Reply code: quoted unchanged in the answer to this alert. It says nothing to who holds it.
    """
    reminds_of: str | None = None
    """For a reminder to the next contact: the alert that nobody acknowledged."""
    statement: StatementProof | None = None
    """Proof against the publisher's signed root."""


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tells a recipient that an alert no longer stands."""

    alert_id: str
    """The alert."""
    recipient: str
    """Organisation code."""
    reason: str
    """Reason code."""
    withdrawn_at: datetime.datetime
    """When."""


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payload that waits for a human, sealed."""

    part_id: str
    """The part."""
    round: int
    """The round that waits."""
    expires_at: datetime.datetime
    """When it expires; expiry never releases."""
    sealed: bytes
    """HeldContent as MessagePack, padded and sealed to the duty desk; bound to part and round.
    """
    key_id: str = ""
    """Data key of the duty desk under which it is sealed."""
    wrapped_key: bytes = b""
    """That data key, HPKE-sealed to the duty desk."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a ledger shard's outbox has been sent; written in the same Kafka transaction."""

    shard: str
    """Shard name."""
    epoch: int
    """Writer's epoch."""
    sequence: int
    """Last outbox sequence sent."""
