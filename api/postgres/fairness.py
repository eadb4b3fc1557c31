"""Limit the connections of the pool that one key, such as an owner, may use at a time.

Without this limit, a single request with ten searches could use all connections of the process,
while all other requests wait.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from api.errors import RateLimited, Unavailable


@dataclass(frozen=True, slots=True)
class Share:
    """The limits for the statements of one key in one process."""

    statements: int = 3
    """The most statements that run at a time. The others wait, first in, first out."""
    searches: int = 1
    """The most searches among these statements. A search reads many rows."""
    waiters: int = 200
    """The most statements that wait. A further statement fails at once."""
    wait: float = 5.0
    """The seconds after which a waiting statement fails."""


class Fairness:
    """The semaphores that limit the concurrent statements of each key."""

    def __init__(self, share: Share = Share()) -> None:
        self._share = share
        self._statements: WeakValueDictionary[str, _Semaphore] = WeakValueDictionary()
        self._searches: WeakValueDictionary[str, _Semaphore] = WeakValueDictionary()

    def statement(self, key: str) -> "_Semaphore":
        """Return the asynchronous context manager in which a statement of this key must run.

        Entering it raises RateLimited when too many statements of the key wait already, and
        Unavailable when this statement has waited for too long.
        """
        semaphore = self._statements.get(key)
        if semaphore is None:
            semaphore = self._statements[key] = _Semaphore(self._share.statements, self._share)
        return semaphore

    def search(self, key: str) -> "_Semaphore":
        """Return the context manager for a search. Enter it before the one for the statement."""
        semaphore = self._searches.get(key)
        if semaphore is None:
            semaphore = self._searches[key] = _Semaphore(self._share.searches, self._share)
        return semaphore


class _Semaphore(asyncio.Semaphore):
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
