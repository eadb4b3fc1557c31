"""The three walls: what each alone stops, and wall 3 wherever PostgreSQL could go around it."""

import asyncio
import logging
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, or_, select
from sqlalchemy.sql import visitors

from api import migrations
from api.identity.model import Kind
from api.identity.revocations import Revocations, SecurityEvent
from api.identity.tokens import LIFE_MARGIN
from api.owned.owner import Owned
from api.owned.reads import Reads, Wanted
from api.owned.resource import RESOURCES
from api.owned.retention import Retention, purge
from api.owned.walls import OWNER, Statement
from api.owned.writes import Writes
from api.postgres.connections import connect
from api.postgres.database import Database
from api.postgres.statement import Built, Compiled, UnownedStatement, UnscopedStatement
from api.postgres.tables import metadata
from api.tasks.rules import TASKS
from dev.postgres import ROOT, Postgres
from tests import pooler, stack
from tests.conftest import run

log = logging.getLogger(__name__)

tasks = TASKS.table
OWNED = [table for table in metadata.sorted_tables if OWNER.key in table.c]
WHO = {
    "superuser": "SUPERUSER",
    "bypassing": "CREATEROLE BYPASSRLS",  # as Neon and Supabase have it
    "owning": "CREATEROLE",  # as RDS and Cloud SQL have it
    "powerless": "",  # makes no role, so that there is no wall 3
}
"""Roles that a URL may name. Each owns the database of its name, and the tables in it."""
WALLED = [who for who in WHO if who != "powerless"]
CALLER = "bearer_tasks_caller"


