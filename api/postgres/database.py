"""Run statements and transactions on a pool of connections to PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Self

from sqlalchemy import Text, bindparam, func, select

from api.postgres import citus
from api.postgres.connections import Connection, Connector
from api.postgres.fairness import Fairness, Share
from api.postgres.limits import Limits
from api.postgres.outages import ConnectionLost
from api.postgres.pool import Pool, Use
from api.postgres.slow_statements import SlowStatements
from api.postgres.statement import Compiled, UnownedStatement
from api.postgres.tables import Row
from api.telemetry import records

_NOTIFY = UnownedStatement(
    select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text)))
)


class Connected(ABC):
    """The base of `Database` and `Transaction`, which both run statements."""

    @abstractmethod
    async def fetch(self, statement: Compiled, *values: object) -> list[Row]:
        """Run a statement, with the values of `$1`, `$2` and so on. Return its rows.

        Raises Unavailable.
        """

    def limited(self, _key: str) -> AbstractAsyncContextManager[None]:
        """Return the context manager in which a statement of this key, such as an owner, must run.

        In a transaction it does nothing: the transaction already has its connection.
        """
        return nullcontext()

    def limited_search(self, _key: str) -> AbstractAsyncContextManager[None]:
        """Return the context manager in which a search of this key must run, like `limited`."""
        return nullcontext()

    async def rows(self, statement: UnownedStatement, **values: object) -> list[Row]:
        """Run a statement about tables that have no owner. Raises Unavailable."""
        return await self.fetch(statement, *statement.arguments(values))


class Transaction(Connected):
    """A transaction: all of its statements take effect, or none does.

    Statements of different owners may be in one transaction. Row security (wall 3, docs/walls.md)
    restricts each of them to the rows of its own owner.
    """

    def __init__(
        self, connection: Connection, *, is_citus: bool, slow: SlowStatements | None = None
    ) -> None:
        self._connection = connection
        self._is_citus = is_citus
        self._slow = slow or SlowStatements()

    async def fetch(self, statement: Compiled, *values: object) -> list[Row]:
        """Run a statement.

        After a statement of an owner, reset the role that row security gave it. That role may not
        run the statements that have no owner.
        """
        began = _begin_statement()
        try:
            rows = await _fetched(self._connection, statement, values, is_citus=self._is_citus)
            if statement.is_owned:
                await self._connection.execute("RESET ROLE")
            return rows
        finally:
            records.ended("database", began, statement.sql)
            self._slow.ended(statement, began)

    async def everyone(self, statement: Compiled, **values: object) -> list[Row]:
        """Run a query that may read the rows of every owner.

        So may every other statement without an owner, until the transaction ends.
        """
        if self._is_citus:
            await self._connection.execute(citus.SETTINGS)
        await self._connection.execute("SET LOCAL app.everyone = 'on'")
        began = records.clock()
        try:
            return await self._connection.fetch(statement.sql, *statement.arguments(values))
        finally:
            self._slow.ended(statement, began)


class Database(Connected):
    """The database, reached through a bounded pool of connections.

    An async context manager, which the app enters when it starts.
    """

    def __init__(
        self,
        url: str,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        share: Share = Share(),  # noqa: B008 - it is frozen
        slow: SlowStatements | None = None,
    ) -> None:
        """Open no connection yet: without its database, the API starts and responds 503."""
        self._limits = limits
        self._slow = slow or SlowStatements()
        self._fairness = Fairness(share)
        self._connector = Connector(url, limits)
        self._pool = Pool(self._connector.open, limits)

    async def __aenter__(self) -> Self:
        self._pool.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @property
    def pool_use(self) -> Use:
        """How the pool of connections is used."""
        return self._pool.use

    def limited(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return a context manager that limits the key's concurrent statements."""
        return self._fairness.statement(key)

    def limited_search(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return a context manager that limits the key's concurrent searches."""
        return self._fairness.search(key)

    async def fetch(self, statement: Compiled, *values: object) -> list[Row]:
        """Run a statement. If the connection is lost during a read, retry once on another one."""
        began = _begin_statement()
        try:
            return await self._fetch(statement, values)
        except ConnectionLost:
            if not statement.is_reading:
                raise
            return await self._fetch(statement, values)
        finally:
            records.ended("database", began, statement.sql)

    async def _fetch(self, statement: Compiled, values: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            server, began = self._connector.server, records.clock()
            try:
                if server and server.keeps_statements and not server.is_citus:
                    return await connection.fetch(
                        statement.sql, *values, record_class=statement.record
                    )
                async with self._begun(connection) as is_citus:
                    return await _fetched(connection, statement, values, is_citus=is_citus)
            finally:
                self._slow.ended(statement, began)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction for an `async with` block. Roll it back if the block raises.

        Raises Unavailable.
        """
        async with self._pool.connection() as connection, self._begun(connection) as is_citus:
            yield Transaction(connection, is_citus=is_citus, slow=self._slow)

    async def notify(self, channel: str, payload: str = "") -> None:
        """Notify every listener of this channel. Raises Unavailable."""
        await self.rows(_NOTIFY, channel=channel, payload=payload)

    @asynccontextmanager
    async def _begun(self, connection: Connection) -> AsyncIterator[bool]:
        """Begin a transaction in which PostgreSQL cancels each statement that takes too long.

        Yield whether the database has Citus. If so, its nodes must be told the owner before each of
        the owner's statements.
        """
        server = self._connector.server
        transaction = connection.transaction()
        connection.may_be_in_transaction = True  # even if BEGIN is cancelled
        await transaction.start()
        try:
            if not (server and server.limits_statements):
                await connection.execute(
                    f"SET LOCAL statement_timeout = {self._limits.in_postgresql}"
                )
            yield bool(server and server.is_citus)
        except BaseException:
            await transaction.rollback()
            connection.may_be_in_transaction = False
            raise
        await transaction.commit()
        connection.may_be_in_transaction = False


def _begin_statement() -> float:
    """Count a statement of the current request, and return the time."""
    record = records.current()
    if record is not None:
        record.statements += 1
    return records.clock()


async def _fetched(
    connection: Connection,
    statement: Compiled,
    values: Sequence[object],
    *,
    is_citus: bool,
) -> list[Row]:
    """Run a statement in a transaction. On Citus, first tell the nodes the statement's owner.

    The owner is the first value of such a statement.
    """
    if is_citus and statement.is_owned:
        await connection.execute(citus.announcement(str(values[0])))
    return await connection.fetch(statement.sql, *values, record_class=statement.record)
