"""The codes of a statement in the words in which people are asked for them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """One answer that can be chosen: the code that is kept and the words that are read."""

    code: str
    text: str
    hint: str = ""


def choices(*rows: tuple[str, ...]) -> tuple[Choice, ...]:
    """Choices from (code, text) or (code, text, hint)."""
    return tuple(Choice(*row) for row in rows)


YES_NO = choices(("yes", "Yes"), ("no", "No"))
SPEAKERS = choices(
    ("parent", "A parent"),
    ("carer", "A carer, such as a foster carer or a relative who brings the child up"),
    ("family_member", "Another member of the family"),
    ("child", "A child or a young person"),
    ("community_member", "A member of the community, such as a neighbour or a shopkeeper"),
    ("anonymous_public", "Somebody who did not say who they are"),
    ("charity", "Somebody who works or volunteers for a charity or a youth project"),
    ("education", "Somebody at a school or a college"),
    ("health", "A doctor, a nurse or somebody else in health"),
    ("social_care", "A social worker, or somebody else in social care"),
    ("youth_justice", "Somebody in youth justice"),
    ("police", "A police officer or police staff"),
    ("other_statutory", "Somebody from another public service"),
)
KNOWS = choices(
    ("direct", "They saw, heard or read it themselves"),
    ("indirect", "Somebody told them"),
    ("not_known", "They cannot say how they know"),
)
CAME = choices(
    ("first", "From the person who is speaking, directly"),
    ("chain", "Through somebody else, or from another organisation"),
    ("unknown", "I cannot tell where it first came from"),
)
ABOUT = choices(
    ("children", "One or more children", "You do not need to know their full names."),
    ("group", "A group of young people", "Nobody in it is named."),
    ("place", "A place", "Nobody is named."),
)
WHEN = choices(
    ("happened", "It has happened"),
    ("expected", "It is expected to happen"),
    ("not_known", "I do not know when"),
)
PRECISION = choices(
    ("address", "One house or building"),
    ("street", "A street"),
    ("public_place", "A named public place", "Such as a park, a station or a shopping centre."),
    ("ward", "A neighbourhood"),
    ("la", "Only the town or the borough"),
    ("unknown", "I do not know where"),
)
PLACE_KINDS = choices(
    ("home", "A home"),
    ("school", "A school or a college"),
    ("public_open_space", "A park or another open space"),
    ("retail", "Shops"),
    ("transport", "A station, a stop, a train, a tram or a bus"),
    ("night_time_economy", "A bar, a club or late food"),
    ("online", "Somewhere on the internet"),
    ("other", "Somewhere else"),
)
EVERYBODYS = choices(
    ("concern", "A worry about somebody"),
    ("threat_to_life", "Somebody may be killed or badly hurt"),
    ("incident", "Something that has happened"),
    ("missing_episode", "A child is missing, or was"),
    ("context_concern", "A worry about a place or a group"),
    ("protective_factor", "Something that helps a child"),
    ("child_voice", "Something that a child wants to be known"),
    ("bereavement_aftermath", "What follows a death"),
)
OF_SCHOOLS = choices(
    ("exclusion", "A child is suspended or excluded"),
    ("school_move", "A child changes school"),
    ("ehe_start", "A child is to be taught at home"),
)
OF_KIND: Mapping[str, tuple[Choice, ...]] = {
    "school": OF_SCHOOLS,
    "authority": (
        *OF_SCHOOLS,
        *choices(
            ("safety_plan_shared", "A safety plan to be carried out by others"),
            ("nrm_referral", "A referral as a possible victim of modern slavery"),
            ("order_made", "A court has made an order"),
        ),
    ),
    "police": choices(
        ("intelligence", "Intelligence"), ("stop_search", "A child was stopped and searched")
    ),
    "health_provider": choices(
        ("ed_attendance_injury", "A child came to an emergency department hurt")
    ),
}
"""What further kinds of statement each kind of organisation makes by hand."""
HARMS = choices(
    ("serious_violence", "Serious violence"),
    ("weapon_threat", "A threat with a weapon"),
    ("weapon_carrying", "Carrying a weapon"),
    ("child_criminal_exploitation", "Being used for crime"),
    ("child_sexual_exploitation", "Being used sexually"),
    ("trafficking", "Being moved or kept somewhere to be used"),
    ("missing", "Being missing"),
    ("robbery", "Robbery"),
    ("drug_supply", "Selling or carrying drugs"),
    ("physical_abuse", "Being hurt by an adult who looks after them, or by another child"),
    ("emotional_abuse", "Being frightened or put down, again and again"),
    ("neglect", "Not being looked after"),
    ("domestic_abuse", "Abuse at home between adults, or by a partner"),
    ("online_harm", "Harm on the internet"),
    ("self_harm", "Hurting themselves"),
    ("bereavement", "The death of somebody close"),
    ("other", "Something else"),
)
WITHOUT_HARM = frozenset({"protective_factor", "child_voice", "school_move", "ehe_start"})
"""Kinds of statement that need not be about a harm."""
SEVERITY = choices(
    (
        "immediate",
        "At once",
        "If somebody is in danger now, ring 999 first. This does not replace the call.",
    ),
    ("same_day", "Today"),
    ("routine", "In the next days"),
)
ROLES = choices(
    ("subject_of_concern", "We are worried about them"),
    ("victim", "They were hurt or threatened, or may be"),
    ("exploited", "They are being used by others"),
    ("witness", "They saw or heard it"),
    ("alleged_suspect", "They are said to have hurt or threatened somebody"),
    ("associate", "They are with those it is about"),
)
SAFE = choices(("yes", "Yes"), ("no", "No"), ("not_known", "I do not know"))
HANDLING = choices(
    ("P", "Those who need it to keep the child safe may be told"),
    ("C", "Ask us before anything is passed on", "Nobody is told until you have answered."),
)
AUDIENCES = choices(
    ("social_care", "For social care"),
    ("police", "For the police"),
    ("health", "For health"),
    ("education", "For schools and colleges"),
    ("voluntary", "For charities and community organisations"),
)
EVALUATION = choices(("1", "1: reliable"), ("2", "2: untested"), ("3", "3: not reliable"))
ASSESSMENT = choices(
    ("A", "A: known directly to the source"),
    ("B", "B: known indirectly, and corroborated"),
    ("C", "C: known indirectly"),
    ("D", "D: not known"),
    ("E", "E: suspected to be false"),
)
