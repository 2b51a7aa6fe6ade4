"""What the product is made of is written down, pinned, and allowed; and the check of that can fail."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "audit"


def loaded() -> Any:
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("audit_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader("audit_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


audit = loaded()
POLICY = YAML(typ="safe").load((ROOT / "deploy" / "licences.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Today's bill of materials."""
    found: dict[str, Any] = audit.sbom()
    return found


class OneHole(BaseHTTPRequestHandler):
    """A vulnerability service that knows one hole, in aiokafka."""

    def do_POST(self) -> None:
        """Answers as the OSV API does."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        holes = []
        if asked["package"]["name"] == "aiokafka":
            holes = [
                {
                    "id": "PYSEC-0000-1",
                    "summary": "invented for a test",
                    "affected": [
                        {
                            "package": {"name": "aiokafka", "ecosystem": "PyPI"},
                            "ranges": [
                                {
                                    "type": "ECOSYSTEM",
                                    "events": [{"introduced": "0"}, {"fixed": "99.0"}],
                                }
                            ],
                        }
                    ],
                }
            ]
        body = json.dumps({"vulns": holes} if holes else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    """The address of that service."""
    server = HTTPServer(("127.0.0.1", 0), OneHole)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def test_the_bill_names_what_runs_and_what_only_tests(document: dict[str, Any]) -> None:
    """Packages of the lock and Kafka's jars are in it, development tools marked as not shipped."""
    scopes = {one["name"]: one.get("scope") for one in document["components"]}

    assert scopes["aiokafka"] == scopes["kafka-clients"] == audit.SHIPPED
    assert scopes["pytest"] == scopes["hypothesis"] == audit.TOOLS


def test_every_jar_is_in_the_bill_with_its_hash(document: dict[str, Any]) -> None:
    """As many jars as the lock has, each with SHA-256 and a licence."""
    jars = [one for one in document["components"] if one["purl"].startswith("pkg:maven/")]

    assert len(jars) == (ROOT / "deploy" / "kafka-jars.lock").read_text().count("[[jar]]")
    assert all(one["hashes"][0]["alg"] == "SHA-256" and one["licenses"] for one in jars)


def test_the_bill_is_valid_cyclonedx(document: dict[str, Any]) -> None:
    """By the published schema; some components of each kind stand for all, since checking is slow."""
    some = document | {"components": [*document["components"][:4], document["components"][-1]]}
    some["dependencies"] = []

    assert audit.invalid(some) == []
    assert audit.invalid(some | {"bomFormat": "another"})


def test_everything_shipped_is_allowed_and_everything_locked_is_pinned(
    document: dict[str, Any],
) -> None:
    """No licence outside deploy/licences.yaml, no stale exception, no requirement without a hash."""
    assert audit.licence_faults(document, POLICY) == []
    assert audit.unpinned() == []


def test_a_licence_that_is_not_allowed_is_named(document: dict[str, Any]) -> None:
    """Whatever leaves the list of allowed licences is a fault, and so is an exception without need."""
    fewer = POLICY | {"allowed": [one for one in POLICY["allowed"] if one != "ISC"]}
    more = POLICY | {"exceptions": POLICY["exceptions"] | {"nothing-here": "?"}}

    assert any("ISC" in one for one in audit.licence_faults(document, fewer))
    assert any("nothing-here" in one for one in audit.licence_faults(document, more))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("All rights reserved", False),
    ],
)
def test_an_alternative_is_enough_and_a_conjunction_is_not(expression: str, holds: bool) -> None:
    """One allowed alternative allows; everything that holds together must be allowed."""
    assert audit._allowed(expression, {"MIT"}) is holds


def test_a_requirement_without_a_hash_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that anybody could swap is found."""
    lock = tmp_path / "planted.lock"
    lock.write_text("sound==1 \\\n    --hash=sha256:00\nloose==2\n")
    monkeypatch.setattr(audit, "LOCKS", [lock])

    assert audit.unpinned() == ["planted.lock: loose==2"]


def test_a_known_hole_is_found(service: str) -> None:
    """A package that the vulnerability service names fails the audit, with the version that mends it."""
    found, unasked = audit.vulnerabilities(service)

    assert unasked is None
    assert [one.split(":")[0] for one in found] == ["aiokafka 0.14.0"]
    assert "99.0" in found[0]


def test_what_could_not_be_asked_is_no_pass(
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a service the audit fails and says that it was not checked."""
    monkeypatch.setattr(audit, "sbom", lambda: document | {"components": [], "dependencies": []})
    monkeypatch.setattr(audit, "licence_faults", lambda *_: [])
    nobody = ["--osv-url", "http://127.0.0.1:9/v1/query", "--out", str(tmp_path)]

    assert audit.main(nobody) == 1
    assert "NOT CHECKED" in capsys.readouterr().out
    assert audit.main(["--offline", "--out", str(tmp_path)]) == 0
