"""What Kafka refused, counted from its log of denials: by principal, operation and kind of resource.

No name of a resource is counted or printed: a refused client chooses what it asks for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

DENIED = re.compile(
    r"Principal = User:(?P<principal>[A-Za-z0-9-]{1,64}) is Denied operation = (?P<operation>[A-Z_]+) "
    r"from host = \S+ on resource = (?P<resource>\w+):"
)
HANDSHAKE = re.compile(r"Failed authentication with \S+ ")
UNKNOWN = "unknown"


class Denials(msgspec.Struct, frozen=True, order=True):
    """How often one principal was refused one operation on one kind of resource.

    A client that showed no certificate that counts has no principal: `unknown`, operation `connect`.
    """

    principal: str
    operation: str
    resource: str
    count: int


def denials_log(data_dir: Path) -> Path:
    """Where the embedded Kafka writes what it refused."""
    return data_dir / "log" / "kafka-denials.log"


def count_denials(lines: Iterable[str]) -> tuple[Denials, ...]:
    """Every refusal of the log, counted; sorted. A line of another kind counts for nothing."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        if found := DENIED.search(line):
            counted[found["principal"], found["operation"].lower(), found["resource"].lower()] += 1
        elif HANDSHAKE.search(line):
            counted[UNKNOWN, "connect", "cluster"] += 1
    return tuple(sorted(Denials(*what, count) for what, count in counted.items()))


def read_denials(log: Path) -> tuple[Denials, ...]:
    """The same of a log and the older parts of it; nothing where there is none."""
    parts = sorted(log.parent.glob(f"{log.name}*"))
    return count_denials(
        line
        for part in parts
        for line in part.read_text(encoding="utf-8", errors="replace").splitlines()
    )
