"""Signing in by the organisation's OpenID Connect provider: code flow with PKCE, state and nonce.

What was begun lies in the desk's database, sealed, and belongs to the browser that began it: an answer
that another browser brings, or that comes a second time, signs nobody in. Nothing of the provider is kept
afterwards: no token, no address, only who the person is for as long as the session lasts.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]
    AsyncOAuth2Client,
)

from broker.desk.consultations import ID
from broker.desk.id_token import Expected, SignInRefusedError, checked, values_at
from broker.desk.people import Person, Role, roles_at
from broker.desk.settings import AUDITOR, DeskSettings
from broker.desk.store import DeskStore
from broker.shell.keys import DESK

SCHEMA = """
CREATE TABLE IF NOT EXISTS going (
    state_hash TEXT PRIMARY KEY, browser_hash TEXT NOT NULL, sealed BLOB NOT NULL, until REAL NOT NULL);
"""
CALLBACK = "/oidc/back"
WITHIN_S = 600.0
"""Between going to the provider and coming back."""
ANSWERS_WITHIN_S = 10.0
METADATA_KEPT_S = 3600.0
KEYS_AGAIN_AFTER_S = 30.0
RANDOM_BYTES = 32
MOST_UNDER_WAY = 10_000
NAME_LENGTH = 100
FAILURES = (httpx.HTTPError, AuthlibBaseError, ValueError, KeyError, TypeError)


class Going(msgspec.Struct, frozen=True):
    """An attempt to sign in that is under way."""

    nonce: str
    verifier: str
    onward: str
    """Where the person wanted to go."""


class Provider:
    """The provider of one desk, as its own metadata describes it."""

    def __init__(self, own: DeskSettings) -> None:
        """Asks nothing yet."""
        self._own = own
        self._metadata: dict[str, Any] = {}
        self._read_at = 0.0
        self._keys: dict[str, Any] = {}
        self._keys_at = 0.0

    async def address(self, going: Going, state: str) -> str:
        """Where the browser is sent. Raises SignInRefusedError where the provider does not answer."""
        metadata = await self._described()
        more = {"acr_values": " ".join(self._own.oidc_acr)} if self._own.oidc_acr else {}
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=state,
                code_verifier=going.verifier,
                nonce=going.nonce,
                **more,
            )
        return str(address)

    async def person(self, query: Mapping[str, str], going: Going) -> Person:
        """Who came back, by what the provider states. Raises SignInRefusedError."""
        metadata = await self._described()
        if query.get("iss", self._own.oidc_issuer) != self._own.oidc_issuer or (
            metadata.get("authorization_response_iss_parameter_supported") and "iss" not in query
        ):
            raise SignInRefusedError("issuer_wrong")
        if "error" in query or not query.get("code"):
            raise SignInRefusedError("provider_refused")
        token = await self._exchanged(metadata, query["code"], going.verifier)
        expected = Expected(
            issuer=self._own.oidc_issuer,
            client_id=self._own.oidc_client_id,
            nonce=going.nonce,
            now=time.time(),
            acr=self._own.oidc_acr,
        )
        try:
            claims = checked(token, await self._signing_keys(metadata), expected)
        except SignInRefusedError as error:
            if error.reason != "signature_wrong":
                raise
            # The provider may sign with a key that is newer than what was read.
            claims = checked(token, await self._signing_keys(metadata, again=True), expected)
        return person_of_claims(claims, self._own)

    async def end_session_address(self) -> str:
        """Where one signs out of the provider too; empty where it offers none or does not answer."""
        try:
            end = str((await self._described()).get("end_session_endpoint", ""))
        except SignInRefusedError:
            return ""
        # No hint of who it is: the provider knows, and an address is no place for it.
        query = {
            "client_id": self._own.oidc_client_id,
            "post_logout_redirect_uri": f"{self._own.base_url.rstrip('/')}/sign-in",
        }
        return f"{end}?{urlencode(query)}" if end else ""

    def _client(self) -> AsyncOAuth2Client:
        secret = self._own.secret_of_client()
        return AsyncOAuth2Client(
            self._own.oidc_client_id,
            secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            redirect_uri=f"{self._own.base_url.rstrip('/')}{CALLBACK}",
            scope=self._own.oidc_scope,
            code_challenge_method="S256",
            timeout=ANSWERS_WITHIN_S,
        )

    async def _described(self) -> dict[str, Any]:
        if time.monotonic() - self._read_at < METADATA_KEPT_S and self._metadata:
            return self._metadata
        issuer = self._own.oidc_issuer
        metadata = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != issuer:
            raise SignInRefusedError("issuer_wrong")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if urlsplit(str(metadata.get(name))).scheme != urlsplit(issuer).scheme:
                raise SignInRefusedError("answer_not_understood")
        self._metadata, self._read_at = metadata, time.monotonic()
        return metadata

    async def _signing_keys(
        self, metadata: Mapping[str, Any], *, again: bool = False
    ) -> dict[str, Any]:
        age = time.monotonic() - self._keys_at
        if not self._keys or age > METADATA_KEPT_S or (again and age > KEYS_AGAIN_AFTER_S):
            self._keys = await self._get(str(metadata["jwks_uri"]))
            self._keys_at = time.monotonic()
        return self._keys

    async def _get(self, address: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=ANSWERS_WITHIN_S) as client:
                answer = await client.get(address)
                answer.raise_for_status()
                return dict(answer.json())
        except httpx.HTTPError as error:
            raise SignInRefusedError("provider_unreachable") from error
        except (ValueError, TypeError) as error:
            raise SignInRefusedError("answer_not_understood") from error

    async def _exchanged(self, metadata: Mapping[str, Any], code: str, verifier: str) -> str:
        try:
            async with self._client() as client:
                answer = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                )
            return str(answer["id_token"])
        except httpx.TransportError as error:
            raise SignInRefusedError("provider_unreachable") from error
        except FAILURES as error:
            raise SignInRefusedError("provider_refused") from error


def person_of_claims(claims: Mapping[str, Any], own: DeskSettings) -> Person:
    """The person that checked claims describe, with the roles that this desk gives for them.

    Raises SignInRefusedError where there is no staff reference in them.
    """
    reference = claims.get(own.oidc_staff_claim)
    if not isinstance(reference, str) or not ID.fullmatch(reference):
        raise SignInRefusedError("no_reference")
    stated = values_at(claims, own.oidc_roles_claim)
    there = roles_at(own.organisation, desk=DESK, auditor=AUDITOR)
    given = {role for value in stated for role in own.oidc_roles.get(value, ())}
    roles = tuple(role for role in Role if role in given and role in there)
    name = claims.get("name")
    shown = name[:NAME_LENGTH] if isinstance(name, str) and name else reference
    return Person(reference, shown, own.organisation, roles)


def begin(store: DeskStore, browser: str, onward: str) -> tuple[Going, str]:
    """Begins an attempt of that browser; the attempt, and its state for the address."""
    going = Going(secrets.token_urlsafe(RANDOM_BYTES), secrets.token_urlsafe(RANDOM_BYTES), onward)
    state = secrets.token_urlsafe(RANDOM_BYTES)
    now = time.time()
    sealed = store.at_rest.seal(msgspec.json.encode(going), _place(state))
    with store.transaction():
        store.execute("DELETE FROM going WHERE until <= ?", (now,))
        (under_way,) = store.one("SELECT count(*) FROM going")
        if under_way >= MOST_UNDER_WAY:
            raise SignInRefusedError("provider_unreachable")
        store.execute(
            "INSERT INTO going VALUES (?, ?, ?, ?)",
            (_hash(state), _hash(browser), sealed, now + WITHIN_S),
        )
    return going, state


def taken(store: DeskStore, browser: str | None, state: str | None) -> Going:
    """The attempt that an answer belongs to; it is over with that. Raises SignInRefusedError."""
    if not browser or not state:
        raise SignInRefusedError("not_asked_here")
    rows = store.all(
        "DELETE FROM going WHERE state_hash = ? AND browser_hash = ? AND until > ? RETURNING sealed",
        (_hash(state), _hash(browser), time.time()),
    )
    if not rows:
        raise SignInRefusedError("not_asked_here")
    return msgspec.json.decode(store.at_rest.open(rows[0][0], _place(state)), type=Going)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _place(state: str) -> str:
    return f"going {_hash(state)}"
