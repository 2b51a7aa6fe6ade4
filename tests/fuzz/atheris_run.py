"""One target under Atheris (libFuzzer): `python -m tests.fuzz.atheris_run TARGET CORPUS -runs=N ...`.

Started by scripts/fuzz, which brings Atheris. Coverage of the broker's own code guides what is tried next.
A crash, a hang of five seconds or more than two gigabytes end it with the input written down.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["broker"], enable_loader_override=False):
    from tests.fuzz.targets import run, targets


def main(arguments: list[str]) -> None:
    """Fills the corpus with the target's seeds and runs."""
    name, corpus, *options = arguments
    target = targets()[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *options], lambda data: run(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
