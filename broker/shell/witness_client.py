"""Asks witnesses to cosign a checkpoint (C2SP tlog-witness): one round trip, and what the answer means."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import aiohttp
import msgspec

from broker.ledger import NoteError, cosigned_at
from broker.shell.witnesses_file import Witness

OK, CONFLICT, UNPROCESSABLE = 200, 409, 422
MAX_ANSWER_BYTES = 65_536
MAX_PROOF = 63
ATTEMPTS = 3
"""A witness that knows another size than we thought is asked once more with a proof from there."""

Proof = Callable[[int], tuple[bytes, ...]]
"""Consistency proof from an earlier size to the checkpoint's."""


class Cosigned(msgspec.Struct, frozen=True):
    """The witness cosigned."""

    line: str


class Contradicted(msgspec.Struct, frozen=True):
    """The witness has cosigned what this checkpoint does not continue."""

    what: str


class Unanswered(msgspec.Struct, frozen=True):
    """No cosignature, and nothing that speaks against the log: unreachable, or not set up for it."""

    why: str


Answer = Cosigned | Contradicted | Unanswered


class WitnessClient:
    """One HTTP session for all witnesses. Use as `async with`."""

    def __init__(self, timeout_s: float) -> None:
        """`timeout_s` bounds all attempts with one witness together."""
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends the session."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, witness: Witness, old: int, size: int, note: str, proof: Proof) -> Answer:
        """Asks one witness to cosign `note`, of `size` entries, it having last cosigned `old`.

        Never raises for what a witness does.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(witness, old, size, note, proof)
        except TimeoutError:
            return Unanswered(f"no answer within {self._timeout_s} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unanswered(f"{type(error).__name__}")

    async def _ask(self, witness: Witness, old: int, size: int, note: str, proof: Proof) -> Answer:
        for _ in range(ATTEMPTS):
            status, text = await self._post(witness, request_of(old, proof(old), note))
            if status == OK:
                return _cosigned(note, text, witness)
            if status == UNPROCESSABLE:
                return Contradicted(
                    f"does not find the {size} entries to continue the {old} that it cosigned"
                )
            if status != CONFLICT:
                return Unanswered(f"it answers {status}")
            old = _size_in(text)
            if old > size:
                return Contradicted(f"has cosigned {old} entries and there are {size}")
        return Unanswered("its size changed again and again: does somebody else write this log?")

    async def _post(self, witness: Witness, body: bytes) -> tuple[int, str]:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(
            f"{witness.url}add-checkpoint", data=body, allow_redirects=False
        ) as response:
            data = await response.content.read(MAX_ANSWER_BYTES)
            return response.status, data.decode("utf-8")


def request_of(old: int, proof: tuple[bytes, ...], note: str) -> bytes:
    """The body of an `add-checkpoint` request. Raises ValueError for a proof that none can be asked with."""
    if len(proof) > MAX_PROOF:
        raise ValueError("a consistency proof has 63 hashes at most")
    lines = [f"old {old}", *(base64.b64encode(one).decode("ascii") for one in proof)]
    return ("\n".join(lines) + f"\n\n{note}").encode()


def _cosigned(note: str, text: str, witness: Witness) -> Answer:
    """The witness's own line of its answer, once it holds; an answer may have lines by other keys."""
    why = "its answer has no cosignature by its key"
    for line in text.split("\n"):
        try:
            cosigned_at(note, line, witness.key)
        except NoteError as error:
            why = str(error) if witness.key.name in line else why
        else:
            return Cosigned(line)
    return Unanswered(why)


def _size_in(text: str) -> int:
    """The size in a 409. Raises ValueError."""
    stated = text.strip()
    if not stated.isascii() or not stated.isdigit() or len(stated) > 18:
        raise ValueError("a conflict without a size")
    return int(stated)
