"""Street-level crime files of data.police.uk as place-only incidents.

Every line after the first gives one `ImportedRow`: an event or the reason why there is none, so
the counts add up. The files are public and name nobody; what they say is kept at the precision at
which they say it:

- time: the month, as an interval (UTC). `observed_at` is its first moment, so recency is never
  overstated; `reported_at` its last, since the month's file cannot have been made before.
- place: the LSOA, if the row has one; its authority through the LSOA map. "On or near X" is an
  anonymised map point, kept as description. No LSOA: precision `unknown`, and still a place.
- directness `not_known`: a row does not say who saw what (3x5x2 calls that D). Not `not_stated`,
  which would let a grading letter speak, and there is none. Specificity: when and where are two of
  three, so `partial`; without a place only one, so `general`.
- origin: the Crime ID. Two records with one Crime ID are two events of one origin: counted once.
- "Last outcome category" is left out: it is the state when the file was made, not then.
"""

from __future__ import annotations

import calendar
import csv
import datetime
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from broker.model.canonical import canonical_json
from broker.model.types import (
    Audience,
    AudienceText,
    ConcernEvent,
    Directness,
    EventType,
    Handling,
    HarmKind,
    Place,
    PlaceKind,
    PlacePrecision,
    Provenance,
    Severity,
    Specificity,
    TimeInterval,
)

COLUMNS = ("Crime ID", "Month", "Reported by", "Location", "LSOA code", "Crime type")
"""The columns that are read; others may be there, in any order."""
HARMS: Mapping[str, HarmKind] = {
    "Possession of weapons": HarmKind.WEAPON_CARRYING,
    "Robbery": HarmKind.ROBBERY,
    "Violence and sexual offences": HarmKind.SERIOUS_VIOLENCE,
    "Violent crime": HarmKind.SERIOUS_VIOLENCE,
}
"""Crime types as published, "Violent crime" until 2013; any other is `other`."""
PLACE_KINDS: Mapping[str, PlaceKind] = {
    "Bus/Coach Station": PlaceKind.TRANSPORT,
    "Airport/Airfield": PlaceKind.TRANSPORT,
    "Ferry Terminal": PlaceKind.TRANSPORT,
    "Railway Station": PlaceKind.TRANSPORT,
    "Nightclub": PlaceKind.NIGHT_TIME_ECONOMY,
    "Park/Open Space": PlaceKind.PUBLIC_OPEN_SPACE,
    "Sports/Recreation Area": PlaceKind.PUBLIC_OPEN_SPACE,
    "Petrol Station": PlaceKind.RETAIL,
    "Shopping Area": PlaceKind.RETAIL,
    "Supermarket": PlaceKind.RETAIL,
    "Educational Building": PlaceKind.SCHOOL,
    "Further/Higher Educational Building": PlaceKind.SCHOOL,
}
"""What an anonymised point is called where it is not a street."""
NEAR = "On or near "
NO_LOCATION = "No Location"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://data.police.uk/")
LSOA = re.compile(r"[EW]01[0-9]{6}")
AUTHORITY = re.compile(r"(E06|E08|E09|E10|W06)[0-9]{6}")
"""A file made by others may give the authority where the LSOA is not known."""
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
UNREADABLE = "\N{REPLACEMENT CHARACTER}"


class NotPoliceUkError(ValueError):
    """The first line does not name the columns of a street-level file, so no row can be read."""


class ImportedRow(msgspec.Struct, frozen=True):
    """What became of one line: an event, or a reason code with words."""

    line: int
    """Line number in the file; the first line, with the column names, is 1."""
    event: ConcernEvent | None
    reason: str | None = None
    """Code from `reason_codes.csv`; None with an event."""
    explanation: str = ""


class _Known(msgspec.Struct, frozen=True):
    """What the rows are read with."""

    authorities: Mapping[str, str]
    successors: Mapping[str, str]
    publisher: str


def read_rows(
    lines: Iterable[bytes | str],
    lsoa_map: Mapping[str, str] | None,
    publisher: str,
    successors: Mapping[str, str] | None = None,
) -> Iterator[ImportedRow]:
    """One `ImportedRow` for each line after the first that is not blank, in order.

    `lines` end in LF or CRLF or nothing; a byte order mark is allowed; bytes are UTF-8. `lsoa_map`
    gives the authority of an LSOA, old codes of either kind included; `successors` the code in
    force for an old authority code. The same line always gives the same event with the same id,
    whatever the file is called. Raises NotPoliceUkError.
    """
    known = _Known(lsoa_map or {}, successors or {}, publisher)
    texts = ((number, _text(line)) for number, line in enumerate(lines, start=1))
    filled = ((number, text) for number, text in texts if text.strip())
    columns, width = _columns(next(filled, (1, ""))[1])
    seen: Counter[bytes] = Counter()
    for number, text in filled:
        cells = _cells(text)
        if UNREADABLE in text:
            yield _refused(number, "row_encoding", "not UTF-8 text")
        elif cells is None or len(cells) != width:
            found = "unmatched quotation marks" if cells is None else f"{len(cells)}"
            yield _refused(number, "row_columns", f"expected {width} columns, found {found}")
        else:
            values = {name: cells[index].strip() for name, index in columns.items()}
            yield _imported(number, values, known, seen)


