"""`broker decide`: every line is accounted for, every candidate has its reasons, and nothing leaks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.examples import KINDS, example, to_line
from broker.ledger import read_entries
from broker.model.fields import EQUALITY_FIELDS
from broker.model.types import ConcernEvent
from broker.reference import load_reason_codes
from broker.shell.settings import Settings
from tests.cli.said import Command, Said
from tests.oracle import expected_alerts

EVENTS = tuple(kind for kind in KINDS if kind != "action")
SLICES = sorted(Path("tests/data/police_uk").glob("*.csv"))
CANDIDATE_KEYS = {
    *("line", "event_id", "part", "recipient", "organisation", "name", "role", "capacity"),
    *("outcome", "mode", "released", "withheld", "reasons", "obligations", "weight"),
}
Row = dict[str, Any]


def lines_of(*kinds: str) -> bytes:
    """Examples, one a line."""
    return "".join(to_line(example(kind)) + "\n" for kind in kinds).encode()


def decided(broker: Command, given: bytes, *options: str) -> list[Row]:
    """The objects that `decide --json` prints for standard input."""
    said: Said = broker("decide", "-", "--json", *options, given=given)
    assert said.code == 0, said.err
    return said.rows


def closings(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if "closing" in row]


def candidates(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if "outcome" in row]


def test_each_part_is_closed_with_the_counts_of_its_candidates(broker: Command) -> None:
    """One object a candidate with fixed keys, then one that closes the part and counts them."""
    rows = decided(broker, lines_of(*EVENTS))
    outcomes: dict[tuple[str, str], Counter[str]] = {}
    for row in candidates(rows):
        assert row.keys() == CANDIDATE_KEYS
        outcomes.setdefault((row["event_id"], row["part"]), Counter())[row["outcome"]] += 1

    # The peer link is about two children; a retraction has no part of its own.
    assert len(closings(rows)) == len(EVENTS)
    for row in closings(rows):
        counted = outcomes[row["event_id"], row["part"]]
        assert row["candidates"] == counted.total() > 0
        assert [row["permit"], row["deny"], row["review"]] == [
            counted[name] for name in ("PERMIT", "DENY", "REVIEW")
        ]
        assert "unsigned" in row["flags"]


def test_the_warning_reaches_those_whom_the_first_scenario_names(broker: Command) -> None:
    """Home, place of harm, their force, and the school; the neighbours are on record as not told."""
    rows = candidates(decided(broker, lines_of("concern")))
    told = {row["recipient"] for row in rows if row["outcome"] == "PERMIT"}
    school = next(row for row in rows if row["role"] == "school")

    assert told == {"E08000031:csc", "E08000028:mash", "E23000014:police", "SCH-WV-001:school"}
    assert {"E08000030", "E08000027", "E10000028"} <= {
        row["organisation"] for row in rows if row["reasons"] == ["no_nexus"]
    }
    assert "safety_plan" in school["released"]
    assert not {"text", "harms", "when", "place"} & school["released"].keys()


def test_decide_tells_what_the_running_broker_delivers(broker: Command) -> None:
    """The same recipients as the oracle that the kill tests count against."""
    for kind in ("concern", "incident", "placement_out_of_area"):
        event = example(kind)
        assert isinstance(event, ConcernEvent)
        rows = candidates(decided(broker, lines_of(kind)))
        told = {row["recipient"] for row in rows if row["outcome"] == "PERMIT"}

        assert {recipient for _, recipient in expected_alerts(event)} <= told


def test_every_reason_that_is_printed_can_be_looked_up(broker: Command) -> None:
    """Withheld fields carry codes of the reason code set, and a released field is never withheld."""
    known = load_reason_codes(Settings().codesets_dir)
    for row in candidates(decided(broker, lines_of(*EVENTS))):
        assert {one["reason"] for one in row["withheld"]} <= known.keys()
        assert not row["released"].keys() & {one["field"] for one in row["withheld"]}
        assert row["reasons"]
        if row["outcome"] != "PERMIT":
            assert row["released"] == {}


def test_who_said_it_and_what_is_for_equality_audit_is_released_to_nobody(broker: Command) -> None:
    """Over all examples: no name of a source, no contact, no ethnicity, no sex."""
    said = decided(broker, lines_of(*EVENTS))
    released = [json.dumps(row["released"]) for row in candidates(said)]

    assert not [one for one in released if "Pat Example" in one or "07700" in one]
    assert not [row for row in candidates(said) if row["released"].keys() & {*EQUALITY_FIELDS}]


def test_nothing_beside_released_fields_says_who_the_child_is(broker: Command) -> None:
    """Ids, reasons and counts alone identify nobody; the same file gives the same answer each time."""
    rows = decided(broker, lines_of("concern"))
    bare = json.dumps([{**row, "released": {}} for row in rows])
    event = example("concern")
    assert isinstance(event, ConcernEvent)
    (subject,) = event.subjects
    personal = (subject.given_name, subject.family_name, subject.address, "9434765919", "943 476")

    assert not [word for word in personal if word and word in bare]
    assert rows == decided(broker, lines_of("concern"))
    assert rows[0]["part"] == subject.subject_ref


def test_a_bad_line_is_rejected_by_its_number_and_the_rest_goes_on(broker: Command) -> None:
    """Each kind of damage has a reason and words; blank lines are passed over."""
    naive = to_line(example("concern")).replace("18:05:00Z", "18:05:00")
    damaged = (
        (b"not json", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"\xff\xfe", "not JSON"),
        (b'{"event_id": "x"}', "ConcernEvent is not valid"),
        (b"[" * 5000, "not JSON"),
        (b'{"received_at": "soon"}', "received_at"),
        (b'{"received_at": "2026-11-20T09:00:00"}', "no time zone"),
        (naive.encode(), "no time zone"),
        (lines_of("concern").replace(b"2026-11-19T18", b"0026-11-19T18").strip(), "year 26"),
        (lines_of("concern").replace(b'"version":1', b'"version":%d' % 2**70).strip(), "int"),
    )
    given = b"\r\n".join([b"", *(line for line, _ in damaged), lines_of("incident")])
    rows = decided(broker, given)

    for number, ((_, words), row) in enumerate(zip(damaged, rows, strict=False), start=2):
        assert (row["rejected"], row["line"]) == ("not_valid", number)
        assert words in row["explanation"]
    assert [row["line"] for row in closings(rows)] == [len(damaged) + 2]


def test_what_the_flow_refuses_is_named_like_what_cannot_be_read(broker: Command) -> None:
    """An unknown publisher, an unknown area, a report from the future, and an id used twice."""
    line = lines_of("concern")
    given = b"".join(
        (
            line.replace(b"ADV-WM-001", b"NOBODY-1"),
            line.replace(b"E08000028", b"E08999999"),
            line.replace(b'"reported_at":"2026-11-19T18', b'"reported_at":"2026-12-19T18'),
            line,
            line.replace(b"same_day", b"immediate"),
            line,
        )
    )
    rows = decided(broker, given, "--now", "2026-11-20T09:00:00+00:00")
    by_line = {row["line"]: row for row in rows if "outcome" not in row}

    assert [by_line[number].get("rejected") for number in (1, 2, 3, 5)] == [
        *("unknown_publisher", "invalid_gss_code", "from_the_future", "id_reused")
    ]
    assert by_line[4]["closing"]
    assert by_line[6]["duplicate"]


@given(
    chosen=st.lists(st.sampled_from([*EVENTS, "action", "noise", "blank"]), min_size=1, max_size=8),
    ending=st.sampled_from([b"\n", b"\r\n"]),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_line_is_accounted_for_exactly_once(
    broker: Command, chosen: Sequence[str], ending: bytes
) -> None:
    """Whatever the file holds: closed, recorded, duplicate or rejected, and never two of them."""
    texts = {"noise": b"{", "blank": b"  "}
    lines = [texts.get(kind) or lines_of(kind).strip() for kind in chosen]
    rows = decided(broker, ending.join(lines))
    kinds: dict[int, set[str]] = {}
    for row in rows:
        if "outcome" not in row and "round" not in row:
            what = next(
                one for one in ("closing", "recorded", "duplicate", "rejected") if one in row
            )
            kinds.setdefault(row["line"], set()).add(what)

    expected = {number for number, kind in enumerate(chosen, start=1) if kind != "blank"}
    assert kinds.keys() == expected
    seen: set[str] = set()
    for number, kind in enumerate(chosen, start=1):
        if kind != "blank":
            first = "recorded" if kind in {"action", "retraction"} else "closing"
            new = "rejected" if kind == "noise" else "duplicate" if kind in seen else first
            assert kinds[number] == {new}
            seen.add(kind)


def test_a_line_is_decided_at_its_own_time_or_at_now(broker: Command) -> None:
    """`received_at` beside the fields, else the report's own time; `--now` overrides both."""
    plain = json.loads(to_line(example("concern")))
    plain["received_at"] = "2026-11-22T08:00:00Z"
    timed = json.dumps(plain).encode()

    def decided_at(given: bytes, *options: str) -> str:
        return str(closings(decided(broker, given, *options))[0]["decided_at"])

    assert decided_at(lines_of("concern")) == "2026-11-19T18:05:00Z"
    assert decided_at(timed) == "2026-11-22T08:00:00Z"
    assert decided_at(timed, "--now", "2026-11-23T10:00:00Z") == "2026-11-23T10:00:00Z"