@dataclass(frozen=True)
class Cluster:
    """One server, with a database for each kind of role, or for nothing but one test."""

    server: Postgres

    def url(self, who: str, database: str | None = None) -> str:
        """Of a database, as this role."""
        parts = urlsplit(self.server.url)
        return parts._replace(netloc=f"{who}@", path=f"/{database or who}").geturl()

    def do(self, *commands: str, database: str = "postgres") -> None:
        """As the administrator, who is nobody's URL."""

        async def each(connection: asyncpg.Connection) -> None:
            for sql in commands:
                await connection.execute(sql)

        run(self.url("postgres", database), each)

    def fresh(self, who: str) -> str:
        """The URL of a database of its own, migrated."""
        name = f"x{secrets.token_hex(6)}"
        self.do(f"CREATE DATABASE {name} OWNER {who}")
        migrations.upgrade(self.url(who, name))
        return self.url(who, name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Not one of `stack.postgres`, whose statements are read back: those here are faults."""
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="walls-", dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        with Postgres(Path(folder) / "postgres", {"fsync": "off"}) as server:
            made = Cluster(server)
            for who, options in WHO.items():
                made.do(f"CREATE ROLE {who} LOGIN {options}", f"CREATE DATABASE {who} OWNER {who}")
            # Two databases race for the role, which is the server's.
            made.do("CREATE DATABASE racing OWNER owning")
            racing = [made.url("owning"), made.url("owning", "racing")]
            migrate = [sys.executable, "-m", "api", "migrate"]
            environments = [stack.environment(DATABASE_URL=url) for url in racing]
            processes = [subprocess.Popen(migrate, env=env, cwd=folder) for env in environments]
            assert [process.wait(60) for process in processes] == [0, 0]
            made.do(f"GRANT {CALLER} TO bypassing")
            for who in ("superuser", "bypassing", "powerless"):
                migrations.upgrade(made.url(who))
            yield made


class Unwalled(Compiled):
    """A statement with wall 2 off: whatever it reaches for, it is built."""

    def __init__(self, expression: Built) -> None:
        keys = {getattr(part, "key", None) for part in visitors.iterate(expression)}
        super().__init__(expression, *({OWNER.key} & keys))


EVERYONES_TITLES: Any = Unwalled(
    select(tasks.c.title).where(or_(tasks.c.owner_id == OWNER, tasks.c.title != ""))
)


class Told(Owned):
    """An owner's way with wall 1 off: whoever runs a statement may say for whom."""

    async def rows(self, statement: Any, **values: Any) -> Any:
        """For this owner, or for that."""
        owner = values.pop(OWNER.key, self.owner)
        return await self._database.fetch(statement, owner, *statement.arguments(values))


@dataclass(frozen=True)
class Walls:
    """What a resolver meets, with only some of the walls up."""

    up: frozenset[int]
    cluster: Cluster

    @property
    def url(self) -> str:
        """As a role that may bypass row security: PostgreSQL alone would stop nothing."""
        return self.cluster.url("superuser", "superuser" if 3 in self.up else "unwalled")

    def own(self, database: Database) -> Owned:
        """All that it has of the database."""
        return (Owned if 1 in self.up else Told)(database, "ada")

    def owned(self, expression: Built) -> Any:
        """A statement about what belongs to somebody."""
        return (Statement if 2 in self.up else Unwalled)(expression)

    def unowned(self, expression: Built) -> Any:
        """A statement about what belongs to nobody."""
        return (UnownedStatement if 2 in self.up else Unwalled)(expression)


async def _named(walls: Walls, database: Database) -> list[Any]:
    """A resolver that was handed another's name, and asks for that one's tasks."""
    statement = walls.owned(select(tasks.c.title).where(tasks.c.owner_id == OWNER))
    handed: dict[str, Any] = {OWNER.key: "bob"}
    return await walls.own(database).rows(statement, **handed)


async def _forgotten(walls: Walls, database: Database) -> list[Any]:
    """A statement by somebody who thought of no owner at all."""
    return await database.rows(walls.unowned(select(tasks.c.title)))


async def _beyond(walls: Walls, database: Database) -> list[Any]:
    """A good statement that calls a function in the database, and it is there that one forgot.

    Wall 2 accepts the functions in the API's own schema by their names.
    """
    mine = tasks.c.owner_id == OWNER
    return await walls.own(database).rows(walls.owned(select(func.tasks.titles()).where(mine)))


FAULTS = {1: _named, 2: _forgotten, 3: _beyond}


@pytest.fixture(scope="module")
def faulty(cluster: Cluster) -> Cluster:
    """With a function that reads everyone's, and one more database, where wall 3 is off."""
    cluster.do("CREATE DATABASE unwalled TEMPLATE superuser OWNER superuser")
    cluster.do("ALTER DOMAIN tasks.caller DROP CONSTRAINT wall", database="unwalled")
    for database in ("superuser", "unwalled"):
        cluster.do(
            "CREATE FUNCTION tasks.titles() RETURNS SETOF text LANGUAGE sql STABLE"
            " AS 'SELECT title FROM tasks.tasks'",
            database=database,
        )
        fill(cluster.url("superuser", database))
    return cluster


def fill(url: str) -> None:
    """Two owners of 20 tasks each, and of one row of every resource."""

    async def each() -> None:
        async with Database(url) as database:
            for owner in ("ada", "bob"):
                own = Writes(Owned(database, owner), TASKS)
                for number in range(20):
                    await own.create({"title": f"{owner}'s {number}"})
                for resource in RESOURCES:
                    if resource is not TASKS:
                        await Writes(Owned(database, owner), resource).create(resource.example)

    asyncio.run(each())


async def _is_stopped(fault: int, walls: Walls) -> bool:
    async with Database(walls.url) as database:
        try:
            rows = await FAULTS[fault](walls, database)
        except (TypeError, UnscopedStatement):
            return True
    return not any("bob" in row[0] for row in rows)


def test_each_fault_is_stopped_by_its_own_wall_and_by_no_other(faulty: Cluster) -> None:
    """Try each fault with any of the walls up and the others off."""
    log.info("| fault | wall 1 alone | wall 2 alone | wall 3 alone | none |")
    for fault, made in FAULTS.items():
        alone = {}
        for up in (set(), {1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}):
            stopped = asyncio.run(_is_stopped(fault, Walls(frozenset(up), faulty)))
            assert stopped == (fault in up), f"fault {fault} before {up or 'no wall'}"
            alone[frozenset(up)] = "stopped" if stopped else "leaks"
        told = [alone[frozenset(up)] for up in ({1}, {2}, {3}, set())]
        log.info("| %s | %s |", (made.__doc__ or "").partition(".")[0], " | ".join(told))


READING = [
    line.replace("@", "$1::tasks.caller")
    for line in """\
SELECT owner_id FROM {t} WHERE @ IS NOT NULL
SELECT owner_id FROM {t} WHERE owner_id = @ OR true
SELECT b.owner_id FROM {t} a JOIN {t} b ON true WHERE a.owner_id = @
SELECT owner_id FROM {t} a WHERE EXISTS (SELECT FROM {t} b WHERE b.owner_id <> @) OR true
WITH everyones AS MATERIALIZED (SELECT * FROM {t}) SELECT owner_id FROM everyones WHERE @ <> ''
SELECT max(owner_id) FROM {t} WHERE @ IS NOT NULL UNION ALL SELECT min(owner_id) FROM {t}
SELECT owner_id FROM {t} WHERE @ IS NOT NULL FOR UPDATE
SELECT (SELECT string_agg(DISTINCT owner_id, '') FROM {t}) FROM {t} WHERE owner_id = @
UPDATE {t} SET owner_id = owner_id WHERE @ IS NOT NULL RETURNING owner_id
WITH gone AS (DELETE FROM {t} WHERE @ IS NOT NULL RETURNING *) SELECT owner_id FROM gone
""".splitlines()
]
"""Each names the caller, and asks for the rows of everyone all the same."""
GIVING = [
    "UPDATE tasks.tasks SET owner_id = 'bob' WHERE owner_id = $1::tasks.caller",
    "INSERT INTO tasks.owners (owner_id, task_count) SELECT 'eve', 1 WHERE $1::tasks.caller > ''",
    (
        "INSERT INTO tasks.owners (owner_id, task_count) SELECT 'bob', 1"
        " WHERE $1::tasks.caller > '' ON CONFLICT (owner_id) DO UPDATE SET task_count = 0"
    ),
]
"""Each would make a row somebody else's, or write into one."""
PLANNER = {
    "as it comes": {},
    "without joins by loop or hash": {"enable_nestloop": "off", "enable_hashjoin": "off"},
    "generic plans": {"plan_cache_mode": "force_generic_plan"},
    "fresh plans": {"plan_cache_mode": "force_custom_plan"},
    "parallel workers": {"debug_parallel_query": "on"},
    "no index": {"enable_indexscan": "off", "enable_bitmapscan": "off"},
}


@pytest.fixture(scope="module")
def filled(faulty: Cluster) -> Cluster:
    """With tasks of Ada and Bob in each database in which wall 3 should stand."""
    for who in WALLED:
        if who != "superuser":
            fill(faulty.url(who))
    return faulty


@pytest.mark.parametrize("planner", PLANNER)
@pytest.mark.parametrize("who", WALLED)
def test_sql_that_asks_for_everyones_rows_gets_the_callers(
    filled: Cluster, who: str, planner: str
) -> None:
    """Over and over, with two callers in turn: it is planned for one and run for the other."""

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who), server_settings=PLANNER[planner])
        for table in OWNED:
            for sql in READING:
                asked = await connection.prepare(sql.format(t=table))
                for caller in ["ada", "bob"] * 4:
                    async with undone(connection):
                        assert {row[0] for row in await asked.fetch(caller)} == {caller}, sql
        for sql in GIVING:
            for _ in range(2):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await connection.fetch(sql, "ada")
        await connection.close()

    asyncio.run(attempt())


