"""Count the finished requests, and how long their parts took."""

import re
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Histogram

from api.errors import Code
from api.observed import Record

MOST_NAMES = 100
"""The most names of operations, besides those of trusted documents, that are counted separately."""
OTHER = "other"
"""Stands for all further names. A client chooses the name of its operation, so without a bound it
could fill the memory of Prometheus."""
SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10),
)
"""The upper bounds of the buckets, in seconds."""
PARTS: Final = ("token", "parse", "compile", "execute", "database", "encode")
_NAME: Final = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)")


def operation_names(documents: Iterable[str]) -> set[str]:
    """Return the names of the operations in these documents."""
    return {name for text in documents for name in _NAME.findall(text)}


class Requests:
    """An observer of the records of requests. No label contains an owner.

    `names` are always counted separately. The children of each metric are kept, because finding
    one by its labels takes longer than counting.
    """

    def __init__(self, names: Iterable[str] = (), most_names: int = MOST_NAMES) -> None:
        self._names = {"", OTHER, *names}
        self._room = most_names
        self._total = Counter(
            "tasks_api_requests",
            "Finished requests and operations over WebSockets, with the code of the first error.",
            ("transport", "route", "operation", "status", "code"),
            registry=None,
        )
        self._operations = Counter(
            "tasks_api_operation_seconds",
            "Seconds of all queries and mutations with this name.",
            ("operation",),
            registry=None,
        )
        self._duration = Histogram(
            "tasks_api_request_seconds",
            "Seconds of a request, except for subscriptions and streams.",
            buckets=SECONDS,
            registry=None,
        )
        parts = Histogram(
            "tasks_api_part_seconds",
            "Seconds that a request spent in a part, except for subscriptions and streams.",
            ("part",),
            buckets=SECONDS,
            registry=None,
        )
        errors = Counter(
            "tasks_api_errors", "Errors that clients got, by code.", ("code",), registry=None
        )
        compiled = Counter(
            "tasks_api_compiled",
            "Executed operations, by whether their compiled form was taken, missed or failed.",
            ("outcome",),
            registry=None,
        )
        self._reason = Counter(
            "tasks_api_compiled_reasons",
            "Why the compiled form of an executed operation was missed or failed.",
            ("outcome", "reason"),
            registry=None,
        )
        # These exist from the start: an increase is visible only between two scrapes.
        self._errors = {code.value: errors.labels(code.value) for code in Code}
        self._compiled = {each: compiled.labels(each) for each in ("taken", "missed", "failed")}
        self._parts = {part: parts.labels(part) for part in PARTS}
        self._totals: dict[tuple[str, ...], Counter] = {}
        self._named: dict[str, Counter] = {}
        self._reasons: dict[tuple[str, str], Counter] = {}

    def __call__(self, record: Record) -> None:
        """Count a finished request."""
        name = self._bounded(record.operation_name)
        labels = (
            record.transport,
            record.route,
            name,
            "" if record.status is None else str(record.status),
            next(iter(record.codes), ""),
        )
        total = self._totals.get(labels)
        if total is None:
            total = self._totals[labels] = self._total.labels(*labels)
        total.inc()
        for code, number in record.codes.items():
            self._errors[code].inc(number)
        if record.compiled:
            self._compiled[record.compiled].inc()
        if record.compiled_reason:
            key = record.compiled, record.compiled_reason
            reason = self._reasons.get(key)
            if reason is None:
                reason = self._reasons[key] = self._reason.labels(*key)
            reason.inc()
        if record.operation_type == "subscription":
            return
        self._duration.observe(record.duration)
        for part, seconds in record.seconds.items():
            self._parts[part].observe(seconds)
        if record.operation_type:
            named = self._named.get(name)
            if named is None:
                named = self._named[name] = self._operations.labels(name)
            named.inc(record.duration)

    def _bounded(self, name: str) -> str:
        """Return the name, or `OTHER` if there are too many names already."""
        if name in self._names:
            return name
        if not self._room:
            return OTHER
        self._room -= 1
        self._names.add(name)
        return name
