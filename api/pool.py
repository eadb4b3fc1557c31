"""Connections to PostgreSQL: the URLs it takes, what an outage is, and a bounded pool.

A pool of our own, since asyncpg's costs more than most statements do: it resets the session after
each use, in a round trip and a task of its own. Here nothing is set for longer than a transaction.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from api import citus
from api.errors import Unavailable
from api.models import Row

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    _Connection = asyncpg.Connection[Row]
else:  # generic for its types alone
    _Connection = asyncpg.Connection

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection, from the pool or from PostgreSQL."""
STATEMENT_TIMEOUT = 4.0
"""Seconds for PostgreSQL to answer; then the request is told that the service is not ready."""
POOL_SIZE = 10
"""Connections of one process."""
QUEUE_SIZE = 2_000
"""Who may wait for one, CONNECT_TIMEOUT at most. One more is told at once to come again: a line
that takes longer than that to serve helps nobody in it."""
IDLE = 300.0
"""Seconds after which an unused connection is not trusted: what lies between may have dropped it
without a word."""
STATEMENTS = 64
"""Prepared on each connection at a time: more than an app runs, each of which is planned once.
There are some 200 in all, and whoever asked for each would have the database keep them."""

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # it is asked something while it hears of its end
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What asyncpg raises when the database cannot be used just now, whatever was asked of it."""


class Connection(_Connection):
    """asyncpg's, with a short way for what it has prepared."""

    __slots__ = ("_prepared",)

    def __init__(self, *of_asyncpg: Any) -> None:
        super().__init__(*of_asyncpg)
        self._prepared: dict[str, PreparedStatement[Row]] = {}

    async def run(self, sql: str, values: Sequence[object], record: type[Row]) -> list[Row]:
        """As `fetch` does, outside of transactions, and where statements are kept.

        asyncpg looks its cache up, takes the time and goes through five coroutines before it
        sends anything, which takes as long as the sending. It has no public way past that: what
        is private here are `_protocol` and a prepared statement's `_state`.
        """
        prepared = self._prepared.get(sql)
        if prepared is None:
            if len(self._prepared) >= STATEMENTS:  # the oldest, which asyncpg closes at leisure
                del self._prepared[next(iter(self._prepared))]
            prepared = self._prepared[sql] = await self.prepare(sql, record_class=record)
        try:
            return await self._protocol.bind_execute(prepared._state, values, "", 0, False, None)  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001 - as above
        except asyncpg.InvalidCachedStatementError:  # a migration went by: nothing was run
            del self._prepared[sql]
            return await self.fetch(sql, *values, record_class=record)
        except asyncpg.OutdatedSchemaCacheError:
            self._prepared.clear()
            await self.reload_schema_state()
            raise


_CONNECTED: Final[dict[str, Any]] = {
    "connection_class": Connection,
    "record_class": Row,
    "timeout": CONNECT_TIMEOUT,
    "command_timeout": STATEMENT_TIMEOUT,
    "server_settings": {"application_name": "bearer-tasks-api", "timezone": "UTC"},
    "max_cached_statement_lifetime": 0,
    "max_cacheable_statement_size": 0,
}

_Place: TypeAlias = "tuple[asyncio.Future[Connection | None], float]"
"""In the line: what is waited for, and until when by the loop's clock."""


