"""Export traces with OpenTelemetry: a span for each request, execution and SQL statement.

The spans are made from the finished record of a request, so a request spends no time on them while
it runs. They continue the trace of the request's `traceparent` (W3C Trace Context). This module
needs the packages of the dependency group `traces`, so it is imported only if traces are enabled.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.telemetry.records import Record, clock

SERVICE: Final = "bearer-tasks-api"
"""The `service.name`, unless `OTEL_SERVICE_NAME` has another one."""
SECOND: Final = 1_000_000_000
"""The nanoseconds in a second."""


class Traces:
    """An observer of requests that exports their spans to a collector, with OTLP over HTTP.

    An async context manager: inside it, a thread exports the spans in batches. `endpoint` is the
    base URL of the collector. `hashed` returns the hash of an owner. The other variables of
    OpenTelemetry, such as `OTEL_TRACES_SAMPLER`, have their usual effect.
    """

    def __init__(self, endpoint: str, hashed: Callable[[str], str]) -> None:
        self._endpoint = f"{endpoint.rstrip('/')}/v1/traces"
        self._hashed = hashed
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    async def __aenter__(self) -> Self:
        name = os.environ.get("OTEL_SERVICE_NAME", SERVICE)
        resource = Resource.create({"service.name": name})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=self._endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("api")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tracer = None
        if self._provider:
            await asyncio.to_thread(self._provider.shutdown)

    def __call__(self, record: Record) -> None:
        """Make the spans of a finished record."""
        if self._tracer is None:
            return
        began = time.time_ns() - round(clock() * SECOND)

        def at(seconds: float) -> int:
            """Return a time of `clock` in nanoseconds since the epoch."""
            return began + round(seconds * SECOND)

        request = self._tracer.start_span(
            f"{record.operation_type} {record.operation_name}".strip() or record.route or "other",
            TraceContextTextMapPropagator().extract({"traceparent": record.traceparent}, Context()),
            SpanKind.SERVER,
            self._attributes(record),
            start_time=at(record.began),
        )
        if record.status is not None and record.status >= 500:
            request.set_status(StatusCode.ERROR)
        parent = inner = set_span_in_context(request, Context())
        execution = next((span for span in record.spans or () if span.part == "execute"), None)
        if execution:
            span = self._tracer.start_span("execute", parent, start_time=at(execution.began))
            span.end(at(execution.ended))
            inner = set_span_in_context(span, Context())
        for statement in record.spans or ():
            if statement.part != "database":
                continue
            # Other statements, such as those that read the revocations, ran before the execution.
            executed = execution is not None and statement.began >= execution.began
            self._tracer.start_span(
                "statement",
                inner if executed else parent,
                SpanKind.CLIENT,
                {"db.system.name": "postgresql", "db.query.text": statement.text},
                start_time=at(statement.began),
            ).end(at(statement.ended))
        request.end(at(record.began + record.duration))

    def _attributes(self, record: Record) -> dict[str, str | int | float]:
        attributes: dict[str, str | int | float] = {
            "request.id": record.request_id,
            "network.protocol.name": record.transport,
            "graphql.cost": record.cost,
        }
        if record.method:
            attributes["http.request.method"] = record.method
        if record.route:
            attributes["http.route"] = record.route
        if record.status is not None:
            attributes["http.response.status_code"] = record.status
        if record.operation_type:
            attributes["graphql.operation.type"] = record.operation_type
            attributes["graphql.operation.name"] = record.operation_name
        if record.codes:
            attributes["error.type"] = ",".join(record.codes)
        if record.owner:
            attributes["enduser.pseudo.id"] = self._hashed(record.owner)
        return attributes
