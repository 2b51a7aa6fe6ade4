"""The reasons in words, read once for a desk."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from broker.desk.alert_view import Codes
from broker.desk.running import RunningDesk
from broker.reference import load_reason_codes


def codes_of(desk: RunningDesk) -> Codes:
    """Reason code -> meaning and what to do. Raises ReferenceDataError."""
    return _codes(desk.settings.codesets_dir)


@lru_cache(maxsize=1)
def _codes(folder: Path) -> Codes:
    return load_reason_codes(folder)
