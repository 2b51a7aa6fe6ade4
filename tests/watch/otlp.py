"""A receiver of traces in the test: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(msgspec.Struct, frozen=True):
    """One span as it was received."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: frozenset[str]
    """Trace ids that it is linked to."""
    attributes: dict[str, str]


@contextmanager
def receiver() -> Iterator[tuple[str, list[Span]]]:
    """(address, the spans that came so far)."""
    spans: list[Span] = []

    class Taken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            spans.extend(spans_of(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taken)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spans_of(body: bytes) -> list[Span]:
    """The spans of one request. Resource attributes beside the service's name are refused."""
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        (named,) = resource.resource.attributes
        assert named.key == "service.name"
        for scope in resource.scope_spans:
            found += [
                Span(
                    service=named.value.string_value,
                    name=one.name,
                    trace=one.trace_id.hex(),
                    id=one.span_id.hex(),
                    parent=one.parent_span_id.hex(),
                    links=frozenset(link.trace_id.hex() for link in one.links),
                    attributes={a.key: a.value.string_value for a in one.attributes},
                )
                for one in scope.spans
            ]
            assert not any(one.events for one in scope.spans), "an event holds free text"
    return found
