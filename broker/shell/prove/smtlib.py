"""A cvc5 that reads SMT-LIB from standard input, made of the `cvc5` Python package, which brings none.

    python -I -S smtlib.py FOLDER [--lang smt] [--tlimit=MILLISECONDS]

FOLDER is where the package lies. Cedar's analysis starts it as it would start the cvc5 program and
speaks to it through pipes: it sends declarations and assertions, then waits for the answer to
`check-sat` or `get-model`. Needs nothing of this project; it is run as a file of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

ANSWERED = frozenset({"(check-sat)", "(get-model)", "(reset)", "(exit)"})
"""Commands after which the other side waits or goes: what came before is passed on with them."""
DEFAULT_LIMIT_MS = "60000"


class Session:
    """One solver, and the parser that feeds it."""

    def __init__(self, cvc5: Any, limit_ms: str) -> None:
        self._cvc5 = cvc5
        self._limit_ms = limit_ms
        self._begin()

    def _begin(self) -> None:
        cvc5 = self._cvc5
        terms = cvc5.TermManager()
        self._solver = cvc5.Solver(terms)
        # Beyond the limit check-sat answers `unknown`, which Cedar reports as a failure.
        self._solver.setOption("tlimit-per", self._limit_ms)
        self._symbols = cvc5.SymbolManager(terms)
        self._parser = cvc5.InputParser(self._solver, self._symbols)
        self._parser.setIncrementalStringInput(cvc5.InputLanguage.SMT_LIB_2_6, "stdin")

    def run(self, text: str) -> Iterable[str]:
        """What the commands in `text` answer, one after the other."""
        self._parser.appendIncrementalStringInput(text)
        while True:
            command = self._parser.nextCommand()
            if command.isNull():
                return
            answer = str(command.invoke(self._solver, self._symbols))
            if answer:
                yield answer

    def reset(self) -> None:
        """As new: nothing declared, nothing asserted."""
        self._begin()


def serve(lines: Iterable[str], session: Session) -> None:
    """Answer until `(exit)` or the end of the input."""
    waiting: list[str] = []
    for line in lines:
        command = line.strip()
        if command == "(exit)":
            return
        if command == "(reset)":
            waiting.clear()
            session.reset()
            continue
        waiting.append(line)
        if command in ANSWERED:
            for answer in session.run("".join(waiting)):
                sys.stdout.write(answer)
            waiting.clear()
            sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Exit code 0; 1 with an SMT-LIB error where the input cannot be read."""
    folder, *options = arguments
    sys.path.insert(0, folder)
    import cvc5  # noqa: PLC0415 -- it lies in the folder that was just named

    limits = [one.split("=")[1] for one in options if one.startswith("--tlimit=")]
    try:
        serve(sys.stdin, Session(cvc5, limits[0] if limits else DEFAULT_LIMIT_MS))
    except RuntimeError as error:
        said = str(error).replace('"', "'").replace("\n", " ")
        sys.stdout.write(f'(error "{said}")\n')
        sys.stdout.flush()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
