"""The HTTP door keeps to its own description, whatever it is sent: Schemathesis makes the requests."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.desk.conftest import OpenDesk
from tests.desk.test_api import ADVOCATE, token
from tests.simulation.harness import Broker

EXAMPLES = 8
"""Requests of each operation."""


def test_no_request_gets_an_answer_that_is_not_described(running: Broker, desks: OpenDesk) -> None:
    """Status, content type and shape are those of the description; nothing ends in a server error."""
    address = desks(ADVOCATE, requests_a_minute=1_000_000)
    header = token(running, ADVOCATE, "publish", "read", "answer", "webhooks")
    described = schemathesis.openapi.from_url(f"{address}/openapi.json")
    # Whose a statement is, and in what year it can have been, no description says: it may be refused.
    seen = []
    for found in described.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        seen.append(operation.label)

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        def holds(case: Any) -> None:
            if isinstance((case.query or {}).get("wait"), int):
                case.query["wait"] = min(case.query["wait"], 0)  # waits for nothing that comes
            case.call_and_validate(headers=header, excluded_checks=[positive_data_acceptance])

        holds()
    assert len(seen) >= 9