def _text(line: bytes | str) -> str:
    text = line.decode("utf-8", errors="replace") if isinstance(line, bytes) else line
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").rstrip("\r\n")


def _cells(text: str) -> list[str] | None:
    """One line alone, so that a stray quotation mark cannot swallow those that follow."""
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _columns(header: str) -> tuple[dict[str, int], int]:
    cells = _cells(header) or []
    missing = [name for name in COLUMNS if name not in cells]
    if missing:
        raise NotPoliceUkError(
            f"line 1: no column {', '.join(missing)}: give a street-level file of data.police.uk "
            "with its first line"
        )
    return {name: cells.index(name) for name in COLUMNS}, len(cells)


def _refused(number: int, reason: str, explanation: str) -> ImportedRow:
    return ImportedRow(number, None, reason, f"line {number}: {explanation}")


def _imported(
    number: int, values: Mapping[str, str], known: _Known, seen: Counter[bytes]
) -> ImportedRow:
    month = MONTH.fullmatch(values["Month"])
    if month is None or month[1] == "0000":
        return _refused(number, "row_month", "Month is not a year and a month such as 2025-04")
    if not values["Crime type"]:
        return _refused(number, "row_crime_type", "Crime type is empty")
    when = _interval(int(month[1]), int(month[2]))
    event = _event(values, when, _place(values, known), known.publisher)
    return ImportedRow(number, _identified(event, seen))


def _interval(year: int, month: int) -> TimeInterval:
    """First to last second of the month."""
    last = calendar.monthrange(year, month)[1]
    return TimeInterval(
        start=datetime.datetime(year, month, 1, tzinfo=datetime.UTC),
        end=datetime.datetime(year, month, last, 23, 59, 59, tzinfo=datetime.UTC),
    )


def _place(values: Mapping[str, str], known: _Known) -> Place:
    """The place at the precision known; an LSOA that no map holds keeps its code, without area."""
    stated = values["LSOA code"]
    is_lsoa = LSOA.fullmatch(stated) is not None
    area = known.authorities.get(stated)
    if area is None and AUTHORITY.fullmatch(stated):
        area = stated
    if area is not None:
        area = known.successors.get(area, area)
    if is_lsoa:
        precision = PlacePrecision.LSOA
    else:
        precision = PlacePrecision.UNKNOWN if area is None else PlacePrecision.LA
    location = values["Location"]
    return Place(
        precision=precision,
        kind=PLACE_KINDS.get(location.removeprefix(NEAR), PlaceKind.OTHER),
        la_gss=area,
        lsoa=stated if is_lsoa else None,
        description=None if location in {"", NO_LOCATION} else location,
    )


def _event(
    values: Mapping[str, str], when: TimeInterval, place: Place, publisher: str
) -> ConcernEvent:
    """The row as an event whose id is still to come."""
    crime = values["Crime ID"]
    where = place.description or "place not published"
    words = f"{values['Crime type']}, {values['Month']}, {where} (police.uk)."
    located = place.precision is not PlacePrecision.UNKNOWN
    return ConcernEvent(
        event_id="",
        event_type=EventType.INCIDENT,
        publisher=publisher,
        observed_at=when.start,
        reported_at=when.end or when.start,
        when=when,
        place=place,
        harms=(HARMS.get(values["Crime type"], HarmKind.OTHER),),
        summary=f"{words} Reported by {values['Reported by'] or 'a force that is not named'}.",
        audience_texts=tuple(
            AudienceText(audience=audience, text=words)
            for audience in (Audience.SOCIAL_CARE, Audience.POLICE)
        ),
        severity=Severity.ROUTINE,
        handling=Handling(code="P"),
        provenance=Provenance.POLICE,
        directness=Directness.NOT_KNOWN,
        specificity=Specificity.PARTIAL if located else Specificity.GENERAL,
        origin_id=str(uuid.uuid5(NAMESPACE, f"crime/{crime}")) if crime else "",
        marking="OFFICIAL",
    )


def _identified(event: ConcernEvent, seen: Counter[bytes]) -> ConcernEvent:
    """The event with an id made of what it says, its origin, and how often it was said before.

    So one Crime ID may be two records, a second import is a duplicate and nothing else, and a file
    that was renamed, cut or sorted gives the same ids.
    """
    content = canonical_json(event)
    seen[content] += 1
    name = f"{event.origin_id}/{seen[content]}/{content.decode()}"
    identity = str(uuid.uuid5(NAMESPACE, name))
    return msgspec.structs.replace(event, event_id=identity, origin_id=event.origin_id or identity)
