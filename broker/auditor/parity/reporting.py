"""A parity report: of which ledger, by which policy, its figures, and the check of every weight."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from broker.auditor.asked import AskedError
from broker.auditor.ledger_rows import SUBJECT_KEYS, keys_dir, opening_rows, read_rows_key
from broker.auditor.parity.counterfactual import Counterfactual, counterfactual
from broker.auditor.parity.figures import Figures, figures
from broker.auditor.parity.policy import FILE, ParityPolicy, load_parity_policy
from broker.auditor.parity.publish import published
from broker.auditor.parity.reading import Material, read_material
from broker.auditor.parity.table import Line, evidence
from broker.auditor.recorded import shards_of
from broker.auditor.recorded_sets import recorded_sets
from broker.auditor.sidecars import all_sidecars
from broker.auditor.suppression import SMALL
from broker.policies.errors import PolicyFileError
from broker.shell.keys import KeysError, read_subject_keys
from broker.shell.settings import Settings

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

    Raises AskedError where files, key or policy do not fit.
    """
    folder = ledger or settings.ledger_dir
    if not shards_of(folder):
        raise AskedError(
            f"{folder} holds no ledger: give the folder above s0, or make one with "
            "`broker decide FILE --ledger DIR`"
        )
    where = keys_dir(settings, ledger, keys)
    try:
        named = load_parity_policy(policy_file or settings.policies_dir / FILE)
    except PolicyFileError as error:
        raise AskedError(str(error)) from error
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


def as_plain(report: Report) -> dict[str, object]:
    """The report as one JSON object, without the table."""
    return {
        "about": msgspec.to_builtins(report.about),
        "figures": msgspec.to_builtins(report.figures),
        "weights": msgspec.to_builtins(report.weights),
    }
