"""`/metrics`, `/healthz` and `/readyz` of one process on 127.0.0.1, from a thread of their own.

The thread answers although the loop is stuck: that is how it is seen to be. Nothing else is answered
and nothing is read but the path. Whoever must ask from elsewhere puts a proxy with TLS and a
password before it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from broker.shell.watch.figures import Figures
from broker.shell.watch.health import Health

HOST = "127.0.0.1"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
IDLE_S = 10


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def serve(port: int, figures: Figures, health: Health) -> int:
    """Serves until the process ends; the port, which is chosen where it is 0. Raises OSError."""

    class Asked(BaseHTTPRequestHandler):
        timeout = IDLE_S
        server_version, sys_version = "broker", ""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, METRICS_TYPE, figures.text())
            elif self.path == "/healthz":
                self._json(health.healthy, {"healthy": health.healthy})
            elif self.path == "/readyz":
                self._json(health.ready, {"ready": health.ready, **health.conditions})
            else:
                self._answer(404, "text/plain", b"/metrics, /healthz, /readyz\n")

        def log_message(self, *_: object) -> None:
            """Says nothing: what is asked for is the asker's text."""

        def _json(self, good: bool, body: dict[str, bool]) -> None:
            self._answer(
                200 if good else 503, "application/json", json.dumps(body).encode() + b"\n"
            )

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = _Server((HOST, port), Asked)
    threading.Thread(target=server.serve_forever, name="figures", daemon=True).start()
    return int(server.server_address[1])
