"""The errors of asyncpg that mean an outage, or the end of a connection."""

import asyncio

import asyncpg

from api.errors import Unavailable

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

CONNECTION_LOST = (
    ConnectionError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""Outage errors after which the connection is closed, even if asyncpg has not noticed it yet."""

ABANDONING_ERRORS = (asyncio.CancelledError, TimeoutError)
"""Errors after which PostgreSQL may still run the statement: the API stopped waiting for it."""


class Lost(Unavailable):
    """The connection was lost during a statement. The statement may succeed on another one."""


def is_outage(error: BaseException) -> bool:
    """Return whether an error of a statement means an outage.

    asyncpg's error for an argument of the wrong type is an InterfaceError too. It is also a
    ValueError, and it means a bug of the API.
    """
    return isinstance(error, OUTAGE_ERRORS) and not isinstance(error, ValueError)