@asynccontextmanager
async def undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What is done inside is not kept."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def whose(connection: Any) -> tuple[str, str | None]:
    """Which role the next statement runs under, and for which owner."""
    [row] = await connection.fetch(
        "SELECT current_user, nullif(current_setting('app.owner_id', true), '')"
    )
    return tuple(row)


EVERYBODY = "SELECT DISTINCT owner_id FROM tasks.tasks WHERE $1::tasks.caller IS NOT NULL"


@pytest.mark.parametrize("who", WALLED)
def test_nothing_of_a_caller_is_left_on_the_connection(filled: Cluster, who: str) -> None:
    """Not after a statement, nor after one that failed or was given up half way."""
    fails = "SELECT 1 / (version - version) FROM tasks.tasks WHERE owner_id = $1::tasks.caller"
    waits = "SELECT pg_sleep(10) FROM tasks.tasks WHERE owner_id = $1::tasks.caller"

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who))
        nobody = (who, None)
        for caller in ("ada", "bob"):
            assert [tuple(row) for row in await connection.fetch(EVERYBODY, caller)] == [(caller,)]
            assert await whose(connection) == nobody
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch(fails, caller)
            assert await whose(connection) == nobody
            with pytest.raises(TimeoutError):
                await connection.fetch(waits, caller, timeout=0.05)
            assert await whose(connection) == nobody
        for nothing in ("", None):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.fetch(EVERYBODY, nothing)
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("who", WALLED)
def test_the_last_caller_of_a_transaction_is_the_one(filled: Cluster, who: str) -> None:
    """Also when PostgreSQL goes back to a savepoint."""

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who))
        async with connection.transaction():
            assert (await connection.fetchval(EVERYBODY, "ada")) == "ada"
            async with undone(connection):
                assert (await connection.fetchval(EVERYBODY, "bob")) == "bob"
            assert await whose(connection) == (CALLER, "ada")
            async with connection.transaction():
                assert (await connection.fetchval(EVERYBODY, "bob")) == "bob"
            assert await whose(connection) == (CALLER, "bob")
            assert (await connection.fetchval(EVERYBODY, "ada")) == "ada"
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("who", WALLED)
def test_behind_the_wall_there_is_nothing_but_ones_own(filled: Cluster, who: str) -> None:
    """No other table, and no way to take it down."""
    forbidden = [
        "SELECT jti FROM tasks.revocations",
        "SELECT version_num FROM tasks.alembic_version",
        'SELECT "userId" FROM public.session',
        "ALTER TABLE tasks.tasks DISABLE ROW LEVEL SECURITY",
        "DROP POLICY caller ON tasks.tasks",
        "CREATE TABLE tasks.copy AS SELECT * FROM tasks.tasks",
        "CREATE ROLE another",
    ]

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who))
        async with undone(connection):
            await connection.execute('CREATE TABLE public.session ("userId" text)')
            for sql in forbidden:
                async with undone(connection):
                    await connection.fetchval(EVERYBODY, "ada")
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(sql)
            async with undone(connection):
                await connection.fetchval(EVERYBODY, "ada")
                await connection.execute("SET LOCAL row_security = off")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute("SELECT FROM tasks.tasks")
        await connection.close()

    asyncio.run(attempt())


