"""Share the reads of an owner's change feed among the owner's subscribers in this process.

A subscriber stores its position in the change feed, and no queue of messages. So a slow subscriber
takes no memory for changes that it has not read, and reads fewer and larger pages.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakValueDictionary, ref

MAX_BYTES = 16_000_000
"""The most bytes of an owner's pages in memory, about. Slow subscribers at many positions read at
different times, so they do not share a page. One page may always be in memory."""
SPACING = 0.001
"""The least seconds between two wakes, for each subscriber. If there are few, each write wakes
them at once. If there are a hundred, they get the changes of a tenth of a second together."""


class Page(Protocol):
    """A page of the change feed that several subscribers read."""

    is_dropped: bool

    @property
    def has_next(self) -> bool:
        """Whether more rows come after these."""
        ...

    def size(self) -> int:
        """Return the bytes of the rows, about."""
        ...

    def drop(self) -> None:
        """Release the rows. The subscribers that hold the page read it again."""


P = TypeVar("P", bound=Page)


class Feed:
    """What the subscribers of one owner in this process share."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self.subscribers = 0
        self.wakes = 0
        """How often the subscribers were woken."""
        self.noticed_at = clock()
        """When the change was noticed for which they were woken last."""
        self._woken_at = -math.inf
        self._clock = clock
        self._observe = observe
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._reads: dict[Hashable, asyncio.Task[Page]] = {}
        self._pages: WeakValueDictionary[Hashable, Page] = WeakValueDictionary()
        self._held: list[tuple[ref[Page], int]] = []  # with their sizes
        self._turn = asyncio.Lock()
        self._next_wake: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Wake the subscribers: the owner's rows may have changed.

        A page with few rows is shared only until the next wake. So many subscribers are woken less
        often, or else each would read pages of its own.
        """
        if self._next_wake is not None:
            return
        now = self._clock()
        remaining = self._woken_at + self.subscribers * SPACING - now
        if remaining <= 0:
            self._wake(now)
        else:
            loop = asyncio.get_running_loop()
            self._next_wake = loop.call_later(remaining, self._wake, now)

    def _wake(self, noticed_at: float) -> None:
        self._next_wake = None
        self.wakes += 1
        self.noticed_at, self._woken_at = noticed_at, self._clock()
        self._reads = {}
        # A whole page stays what follows a position, though some of its rows come again later.
        whole = {key: page for key, page in self._pages.items() if page.has_next}
        self._pages = WeakValueDictionary(whole)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def compare(self, number: int) -> bool:
        """Wake all subscribers if a waiting one has not read up to exactly this change number.

        Return whether this call noticed a change. If a wake is already due, another call did.
        """
        if self._next_wake is not None:
            return False
        is_behind = any(number != read for read in self._waiting.values())
        if is_behind:
            self.wake()
        return is_behind

    def delivered(self, noticed_at: float) -> None:
        """Observe that a subscriber has now delivered the changes that were noticed then."""
        if self._observe:
            self._observe(self._clock() - noticed_at)

    async def wait(self, wakes: int, number: int) -> None:
        """Wait until the subscribers have been woken more than `wakes` times.

        `number` is the change number up to which the subscriber has read.
        """
        if self.wakes != wakes:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = number
        try:
            await waiter
        finally:
            del self._waiting[waiter]

    async def read(self, key: Hashable, read: Callable[[], Awaitable[P]]) -> P:
        """Return a page that was read after the last wake, or that has as many rows as it can have.

        Subscribers with the same key share it, also after its read has ended, as long as one of
        them holds it.
        """
        page = self._pages.get(key)
        if page is None or page.is_dropped:
            task = self._reads.get(key)
            if task is None:
                work = self._read(key, read, self._reads, self._pages)
                task = self._reads[key] = asyncio.create_task(work)
                task.add_done_callback(_retrieve)
            # A subscriber that is cancelled must not cancel the read of the others.
            page = await asyncio.shield(task)
        # The subscribers continue one after the other. A hundred at once would delay other tasks.
        async with self._turn:
            await asyncio.sleep(0)
        return cast("P", page)

    async def _read(
        self,
        key: Hashable,
        read: Callable[[], Awaitable[Page]],
        reads: dict[Hashable, asyncio.Task[Page]],
        pages: WeakValueDictionary[Hashable, Page],
    ) -> Page:
        """Read a page for all subscribers that ask for it before the next wake."""
        try:
            page = pages[key] = await read()
        finally:
            del reads[key]
        self._held = [each for each in self._held if each[0]() is not None]
        self._held.append((ref(page), page.size()))
        excess = sum(size for _, size in self._held) - MAX_BYTES
        while excess > 0 and len(self._held) > 1:
            oldest, size = self._held.pop(0)
            excess -= size
            if dropped := oldest():
                dropped.drop()
        return page


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a read, so that asyncio does not log it.

    Each subscriber that waits for the read raises it.
    """
    if not task.cancelled():
        task.exception()
