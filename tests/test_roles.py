"""The API serves everything as its role of `deploy/roles.sql`, which owns nothing."""

import asyncio
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from graphql import build_schema

from api import migrations
from api.errors import Unauthenticated, Unavailable
from api.identity.model import Kind
from api.owned.owner import Owned
from api.owned.retention import TRASH_DAYS, Retention, purge
from api.owned.writes import Writes
from api.postgres.connections import Server, connect
from api.postgres.database import Database
from api.tasks.rules import TASKS
from dev.postgres import ROOT, Postgres, binaries
from tests import attack, pooler, shared, stack
from tests.composition import pgbouncer
from tests.conftest import Caller, run, trusting
from tests.identity.test_revocations import ended
from tests.identity.test_revocations import process as revoking
from tests.owned.test_live import OFTEN, process, waiting_for
from tests.test_doctor import examined, wrong
from tests.waiting import PATIENCE

SCHEMA = build_schema((ROOT / "schema.graphql").read_text())
NOWHERE = f"postgresql://nobody@{stack.NOBODY}/nothing"
OWNS = {"superuser": "SUPERUSER", "owner": "CREATEROLE"}
"""The kinds of the role that owns the database, migrates, and creates the other roles."""


@dataclass(frozen=True)
class Separated:
    """A database whose owner, API and web app have roles of their own."""

    server: Postgres
    owner: str
    """The URL of the database for its owner."""
    passwords: dict[str, str]
    """The variables with the passwords of the roles."""

    def url(self, role: str) -> str:
        """Return the URL of the database for another role."""
        return urlsplit(self.owner)._replace(netloc=f"{role}@").geturl()

    @property
    def api(self) -> str:
        """The URL of the database for the API."""
        return self.url("tasks_api")


def do(where: Postgres | str, *commands: str) -> None:
    """Run these commands in a database."""
    run(where, lambda connection: connection.execute(";".join(commands)))


