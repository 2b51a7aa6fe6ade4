"""The retention run: subjects whose time has run out, and epochs that have had theirs.

It decides by the policy and the key file alone. A subject is erased by a signed act of the duty desk
that goes through the flow like any other; epochs are files, and need no Kafka.
"""

from __future__ import annotations

import datetime
import uuid

import msgspec

from broker.model.types import Action, ActionKind
from broker.policies.retention import RetentionPolicy, load_retention
from broker.shell.epochs import Epoch, Kind
from broker.shell.erasing import DUE
from broker.shell.keys import DESK, KeysError
from broker.shell.rotation import destroy_due, rotate_if_due
from broker.shell.settings import Settings
from broker.shell.subject_keys import SubjectKeys

FILE = "subjects.db"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://safeguarding-broker.example/retention")
TIME_IS_UP = "Its time has run out (policies/retention/retention.yaml)."


class Kept(msgspec.Struct, frozen=True):
    """One subject, place or group whose key is held."""

    token: str
    newest: datetime.date
    """Day of the newest set about it."""
    due: datetime.date
    """The first day on which the retention run erases it."""
    hold: str | None
    """Why it is under legal hold; None where it is not."""

    def is_due(self, day: datetime.date) -> bool:
        """True if the run of that day erases it."""
        return self.hold is None and self.due <= day


class EpochsKept(msgspec.Struct, frozen=True):
    """What the run did with epochs."""

    announced: Epoch | None
    destroyed: tuple[tuple[str, Kind], ...]


def kept(settings: Settings) -> tuple[Kept, ...]:
    """Every subject whose key is held, the first due first. Raises KeysError, PolicyFileError."""
    policy = load_retention(settings.policies_dir)
    subjects = subjects_of(settings)
    try:
        holds = {one.part_key: one.reason for one in subjects.holds()}
        return tuple(
            Kept(one.part_key, one.newest.date(), _due(policy, one.newest), holds.get(one.part_key))
            for one in subjects.newest()
        )
    finally:
        subjects.close()


def subjects_of(settings: Settings) -> SubjectKeys:
    """The key file, to be closed. Raises KeysError where there is none."""
    path = settings.keys_dir / FILE
    if not path.is_file():
        raise KeysError(f"{path} is missing: nothing was decided here yet")
    return SubjectKeys(path)


def keep_epochs(settings: Settings, now: datetime.datetime) -> EpochsKept:
    """Announces the next epoch if the last one has had its time; destroys what nothing needs."""
    policy = load_retention(settings.policies_dir)
    announced = rotate_if_due(settings.keys_dir, policy, now)
    return EpochsKept(announced, tuple(destroy_due(settings.keys_dir, policy, now)))


def due_acts(settings: Settings, now: datetime.datetime, actor: str) -> tuple[Action, ...]:
    """The acts that erase what is due today; the same ids however often it is asked.

    Made of the day of the newest set too: who is heard of again is another case.
    """
    if not (settings.keys_dir / FILE).is_file():
        return ()
    return tuple(
        erase_act(
            str(uuid.uuid5(NAMESPACE, f"{one.token}/{one.newest}")),
            one.token,
            TIME_IS_UP,
            actor,
            DUE,
        )
        for one in kept(settings)
        if one.is_due(now.date())
    )


def erase_act(action_id: str, token: str, reason: str, actor: str, why: str) -> Action:
    """The duty desk's act that erases one subject."""
    return Action(
        action_id=action_id,
        kind=ActionKind.ERASE,
        organisation=DESK,
        actor=actor,
        reason=reason,
        verdict=why,
        subject=token,
        acted_at=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
    )


def _due(policy: RetentionPolicy, newest: datetime.datetime) -> datetime.date:
    """The day is kept whole: what was said late on it has its full time too."""
    return (newest + policy.keeps_facts + datetime.timedelta(days=1)).date()
