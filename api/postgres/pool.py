"""Connections to PostgreSQL: a bounded connection pool, and the errors that mean an outage.

A pool of our own, since asyncpg's costs more than most statements do: it resets the session after
each use, in a round trip and a task of its own. Here nothing is set for longer than a transaction.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg

from api.errors import Unavailable
from api.postgres import citus
from api.postgres.tables import Row
from api.postgres.url import arguments

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    _Connection = asyncpg.Connection[Row]
else:  # generic for its types alone
    _Connection = asyncpg.Connection

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a new connection to PostgreSQL."""
STATEMENTS = 64
"""Prepared on each connection at a time: more than an app runs, each of which is planned once.
There are some 200 in all, and whoever asked for each would have the database keep them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of a connection pool and its timeouts. All times are in seconds."""

    size: int = 10
    """The most connections of one process, including those whose statement was abandoned."""
    queue: int = 2_000
    """The most requests that wait for a connection. One more is answered 503 at once."""
    wait: float = CONNECT_TIMEOUT
    """The most time that a request waits for a connection of the pool."""
    statement: float = 4.0
    """The most time that the API waits for the answer to one statement. PostgreSQL cancels it
    after nine tenths of that (`statement_timeout`), so that the connection can be reused."""
    transaction: float = 60.0
    """The most time between two statements of a transaction. After it PostgreSQL closes the
    connection (`idle_in_transaction_session_timeout`)."""
    grace: float = 1.0
    """The most time that PostgreSQL has to confirm that it cancelled a statement, and that an idle
    connection has to answer a check after another connection was lost."""
    idle: float = 300.0
    """The time after which an unused connection is closed: a firewall may have dropped it."""

    @property
    def in_postgresql(self) -> str:
        """The value of PostgreSQL's `statement_timeout`, in milliseconds."""
        return f"{self.statement * 900:.0f}"


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

    __slots__ = ("_prepared", "is_begun")

    def __init__(self, *of_asyncpg: Any) -> None:
        super().__init__(*of_asyncpg)
        self.is_begun = False
        """Whether the connection may be in a transaction. The pool must not lend it then."""
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


