"""The archive: replay is byte-identical after a change of policy, and no file of it can be changed unseen."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from broker.auditor import verify_ledger
from broker.auditor.replaying import Verdict
from broker.commands.audit_replay import ReplayRun, replay
from broker.commands.errors import CommandError
from broker.commands.recording import new_ledger
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from broker.policies.archive import (
    ARCHIVE,
    BEGUN,
    ArchiveError,
    Sources,
    archive_policy,
    load_archived,
)
from broker.reference import load_connected
from broker.shell.policy import PolicyHolder, archive_in, load_policy, sources_of
from broker.shell.settings import Settings
from tests.auditor.replayed import POLICY, SETTINGS, acts, fewer_agreements, reviewed, scenarios
from tests.ledger.test_tree import flipped


class Changed(msgspec.Struct):
    """A ledger decided under one policy, then under another."""

    folder: Path
    settings: Settings
    """The present ones: fewer agreements."""

    def replay(self) -> ReplayRun:
        """As `broker audit replay DIR` does."""
        return replay(self.settings, self.folder, None)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """Scenarios, a change of agreements, then rounds of parts from before and further warnings."""
    home = tmp_path_factory.mktemp("changed")
    now = Settings(policies_dir=fewer_agreements(home / "policies"))
    policies = (POLICY, load_policy(now))
    folder = home / "ledger"
    connected = load_connected(SETTINGS.organisations_dir / "connected.yaml")
    told = [list(scenarios()), [*acts(), *reviewed()]]
    with new_ledger(folder, "test", POLICY.reference, connected) as recorder:
        flow = OfflineFlow(policies[0], recorder.reception, recorder.subject_key)
        offset = 0
        for settings, policy, statements in zip((SETTINGS, now), policies, told, strict=True):
            archive_in(folder, settings, policy)
            flow._policy = policy
            for statement, at in statements:
                owner = getattr(statement, "organisation", None) or statement.publisher  # type: ignore[union-attr]
                kind = "actions" if hasattr(statement, "organisation") else "concerns"
                source = SourcePosition(f"{kind}.v1.{owner}", 0, offset)
                recorder.take(flow.submit(statement, at, source).sets)
                offset += 1
    return Changed(folder, now)


def test_every_set_is_made_again_to_the_byte_by_what_it_was_decided_by(changed: Changed) -> None:
    """Both policies, and rounds that lie after the change of parts from before it."""
    run = changed.replay()

    assert {one.verdict for one in run.replayed} == {Verdict.IDENTICAL}
    assert 0 < run.earlier < len(run.replayed)
    assert run.rules == {}
    assert len(list((changed.folder / ARCHIVE / "bundle").iterdir())) == 2


def test_without_the_archive_it_says_what_it_compared_with(
    changed: Changed, tmp_path: Path
) -> None:
    """As before there was one: the present policies, and that those of then were others."""
    folder = Path(shutil.copytree(changed.folder, tmp_path / "ledger"))
    shutil.rmtree(folder / ARCHIVE)
    run = replay(changed.settings, folder, None)

    assert Verdict.RULES in {one.verdict for one in run.replayed}
    assert [change.of for change in run.rules] == ["policy_bundle"]
    report = verify_ledger(folder)
    assert report.ok
    assert any("policies that are not in archive/" in note for note in report.notes)
    assert not any("archive/" in note for note in verify_ledger(changed.folder).notes)


def archived_files(folder: Path) -> list[str]:
    """Every file of the archive."""
    found = (path for path in (folder / ARCHIVE).rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_bit_of_an_archived_file_can_be_changed(changed: Changed, data: st.DataObject) -> None:
    """Found and named by verify; replay refuses to decide by it."""
    name = data.draw(st.sampled_from(archived_files(changed.folder)), label="file")
    path = changed.folder / name
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
    try:
        path.write_bytes(flipped(whole, bit))
        assert "/".join(name.split("/")[:3]) in (verify_ledger(changed.folder).first_bad or "")
        with pytest.raises(CommandError, match="nothing is replayed from it"):
            changed.replay()
    finally:
        path.write_bytes(whole)


def test_another_policy_with_sums_of_its_own_is_not_the_recorded_one(tmp_path: Path) -> None:
    """The sums are right and the files are others: they give another hash when they are loaded."""
    other = Settings(policies_dir=fewer_agreements(tmp_path / "policies"))
    archive_in(tmp_path / "other", other, load_policy(other))
    archive_in(tmp_path / "ledger", SETTINGS, POLICY)
    bundle = tmp_path / "ledger" / ARCHIVE / "bundle" / POLICY.hashes.bundle
    shutil.rmtree(bundle)
    (theirs,) = (tmp_path / "other" / ARCHIVE / "bundle").iterdir()
    shutil.copytree(theirs, bundle)

    with pytest.raises(ArchiveError, match="gives another hash"):
        load_archived(tmp_path / "ledger" / ARCHIVE, POLICY.hashes)


def test_a_folder_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    """Written once: a second process, or the next start, changes nothing; nothing half done is left."""
    for _ in range(2):
        archive_in(tmp_path, SETTINGS, POLICY)
        files = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    archive_in(tmp_path, SETTINGS, POLICY)

    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == files
    assert not list((tmp_path / ARCHIVE).glob(f"{BEGUN}*"))


def test_files_that_change_while_they_are_loaded_are_not_archived_as_what_was_loaded(
    tmp_path: Path,
) -> None:
    """What was loaded is not what lies there now: nothing is kept under its name."""
    sources = sources_of(SETTINGS)
    changing = Sources(
        fewer_agreements(tmp_path / "policies"), sources.codesets_dir, sources.organisations_dir
    )
    with pytest.raises(ArchiveError, match="changed while they were loaded"):
        archive_policy(tmp_path / ARCHIVE, changing, POLICY)
    assert not archived_files(tmp_path)


def test_a_process_archives_each_policy_before_it_decides_by_it(tmp_path: Path) -> None:
    """At its start, and when good new files take over while it runs."""
    shutil.copytree(SETTINGS.policies_dir, tmp_path / "policies")
    settings = Settings(policies_dir=tmp_path / "policies", data_dir=tmp_path / "var")
    clock = iter(range(100)).__next__
    holder = PolicyHolder(settings, clock=lambda: 10.0 * clock(), wait=True)
    first = holder.current().hashes
    shutil.rmtree(tmp_path / "policies/agreements/schools-notices")
    holder.current()
    second = holder.current().hashes

    assert first != second
    for hashes in (first, second):
        assert load_archived(settings.ledger_dir / ARCHIVE, hashes).hashes == hashes


def test_an_unfinished_folder_is_nothing(tmp_path: Path) -> None:
    """Killed while it was written: verify passes it over, and the next start writes a whole one."""
    (tmp_path / ARCHIVE / f"{BEGUN}x" / "bundle").mkdir(parents=True)
    archive_in(tmp_path, SETTINGS, POLICY)

    assert load_archived(tmp_path / ARCHIVE, POLICY.hashes).hashes == POLICY.hashes
