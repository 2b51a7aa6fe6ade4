"""Asks Cedar's symbolic analysis, one question a run, several runs at once; asks nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from broker.shell.prove.answers import Answer, NoAnswerError, read_answer
from broker.shell.prove.rules import Policies
from broker.shell.prove.tools import Tools

_TIMEOUT_S = 120
_OPTIONS = {"implies": ("policies1", "policies2")}
_ONE_SET = ("policies",)
_WITHOUT_EXAMPLE = "--no-counterexample"
_NOT_SHOWN = frozenset({"never-matches", "always-denies"})
"""Commands for which the verdict is enough."""


class Environment(msgspec.Struct, frozen=True):
    """One kind of request that the schema allows; the analysis answers for one at a time."""

    principal: str
    action: str
    resource: str

    def __str__(self) -> str:
        """The three as a reader would say them."""
        return f"{self.principal} {self.action} {self.resource}"


class Question(msgspec.Struct, frozen=True):
    """A command of `cedar symcc` about one or two sets of policies, in one environment."""

    command: str
    environment: Environment
    sets: tuple[Policies, ...]


class Analysis:
    """Cedar's analysis over one schema. Its answers are kept for as long as it lives."""

    def __init__(self, tools: Tools, schema: Path, folder: Path) -> None:
        self._cedar = str(tools.cedar)
        self._schema = str(schema)
        self._folder = folder
        self._variables = {**os.environ, "CVC5": str(tools.solver(folder))}
        self._answers: dict[tuple[str, Environment, tuple[str, ...]], Answer] = {}
        self.environments = self._read_environments()

    @property
    def asked(self) -> int:
        """How many different questions were put."""
        return len(self._answers)

    def ask(self, questions: Iterable[Question]) -> list[Answer]:
        """An answer to each, in their order. Raises NoAnswerError where one is no answer."""
        keys = [
            (one.command, one.environment, tuple(self._file(policies) for policies in one.sets))
            for one in questions
        ]
        new = [key for key in dict.fromkeys(keys) if key not in self._answers]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            self._answers.update(zip(new, pool.map(lambda key: self._run(*key), new), strict=True))
        return [self._answers[key] for key in keys]

    def everywhere(self, command: str, *sets: Policies) -> list[Answer]:
        """The answers to one question in every environment, in the order of `environments`."""
        return self.ask(Question(command, one, sets) for one in self.environments)

    def _run(self, command: str, environment: Environment, files: tuple[str, ...]) -> Answer:
        words = [self._cedar, "symcc", "--principal-type", environment.principal]
        words += ["--action", environment.action, "--resource-type", environment.resource]
        words += ["--schema", self._schema]
        words += [_WITHOUT_EXAMPLE] if command in _NOT_SHOWN else []
        words.append(command)
        for option, file in zip(_OPTIONS.get(command, _ONE_SET), files, strict=True):
            form = "--policy-format" if option == "policies" else f"--{option}-format"
            words += [f"--{option}", str(self._folder / file), form, "json"]
        done = self._start(words)
        return read_answer(command, done.returncode, done.stdout, done.stderr)

    def _start(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run to the end and read everything. Raises NoAnswerError if it takes too long."""
        try:
            return subprocess.run(
                words,
                env=self._variables,
                capture_output=True,
                encoding="utf-8",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"no answer within {_TIMEOUT_S} s: {' '.join(words[1:])}") from None

    def _file(self, policies: Policies) -> str:
        """The name of the file that holds those policies, in Cedar's JSON under their stable ids."""
        bodies = {one.id: one.body for one in policies}
        text = json.dumps({"staticPolicies": bodies, "templates": {}, "templateLinks": []})
        name = hashlib.sha256(text.encode()).hexdigest()[:24] + ".json"
        path = self._folder / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        return name

    def _read_environments(self) -> tuple[Environment, ...]:
        """Every principal type x action x resource type of the schema, in a fixed order."""
        words = [self._cedar, "translate-schema", "--direction", "cedar-to-json"]
        done = self._start([*words, "--schema", self._schema])
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[:400]
            raise NoAnswerError(f"{self._schema} cannot be read by Cedar: {said}")
        found = tuple(sorted(environments_of(json.loads(done.stdout)), key=str))
        if not found:
            raise NoAnswerError(
                f"{self._schema} allows no request at all, so nothing can be proved"
            )
        return found


def environments_of(schema: dict[str, Any]) -> Iterator[Environment]:
    """The environments that a schema in Cedar's JSON form allows."""
    for namespace, content in schema.items():
        prefix = f"{namespace}::" if namespace else ""
        for action, body in content.get("actions", {}).items():
            applies = body.get("appliesTo") or {}
            for principal in applies.get("principalTypes", ()):
                for resource in applies.get("resourceTypes", ()):
                    yield Environment(
                        prefix + principal,
                        f"{prefix}Action::{json.dumps(action, ensure_ascii=False)}",
                        prefix + resource,
                    )


@contextmanager
def analysis_of(tools: Tools, schema: Path) -> Iterator[Analysis]:
    """An analysis with a folder of its own for what it writes, removed afterwards."""
    with TemporaryDirectory(prefix="prove-") as folder:
        yield Analysis(tools, schema, Path(folder))