def test_strict_says_by_the_exit_code_that_a_line_was_rejected(broker: Command) -> None:
    """0 without --strict, 1 with it, 0 again if all is well."""
    assert broker("decide", "-", given=b"{").code == 0
    assert broker("decide", "-", "--strict", given=b"{").code == 1
    assert broker("decide", "-", "--strict", given=lines_of("concern")).code == 0


def test_the_readable_form_names_everyone_and_explains_the_codes(broker: Command) -> None:
    """For people: outcome, organisation, fields, reasons, weight, and what the codes mean."""
    said = broker("decide", "-", given=lines_of("concern", "action", "concern") + b"{\n").out

    for words in (
        *("PERMIT CONTENT", "E08000028:mash", "Sandwell", "harm_place", "safety_plan"),
        *("neighbours: no_nexus", "weight 750 of 1000", "Ethnicity and sex are kept"),
        *("consider", "again: counted once", "not JSON"),
    ):
        assert words in said


def test_markup_in_a_statement_is_shown_as_it_is(broker: Command) -> None:
    """Brackets in an organisation's code are not read as the terminal's markup."""
    line = lines_of("concern").replace(
        b'"organisation":"SCH-WV-001"', b'"organisation":"[red]x[/]"'
    )
    said = broker("decide", "-", given=line)

    assert "unknown_organisation" in said.out
    assert "[red]" not in said.out.replace("[red]x[/]", "")


