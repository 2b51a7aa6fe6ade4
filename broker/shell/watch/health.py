"""Health and readiness of one process, as a supervisor or a cluster asks for them.

Healthy: the loop turns, or the process is still starting. Not healthy is a reason to end it and start it
anew. Ready: Kafka answers, state is recovered, the policy is loaded, the store can be written, as far as
the process needs them. Not ready is a reason to tell somebody; to restart would mend nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

STALLED_S = 20.0
"""A loop that has not turned for so long is stuck; the longest honest turn is a policy's loading."""
STARTING_S = 1800.0
"""State is read back before the loop is called turning; longer than this is stuck as well."""


class Health:
    """Written by the process's loop, read by the thread that answers; safe for both."""

    def __init__(
        self, needs: Iterable[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`needs`: the conditions without which the process is not ready. None holds at first."""
        self._clock = clock
        self._lock = threading.Lock()
        self._holds = dict.fromkeys(needs, False)
        self._started = clock()
        self._turned: float | None = None

    def beat(self) -> None:
        """The loop turned."""
        self._turned = self._clock()

    def say(self, condition: str, holds: bool) -> None:
        """One condition as it is now; one that the process does not need is not kept."""
        with self._lock:
            if condition in self._holds:
                self._holds[condition] = holds

    @property
    def healthy(self) -> bool:
        """Whether the loop turns, or may still be starting."""
        now = self._clock()
        if self._turned is None:
            return now - self._started < STARTING_S
        return now - self._turned < STALLED_S

    @property
    def conditions(self) -> Mapping[str, bool]:
        """Every condition, and whether it holds."""
        with self._lock:
            return dict(self._holds)

    @property
    def ready(self) -> bool:
        """Whether the process is healthy, its loop turns, and every condition holds."""
        return self._turned is not None and self.healthy and all(self.conditions.values())
