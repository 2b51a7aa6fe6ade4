"""A provider that states whatever a test wants it to state: discovery, keys and tokens, and no pages."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT = "desk"
Claims = dict[str, Any]


class HostileProvider:
    """What it states, and with which key; a test changes what it likes."""

    def __init__(self, issuer: str) -> None:
        """States the truth until a test changes something."""
        self.issuer = issuer
        self.key = ECKey.generate_key("P-256", {"kid": "own", "use": "sig"})
        self.shown_keys = [self.key]
        self.nonce = ""
        self.described: Claims = {}
        """What its metadata says besides or instead."""
        self.claims: Claims = {}
        """Claims besides or instead; None leaves one out."""
        self.token: Callable[[Claims], str] = self.signed
        self.asked: list[dict[str, str]] = []
        """Every request for a token."""

    def metadata(self) -> Claims:
        """Its discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
        } | self.described

    def stated(self) -> Claims:
        """The claims of the next token."""
        now = int(time.time())
        true = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "staff-7",
            "name": "Sal Invented",
            "roles": ["duty"],
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
        }
        return {name: one for name, one in (true | self.claims).items() if one is not None}

    def signed(self, claims: Claims) -> str:
        """A token by its own key."""
        return jwt.encode({"alg": "ES256", "kid": "own"}, claims, self.key)


@contextlib.contextmanager
def hostile() -> Iterator[HostileProvider]:
    """It, listening, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/.well-known/"):
                self._say(made.metadata())
            else:
                self._say({"keys": [one.as_dict(private=False) for one in made.shown_keys]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = {name: value[0] for name, value in parse_qs(body).items()}
            made.asked.append(asked | {"authorization": self.headers.get("Authorization", "")})
            token = made.token(made.stated())
            self._say({"access_token": "x", "token_type": "Bearer", "id_token": token})

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def _say(self, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = HostileProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


def query_of(address: str) -> dict[str, str]:
    """The query of an address."""
    return {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