_SESSION = {"application_name": "bearer-tasks-api", "timezone": "UTC"}

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
    """Lend connections, the most recently used one first, and open them on demand.

    A pool never has more than `limits.size` connections. A connection whose statement was abandoned
    counts until PostgreSQL has ended that statement.
    """

    def __init__(self, url: str, limits: Limits = Limits()) -> None:
        self._url = url
        self._limits = limits
        self._open = 0  # and being opened
        self._free: list[tuple[Connection, float]] = []
        self._doubtful_until = -math.inf
        self._line: deque[_Place] = deque()
        self._late: asyncio.TimerHandle | None = None
        self._settling: dict[asyncio.Task[None], Connection] = {}
        self._running = False
        self.server: Server | None = None
        """The properties of the server, or None before the first connection."""

    def free(self) -> "Connection | None":
        """Return an idle connection that needs no check, or None. Give it back through `lent`."""
        while self._free and self._running:
            connection, since = self._free[-1]
            if since < self._doubtful_until:
                return None
            self._free.pop()
            if not connection.is_closed() and monotonic() - since < self._limits.idle:
                return connection
            self._drop(connection)
        return None

    async def take(self) -> Connection:
        """Return a connection. Give it back through `lent`.

        Raises Unavailable when none is free within `limits.wait`, or when the queue is full.
        """
        if not self._running:
            raise Unavailable
        if connection := self.free() or await self._checked():
            return connection
        if self._open < self._limits.size:
            self._open += 1
            return await self._opened()
        if len(self._line) >= self._limits.queue:
            raise Unavailable
        return await self._wait() or await self._opened()

    def lent(self, connection: Connection) -> "_Lent":
        """Give the connection back at the end of a `with` block.

        Raises Unavailable in place of asyncpg's errors that mean an outage.
        """
        return _Lent(self, connection)

    def give(self, connection: Connection, error: BaseException | None) -> None:
        """Take a connection back. Raise Unavailable if the error means an outage."""
        try:
            if error is not None:
                self._judge(connection, error)
        finally:
            if connection.is_closed() or not self._running:
                self._drop(connection)
            elif connection.is_begun or isinstance(error, asyncio.CancelledError | TimeoutError):
                task = self._loop.create_task(self._settle(connection))
                self._settling[task] = connection
                task.add_done_callback(self._settling.pop)
            else:
                self._pass_on(connection)

    def open(self) -> None:
        """Start to lend connections. The first request opens the first connection."""
        self._loop = asyncio.get_running_loop()
        self._late = None  # of the line of another loop, if there was one
        self._running = True

    async def close(self) -> None:
        """Close the idle connections now, and each lent connection when it is given back."""
        self._running = False
        settling = dict(self._settling)
        for task in settling:
            task.cancel()
        await asyncio.gather(*settling, return_exceptions=True)
        for connection in settling.values():  # a task cancelled before it began closes nothing
            connection.terminate()
        while self._free:
            connection, _ = self._free.pop()
            await connection.close(timeout=self._limits.grace)

    async def _opened(self) -> Connection:
        try:
            return await self._connected()
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, AWAY):
                raise Unavailable from error
            raise

    async def _connected(self) -> Connection:
        """Open a connection, with a cache of prepared statements if the server supports them."""
        size = STATEMENTS if self.server and self.server.keeps_statements else 0
        connection = await _connect(self._url, self._limits, size)
        try:
            if self.server is None:
                self.server = await Server.behind(connection)
            if self.server.keeps_statements and not size:  # another task has set `server`
                connection.terminate()
                return await self._connected()
            await take_text(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _checked(self) -> "Connection | None":
        """Return an idle connection that answers a check, or None. Close those that do not."""
        while self._free and self._running:
            connection, _ = self._free.pop()
            if await self._answers(connection):
                return connection
            self._drop(connection)
        return None

    async def _settle(self, connection: Connection) -> None:
        """Lend a connection again once PostgreSQL has ended its abandoned statement.

        asyncpg has already started a cancel request. Terminating the connection now would drop that
        request: PostgreSQL would continue the statement while another connection replaces this
        one. A connection that may still be in a transaction is closed, and never lent again.
        """
        if await self._answers(connection) and self._running and not connection.is_begun:
            self._pass_on(connection)
        else:
            self._drop(connection)

    async def _answers(self, connection: Connection) -> bool:
        try:
            async with asyncio.timeout(self._limits.grace):
                await connection.execute("SELECT")  # asyncpg waits for its cancel request first
        except AWAY:
            return False
        except BaseException:
            self._drop(connection)
            raise
        return not connection.is_closed()

    async def _wait(self) -> "Connection | None":
        """Wait for a connection that is given back, or for permission to open one (None)."""
        turn: asyncio.Future[Connection | None] = self._loop.create_future()
        place = turn, self._loop.time() + self._limits.wait
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
        """Fail the waiters that are past their deadline. The queue is ordered by deadline."""
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
        # AWAY includes asyncpg's error for a wrong argument: a ValueError, and a bug of ours.
        if isinstance(error, AWAY) and not isinstance(error, ValueError):
            if connection.is_closed() or isinstance(error, _FATAL):
                connection.terminate()
                self._doubtful_until = monotonic()  # a restart closes every connection
                raise Lost from error
            raise Unavailable from error

    def _drop(self, connection: Connection) -> None:
        connection.terminate()
        self._pass_on(None)

    def _pass_on(self, connection: "Connection | None") -> None:
        """Hand a connection, or permission to open one (None), to the first waiter."""
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


async def connect(url: str, limits: Limits = Limits()) -> Connection:
    """Open a connection outside the pool. Raises Unavailable when that fails."""
    try:
        return await _connect(url, limits, STATEMENTS)
    except (*AWAY, asyncpg.PostgresError) as outage:  # a refusal, e.g. of a setting
        raise Unavailable from outage


async def _connect(url: str, limits: Limits, cached_statements: int) -> Connection:
    """Open a connection, with timeouts that PostgreSQL enforces if the server accepts them.

    PgBouncer refuses a session that starts with such a setting, unless it is configured to ignore
    the setting. The connection is then opened without the timeouts.
    """
    given = arguments(url)
    limited = {
        "statement_timeout": limits.in_postgresql,
        "idle_in_transaction_session_timeout": f"{limits.transaction * 1000:.0f}",
    }

    async def opened(settings: dict[str, str]) -> Connection:
        ours: dict[str, Any] = {
            "connection_class": Connection,
            "record_class": Row,
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": limits.statement,
            "server_settings": settings | given["server_settings"],
            "statement_cache_size": cached_statements,
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 0,
        }
        connection: Connection = await asyncpg.connect(**(given | ours))
        return connection

    try:
        return await opened(_SESSION | limited)
    except asyncpg.ProtocolViolationError:
        return await opened(_SESSION)


@dataclass(frozen=True, slots=True)
class Server:
    """The properties of the server at a URL: PostgreSQL, or a pooler in front of it."""

    keeps_statements: bool
    """Whether a statement that is prepared on a connection can be run on it later.

    Behind a pooler that hands out another server connection for each transaction it can, if the
    pooler keeps account of them: it then gives them names of its own. PgBouncer does from 1.21 on,
    with `max_prepared_statements`. Without, a name would stand for whatever another client
    prepared there, so that all of a statement has to happen in one transaction.
    """
    limits_statements: bool
    """Whether PostgreSQL cancels a statement after a timeout of its own.

    Otherwise only our cancel request ends a statement, and a killed process sends no request.
    """
    is_citus: bool
    """Whether an owner's statement must be announced to other nodes (see `citus`)."""

    @classmethod
    async def behind(cls, connection: Connection) -> Self:
        """Return the properties of the server of this connection."""
        name = f"bearer_tasks_{secrets.token_hex(8)}"
        async with connection.transaction():
            asked = await connection.prepare(
                "SELECT pg_backend_pid(),"
                " EXISTS (SELECT FROM pg_prepared_statements WHERE name = $1),"
                " current_setting('statement_timeout') <> '0'",
                name=name,
            )
            [(server, goes_by_its_name, limited)] = await asked.fetch(name)
        keeps = server == connection.get_server_pid() or not goes_by_its_name
        return cls(keeps, limited, await citus.serves(connection))
