"""One sound ledger for all tests that damage copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.auditor.ledgers import story, write_ledger


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of two shards, with full and partial tiles in auditors' and recipients' logs."""
    directory = tmp_path_factory.mktemp("sound") / "ledger"
    return write_ledger(directory, story(280), shards=2, batch=60)


@pytest.fixture
def ledger(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "ledger"))
