"""Wall 3 and each statement on Citus.

`CITUS_URL=postgresql://… .venv/bin/pytest -n0 tests/postgres/test_citus.py` runs all of it, on the
coordinator of a real Citus: docs/scale.md says what else can be run there. Without it, the tests
that need no other node run on a PostgreSQL whose catalog says that it has the extension.
"""

import asyncio
import json
import os
import secrets
from itertools import product
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api import migrations
from api.doctor import row_security
from api.errors import BadUserInput, Unauthenticated
from api.owned import read_sql, retention
from api.owned.owner import Owned
from api.owned.read_sql import Order
from api.owned.reads import Reads
from api.owned.walls import Statement
from api.owned.writes import Writes
from api.postgres import citus
from api.postgres.connections import connect
from api.postgres.database import Database
from api.tasks import rules
from api.tasks.rules import TASKS
from benchmarks import scale
from dev.postgres import Postgres
from tests import stack
from tests.conftest import run, trusting
from tests.owned import test_plans
from tests.test_cli import run as api
from tests.test_doctor import examined

needs_citus = pytest.mark.skipif("CITUS_URL" not in os.environ, reason="needs CITUS_URL")
INSTALLED = """
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (1, 'citus', 10, 11, false, '0');
"""
HOSTILE = [
    "ada",
    "o'neil",
    "''",
    "\\",
    "\\'",
    "\\\\' OR true --",
    "'; RESET ROLE; SELECT '",
    "E'x'",
    "$1 %s %L ?",
    'a "b", c',
    "Ёж 猫 😀",
    "x" * 255,
]
"""Owners that contain SQL or special characters, and are only text."""


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_announced_owner_is_exactly_the_given_text(postgres: Postgres, conforming: str) -> None:
    async def announce(connection: asyncpg.Connection) -> list[str]:
        await connection.execute(f"SET standard_conforming_strings = {conforming}")
        found = []
        for owner in HOSTILE:
            async with connection.transaction():
                await connection.execute(citus.announcement(owner))
                found.append(await connection.fetchval("SELECT current_setting('app.owner_id')"))
        assert not await connection.fetchval("SELECT current_setting('app.owner_id')")
        return found

    assert run(postgres, announce) == HOSTILE


def test_statements_on_citus_are_preceded_by_their_owner(tmp_path: Path) -> None:
    async def use(url: str) -> None:
        async with Database(url) as database:
            for owner in HOSTILE:
                owned = Owned(database, owner)
                task = await Writes(owned, TASKS).create({"title": "mine"})
                assert await Reads(owned, TASKS).get(task["id"]) == task
                assert await Reads(owned, TASKS).count({}) == 1
            async with database.transaction() as transaction:
                for owner in HOSTILE[:2]:
                    await retention.purge(transaction, owner)
            for number, owner in enumerate(HOSTILE):
                assert await Reads(Owned(database, owner), TASKS).count({}) == (number >= 2)

    async def login(connection: asyncpg.Connection) -> bool:
        query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'bearer_tasks_caller'"
        return bool(await connection.fetchval(query))

    with stack.postgres() as server:
        migrations.upgrade(server.url)
        assert not run(server, login)
        run(server, lambda connection: connection.execute(INSTALLED))
        migrations.upgrade(server.url)
        assert run(server, login), "Citus connects its nodes as this role"
        asyncio.run(use(server.url))
        ran = stack.statements(server, "bearer-tasks-api")
        counts = read_sql.count(TASKS, filtered=False).sql
        announced = citus.announcement("o'neil")
        assert ran.count(counts) == 2 * len(HOSTILE)
        assert ran[ran.index(announced) + 1].startswith("WITH counted AS")
        assert (
            "the nodes of Citus get the owner first"
            in examined(trusting(server.url))["wall 3"].detail
        )
        done = api(trusting(server.url), tmp_path, "migrate", "--partitions", "2")
        assert done.returncode == 1
        assert "divided by Citus here" in done.stderr


@needs_citus
def test_wall_3_holds_on_the_nodes_and_doctor_detects_when_it_does_not(postgres: Postgres) -> None:
    async def leaks(*, announced: bool) -> str | None:
        connection = await connect(postgres.url)
        try:
            return await row_security.leaks(connection, is_citus=announced)
        finally:
            connection.terminate()

    assert asyncio.run(leaks(announced=True)) is None
    assert examined(trusting(postgres.url))["wall 3"].fix is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(leaks(announced=False))


@needs_citus
def test_each_statement_except_create_is_a_router_query_of_one_task(postgres: Postgres) -> None:
    """A create has INSERTs in common table expressions, which the coordinator splits."""

    async def fill() -> None:
        async with Database(postgres.url) as database:
            for _ in range(3):
                await Writes(Owned(database, scale.BIG), TASKS).create({"title": "a task"})

    async def plan(connection: asyncpg.Connection, statement: Statement, values: Any) -> Any:
        arguments = map(test_plans.literal, [scale.BIG, *statement.arguments(values)])
        try:
            async with connection.transaction():
                await connection.execute(citus.announcement(scale.BIG))
                await connection.execute(f"PREPARE it AS {statement.sql}")
                explain = f"EXPLAIN (FORMAT JSON) EXECUTE it({', '.join(arguments)})"
                [found] = json.loads(await connection.fetchval(explain))
                return found["Plan"]
        finally:
            await connection.execute("DEALLOCATE it")

    async def check(connection: asyncpg.Connection) -> None:
        for label, statement, values, _ in await test_plans.others(connection):
            if label == "create":
                with pytest.raises(asyncpg.FeatureNotSupportedError):
                    await plan(connection, statement, values)
                continue
            assert is_router(await plan(connection, statement, values)), label
        for by, filtered, counted in product(TASKS.sorted_by, (False, True), (False, True)):
            order = Order(by)
            statement = read_sql.page(
                TASKS, by, descending=True, filtered=filtered, counted=counted
            )
            bound = read_sql.bound(TASKS, order, None)
            values = {"statuses": test_plans.EVERY, "limit": 51, **bound}
            values |= test_plans.NOTHING if filtered else {}
            assert is_router(await plan(connection, statement, values)), (order, filtered, counted)
        for statement in test_plans.PURGING:
            assert is_router(await plan(connection, statement, {})), statement.sql

    asyncio.run(fill())
    run(postgres, check)


def is_router(plan: Any) -> bool:
    """Return whether the plan is one task without subplans."""
    distributed = plan["Distributed Query"]
    return plan["Custom Plan Provider"] == "Citus Adaptive" and (
        distributed["Job"]["Task Count"] == 1 and "Subplans" not in distributed
    )


@needs_citus
def test_violated_constraint_on_a_node_has_its_usual_error(postgres: Postgres) -> None:
    owner = f"purged {secrets.token_hex(8)}"

    async def attempt() -> None:
        async with Database(postgres.url) as database:
            own = Writes(Owned(database, owner), TASKS)
            task = await own.create({"title": "full", "labels": [f"{n}" for n in range(20)]})
            with pytest.raises(BadUserInput, match="addLabels"):
                await rules.update_all(own, [task["id"]], {"add_labels": ["one more"]})
            async with database.transaction() as transaction:
                await retention.purge(transaction, owner)
            with pytest.raises(Unauthenticated):
                await own.create({"title": "too late"})

    asyncio.run(attempt())
