"""Fairness between owners: a bound on the connections of the pool that one owner may use.

Without this bound, one request with ten searches takes every connection of the process, and all
other owners wait.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from api.errors import RateLimited, Unavailable


@dataclass(frozen=True, slots=True)
class Share:
    """The most that one owner may have running and waiting in one process."""

    statements: int = 3
    """Statements that run at a time. The owner's other statements wait, first in, first out."""
    searches: int = 1
    """Searches among these statements. A search reads all text of the owner."""
    waiters: int = 200
    """Statements that may wait. One more fails at once."""
    wait: float = 5.0
    """Seconds after which a waiting statement fails."""


class Turns:
    """Let each owner run as many statements at a time as its share allows."""

    def __init__(self, share: Share = Share()) -> None:
        self._share = share
        self._statements: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._searches: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    def of(self, owner: str) -> "_Turn":
        """Return the asynchronous context manager in which a statement of this owner runs.

        Entering it raises RateLimited when too many statements of the owner wait, and Unavailable
        when this statement has waited for too long.
        """
        turn = self._statements.get(owner)
        if turn is None:
            turn = self._statements[owner] = _Turn(self._share.statements, self._share)
        return turn

    def searching(self, owner: str) -> "_Turn":
        """Return the context manager for a search. Enter it before that of `of`."""
        turn = self._searches.get(owner)
        if turn is None:
            turn = self._searches[owner] = _Turn(self._share.searches, self._share)
        return turn


class _Turn(asyncio.Semaphore):
    """A semaphore whose waiters are bounded in number and in time."""

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
