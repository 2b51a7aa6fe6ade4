"""Between recording and sending: the auditors' log is shown to witnesses, or nothing is sent.

Before each delivery the log must continue the last cosigned checkpoint, which lies in a file outside
the store; then every witness is asked at once, one round trip a batch. Cosignatures are in the
database and the file before anything is sent.
"""

from __future__ import annotations

import asyncio

import structlog

from broker.ledger import (
    ContradictionError,
    LastCosigned,
    ShardStore,
    VerifierKey,
    WitnessKey,
    with_cosignatures,
)
from broker.shell.crash import point
from broker.shell.witness_client import Answer, Contradicted, Cosigned, WitnessClient
from broker.shell.witnesses_file import WitnessPolicy

WAIT_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between attempts where deliveries wait for the quorum; the last one for ever."""

log = structlog.get_logger()


class Witnessing:
    """The witnesses of one shard. `confirm()` returns when its log may be delivered from."""

    def __init__(
        self,
        shard: str,
        store: ShardStore,
        policy: WitnessPolicy,
        last: LastCosigned,
        armed: str = "",
    ) -> None:
        """`armed` is the crash point of the fault tests."""
        self._shard = shard
        self._store = store
        self._policy = policy
        self._last = last
        self._armed = armed
        self._client = WitnessClient(policy.timeout_s)
        self._confirmed: int | None = None
        """Size of the log that the quorum cosigned in this process's time."""

    def know(self, keys: VerifierKey) -> None:
        """The log's own keys from now on, those that ended among them."""
        self._last.know(keys)

    async def close(self) -> None:
        """Ends the connections to the witnesses."""
        await self._client.close()

    async def confirm(self) -> None:
        """Returns when what is recorded may be sent.

        Raises ContradictionError where the log does not continue what was cosigned: by the file of
        the last cosigned checkpoint, also where no witness is configured any more, or by a witness.
        """
        try:
            await self._confirm()
        except ContradictionError as error:
            log.error("witness_contradicted", shard=self._shard, reason=str(error))
            raise

    async def _confirm(self) -> None:
        cosigned = self._last.read()
        if cosigned is not None:
            self._store.witnessed.check_grown_from(cosigned)
        size, note = self._store.witnessed.tip()
        if not self._policy.witnesses or size == self._confirmed:
            return
        for attempt in range(1_000_000_000):
            found = await self._round(size, note)
            if found >= self._policy.quorum:
                self._confirmed = size
                return
            log.error(
                "witness_quorum_missed", shard=self._shard, count=found, reason=self._consequence
            )
            if self._policy.if_unreachable == "deliver":
                return
            await asyncio.sleep(WAIT_S[min(attempt, len(WAIT_S) - 1)])

    @property
    def _consequence(self) -> str:
        if self._policy.if_unreachable == "deliver":
            return "delivered without; the next cosignature covers it"
        return "nothing is delivered until the quorum has cosigned"

    async def _round(self, size: int, note: str) -> int:
        """Asks every witness once; how many have cosigned."""
        store, witnesses = self._store.witnessed, self._policy.witnesses
        answers = await asyncio.gather(
            *(
                self._client.ask(one, store.last_by(one.key), size, note, store.proof)
                for one in witnesses
            )
        )
        point("ledger.witnessed", self._armed)
        lines: list[tuple[WitnessKey, str]] = []
        for witness, answer in zip(witnesses, answers, strict=True):
            line = self._line_of(witness.key, answer)
            lines += [(witness.key, line)] if line is not None else []
        if lines:
            store.keep(size, lines)
            self._last.write(with_cosignatures(note, [line for _, line in lines]))
        return len(lines)

    def _line_of(self, key: WitnessKey, answer: Answer) -> str | None:
        if isinstance(answer, Cosigned):
            return answer.line
        if isinstance(answer, Contradicted):
            raise ContradictionError(
                f"{self._shard}: the witness {key.name} {answer.what}: the store was put back to an "
                "earlier state, or history was rewritten. Nothing is delivered. Restore the store "
                "that was cosigned; if there is none, begin a new ledger under another name and keep "
                "this one for the auditors"
            )
        log.warning("witness_unanswered", shard=self._shard, reason=f"{key.name}: {answer.why}")
        return None
