"""What was decided by, kept as long as the ledger: `archive/<kind>/<hash>/`, written once, never changed.

A closing leaf names policy bundle, geography, register and parameters by hash. Each folder holds the
files that give that hash when they are loaded, and `SHA256SUMS` over them (`sha256sum -c` reads it), so
that replay decides by exactly what was in force then, and whoever asks can read it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from broker.flow import Policy
from broker.model.canonical import canonical_json, digest
from broker.policies.bundle import AGREEMENTS, agreement_paths, load_bundle
from broker.record import PolicyHashes
from broker.reference import load_reference
from broker.weigh.parameters import WeightParameters

ARCHIVE = "archive"
SUMS = "SHA256SUMS"
PARAMETERS_FILE = "parameters.json"
LAW = "law"
GEOGRAPHY_FILES = ("authorities.csv", "replaced_codes.csv", "borders.csv", "police_areas.csv")
REGISTER_SUFFIXES = frozenset({".csv", ".yaml"})
KINDS = ("bundle", "geography", "register", "parameters")
BEGUN = ".begun-"
"""First letters of a folder that is not complete yet, or never was."""


class ArchiveError(ValueError):
    """An archived folder that is not what it was written as; names it and what is wrong."""


class NotArchivedError(LookupError):
    """There is no folder of that kind and hash."""


class Sources(msgspec.Struct, frozen=True):
    """The folders that a policy is loaded from."""

    policies_dir: Path
    codesets_dir: Path
    organisations_dir: Path

    def files(self, kind: str) -> dict[str, Path]:
        """Name in the archive -> file."""
        if kind == "bundle":
            law = sorted(path for path in (self.policies_dir / LAW).iterdir() if path.is_file())
            agreements = agreement_paths(self.policies_dir)
            return {f"{LAW}/{path.name}": path for path in law} | {
                f"{AGREEMENTS}/{path.parent.name}/{path.name}": path for path in agreements
            }
        if kind == "geography":
            return {name: self.codesets_dir / name for name in GEOGRAPHY_FILES}
        return {
            path.name: path
            for path in sorted(self.organisations_dir.iterdir())
            if path.suffix in REGISTER_SUFFIXES
        }


def load_files(sources: Sources, parameters: WeightParameters) -> Policy:
    """A policy with the hashes that name it. Raises ReferenceDataError or PolicyFileError."""
    reference = load_reference(sources.codesets_dir, sources.organisations_dir)
    bundle = load_bundle(sources.policies_dir, reference)
    return Policy(
        reference=reference,
        bundle=bundle,
        parameters=parameters,
        hashes=PolicyHashes(
            bundle=bundle.bundle_hash,
            geography=reference.geography_hash,
            register=reference.register_hash,
            parameters=digest(canonical_json(parameters)),
        ),
    )


def archive_policy(archive: Path, sources: Sources, policy: Policy) -> None:
    """Writes what is not there yet of a policy that was loaded from `sources`; on disk when it returns.

    What is written is loaded again first and must be the same policy: raises ArchiveError where the
    files were changed meanwhile, OSError where nothing can be written.
    """
    missing = [kind for kind in KINDS if not folder_of_kind(archive, policy.hashes, kind).is_dir()]
    if not missing:
        return
    archive.mkdir(parents=True, exist_ok=True)
    begun = Path(tempfile.mkdtemp(prefix=BEGUN, dir=archive))
    try:
        for kind in KINDS:
            _write_folder(begun / kind, _contents(kind, sources, policy))
        if load_files(_sources_in(begun), policy.parameters).hashes != policy.hashes:
            raise ArchiveError("the policies were changed while they were loaded: load them again")
        for kind in missing:
            target = folder_of_kind(archive, policy.hashes, kind)
            target.parent.mkdir(exist_ok=True)
            # Another process may have archived the same meanwhile: its folder is as good.
            with contextlib.suppress(OSError):
                (begun / kind).rename(target)
                _sync(target.parent)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    left = [kind for kind in missing if not folder_of_kind(archive, policy.hashes, kind).is_dir()]
    if left:
        raise OSError(f"{archive} cannot be written: see that the disk has room")


def load_archived(archive: Path, hashes: PolicyHashes) -> Policy:
    """The policy of those hashes, exactly.

    Raises NotArchivedError where a part of it is not there, ArchiveError where it is not what it was.
    """
    folders = {kind: folder_of_kind(archive, hashes, kind) for kind in KINDS}
    for kind, folder in folders.items():
        if not folder.is_dir():
            raise NotArchivedError(f"{ARCHIVE}/{kind}/{getattr(hashes, kind)} is not here")
        check_sums(folder)
    shown = f"{ARCHIVE} of bundle {hashes.bundle}"
    try:
        text = (folders["parameters"] / PARAMETERS_FILE).read_bytes()
        parameters = msgspec.json.decode(text, type=WeightParameters)
        sources = Sources(folders["bundle"], folders["geography"], folders["register"])
        policy = load_files(sources, parameters)
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{shown}: cannot be loaded ({error})") from error
    for kind in KINDS:
        if getattr(policy.hashes, kind) != getattr(hashes, kind):
            raise ArchiveError(
                f"{ARCHIVE}/{kind}/{getattr(hashes, kind)}: gives another hash when it is loaded: "
                "it was changed, or written by another release of the broker"
            )
    return policy


def folder_of_kind(archive: Path, hashes: PolicyHashes, kind: str) -> Path:
    """Where the files of one kind lie."""
    return archive / kind / str(getattr(hashes, kind))


def check_sums(folder: Path) -> None:
    """Exactly the files that `SHA256SUMS` names, each with its sum. Raises ArchiveError."""
    shown = f"{ARCHIVE}/{folder.parent.name}/{folder.name}"
    try:
        stated = (folder / SUMS).read_text(encoding="utf-8")
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path != folder / SUMS
        }
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{shown}: cannot be read ({error})") from error
    if stated == _sums(found):
        return
    lines = set(stated.splitlines())
    for name, data in found.items():
        if _sum_line(name, data) not in lines:
            raise ArchiveError(f"{shown}/{name}: does not have the sum that {SUMS} gives")
    raise ArchiveError(f"{shown}/{SUMS}: names what is not there, or was changed")


def _sources_in(begun: Path) -> Sources:
    return Sources(begun / "bundle", begun / "geography", begun / "register")


def _contents(kind: str, sources: Sources, policy: Policy) -> dict[str, bytes]:
    if kind == "parameters":
        return {PARAMETERS_FILE: canonical_json(policy.parameters)}
    return {name: path.read_bytes() for name, path in sources.files(kind).items()}


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in ({**contents, SUMS: _sums(contents).encode()}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _sums(contents: Mapping[str, bytes]) -> str:
    return "".join(f"{_sum_line(name, data)}\n" for name, data in sorted(contents.items()))


def _sum_line(name: str, data: bytes) -> str:
    return f"{sha256(data).hexdigest()}  {name}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
