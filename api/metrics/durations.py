"""Collect the observations of a histogram, and write them at once.

An `observe` of prometheus-client's multiprocess mode takes 2.2 µs of CPU time, and a request has
seven durations. Together these calls would take 15 µs, 6 % of the CPU time of a small request.
`add` takes 0.2 µs. prometheus-client has no public way to add several observations at once, so
`write` uses two private names.
"""

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Histogram


class Durations:
    """Durations in seconds that are not yet written into a histogram with these buckets."""

    __slots__ = ("_bounds", "_histogram", "_numbers", "_sum")

    def __init__(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._numbers = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Add a duration."""
        self._numbers[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def write(self) -> None:
        """Write the durations into the histogram, as `observe` would."""
        histogram = self._histogram
        histogram._sum.inc(self._sum)  # noqa: SLF001 - see private_names
        for bucket, number in zip(histogram._buckets, self._numbers, strict=True):  # noqa: SLF001 - as above
            if number:
                bucket.inc(number)
        self._numbers = [0] * len(self._numbers)
        self._sum = 0.0
