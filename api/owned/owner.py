"""Wall 1: access to the database for one owner. No method takes an owner."""

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

import asyncpg

from api.errors import OperationTooLarge, Unavailable
from api.owned.feed import Feed
from api.owned.live import Live
from api.owned.walls import Statement
from api.postgres.database import Connected
from api.postgres.tables import Row

ATTEMPTS = 10
"""The most attempts of a write that fails because other requests write references to its rows."""


@dataclass(slots=True)
class Owned:
    """Access to the rows of one owner.

    It is created from the claims of a verified token. A resolver cannot choose another owner,
    because each statement gets this owner as `$1`. When a statement is built, wall 2 (`walls.py`)
    checks that it is restricted to `$1`. When it runs, PostgreSQL's row security enforces that
    (wall 3).
    """

    _database: Connected
    owner: str
    _live: Live | None = None
    """Wakes the subscribers. It is None in a transaction, because only a committed write may wake
    them, and in a program without subscriptions."""
    _has_searched: bool = field(default=False, init=False)

    async def rows(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement in one round trip, and return its rows.

        Raises Unavailable, and RateLimited if too many statements of the owner are waiting. Raises
        asyncpg's errors for violated constraints, which the caller translates.
        """
        async with self._database.limited(self.owner):
            rows = await self._database.fetch(statement, self.owner, *statement.arguments(values))
        if self._live and not statement.is_reading:
            self._live.written(self.owner)
        return rows

    async def with_references(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement that writes rows together with the rows that refer to them.

        While the statement waits for the owner's row, another request may write a reference. It is
        missing from the snapshot of the statement, which then violates a foreign key and is run
        again. Raises the same errors as `rows`.
        """
        for _ in range(ATTEMPTS):
            with suppress(asyncpg.ForeignKeyViolationError):
                return await self.rows(statement, **values)
        raise Unavailable

    def subscribed(self) -> AbstractContextManager[Feed]:
        """Return a context manager that yields the owner's feed, which each change wakes."""
        if self._live is None:
            raise TypeError("subscriptions need a `Live`")
        return self._live.subscribed(self.owner)

    def begin_event(self) -> None:
        """Allow one search in the next event of a subscription."""
        self._has_searched = False

    def begin_search(self) -> None:
        """Raise OperationTooLarge for the second search of an operation."""
        if self._has_searched:
            raise OperationTooLarge(
                "An operation may contain one search: send a request for each search."
            )
        self._has_searched = True

    async def search(self, statement: Statement, **values: object) -> list[Row]:
        """Run a search, which reads all texts of the owner. Raises the same errors as `rows`.

        Only one search of an owner runs at a time.
        """
        async with self._database.limited_search(self.owner):
            return await self.rows(statement, **values)
