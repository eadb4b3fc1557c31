"""Find the items that have expired, without looking at the others."""

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_STALE = 1_000
"""The heap may contain this many more entries of removed items than there are items."""


class Expirations(Generic[T]):
    """Items by the time at which they expire, in seconds since the epoch.

    The first item of a heap is the next one to expire. An entry of a removed item stays in the heap
    until its time, or until such entries outnumber the items by far. Entries hold only numbers.
    """

    def __init__(self, most_stale: int = MAX_STALE) -> None:
        self._most_stale = most_stale
        self._items: dict[int, T] = {}
        self._heap: list[tuple[float, int]] = []
        self._numbers = count()

    def add(self, item: T, time: float) -> int:
        """Add an item, and return the number by which it can be removed."""
        number = next(self._numbers)
        self._items[number] = item
        heapq.heappush(self._heap, (time, number))
        return number

    def remove(self, number: int) -> None:
        """Remove an item, unless it has expired."""
        if self._items.pop(number, None) is None:
            return
        if len(self._heap) > 2 * len(self._items) + self._most_stale:
            self._heap = [entry for entry in self._heap if entry[1] in self._items]
            heapq.heapify(self._heap)

    def expired(self, time: float) -> Iterator[T]:
        """Remove and yield the items that have expired at this time."""
        while self._heap and self._heap[0][0] <= time:
            item = self._items.pop(heapq.heappop(self._heap)[1], None)
            if item is not None:
                yield item
