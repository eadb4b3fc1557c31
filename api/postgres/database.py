"""PostgreSQL: one owner's way into it.

Whoever runs a statement cannot say who the caller is: `Owned` was bound to the request's claims,
and puts them in as `$1` itself. That the statement is held to `$1` is for `statements` to see to,
and once more for PostgreSQL, whose row security `$1` puts in force (`migrations/row_security.sql`).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

from api.errors import Unavailable
from api.owned.tables import Row
from api.owned.walls import EveryonesStatement, Statement, UnownedStatement
from api.postgres import citus
from api.postgres.fairness import Share, Turns
from api.postgres.pool import AWAY, Connection, Limits, Lost, Pool, connect


class _Connected(ABC):
    """What statements are run on: the pool, or one transaction."""

    @abstractmethod
    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """The rows of a statement with all its values in place. Raises Unavailable."""

    def turn(self, _owner: str) -> AbstractAsyncContextManager[None]:
        """Return the context manager for a statement of this owner. A transaction never waits."""
        return nullcontext()

    def searching(self, _owner: str) -> AbstractAsyncContextManager[None]:
        """Return the context manager for a search of this owner. A transaction never waits."""
        return nullcontext()

    def of(self, owner: str) -> "Owned":
        """The database as this owner may see it."""
        return Owned(self, owner)

    async def rows(self, statement: UnownedStatement, **values: object) -> list[Row]:
        """Runs a statement about what belongs to nobody. Raises Unavailable."""
        return await self.fetch(statement, *statement.arguments(values))


@dataclass(frozen=True, slots=True)
class Owned:
    """One owner's way into the database. Made from claims, so that nobody else can say whose."""

    _database: _Connected
    owner: str

    async def rows(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement in one round trip. Raises Unavailable when the database is unreachable.

        Constraint violations come as asyncpg has them: what they mean is for the caller to say.
        """
        async with self._database.turn(self.owner):
            return await self._database.fetch(statement, self.owner, *statement.arguments(values))

    async def search(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement that reads all text of the owner, one at a time. Raises Unavailable."""
        async with self._database.searching(self.owner):
            return await self.rows(statement, **values)


class Transaction(_Connected):
    """Several statements, all or none; each behind its own owner's wall, or behind none."""

    def __init__(self, connection: Connection, *, is_citus: bool) -> None:
        self._connection = connection
        self._is_citus = is_citus

    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """An owner's statement keeps its wall to itself: else it would last for the next one."""
        rows = await _fetched(self._connection, statement, values, is_citus=self._is_citus)
        if isinstance(statement, Statement):
            await self._connection.execute("RESET ROLE")
        return rows

    async def owners(self, statement: EveryonesStatement) -> list[str]:
        """Of whom it is true. From here on, unless for one owner, the rows of everyone are seen."""
        if self._is_citus:
            await self._connection.execute(citus.SETTINGS)
        await self._connection.execute("SET LOCAL app.everyone = 'on'")
        rows = await self._connection.fetch(statement.sql, *statement.arguments({}))
        return [owner for (owner,) in rows]


class Database(_Connected):
    """A bounded pool of connections: an async context manager, as long as the app runs."""

    def __init__(self, url: str, limits: Limits = Limits(), share: Share = Share()) -> None:  # noqa: B008 - it is frozen
        """Open no connection yet: without its database the API starts, and answers 503."""
        self._limits = limits
        self._turns = Turns(share)
        self._pool = Pool(url, limits)

    async def __aenter__(self) -> Self:
        self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    def turn(self, owner: str) -> AbstractAsyncContextManager[None]:
        """Return a context manager that bounds the owner's concurrent statements."""
        return self._turns.of(owner)

    def searching(self, owner: str) -> AbstractAsyncContextManager[None]:
        """Return a context manager that bounds the owner's concurrent searches."""
        return self._turns.searching(owner)

    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """Run a statement, once more on another connection if one is lost during a read."""
        may_again = statement.is_reading
        while True:
            try:
                connection = self._pool.free() or await self._pool.take()
                with self._pool.lent(connection):
                    server = self._pool.server
                    if server and server.keeps_statements and not server.is_citus:
                        return await connection.run(statement.sql, values, statement.record)
                    async with self._begun(connection) as is_citus:
                        return await _fetched(connection, statement, values, is_citus=is_citus)
            except Lost:
                if not may_again:
                    raise
                may_again = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end, or roll back when an exception is raised. Raises Unavailable."""
        connection = await self._pool.take()
        with self._pool.lent(connection):
            async with self._begun(connection) as is_citus:
                yield Transaction(connection, is_citus=is_citus)

    async def notify(self, channel: str) -> None:
        """Notify every listener of this channel. Raises Unavailable."""
        connection = await self._pool.take()
        with self._pool.lent(connection):
            async with self._begun(connection):
                await connection.execute("SELECT pg_notify($1, '')", channel)

    @asynccontextmanager
    async def _begun(self, connection: Connection) -> AsyncIterator[bool]:
        """Begin a transaction in which PostgreSQL cancels each statement that takes too long.

        Yield whether the database has Citus: each owner must then be announced to its nodes.
        """
        server = self._pool.server
        transaction = connection.transaction()
        connection.is_begun = True  # after a cancellation the transaction may still be open
        await transaction.start()
        try:
            if not (server and server.limits_statements):
                await connection.execute(
                    f"SET LOCAL statement_timeout = {self._limits.in_postgresql}"
                )
            yield bool(server and server.is_citus)
        except BaseException:
            await transaction.rollback()
            connection.is_begun = False
            raise
        await transaction.commit()
        connection.is_begun = False


async def _fetched(
    connection: Connection,
    statement: Statement | UnownedStatement,
    values: Sequence[object],
    *,
    is_citus: bool,
) -> list[Row]:
    """Run a statement in a transaction. The first value of an owner's statement is the owner."""
    if is_citus and isinstance(statement, Statement):
        await connection.execute(citus.announcement(str(values[0])))
    return await connection.fetch(statement.sql, *values, record_class=statement.record)


async def listen(url: str, channel: str, heard: Callable[[], None]) -> None:
    """Calls `heard` at each notification, for as long as the connection lasts.

    Raises Unavailable when none can be had. One that dies unnoticed hears nothing: whoever must
    not miss anything looks by other means as well.
    """
    connection = await connect(url)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(channel, lambda *_: heard())
        await lost.wait()
    except AWAY as outage:
        raise Unavailable from outage
    finally:
        connection.terminate()
