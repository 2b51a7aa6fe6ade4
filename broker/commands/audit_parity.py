"""`broker audit parity`: whether every voice fared the same, from a ledger's files and the auditors' key."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.auditor.parity.counterfactual import Counterfactual, counterfactual
from broker.auditor.parity.export import (
    comparisons_csv,
    counts_csv,
    evidence_csv,
    waited_csv,
    write_parquet,
)
from broker.auditor.parity.figures import Figures, figures
from broker.auditor.parity.policy import FILE, ParityPolicy, load_parity_policy
from broker.auditor.parity.publish import published
from broker.auditor.parity.reading import Material, read_material
from broker.auditor.parity.table import Line, evidence
from broker.auditor.recorded import shards_of
from broker.auditor.recorded_sets import recorded_sets
from broker.auditor.sidecars import all_sidecars
from broker.auditor.suppression import SMALL
from broker.commands.audit_parity_words import LOOK, found_out, percent, stage_rows
from broker.commands.errors import CommandError
from broker.commands.ledger_rows import SUBJECT_KEYS, keys_dir, opening_rows, read_rows_key
from broker.policies.errors import PolicyFileError
from broker.shell.keys import KeysError, read_subject_keys
from broker.shell.settings import Settings

TABLE = "evidence.csv"
PAGE = "parity.html"
HIDDEN_COUNT = -1


class About(msgspec.Struct, frozen=True):
    """What a report says of itself."""

    marking: str
    authorised: bool
    policy_version: int
    policy_hash: str
    policy_from: datetime.date
    level: float
    band: tuple[float, float]
    until: datetime.datetime
    """The latest time in the ledger."""


class Report(msgspec.Struct, frozen=True):
    """One report: what it is, its figures, and the check of every weight."""

    about: About
    figures: Figures
    weights: Counterfactual | None
    """None where no subjects' keys lie, so that no weight could be made again."""
    policy: ParityPolicy
    lines: tuple[Line, ...] = ()
    """The table, for the authorised auditor only."""


def made(
    settings: Settings,
    ledger: Path | None,
    *,
    rows_key: Path | None = None,
    keys: Path | None = None,
    policy_file: Path | None = None,
    authorised: bool = False,
) -> Report:
    """The report of a ledger; the published version unless `authorised`.

    Raises CommandError where files, key or policy do not fit.
    """
    folder = ledger or settings.ledger_dir
    if not shards_of(folder):
        raise CommandError(
            f"{folder} holds no ledger: give the folder above s0, or make one with "
            "`broker decide FILE --ledger DIR`"
        )
    where = keys_dir(settings, ledger, keys)
    try:
        named = load_parity_policy(policy_file or settings.policies_dir / FILE)
    except PolicyFileError as error:
        raise CommandError(str(error)) from error
    material = _material(folder, rows_key or where / "broker" / "rows.key")
    table = evidence(material, named.policy)
    whole = figures(table, named.policy)
    policy = named.policy
    about = About(
        marking="OFFICIAL-SENSITIVE" if authorised else "OFFICIAL",
        authorised=authorised,
        policy_version=policy.version,
        policy_hash=named.hash,
        policy_from=policy.effective_from,
        level=policy.level,
        band=(policy.band.low, policy.band.high),
        until=datetime.datetime.fromtimestamp(material.until / 1000, datetime.UTC),
    )
    weights = _weights(folder, where, material)
    if authorised:
        return Report(about, whole, weights, policy, table.lines)
    return Report(about, published(whole, policy), _fit(weights), policy)


def _material(folder: Path, key_file: Path) -> Material:
    with opening_rows(folder, key_file):
        return read_material(folder, read_rows_key(key_file))


def _weights(folder: Path, where: Path, material: Material) -> Counterfactual | None:
    try:
        keys = read_subject_keys(where / SUBJECT_KEYS)
    except KeysError:
        return None
    rounds = {one.closing.set_id: one for found in material.parts.values() for one in found}
    return counterfactual(recorded_sets(folder), rounds, all_sidecars(folder, "facts"), keys)


def _fit(weights: Counterfactual | None) -> Counterfactual | None:
    """Without set ids; where one of the counts is small without any: their sum is known."""
    if weights is None:
        return None
    small = any(count in SMALL for count in weights.counts.values())
    counts = {
        name: HIDDEN_COUNT if small and count else count for name, count in weights.counts.items()
    }
    hidden = [
        msgspec.structs.replace(one, set_id="", what="", recorded=0, derived=0)
        for one in weights.differences[:1]
    ]
    return msgspec.structs.replace(weights, counts=counts, differences=tuple(hidden))


def write(report: Report, folder: Path) -> list[Path]:
    """The page, the figures as CSV, and for the authorised auditor the table; the files written.

    Raises CommandError where a published report would lie beside a table of single lines.
    """
    from broker.commands.audit_parity_page import page  # noqa: PLC0415 -- draws the plots

    if not report.about.authorised and (folder / TABLE).exists():
        raise CommandError(
            f"{folder} holds {TABLE}, which is not to be published: name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        PAGE: page(report),
        "counts.csv": counts_csv(report.figures),
        "comparisons.csv": comparisons_csv(report.figures),
        "times.csv": waited_csv(report.figures),
        "MARKING.txt": f"{report.about.marking}\n",
    }
    if report.about.authorised:
        texts[TABLE] = evidence_csv(report.lines)
        write_parquet(report.lines, folder / "evidence.parquet")
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def as_plain(report: Report) -> dict[str, object]:
    """The report as one JSON object, without the table."""
    return {
        "about": msgspec.to_builtins(report.about),
        "figures": msgspec.to_builtins(report.figures),
        "weights": msgspec.to_builtins(report.weights),
    }


def show(out: Console, report: Report, files: list[Path]) -> None:
    """The verdict, the stages, what the data say and do not say, and where the report lies."""
    out.print(Text(report.about.marking, style="bold reverse"), justify="center")
    table = Table(title="Whether every voice fared the same", title_justify="left")
    table.add_column("stage")
    for name in ("family or community", "professional", "ratio", "95 % interval", "equal content"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for row in stage_rows(report.figures):
        cells = (percent(row.one), percent(row.other), row.ratio, row.interval, row.equal)
        table.add_row(row.title, *cells, Text(row.verdict, style=LOOK[row.verdict]))
    out.print(table)
    say = found_out(report.figures, report.weights, report.policy)
    out.print(Text(say.verdict, style="bold"), soft_wrap=True)
    for line in say.says:
        out.print(Text(f"• {line}"), soft_wrap=True)
    out.print(Text("What the data do not say", style="bold"))
    for line in say.does_not:
        out.print(Text(f"• {line}"), soft_wrap=True)
    for file in files:
        out.print(Text(str(file), style="dim"), soft_wrap=True)
