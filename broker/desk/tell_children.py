"""One child of a statement, from the answers about it."""

from __future__ import annotations

from broker.desk.tell_answers import MOST_LINES, Given
from broker.desk.tell_asking import NOT_KNOWN, Asking
from broker.model.identifiers import is_sound
from broker.model.types import (
    Answer,
    ChildVoice,
    Identifier,
    IdentifierScheme,
    NexusFact,
    NexusKind,
    RoleInIncident,
    RoleKind,
    SafeToTell,
    Subject,
)

NUMBERS = (
    (
        "nhs_number",
        IdentifierScheme.NHS_NUMBER,
        "This is not an NHS number: its last digit does not fit the others. Compare it, or leave it empty",
    ),
    (
        "upn",
        IdentifierScheme.UPN,
        "This is not a pupil number: its first letter does not fit the digits. Compare it, or leave it empty",
    ),
)


def child(number: int, who: Given, care: Given, made: str, asking: Asking) -> Subject:
    """The child as subject `number` of the statement; `made` is the reference that was made for it."""
    born = who.day("born")
    if born is not None and born > asking.today:
        who.problem("born-day", "The date of birth is still to come")
    return Subject(
        subject_ref=f"child-{number}",
        identifiers=_identifiers(who, made, asking),
        given_name=who.text("given_name"),
        family_name=who.text("family_name"),
        date_of_birth=born,
        address=who.text("address"),
        roles=tuple(RoleInIncident(role=RoleKind(code)) for code in who.all_chosen("roles")),
        nexus=_nexus(who),
        injury=who.text("injury"),
        safety_plan=care.text("safety_plan"),
        child_voice=_voice(care),
        protective_factors=_strengths(care),
        safe_to_tell=SafeToTell(
            child=Answer(care.chosen("safe_child") or NOT_KNOWN),
            parents_or_carers=Answer(care.chosen("safe_parents") or NOT_KNOWN),
            reason=care.text("safe_reason"),
        ),
    )


def local_system(asking: Asking) -> str:
    """Whose numbering an own reference is of, as the organisation's statements always name it."""
    return f"{asking.organisation.kind}:{asking.organisation.code}"


def _identifiers(who: Given, made: str, asking: Asking) -> tuple[Identifier, ...]:
    """National numbers whose check digits hold, the organisation's own reference, or else the made one."""
    found = []
    for name, scheme, wrong in NUMBERS:
        value = who.text(name)
        if value is None:
            continue
        stated = Identifier(scheme=scheme, value=value)
        if is_sound(stated):
            found.append(stated)
        else:
            who.problem(name, wrong)
    own = who.text("own_reference") or (made if not found else None)
    if own:
        system = local_system(asking)
        found.append(Identifier(scheme=IdentifierScheme.LOCAL, value=own, system=system))
    return tuple(found)


def _nexus(who: Given) -> tuple[NexusFact, ...]:
    stated = ((NexusKind.HOME, who.chosen("home")), (NexusKind.SCHOOLED_IN, who.chosen("school")))
    return tuple(
        NexusFact(kind=kind, organisation=code, basis="stated on the form")
        for kind, code in stated
        if code and code != NOT_KNOWN
    )


def _voice(care: Given) -> ChildVoice | None:
    words = care.text("voice")
    how, wish = care.text("voice_how"), care.text("voice_wish")
    if words is None:
        if how or wish:
            care.problem("voice", "Write what the child says, or empty the two answers below")
        return None
    return ChildVoice(words=words, how_obtained=how, wish_on_sharing=wish)


def _strengths(care: Given) -> tuple[str, ...]:
    found = care.lines("strengths")
    if len(found) > MOST_LINES:
        care.problem("strengths", f"Write no more than {MOST_LINES} lines")
    return found
