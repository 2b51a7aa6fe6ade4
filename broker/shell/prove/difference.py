"""What another version of the policies discloses that this one does not, clause by clause."""

from __future__ import annotations

import msgspec

from broker.decide import policies_of
from broker.decide.bundle import QUESTIONS
from broker.shell.prove.analysis import Analysis, Environment, Question
from broker.shell.prove.rules import Policies, Rules, facts_read


class Added(msgspec.Struct, frozen=True):
    """A field group that one version permits by this clause where the other permits it not."""

    environment: Environment
    group: str
    clause: str
    example: str
    """Circumstances that show it: the facts that the clause looks at."""


def disclosures_added(analysis: Analysis, new: Rules, old: Rules) -> list[Added]:
    """All that `new` adds to `old`, by environment, field group and clause.

    Empty only where Cedar has proved that whatever `new` permits is permitted by `old`. Raises
    NoAnswerError where it gives no answer, as it does if `old` speaks of facts that the schema lacks.
    """
    found: list[Added] = []
    answers = analysis.everywhere("implies", new.all, old.all)
    for environment, answer in zip(analysis.environments, answers, strict=True):
        if not answer.holds:
            found.extend(_in(analysis, environment, new, old))
    return found


def _in(analysis: Analysis, environment: Environment, new: Rules, old: Rules) -> list[Added]:
    """What is added in one environment: first by group, then in those by clause."""
    only = {group: (*new.all, *_only(group)) for group in QUESTIONS}
    whole = analysis.ask(
        Question("implies", environment, (policies, old.all)) for policies in only.values()
    )
    wider = [group for group, answer in zip(only, whole, strict=True) if not answer.holds]
    asked = [(group, clause) for group in wider for clause in new.permits if clause.concerns(group)]
    answers = analysis.ask(
        Question("implies", environment, ((*new.prohibitions, clause, *_only(group)), old.all))
        for group, clause in asked
    )
    return [
        Added(environment, group, clause.id, answer.facts(facts_read(clause.body)))
        for (group, clause), answer in zip(asked, answers, strict=True)
        if not answer.holds
    ]


def _only(group: str) -> Policies:
    """Lets nothing through but that group."""
    return policies_of(
        f'@id("only/{group}")\nforbid (principal, action, resource) unless '
        f'{{ resource == FieldGroup::"{group}" }};'
    )
