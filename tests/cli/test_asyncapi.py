"""The description of the Kafka side is the one that the files give, and AsyncAPI's own parser takes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from broker.commands.asyncapi import described, text
from broker.shell.topics import load_topics
from tests.node import packages

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(__file__).parent / "asyncapi"
DOCUMENT = ROOT / "docs/asyncapi.json"


def test_the_document_is_what_topics_and_schemas_say_today() -> None:
    """Whoever changes either runs `broker schema asyncapi > docs/asyncapi.json`."""
    assert DOCUMENT.read_text(encoding="utf-8") == text() + "\n"


def test_every_topic_of_an_organisation_is_in_it_and_no_other() -> None:
    """With who may send and receive; the broker's own topics are nobody else's business."""
    channels = described()["channels"]
    own = {one.name for one in load_topics().topics if one.per_organisation}
    assert own <= {one["address"] for one in channels.values()}
    assert {"parts", "decisions", "progress"}.isdisjoint(channels)


def test_asyncapis_own_parser_takes_it_and_finds_a_planted_fault(tmp_path: Path) -> None:
    """Avro payloads too; a reference that leads nowhere is found."""
    folder = packages(TOOL)
    whole = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    del whole["components"]["messages"]["Alert"]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(whole), encoding="utf-8")
    said = {path: checked(folder, path) for path in (DOCUMENT, broken)}
    assert said[DOCUMENT] == (0, "")
    assert said[broken][0] == 1


def checked(folder: Path, document: Path) -> tuple[int, str]:
    """Exit code and findings of the parser."""
    done = subprocess.run(
        ["node", str(TOOL / "check.mjs"), str(folder), str(document)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout
