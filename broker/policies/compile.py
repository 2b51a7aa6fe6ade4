"""Agreements to Cedar: each clause one policy with the stable id `<agreement>/<clause>`.

A clause names whole fields; Cedar decides by group. So the policy covers the groups of its fields
and the permit beside it remembers which fields of them it reaches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from broker.decide import Agreement, Party, Permit
from broker.model.fields import FIELD_GROUP
from broker.policies.agreement_file import AgreementFile, DataItem


def clause_id(agreement: str, item: DataItem) -> str:
    """By this a reason names the clause."""
    return f"{agreement}/{item.id}"


def cedar_of(agreement: AgreementFile) -> str:
    """The Cedar text of all clauses of an agreement."""
    return "\n\n".join(_policy(agreement, item) for item in agreement.data_items) + "\n"


def permits_of(agreement: AgreementFile) -> dict[str, Permit]:
    """What must be known of each clause besides its Cedar text."""
    return {
        clause_id(agreement.id, item): Permit(
            id=clause_id(agreement.id, item),
            duty=False,
            agreement=agreement.id,
            gateway=item.gateway,
            only_fields=frozenset(item.fields),
            transforms=tuple((group, item.transform) for group in _groups(item)),
        )
        for item in agreement.data_items
    }


def value_of(agreement: AgreementFile) -> Agreement:
    """What surrounds the clauses, as decide knows it."""
    return Agreement(
        id=agreement.id,
        version=agreement.version,
        status=agreement.status,
        country=agreement.country,
        parties=tuple(
            Party(
                id=line.id,
                organisations=frozenset(line.organisations),
                kinds=frozenset(line.kinds),
                areas=frozenset(line.areas),
                signed_on=line.signed_on,
            )
            for line in agreement.parties
        ),
        effective_from=agreement.effective_from,
        expires=agreement.expires,
        recipients=frozenset(
            kind for item in agreement.data_items for kind in item.recipients.kinds
        )
        | frozenset(agreement.speaks_about),
        triggers=frozenset(one.value for one in agreement.triggers),
        prevails_over=frozenset(agreement.prevails_over),
        onward_allowed=agreement.onward.allowed,
        consult_originator=agreement.onward.consult_originator,
        review_by=agreement.review_by,
    )


def _groups(item: DataItem) -> list[str]:
    return sorted({FIELD_GROUP[field] for field in item.fields})


def _policy(agreement: AgreementFile, item: DataItem) -> str:
    groups = ", ".join(f"FieldGroup::{_text(group)}" for group in _groups(item))
    wanted = item.recipients
    conditions = [
        f"[{groups}].contains(resource)",
        f"context.agreements.contains({_text(agreement.id)})",
        f"context.gateways.contains({_text(item.gateway)})",
        f"{_list(wanted.kinds)}.contains(context.kind)",
        f"context.capacity.containsAny({_list(wanted.nexus)})",
    ]
    if wanted.roles:
        conditions.append(f"{_list(wanted.roles)}.contains(context.role)")
    if item.event_types:
        types = [one.value for one in item.event_types]
        conditions.append(f"{_list(types)}.contains(context.event_type)")
    if item.parts:
        conditions.append(f"{_list(item.parts)}.contains(context.part)")
    conditions.extend(_addressed(item))
    conditions.extend(f"!context.{fact}" for fact, set_ in item.unless if set_)
    head = (
        f"@id({_text(clause_id(agreement.id, item))})\n"
        f'@kind("power")\n@agreement({_text(agreement.id)})\n@gateway({_text(item.gateway)})\n'
        f"@source({_text(item.why)})\n"
        'permit (principal, action == Action::"disclose", resource)\nwhen\n{\n  '
    )
    return head + " &&\n  ".join(conditions) + "\n};"


def _addressed(item: DataItem) -> Iterable[str]:
    """A request is for the one that is asked, an answer for the one that asked.

    So is a clause for either: without this, whoever has another nexus would read both.
    """
    if "asked" not in item.recipients.nexus:
        yield 'context.event_type != "information_request"'
    if "requester" not in item.recipients.nexus:
        yield "!context.is_answer"


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _text(value: str) -> str:
    """A Cedar string literal; JSON's escapes that Cedar lacks cannot occur in checked values."""
    return json.dumps(value, ensure_ascii=False)
