"""Bound what the sockets and streams of one owner hold in the memory of this process.

A client may ask for much, and read nothing. Each result may have 8 MB, and an owner may have 100
sockets with 20 operations each. So the owner's operations wait while too many bytes are unsent.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from api.errors import RateLimited

MOST_UNSENT = 16_000_000
"""The bytes of results that wait to be sent. While there are more, no operation is executed."""
MOST_ASKED = 50_000_000
"""The most bytes of the operations under way: of their messages, and of their parsed documents."""
EXECUTIONS = 4
"""The most queries and mutations that are executed at a time."""


class Owner:
    """What the sessions of one owner share in this process."""

    __slots__ = (
        "_asked",
        "_executions",
        "_most_asked",
        "_most_unsent",
        "_room",
        "_unsent",
        "count",
        "turn",
    )

    def __init__(
        self,
        most_unsent: int = MOST_UNSENT,
        most_asked: int = MOST_ASKED,
        executions: int = EXECUTIONS,
    ) -> None:
        self.count = 0
        """The number of sessions."""
        self._most_unsent = most_unsent
        self._most_asked = most_asked
        self._asked = self._unsent = 0
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

    async def room(self) -> None:
        """Wait until another operation may be executed."""
        await self._room.wait()

    @asynccontextmanager
    async def execution(self) -> AsyncIterator[None]:
        """Execute a query or a mutation inside this, and encode the result."""
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

    def ask(self, size: int) -> None:
        """Count the bytes of an operation. Raises RateLimited when the owner has too many."""
        if self._asked and self._asked + size > self._most_asked:
            raise RateLimited
        self._asked += size

    def answered(self, size: int, _: object = None) -> None:
        """Stop counting the bytes of an operation, which has ended."""
        self._asked -= size

    def _update(self) -> None:
        if self.has_room:
            self._room.set()
        else:
            self._room.clear()