def create_roles(url: str, passwords: dict[str, str]) -> None:
    """Run `deploy/roles.sql` with psql, as docs/walls.md says."""
    parts = urlsplit(url)
    [socket] = parse_qs(parts.query)["host"]
    command = [str(binaries() / "psql"), "-X", "-h", socket, "-U", parts.username or ""]
    command += ["-d", parts.path[1:], "-f", "deploy/roles.sql"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=stack.environment(**passwords),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


@pytest.fixture(
    scope="module", params=["owner", pytest.param("superuser", marks=pytest.mark.prove)]
)
def separated(request: pytest.FixtureRequest) -> Iterator[Separated]:
    """Migrate a database whose owner is a superuser (one run), or may create roles (another)."""
    with stack.postgres() as server:
        do(server, f"CREATE ROLE owner LOGIN {OWNS[request.param]}")
        do(server, "CREATE DATABASE separated OWNER owner")
        parts = urlsplit(server.url)._replace(netloc="owner@", path="/separated")
        names = ("API_DATABASE_PASSWORD", "WEB_DATABASE_PASSWORD")
        passwords = {name: secrets.token_urlsafe(32) for name in names}
        made = Separated(server, parts.geturl(), passwords)
        do(made.owner, "CREATE TABLE public.session (id text)")
        create_roles(made.owner, passwords)
        migrations.upgrade(made.owner)
        yield made


@pytest.fixture(scope="module")
def api(separated: Separated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Server]:
    """Return an API that uses the API's own role."""
    env = trusting(separated.api)
    server = stack.api(tmp_path_factory.mktemp("api"), env, "--no-migrate")
    yield server
    server.stop()


@pytest.fixture
def ada(api: stack.Server) -> Caller:
    return Caller.new(api.url)


def refused(url: str, *commands: str) -> list[str]:
    """Return the commands that PostgreSQL refuses for lack of a privilege."""

    async def attempt(connection: asyncpg.Connection) -> list[str]:
        found = []
        for sql in commands:
            try:
                await connection.execute(sql)
            except asyncpg.InsufficientPrivilegeError:
                found.append(sql)
        return found

    return run(url, attempt)


def test_api_serves_as_a_role_that_owns_nothing(ada: Caller) -> None:
    task = ada.create("mine")
    page = ada("{ tasks { nodes { id title } } }")["tasks"]["nodes"]
    assert page == [{"id": task["id"], "title": "mine"}]


@pytest.mark.prove
def test_every_operation_works_as_a_role_that_owns_nothing(ada: Caller) -> None:
    """A "thief" who is the victim succeeds in every operation."""
    attempts = list(attack.attack(attack.Victim(ada, SCHEMA), lambda: ada, SCHEMA))
    worked = {attempt.operation for attempt in attempts if attempt.faults}
    assert worked == {attempt.operation for attempt in attempts}


def test_role_of_the_api_may_neither_change_tables_nor_read_rows_of_owners(
    separated: Separated, ada: Caller
) -> None:
    ada.create()
    commands = [
        "DROP TABLE tasks.tasks",
        "ALTER TABLE tasks.tasks NO FORCE ROW LEVEL SECURITY",
        "ALTER DOMAIN tasks.caller DROP CONSTRAINT wall",
        "DROP POLICY caller ON tasks.tasks",
        "CREATE TABLE tasks.other (id text)",
        "CREATE TABLE public.other (id text)",
        "CREATE TEMPORARY TABLE other (id text)",
        "CREATE SCHEMA other",
        "SELECT title FROM tasks.tasks",
        "SELECT input_digest FROM tasks.task_ids",
        "UPDATE tasks.owners SET task_count = 0",
        "DELETE FROM tasks.tasks",
        "DELETE FROM tasks.alembic_version",
        "SELECT * FROM public.session",
        "SET ROLE owner",
        "SET ROLE tasks_web",
    ]
    assert refused(separated.api, *commands) == commands
    count = "SELECT count(owner_id) FROM tasks.tasks"
    assert run(separated.api, lambda c: c.fetchval(count)) == 0, "row security hides the rows"


def test_role_of_the_web_app_owns_its_tables_and_reaches_no_others(separated: Separated) -> None:
    allowed = ["SELECT * FROM public.session", "ALTER TABLE public.session ADD more text"]
    forbidden = ["SELECT * FROM tasks.tasks", "SELECT * FROM tasks.revocations", "SET ROLE owner"]
    assert refused(separated.url("tasks_web"), *allowed, *forbidden) == forbidden


def test_functions_of_the_web_app_run_neither_as_the_owner_nor_as_the_api(
    separated: Separated,
) -> None:
    """The web app's role may create functions in `public`. The owner may be a superuser."""
    web = separated.url("tasks_web")
    traps = ["format(text, name)", "format(text, regclass)", "pg_has_role(text, text, text)"]
    for trap in traps:
        result = "boolean" if trap.startswith("pg_") else "text"
        body = "BEGIN RAISE 'run by %', current_user; END"
        sql = f"FUNCTION public.{trap} RETURNS {result} LANGUAGE plpgsql AS $${body}$$"
        do(web, f"CREATE {sql}")
    try:
        create_roles(separated.owner, separated.passwords)
        migrations.upgrade(separated.owner)
        do(separated.api, "SELECT pg_has_role('tasks_api'::text, 'tasks_web'::text, 'MEMBER')")
    finally:
        do(web, *(f"DROP FUNCTION public.{trap}" for trap in traps))


def test_migrations_by_the_role_of_the_api_are_refused(separated: Separated) -> None:
    with pytest.raises(migrations.MigrationError, match=r"permission denied|must be owner"):
        migrations.upgrade(separated.api)


def test_retention_deletes_old_rows_as_the_role_of_the_api(separated: Separated) -> None:
    owner = secrets.token_hex(8)

    async def work() -> None:
        async with revoking(separated.api) as kept, Database(separated.api) as database:
            writes = Writes(Owned(database, owner), TASKS)
            row = await writes.create({"title": "old"})
            await writes.trash([row["id"]])
            owning = await asyncpg.connect(separated.owner)
            await owning.execute("SELECT set_config('app.owner_id', $1, false)", owner)
            aged = "UPDATE tasks.tasks SET trashed_at = now() - $2::interval WHERE owner_id = $1"
            old = timedelta(days=TRASH_DAYS + 1)
            assert await owning.execute(aged, owner, old) == "UPDATE 1"
            await Retention(database, kept.delete_expired).delete_old()
            left = "SELECT count(*) FROM tasks.tasks WHERE owner_id = $1"
            assert await owning.fetchval(left, owner) == 0
            await owning.close()

    asyncio.run(work())


def test_poll_finds_the_writes_of_another_process_as_the_role_of_the_api(
    separated: Separated,
) -> None:
    """The subscriber's process cannot listen, as behind a transaction pooler."""
    owner = secrets.token_hex(8)

    async def work() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            Database(separated.api) as other,
            process(separated.api, OFTEN, listen_url=NOWHERE) as reading,
            aclosing(reading.follow(owner)) as follower,
        ):
            [following] = await waiting_for(separated.server, follower)
            row = await Writes(Owned(other, owner), TASKS).create({"title": "new"})
            change, _ = await following
            assert change["id"] == row["id"]

    asyncio.run(work())


