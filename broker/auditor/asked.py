"""The error of an auditor's question that cannot be answered."""

from __future__ import annotations


class AskedError(RuntimeError):
    """What was asked cannot be answered; the message says why and what to do."""
