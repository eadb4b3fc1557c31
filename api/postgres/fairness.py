"""Limit the connections of the pool that one owner may use at a time.

Without this limit, a single request with ten searches could use all connections of the process,
while the other owners wait.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from api.errors import RateLimited, Unavailable


@dataclass(frozen=True, slots=True)
class Share:
    """The limits for the statements of one owner in one process."""

    statements: int = 3
    """The most statements that run at a time. The others wait, first in, first out."""
    searches: int = 1
    """The most searches among these statements. A search reads all texts of the owner."""
    waiters: int = 200
    """The most statements that wait. A further statement fails at once."""
    wait: float = 5.0
    """The seconds after which a waiting statement fails."""


class Turns:
    """The semaphores that limit the concurrent statements of each owner."""

    def __init__(self, share: Share = Share()) -> None:
        self._share = share
        self._statements: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._searches: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    def of(self, owner: str) -> "_Turn":
        """Return the asynchronous context manager in which a statement of this owner must run.

        Entering it raises RateLimited when too many statements of the owner wait already, and
        Unavailable when this statement has waited for too long.
        """
        turn = self._statements.get(owner)
        if turn is None:
            turn = self._statements[owner] = _Turn(self._share.statements, self._share)
        return turn

    def searching(self, owner: str) -> "_Turn":
        """Return the context manager for a search. Enter it before the one that `of` returns."""
        turn = self._searches.get(owner)
        if turn is None:
            turn = self._searches[owner] = _Turn(self._share.searches, self._share)
        return turn


class _Turn(asyncio.Semaphore):
    """A semaphore that limits the number of its waiters, and how long they wait."""

    def __init__(self, value: int, share: Share) -> None:
        super().__init__(value)
        self._share = share
        self._waiting = 0

    async def __aenter__(self) -> None:
        if not self.locked():
            await self.acquire()
            return
        if self._waiting >= self._share.waiters:
            raise RateLimited
        self._waiting += 1
        try:
            async with asyncio.timeout(self._share.wait):
                await self.acquire()
        except TimeoutError:
            raise Unavailable from None
        finally:
            self._waiting -= 1
