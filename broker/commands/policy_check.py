"""`broker policy check`: what is wrong with a folder of policies, before anything uses it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from broker.auditor.proposed import with_policies
from broker.commands.agreement_examples import run_examples
from broker.commands.deciding import passing_reception, passing_subject_keys
from broker.offline import OfflineFlow
from broker.policies import PolicyFileError
from broker.policies.lint import lint
from broker.reference import load_connected, load_reference
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

STYLES = {"error": "bold red", "warning": "yellow"}


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend or to know."""

    file: str
    line: int | None
    level: str
    """`error` or `warning`."""
    clause: str
    code: str
    message: str


class Checked(msgspec.Struct, frozen=True):
    """What was found in one folder."""

    folder: str
    bundle: str | None
    """Hash of the bundle; None where it cannot be loaded."""
    agreements: int
    examples: int
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many must be mended."""
        return sum(one.level == "error" for one in self.problems)


def check(settings: Settings, directory: Path | None, on: datetime.date) -> Checked:
    """Lints the files, loads the bundle, and runs every agreement's examples. Nothing is replaced."""
    used = with_policies(settings, directory)
    reference = load_reference(used.codesets_dir, used.organisations_dir)
    folder = used.policies_dir
    problems = [
        Problem(str(one.path), one.line, one.level, one.clause, one.code, one.message)
        for one in lint(folder, reference, on)
    ]
    agreements = len(list((folder / "agreements").glob("*/agreement.yaml")))
    if any(one.code == "broken" for one in problems):
        return Checked(str(folder), None, agreements, 0, tuple(problems))
    policy = load_policy(used)
    connected = load_connected(used.organisations_dir / "connected.yaml")
    reception = passing_reception(policy, connected)
    ran = 0
    try:
        for one in run_examples(
            folder, lambda: OfflineFlow(policy, reception, passing_subject_keys())
        ):
            ran += 1
            problems += [
                Problem(str(one.path), one.line, "error", one.name, "example_fails", words)
                for words in one.differences
            ]
    except PolicyFileError as error:
        problems.append(
            Problem(str(error.path), error.line, "error", error.where, "broken", error.what)
        )
    return Checked(str(folder), policy.hashes.bundle, agreements, ran, tuple(problems))


def rows_of(checked: Checked) -> Sequence[dict[str, Any]]:
    """One object a problem, then one that counts."""
    return [
        *(msgspec.to_builtins(one) for one in checked.problems),
        {
            "folder": checked.folder,
            "bundle": checked.bundle,
            "agreements": checked.agreements,
            "examples": checked.examples,
            "errors": checked.errors,
            "warnings": len(checked.problems) - checked.errors,
        },
    ]


def show(out: Console, checked: Checked) -> None:
    """Each problem with file, line and clause; then the counts."""
    for one in checked.problems:
        place = f"{one.file}:{one.line}" if one.line else one.file
        said = Text(f"{one.level}: ", style=STYLES[one.level])
        said.append(f"{place}: {one.clause}: " if one.clause else f"{place}: ", style="bold")
        said.append(f"{one.message} ({one.code})", style="")
        out.print(said, soft_wrap=True)
    warnings = len(checked.problems) - checked.errors
    state = f"bundle {checked.bundle[:12]}" if checked.bundle else "NOT loadable"
    out.print(
        Text(
            f"{checked.folder}: {state}, {checked.agreements} agreements, {checked.examples} examples "
            f"run, {checked.errors} errors, {warnings} warnings"
        ),
        soft_wrap=True,
    )
