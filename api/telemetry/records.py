"""Record what each request did. Logs, metrics and traces read the finished record.

An HTTP request has one record, even if its response is a stream. Each operation over a WebSocket
has a record of its own, and so has the handshake. The modules that contribute to a record find it
through `current`, so they do not depend on each other.
"""

import logging
import random
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from time import perf_counter
from typing import Final, Literal, NamedTuple, TypeAlias

log = logging.getLogger(__name__)

MAX_ID = 64
"""The most characters of a request id that is taken from a client."""
MAX_NAME = 100
"""The most characters of the name of an operation that are recorded."""
MAX_SPANS = 200
"""The most spans of a record. A subscription may run statements for days."""

Part: TypeAlias = Literal["token", "parse", "compile", "execute", "database", "encode"]
"""A part of a request whose time is recorded.

`token`: verify the token, and check that it is not revoked. `parse`: find the document, or parse
and validate it, and compute its cost. `compile`: compile an operation. `execute`: run an operation,
including `compile` and `database`. `database`: wait for a connection, run a statement and read its
rows. Statements of one operation may run at the same time. `encode`: write the response as JSON,
and compress it.
"""


class Span(NamedTuple):
    """When a part of a request began and ended, as times of `clock`."""

    part: Part
    began: float
    ended: float
    text: str
    """The SQL of a statement, without its values."""


Transport: TypeAlias = Literal["http", "sse", "websocket"]
Outcome: TypeAlias = Literal["", "taken", "missed", "failed"]

clock: Final = perf_counter
_SAFE_ID: Final = re.compile(rb"[\w.:=+/-]{1,%d}" % MAX_ID)


class Record:
    """What one request did. Its times are in seconds; `began` and spans are times of `clock`."""

    __slots__ = (
        "_observers",
        "began",
        "codes",
        "compiled",
        "compiled_reason",
        "cost",
        "duration",
        "is_observed",
        "method",
        "operation_name",
        "operation_type",
        "owner",
        "request_id",
        "route",
        "seconds",
        "spans",
        "statements",
        "status",
        "traceparent",
        "transport",
    )

    def __init__(self, transport: "Transport", request_id: str, observers: "Observers") -> None:
        self.transport = transport
        self.request_id = request_id
        self.method = ""
        """The HTTP method; empty for an operation over a WebSocket."""
        self.route = ""
        """The path that was requested, if it is one of the app; empty otherwise."""
        self.operation_name = ""
        """At most `MAX_NAME` characters that the client chose."""
        self.operation_type = ""
        """`query`, `mutation` or `subscription`; empty if no operation was found."""
        self.owner = ""
        """The owner of the token. Logs contain only a hash of it."""
        self.cost = 0.0
        self.statements = 0
        """The number of SQL statements, except those that begin and end transactions."""
        self.status: int | None = None
        """The HTTP status; None for an operation over a WebSocket, or without a response."""
        self.codes: dict[str, int] = {}
        """How many errors of each code the client gets."""
        self.compiled: Outcome = ""
        """Whether the compiled operation was taken; empty if no operation was executed."""
        self.compiled_reason = ""
        """Why the compiled operation was not taken."""
        self.seconds: dict[Part, float] = {}
        self.spans: list[Span] | None = [] if observers.keep_spans else None
        """The beginning and the end of each part, if an observer needs them."""
        self.traceparent = ""
        """The field of W3C Trace Context that the request had."""
        self.began = clock()
        self.duration = 0.0
        self.is_observed = bool(observers.functions)
        self._observers = observers

    def failed(self, code: str) -> None:
        """Record that the client gets an error with this code."""
        self.codes[code] = self.codes.get(code, 0) + 1

    def end(self) -> None:
        """Give the finished record to each observer. Call this once."""
        self.duration = clock() - self.began
        for observer in self._observers.functions:
            try:
                observer(self)
            except Exception:
                log.exception("an observer of requests failed")


Observer = Callable[[Record], None]


class Observers:
    """The functions that get each finished record.

    `keep_spans` records when each part of a request began and ended. Otherwise only the sum of the
    seconds of each part is recorded.
    """

    def __init__(self, functions: Iterable[Observer] = (), *, keep_spans: bool = False) -> None:
        self.functions = tuple(functions)
        self.keep_spans = keep_spans

    def begin_request(
        self,
        method: str,
        route: str,
        headers: Iterable[tuple[bytes, bytes]],
        transport: Transport = "http",
    ) -> Record:
        """Make the record of an HTTP request current, with the `X-Request-Id` of its headers.

        The record stays current until the task of the request ends, so that the server's own log
        lines about the request have its id.
        """
        request_id = traceparent = ""
        for name, value in headers:
            if name == b"x-request-id" and _SAFE_ID.fullmatch(value):
                request_id = value.decode()
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        record = Record(transport, request_id or new_id(), self)
        record.method, record.route, record.traceparent = method, route, traceparent
        _current.set(record)
        return record

    def begin_operation(self, owner: str) -> Record:
        """Make the record of an operation over a WebSocket current, until `leave` is called."""
        record = Record("websocket", new_id(), self)
        record.route, record.owner = "/graphql", owner
        _current.set(record)
        return record


_current: ContextVar[Record | None] = ContextVar("record", default=None)


def current() -> Record | None:
    """Return the record of the request that this code serves; None in a background task."""
    return _current.get()


def leave() -> None:
    """Make no record current in this task. Tasks that it has created keep their current record."""
    _current.set(None)


def ended(part: Part, began: float, text: str = "") -> None:
    """Add the time since `began` to a part of the current record. `text` is that of the span."""
    record = _current.get()
    if record is None or not record.is_observed:
        return
    now = clock()
    record.seconds[part] = record.seconds.get(part, 0.0) + now - began
    if record.spans is not None and len(record.spans) < MAX_SPANS:
        record.spans.append(Span(part, began, now, text))


def failed(code: str) -> None:
    """Add an error with this code to the current record."""
    record = _current.get()
    if record is not None:
        record.failed(code)


def request_id() -> str:
    """Return the id of the current request, or a new one in a background task."""
    record = _current.get()
    return record.request_id if record else new_id()


def new_id() -> str:
    """Return a new request id."""
    # This takes a quarter of the time of `secrets.token_hex`. An id is no secret.
    return f"{random.getrandbits(64):016x}"
