"""Wall 1: one owner's way into the database. No method of it takes an owner."""

from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from api.errors import OperationTooLarge, Unavailable
from api.owned.walls import Statement
from api.postgres.database import Connected
from api.postgres.tables import Row

DELETE_ATTEMPTS = 10
"""How often a deletion is tried while other requests go on to refer to its rows."""


@dataclass(slots=True)
class Owned:
    """The database as one owner may see it.

    It is made from the claims of a verified token. A resolver that holds it cannot name another
    owner: each statement receives this one as `$1`. That a statement is held to `$1` is checked
    when it is built (wall 2, `walls`), and by PostgreSQL's row security when it runs (wall 3).
    """

    _database: Connected
    owner: str
    _has_searched: bool = field(default=False, init=False)

    async def rows(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement in one round trip. Raises Unavailable when the database is unreachable.

        Raises asyncpg's errors for violated constraints: the caller knows what they mean.
        """
        async with self._database.turn(self.owner):
            return await self._database.fetch(statement, self.owner, *statement.arguments(values))

    async def delete(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement that deletes rows, and clears the references to them.

        A reference that was written while the statement waited for the owner's row is not in its
        snapshot, and violates the foreign key. The statement then runs again. Raises as `rows`.
        """
        for _ in range(DELETE_ATTEMPTS):
            with suppress(asyncpg.ForeignKeyViolationError):
                return await self.rows(statement, **values)
        raise Unavailable

    def begin_search(self) -> None:
        """Raise OperationTooLarge for the second search of an operation."""
        if self._has_searched:
            raise OperationTooLarge("An operation may search once: send one for each search.")
        self._has_searched = True

    async def search(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement that reads all text of the owner, one at a time. Raises Unavailable."""
        async with self._database.searching(self.owner):
            return await self.rows(statement, **values)
