"""The controller's side of a request for what is held: its queue, its list, and the record of looking."""

from __future__ import annotations

import dataclasses
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console

from broker.auditor import verify_ledger
from broker.auditor.asking import Ledger
from broker.client.access import one_request, requests_in
from broker.client.connection import ClientError
from broker.commands.access_answering import AccessAnswer, access_answer, show
from broker.commands.subject_access import consultation, identifier_of
from broker.model import types as t
from broker.record.subject_access import AccessRequest
from broker.shell.keys import load_agency_keys
from tests.auditor.replayed import acts, scenarios, write
from tests.rounds.story import AT, DESK, WARNING, later
from tests.rounds.test_subject_access import CHILD, NOBODY, WORDS, request

KNOWN, UNKNOWN = "a" * 8, "b" * 8


@dataclasses.dataclass(frozen=True)
class Asked:
    """A ledger in which two people asked, and what the desk's queue holds."""

    ledger: Path
    queue: tuple[AccessRequest, ...]

    def answer(self, action_id: str) -> AccessAnswer:
        """The controller's list for one request."""
        keys = self.ledger / "keys"
        ledger = Ledger(self.ledger, rows_key=keys / "broker" / "rows.key")
        return access_answer(one_request(self.queue, action_id), ledger, keys)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """All scenarios and acts; then a request about a known child and one about a stranger, and a look."""

    def told() -> Iterator[tuple[t.ConcernEvent | t.Action, object]]:
        yield from scenarios()
        yield from acts()
        yield request(CHILD, action_id=KNOWN), later(days=1)
        yield request(NOBODY, action_id=UNKNOWN), later(days=1)
        yield consultation(KNOWN, "desk-1", "request of the mother", AT), later(days=2)

    ledger = write(tmp_path_factory.mktemp("asked") / "ledger", told())  # type: ignore[arg-type]
    with sqlite3.connect(ledger / "s0" / "store.db") as database:
        values = [
            row[0]
            for row in database.execute(
                "SELECT value FROM outbox WHERE topic = ? ORDER BY sequence", (f"alerts.v1.{DESK}",)
            )
        ]
    return Asked(ledger, requests_in(values, load_agency_keys(ledger / "keys", DESK)))


def test_the_ledger_holds_with_requests_and_looks(asked: Asked) -> None:
    """Each request's copy for the desk is committed to and lies in the desk's own log."""
    report = verify_ledger(asked.ledger)

    assert report.ok, report.first_bad


def test_the_queue_holds_every_request_held_or_not(asked: Asked) -> None:
    """What the desk opens, after the proof that it was recorded."""
    assert [one.action_id for one in asked.queue] == [KNOWN, UNKNOWN]
    assert {(one.organisation, one.reason) for one in asked.queue} == {("E08000031", WORDS)}
    for wrong in ("zzz", ""):
        with pytest.raises(ClientError, match="list"):
            one_request(asked.queue, wrong)


def test_the_list_has_every_record_with_who_was_told_and_what_may_be_exempt(asked: Asked) -> None:
    """The warning's part: opened, its exemptions each with provision and why, for a person to judge."""
    answer = asked.answer(KNOWN)
    record = next(one for one in answer.records if one.event_id == WARNING.event_id)
    exempt = {one.name: one for one in record.exempt}

    assert record.opened
    assert {one.recipient for one in record.told} >= {"E08000031:csc", "E08000028:mash"}
    assert record.not_told > 3
    assert {"rights of others", "crime and taxation"} <= exempt.keys()
    assert "Schedule 2, paragraph 16" in exempt["rights of others"].provision
    assert all(one.provision and one.why for one in record.exempt)
    assert {"given_name", "summary", "harms"} <= set(record.holds)


def test_no_third_party_and_no_word_of_a_statement_is_in_the_list(asked: Asked) -> None:
    """Not the source, not another child, not what was said: these are read where they lie."""
    out = io.StringIO()
    show(Console(file=out, width=200), asked.answer(KNOWN))
    words = out.getvalue()

    assert f"Event {WARNING.event_id}" in words
    assert "may be exempt: rights of others" in words
    assert "Nothing of this was sent" in words
    source = WARNING.source
    assert source is not None
    hidden = [WARNING.summary, *(one.text for one in WARNING.audience_texts)]
    hidden += [value for value in (source.name, source.contact) if value]
    assert any(hidden)
    for one in hidden:
        if one:
            assert one not in words


def test_of_a_stranger_there_is_nothing_and_the_controller_is_told_so(asked: Asked) -> None:
    """An empty list and a sentence; the asker was told what everybody is told."""
    answer = asked.answer(UNKNOWN)
    out = io.StringIO()
    show(Console(file=out, width=200), answer)

    assert answer.records == ()
    assert "no key here" in out.getvalue()
    assert "0 records" in out.getvalue()


def test_an_identifier_is_written_as_the_help_says() -> None:
    """Scheme and value; a local one names its system."""
    local = identifier_of("local:niche:E23000014=77")

    assert identifier_of("nhs_number=943 476 5919").scheme is t.IdentifierScheme.NHS_NUMBER
    assert (local.system, local.value) == ("niche:E23000014", "77")
    for wrong in ("943", "local=77", "nhs_number=", "name=x", "upn:x=1"):
        with pytest.raises(typer.BadParameter, match="nhs_number"):
            identifier_of(wrong)
