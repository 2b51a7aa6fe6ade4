"""The reply code of an alert: what routes its answer, sealed, so that intake needs no look-up.

It says nothing to who holds it, and only who opened the alert has it. It is made of the alert alone,
so a decision that is made again after a crash or in a replay carries the same one. Bound to the alert's
id; the organisation stands inside, so that the duty desk can answer for one that it serves by hand.
"""

from __future__ import annotations

import msgspec

from broker.model.sealer import Sealer
from broker.model.sealing import SealError, pad, seal_by, unpad, unseal


class ReplyTo(msgspec.Struct, frozen=True, array_like=True):
    """Which alert is answered, of which part, in which round, sent to whom."""

    publisher: str
    event_id: str
    version: int
    part_id: str
    part_key: str
    recipient: str
    round: int
    alert_id: str

    @property
    def organisation(self) -> str:
        """Whose alert it is."""
        return self.recipient.partition(":")[0]


def reply_code(reply_to: ReplyTo, sealer: Sealer) -> bytes:
    """The code that goes out with the alert; always of one size for ids of ordinary length."""
    packed = pad(msgspec.msgpack.encode(reply_to))
    return seal_by(sealer.reply_cipher, packed, _bound_to(reply_to.alert_id))


def opened_reply(code: bytes, alert_id: str, sealer: Sealer) -> ReplyTo | None:
    """What a code holds; None where it is not that alert's, or nobody here made it."""
    try:
        packed = unpad(unseal(sealer.reply_key, code, _bound_to(alert_id)))
        found = msgspec.msgpack.decode(packed, type=ReplyTo)
    except (SealError, ValueError):
        return None
    return found if found.alert_id == alert_id else None


def _bound_to(alert_id: str) -> bytes:
    return b"reply\n" + alert_id.encode()
