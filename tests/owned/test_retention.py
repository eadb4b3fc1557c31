"""Retention: the trash is deleted after some days, and its tombstones later."""

import asyncio
import logging
import secrets

import asyncpg
import pytest
from sqlalchemy import insert, select, union

from api.errors import Unavailable
from api.owned.owner import Owned
from api.owned.retention import Retention
from api.owned.tables import owners
from api.owned.walls import CrossOwnerQuery
from api.owned.writes import Writes
from api.postgres.database import Database, Transaction
from api.postgres.statement import UnscopedStatement
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests.conftest import Caller, run
from tests.identity.test_revocations import process
from tests.owned.test_changes import changes, expired, now, walk
from tests.tasks.test_tasks import CREATE, MANY
from tests.waiting import PATIENCE

tasks = TASKS.table


def retain(postgres: Postgres) -> None:
    async def once() -> None:
        async with process(postgres.url) as revocations, Database(postgres.url) as database:
            await Retention(database, revocations.delete_expired).delete_old()

    asyncio.run(once())


def age(postgres: Postgres, table: str, column: str, ids: list[str], days: int) -> None:
    async def set_back(connection: asyncpg.Connection) -> None:
        sql = f"UPDATE tasks.{table} SET {column} = now() - $2::int * interval '1 day'"  # noqa: S608 - of constants alone
        await connection.execute(f"{sql} WHERE id = any($1::uuid[])", ids, days)

    run(postgres, set_back)


def test_trash_of_an_owner_is_deleted_after_30_days_and_its_tombstone_after_90(
    ada: Caller, postgres: Postgres
) -> None:
    kept, young, old = ada.create("kept"), ada.create("young"), ada.create("old")
    ids = [young["id"], old["id"]]
    ada(MANY["trashTasks"], ids=ids)
    age(postgres, "tasks", "trashed_at", [old["id"]], 31)
    age(postgres, "tasks", "trashed_at", [young["id"]], 29)
    before = now(ada)
    retain(postgres)
    [change] = changes(ada, after=before)["nodes"]
    assert (change["kind"], change["taskId"]) == ("PURGED", old["id"])
    count = "{ viewer { taskCount(filter: {status: [OPEN, TRASHED]}) } }"
    assert ada(count)["viewer"]["taskCount"] == 2
    given = {"id": old["id"], "title": "old"}
    assert ada.error(CREATE, i=given)["extensions"]["code"] == "CONFLICT"

    after = now(ada)
    age(postgres, "task_ids", "deleted_at", [old["id"]], 89)
    retain(postgres)
    assert len(changes(ada, after=before)["nodes"]) == 1
    age(postgres, "task_ids", "deleted_at", [old["id"]], 91)
    retain(postgres)
    expired(ada, before)
    assert changes(ada, after=after)["nodes"] == []
    assert {node["taskId"] for node in walk(ada, 1)[0]} == {kept["id"], young["id"]}
    assert ada.create(**given)["version"] == 1, "nobody remembers the id"


def test_processes_that_run_retention_at_the_same_time_delete_each_row_once(
    postgres: Postgres,
) -> None:
    owners = [secrets.token_hex(8) for _ in range(8)]

    async def create(database: Database, owner: str) -> list[str]:
        writes = Writes(Owned(database, owner), TASKS)
        created = await writes.create_all([{"title": "old"}] * 5)
        await writes.trash([row["id"] for row in created])
        return [row["id"] for row in created]

    async def deleted(connection: asyncpg.Connection) -> list[asyncpg.Record]:
        return await connection.fetch(
            """SELECT task_count, tombstone_count, count(deleted_at)
            FROM tasks.owners JOIN tasks.task_ids USING (owner_id)
            WHERE owner_id = any($1) GROUP BY owners.owner_id, task_count, tombstone_count""",
            owners,
        )

    async def work() -> None:
        async with Database(postgres.url) as database:
            ids = [each for owner in owners for each in await create(database, owner)]
        await asyncio.to_thread(age, postgres, "tasks", "trashed_at", ids, 31)
        await asyncio.gather(*(asyncio.to_thread(retain, postgres) for _ in range(4)))

    asyncio.run(work())
    assert [tuple(row) for row in run(postgres, deleted)] == [(0, 5, 5)] * len(owners)


@pytest.mark.parametrize(
    "asked",
    [
        union(select(tasks.c.owner_id, tasks.c.title), select(tasks.c.owner_id, tasks.c.title)),
        union(select(tasks.c.title), select(tasks.c.title)),
        union(select(tasks.c.owner_id), select(tasks.c.title.label("owner_id"))),
        union(select(tasks.c.title.label("owner_id")), select(tasks.c.owner_id)),
        union(
            select(tasks.c.owner_id),
            select(insert(tasks).values(title="x").returning(tasks.c.owner_id).cte()),
        ),
        select(tasks.c.owner_id, tasks.c.change_number),
        select(owners.c.owner_id, owners.c.forgotten_number),
        select(owners.c.owner_id, owners.c.task_count.label("change_number")),
        select(owners.c.change_number),
        select(owners.c.owner_id, owners.c.change_number, owners.c.task_count),
        select(tasks.c.title),
    ],
    ids=[
        *("more than the owner", "something else", "a second title", "a first title", "a write"),
        *("number of a row", "other number", "label", "number alone", "three columns", "text"),
    ],
)
def test_cross_owner_query_selects_owner_ids_and_their_change_numbers_only(asked: object) -> None:
    with pytest.raises(UnscopedStatement):
        CrossOwnerQuery(asked)  # type: ignore[arg-type]  # as SQLAlchemy types it


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ValueError("not foreseen"), "a round of retention failed"),
        (Unavailable(), "old rows are deleted in a later round"),
    ],
)
def test_round_that_fails_does_not_end_the_later_rounds(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, error: Exception, logged: str
) -> None:
    caplog.set_level(logging.INFO)

    async def work() -> None:
        rounds, came = 0, asyncio.Event()

        async def forget(_: Transaction) -> list[str]:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise error
            came.set()
            return []

        async with Database(postgres.url) as database, Retention(database, forget, every=0.01):
            await asyncio.wait_for(came.wait(), PATIENCE)

    asyncio.run(work())
    assert logged in caplog.text
