"""The database of one owner: its queue, its deadlines, and which errors are an outage."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from sqlalchemy import select, update

from api import migrations
from api.errors import RateLimited, Unavailable
from api.owned.owner import Owned
from api.owned.walls import OWNER, Statement
from api.postgres.database import Database
from api.postgres.fairness import Share
from api.postgres.limits import Limits
from api.postgres.tables import Row
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests import pooler, stack
from tests.waiting import PATIENCE

tasks = TASKS.table


def test_statement_of_an_owner_accepts_no_other_owner(postgres: Postgres) -> None:
    async def attempt() -> None:
        statement = Statement(select(tasks.c.id).where(tasks.c.owner_id == OWNER))
        async with Database(postgres.url) as database:
            with pytest.raises(TypeError, match="owner_id"):
                await Owned(database, "ada").rows(statement, owner_id="bob")

    asyncio.run(attempt())


def test_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        async with Database(url) as database:
            await database.notify("nobody")

    for url in (f"postgresql://u@/db?host={tmp_path}", f"postgresql://u@{stack.NOBODY}/db"):
        with pytest.raises(Unavailable):
            asyncio.run(ask(url))


READ = Statement(select(tasks.c.title).where(tasks.c.owner_id == OWNER))
WRITE = Statement(update(tasks).where(tasks.c.owner_id == OWNER).values(description="written"))


@asynccontextmanager
async def locked_tasks(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """Lock the tasks, so that statements wait for them. Yield another connection."""
    holding, looking = await asyncpg.connect(postgres.url), await asyncpg.connect(postgres.url)
    try:
        async with holding.transaction():
            await holding.execute("LOCK TABLE tasks.tasks")
            yield looking
    finally:
        await holding.close()
        await looking.close()


async def waiting(looking: asyncpg.Connection, *, how_many: int = 1) -> list[int]:
    """Wait until so many processes of the server wait for the tasks, and return their PIDs."""
    query = """SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND relation = 'tasks.tasks'::regclass
        AND application_name = 'bearer-tasks-api'"""
    while len(found := await looking.fetch(query)) < how_many:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    return [row["pid"] for row in found]


def test_full_queue_raises_unavailable_at_once(postgres: Postgres) -> None:
    limits = Limits(size=2, queue=3, wait=2 * PATIENCE, statement=2 * PATIENCE)

    async def attempt() -> None:
        async with Database(postgres.url, limits, Share(statements=10)) as database:
            own = Owned(database, "ada")
            async with locked_tasks(postgres) as looking, asyncio.timeout(PATIENCE):
                running = [asyncio.create_task(own.rows(READ)) for _ in range(5)]
                assert len(await waiting(looking, how_many=2)) == 2, "and three wait for a turn"
                with pytest.raises(Unavailable):
                    await own.rows(READ)
                running[3].cancel()  # a cancelled waiter makes room in the queue
                await asyncio.wait([running[3]])
                running[3] = asyncio.create_task(own.rows(READ))
                await asyncio.sleep(0)
                with pytest.raises(Unavailable):
                    await own.rows(READ)
            assert await asyncio.gather(*running) == [[]] * 5
            assert await asyncio.gather(*(own.rows(READ) for _ in range(5))) == [[]] * 5

    asyncio.run(attempt())


def test_waiter_past_its_deadline_raises_unavailable(postgres: Postgres) -> None:
    limits = Limits(size=1, wait=0.1, statement=2 * PATIENCE)

    async def attempt() -> None:
        async with Database(postgres.url, limits) as database:
            own = Owned(database, "ada")
            await own.rows(READ)
            async with locked_tasks(postgres) as looking:
                running = asyncio.create_task(own.rows(READ))
                await waiting(looking)

                async def fails_after_deadline() -> bool:
                    since = monotonic()
                    with pytest.raises(Unavailable):
                        await own.rows(READ)
                    return monotonic() - since > limits.wait * 0.9  # the loop's clock is coarse

                async with asyncio.timeout(PATIENCE):
                    for _ in range(2):
                        told = await asyncio.gather(*(fails_after_deadline() for _ in range(2)))
                        assert told == [True] * 2
            assert await running == []
            assert await own.rows(READ) == [], "nobody waits any more whose turn this could be"

    asyncio.run(attempt())


def test_cancelled_queries_do_not_shrink_the_pool(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with Database(postgres.url, Limits(size=2)) as database:
            own = Owned(database, "ada")
            for _ in range(3):
                async with locked_tasks(postgres) as looking:
                    running = [asyncio.create_task(own.rows(READ)) for _ in range(6)]
                    await waiting(looking, how_many=2)
                    for task in running:
                        task.cancel()
                    await asyncio.wait(running)
                    assert all(task.cancelled() for task in running)
            together = await asyncio.gather(*(own.rows(READ) for _ in range(20)))
            assert together == [[]] * 20

    asyncio.run(attempt())


WAITING = """SELECT pid FROM pg_stat_activity
    WHERE application_name = 'bearer-tasks-api' AND wait_event_type = 'Lock'"""


def test_locked_table_occupies_no_more_backends_than_the_pool_has(postgres: Postgres) -> None:
    """PostgreSQL ends each statement at its timeout, not only its client."""
    limits = Limits(size=3, wait=0.4, statement=0.2)

    async def attempt() -> None:
        async with (
            Database(postgres.url, limits, Share(statements=40)) as database,
            locked_tasks(postgres) as looking,
        ):
            own = Owned(database, "ada")
            seen: set[int] = set()
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(expect_unavailable(own)) for _ in range(40)]
                while not all(task.done() for task in running):
                    seen |= {row["pid"] for row in await looking.fetch(WAITING)}
            assert len(seen) == limits.size, "the same backends all the time"
            assert await looking.fetch(WAITING) == []

    asyncio.run(attempt())


async def expect_unavailable(own: Owned) -> None:
    with pytest.raises(Unavailable):
        await own.rows(READ)


def through(postgres: Postgres, *, pooled: bool) -> AbstractContextManager[str]:
    """Return a URL of the server, or of a PgBouncer that rejects `statement_timeout`."""
    if not pooled:
        return nullcontext(postgres.url)
    if pooler.BINARY is None:
        pytest.skip(pooler.WHY_NOT)
    return pooler.pooler(postgres.url)


async def settled_waiting(looking: asyncpg.Connection, how_many: int) -> int:
    """Return how many statements wait in PostgreSQL, after all that may have arrived there."""
    await waiting(looking, how_many=how_many)
    for _ in range(100):  # turns of the event loop, in which one more would be sent
        await asyncio.sleep(0)
    return len(await looking.fetch(WAITING))


def test_owner_uses_three_connections_at_most_and_others_are_served(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with Database(postgres.url) as database:
            ada, bob = Owned(database, "ada"), Owned(database, "bob")
            async with locked_tasks(postgres) as looking:
                many = [asyncio.create_task(ada.rows(READ)) for _ in range(20)]
                assert await settled_waiting(looking, 3) == 3
                one = asyncio.create_task(bob.rows(READ))
                assert await settled_waiting(looking, 4) == 4
            assert await asyncio.gather(*many, one) == [[]] * 21

    asyncio.run(attempt())


@pytest.mark.parametrize("owners", [1, 5])
def test_first_statement_of_an_owner_waits_for_three_of_each_other_owner_at_most(
    postgres: Postgres, owners: int
) -> None:
    async def attempt() -> None:
        ended: list[str] = []

        async def read(own: Owned) -> None:
            await own.rows(READ)
            ended.append(own.owner)

        limits = Limits(size=1, wait=PATIENCE, statement=PATIENCE)
        async with Database(postgres.url, limits, Share(wait=PATIENCE)) as database:
            each = [Owned(database, f"busy {number}") for number in range(owners)]
            async with locked_tasks(postgres) as looking:
                many = [asyncio.create_task(read(own)) for _ in range(100) for own in each]
                await settled_waiting(looking, 1)
                one = asyncio.create_task(read(Owned(database, "new")))
                await settled_waiting(looking, 1)
            await asyncio.gather(*many, one)
        assert ended.index("new") <= 3 * owners

    asyncio.run(attempt())


def test_owner_runs_one_search_at_a_time(postgres: Postgres) -> None:
    async def attempt() -> None:
        async with Database(postgres.url) as database:
            ada = Owned(database, "ada")
            async with locked_tasks(postgres) as looking:
                searches = [asyncio.create_task(ada.search(READ)) for _ in range(5)]
                assert await settled_waiting(looking, 1) == 1
                other = asyncio.create_task(ada.rows(READ))
                assert await settled_waiting(looking, 2) == 2
            assert await asyncio.gather(*searches, other) == [[]] * 6

    asyncio.run(attempt())


def test_owner_with_too_many_waiting_statements_is_rate_limited_or_unavailable(
    postgres: Postgres,
) -> None:
    async def attempt() -> None:
        share = Share(statements=1, waiters=2, wait=0.1)
        async with Database(postgres.url, share=share) as database:
            ada = Owned(database, "ada")
            async with locked_tasks(postgres) as looking:
                running = asyncio.create_task(ada.rows(READ))
                await waiting(looking)
                late = [asyncio.create_task(expect_unavailable(ada)) for _ in range(2)]
                await asyncio.sleep(0)
                with pytest.raises(RateLimited):
                    await ada.rows(READ)
                await asyncio.gather(*late)
            assert await running == []
            assert await ada.rows(READ) == []

    asyncio.run(attempt())


@pytest.mark.parametrize("pooled", [False, True])
def test_abandoned_statement_is_cancelled_in_postgresql(
    postgres: Postgres, *, pooled: bool
) -> None:
    """The client is cancelled, as a poll is by its own deadline, while the lock lasts."""
    limits = Limits(size=1, statement=2 * PATIENCE)

    async def attempt(url: str) -> None:
        async with Database(url, limits) as database:
            own = Owned(database, "ada")
            await own.rows(READ)
            async with locked_tasks(postgres) as looking, asyncio.timeout(PATIENCE):
                processes: set[int] = set()
                for _ in range(3):
                    running = asyncio.create_task(own.rows(READ))
                    processes |= {*await waiting(looking)}
                    running.cancel()
                    while await looking.fetch(WAITING):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.01)
                assert pooled or len(processes) == 1, "its connection is lent again"
            async with asyncio.timeout(PATIENCE):
                assert await own.rows(READ) == []

    with through(postgres, pooled=pooled) as url:
        asyncio.run(attempt(url))


def test_connection_with_an_unknown_transaction_state_is_never_reused(
    postgres: Postgres,
) -> None:
    """Cancelled in BEGIN: the next owner's writes would seem to succeed and never be committed."""

    async def attempt() -> None:
        async with Database(postgres.url, Limits(size=1)) as database:

            async def use() -> None:
                async with database.transaction() as transaction:
                    await Owned(transaction, "ada").rows(READ)

            for turns in range(60):
                using = asyncio.create_task(use())
                for _ in range(turns % 20):
                    await asyncio.sleep(0)
                using.cancel()
                await asyncio.wait([using])
                connection = await database._pool.acquire()  # noqa: SLF001 - no public way to it
                try:
                    assert not connection.is_in_transaction()
                    async with connection.transaction():
                        assert (
                            await connection.fetchval("SELECT pg_current_xact_id_if_assigned()")
                            is None
                        )
                    assert not connection.is_in_transaction(), "and it was no savepoint of another"
                finally:
                    database._pool.release(connection)  # noqa: SLF001 - no public way to do it

    asyncio.run(attempt())


