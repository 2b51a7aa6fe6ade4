"""What stands between the network and the pages of a desk: cookies, tokens of forms, limits, host names."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import DefineMiddleware
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionBackend
from litestar.security.session_auth import SessionAuth

from broker.desk import signing_in
from broker.desk.people import Person
from broker.desk.running import RunningDesk
from broker.desk.sessions import sessions_of
from broker.desk.settings import DeskSettings

LOCAL = ("127.0.0.1", "::1", "localhost")
WITHOUT_SESSION = ["^/static", "^/healthz", "^/schema", "^/openapi.json", "^/api/"]


class DeskError(RuntimeError):
    """A desk that cannot be opened; says what to do."""


def check(own: DeskSettings) -> None:
    """Raises DeskError where people could come in without proof, or nobody could."""
    if own.development:
        opened_to = [one for one in (own.host, own.host_name) if one and one not in LOCAL]
        if opened_to:
            raise DeskError(
                f"signing in without proof is for this machine alone, and {opened_to[0]} is open to others: "
                "unset BROKER_DESK_DEVELOPMENT and set BROKER_DESK_OIDC_ISSUER"
            )
        return
    missing = [
        f"BROKER_DESK_{name.upper()}"
        for name in ("oidc_issuer", "oidc_client_id", "oidc_roles", "base_url")
        if not getattr(own, name)
    ]
    if missing:
        raise DeskError(
            f"nobody could sign in at this desk: set {', '.join(missing)} (docs/runbooks/desk.md), or try it "
            "with invented people by `make run`"
        )
    for name, address in (("BASE_URL", own.base_url), ("OIDC_ISSUER", own.oidc_issuer)):
        if not address.startswith("https://") and not _is_local(address):
            raise DeskError(f"BROKER_DESK_{name} must begin with https:// but on this machine")


def cookie_name(own: DeskSettings, what: str) -> str:
    """Name of a cookie. Browsers share cookies between ports of one machine: each desk has its own.

    Behind TLS with `__Host-`: no other host of the domain can set it (RFC 6265bis, 4.1.3.2).
    """
    mark = hashlib.sha256(own.organisation.encode()).hexdigest()[:8]
    return f"{'__Host-' if own.is_https else ''}desk-{what}-{mark}"


def sessions(desk: RunningDesk) -> SessionAuth[Person, ServerSideSessionBackend]:
    """Who is signed in."""
    return SessionAuth[Person, ServerSideSessionBackend](
        retrieve_user_handler=signing_in.person_of,
        session_backend_config=sessions_of(desk.own, desk.store, cookie_name(desk.own, "session")),
        exclude=WITHOUT_SESSION,
    )


def forms(desk: RunningDesk) -> CSRFConfig:
    """The token of each form; a form that was open while the desk was started anew stays good."""
    return CSRFConfig(
        secret=desk.store.at_rest.secret_for("forms"),
        cookie_name=cookie_name(desk.own, "form"),
        cookie_httponly=True,
        cookie_secure=desk.own.is_https,
        # Strict would give it anew to whoever comes back from the provider, and spoil forms in other tabs.
        cookie_samesite="lax",
        exclude=["^/api/"],
    )


def limits(own: DeskSettings) -> list[DefineMiddleware]:
    """So many requests a minute from one person, or one address; fewer where somebody signs in."""
    everything = RateLimitConfig(
        rate_limit=("minute", own.requests_a_minute),
        exclude=["^/static", "^/healthz"],
        identifier_for_request=_who,
        set_rate_limit_headers=False,
    )
    signing = RateLimitConfig(
        rate_limit=("minute", own.sign_ins_a_minute),
        identifier_for_request=lambda request: f"sign-in {_address(request)}",
        check_throttle_handler=_tries,
        set_rate_limit_headers=False,
    )
    return [everything.middleware, signing.middleware]


async def refuse_other_names(request: Request[Any, Any, Any]) -> None:
    """In development anybody may sign in as anyone, so a page whose name leads here must not be let in.

    Raises PermissionDeniedException. Elsewhere such a page has no session here, and gets none.
    """
    desk: RunningDesk = request.app.state.desk
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname
    if desk.own.development and named not in LOCAL:
        raise PermissionDeniedException("this desk is for this machine alone, by its own name")


def _tries(request: Request[Any, Any, Any]) -> bool:
    """Whether it is a step of signing in; looking at the page is none."""
    path = request.url.path
    return path.startswith("/oidc/") or (path == "/sign-in" and request.method != "GET")


def _who(request: Request[Any, Any, Any]) -> str:
    person: Person | None = request.scope.get("user")
    return f"person {person.staff_ref}" if person is not None else f"address {_address(request)}"


def _address(request: Request[Any, Any, Any]) -> str:
    """Where the request came from; behind a trusted proxy what that says (broker.desk.serve)."""
    return request.client.host if request.client else "nowhere"


def _is_local(address: str) -> bool:
    return urlsplit(address).hostname in LOCAL
