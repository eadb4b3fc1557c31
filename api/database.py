"""PostgreSQL: a bounded pool, and one owner's way into it.

Whoever runs a statement cannot say who the caller is: `Owned` was bound to the request's claims,
and puts them in as `$1` itself. That the statement is held to `$1` is for `statements` to see to,
and once more for PostgreSQL, whose row security `$1` puts in force (`migrations/row_security.sql`).
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from api.errors import Unavailable
from api.statements import EveryonesStatement, Statement, UnownedStatement

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection, from the pool or from PostgreSQL."""
STATEMENT_TIMEOUT = 4.0
"""Seconds for PostgreSQL to answer; then the request is told that the service is not ready."""
POOL_SIZE = 10
"""Connections of one process."""
QUEUE_SIZE = 2_000
"""Who may wait for one, CONNECT_TIMEOUT at most. One more is told at once to come again: a line
that takes longer than that to serve helps nobody in it."""

STATEMENTS = 200
"""Prepared on each connection: more than there are, each of which is then planned once."""

_CONNECTED: Final[dict[str, Any]] = {
    "timeout": CONNECT_TIMEOUT,
    "command_timeout": STATEMENT_TIMEOUT,
    "server_settings": {"application_name": "bearer-tasks-api"},
}

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that dies while the pool takes it back
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What asyncpg raises when the database cannot be used just now, whatever was asked of it."""
_DEAD = (
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""Those of them that a connection ends with."""


Row: TypeAlias = asyncpg.Record
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Row]"
OwnConnection: TypeAlias = "asyncpg.Connection[Row]"


class _Lost(Unavailable):
    """The connection died under the statement: a new one may do."""


class _Connected(ABC):
    """What statements are run on: the pool, or one transaction."""

    @abstractmethod
    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one statement. Raises Unavailable while there is none to be had."""

    @abstractmethod
    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """The rows of a statement with all its values in place. Raises Unavailable."""

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
        """Runs it, in one round trip. Raises Unavailable when the database is away.

        Constraint violations come as asyncpg has them: what they mean is for the caller to say.
        """
        return await self._database.fetch(statement, self.owner, *statement.arguments(values))


class Transaction(_Connected):
    """Several statements, all or none; each behind its own owner's wall, or behind none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The one that it runs on."""
        yield self._connection

    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """An owner's statement keeps its wall to itself: else it would last for the next one."""
        rows = await self._connection.fetch(statement.sql, *values)
        if isinstance(statement, Statement):
            await self._connection.execute("RESET ROLE")
        return rows

    async def owners(self, statement: EveryonesStatement) -> list[str]:
        """Of whom it is true. From here on, unless for one owner, the rows of everyone are seen."""
        await self._connection.execute("SET LOCAL app.everyone = 'on'")
        rows = await self._connection.fetch(statement.sql, *statement.arguments({}))
        return [owner for (owner,) in rows]


class Database(_Connected):
    """A bounded pool of connections: an async context manager, as long as the app runs."""

    def __init__(self, url: str) -> None:
        self._url = connectable(url)
        self._pool: asyncpg.Pool[Row] | None = None
        self._asking = 0
        self._keeps_statements: bool | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: an API whose database is away starts, and says 503."""
        self._pool = await asyncpg.create_pool(  # type: ignore[call-overload]  # which wants every option by name
            self._url,
            min_size=0,
            max_size=POOL_SIZE,
            connect=self._connect,
            reset=_nothing_to_reset,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            **_CONNECTED,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for what runs, and closes every connection."""
        if self._pool is not None:
            await self._pool.close()

    async def fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        """Once more on another connection, if one dies under a statement that writes nothing."""
        try:
            return await self._fetch(statement, *values)
        except _Lost:
            if not statement.is_reading:
                raise
            return await self._fetch(statement, *values)

    async def _fetch(self, statement: Statement | UnownedStatement, *values: object) -> list[Row]:
        async with self.connection() as connection:
            return await connection.fetch(statement.sql, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at its end; what is raised inside undoes all of it. Raises Unavailable."""
        async with self.connection() as connection, connection.transaction():
            yield Transaction(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection from the pool. Raises Unavailable while there is none to be had."""
        if self._pool is None or self._asking >= POOL_SIZE + QUEUE_SIZE:
            raise Unavailable
        self._asking += 1
        lent = None
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as lent:
                try:
                    async with nullcontext() if self._keeps_statements else lent.transaction():
                        yield lent
                except (TimeoutError, asyncio.CancelledError):
                    lent.terminate()  # else its return would wait for the answer once more
                    raise
        except AWAY as outage:
            if isinstance(outage, ValueError):  # asyncpg's own word for a wrong argument: a bug
                raise
            if lent is not None and isinstance(outage, _DEAD):
                await self._pool.expire_connections()  # the others are as old
                raise _Lost from outage
            raise Unavailable from outage
        finally:
            self._asking -= 1

    async def _connect(self, url: str | None = None, **options: Any) -> OwnConnection:
        """For the pool, with a cache of statements where they are kept."""
        size = STATEMENTS if self._keeps_statements else 0
        connection: OwnConnection = await asyncpg.connect(url, statement_cache_size=size, **options)
        if self._keeps_statements is None:
            self._keeps_statements = await keeps_statements(connection)
            if self._keeps_statements:
                connection.terminate()
                return await self._connect(url, **options)
        return connection

    async def notify(self, channel: str) -> None:
        """Wakes whoever listens on this channel. Raises Unavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT pg_notify($1, '')", channel)


async def _nothing_to_reset(_: object) -> None:
    """What is set here is set for a transaction. asyncpg's own reset is a round trip each time."""


async def connect(url: str) -> OwnConnection:
    """A connection of one's own, beside the pool. Raises Unavailable when none can be had."""
    try:
        connection: OwnConnection = await asyncpg.connect(connectable(url), **_CONNECTED)
    except AWAY as outage:
        raise Unavailable from outage
    return connection


async def keeps_statements(connection: OwnConnection) -> bool:
    """Whether a statement that is prepared on this connection can be run on it later.

    Behind a pooler that hands out another server connection for each transaction it can, if the
    pooler keeps account of them: it then gives them names of its own. PgBouncer does from 1.21 on,
    with `max_prepared_statements`. Without, a name would stand for whatever another client
    prepared there, so that all of a statement has to happen in one transaction.
    """
    name = f"bearer_tasks_{secrets.token_hex(8)}"
    async with connection.transaction():
        asked = await connection.prepare(
            "SELECT pg_backend_pid(), EXISTS (SELECT FROM pg_prepared_statements WHERE name = $1)",
            name=name,
        )
        [(server, goes_by_its_name)] = await asked.fetch(name)
    return server == connection.get_server_pid() or not goes_by_its_name


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


def connectable(url: str) -> str:
    """A PostgreSQL URL as providers print it, in the words that asyncpg understands.

    asyncpg sends what it does not know as a setting, which the server then refuses; and it does
    SCRAM's channel binding by itself where the server offers it.
    """
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "channel_binding"]
    return parts._replace(query=urlencode(query)).geturl()
