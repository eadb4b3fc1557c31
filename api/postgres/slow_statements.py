"""Log the statements that take too long."""

import logging
import math
import re
import sys
from collections.abc import Callable
from typing import Final

from api.errors import Unavailable
from api.postgres.statement import Compiled
from api.telemetry import records

log = logging.getLogger(__name__)

MAX_TEXT: Final = 2_000
"""The most characters of a statement that are logged."""
_ROW: Final = re.compile(r'while [a-z ]+ \(\d+,\d+\)[a-z ]* in relation "(\w+)"')
"""The context of an error that ended a wait for the lock of a row. Other contexts may name values.

Only the first of the statements that wait for a row gets this context from PostgreSQL.
"""


class SlowStatements:
    """Logs each statement that takes `limit` seconds or longer, by default none.

    `hashed` returns the hash of an owner. A line has the SQL of the statement, which contains no
    values. `log_limits` allows one such line a second. The line says how many were omitted before
    it.
    """

    def __init__(
        self, limit: float = math.inf, hashed: Callable[[str], str] = lambda _: ""
    ) -> None:
        self._limit = limit
        self._hashed = hashed

    def ended(self, statement: Compiled, began: float) -> None:
        """Log a statement that began at this time of `records.clock`, if it took too long."""
        seconds = records.clock() - began
        if seconds >= self._limit:
            log.warning("slow statement", extra=self._members(statement, seconds))

    def _members(self, statement: Compiled, seconds: float) -> dict[str, object]:
        members: dict[str, object] = {"duration_ms": round(seconds * 1000)}
        record = records.current()
        if record and record.operation_type:
            members["operation"] = record.operation_name or "anonymous"
        if record and record.owner:
            members["owner"] = self._hashed(record.owner)
        error = sys.exception()  # the error that ended the statement, if there is one
        # During a retry, the exception is the Unavailable of the first attempt.
        if error and not isinstance(error, Unavailable):
            members["error"] = type(error).__name__
            if row := _ROW.match(getattr(error, "context", None) or ""):
                members["waited_for"] = f"a row of {row[1]}"
        members["statement"] = " ".join(statement.sql.split())[:MAX_TEXT]
        return members
