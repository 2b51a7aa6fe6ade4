"""Verify: who says it, in what form, how old; a rejection names the reason and the remedy."""

from broker.verify.checks import check_action, check_event
from broker.verify.corrections import TAKES_BACK
from broker.verify.envelope import (
    KeyTerms,
    PublisherKeys,
    check_existence,
    check_sender,
    keys_digest,
)

__all__ = [
    "TAKES_BACK",
    "KeyTerms",
    "PublisherKeys",
    "check_action",
    "check_event",
    "check_existence",
    "check_sender",
    "keys_digest",
]