_FATAL = (
    ConnectionError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""Those of them that a connection ends with, noticed yet or not."""


class Lost(Unavailable):
    """The connection died under the statement: another may do."""


class Pool:
    """Lends connections, the one that was used last first, and opens them as they are needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = 0  # and being opened
        self._free: list[tuple[Connection, float]] = []
        self._line: deque[_Place] = deque()
        self._late: asyncio.TimerHandle | None = None
        self._running = False
        self.keeps_statements: bool | None = None
        """Whether a statement need not be in one transaction: known with the first connection."""
        self.is_citus: bool | None = None
        """Whether an owner's statement must be announced to other nodes: known likewise."""

    def free(self) -> "Connection | None":
        """One that nobody uses, to be given back through `lent`."""
        while self._free and self._running:
            connection, since = self._free.pop()
            if not connection.is_closed() and monotonic() - since < IDLE:
                return connection
            self._drop(connection)
        return None

    async def take(self) -> Connection:
        """One to be given back through `lent`. Raises Unavailable while there is none to be had."""
        if not self._running:
            raise Unavailable
        if connection := self.free():
            return connection
        if self._open < POOL_SIZE:
            self._open += 1
            return await self._opened()
        if len(self._line) >= QUEUE_SIZE:
            raise Unavailable
        return await self._wait() or await self._opened()

    def lent(self, connection: Connection) -> "_Lent":
        """Gives it back in the end. What asyncpg says of an outage is raised as Unavailable."""
        return _Lent(self, connection)

    def give(self, connection: Connection, error: BaseException | None) -> None:
        """Back, after this befell it; what that means to a client is raised."""
        try:
            if error is not None:
                self._judge(connection, error)
        finally:
            if connection.is_closed() or not self._running:
                self._drop(connection)
            else:
                self._pass_on(connection)

    def open(self) -> None:
        """From here on it lends connections; it opens the first one when somebody asks."""
        self._loop = asyncio.get_running_loop()
        self._late = None  # of the line of another loop, if there was one
        self._running = True

    async def close(self) -> None:
        """Every connection, those that are lent when they are given back."""
        self._running = False
        while self._free:
            connection, _ = self._free.pop()
            await connection.close(timeout=CONNECT_TIMEOUT)

    async def _opened(self) -> Connection:
        try:
            return await self._connected()
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, AWAY):
                raise Unavailable from error
            raise

    async def _connected(self) -> Connection:
        """With a cache of statements where they are kept."""
        size = STATEMENTS if self.keeps_statements else 0
        connection: Connection = await asyncpg.connect(
            self._url, statement_cache_size=size, **_CONNECTED
        )
        try:
            if self.keeps_statements is None:
                self.is_citus = await citus.serves(connection)
                self.keeps_statements = await keeps_statements(connection)
            if self.keeps_statements and not size:  # others may have asked meanwhile
                connection.terminate()
                return await self._connected()
            await take_text(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _wait(self) -> "Connection | None":
        """For a connection that is given back, or for the right to open one."""
        turn: asyncio.Future[Connection | None] = self._loop.create_future()
        place = turn, self._loop.time() + CONNECT_TIMEOUT
        self._line.append(place)
        if self._late is None:
            self._late = self._loop.call_at(place[1], self._turn_away)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # passed over already
                    self._line.remove(place)
            elif turn.exception() is None:  # it came at the last moment: the next one's turn
                self._pass_on(turn.result())
            raise

    def _turn_away(self) -> None:
        """Whose time is over. They stand in its order: one timer does for the line."""
        self._late = None
        while self._line:
            turn, until = self._line[0]
            if until > self._loop.time():
                self._late = self._loop.call_at(until, self._turn_away)
                return
            self._line.popleft()
            if not turn.done():
                turn.set_exception(Unavailable())

    def _judge(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            connection.terminate()  # else whoever has it next would get this one's answer
        # Asyncpg's own word for a wrong argument is among them: a bug, and a ValueError.
        elif isinstance(error, AWAY) and not isinstance(error, ValueError):
            if connection.is_closed() or isinstance(error, _FATAL):
                connection.terminate()
                self._forget_free()  # they are as old
                raise Lost from error
            if isinstance(error, TimeoutError):
                connection.terminate()  # as above
            raise Unavailable from error

    def _drop(self, connection: Connection) -> None:
        connection.terminate()
        self._pass_on(None)

    def _forget_free(self) -> None:
        while self._free:
            self._drop(self._free.pop()[0])

    def _pass_on(self, connection: "Connection | None") -> None:
        """To the first in the line; None is the right to open one."""
        while self._line:
            turn, _ = self._line.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection is None:
            self._open -= 1
        else:
            self._free.append((connection, monotonic()))


class _Lent:
    """A connection, for as long as it is used. Written out, since a generator takes 2 µs."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool, connection: Connection) -> None:
        self._pool = pool
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._pool.give(self._connection, error)


async def take_text(connection: Connection) -> None:
    """Python reads PostgreSQL's text for a moment or a day in less time than asyncpg's form takes.

    Of a page of fifty they are most of what asyncpg reads. An id is text to everybody else, too.
    """
    async with connection.transaction():
        for name, encoder, decoder in (
            ("timestamptz", _moment_as_text, datetime.fromisoformat),
            ("date", str, date.fromisoformat),
        ):
            await connection.set_type_codec(
                name, schema="pg_catalog", encoder=encoder, decoder=decoder
            )
        await connection.set_builtin_type_codec(
            "uuid", schema="pg_catalog", codec_name="text", format="text"
        )


def _moment_as_text(moment: datetime) -> str:
    """As asyncpg has it: the first and the last without a zone are infinite."""
    if moment.tzinfo is not None:
        return moment.isoformat()
    return {datetime.min: "-infinity", datetime.max: "infinity"}[moment]  # noqa: DTZ901 - that is the point


async def connect(url: str) -> Connection:
    """A connection of one's own, beside the pool. Raises Unavailable when none can be had."""
    try:
        connection: Connection = await asyncpg.connect(connectable(url), **_CONNECTED)
    except AWAY as outage:
        raise Unavailable from outage
    return connection


async def keeps_statements(connection: Connection) -> bool:
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


def connectable(url: str) -> str:
    """A PostgreSQL URL as providers print it, in the words that asyncpg understands.

    asyncpg sends what it does not know as a setting, which the server then refuses; and it does
    SCRAM's channel binding by itself where the server offers it.
    """
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "channel_binding"]
    return parts._replace(query=urlencode(query)).geturl()
