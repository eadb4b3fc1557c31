"""The errors of asyncpg that mean an outage, or the end of a connection."""

import asyncio
import logging

import asyncpg

from api.errors import Unavailable

log = logging.getLogger(__name__)

OUTAGE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised for a statement on a connection that is being closed
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Errors that mean that the database cannot be used at the moment, whatever the statement was."""

LOSS_ERRORS = (
    ConnectionError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Outage errors after which the pool closes the connection.

In most cases it is closed already, and asyncpg has not noticed that yet. A read-only connection may
lead to a server that is no longer the primary, or have a setting that new connections do not have.
"""

ABANDONING_ERRORS = (asyncio.CancelledError, TimeoutError)
"""Errors after which PostgreSQL may still run the statement: the API stopped waiting for it."""


class ConnectionLost(Unavailable):
    """The connection was lost during a statement. The statement may succeed on another one."""


def is_outage(error: BaseException) -> bool:
    """Return whether an error of a statement means an outage.

    asyncpg's error for an argument of the wrong type is an InterfaceError too. It is also a
    ValueError, and it means a bug of the API.
    """
    return isinstance(error, OUTAGE_ERRORS) and not isinstance(error, ValueError)


def log_outage(error: BaseException) -> None:
    """Log why the database cannot be used, at most once a second for each class of errors.

    The details of an error are left out, because they may have values of a row.
    """
    # `log_limits` limits each message.
    kind = f"the database is unavailable: {type(error).__name__}: %s"
    [reason, *_] = str(error).splitlines() or ["no answer in time"]
    log.warning(kind, reason)
