"""`broker desk consultations`: who looked at what at a desk, and whether the log that says so holds."""

from __future__ import annotations

import base64
import csv
import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from broker.auditor import keys_from_file
from broker.auditor.exports import FORMULA
from broker.auditor.report import BadLedgerError
from broker.auditor.single_log import verify_log
from broker.desk.consultation_log import FOLDER, origin_of
from broker.desk.consultations import SESSION, SESSIONS, VERSION, WHAT
from broker.desk.settings import DeskSettings
from broker.shell.settings import Settings

SHOWN_IDS = 3


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: somebody's page, or that somebody signed in or out."""

    index: int
    at: datetime.datetime
    kind: str
    actor: str
    """Staff reference."""
    roles: tuple[str, ...]
    what: str
    about: tuple[str, ...]
    """Ids of what was shown."""


class Consultations(msgspec.Struct, frozen=True):
    """What a desk's log says, once every leaf, tile and signature of it was checked."""

    origin: str
    entries: int
    root: str
    looked: tuple[Looked, ...]

    def line(self) -> str:
        """The one line that says that it holds."""
        return f"consultations verified: {self.origin}, {self.entries} entries, root {self.root}"


def read(
    settings: Settings,
    organisation: str,
    folder: Path | None = None,
    key_file: Path | None = None,
) -> Consultations:
    """The log of a desk, verified. Raises BadLedgerError at the first fault.

    `folder`: a copy of it; else where this machine's desk keeps it.
    """
    own = DeskSettings(organisation=organisation).folder(settings.data_dir) / FOLDER
    keys = keys_from_file(key_file) if key_file else None
    found = verify_log(folder or own, origin_of(settings, organisation), keys)
    looked = tuple(_entry(index, data) for index, data in enumerate(found.entries))
    root = base64.b64encode(found.checkpoint.root).decode("ascii")
    return Consultations(found.checkpoint.origin, len(looked), root, looked)


def chosen(
    looked: Iterable[Looked],
    actor: str | None,
    about: str | None,
    since: datetime.datetime | None,
) -> list[Looked]:
    """Only those of that person, about that id, and not before that time; None asks for any."""
    return [
        one
        for one in looked
        if actor in {None, one.actor}
        and (about is None or about in one.about)
        and (since is None or one.at >= since)
    ]


def show(out: Console, looked: Iterable[Looked]) -> None:
    """A table, the oldest first."""
    table = Table("when", "who", "as", "looked at", "ids")
    for one in looked:
        more = len(one.about) - SHOWN_IDS
        ids = [*one.about[:SHOWN_IDS], *([f"and {more} more"] if more > 0 else [])]
        words = SESSIONS if one.kind == SESSION else WHAT
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}Z",
            one.actor,
            ", ".join(one.roles),
            words.get(one.what, one.what),
            "\n".join(ids),
        )
    out.print(table)


def write_csv(looked: Iterable[Looked]) -> None:
    """RFC 4180 but for the line end, which is this system's; ids are parted by spaces."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(Looked.__struct_fields__)
    for one in looked:
        cells = (
            str(one.index),
            one.at.isoformat(),
            one.kind,
            one.actor,
            " ".join(one.roles),
            one.what,
            " ".join(one.about),
        )
        out.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])


def _entry(index: int, data: bytes) -> Looked:
    try:
        leaf = msgspec.json.decode(data, type=dict[str, Any])
        known = leaf.pop("v") == VERSION
        entry = msgspec.convert({**leaf, "index": index}, Looked)
    except (msgspec.MsgspecError, KeyError) as error:
        raise BadLedgerError(f"entry {index} is none of a log of consultations: {error}") from error
    if not known:
        raise BadLedgerError(f"entry {index} is of a version that this broker does not know")
    return entry
