"""The three walls: which faults each stops alone, and that wall 3 holds in every kind of plan."""

import asyncio
import logging
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from api.owned.reads import PageRequest, Reads
from api.owned.resource import RESOURCES
from api.owned.retention import Retention, purge
from api.owned.walls import OWNER, Statement
from api.owned.writes import Writes
from api.postgres.connections import connect
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.postgres.statement import Built, Compiled, UnownedStatement, UnscopedStatement
from api.postgres.tables import metadata
from api.tasks.rules import TASKS
from dev.postgres import ROOT, Postgres
from tests import pooler, stack
from tests.conftest import run
from tests.waiting import PATIENCE

log = logging.getLogger(__name__)

tasks = TASKS.table
OWNED = [table for table in metadata.sorted_tables if OWNER.key in table.c]
WHO = {
    "superuser": "SUPERUSER",
    "bypassing": "CREATEROLE BYPASSRLS",  # as on Neon and Supabase
    "owning": "CREATEROLE",  # as on RDS and Cloud SQL
    "powerless": "",  # cannot create a role, so that there is no wall 3
}
"""Roles that a URL may name. Each owns the database of its name, and the tables in it."""
WALLED = [who for who in WHO if who != "powerless"]
CALLER = "bearer_tasks_caller"


@dataclass(frozen=True)
class Cluster:
    """One server, with a database for each kind of role, and more for single tests."""

    server: Postgres

    def url(self, who: str, database: str | None = None) -> str:
        """Return the URL of a database for this role."""
        parts = urlsplit(self.server.url)
        return parts._replace(netloc=f"{who}@", path=f"/{database or who}").geturl()

    def do(self, *commands: str, database: str = "postgres") -> None:
        """Run commands as the administrator, whom no URL of the tests names."""

        async def each(connection: asyncpg.Connection) -> None:
            for sql in commands:
                await connection.execute(sql)

        run(self.url("postgres", database), each)

    def fresh(self, who: str) -> str:
        """Create and migrate a database, and return its URL."""
        name = f"x{secrets.token_hex(6)}"
        self.do(f"CREATE DATABASE {name} OWNER {who}")
        migrations.upgrade(self.url(who, name))
        return self.url(who, name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start a server, not by `stack.postgres`, which would reject the faulty statements here."""
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="walls-", dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        with Postgres(Path(folder) / "postgres", {"fsync": "off"}) as server:
            made = Cluster(server)
            for who, options in WHO.items():
                made.do(f"CREATE ROLE {who} LOGIN {options}", f"CREATE DATABASE {who} OWNER {who}")
            # Two databases are migrated at once: the role belongs to the whole server.
            made.do("CREATE DATABASE racing OWNER owning")
            racing = [made.url("owning"), made.url("owning", "racing")]
            migrate = [sys.executable, "-m", "api", "migrate"]

            def run_migrate(url: str) -> None:
                env = stack.environment(DATABASE_URL=url)
                subprocess.run(migrate, env=env, cwd=folder, check=True, timeout=PATIENCE)

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(run_migrate, racing))
            made.do(f"GRANT {CALLER} TO bypassing")
            for who in ("superuser", "bypassing", "powerless"):
                migrations.upgrade(made.url(who))
            yield made


class Unwalled(Compiled):
    """A statement with wall 2 off: it is built whatever it reads."""

    def __init__(self, expression: Built) -> None:
        keys = {getattr(part, "key", None) for part in visitors.iterate(expression)}
        super().__init__(expression, *({OWNER.key} & keys))


EVERYONES_TITLES: Any = Unwalled(
    select(tasks.c.title).where(or_(tasks.c.owner_id == OWNER, tasks.c.title != ""))
)


class UnscopedOwned(Owned):
    """Data access with wall 1 off: a statement may be run for any owner."""

    async def rows(self, statement: Any, **values: Any) -> Any:
        """Run a statement for this owner, or for the one in the values."""
        owner = values.pop(OWNER.key, self.owner)
        return await self._database.fetch(statement, owner, *statement.arguments(values))


@dataclass(frozen=True)
class Walls:
    """Data access of a resolver, with only some of the walls on."""

    up: frozenset[int]
    cluster: Cluster

    @property
    def url(self) -> str:
        """Return the URL of a role that may bypass row security: PostgreSQL alone stops nothing."""
        return self.cluster.url("superuser", "superuser" if 3 in self.up else "unwalled")

    def own(self, database: Database) -> Owned:
        """Return the data access of one owner."""
        return (Owned if 1 in self.up else UnscopedOwned)(database, "ada")

    def owned(self, expression: Built) -> Any:
        """Build a statement about rows of an owner."""
        return (Statement if 2 in self.up else Unwalled)(expression)

    def unowned(self, expression: Built) -> Any:
        """Build a statement about rows without an owner."""
        return (UnownedStatement if 2 in self.up else Unwalled)(expression)


async def _other_owner(walls: Walls, database: Database) -> list[Any]:
    """Pass the name of another owner from a resolver, and read that owner's tasks."""
    statement = walls.owned(select(tasks.c.title).where(tasks.c.owner_id == OWNER))
    handed: dict[str, Any] = {OWNER.key: "bob"}
    return await walls.own(database).rows(statement, **handed)


async def _no_owner(walls: Walls, database: Database) -> list[Any]:
    """Run a statement without any condition on the owner."""
    return await database.rows(walls.unowned(select(tasks.c.title)))


async def _function_without_owner(walls: Walls, database: Database) -> list[Any]:
    """Call a database function that has no condition on the owner, in a correct statement.

    Wall 2 accepts the functions in the API's own schema by their names.
    """
    mine = tasks.c.owner_id == OWNER
    return await walls.own(database).rows(walls.owned(select(func.tasks.titles()).where(mine)))


FAULTS = {1: _other_owner, 2: _no_owner, 3: _function_without_owner}


@pytest.fixture(scope="module")
def faulty(cluster: Cluster) -> Cluster:
    """Add a function that reads the rows of all owners, and a database where wall 3 is off."""
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
    """Create 20 tasks for each of two owners, and one row of every other resource."""

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
    table = (ROOT / "docs/walls.md").read_text().splitlines()
    log.info("| fault | wall 1 alone | wall 2 alone | wall 3 alone | none |")
    for fault, made in FAULTS.items():
        alone = {}
        for up in (set(), {1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}):
            stopped = asyncio.run(_is_stopped(fault, Walls(frozenset(up), faulty)))
            assert stopped == (fault in up), f"fault {fault} before {up or 'no wall'}"
            alone[frozenset(up)] = "stopped" if stopped else "leaks"
        told = [alone[frozenset(up)] for up in ({1}, {2}, {3}, set())]
        row = f"| {(made.__doc__ or '').partition('.')[0]} | {' | '.join(told)} |"
        log.info("%s", row)
        assert row in table, "docs/walls.md has another table"


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
"""Each statement sets the caller, but reads the rows of all owners."""
GIVING = [
    "UPDATE tasks.tasks SET owner_id = 'bob' WHERE owner_id = $1::tasks.caller",
    "INSERT INTO tasks.owners (owner_id, task_count) SELECT 'eve', 1 WHERE $1::tasks.caller > ''",
    (
        "INSERT INTO tasks.owners (owner_id, task_count) SELECT 'bob', 1"
        " WHERE $1::tasks.caller > '' ON CONFLICT (owner_id) DO UPDATE SET task_count = 0"
    ),
]
"""Each statement would give a row to another owner, or write to one of theirs."""
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
    """Create tasks of Ada and Bob in each database that has wall 3."""
    for who in WALLED:
        if who != "superuser":
            fill(faulty.url(who))
    return faulty


@pytest.mark.parametrize("planner", PLANNER)
@pytest.mark.parametrize("who", WALLED)
def test_sql_that_reads_all_owners_returns_the_callers_rows(
    filled: Cluster, who: str, planner: str
) -> None:
    """The callers take turns, many times: a statement planned for one is run for the other."""

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who), server_settings=PLANNER[planner])
        for table in OWNED:
            for sql in READING:
                asked = await connection.prepare(sql.format(t=table))
                for caller in ["ada", "bob"] * 4:
                    async with rolled_back(connection):
                        assert {row[0] for row in await asked.fetch(caller)} == {caller}, sql
        for sql in GIVING:
            for _ in range(2):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await connection.fetch(sql, "ada")
        await connection.close()

    asyncio.run(attempt())


