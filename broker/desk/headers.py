"""Headers of every answer, and the refusal of what another site's page sends."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import PermissionDeniedException
from litestar.status_codes import HTTP_200_OK
from litestar.types import Message, Scope

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
KEPT = "public, max-age=31536000, immutable"
FOR_TWO_YEARS = "max-age=63072000"
"""A browser that was here once does not come by plain HTTP again."""
SAFE = {"GET", "HEAD", "OPTIONS"}
OWN = {"same-origin", "none"}


async def refuse_other_sites(request: Request[Any, Any, Any]) -> None:
    """Refuses what a page of another site makes a browser send; besides the token of each form."""
    site = request.headers.get("Sec-Fetch-Site")
    if request.method not in SAFE and site is not None and site not in OWN:
        raise PermissionDeniedException("this was sent by another site's page")


async def with_headers(message: Message, scope: Scope) -> None:
    """Adds HEADERS to every answer; nothing but static files may be kept by a browser or a proxy."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if scope["litestar_app"].state.get("secure"):
        headers["Strict-Transport-Security"] = FOR_TWO_YEARS
    is_static = scope["path"].startswith("/static/") and message["status"] == HTTP_200_OK
    headers["Cache-Control"] = KEPT if is_static else "no-store"