def test_transaction_behind_a_pooler_without_startup_options_has_the_timeout(
    postgres: Postgres,
) -> None:
    limits = Limits(statement=0.3)

    async def attempt(url: str) -> None:
        async with (
            Database(url, limits) as database,
            locked_tasks(postgres),
            asyncio.timeout(PATIENCE),
        ):
            with pytest.raises(Unavailable):
                async with database.transaction() as transaction:
                    await Owned(transaction, "ada").rows(READ)

    with through(postgres, pooled=True) as url:
        asyncio.run(attempt(url))


@pytest.mark.parametrize(("statement", "again"), [(READ, True), (WRITE, False)])
def test_reading_statement_whose_connection_is_lost_is_retried_and_a_write_is_not(
    postgres: Postgres, statement: Statement, *, again: bool
) -> None:
    """A write may have been committed: the client gets an error, and may send it again."""

    async def attempt() -> list[Row]:
        async with Database(postgres.url) as database:
            own = Owned(database, "ada")
            await own.rows(READ)
            async with locked_tasks(postgres) as looking:
                running = asyncio.create_task(own.rows(statement))
                [process] = await waiting(looking)
                await looking.execute("SELECT pg_terminate_backend($1)", process)
                if again:
                    while await waiting(looking) == [process]:  # noqa: ASYNC110 - PostgreSQL sends no event
                        await asyncio.sleep(0.01)
                else:
                    await asyncio.wait([running])
            try:
                return await running
            finally:
                assert await own.rows(READ) == []

    if again:
        assert asyncio.run(attempt()) == []
    else:
        with pytest.raises(Unavailable):
            asyncio.run(attempt())


