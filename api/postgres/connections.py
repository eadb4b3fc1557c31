"""Connections to PostgreSQL: their settings, their timeouts, and the properties of the server."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from api.errors import Unavailable
from api.postgres import citus
from api.postgres.codecs import set_text_codecs
from api.postgres.limits import CONNECT_TIMEOUT, Limits
from api.postgres.outages import OUTAGE_ERRORS, log_outage
from api.postgres.tables import Row
from api.postgres.url import arguments

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[Row]
else:  # asyncpg's class is generic only in its type stubs
    _Connection = asyncpg.Connection

CACHED_STATEMENTS = 64
"""The most prepared statements that are cached on each connection.

An app uses fewer, so PostgreSQL plans each of them once. The API has some 200 statements. Without
this limit, a client that runs all of them would make PostgreSQL keep them on each connection.
"""

_SESSION = {"application_name": "bearer-tasks-api", "timezone": "UTC"}


class Connection(_Connection):
    """A connection of asyncpg that records whether it may be in a transaction."""

    __slots__ = ("may_be_in_transaction",)

    def __init__(self, *arguments_of_asyncpg: Any) -> None:
        super().__init__(*arguments_of_asyncpg)
        self.may_be_in_transaction = False
        """Also true after a cancelled BEGIN: asyncpg does not know whether it ran."""

    async def answers(self, seconds: float) -> bool:
        """Return whether this connection answers an empty statement within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.execute("SELECT")  # asyncpg waits for its cancel request first
        except OUTAGE_ERRORS:
            return False
        return not self.is_closed()


@dataclass(frozen=True, slots=True)
class Server:
    """The properties of the server at a URL: PostgreSQL, or a pooler in front of it."""

    keeps_statements: bool
    """Whether a statement that is prepared on a connection can be run on it later.

    A transaction pooler may give each transaction another server connection, so it must track the
    prepared statements of its clients. PgBouncer does so from version 1.21 on, if
    `max_prepared_statements` is set. Without that, a name may refer to the statement of another
    client, so the API prepares and runs a statement in one transaction.
    """
    limits_statements: bool
    """Whether PostgreSQL accepted a `statement_timeout` for the whole session.

    If not, only a cancel request ends a statement, and a process that is killed sends none.
    """
    is_citus: bool
    """Whether an owner's statement must be announced to other nodes (see `citus`)."""

    @classmethod
    async def behind(cls, connection: Connection) -> Self:
        """Return the properties of the server of this connection."""
        name = f"bearer_tasks_{secrets.token_hex(8)}"
        async with connection.transaction():
            prepared = await connection.prepare(
                "SELECT pg_backend_pid(),"
                " EXISTS (SELECT FROM pg_prepared_statements WHERE name = $1),"
                " current_setting('statement_timeout') <> '0'",
                name=name,
            )
            [(process, is_name_kept, is_limited)] = await prepared.fetch(name)
        keeps_statements = process == connection.get_server_pid() or not is_name_kept
        return cls(keeps_statements, is_limited, await citus.serves(connection))


class Connector:
    """Opens the connections of a pool, and finds out the properties of their server."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self._limits = limits
        self.server: Server | None = None
        """The properties of the server, or None before the first connection."""

    async def open(self) -> Connection:
        """Open a connection, with a cache of prepared statements if the server supports them.

        Raises Unavailable.
        """
        try:
            return await self._open()
        except OUTAGE_ERRORS as error:
            log_outage(error)
            raise Unavailable from error

    async def _open(self) -> Connection:
        size = CACHED_STATEMENTS if self.server and self.server.keeps_statements else 0
        connection = await _connect(self._url, self._limits, size)
        try:
            if self.server is None:
                self.server = await Server.behind(connection)
            if self.server.keeps_statements and not size:  # the server was unknown until now
                connection.terminate()
                return await self._open()
            await set_text_codecs(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


async def connect(url: str, limits: Limits = Limits()) -> Connection:  # noqa: B008 - it is frozen
    """Open a connection outside of any pool. Raises Unavailable when that fails."""
    try:
        return await _connect(url, limits, CACHED_STATEMENTS)
    except (*OUTAGE_ERRORS, asyncpg.PostgresError) as error:  # for example a refused setting
        raise Unavailable from error


async def _connect(url: str, limits: Limits, cached_statements: int) -> Connection:
    """Open a connection, with timeouts that PostgreSQL enforces if the server accepts them.

    PgBouncer refuses a session that starts with such a setting, unless it is configured to ignore
    the setting. The connection is then opened without the timeouts.
    """
    from_url = arguments(url)
    timeouts = {
        "statement_timeout": limits.in_postgresql,
        "idle_in_transaction_session_timeout": f"{limits.transaction * 1000:.0f}",
    }

    async def opened(settings: dict[str, str]) -> Connection:
        ours: dict[str, Any] = {
            "connection_class": Connection,
            "record_class": Row,
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": limits.statement,
            "server_settings": settings | from_url["server_settings"],
            "statement_cache_size": cached_statements,
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 0,
        }
        connection: Connection = await asyncpg.connect(**(from_url | ours))
        return connection

    try:
        return await opened(_SESSION | timeouts)
    except asyncpg.ProtocolViolationError:
        return await opened(_SESSION)