@pytest.mark.parametrize("path", SLICES, ids=lambda path: path.stem)
def test_every_row_of_a_police_file_is_accounted_for(broker: Command, path: Path) -> None:
    """Real rows, as published: each closed or rejected, whether its lines end in LF or CRLF."""
    data = path.read_bytes()
    rows = decided(broker, data, "--from", "police-uk")
    windows = decided(broker, data.replace(b"\n", b"\r\n"), "--from", "police-uk")
    expected = set(range(2, data.count(b"\n") + 1))
    ends = [row for row in rows if "outcome" not in row]

    assert {row["line"] for row in ends} == expected
    assert len(ends) == len(expected)
    assert [row["event_id"] for row in ends] == [
        row["event_id"] for row in windows if "outcome" not in row
    ]


def test_the_publisher_of_a_police_file_can_be_named(broker: Command) -> None:
    """By default the force in it; else whoever the option names; an unknown one rejects every row."""
    data = SLICES[0].read_bytes()
    own = candidates(decided(broker, data, "--from", "police-uk"))
    named = decided(broker, data, "--from", "police-uk", "--publisher", "NOBODY-1")
    unnamed = broker(
        *("decide", "-", "--from", "police-uk", "--json"),
        given=data.replace(b"Staffordshire Police", b"Nowhere Constabulary"),
    )

    assert {row["organisation"] for row in own if "originator" in row["capacity"]} == {"E23000015"}
    assert {row["rejected"] for row in named} == {"unknown_publisher"}
    assert unnamed.code == 1
    assert "--publisher" in unnamed.err


def test_another_map_of_areas_can_be_given(broker: Command, tmp_path: Path) -> None:
    """With a map that knows none of the LSOAs no area is concerned; a file that is no map is named."""
    empty = tmp_path / "map.csv"
    empty.write_text("lsoa_code,gss_code\nE01000001,E09000001\n", encoding="utf-8")
    data = SLICES[0].read_bytes()
    rows = decided(broker, data, "--from", "police-uk", "--lsoa-map", str(empty))
    wrong = broker("decide", "-", "--from", "police-uk", "--lsoa-map", SLICES[0], given=data)

    concerned = [row for row in candidates(rows) if "harm_place" in row["capacity"]]
    assert {row["organisation"] for row in concerned} == {"BTP"}  # a station is theirs anywhere
    assert wrong.code == 1
    assert "lsoa_code" in wrong.err


def test_a_file_that_is_no_police_file_is_refused_as_a_whole(broker: Command) -> None:
    """The first line must name the columns."""
    said = broker("decide", "-", "--from", "police-uk", given=lines_of("concern"))

    assert said.code == 1
    assert "Crime ID" in said.err


