"""A statement that takes too long is logged, with its SQL and the lock for which it waited."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import update

from api.errors import Unavailable
from api.owned.owner import Owned
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement
from api.postgres.database import Database
from api.postgres.slow_statements import SlowStatements
from api.telemetry.records import Observers
from dev.postgres import Postgres
from tests.waiting import PATIENCE

WRITE = Statement(update(owners).where(owners.c.owner_id == OWNER).values(change_number=1))


@asynccontextmanager
async def locked(postgres: Postgres, owner: str) -> AsyncIterator[asyncpg.Connection]:
    """Create an owner and lock the owner's row. Yield the connection that holds the lock."""
    holding = await asyncpg.connect(postgres.url)
    try:
        await holding.execute("INSERT INTO tasks.owners (owner_id) VALUES ($1)", owner)
        async with holding.transaction():
            await holding.execute("SELECT FROM tasks.owners WHERE owner_id = $1 FOR UPDATE", owner)
            yield holding
    finally:
        await holding.close()


async def blocked(postgres: Postgres, holding: asyncpg.Connection, do: str = "pid") -> None:
    """Wait until a process waits for a lock of this connection, and evaluate SQL with its pid."""
    query = f"SELECT {do} FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"  # noqa: S608 - of constants
    looking = await asyncpg.connect(postgres.url)  # a transaction sees one state only
    try:
        async with asyncio.timeout(PATIENCE):
            while not await looking.fetch(query, holding.get_server_pid()):  # noqa: ASYNC110 - PostgreSQL does not tell
                await asyncio.sleep(0.01)
    finally:
        await looking.close()


def members(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return the members of the lines about slow statements, without `duration_ms`."""
    names = ("operation", "owner", "error", "waited_for", "statement")
    lines = [line for line in caplog.records if line.msg == "slow statement"]
    assert all(line.levelno == logging.WARNING for line in lines)
    return [{n: vars(line)[n] for n in names if n in vars(line)} for line in lines]


def test_statement_that_waits_for_a_lock_is_logged(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    owner = secrets.token_hex(8)

    async def attempt() -> None:
        record = Observers().begin_operation(owner)
        record.operation_type, record.operation_name = "mutation", "Write"
        slow = SlowStatements(0.001, lambda owner: f"hash of {owner}")
        async with Database(postgres.url, slow=slow) as database:
            async with locked(postgres, owner) as holding:
                writing = asyncio.create_task(Owned(database, owner).rows(WRITE))
                await blocked(postgres, holding)
            await writing

    asyncio.run(attempt())
    [line] = members(caplog)
    sql = "UPDATE tasks.owners SET change_number=$2"
    assert str(line.pop("statement")).startswith(sql)
    assert line == {"operation": "Write", "owner": f"hash of {owner}"}


def test_canceled_statement_is_logged_with_the_lock_that_it_waited_for(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    owner = secrets.token_hex(8)

    async def attempt() -> None:
        async with (
            Database(postgres.url, slow=SlowStatements(0.001)) as database,
            locked(postgres, owner) as holding,
        ):
            writing = asyncio.create_task(Owned(database, owner).rows(WRITE))
            await blocked(postgres, holding, "pg_cancel_backend(pid)")
            with pytest.raises(Unavailable):
                await writing

    asyncio.run(attempt())
    [line] = members(caplog)
    del line["statement"]
    assert line == {"error": "QueryCanceledError", "waited_for": "a row of owners"}


def test_fast_statement_is_not_logged(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    async def attempt() -> None:
        async with Database(postgres.url, slow=SlowStatements(60)) as database:
            await Owned(database, secrets.token_hex(8)).rows(WRITE)

    asyncio.run(attempt())
    assert members(caplog) == []
