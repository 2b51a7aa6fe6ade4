"""A refused part of a request: its publisher's receipt is committed to, and nobody else can have one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.auditor import verify_ledger
from broker.examples import example
from broker.ledger import RecordSet
from broker.model.canonical import canonical_json
from broker.model.codec import decode
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.types import ConcernEvent, IntakeOutcome, ReceiptContent, SetKind
from broker.model.values import SourcePosition
from broker.offline import Outcome
from tests.auditor.ledgers import changed, write_ledger
from tests.oracle import SECRET, offline_flow


def refused() -> Outcome:
    """The bundled request without the reason why the child is asked about."""
    asked = example("information_request")
    assert isinstance(asked, ConcernEvent)
    (child,) = asked.subjects
    child = msgspec.structs.replace(child, necessity="  ")
    asked = msgspec.structs.replace(asked, subjects=(child,))
    source = SourcePosition(f"concerns.v1.{asked.publisher}", 0, 0)
    return offline_flow().submit(asked, asked.reported_at, source)


def test_the_requester_is_told_why_and_how_to_ask_again(tmp_path: Path) -> None:
    """One receipt, refused, with the reason in words; the ledger that holds it verifies."""
    sets = refused().sets
    (decided,) = [one for one in sets if one.kind is SetKind.DECISION]
    (delivery,) = decided.deliveries
    bound = sealed_for(delivery.recipient, decided.set_id)
    content = decode(unpad(unseal(SECRET, delivery.sealed, bound)), ReceiptContent)

    assert content.outcome is IntakeOutcome.REFUSED
    assert content.reason == "no_necessity"
    assert "child-1: " in (content.explanation or "")
    assert "publish a new request" in (content.explanation or "")
    assert verify_ledger(write_ledger(tmp_path, sets)).ok


@pytest.mark.parametrize(
    "change",
    [
        {"capacity": ["asked"]},
        {"outcome": "REVIEW"},
        {"publisher": "E08000028"},
        {"receipt": "0" * 64},
        {"receipt": None},
    ],
)
def test_a_receipt_that_is_not_the_publishers_own_is_found(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Another's refusal, another outcome, a receipt that was never written or never committed to."""

    def forged(one: RecordSet) -> RecordSet:
        leaves = [json.loads(leaf) for leaf in one.leaves]
        if not any(leaf.get("receipt") and leaf["kind"] == "decision" for leaf in leaves):
            return one
        return changed(
            one,
            [canonical_json(leaf | change if leaf.get("receipt") else leaf) for leaf in leaves],
        )

    report = verify_ledger(write_ledger(tmp_path, refused().sets, forged=forged))

    assert not report.ok
