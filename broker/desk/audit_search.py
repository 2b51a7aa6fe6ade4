"""What an auditor asks of the ledger in a form, checked, asked of the index, and said in words."""

from __future__ import annotations

import datetime
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from broker.auditor.asking import Asked, Ledger, answers
from broker.auditor.exports import csv_lines, export_of, fhir_lines, json_lines, stated
from broker.auditor.parquet import write_parquet
from broker.auditor.who_knew import (
    FATE,
    NOTICE,
    REFUSED,
    SETTLED,
    TOLD,
    WAITS,
    WITHDRAWN,
    Knew,
    Question,
)
from broker.desk.review_words import name_of, reason_codes, reason_words, recipient_words
from broker.desk.running import RunningDesk

ON_A_PAGE = 25
MOST_EXPORTED = 50_000
"""More is exported by `broker audit`, which does not hold it in memory."""
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/~-]{0,199}")
FIELDS = {
    "event": "event_id",
    "part": "part_id",
    "recipient": "recipient",
    "agreement": "agreement",
    "subject": None,
    "all": None,
}
"""What can be asked about -> field of the question."""
WHAT_WORDS = {
    "event": "Event id",
    "part": "Part id",
    "subject": "Token of a child, place or group",
    "recipient": "Recipient (organisation, or organisation:role)",
    "agreement": "Agreement (or agreement/clause)",
    "all": "Every decision",
}
OUTCOMES = {"": "Any", "PERMIT": "Told", "DENY": "Not told", "REVIEW": "Waits for a person"}
COLOURS = {
    TOLD: "green",
    WITHDRAWN: "orange",
    FATE: "turquoise",
    NOTICE: "orange",
    WAITS: "yellow",
    SETTLED: "grey",
    REFUSED: "grey",
}
FORMS: Mapping[str, tuple[str, str]] = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "json": ("application/x-ndjson", "jsonl"),
    "fhir": ("application/fhir+ndjson", "fhir.ndjson"),
    "parquet": ("application/vnd.apache.parquet", "parquet"),
}


class Search(msgspec.Struct, frozen=True):
    """A search as the form has it."""

    what: str = ""
    value: str = ""
    since: str = ""
    until: str = ""
    outcome: str = ""
    after: str = ""

    def query(self, **changes: str) -> str:
        """It as the query of an address; ids and days only."""
        plain = msgspec.to_builtins(self) | changes
        return urlencode({name: value for name, value in plain.items() if value})


class Found(msgspec.Struct, frozen=True):
    """A page of answers."""

    knew: tuple[Knew, ...]
    assurance: str
    after: str | None
    notes: tuple[str, ...]


def search_of(given: Mapping[str, Any]) -> Search:
    """The search that an address states."""
    return Search(**{name: str(given.get(name, "")).strip() for name in Search.__struct_fields__})


def wrong_with(search: Search) -> dict[str, str]:
    """Field -> what to put right."""
    wrong = {}
    if search.what not in FIELDS:
        wrong["what"] = "Choose what you ask about"
    elif search.what != "all" and not ID.fullmatch(search.value):
        wrong["value"] = (
            "Enter an id in full, as the ledger has it: letters, digits and . _ : / ~ -"
        )
    for name, text in (("since", search.since), ("until", search.until)):
        if text and _day(text) is None:
            wrong[name] = "Enter a day as 2026-11-24"
    since, until = _day(search.since), _day(search.until)
    if since and until and until < since:
        wrong["until"] = "The last day must not be before the first"
    if search.outcome not in OUTCOMES:
        wrong["outcome"] = "Choose one of the outcomes"
    return wrong


def find(desk: RunningDesk, search: Search, limit: int | None = ON_A_PAGE) -> Found:
    """Asks the index. Raises AskedError, KeysError; call it in a thread."""
    asked, ledger = _asked(desk, search, limit), _ledger(desk, search)
    with answers(asked, ledger) as answered:
        knew = tuple(answered.found)
        notes = _notes(answered.tokens)
        return Found(knew, answered.assurance, answered.after, notes)