@asynccontextmanager
async def rolled_back(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Roll back everything that is done inside."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def role_and_owner(connection: Any) -> tuple[str, str | None]:
    """Return the role and the owner for the next statement."""
    [row] = await connection.fetch(
        "SELECT current_user, nullif(current_setting('app.owner_id', true), '')"
    )
    return tuple(row)


READ_OWNERS = "SELECT DISTINCT owner_id FROM tasks.tasks WHERE $1::tasks.caller IS NOT NULL"


@pytest.mark.parametrize("who", WALLED)
def test_connection_keeps_no_caller_after_a_statement(filled: Cluster, who: str) -> None:
    """The caller is reset after a statement that succeeds, fails or is cancelled."""
    fails = "SELECT 1 / (version - version) FROM tasks.tasks WHERE owner_id = $1::tasks.caller"
    waits = "SELECT pg_sleep(1000) FROM tasks.tasks WHERE owner_id = $1::tasks.caller"

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who))
        nobody = (who, None)
        for caller in ("ada", "bob"):
            assert [tuple(row) for row in await connection.fetch(READ_OWNERS, caller)] == [
                (caller,)
            ]
            assert await role_and_owner(connection) == nobody
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch(fails, caller)
            assert await role_and_owner(connection) == nobody
            with pytest.raises(TimeoutError):
                await connection.fetch(waits, caller, timeout=0.05)
            assert await role_and_owner(connection) == nobody
        for nothing in ("", None):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.fetch(READ_OWNERS, nothing)
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("who", WALLED)
def test_last_caller_of_a_transaction_applies(filled: Cluster, who: str) -> None:
    """Rolling back to a savepoint restores the caller before it."""

    async def attempt() -> None:
        connection = await asyncpg.connect(filled.url(who))
        async with connection.transaction():
            assert (await connection.fetchval(READ_OWNERS, "ada")) == "ada"
            async with rolled_back(connection):
                assert (await connection.fetchval(READ_OWNERS, "bob")) == "bob"
            assert await role_and_owner(connection) == (CALLER, "ada")
            async with connection.transaction():
                assert (await connection.fetchval(READ_OWNERS, "bob")) == "bob"
            assert await role_and_owner(connection) == (CALLER, "bob")
            assert (await connection.fetchval(READ_OWNERS, "ada")) == "ada"
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("who", WALLED)
def test_role_of_the_caller_can_use_only_owned_tables(filled: Cluster, who: str) -> None:
    """The role can read no other table, and cannot disable row security."""
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
        async with rolled_back(connection):
            await connection.execute('CREATE TABLE public.session ("userId" text)')
            for sql in forbidden:
                async with rolled_back(connection):
                    await connection.fetchval(READ_OWNERS, "ada")
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(sql)
            async with rolled_back(connection):
                await connection.fetchval(READ_OWNERS, "ada")
                await connection.execute("SET LOCAL row_security = off")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute("SELECT FROM tasks.tasks")
        await connection.close()

    asyncio.run(attempt())


