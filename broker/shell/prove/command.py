"""The command `scripts/prove`: what it prints, and its exit code.

0: every property is proved and every planted fault was found. 1: anything else, and what.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from broker.policies import PolicyFileError
from broker.shell.prove.analysis import Analysis, analysis_of
from broker.shell.prove.answers import NoAnswerError
from broker.shell.prove.difference import Added, disclosures_added
from broker.shell.prove.proofs import Finding, prove
from broker.shell.prove.properties import Properties, Property, read_properties
from broker.shell.prove.rules import Rules, attributes_of, load_rules, words_of
from broker.shell.prove.tools import ToolMissingError, find_tools, install_tools
from broker.shell.settings import PROJECT_DIR

_SHOWN_VIOLATIONS = 3
Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None, say: Say = print) -> int:
    """Run the command; the exit code."""
    wanted = _parser().parse_args(arguments)
    try:
        if wanted.against is not None:
            return _compare(wanted.policies, wanted.against, say)
        return _prove_all(wanted.policies, say, install=not wanted.no_install)
    except (PolicyFileError, ToolMissingError, NoAnswerError, ValueError) as error:
        say(f"prove: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/prove",
        description="Prove policies/law/properties.yaml over law and agreements, with Cedar's analysis.",
    )
    parser.add_argument(
        "--policies", type=Path, default=PROJECT_DIR / "policies", help="the policies to prove"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="OLD",
        help="prove nothing; show each disclosure that the policies add to those in folder OLD",
    )
    parser.add_argument(
        "--no-install", action="store_true", help="fail where a tool is missing; fetch nothing"
    )
    return parser


def forbidden_facts(properties: Properties, schema: str) -> list[str]:
    """Attributes of a Cedar schema that no rule may be able to read."""
    forbidden = frozenset(properties.facts_that_no_rule_may_read)
    return sorted(name for name in attributes_of(schema) if words_of(name) & forbidden)


def _prove_all(policies_dir: Path, say: Say, *, install: bool) -> int:
    began = time.monotonic()
    properties, rules = read_properties(policies_dir), load_rules(policies_dir)
    readable = forbidden_facts(properties, rules.schema.read_text(encoding="utf-8"))
    if readable:
        say(f"prove: {rules.schema}: a rule could read {', '.join(readable)}: take it out")
        return 1
    tools = install_tools(say) if install else find_tools()
    say(f"prove: {len(rules.all)} policies of {policies_dir}; Cedar {tools.cedar}, {tools.cvc5}")
    surprises = 0
    with analysis_of(tools, rules.schema) as analysis:
        for number, prop in enumerate(properties.properties, start=1):
            surprises += _show(number, prop, _proved(analysis, rules, prop), say)
        asked = analysis.asked
    faults = sum(len(prop.faults) for prop in properties.properties)
    told = f"{len(properties.properties)} properties, {faults} planted faults, {asked} questions"
    took = time.monotonic() - began
    if surprises:
        say(f"\nprove: NOT PROVED: {surprises} surprises above ({told}, {took:.1f} s)")
        return 1
    say(f"\nprove: all proved, every planted fault found ({told} to Cedar, {took:.1f} s)")
    return 0


def _proved(analysis: Analysis, rules: Rules, prop: Property) -> list[Finding] | str:
    """The findings, or why there are none: one property that cannot be asked hides no other."""
    try:
        return prove(analysis, rules, prop)
    except (NoAnswerError, ValueError) as error:
        return str(error)


def _show(number: int, prop: Property, findings: list[Finding] | str, say: Say) -> int:
    """Print what became of a property; the number of surprises."""
    say(f"\n{number}. {prop.id}: {prop.says}")
    if isinstance(findings, str):
        say(f"   SURPRISE: {findings}")
        return 1
    for finding in findings:
        say(f"   {finding.title}")
        for line in finding.checked.lines:
            say(f"      {line}")
        shown = finding.checked.violations[:_SHOWN_VIOLATIONS]
        if not finding.as_expected:
            shown = finding.checked.violations
            say(f"      SURPRISE: {_surprise(finding)}")
        for violation in shown:
            say(f"      {'found' if not finding.must_hold else 'violated'}: {violation}")
    return sum(not finding.as_expected for finding in findings)


def _surprise(finding: Finding) -> str:
    if finding.must_hold:
        return "this must hold and does not: mend the policies"
    return "the planted fault was not found, so the proof above proves nothing: mend the property"


def _compare(policies_dir: Path, old_dir: Path, say: Say) -> int:
    """Show what the policies add to the old ones, and what they take away."""
    new, old = load_rules(policies_dir), load_rules(old_dir)
    with analysis_of(find_tools(), new.schema) as analysis:
        added = disclosures_added(analysis, new, old)
        taken = disclosures_added(analysis, old, new)
    _list(f"disclosed by {policies_dir} and not by {old_dir}", added, say)
    _list(f"disclosed by {old_dir} and no longer by {policies_dir}", taken, say)
    return 0


def _list(title: str, found: Sequence[Added], say: Say) -> None:
    if not found:
        say(f"{title}: nothing, as Cedar proves")
        return
    say(f"{title}:")
    for one in found:
        say(f"  {one.group} [{one.environment.action}] by {one.clause}")
        say(f"      for example: {one.example}")
