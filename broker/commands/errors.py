"""Errors of the command line that are for the person at it."""

from __future__ import annotations

import sys

EXPECTED = {
    "broker.auditor.asked": ("AskedError",),
    "broker.auditor.report": ("BadLedgerError",),
    "broker.client.connection": ("ClientError",),
    "broker.commands.errors": ("CommandError",),
    "broker.desk.app": ("DeskError",),
    "broker.desk.store": ("DeskStoreError",),
    "broker.imports.police_uk": ("NotPoliceUkError",),
    "broker.ledger": ("LedgerError",),
    "broker.policies": ("PolicyFileError",),
    "broker.reference": ("ReferenceDataError",),
    "broker.shell.key_errors": ("KeysError",),
    "broker.shell.topics": ("TopicsError",),
    "aiokafka.errors": ("KafkaError",),
    "builtins": ("OSError",),
}
"""Module -> its errors whose message says what was wrong and what to do."""


class CommandError(RuntimeError):
    """What was asked cannot be done; the message says why and what to do."""


def sentence_of(error: Exception) -> str | None:
    """The error in one line if it is meant for people, else None: it is a fault of the broker.

    A class that no loaded module defines cannot have been raised, so none is loaded for this.
    """
    for module, names in EXPECTED.items():
        loaded = sys.modules.get(module)
        classes = tuple(getattr(loaded, name) for name in names if hasattr(loaded, name))
        if isinstance(error, classes):
            return " ".join(str(error).split()) or type(error).__name__
    return None