def test_a_ledger_is_written_that_the_auditor_verifies(broker: Command, tmp_path: Path) -> None:
    """Everything decided is in it; a second run into the same folder is refused and changes nothing."""
    folder = tmp_path / "rehearsal"
    given = lines_of(*EVENTS, "action", "concern")
    said = broker("decide", "-", "--json", "--ledger", folder, given=given)
    closed = len(closings(said.rows))
    verified = broker("audit", "verify", folder, "--json", "--key", folder / "s0" / "log.vkey")
    (report,) = verified.rows
    again = broker("decide", "-", "--ledger", folder, given=lines_of("concern"))

    assert (said.code, verified.code) == (0, 0), verified.out
    assert (report["accepted"], report["duplicates"], report["open_parts"]) == (len(EVENTS), 1, 0)
    assert report["entries"] > len(candidates(said.rows)) + closed
    assert again.code == 1
    assert "already holds a ledger" in again.err
    assert broker("audit", "verify", folder, "--json").rows[0]["root"] == report["root"]


def test_the_auditor_names_the_first_bad_entry(broker: Command, tmp_path: Path) -> None:
    """One changed byte of one bundle: exit code 1, and the file is named."""
    folder = tmp_path / "rehearsal"
    broker("decide", "-", "--json", "--ledger", folder, given=lines_of("concern"))
    (bundle,) = [path for path in (folder / "s0" / "tile" / "entries").rglob("*") if path.is_file()]
    bundle.write_bytes(bundle.read_bytes().replace(b"PERMIT", b"REVIEW", 1))
    said = broker("audit", "verify", folder)

    assert said.code == 1
    assert "NOT verified" in said.out


def test_keys_that_lie_in_the_folder_are_used(broker: Command, tmp_path: Path) -> None:
    """Two rehearsals with one set of keys know a child by the same token, so parts keep their ids."""
    first, second = tmp_path / "first", tmp_path / "second"
    third = tmp_path / "third"
    broker("decide", "-", "--json", "--ledger", first, given=lines_of("concern"))
    second.mkdir()
    (first / "keys").rename(second / "keys")
    broker("decide", "-", "--json", "--ledger", second, given=lines_of("concern"))
    broker("decide", "-", "--json", "--ledger", third, given=lines_of("concern"))
    parts = [json.loads(read_entries(one / "s0", 0)[0])["parts"] for one in (first, second, third)]

    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["decide", "no-such-file.jsonl"], 1, "no-such-file.jsonl cannot be read"),
        (["decide", "tests"], 1, "tests cannot be read"),
        (["decide", "-", "--now", "soon"], 2, "time zone"),
        (["decide", "-", "--now", "2026-11-20T09:00:00"], 2, "time zone"),
        (["decide", "-", "--from", "carrier-pigeon"], 2, "carrier-pigeon"),
        (["decide"], 2, "FILE"),
        (["publish", "-"], 1, "BROKER_KAFKA_BOOTSTRAP"),
        (["subscribe", "E08000028"], 1, "BROKER_KAFKA_BOOTSTRAP"),
        (["audit", "verify", "no-such-folder"], 1, "no-such-folder"),
        (["gossip"], 2, "gossip"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    broker: Command, arguments: list[str], code: int, words: str
) -> None:
    """1 with one line on standard error, 2 for usage; never a traceback."""
    said = broker(*arguments)

    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err
    if code == 1:
        assert said.err.count("\n") == 1


def test_a_setting_that_is_wrong_is_named(broker: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment variable that holds it."""
    monkeypatch.setenv("BROKER_BATCH_SIZE", "many")
    said = broker("decide", "-", given=lines_of("concern"))

    assert said.code == 1
    assert "BROKER_BATCH_SIZE" in said.err


@pytest.mark.parametrize(
    "command",
    [
        *("up", "publish", "subscribe", "decide", "example"),
        *("schema show", "schema list", "audit verify", "bench flow"),
    ],
)
def test_every_command_has_help_with_examples(broker: Command, command: str) -> None:
    """Whoever asks for help sees what to type."""
    said = broker(*command.split(), "--help")

    assert said.code == 0
    assert "Examples" in said.out
    assert f"broker {command}" in said.out.split("Examples")[1]


def test_the_help_of_up_lists_every_setting(broker: Command) -> None:
    """The README sends operators there."""
    said = broker("up", "--help").out

    assert not [name for name in Settings.model_fields if f"BROKER_{name.upper()}" not in said]


def test_the_benchmark_reports_each_step(broker: Command) -> None:
    """Of eight candidates and of ten, four alerts each; how fast is not asserted."""
    (figures,) = broker("bench", "flow", "--events", "3", "--json").rows

    assert figures["events"] == 3
    shapes = (figures["at_eight"], figures["at_ten"])
    assert [one["candidates_per_event"] for one in shapes] == [8, 10]
    assert [one["sealed_per_event"] for one in shapes] == [4, 4]
    assert {"link", "weigh", "locate"} <= figures["share_of_step"].keys()
