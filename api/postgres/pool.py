"""A bounded pool of connections.

asyncpg's own pool costs 40 µs more for each statement, even with a `reset` that does nothing, and
has no bound on its waiters. No reset is needed here, since no setting outlasts a transaction.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from api.errors import Unavailable
from api.postgres.connections import Connection
from api.postgres.limits import Limits
from api.postgres.outages import (
    ABANDONING_ERRORS,
    LOSS_ERRORS,
    ConnectionLost,
    is_outage,
    log_outage,
)
from api.postgres.waiters import Waiters


class Use(NamedTuple):
    """How a pool is used at the moment, and how many requests for a connection it refused."""

    lent: int
    """Connections that are lent, being opened, or waiting for the end of a statement."""
    idle: int
    limit: int
    waiting: int
    refused: int
    """Requests that found the queue full, since the pool was created."""
    expired: int
    """Requests that waited for too long, since the pool was created."""


class Pool:
    """Lends connections, the most recently used one first, and opens them on demand.

    `open_connection` raises Unavailable when it fails.
    """

    def __init__(
        self, open_connection: Callable[[], Awaitable[Connection]], limits: Limits
    ) -> None:
        self._open_connection = open_connection
        self._limits = limits
        self._size = 0  # including the connections that are being opened
        self._idle: list[tuple[Connection, float]] = []
        self._doubtful_until = -math.inf
        self._waiters = Waiters(limits.queue, limits.wait, self._pass_on)
        self._cancelling: dict[asyncio.Task[None], Connection] = {}
        self._is_running = False

    def start(self) -> None:
        """Start to lend connections. The first request opens the first connection."""
        self._waiters.start()
        self._is_running = True

    @property
    def use(self) -> Use:
        """How the pool is used."""
        idle, waiters = len(self._idle), self._waiters
        return Use(
            self._size - idle,
            idle,
            self._limits.size,
            len(waiters),
            waiters.refused,
            waiters.expired,
        )

    async def close(self) -> None:
        """Close the idle connections now, and each lent connection when it is released."""
        self._is_running = False
        cancelling = dict(self._cancelling)
        for task in cancelling:
            task.cancel()
        await asyncio.gather(*cancelling, return_exceptions=True)
        for connection in cancelling.values():  # a task cancelled before it began closed nothing
            connection.terminate()
        while self._idle:
            connection, _ = self._idle.pop()
            await connection.close(timeout=self._limits.grace)

    def connection(self) -> "_Lending":
        """Lend a connection for an `async with` block. Raises Unavailable for an outage."""
        return _Lending(self)

    async def acquire(self) -> Connection:
        """Return a connection. The caller must `release` it.

        Raises Unavailable when none is free within `limits.wait`, or when the queue is full.
        """
        if not self._is_running:
            raise Unavailable
        connection = await self._acquire_idle()
        if connection is None and self._size < self._limits.size:
            self._size += 1
        elif connection is None:
            connection = await self._waiters.wait()
        return connection or await self._open()

    def release(self, connection: Connection, error: BaseException | None = None) -> None:
        """Take a connection back, after `error` if a statement failed.

        Raises ConnectionLost or Unavailable if the error means an outage.
        """
        means_outage = error is not None and is_outage(error)
        is_lost = means_outage and (connection.is_closed() or isinstance(error, LOSS_ERRORS))
        if is_lost:
            connection.terminate()
            self._doubtful_until = monotonic()  # a restart of the server closes every connection
        if connection.is_closed() or not self._is_running:
            self._drop(connection)
        elif connection.may_be_in_transaction or isinstance(error, ABANDONING_ERRORS):
            task = asyncio.create_task(self._await_cancel(connection))
            self._cancelling[task] = connection
            task.add_done_callback(self._cancelling.pop)
        else:
            self._pass_on(connection)
        if error is not None and means_outage:
            log_outage(error)
            raise (ConnectionLost if is_lost else Unavailable) from error

    async def _acquire_idle(self) -> Connection | None:
        """Return an idle connection, or None. Check it first if another one was lost meanwhile."""
        while self._idle and self._is_running:
            connection, since = self._idle.pop()
            is_fresh = monotonic() - since < self._limits.idle and not connection.is_closed()
            if is_fresh and (since >= self._doubtful_until or await self._answers(connection)):
                return connection
            self._drop(connection)
        return None

    async def _open(self) -> Connection:
        try:
            return await self._open_connection()
        except BaseException:
            self._pass_on(None)
            raise

    async def _await_cancel(self, connection: Connection) -> None:
        """Lend a connection again once PostgreSQL has ended its abandoned statement.

        asyncpg has already started a cancel request. If the connection were closed now, the request
        would be dropped, and PostgreSQL would continue the statement.
        """
        is_usable = await self._answers(connection) and not connection.may_be_in_transaction
        if is_usable and self._is_running:
            self._pass_on(connection)
        else:
            self._drop(connection)

    async def _answers(self, connection: Connection) -> bool:
        try:
            return await connection.answers(self._limits.grace)
        except BaseException:
            self._drop(connection)
            raise

    def _drop(self, connection: Connection) -> None:
        """Close a connection at once, and let the first waiter open another one."""
        connection.terminate()
        self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or permission to open one (None), to the first waiter."""
        if self._waiters.serve(connection):
            return
        if connection is None:
            self._size -= 1
        else:
            self._idle.append((connection, monotonic()))


class _Lending:
    """The context manager of `Pool.connection`. A generator would take twice the time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._pool.release(self._connection, error)
