"""Traces across Kafka: W3C `traceparent` in record headers, from one step to the next.

Three stretches, joined by links, not one trace: what a publisher chose must not reach a recipient, and
all that leaves must be recorded. Intake begins a trace of its own at the border and links it to the
publisher's. What is delivered carries a context that is a hash of the id of its set, and so nothing
that the recipient did not get anyway; the ledger links to it. `tracestate` and baggage are never read
and never sent. Off unless a share is set; then it costs what it costs for that share.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

from broker.shell.settings import Settings
from broker.shell.watch.labels import closed

TRACEPARENT = "traceparent"
FORM = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = 1
Headers = Sequence[tuple[str, bytes]]
Context = tuple[int, int, bool]
"""Trace id, span id, and whether it is kept."""
CLOSE_WITHIN_MS = 2000


def context_of(headers: Any) -> Context | None:
    """The context in a record's headers; None where there is none or it has another form."""
    for name, value in headers or ():
        if name == TRACEPARENT and (found := FORM.fullmatch(value or b"")):
            trace, span, flags = (int(part, 16) for part in found.groups())
            return (trace, span, bool(flags & SAMPLED)) if trace and span else None
    return None


def context_of_set(set_id: str) -> Context:
    """The context of what a set delivers: both ends can compute it, and it says no more than the id."""
    digest = hashlib.sha256(b"trace\n" + set_id.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"), True


def header_of(context: Context) -> Headers:
    """A record's headers for a context."""
    trace, span, kept = context
    return ((TRACEPARENT, b"00-%032x-%016x-%02x" % (trace, span, SAMPLED if kept else 0)),)


class Hop:
    """One step of one record while it is worked on. The one of a record that is not traced does nothing."""

    def __init__(self, span: Any = None) -> None:
        """`span` is an OpenTelemetry span that records."""
        self._span = span
        self.context: Context = (0, 0, False)
        self.headers: Headers = ()
        """For the records that come of it."""
        if span is not None:
            made = span.get_span_context()
            self.context = (made.trace_id, made.span_id, True)
            self.headers = header_of(self.context)

    def __bool__(self) -> bool:
        """Whether it is traced."""
        return self._span is not None

    def end(self, **attributes: str) -> None:
        """The step is done; attributes are the labels of `labels.CLOSED`, and nothing else passes."""
        if self._span is not None:
            for name, value in attributes.items():
                self._span.set_attribute(f"broker.{name}", closed(name, value))
            self._span.end()


UNTRACED = Hop()


class Traces:
    """Spans of one process or client."""

    def __init__(self, provider: Any = None) -> None:
        """`provider` is an OpenTelemetry tracer provider; without one nothing is traced."""
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("broker")

    @classmethod
    def of(cls, settings: Settings, process: str) -> Traces:
        """As the settings say: off, or a share of the records to an OTLP receiver over HTTP."""
        if not settings.trace_share:
            return OFF
        # Costs a quarter of a second and is for those who asked for it.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=settings.trace_endpoint, timeout=5)
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=1000)
        return cls(provider_of(process, settings.trace_share, processor))

    @property
    def on(self) -> bool:
        """Whether anything is traced."""
        return self._tracer is not None

    def begin(self, name: str, before: Context | None = None) -> Hop:
        """The first step of a trace; kept by the share that is set. `before` lies beyond a border."""
        return self._hop(name, None, () if before is None else (before,))

    def go_on(
        self, name: str, parent: Context | None, links: Sequence[Context] = (), ago_s: float = 0
    ) -> Hop:
        """A further step of a trace that is kept; of any other, nothing. It began `ago_s` ago."""
        if parent is None or not parent[2]:
            return UNTRACED
        return self._hop(name, parent, links, ago_s)

    def close(self) -> None:
        """Sends what is left, for two seconds at most."""
        if self._provider is not None:
            self._provider.force_flush(CLOSE_WITHIN_MS)

    def _hop(
        self, name: str, parent: Context | None, links: Sequence[Context], ago_s: float = 0
    ) -> Hop:
        if self._tracer is None:
            return UNTRACED
        from opentelemetry import trace  # noqa: PLC0415 -- loaded by then

        around = None if parent is None else trace.NonRecordingSpan(_span_context(parent))
        span = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(around or trace.INVALID_SPAN),
            links=[trace.Link(_span_context(one)) for one in links],
            start_time=time.time_ns() - int(ago_s * 1e9),
            record_exception=False,
            set_status_on_exception=False,
        )
        return Hop(span) if span.is_recording() else UNTRACED


OFF = Traces()


def provider_of(process: str, share: float, processor: Any) -> Any:
    """A provider that keeps a share of the traces that begin here, and all that others kept."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(share)),
        resource=Resource({"service.name": f"broker-{process}"}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    return provider


def _span_context(context: Context) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 -- as above

    trace_id, span_id, kept = context
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(kept)))