def test_without_a_caller_no_rows_are_visible(filled: Cluster) -> None:
    """The owner of the tables sees none either, unless that role bypasses row security."""

    async def attempt(connection: asyncpg.Connection) -> None:
        for table in OWNED:
            assert await connection.fetch(f"SELECT FROM {table}") == []
            # A migration that needs the rows of all owners fails, as `env.py` sets it up.
            async with rolled_back(connection):
                await connection.execute("SET LOCAL row_security = off")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"TABLE {table}")

    run(filled.url("owning"), attempt)


@pytest.mark.parametrize("who", WHO)
def test_transaction_may_use_several_owners_and_none(cluster: Cluster, who: str) -> None:
    """A purge and the deletion of expired rows do so."""

    async def attempt() -> list[str]:
        async with Database(cluster.url(who)) as database:
            for owner in ("carol", "dan", "eve"):
                await Writes(Owned(database, owner), TASKS).create({"title": "mine"})
            events = [SecurityEvent("i", owner, Kind.OWNER, owner) for owner in ("carol", "dan")]
            revocations = Revocations(
                database, Notifications(cluster.url(who)), max_age=-LIFE_MARGIN
            )
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
            await Retention(database, revocations.delete_expired).delete_old()
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


def test_owned_table_that_is_added_later_gets_row_security_from_the_next_migration(
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


def test_no_function_of_the_schema_is_security_definer(cluster: Cluster) -> None:
    """Such a function would run as the role that owns it, without row security."""

    async def leaving(connection: asyncpg.Connection) -> list[asyncpg.Record]:
        return await connection.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'tasks'::regnamespace AND prosecdef"
        )

    assert run(cluster.url("owning"), leaving) == []


def test_row_security_can_be_removed_and_restored_by_migrations(cluster: Cluster) -> None:
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
def test_callers_behind_a_transaction_pooler_read_only_their_own_rows(
    filled: Cluster, who: str
) -> None:
    """Two processes have more clients than the pooler has connections, which the clients share."""

    async def attempt(url: str) -> None:
        async with Database(url) as one, Database(url) as other:

            async def ask(number: int) -> None:
                database = (one, other)[number % 2]
                owner = ("ada", "bob")[number // 2 % 2]
                owned = Owned(database, owner)
                titles = await owned.rows(EVERYONES_TITLES)
                assert {row["title"].partition("'")[0] for row in titles} == {owner}
                mine = await Reads(owned, TASKS).page(PageRequest(first=5))
                assert all(row["title"].startswith(owner) for row in mine.rows)

            await asyncio.gather(*(ask(number) for number in range(80)))
            connection = await connect(url)
            assert await role_and_owner(connection) == (who, None)
            connection.terminate()

    with pooler.pooler(filled.url(who)) as url:
        asyncio.run(attempt(url))
