"""Limit the log to one line a second of each kind. A line tells how many were omitted before it.

A client can repeat an error thousands of times a second. These repetitions must not fill the disk,
or push more important lines out of the log.
"""

import logging
import math
import time
from collections.abc import Callable

MAX_KINDS = 1_000
"""The most kinds that are counted separately. All further kinds share one limit."""
EVERY = 1.0
"""The fewest seconds between two lines of a kind."""
LIMITED = {"left_out": 0}
"""The `extra` of a line to which a `Throttle` was already applied, so that `Limit` passes it."""


class Throttle:
    """Counts events by kind, and decides which of them are logged: one a second of each kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[object, tuple[float, int]] = {}

    def left_out(self, kind: object) -> int | None:
        """Return how many of this kind were omitted before this one; None to omit this one too."""
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds = {k: v for k, v in self._kinds.items() if now < v[0] + EVERY}
            if len(self._kinds) >= MAX_KINDS:
                kind = None
        since, count = self._kinds.get(kind, (-math.inf, 0))
        if now < since + EVERY:
            self._kinds[kind] = since, count + 1
            return None
        self._kinds[kind] = now, 0
        return count


class Limit(logging.Filter):
    """Passes one line a second of each kind.

    Lines are of one kind if they have the same logger and the same message before its arguments
    are inserted. If they have a traceback, the same line of code must also have raised.
    """

    def __init__(self, throttle: Throttle) -> None:
        super().__init__()
        self._throttle = throttle

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record. The decision is made once, also with several handlers."""
        if not hasattr(record, "left_out"):
            count = self._throttle.left_out((record.name, record.msg, _raised_at(record)))
            record.left_out = count
            if count:
                record.msg = f"{record.msg}{before(count)}"
        return record.left_out is not None  # type: ignore[attr-defined]  # set above


def before(count: int) -> str:
    """Return the end of a line that says how many lines were omitted before it."""
    return f", and {count} before it" if count else ""


def _raised_at(record: logging.LogRecord) -> object:
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


def limit() -> None:
    """Limit the lines that reach the handlers of this process, including those of uvicorn.

    The access log is not limited: an operator who enables it wants each line.
    """
    rule = Limit(Throttle())
    handlers = [h for name in ("", "uvicorn") for h in logging.getLogger(name).handlers]
    if logging.lastResort is not None:  # Python uses it when there is no handler
        handlers.append(logging.lastResort)
    for handler in handlers:
        if not any(isinstance(there, Limit) for there in handler.filters):
            handler.addFilter(rule)


def hide_query_strings() -> None:
    """Leave query strings out of uvicorn's access log: a GET may carry a GraphQL document there."""
    access = logging.getLogger("uvicorn.access")
    if _without_query not in access.filters:
        access.addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    """Remove the query string from the path, which is the third argument of such a line."""
    if isinstance(record.args, tuple) and len(record.args) > 2:
        client, method, path, *rest = record.args
        record.args = (client, method, str(path).partition("?")[0], *rest)
    return True
