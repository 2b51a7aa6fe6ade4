"""redact: the alert is built from released fields only, so an unreleased one has no way in."""

from broker.redact.release import Seen, release

__all__ = ["Seen", "release"]