def test_event_purges_an_account_as_the_role_of_the_api(separated: Separated) -> None:
    owner = secrets.token_hex(8)

    async def work() -> None:
        async with revoking(separated.api) as kept, Database(separated.api) as database:
            writes = Writes(Owned(database, owner), TASKS)
            await writes.create({"title": "theirs"})
            async with database.transaction() as transaction:
                await purge(transaction, owner)
                await kept.record(transaction, ended(owner, Kind.OWNER))
            with pytest.raises(Unauthenticated):
                await writes.create({"title": "late"})

    asyncio.run(work())


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_pgbouncer_of_compose_admits_the_roles_by_their_passwords(separated: Separated) -> None:
    """A session through PgBouncer has the `statement_timeout` of its role."""
    port = stack.free_port()
    [socket] = parse_qs(urlsplit(separated.owner).query)["host"]
    database = f"dbname=separated host='{socket}' port=5432"
    password = separated.passwords["API_DATABASE_PASSWORD"]

    async def work() -> None:
        for user, given in (("tasks_api", "wrong"), ("owner", password)):
            with pytest.raises(Unavailable) as refused:
                await connect(f"postgresql://{user}:{given}@127.0.0.1:{port}/tasks")
            assert "authentication failed" in str(refused.value.__cause__)
        connection = await connect(f"postgresql://tasks_api:{password}@127.0.0.1:{port}/tasks")
        behind = await Server.behind(connection)
        assert behind == Server(pooler.keeps_statements(), limits_statements=True, is_citus=False)
        assert await connection.fetchval("SHOW statement_timeout") == "4s"
        connection.terminate()

    with (
        shared.open_folder("pgbouncer-") as folder,
        pgbouncer(folder / "run", port, database, separated.passwords),
    ):
        asyncio.run(work())


def test_doctor_describes_the_role(separated: Separated) -> None:
    found = examined(trusting(separated.api))
    assert wrong(found) == []
    assert found["role"].detail == "tasks_api owns no tables and cannot bypass row security"
    found = examined(trusting(separated.owner))
    assert wrong(found) == []
    assert "deploy/roles.sql" in found["role"].detail


def test_doctor_reports_a_role_that_finds_no_rows_of_all_owners(separated: Separated) -> None:
    granted = "GRANT bearer_tasks_caller TO blind"
    use = "GRANT SELECT ON tasks.alembic_version TO bearer_tasks_caller"
    do(separated.owner, "CREATE ROLE blind LOGIN", granted, use)
    found = examined(trusting(separated.url("blind")))
    assert wrong(found) == ["retention"]
    [fix] = re.findall(r"GRANT .*?;", str(found["retention"].fix))
    do(separated.owner, fix)
    assert wrong(examined(trusting(separated.url("blind")))) == []
