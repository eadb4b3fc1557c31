"""Bound the time and the memory that the operations of one owner take in this process.

An owner may send hundreds of requests at once. If all of them were executed at the same time, a
request of another owner would wait until the event loop had worked on all of them.

A client may send many operations and read none of the results. A result may have 8 MB, and an owner
may have 100 sockets with 20 operations each. So operations wait while too many bytes are unsent.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import RateLimited, Unavailable

MOST_UNSENT = 16_000_000
"""The number of unsent bytes of an owner's results from which on no operation of this owner is
executed."""
MOST_RESERVED = 50_000_000
"""The most bytes of an owner's operations: of their messages, and of their parsed documents."""
EXECUTIONS = 4
"""The most queries and mutations of one owner that are executed at the same time. So a request of
another owner waits for at most this many of them."""


class Owner:
    """What the requests, the sockets and the streams of one owner share in this process.

    Most owners have one request at a time, so it must be cheap to create this object.
    """

    __slots__ = (
        "__weakref__",
        "_executions",
        "_most_reserved",
        "_most_unsent",
        "_reserved",
        "_room",
        "_turn",
        "_unsent",
        "_waiting",
        "count",
        "delivered",
    )

    def __init__(
        self,
        most_unsent: int = MOST_UNSENT,
        most_reserved: int = MOST_RESERVED,
        executions: int = EXECUTIONS,
    ) -> None:
        self.count = 0
        """The number of sessions."""
        self.delivered = 0
        """The number of events that were delivered to these sessions."""
        self._most_unsent = most_unsent
        self._most_reserved = most_reserved
        self._reserved = self._unsent = 0
        self._executions = asyncio.Semaphore(executions)
        self._turn: asyncio.Lock | None = None
        self._waiting: asyncio.Lock | None = None
        self._room: asyncio.Event | None = None  # exists while operations wait for room

    @property
    def turn(self) -> asyncio.Lock:
        """Held while an event is executed. So the events of one owner are executed one at a time,
        and many subscriptions of one owner do not delay those of others.
        """
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    @property
    def waiting(self) -> asyncio.Lock:
        """Held while an event waits for the rate limits. So the events wait in their order."""
        if self._waiting is None:
            self._waiting = asyncio.Lock()
        return self._waiting

    @property
    def has_room(self) -> bool:
        """Whether another operation may be executed."""
        return self._unsent < self._most_unsent

    async def wait_for_room(self) -> None:
        """Wait until another operation may be executed."""
        while not self.has_room:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def execution(self, seconds: float | None = None) -> "_Execution":
        """Return a context manager. The caller executes a query or a mutation inside it.

        Entering it waits until the operation may begin, and raises Unavailable if that takes more
        than `seconds`. The caller also encodes the result inside it.
        """
        return _Execution(self, seconds)

    async def begin(self, seconds: float | None) -> None:
        """Wait until an operation may begin. Raises Unavailable after `seconds`."""
        if not self._executions.locked() and self.has_room:
            await self._executions.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wait_for_turn()
        except TimeoutError:
            raise Unavailable from None

    def end(self) -> None:
        """Let the next operation begin."""
        self._executions.release()

    async def _wait_for_turn(self) -> None:
        await self._executions.acquire()
        try:
            await self.wait_for_room()
        except BaseException:
            self._executions.release()
            raise

    @contextmanager
    def sending(self, size: int) -> Iterator[None]:
        """Count the bytes of a result until it is sent."""
        self._unsent += size
        self._update()
        try:
            yield
        finally:
            self._unsent -= size
            self._update()

    def reserve(self, size: int) -> None:
        """Count the bytes of an operation until `release`. Raises RateLimited for too many."""
        if self._reserved and self._reserved + size > self._most_reserved:
            raise RateLimited
        self._reserved += size

    def release(self, size: int, _: object = None) -> None:
        """Stop counting the bytes of an operation, which has ended."""
        self._reserved -= size

    def _update(self) -> None:
        if self._room is not None and self.has_room:
            self._room.set()
            self._room = None


class _Execution:
    """The context manager of `Owner.execution`. A generator would take twice the time."""

    __slots__ = ("_owner", "_seconds")

    def __init__(self, owner: Owner, seconds: float | None) -> None:
        self._owner = owner
        self._seconds = seconds

    async def __aenter__(self) -> None:
        await self._owner.begin(self._seconds)

    async def __aexit__(self, *_: object) -> None:
        self._owner.end()
