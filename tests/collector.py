"""A collector of OpenTelemetry that keeps the spans that it gets with OTLP over HTTP."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import stack
from tests.waiting import wait_until


@dataclass(frozen=True)
class Span:
    """A span, with its ids in hexadecimal digits."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: Mapping[str, object]


@dataclass
class Collector:
    """Keeps all spans that it has got."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def wait(self, name: str, trace: str | None = None) -> list[Span]:
        """Wait for spans of this name, in this trace or in any one, and return them."""

        def found() -> list[Span]:
            return [s for s in self.spans if s.name == name and trace in {None, s.trace}]

        wait_until(lambda: bool(found()), f"no span {name}")
        return found()

    def ancestors(self, span: Span) -> list[str]:
        """Return the services and the names of the spans above a span, the nearest first."""
        by_id = {each.id: each for each in self.spans}
        names = []
        while span.parent in by_id:
            span = by_id[span.parent]
            names.append(f"{span.service}: {span.name}")
        return names

    def has_statement(self, trace: str, *above: str, root: str) -> bool:
        """Return whether a statement of the trace has these spans above it, up to a root."""
        found = [span for span in self.spans if (span.name, span.trace) == ("statement", trace)]
        return any(
            names[: len(above)] == [*above] and names[-1].startswith(root)
            for names in map(self.ancestors, found)
            if names
        )

    def add(self, body: bytes) -> None:
        """Add the spans of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            named["service.name"],
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            {a.key: _value(a.value) for a in span.attributes},
                        )
                    )


def _value(value: object) -> object:
    [(_, found)] = value.ListFields()  # type: ignore[attr-defined]  # a message of protobuf
    return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Accept spans (OTLP/HTTP, in protobuf)."""
            body = self._body()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            collector.add(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            """Read a body of a known length, or in chunks (RFC 9112 §7.1)."""
            if length := self.headers["Content-Length"]:
                return self.rfile.read(int(length))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def traced_site(folder: Path) -> Iterator[tuple[stack.Site, Collector]]:
    """Run the whole product, and a collector to which both of its servers send their spans."""
    with collecting() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with stack.site(folder, **variables) as site:
            yield site, collector