def export(desk: RunningDesk, search: Search, form: str) -> bytes:
    """The answer as a file that says of which ledger and question it is. Call it in a thread."""
    asked, ledger = _asked(desk, search, MOST_EXPORTED), _ledger(desk, search)
    with answers(asked, ledger) as answered:
        question = stated(
            asked.question, subject=asked.subject, limit=MOST_EXPORTED, after=asked.after
        )
        said = export_of(answered.reached, question, verified=True)
        if form == "parquet":
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "answer.parquet"
                write_parquet(path, answered.found, said)
                return path.read_bytes()
        lines: dict[str, Callable[..., Any]] = {
            "csv": csv_lines,
            "json": json_lines,
            "fhir": fhir_lines,
        }
        return "".join(lines[form](answered.found, said)).encode()


def shown(desk: RunningDesk, one: Knew) -> dict[str, Any]:
    """One decision in words: ids, codes and times, which is all that leaves hold."""
    return {
        "at": one.decided_at,
        "who": recipient_words(desk, one.recipient),
        "recipient": one.recipient,
        "standing": one.standing,
        "colour": COLOURS[one.standing],
        "only_existence": one.mode == "EXISTENCE",
        "publisher": name_of(desk, one.publisher),
        "event_id": one.event_id,
        "part_id": one.part_id,
        "round": one.round,
        "nexus": [each.replace("_", " ") for each in one.capacity],
        "why": [_because(desk, each) for each in dict.fromkeys((*one.clauses, *one.reasons))],
        "released": [each.replace("_", " ") for each in one.released],
        "withheld": _withheld(desk, one),
        "obligations": [reason_words(desk, each)[0] for each in one.obligations],
        "weight": one.weight.band,
        "due": one.due,
        "acknowledged_at": one.acknowledged_at,
        "answers": [
            (each.kind.replace("_", " "), name_of(desk, each.organisation), each.at, each.plan)
            for each in one.answers
        ],
        "withdrawn": one.withdrawn,
        "place": f"{one.log}, entry {one.entry}",
        "bundle": one.policy_bundle[:12],
    }


def _because(desk: RunningDesk, code: str) -> tuple[str, str]:
    """(code, in words); a clause or an act stands for itself."""
    known = code in reason_codes(desk.settings.codesets_dir)
    return code, reason_words(desk, code)[0] if known else ""


def _withheld(desk: RunningDesk, one: Knew) -> list[tuple[str, str]]:
    together: defaultdict[str, list[str]] = defaultdict(list)
    for field, reason in one.withheld:
        together[reason].append(field.replace("_", " "))
    if not one.released and len(together) == 1:
        return [("every field", reason_words(desk, reason)[0]) for reason in together]
    return [
        (", ".join(fields), reason_words(desk, reason)[0]) for reason, fields in together.items()
    ]


def _asked(desk: RunningDesk, search: Search, limit: int | None) -> Asked:
    since, until = _day(search.since), _day(search.until)
    question = Question(
        since=since,
        until=until + datetime.timedelta(days=1) if until else None,
        outcome=search.outcome or None,
    )
    after = search.after or None
    if search.what == "subject":
        return Asked(question, search.value, desk.settings.keys_dir, limit, after)
    field = FIELDS[search.what]
    if field is not None:
        question = msgspec.structs.replace(question, **{field: search.value})
    return Asked(question, limit=limit, after=after)


def _ledger(desk: RunningDesk, search: Search) -> Ledger:
    key = desk.settings.keys_dir / "broker" / "rows.key"
    tags = key if search.what == "subject" and key.is_file() else None
    return Ledger(desk.settings.ledger_dir, rows_key=tags)


def _notes(tokens: Any) -> tuple[str, ...]:
    if tokens is None:
        return ()
    said = [f"The key of {name} was destroyed on {at:%d %B %Y}." for name, at in tokens.erased]
    said += [f"There is no key of {name} here, so nothing can be found." for name in tokens.unknown]
    return tuple(said)


def _day(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.combine(
            datetime.date.fromisoformat(text), datetime.time(), datetime.UTC
        )
    except ValueError:
        return None
