"""Fairness between owners: how much of this process's database pool one owner may hold.

Without a bound, one request of ten searches takes every connection, and all other owners wait.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from api.errors import RateLimited, Unavailable


@dataclass(frozen=True, slots=True)
class Share:
    """What one owner may have under way in one process."""

    statements: int = 3
    """Statements at a time. The owner's other statements wait for these, in their order."""
    searches: int = 1
    """Of them, statements that read all of the owner's text."""
    waiters: int = 200
    """Statements that may wait. The next one fails at once."""
    wait: float = 5.0
    """Seconds that one may wait."""


class Turns:
    """Let each owner run as many statements at a time as its share allows."""

    def __init__(self, share: Share = Share()) -> None:
        self._share = share
        self._statements: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._searches: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    def of(self, owner: str) -> "_Turn":
        """Return what to enter around a statement (`async with`).

        Entering raises RateLimited when too many of the owner's statements wait, and Unavailable
        when one has waited for too long.
        """
        turn = self._statements.get(owner)
        if turn is None:
            turn = self._statements[owner] = _Turn(self._share.statements, self._share)
        return turn

    def searching(self, owner: str) -> "_Turn":
        """Return what to enter around a search, outside of the turn of its statement."""
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