def test_connections_lost_while_idle_are_replaced(postgres: Postgres) -> None:
    """A suspended or restarted database leaves such connections. Clients see no error."""

    async def attempt() -> None:
        kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'bearer-tasks-api' AND pid <> pg_backend_pid()
            AND datname = current_database()"""
        url = postgres.url.replace("/postgres?", "/killing?")
        setup = await asyncpg.connect(postgres.url)
        await setup.execute("CREATE DATABASE killing TEMPLATE template0")
        await setup.close()
        await asyncio.to_thread(migrations.upgrade, url)
        killer = await asyncpg.connect(url)
        async with Database(url) as database:
            own = Owned(database, "ada")
            await asyncio.gather(*(own.rows(READ) for _ in range(5)))
            for _ in range(3):
                await killer.execute(kill)
                assert await own.rows(READ) == []
                assert await own.rows(WRITE) == []
        await killer.close()

    asyncio.run(attempt())


def test_only_the_statement_is_sent(postgres: Postgres) -> None:
    """There is no reset of a session without settings, and no second round trip."""
    mark = f"ada{secrets.token_hex(4)}"

    async def attempt() -> None:
        async with Database(postgres.url) as database:
            for _ in range(3):
                await Owned(database, mark).rows(READ)

    asyncio.run(attempt())
    ran = stack.statements(postgres, "bearer-tasks-api")
    assert READ.sql in ran
    assert not [sql for sql in ran if "RESET ALL" in sql or "pg_advisory_unlock_all" in sql]
