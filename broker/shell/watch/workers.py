"""The figures of the two Faust workers, kept up to date by a task of the app."""

from __future__ import annotations

from collections.abc import Sequence

import faust

from broker.shell.kafka import acknowledged
from broker.shell.policy import PolicyHolder
from broker.shell.watch.process import Watch


def show(
    app: faust.App, watch: Watch, kinds: Sequence[str], policies: PolicyHolder | None = None
) -> None:
    """Adds the task; `kinds` are first words of the topics that the worker reads."""

    def look() -> None:
        watch.health.say("state", not app.rebalancing)
        if policies is not None:
            watch.health.say("policy", True)
            watch.policy(policies.bundle_hash, refused=policies.refused)

    @app.task  # type: ignore[untyped-decorator]
    async def keep() -> None:
        # Faust begins its tasks when the tables are recovered: from here on the state is there.
        await watch.keep(look, lambda: acknowledged(app, kinds))
