"""The checks that properties name, and what becomes of each: proved, and every planted fault found.

A check answers with what it saw and with the violations it found. A property holds where the check of
the policies as loaded finds none; a planted fault is found where the check of the faulty copy finds one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from broker.decide import policies_of
from broker.decide.cedar import Policy
from broker.shell.prove.analysis import Analysis, Environment, Question
from broker.shell.prove.answers import Answer
from broker.shell.prove.properties import Fault, Property
from broker.shell.prove.rules import Policies, Rules, facts_read

EVERYTHING = (
    '@id("planted/everything") @agreement("planted")\npermit (principal, action, resource);'
)
"""A clause beyond which no agreement can go."""


class Checked(msgspec.Struct, frozen=True):
    """What one check of one set of policies gave."""

    lines: tuple[str, ...]
    """Cedar's own verdicts, each with what it is about; the same ones counted."""
    violations: tuple[str, ...]
    """Where the property does not hold, with what shows it."""


class Finding(msgspec.Struct, frozen=True):
    """One check beside what had to come of it."""

    title: str
    checked: Checked
    must_hold: bool

    @property
    def as_expected(self) -> bool:
        """Whether what had to hold held, and what had to be found was found."""
        return self.must_hold != bool(self.checked.violations)


def prove(analysis: Analysis, rules: Rules, prop: Property) -> list[Finding]:
    """The property over the rules as loaded, then its planted faults.

    Raises NoAnswerError where Cedar gives no answer, ValueError where a fault does not fit the rules.
    """
    findings = [Finding("as loaded", check(analysis, rules, prop, rules), must_hold=True)]
    if prop.whatever_agreements_say:
        anything = rules.changed((), EVERYTHING)
        checked = check(analysis, anything, prop, rules)
        findings.append(Finding("with a clause that permits everything", checked, must_hold=True))
    for fault in prop.faults:
        faulty = _faulty(rules, fault)
        checked = check(analysis, faulty, prop, rules)
        findings.append(Finding(f"planted: {fault.says}", checked, must_hold=False))
    return findings


def check(analysis: Analysis, rules: Rules, prop: Property, loaded: Rules) -> Checked:
    """Whether the property holds of `rules`. `loaded` is what the broker loads."""
    if prop.check == "never_errors":
        return _never_errors(analysis, rules)
    if prop.check == "none_dead":
        return _none_dead(analysis, rules)
    if prop.check == "duties_stand":
        return _implied(
            analysis, rules.duties_without_agreements, rules.all, _changed(rules, loaded)
        )
    if prop.check == "nothing_added":
        return _implied(analysis, rules.all, loaded.all, _changed(rules, loaded))
    return _implied(analysis, rules.all, _bound(rules, prop), policies_of(_most(prop)))


def _changed(rules: Rules, loaded: Rules) -> Policies:
    """Policies that only one of the two has; all, where they are the same."""
    differing = [one for one in rules.all if one not in loaded.all]
    differing += [one for one in loaded.all if one not in rules.all]
    return tuple(differing) or rules.all


def _most(prop: Property) -> str:
    """A permit of everything but what the property says is never permitted."""
    return f'@id("property/{prop.id}")\npermit (principal, action, resource) unless {{ {prop.never} }};'


def _bound(rules: Rules, prop: Property) -> Policies:
    """What may be permitted at most, if the property holds."""
    return (*policies_of(_most(prop)), *(rules.duties if prop.except_duties else ()))


def _faulty(rules: Rules, fault: Fault) -> Rules:
    return rules.changed(fault.without, fault.add)


def _implied(analysis: Analysis, one: Policies, other: Policies, about: Policies) -> Checked:
    """Whether all that `one` permits is permitted by `other`; `about` names the facts worth showing."""
    answers = analysis.everywhere("implies", one, other)
    facts = facts_read([policy.body for policy in about])
    return Checked(
        lines=_in_each(analysis.environments, answers),
        violations=tuple(
            f"{environment}: {answer.facts(facts)}"
            for environment, answer in zip(analysis.environments, answers, strict=True)
            if not answer.holds
        ),
    )


def _never_errors(analysis: Analysis, rules: Rules) -> Checked:
    asked = [(policy, where) for policy in rules.all for where in analysis.environments]
    answers = _each(analysis, "never-errors", asked)
    return Checked(
        lines=_counted(answers),
        violations=tuple(
            f"{policy.id} can err: {where}: {answer.facts(facts_read(policy.body))}"
            for (policy, where), answer in zip(asked, answers, strict=True)
            if not answer.holds
        ),
    )


def _none_dead(analysis: Analysis, rules: Rules) -> Checked:
    """Dead is what matches in no environment, and a permit that the prohibitions let never through."""
    alone = {one.id: (one,) for one in rules.all}
    alive, lines = _somewhere(analysis, "never-matches", alone)
    biting = tuple(one for one in rules.prohibitions if one.id in alive)
    among = {one.id: (*biting, one) for one in rules.permits if one.id in alive}
    effective, more = _somewhere(analysis, "always-denies", among)
    told = f"{len(alive)} of {len(alone)} policies match somewhere, "
    told += f"{len(effective)} of {len(rules.permits)} permits let something through"
    dead = [f"{name} never matches" for name in alone if name not in alive]
    idle = [name for name in among if name not in effective]
    dead += [f"{name} permits nothing that the prohibitions leave" for name in idle]
    return Checked(lines=(*lines, *more, told), violations=tuple(dead))


def _somewhere(
    analysis: Analysis, command: str, sets: Mapping[str, Policies]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names for whose set the claim is refuted in some environment; each is asked until it is."""
    left, answers = list(sets), list[Answer]()
    for where in analysis.environments:
        given = analysis.ask(Question(command, where, (sets[name],)) for name in left)
        answers += given
        left = [name for name, answer in zip(left, given, strict=True) if answer.holds]
    return frozenset(sets) - frozenset(left), _counted(answers)


def _each(
    analysis: Analysis, command: str, asked: Iterable[tuple[Policy, Environment]]
) -> list[Answer]:
    return analysis.ask(Question(command, where, ((policy,),)) for policy, where in asked)


def _in_each(environments: Sequence[Environment], answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(
        f"{answer.line}   [{environment}]"
        for environment, answer in zip(environments, answers, strict=True)
    )


def _counted(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(
        f"{line}   [{times} times]"
        for line, times in sorted(Counter(answer.line for answer in answers).items())
    )
