"""PostgreSQL: a bounded pool, and one owner's way into it.

Whoever runs a statement cannot say who the caller is: `Owned` was bound to the request's claims,
and puts them in as `$1` itself. That the statement is held to `$1` is for `statements` to see to.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from api.errors import Unavailable
from api.statements import EveryonesStatement, Statement, UnownedStatement

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection, from the pool or from PostgreSQL."""
STATEMENT_TIMEOUT = 4.0
"""Seconds for PostgreSQL to answer; then the request is told that the service is not ready."""
POOL_SIZE = 10
"""Connections of one process. Further requests wait CONNECT_TIMEOUT for one, then the same."""

_SETTINGS = {"application_name": "bearer-tasks-api"}

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


Row: TypeAlias = asyncpg.Record
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Any]"


class _Connected(ABC):
    """What statements are run on: the pool, or one transaction."""

    @abstractmethod
    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one statement. Raises Unavailable while there is none to be had."""

    def of(self, owner: str) -> "Owned":
        """The database as this owner may see it."""
        return Owned(self, owner)

    async def rows(
        self, statement: UnownedStatement | EveryonesStatement, **values: object
    ) -> list[asyncpg.Record]:
        """Runs a statement about what belongs to nobody, or asks whose turn it is.

        Raises Unavailable.
        """
        arguments = statement.arguments(values)
        async with self.connection() as connection:
            return await connection.fetch(statement.sql, *arguments)


class Owned:
    """One owner's way into the database. Made from claims, so that nobody else can say whose."""

    def __init__(self, database: _Connected, owner: str) -> None:
        self._database = database
        self.owner = owner

    async def rows(self, statement: Statement, **values: object) -> list[asyncpg.Record]:
        """Runs it, in one round trip. Raises Unavailable when the database is away.

        Constraint violations come as asyncpg has them: what they mean is for the caller to say.
        """
        arguments = statement.arguments(values)
        async with self._database.connection() as connection:
            return await connection.fetch(statement.sql, self.owner, *arguments)


class Transaction(_Connected):
    """Several statements, all or none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The one that it runs on."""
        yield self._connection


class Database(_Connected):
    """A bounded pool of connections: an async context manager, as long as the app runs."""

    def __init__(self, url: str) -> None:
        self._url = connectable(url)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def __aenter__(self) -> Self:
        """Connects to nothing yet: an API whose database is away starts, and says 503."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings=_SETTINGS,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for what runs, and closes every connection."""
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at its end; what is raised inside undoes all of it. Raises Unavailable."""
        async with self.connection() as connection, connection.transaction():
            yield Transaction(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection from the pool. Raises Unavailable while there is none to be had."""
        if self._pool is None:
            raise Unavailable
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                try:
                    yield connection
                except (TimeoutError, asyncio.CancelledError):
                    connection.terminate()  # else its return would wait for the answer once more
                    raise
        except AWAY as outage:
            if isinstance(outage, ValueError):  # asyncpg's own word for a wrong argument: a bug
                raise
            raise Unavailable from outage

    async def notify(self, channel: str) -> None:
        """Wakes whoever listens on this channel. Raises Unavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT pg_notify($1, '')", channel)


async def listen(url: str, channel: str, heard: Callable[[], None]) -> None:
    """Calls `heard` at each notification, for as long as the connection lasts.

    Raises Unavailable when none can be had. One that dies unnoticed hears nothing: whoever must
    not miss anything looks by other means as well.
    """
    try:
        connection = await asyncpg.connect(
            connectable(url),
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings=_SETTINGS,
        )
    except AWAY as outage:
        raise Unavailable from outage
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
