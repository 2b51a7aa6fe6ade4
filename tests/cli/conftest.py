"""The command line, run in this process."""

from __future__ import annotations

import io
import sys

import pytest

from broker.cli import run
from tests.cli.said import Command, Said


@pytest.fixture
def broker(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `broker` with arguments; `given` is its standard input."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("BROKER_KAFKA_BOOTSTRAP", raising=False)

    def call(*arguments: object, given: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call
