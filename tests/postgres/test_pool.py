"""The connection pool: how many it opens, which waiter is served next, and which are closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from api.errors import Unavailable
from api.postgres.connections import Connection, Connector
from api.postgres.limits import Limits
from api.postgres.outages import ConnectionLost
from api.postgres.pool import Pool, Use
from dev.postgres import Postgres
from tests.waiting import PATIENCE


@asynccontextmanager
async def running(postgres: Postgres, limits: Limits = Limits()) -> AsyncIterator[Pool]:  # noqa: B008 - the default is frozen
    pool = Pool(Connector(postgres.url, limits).open, limits)
    pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def process(connection: Connection) -> int:
    return connection.get_server_pid()


def test_most_recently_used_connection_is_acquired_first(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres) as pool:
            first, second = await pool.acquire(), await pool.acquire()
            pool.release(first)
            pool.release(second)
            async with pool.connection() as one, pool.connection() as another:
                assert (one, another) == (second, first)

    asyncio.run(attempt())


def test_waiters_are_served_in_order_and_a_full_queue_is_unavailable(
    postgres: Postgres,
) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1, queue=2)) as pool:
            lent = await pool.acquire()
            first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await pool.acquire()
            assert pool.use == Use(lent=1, idle=0, limit=1, waiting=2, refused=1, expired=0)
            pool.release(lent)
            assert await first is lent
            assert not second.done()
            pool.release(lent)
            assert await second is lent
            pool.release(lent)

    asyncio.run(attempt())


def test_waiter_fails_after_its_deadline_and_leaves_the_queue(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1, queue=1, wait=0.05)) as pool:
            lent = await pool.acquire()
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await pool.acquire()
            assert pool.use == Use(lent=1, idle=0, limit=1, waiting=0, refused=0, expired=3)
            pool.release(lent)
            assert await pool.acquire() is lent
            pool.release(lent)

    asyncio.run(attempt())


def test_waiter_cancelled_while_it_is_served_passes_the_connection_on(
    postgres: Postgres,
) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1)) as pool:
            lent = await pool.acquire()
            cancelled, next_one = (asyncio.create_task(pool.acquire()) for _ in range(2))
            await asyncio.sleep(0)
            pool.release(lent)
            cancelled.cancel()
            assert await next_one is lent
            assert cancelled.cancelled()
            cancelled = asyncio.create_task(pool.acquire())
            await asyncio.sleep(0)
            pool.release(lent)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            async with pool.connection() as connection:
                assert connection is lent, "with no other waiter it is idle again"

    asyncio.run(attempt())


def test_connection_that_cannot_be_opened_makes_room_for_another_attempt(
    postgres: Postgres,
) -> None:
    limits = Limits(size=1)
    connector = Connector(postgres.url, limits)
    attempts = 0

    async def opened() -> Connection:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            raise Unavailable
        return await connector.open()

    async def attempt() -> None:
        pool = Pool(opened, limits)
        pool.start()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await pool.acquire()
        pool.release(await pool.acquire())
        await pool.close()
        assert attempts == 3

    asyncio.run(attempt())


def test_one_lost_connection_closes_no_other(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres) as pool:

            async def processes() -> list[int]:
                lent = await asyncio.gather(*(pool.acquire() for _ in range(4)))
                for connection in lent:
                    pool.release(connection)
                return [process(connection) for connection in lent]

            before = await processes()
            dying = await pool.acquire()
            died = process(dying)
            with pytest.raises(ConnectionLost):
                pool.release(
                    dying, asyncpg.ConnectionFailureError("from a pooler without a server")
                )
            after = await processes()
            assert set(before) - {died} < set(after)

    asyncio.run(attempt())


def test_idle_connection_is_replaced_after_its_timeout(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1, idle=0)) as pool:
            first = await pool.acquire()
            of_first = process(first)
            pool.release(first)
            async with pool.connection() as second:
                assert first.is_closed()
                assert process(second) != of_first

    asyncio.run(attempt())


def test_abandoned_statement_ends_before_its_connection_is_reused(
    postgres: Postgres,
) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1, grace=PATIENCE)) as pool:
            lent = await pool.acquire()

            async def use() -> None:
                try:
                    await lent.execute("SELECT pg_sleep(1000)")
                except BaseException as error:
                    pool.release(lent, error)
                    raise

            abandoned = asyncio.create_task(use())
            await asyncio.sleep(0)
            abandoned.cancel()
            async with asyncio.timeout(PATIENCE):
                assert await pool.acquire() is lent
            assert await lent.fetchval("SELECT 1") == 1
            pool.release(lent)

    asyncio.run(attempt())


def test_connection_that_may_be_in_a_transaction_is_closed(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1)) as pool:
            lent = await pool.acquire()
            lent.may_be_in_transaction = True
            of_lent = process(lent)
            pool.release(lent)
            async with asyncio.timeout(PATIENCE), pool.connection() as other:
                assert lent.is_closed()
                assert process(other) != of_lent

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("sql", "values", "raised"),
    [
        ("SELECT 1 / 0", (), asyncpg.DivisionByZeroError),
        ("SELECT $1::int", ("one",), asyncpg.DataError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", (), ConnectionLost),
    ],
)
def test_only_a_lost_connection_is_an_outage(
    postgres: Postgres, sql: str, values: tuple[object, ...], raised: type[Exception]
) -> None:
    async def attempt() -> None:
        async with running(postgres, Limits(size=1)) as pool:
            with pytest.raises(raised):
                async with pool.connection() as lent:
                    await lent.fetch(sql, *values)
            assert lent.is_closed() is (raised is ConnectionLost)
            async with pool.connection() as again:
                assert (again is lent) is (raised is not ConnectionLost)

    asyncio.run(attempt())


def test_closed_pool_acquires_nothing_and_closes_released_connections(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with running(postgres) as pool:
            idle, lent = await pool.acquire(), await pool.acquire()
            pool.release(idle)
            await pool.close()
            assert idle.is_closed()
            assert not lent.is_closed()
            with pytest.raises(Unavailable):
                await pool.acquire()
            pool.release(lent)
            assert lent.is_closed()

    asyncio.run(attempt())
