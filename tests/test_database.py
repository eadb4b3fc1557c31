"""Wall 2: a statement that is not held to its owner is never built. And outages."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import bindparam, delete, exists, func, insert, literal, or_, select, text, update

from api.database import OWNER, Built, Database, Statement, UnscopedStatement, connectable
from api.errors import Unavailable
from api.models import owners, tasks, tombstones
from dev.postgres import Postgres
from tests import scope

mine = tasks.c.owner_id == OWNER
other = tasks.alias("other")

UNSCOPED: dict[str, Callable[[], Built]] = {
    "no condition": lambda: select(tasks),
    "another condition": lambda: select(tasks).where(tasks.c.id == bindparam("id")),
    "an owner of one's own": lambda: select(tasks).where(tasks.c.owner_id == bindparam("who")),
    "a constant owner": lambda: select(tasks).where(tasks.c.owner_id == "ada"),
    "or": lambda: select(tasks).where(or_(mine, tasks.c.completed)),
    "not": lambda: select(tasks).where(~mine),
    "unequal": lambda: select(tasks).where(tasks.c.owner_id != OWNER),
    "the other table of a join": lambda: (
        select(tasks).join(tombstones, tombstones.c.id == tasks.c.id).where(mine)
    ),
    "the same table again": lambda: select(tasks, other).where(mine),
    "a subquery": lambda: select(literal(1)).where(exists(select(tombstones.c.id))),
    "a common table": lambda: select(select(tasks).cte("everything")),
    "a write beside a good query": lambda: (
        select(tasks).where(mine).add_cte(delete(tombstones).cte("gone"))
    ),
    "a union": lambda: select(tasks.c.id).where(mine).union_all(select(tasks.c.id)),
    "update": lambda: update(tasks).values(title="x"),
    "update of another table": lambda: update(tasks).where(owners.c.owner_id == OWNER),
    "delete": lambda: delete(tasks).where(tasks.c.completed),
    "insert for another": lambda: insert(tasks).values(owner_id="bob"),
    "insert for nobody": lambda: insert(tasks).values(title="x"),
    "insert from a query for another": lambda: insert(tombstones).from_select(
        ["owner_id", "id"], select(tasks.c.owner_id, tasks.c.id).where(mine)
    ),
    "text": lambda: select(tasks).where(mine, text("true OR true")),
}


@pytest.mark.parametrize("reach", UNSCOPED)
def test_a_statement_that_reaches_further_is_not_built(reach: str) -> None:
    with pytest.raises(UnscopedStatement):
        Statement(UNSCOPED[reach]())


def test_a_statement_held_to_its_owner_everywhere_is_built() -> None:
    theirs = exists(select(tombstones.c.id).where(tombstones.c.owner_id == OWNER))
    statement = Statement(
        select(func.count()).select_from(tasks).where(mine, tasks.c.title == bindparam("t"), theirs)
    )
    assert statement.names == ["t"]
    assert statement.sql.count("$1") == 2
    Statement(insert(tombstones).values(owner_id=OWNER, id=bindparam("new_id")))


def test_the_reader_of_captured_statements_sees_what_is_not_held() -> None:
    """The check at the end of the run shares no code with wall 2, and must be able to fail."""
    for sql, faults in {
        "SELECT 1": [],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $1::VARCHAR AND id = $2": [],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $2": ["tasks"],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $1 OR true": ["tasks"],
        "WITH a AS (DELETE FROM tasks.tasks RETURNING id) SELECT * FROM a": ["tasks"],
        "UPDATE tasks.owners SET task_count = 0": ["owners"],
        "INSERT INTO tasks.tombstones (id, owner_id) VALUES ($2, $1)": [],
        "INSERT INTO tasks.tombstones (id, owner_id) VALUES ($1, $2)": ["INSERT INTO tombstones"],
    }.items():
        assert scope.unscoped(sql) == faults, sql


def test_nobody_can_hand_in_an_owner(postgres: Postgres) -> None:
    async def attempt() -> None:
        database = Database(postgres.url)
        await database.open()
        statement = Statement(select(tasks.c.id).where(mine))
        try:
            with pytest.raises(TypeError, match="owner_id"):
                await database.of("ada").rows(statement, owner_id="bob")
        finally:
            await database.close()

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("printed", "understood"),
    [
        (
            "postgresql://u:p%40ss@ep-x-pooler.neon.tech/db?sslmode=require&channel_binding=require",
            "postgresql://u:p%40ss@ep-x-pooler.neon.tech/db?sslmode=require",
        ),
        (
            "postgres://u:p@db.supabase.co:6543/postgres",
            "postgres://u:p@db.supabase.co:6543/postgres",
        ),
        ("postgresql://u@/db?host=/a b", "postgresql://u@/db?host=%2Fa+b"),
    ],
)
def test_urls_are_taken_as_providers_print_them(printed: str, understood: str) -> None:
    assert connectable(printed) == understood


def test_a_database_that_is_not_there_is_an_outage(tmp_path: str) -> None:
    async def ask(url: str) -> None:
        database = Database(url)
        await database.open()
        try:
            await database.ping()
        finally:
            await database.close()

    for url in (f"postgresql://u@/db?host={tmp_path}", "postgresql://u@127.0.0.1:1/db"):
        with pytest.raises(Unavailable):
            asyncio.run(ask(url))
