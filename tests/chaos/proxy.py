"""A TCP proxy between every client and Kafka, whose connections can be broken in many ways."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing then sends RST, not FIN."""


class Proxy:
    """Listens on `port` and passes everything to `upstream`, in a thread of its own.

    `mode` is `pass`, `delay` (every chunk waits `delay_s`), `halve` (a chunk is passed on by half and its
    connection reset), `stall` (nothing passes), `refuse` (new connections are reset) or `mute` (what
    Kafka answers is swallowed; only what is sent to it passes).
    """

    def __init__(self) -> None:
        """Takes a free port at once; `upstream` is set when Kafka has one."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.upstream = 0
        self.mode, self.delay_s = "pass", 0.0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Resets every connection that there is."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def close(self) -> None:
        """Ends the proxy and its connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._socket))
        self._loop.run_forever()

    def _reset_all(self) -> None:
        for one in list(self._writers):
            _reset(one)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.mode == "refuse":
                return
            there = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            return
        else:
            self._writers.add(there[1])
            ends = (
                asyncio.create_task(self._pump(reader, there[1], answers=False)),
                asyncio.create_task(self._pump(there[0], writer, answers=True)),
            )
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            _reset(there[1])
            self._writers.discard(there[1])
        finally:
            _reset(writer)
            self._writers.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while self.mode == "stall":  # noqa: ASYNC110 -- another thread sets it
                    await asyncio.sleep(0.05)
                if self.mode == "delay":
                    await asyncio.sleep(self.delay_s)
                if self.mode == "mute" and answers:
                    continue
                if self.mode == "halve":
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    held = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def wait_for_port(port: int, within_s: float) -> bool:
    """True once something listens there."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
