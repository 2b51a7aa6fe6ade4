"""Reads what `cedar symcc` prints.

Its exit code is 0 for a proof and for a refutation alike, so the text is what counts: exactly one
verdict, about the question that was asked, in a form that is known. Anything else is a surprise and
never a proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

CLAIMS = {
    "implies": "Policy set 1 implies policy set 2",
    "always-denies": "Policy set always denies",
    "never-errors": "Policy never errors",
    "never-matches": "Policy never matches",
}
"""Command -> what its answer must be about."""
_VERDICT = re.compile(r"^([✓✗]) (.+): (VERIFIED|DOES NOT HOLD)$")
_HOLDS = {("✓", "VERIFIED"): True, ("✗", "DOES NOT HOLD"): False}
_SHOWN_OF_OUTPUT = 600


class NoAnswerError(Exception):
    """Something that is neither a proof nor a refutation. Says what was asked and what came."""


class Answer(msgspec.Struct, frozen=True):
    """Cedar's answer to one question."""

    holds: bool
    line: str
    """The verdict as Cedar printed it."""
    counterexample: str = ""
    """Where it does not hold: one request, with its context, that shows it."""

    def facts(self, names: Iterable[str]) -> str:
        """Those facts of the counterexample's context, and the field group asked for."""
        found = re.findall(r'resource: \w+::"(\w+)"', self.counterexample)[:1]
        for name in sorted(set(names)):
            value = re.search(rf'\b{name}: (\[.*?\]|"[^"]*"|true|false)', self.counterexample)
            if value is not None:
                found.append(f"{name} {value[1]}")
        return ", ".join(found)


def read_answer(command: str, returncode: int, stdout: str, stderr: str) -> Answer:
    """The answer in what the tool printed. Raises NoAnswerError for anything that is not plainly one."""
    lines = stdout.strip().splitlines()
    verdicts = [found for line in lines if (found := _VERDICT.match(line))]
    first = _VERDICT.match(lines[0]) if lines else None
    if returncode != 0 or "panicked" in stderr:
        raise _surprise(command, f"exit code {returncode}", stdout, stderr)
    if first is None or len(verdicts) != 1:
        raise _surprise(command, f"{len(verdicts)} verdicts where one must come", stdout, stderr)
    mark, claim, verdict = first.groups()
    holds = _HOLDS.get((mark, verdict))
    if claim != CLAIMS[command] or holds is None or (holds and len(lines) > 1):
        raise _surprise(command, "an answer that is not in the known form", stdout, stderr)
    return Answer(holds, lines[0], _counterexample(lines[1:]))


def _counterexample(lines: list[str]) -> str:
    """Request and context; the list of entities that follows says nothing here."""
    kept = [line for line in lines if line.startswith(("principal:", "context:"))]
    return "\n".join(kept)


def _surprise(command: str, what: str, stdout: str, stderr: str) -> NoAnswerError:
    said = " ".join((stdout + " " + stderr).split())[:_SHOWN_OF_OUTPUT]
    return NoAnswerError(f"cedar symcc {command}: {what}: {said or 'it printed nothing'}")
