"""The size of the connection pool, and its timeouts."""

from dataclasses import dataclass

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a new connection to PostgreSQL."""


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
