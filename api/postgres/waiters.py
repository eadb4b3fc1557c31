"""A queue of waiters with a limited length and a timeout."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from api.errors import Unavailable

T = TypeVar("T")


class Waiters(Generic[T]):
    """Tasks that wait for a value, first in, first out.

    `unclaimed` is called with the value of a waiter that was cancelled just after it was served.
    """

    def __init__(self, most: int, seconds: float, unclaimed: Callable[[T], None]) -> None:
        self._most = most
        self._seconds = seconds
        self._unclaimed = unclaimed
        self.refused = self.expired = 0
        """How many waiters found the queue full, and how many waited for too long."""
        self._queue: deque[asyncio.Future[T]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        """Use the running event loop. To ask for it takes a system call, so ask once."""
        self._loop = asyncio.get_running_loop()

    async def wait(self) -> T:
        """Wait for a value. Raises Unavailable after `seconds`, or at once if the queue is full."""
        if len(self._queue) >= self._most:
            self.refused += 1
            raise Unavailable
        waiter: asyncio.Future[T] = self._loop.create_future()
        self._queue.append(waiter)
        deadline = self._loop.call_later(self._seconds, self._expire, waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.cancelled() or waiter.exception():
                with suppress(ValueError):  # `serve` has removed it already
                    self._queue.remove(waiter)
            else:
                self._unclaimed(waiter.result())
            raise
        finally:
            deadline.cancel()

    def serve(self, value: T) -> bool:
        """Give a value to the first waiter. Return whether there was one."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(value)
                return True
        return False

    def _expire(self, waiter: "asyncio.Future[T]") -> None:
        if not waiter.done():
            self.expired += 1
            waiter.set_exception(Unavailable())
