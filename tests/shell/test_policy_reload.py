"""Policies change while the broker runs: a good one comes into force whole, a broken one never does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.decide import decide, part_facts
from broker.examples import example
from broker.link import link
from broker.locate import candidates
from broker.model.types import ConcernEvent, PartKind
from broker.model.values import PartInput
from broker.policies import PolicyFileError
from broker.shell.policy import PolicyHolder
from broker.shell.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BASELINE = "agreements/national-baseline/agreement.yaml"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    return Settings(policies_dir=tmp_path / "policies")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holder(settings: Settings, clock: Clock) -> PolicyHolder:
    return PolicyHolder(settings, clock=clock, wait=True)


def edit(settings: Settings, old: str, new: str) -> None:
    path = settings.policies_dir / BASELINE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def two_looks(holder: PolicyHolder, clock: Clock) -> list[Any]:
    """Lets the holder see the change and see that it is still; what it said meanwhile."""
    with capture_logs() as said:
        for _ in range(2):
            clock.now += 1.0
            holder.current()
    return said


def test_a_changed_agreement_comes_into_force_under_another_hash(
    settings: Settings, holder: PolicyHolder, clock: Clock
) -> None:
    """Not before the files have been still for a look, and then at once."""
    before = holder.bundle_hash
    edit(settings, "fields: [address]", "fields: [address, identifiers]")
    holder.current()
    assert holder.bundle_hash == before
    clock.now += 1.0
    holder.current()
    assert holder.bundle_hash == before
    clock.now += 1.0

    assert holder.current().hashes.bundle == holder.bundle_hash != before


def test_a_broken_file_raises_an_alarm_and_the_old_policy_stays(
    settings: Settings, holder: PolicyHolder, clock: Clock
) -> None:
    """The alarm names the file and its line; nothing of the new files is used. Mended, it is loaded."""
    before = holder.current()
    edit(settings, "fields: [address]", "fields: [adress]")
    said = two_looks(holder, clock)

    assert holder.current() is before
    (alarm,) = [one for one in said if one["event"] == "policy_not_loaded"]
    assert alarm["log_level"] == "error"
    assert BASELINE in alarm["path"]
    assert alarm["path"].rpartition(":")[2].isdigit()

    edit(settings, "fields: [adress]", "fields: [address, identifiers]")
    said = two_looks(holder, clock)
    assert [one["event"] for one in said] == ["policy_loaded"]
    assert holder.bundle_hash != before.hashes.bundle


def test_the_alarm_is_raised_once_for_one_broken_state(
    settings: Settings, holder: PolicyHolder, clock: Clock
) -> None:
    """A broken file is not loaded again and again until somebody looks."""
    edit(settings, "fields: [address]", "fields: [adress]")
    two_looks(holder, clock)

    assert two_looks(holder, clock) == []


def test_a_comment_or_a_touched_file_changes_no_hash(
    settings: Settings, holder: PolicyHolder, clock: Clock
) -> None:
    """The hash names what the bundle says."""
    before = holder.bundle_hash
    edit(settings, "# INVENTED", "# All of it INVENTED")
    two_looks(holder, clock)

    assert holder.bundle_hash == before


def test_a_broker_does_not_start_with_a_broken_policy(settings: Settings) -> None:
    """There is no old one to keep."""
    edit(settings, "fields: [address]", "fields: [adress]")

    with pytest.raises(PolicyFileError, match=r"agreement\.yaml:\d+"):
        PolicyHolder(settings)


def test_a_part_is_decided_by_exactly_one_bundle(
    settings: Settings, holder: PolicyHolder, clock: Clock
) -> None:
    """What was taken before the change goes on deciding as before it, whatever has come into force."""
    event = example("concern")
    assert isinstance(event, ConcernEvent)
    part = PartInput(
        part_id="p",
        part_key="k",
        kind=PartKind.SUBJECT,
        event=event,
        subject=event.subjects[0],
        received_at=event.reported_at,
        order=0,
        part_count=1,
        receipt_set_id="r",
    )
    taken = holder.current()
    linked = link(part, ())
    facts = part_facts(linked, taken.reference)
    found = candidates(linked, taken.reference)
    first = [decide(facts, one, taken.bundle, taken.reference) for one in found[:3]]
    edit(settings, "status: in_force", "status: ended")
    two_looks(holder, clock)
    replaced = holder.current()
    rest = [decide(facts, one, taken.bundle, taken.reference) for one in found[3:]]
    under_new = [decide(facts, one, replaced.bundle, replaced.reference) for one in found]
    under_old = [decide(facts, one, taken.bundle, taken.reference) for one in found]

    assert [*first, *rest] == under_old
    assert under_new != under_old


def test_loading_in_the_background_serves_the_old_policy_meanwhile(
    settings: Settings, clock: Clock
) -> None:
    """The stream is not held up; the new policy comes into force when it is whole."""
    holder = PolicyHolder(settings, clock=clock)
    before = holder.current()
    edit(settings, "fields: [address]", "fields: [address, identifiers]")
    two_looks(holder, clock)
    assert holder._loading is not None
    holder._loading.join()

    assert holder.current().hashes.bundle != before.hashes.bundle
