"""An opened request for what is held about a person: the same work and the same answer, held or not.

Intake searches nothing and keeps no token. It follows each identifier to the token that it leads to, in
as many steps as for any other, and passes that on to the controller's queue, sealed.
"""

from __future__ import annotations

from broker.intake import identifier_token
from broker.intake.identity import root_of
from broker.model.canonical import canonical_json
from broker.model.identifiers import is_sound
from broker.model.reference import DESK
from broker.model.types import Action, Identifier, IdentifierScheme
from broker.model.values import Rejection
from broker.reception.values import (
    IntakeResult,
    IntakeView,
    Opened,
    RawRecord,
    Reception,
    receipt_content,
    rejected,
    seen_act,
)
from broker.record.subject_access import MAX_ASKED, MAX_REASON, subject_access_record

STEPS = 2
"""Look-ups for each identifier: its own row and that of the oldest token."""


def take_subject_access(
    record: RawRecord, action: Action, opened: Opened, view: IntakeView, reception: Reception
) -> IntakeResult:
    """One leaf, one acknowledgement and one sealed request for the desk, whoever is asked about."""
    refusal = _not_askable(action)
    if refusal is not None:
        return rejected(record, refusal, reception)
    desk = next(
        (one.code for one in reception.reference.organisations.values() if one.kind == DESK), ""
    )
    seen = seen_act(record, action, opened, view, reception)
    if isinstance(seen, IntakeResult):
        return seen
    recorded = subject_access_record(
        record.source,
        action,
        _tokens(action.asked_about, view, reception.linkage_key),
        record.envelope_hash,
        receipt_content(action.action_id, seen.entry),
        reception.sealer,
        desk,
    )
    return IntakeResult(sets=(recorded,), seen=(seen.key, seen.entry))


def _not_askable(action: Action) -> Rejection | None:
    """Refused for its form alone: what the numbers are has no part in it but their check digits."""
    wrong = None
    if not 0 < len(action.asked_about) <= MAX_ASKED:
        wrong = f"it names no identifier, or more than {MAX_ASKED}: name those that are certain"
    elif not all(is_sound(one) for one in action.asked_about):
        wrong = "a check digit of an identifier does not hold: compare it with the document"
    elif len(canonical_json(action.reason or "")) > MAX_REASON:
        wrong = f"its reason takes more than {MAX_REASON} bytes: shorten it"
    return None if wrong is None else Rejection("not_valid", wrong, action.action_id)


def _tokens(
    identifiers: tuple[Identifier, ...], view: IntakeView, linkage_key: bytes
) -> tuple[str, ...]:
    """The token of each identifier; as much work for one as for MAX_ASKED, and for unknown as for known."""
    decoys = tuple(
        Identifier(scheme=IdentifierScheme.LOCAL, value=f"decoy-{number}", system="none")
        for number in range(MAX_ASKED)
    )
    found = []
    for one, decoy in zip((*identifiers, *decoys)[:MAX_ASKED], decoys, strict=True):
        token, other = identifier_token(linkage_key, one), identifier_token(linkage_key, decoy)
        rows = view.aliases((token,))
        for _ in range(STEPS - max(1, len(rows))):
            view.aliases((other,))
        found.append(root_of(token, rows))
    return tuple(found[: len(identifiers)])