def test_without_a_caller_there_are_no_rows(filled: Cluster) -> None:
    """For the tables' own owner too, unless PostgreSQL lets that one by."""

    async def attempt(connection: asyncpg.Connection) -> None:
        for table in OWNED:
            assert await connection.fetch(f"SELECT FROM {table}") == []
            # And a migration that means the rows of everyone is told, as `env.py` has it.
            async with undone(connection):
                await connection.execute("SET LOCAL row_security = off")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"TABLE {table}")

    run(filled.url("owning"), attempt)


@pytest.mark.parametrize("who", WHO)
def test_a_transaction_may_be_about_several_owners_and_about_nobody(
    cluster: Cluster, who: str
) -> None:
    """As a purge and the forgetting of old ones are."""

    async def attempt() -> list[str]:
        async with Database(cluster.url(who)) as database:
            for owner in ("carol", "dan", "eve"):
                await Writes(Owned(database, owner), TASKS).create({"title": "mine"})
            events = [SecurityEvent("i", owner, Kind.OWNER, owner) for owner in ("carol", "dan")]
            revocations = Revocations(database, cluster.url(who), max_age=-LIFE_MARGIN)
            for event in events:
                async with database.transaction() as transaction:
                    await purge(transaction, event.subject)
                    await revocations.record(transaction, event)
            eve = Writes(Owned(database, "eve"), TASKS)
            old = await eve.create({"title": "old"})
            await eve.trash([str(old["id"])])
            aged = "UPDATE tasks.tasks SET trashed_at = now() - interval '31 days' WHERE id = $1"
            administrator = await connect(cluster.url("postgres", who))
            await administrator.execute(aged, old["id"])
            await Retention(database, revocations.delete_expired).forget()
            ids = await administrator.fetch("SELECT FROM tasks.tasks WHERE id = $1", old["id"])
            administrator.terminate()
            assert ids == [], "whose trash is due is found, too"
            counts = [
                await Reads(Owned(database, owner), TASKS).count({}) for owner in ("carol", "eve")
            ]
            assert counts == [0, 1]

        def owners(connection: asyncpg.Connection) -> Any:
            return connection.fetch("SELECT owner_id FROM tasks.owners")

        return [row["owner_id"] for row in run(cluster.url("postgres", who), owners)]

    assert {"carol", "dan", "eve"} & {*asyncio.run(attempt())} == {"eve"}


