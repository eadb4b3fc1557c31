"""The three walls: what each alone stops, and wall 3 wherever PostgreSQL could go around it."""

import asyncio
import logging
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import func, select
from sqlalchemy.sql import visitors

from api import migrations, statements
from api.database import Database, Owned
from api.models import metadata, tasks
from api.statements import (
    OWNER,
    Built,
    Statement,
    UnownedStatement,
    UnscopedStatement,
    _Compiled,
)
from api.tasks import Tasks
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import run

log = logging.getLogger(__name__)

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
            for command in commands:
                await connection.execute(command)

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


class Unwalled(_Compiled):
    """A statement with wall 2 off: whatever it reaches for, it is built."""

    def __init__(self, expression: Built) -> None:
        keys = {getattr(part, "key", None) for part in visitors.iterate(expression)}
        super().__init__(expression, *({OWNER.key} & keys))


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
    """A good statement that calls a function in the database, and it is there that one forgot."""
    mine = tasks.c.owner_id == OWNER
    return await walls.own(database).rows(walls.owned(select(func.tasks.titles()).where(mine)))


FAULTS = {1: _named, 2: _forgotten, 3: _beyond}


@pytest.fixture(scope="module")
def faulty(cluster: Cluster) -> Cluster:
    """With a function that reads everyone's, and one more database, where wall 3 is off."""
    cluster.do("CREATE DATABASE unwalled OWNER superuser")
    migrations.upgrade(cluster.url("superuser", "unwalled"))
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
    """Two owners of 20 tasks each."""

    async def each() -> None:
        async with Database(url) as database:
            for owner in ("ada", "bob"):
                own = Tasks(database.of(owner))
                for number in range(20):
                    await own.create({"title": f"{owner}'s {number}"})

    asyncio.run(each())


async def _is_stopped(fault: int, walls: Walls) -> bool:
    async with Database(walls.url) as database:
        try:
            rows = await FAULTS[fault](walls, database)
        except (TypeError, UnscopedStatement):
            return True
    return not any("bob" in row[0] for row in rows)


def test_each_fault_is_stopped_by_its_own_wall_and_by_no_other(
    faulty: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with any of the walls up and the others off."""
    # Wall 2 vouches for the functions in its list by their names, and this one is in it now.
    monkeypatch.setattr(statements, "_FUNCTIONS", statements._FUNCTIONS | {"titles"})  # noqa: SLF001
    log.info("| fault | wall 1 alone | wall 2 alone | wall 3 alone | none |")
    for fault, made in FAULTS.items():
        alone = {}
        for up in (set(), {1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}):
            stopped = asyncio.run(_is_stopped(fault, Walls(frozenset(up), faulty)))
            assert stopped == (fault in up), f"fault {fault} before {up or 'no wall'}"
            alone[frozenset(up)] = "stopped" if stopped else "leaks"
        told = [alone[frozenset(up)] for up in ({1}, {2}, {3}, set())]
        log.info("| %s | %s |", (made.__doc__ or "").partition(".")[0], " | ".join(told))
