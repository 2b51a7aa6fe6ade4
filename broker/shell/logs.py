"""JSON logs without personal data.

Only the fields in `ALLOWED` pass; any other is replaced by the word `withheld`, so that a careless
log call cannot print a name. Messages are fixed event names, never built from content.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

ALLOWED = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "process",
        "shard",
        "epoch",
        "size",
        "sequence",
        "sets",
        "parts",
        "dropped",
        "records",
        "topic",
        "topics",
        "partition",
        "offset",
        "reason",
        "error",
        "seconds",
        "count",
        "path",
        "signal",
        "pid",
        "returncode",
        "bootstrap",
        "logger",
    }
)


def only_allowed(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Structlog processor: fields that are not on the list lose their value."""
    for name in event:
        if name not in ALLOWED:
            event[name] = "withheld"
    return event


def foreign_loggers(process: str) -> dict[str, Any]:
    """What libraries log, from ERROR on, as the same JSON lines: configuration for `logging`.

    Their words are about connections and partitions; what lies on the topics is sealed anyway.
    """
    chain = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bound_to(process),
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": chain,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    }
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "json"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": handler},
        "root": {"level": "ERROR", "handlers": ["stderr"]},
    }


def _to(stream: TextIO) -> Callable[..., structlog.PrintLogger]:
    """Loggers that write to the stderr of this moment: Faust exchanges `sys.stderr` later on.

    Where that stream has been closed since, to the process's own: a log line must never be an error.
    """

    def logger(*_: Any) -> structlog.PrintLogger:
        return structlog.PrintLogger(sys.__stderr__ if stream.closed else stream)

    return logger


def _bound_to(process: str) -> structlog.typing.Processor:
    def bind(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return bind


def _told(alarm: Callable[[str], None]) -> structlog.typing.Processor:
    def tell(
        _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if method != "info":
            alarm(event["event"])
        return event

    return tell


def configure(
    process: str, level: str, alarm: Callable[[str], None] = lambda _: None
) -> structlog.stdlib.BoundLogger:
    """A JSON logger on stderr, bound to the process name; foreign loggers only from WARNING.

    `alarm` is told the name of every line of level warning or above.
    """
    number = logging.getLevelName(level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _bound_to(process),
            _told(alarm),
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_to(sys.stderr),
    )
    logging.config.dictConfig(foreign_loggers(process))
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
