"""How pages are made: Jinja with the GOV.UK components, and what every page is given."""

from __future__ import annotations

import datetime
import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader
from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template

from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk

STATIC = Path(__file__).parent / "static"
LONDON = ZoneInfo("Europe/London")


def engine() -> JinjaTemplateEngine:
    """Templates of this package first, then the GOV.UK components under `govuk_frontend_jinja/`."""
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("broker.desk", "templates"),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = when
    environment.filters["day"] = day
    environment.filters["words"] = words
    environment.globals["static"] = static
    return JinjaTemplateEngine.from_environment(environment)


def page(
    request: Request[Person, Any, Any], name: str, status: int = 200, **given: Any
) -> Template:
    """The page `name`.html with what it is `given`, and with desk, person and the way around."""
    desk: RunningDesk = request.app.state.desk
    person: Person | None = request.scope.get("user")
    given |= {
        "desk": desk,
        "person": person,
        "development": desk.own.development,
        "navigation": navigation(person, request.url.path),
    }
    return Template(f"{name}.html", context=given, status_code=status)


def navigation(person: Person | None, path: str) -> list[dict[str, Any]]:
    """Links of the bar at the top: what this person may open here."""
    if person is None:
        return []
    every = (
        (Role.TELLS, "/tell", "Tell us something"),
        (Role.TELLS, "/sent", "What you told us"),
        (Role.DUTY, "/inbox", "Inbox"),
        (Role.REVIEWER, "/review", "Review"),
        (Role.REVIEWER, "/break-glass", "Break-glass"),
        (Role.AUDITOR, "/audit", "Console"),
    )
    return [
        {"href": href, "text": text, "active": path == href or path.startswith(f"{href}/")}
        for role, href, text in every
        if person.may(role)
    ]


@cache
def static(name: str) -> str:
    """Address of a static file; it changes with the file, so that it can be kept for a year."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def when(moment: datetime.datetime) -> str:
    """A time as people say it, in the time of the place: `Saturday 21 November 2026, 3:30pm`."""
    local = moment.astimezone(LONDON)
    return (
        f"{day(moment)}, {local:%I:%M}{local:%p}".replace(", 0", ", ")
        .replace("AM", "am")
        .replace("PM", "pm")
    )


def day(moment: datetime.datetime) -> str:
    """A day as people say it: `Saturday 21 November 2026`."""
    local = moment.astimezone(LONDON)
    return f"{local:%A} {local.day} {local:%B %Y}"


def words(code: str) -> str:
    """A code of ours as words: `family_or_community` is `family or community`."""
    return code.replace("_", " ")
