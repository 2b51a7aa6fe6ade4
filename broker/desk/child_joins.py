"""Which references of one organisation are one child, as far as its own alerts show.

The broker gives an organisation one reference for a child. Where it learns only later that two are one
child, earlier alerts keep theirs; but alerts that name the same number are about the same child. Of the
numbers only keyed digests are kept, and those of an alert go when it is withdrawn.
"""

from __future__ import annotations

import hmac

from broker.client.opening import OpenedAlert
from broker.desk.store import DeskStore
from broker.model.canonical import canonical_json
from broker.model.projections import PAIRWISE

SCHEMA = """
CREATE TABLE IF NOT EXISTS child_number (
    alert_id TEXT NOT NULL, part TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (alert_id, digest));
CREATE INDEX IF NOT EXISTS child_number_part ON child_number (part);
CREATE INDEX IF NOT EXISTS child_number_digest ON child_number (digest);
"""
PURPOSE = "numbers of children"
STEP = (
    "SELECT DISTINCT there.part FROM child_number here JOIN child_number there USING (digest) "
    "WHERE here.part = ?"
)


def note_numbers(store: DeskStore, alert: OpenedAlert) -> None:
    """Keeps digests of the numbers that an alert names; inside a transaction."""
    key = store.at_rest.secret_for(PURPOSE).encode()
    for one in alert.released.get("identifiers", ()):
        if one["scheme"] == PAIRWISE:
            continue
        number = {**one, "value": "".join(str(one["value"]).split()).upper()}
        digest = hmac.digest(key, canonical_json(number), "sha256").hex()
        store.execute(
            "INSERT INTO child_number VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (alert.alert_id, alert.content.part, digest),
        )


def forget_numbers(store: DeskStore, alert_id: str) -> None:
    """Of an alert that no longer stands."""
    store.execute("DELETE FROM child_number WHERE alert_id = ?", (alert_id,))


def same_child(store: DeskStore, part: str) -> list[str]:
    """Other references whose alerts name a number that this one's name too, or that lead there; sorted."""
    found, new = {part}, [part]
    while new:
        reached = {str(other) for (other,) in store.all(STEP, (new.pop(),))}
        new += reached - found
        found |= reached
    return sorted(found - {part})
