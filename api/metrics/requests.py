"""Count finished requests, and record the durations of their parts."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Histogram

from api.errors import Code
from api.metrics.durations import Durations
from api.telemetry.records import Record

MAX_NAMES = 100
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

    `names` are always counted separately. The counts are collected in plain numbers. `write` adds
    them to the metrics later, because that takes several times longer than counting.
    """

    def __init__(self, names: Iterable[str] = (), most_names: int = MAX_NAMES) -> None:
        self._names = {"", OTHER, *names}
        self._room = most_names
        total = _counter(
            "requests",
            "Finished requests and operations over WebSockets, with the code of the first error.",
            *("transport", "route", "operation", "status", "code"),
        )
        seconds = _counter(
            "operation_seconds", "Seconds of all queries and mutations with this name.", "operation"
        )
        errors = _counter("errors", "Errors that clients got, by code.", "code")
        compiled = _counter(
            "compiled",
            "Executed operations, by whether their compiled form was taken, missed or failed.",
            "outcome",
        )
        reasons = _counter(
            "compiled_reasons",
            "Why the compiled form of an executed operation was missed or failed.",
            *("outcome", "reason"),
        )
        # Create these at the start, because Prometheus sees an increase only between two scrapes.
        for code in Code:
            errors.labels(code.value)
        for outcome in ("taken", "missed", "failed"):
            compiled.labels(outcome)
        self._total, self._seconds = Counts(total), Counts(seconds)
        self._errors, self._compiled, self._reasons = map(Counts, (errors, compiled, reasons))
        duration = _histogram("request", "Seconds of a request, except for subscriptions.")
        parts = _histogram(
            "part", "Seconds that a request spent in a part, except for subscriptions.", "part"
        )
        self._duration = Durations(duration, SECONDS)
        self._parts = {part: Durations(parts.labels(part), SECONDS) for part in PARTS}

    def __call__(self, record: Record) -> None:
        """Count a finished request."""
        name = record.operation_name
        if name not in self._names:
            name = self._bounded(name)
        codes = record.codes
        code = next(iter(codes)) if codes else ""
        self._total[record.transport, record.route, name, record.status, code] += 1
        for each, number in codes.items():
            self._errors[each,] += number
        if record.compiled:
            self._compiled[record.compiled,] += 1
            if record.compiled_reason:
                self._reasons[record.compiled, record.compiled_reason] += 1
        if record.operation_type == "subscription":
            return
        self._duration.add(record.duration)
        parts = self._parts
        for part, seconds in record.seconds.items():
            parts[part].add(seconds)
        if record.operation_type:
            self._seconds[name,] += record.duration

    def write(self) -> None:
        """Add the requests since the last call to the metrics."""
        for counts in (self._total, self._seconds, self._errors, self._compiled, self._reasons):
            counts.write()
        for durations in (self._duration, *self._parts.values()):
            durations.write()

    def _bounded(self, name: str) -> str:
        """Return the name, or `OTHER` if there are too many names already."""
        if not self._room:
            return OTHER
        self._room -= 1
        self._names.add(name)
        return name


class Counts(defaultdict[tuple[object, ...], float]):
    """Numbers that are not yet added to a counter, by the values of its labels."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(float)
        self._counter = counter

    def write(self) -> None:
        """Add the counts to the counter."""
        for labels, number in self.items():
            self._counter.labels(*("" if each is None else each for each in labels)).inc(number)
        self.clear()


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(f"tasks_api_{name}", documentation, labels, registry=None)


def _histogram(name: str, documentation: str, *labels: str) -> Histogram:
    return Histogram(
        f"tasks_api_{name}_seconds", documentation, labels, buckets=SECONDS, registry=None
    )
