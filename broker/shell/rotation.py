"""When an epoch ends and when its keys are destroyed, by the retention policy and the topics.

A key is destroyed when the last record sealed under it has been forgotten everywhere, and a margin:
intake's after the statements, those of parts and of messages after what may be made from them late,
since a broker that was down takes in statements for as long as their topics keep them.
"""

from __future__ import annotations

import datetime
from functools import cache
from pathlib import Path

from broker.policies.retention import RetentionPolicy
from broker.shell.epochs import Epoch, Kind, destroy, ends_of, epoch_at, read_epochs
from broker.shell.key_source import source_of
from broker.shell.keys import next_epoch
from broker.shell.topics import load_topics

DAY = datetime.timedelta(days=1)
"""How often the retention run is made; what is due is done within so much."""


def rotate_if_due(keys_dir: Path, policy: RetentionPolicy, now: datetime.datetime) -> Epoch | None:
    """Announces the next epoch where the last one has had its time; None where it has not."""
    newest = read_epochs(keys_dir / "broker")[-1]
    if now < newest.since + policy.epochs.length:
        return None
    return next_epoch(keys_dir, now + policy.epochs.notice)


def destroy_due(
    keys_dir: Path, policy: RetentionPolicy, now: datetime.datetime
) -> list[tuple[str, Kind]]:
    """Destroys every key of an epoch that nothing needs any more; which they were."""
    done = [(one, kind) for one, kind, by in due_dates(keys_dir, policy) if by <= now]
    for name, kind in done:
        source = source_of(keys_dir)
        if kind is Kind.INTAKE:
            destroy(keys_dir / "broker", name, kind, now, source.destroy)
        else:
            destroy(keys_dir / "broker", name, kind, now)
    return done


def due_dates(keys_dir: Path, policy: RetentionPolicy) -> list[tuple[str, Kind, datetime.datetime]]:
    """(epoch, key, from when it may be destroyed) of every epoch that has ended and still has keys."""
    epochs = read_epochs(keys_dir / "broker")
    ends = ends_of(epochs)
    return [
        (one.name, kind, ends[one.name] + needed(policy, kind))
        for one in epochs
        if one.name in ends
        for kind in Kind
        if one.holds(kind)
    ]


def gone_by(
    keys_dir: Path, policy: RetentionPolicy, now: datetime.datetime
) -> dict[str, datetime.datetime]:
    """Key -> when that of the epoch in force now is destroyed, if the run is made every day."""
    epoch = epoch_at(read_epochs(keys_dir / "broker"), now)
    ended = max(now, epoch.since + policy.epochs.length) + DAY + policy.epochs.notice
    return {f"{kind.value}_epoch": ended + needed(policy, kind) + DAY for kind in Kind}


def needed(policy: RetentionPolicy, kind: Kind) -> datetime.timedelta:
    """How long after the end of an epoch a record that is sealed under this key of it may lie somewhere."""
    statements = _kept(policy, "concerns.v1.{org}")
    if kind is Kind.INTAKE:
        return statements + policy.margin
    last = "parts.v1" if kind is Kind.PARTS else "decisions.v1"
    return statements + _kept(policy, last) + policy.margin


def _kept(policy: RetentionPolicy, name: str) -> datetime.timedelta:
    return policy.topics[name] + datetime.timedelta(milliseconds=_segments()[name])


@cache
def _segments() -> dict[str, int]:
    """Topic -> after how many milliseconds Kafka closes a segment of it."""
    return {one.name: one.segment for one in load_topics().topics}