WALLS = """
SELECT c.relname, relrowsecurity AND relforcerowsecurity AS forced,
  (SELECT array_agg(pg_get_expr(polqual, polrelid)) FROM pg_policy WHERE polrelid = c.oid
   AND polcmd = '*') AS policies
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE relnamespace = 'tasks'::regnamespace AND relkind = 'r' AND attname = 'owner_id'
"""


def test_a_table_of_owners_that_is_added_later_is_walled_by_the_next_migration(
    cluster: Cluster,
) -> None:
    url = cluster.fresh("owning")
    held = "(owner_id = NULLIF(current_setting('app.owner_id'::text, true), ''::text))"

    async def add(connection: asyncpg.Connection) -> None:
        await connection.execute("CREATE TABLE tasks.bare (owner_id text, id uuid)")

    async def walls(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await connection.fetch(WALLS)]

    assert sorted(run(url, walls)) == sorted((table.name, True, [held]) for table in OWNED)
    run(url, add)
    assert ("bare", False, None) in run(url, walls)
    migrations.upgrade(url)
    assert ("bare", True, [held]) in run(url, walls)

    async def note(connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO tasks.bare SELECT $1::tasks.caller", "ada")
        assert not await connection.fetch("SELECT FROM tasks.bare WHERE $1::tasks.caller > ''", "b")

    run(url, note)


def test_no_function_in_the_database_leaves_the_wall(cluster: Cluster) -> None:
    """One that runs as whoever owns it would."""

    async def leaving(connection: asyncpg.Connection) -> list[asyncpg.Record]:
        return await connection.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'tasks'::regnamespace AND prosecdef"
        )

    assert run(cluster.url("owning"), leaving) == []


def test_the_wall_can_be_taken_down_by_hand_and_built_again(cluster: Cluster) -> None:
    url = cluster.fresh("owning")
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = url
    command.downgrade(config, "0003")

    async def walls(connection: asyncpg.Connection) -> list[Any]:
        return await connection.fetch(WALLS)

    assert {(row["forced"], row["policies"]) for row in run(url, walls)} == {(False, None)}
    command.upgrade(config, "head")
    command.check(config)
    assert {row["forced"] for row in run(url, walls)} == {True}


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
@pytest.mark.parametrize("who", WALLED)
def test_behind_a_transaction_pooler_everyone_gets_their_own(filled: Cluster, who: str) -> None:
    """Two processes with more clients than the pooler has connections, who take turns on each."""

    async def attempt(url: str) -> None:
        async with Database(url) as one, Database(url) as other:

            async def ask(number: int) -> None:
                database = (one, other)[number % 2]
                owner = ("ada", "bob")[number // 2 % 2]
                owned = Owned(database, owner)
                titles = await owned.rows(EVERYONES_TITLES)
                assert {row["title"].partition("'")[0] for row in titles} == {owner}
                mine = await Reads(owned, TASKS).page(Wanted(first=5))
                assert all(row["title"].startswith(owner) for row in mine.rows)

            await asyncio.gather(*(ask(number) for number in range(80)))
            connection = await connect(url)
            assert await whose(connection) == (who, None)
            connection.terminate()

    with pooler.pooler(filled.url(who)) as url:
        asyncio.run(attempt(url))
