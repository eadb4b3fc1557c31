"""Bound the memory that the sockets and streams of one owner take in this process.

A client may send many operations and read none of the results. A result may have 8 MB, and an owner
may have 100 sockets with 20 operations each. So operations wait while too many bytes are unsent.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from api.errors import RateLimited

MOST_UNSENT = 16_000_000
"""The number of unsent bytes of an owner's results from which on no operation of this owner is
executed."""
MOST_RESERVED = 50_000_000
"""The most bytes of an owner's operations: of their messages, and of their parsed documents."""
EXECUTIONS = 4
"""The most queries and mutations of an owner that are executed at the same time."""


class Owner:
    """What the sessions of one owner share in this process."""

    __slots__ = (
        "_executions",
        "_most_reserved",
        "_most_unsent",
        "_reserved",
        "_room",
        "_unsent",
        "count",
        "delivered",
        "turn",
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
        self.turn = asyncio.Lock()
        """Held while an event is executed. So the events of one owner are executed one at a time,
        and many subscriptions of one owner do not delay those of others."""
        self._executions = asyncio.Semaphore(executions)
        self._room = asyncio.Event()
        self._room.set()

    @property
    def has_room(self) -> bool:
        """Whether another operation may be executed."""
        return self._unsent < self._most_unsent

    async def wait_for_room(self) -> None:
        """Wait until another operation may be executed."""
        await self._room.wait()

    @asynccontextmanager
    async def execution(self) -> AsyncIterator[None]:
        """Wait for a turn. The caller executes a query or a mutation, and encodes the result."""
        async with self._executions:
            await self._room.wait()
            yield

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
        if self.has_room:
            self._room.set()
        else:
            self._room.clear()
