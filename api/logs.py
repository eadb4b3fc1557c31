"""One rule for the log: of each kind of line one a second, and how many were left out.

Whatever a caller does wrong can be done thousands of times a second. A log must not grow with it,
nor may its lines push out others that matter.
"""

import logging
import math
import time
from collections.abc import Callable

MOST_KINDS = 1_000
"""Kinds that are told apart; any others share one limit."""
EVERY = 1.0
"""Seconds from one line of a kind to the next."""
LIMITED = {"left_out": 0}
"""`extra` of a line that was limited by a `Seldom` already."""


class Seldom:
    """Counts what happens, by kind, and says when it is to be told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[object, tuple[float, int]] = {}

    def left_out(self, kind: object) -> int | None:
        """Return how many of this kind were left out since the last; None to leave this one out."""
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            self._kinds = {k: v for k, v in self._kinds.items() if now < v[0] + EVERY}
            if len(self._kinds) >= MOST_KINDS:
                kind = None
        since, count = self._kinds.get(kind, (-math.inf, 0))
        if now < since + EVERY:
            self._kinds[kind] = since, count + 1
            return None
        self._kinds[kind] = now, 0
        return count


class Limit(logging.Filter):
    """Passes a line a second of each kind: of one logger, with one text before its values.

    Lines with a traceback are of one kind when the same line of code raised.
    """

    def __init__(self, seldom: Seldom) -> None:
        super().__init__()
        self._seldom = seldom

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide once for a record, however many handlers it comes to."""
        if not hasattr(record, "left_out"):
            count = self._seldom.left_out((record.name, record.msg, _raised_at(record)))
            record.left_out = count
            if count:
                record.msg = f"{record.msg}{before(count)}"
        return record.left_out is not None  # type: ignore[attr-defined]


def before(count: int) -> str:
    """Return what a line says of those that were left out before it."""
    return f", and {count} before it" if count else ""


def _raised_at(record: logging.LogRecord) -> object:
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


def limit() -> None:
    """Limit what goes to the handlers of this process, those of uvicorn's own loggers included.

    A server's access log stays as it is: whoever turns that on wants each line.
    """
    rule = Limit(Seldom())
    handlers = [h for name in ("", "uvicorn") for h in logging.getLogger(name).handlers]
    if logging.lastResort is not None:  # what Python writes to when there is no handler
        handlers.append(logging.lastResort)
    for handler in handlers:
        if not any(isinstance(there, Limit) for there in handler.filters):
            handler.addFilter(rule)
