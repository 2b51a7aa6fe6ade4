"""What a desk consists of: each part brings its pages, its tables and its tasks."""

from __future__ import annotations

from typing import Any

import msgspec

from broker.desk import (
    alert_pages,
    answers,
    api,
    api_webhooks,
    audit,
    audit_policy,
    audit_reports,
    audit_verify,
    break_glass,
    drafts,
    inbox,
    inbox_pages,
    news,
    outbox,
    review,
    tell_pages,
    tell_sending,
    tokens,
    webhooks,
)
from broker.desk.running import Task


class DeskPart(msgspec.Struct, frozen=True):
    """One part of a desk."""

    handlers: tuple[Any, ...]
    """Litestar's route handlers and routers."""
    schemas: tuple[str, ...] = ()
    """SQL that makes its tables where there are none."""
    tasks: tuple[Task, ...] = ()
    """What runs while the desk is open."""


MAIL = DeskPart(
    handlers=(),
    schemas=(outbox.SCHEMA, inbox.SCHEMA),
    tasks=(outbox.send, outbox.follow_receipts, inbox.follow_alerts),
)
DOOR = DeskPart(
    handlers=(api.ROUTER, api_webhooks.ROUTER),
    schemas=(news.SCHEMA, tokens.SCHEMA, webhooks.SCHEMA),
    tasks=(webhooks.deliver,),
)
REVIEW = DeskPart(
    handlers=(*review.HANDLERS, *break_glass.HANDLERS), schemas=review.SCHEMAS, tasks=review.TASKS
)
DUTY = DeskPart(
    handlers=(*inbox_pages.HANDLERS, *alert_pages.HANDLERS),
    schemas=(answers.SCHEMA,),
    tasks=(answers.settle_turned_back,),
)
TELL = DeskPart(handlers=(*tell_pages.HANDLERS, *tell_sending.HANDLERS), schemas=(drafts.SCHEMA,))
OF_ORGANISATION: tuple[DeskPart, ...] = (MAIL, DOOR, DUTY, TELL)
OF_DUTY_DESK: tuple[DeskPart, ...] = (MAIL, DOOR, REVIEW)
CONSOLE = DeskPart(
    handlers=(
        *audit.HANDLERS,
        *audit_verify.HANDLERS,
        *audit_reports.HANDLERS,
        *audit_policy.HANDLERS,
    )
)
OF_AUDITORS: tuple[DeskPart, ...] = (CONSOLE,)
