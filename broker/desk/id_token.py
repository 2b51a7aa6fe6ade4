"""What an OpenID Connect provider says of a person: an ID token, held to everything it must be.

Pure: the token, the provider's keys, what was asked for and the time. Rules: OpenID Connect Core 1.0,
section 3.1.3.7; only signatures that the provider alone can make are taken (never `none`, never a shared
secret).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)
LEEWAY_S = 60
"""How far the clocks of desk and provider may be apart."""
OLDEST_S = 600
"""An ID token is used at once; an older one was kept by somebody."""
REASONS = {
    "not_asked_here": "this browser did not begin to sign in here, or began more than ten minutes ago",
    "provider_refused": "your organisation's sign-in did not let you through",
    "provider_unreachable": "your organisation's sign-in does not answer",
    "answer_not_understood": "your organisation's sign-in gave an answer that cannot be read",
    "signature_wrong": "what your organisation's sign-in stated is not signed by it",
    "issuer_wrong": "the statement about you is of another sign-in than your organisation's",
    "audience_wrong": "the statement about you was made for another service",
    "time_wrong": "the statement about you is too old, or the clocks differ",
    "nonce_wrong": "the statement about you answers another attempt to sign in",
    "too_weak": "this desk asks for a second factor, and you signed in without one",
    "no_reference": "your account has no staff reference that can stand in a record",
}
"""Why somebody was not signed in, in words."""


class SignInRefusedError(Exception):
    """Somebody was not signed in; `reason` is a key of REASONS. Holds nothing about the person."""

    def __init__(self, reason: str) -> None:
        """`reason` as in REASONS."""
        super().__init__(REASONS[reason])
        self.reason = reason


class Expected(msgspec.Struct, frozen=True):
    """What a token must be."""

    issuer: str
    client_id: str
    nonce: str
    now: float
    """Seconds since 1970."""
    acr: tuple[str, ...] = ()
    """Ways of signing in that are strong enough; none: any."""


def checked(token: str, keys: Mapping[str, Any], expected: Expected) -> dict[str, Any]:
    """The claims of an ID token that is all it must be. Raises SignInRefusedError.

    `keys` is the provider's JWK set.
    """
    claims = _signed_claims(token, keys)
    if claims.get("iss") != expected.issuer:
        raise SignInRefusedError("issuer_wrong")
    _check_audience(claims, expected.client_id)
    _check_times(claims, expected.now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), expected.nonce.encode()
    ):
        raise SignInRefusedError("nonce_wrong")
    if expected.acr and claims.get("acr") not in expected.acr:
        raise SignInRefusedError("too_weak")
    return claims


def values_at(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The texts of a claim; dots lead into it (`realm_access.roles`), unless it is called just so."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return frozenset({found})
    if isinstance(found, Iterable) and not isinstance(found, Mapping):
        return frozenset(one for one in found if isinstance(one, str))
    return frozenset()


def _signed_claims(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(
            jwt.decode(token, KeySet.import_key_set(_own(keys)), algorithms=ALGORITHMS).claims
        )
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignInRefusedError("signature_wrong") from error


def _own(keys: Mapping[str, Any]) -> Any:
    """The set without keys that sign nothing: secrets, and those for encryption."""
    usable = [
        one
        for one in keys.get("keys", ())
        if one.get("kty") in {"RSA", "EC", "OKP"} and one.get("use", "sig") == "sig"
    ]
    return {"keys": usable}


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", client_id)
    alone = len(audiences) == 1 or "azp" in claims
    if client_id not in audiences or party != client_id or not alone:
        raise SignInRefusedError("audience_wrong")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued, not_before = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    for one in (expires, issued, not_before):
        if not isinstance(one, int | float) or isinstance(one, bool):
            raise SignInRefusedError("time_wrong")
    fresh = now - OLDEST_S - LEEWAY_S <= claims["iat"] <= now + LEEWAY_S
    if not fresh or claims["exp"] <= now - LEEWAY_S or claims.get("nbf", 0) > now + LEEWAY_S:
        raise SignInRefusedError("time_wrong")
