"""A process is killed while it migrates, and two versions of the API serve on one database."""

import asyncio
import io
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from api import migrations
from dev.postgres import ROOT, Postgres
from dev.processes import Child
from tests import shared, stack
from tests.conftest import Caller, mint, run, trusting
from tests.events import purged, push
from tests.faults.writers import UPDATE, writing
from tests.tasks.test_tasks import CREATE
from tests.test_kills import stored
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.prove

MIGRATE = [sys.executable, "-m", "api", "migrate"]
IS_0007 = migrations.head() == "0007"
VERSIONS = "api/migrations/versions"
LIST = "{ tasks { nodes { id } } }"
CREATE_PROJECT = """mutation ($i: CreateProjectInput!) {
  createProject(input: $i) { project { id } } }"""
MANY = {"trashTasks": "tasks { trashedAt }", "restoreTasks": "tasks { trashedAt }"}
DELETE = "mutation ($ids: [ID!]!) { deleteTasks(ids: $ids) { deletedIds } }"


def migrate(database: Postgres, revision: str) -> None:
    """Migrate a database to a revision, which may be older than the latest one."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = database.url
    command.upgrade(config, revision)


def last_but_one() -> str:
    """Return the revision before the latest one."""
    scripts = ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml"))
    latest = scripts.get_revision("head")
    assert latest is not None
    return str(latest.down_revision)


@contextmanager
def transaction(database: Postgres) -> Iterator[Callable[[str], None]]:
    """Return a function that runs statements in a transaction, which ends with the `with` block."""
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        connection = thread.submit(runner.run, asyncpg.connect(database.url)).result()

        def execute(statement: str) -> None:
            thread.submit(runner.run, connection.execute(statement)).result()

        execute("BEGIN")
        try:
            yield execute
        finally:
            thread.submit(runner.run, connection.close()).result()


def wait_for_lock(database: Postgres) -> None:
    """Wait until the migration waits for a lock on a table."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'relation'"
    wait_until(lambda: run(database, lambda c: c.fetchval(waits)), "the migration does not wait")


def revision(database: Postgres) -> str:
    """Return the revision of a database."""
    query = "SELECT version_num FROM tasks.alembic_version"
    return str(run(database, lambda connection: connection.fetchval(query)))


def test_process_is_killed_while_it_migrates(tmp_path: Path) -> None:
    with shared.server({"fsync": "off"}) as database:
        migrate(database, last_but_one())
        with transaction(database) as execute:
            execute("LOCK TABLE tasks.tasks IN ACCESS SHARE MODE")
            migrating = Child(MIGRATE, cwd=tmp_path, env=trusting(database.url))
            wait_for_lock(database)
            migrating.process.kill()
            migrating.process.wait()
        assert revision(database) == last_but_one()
        api = stack.api(tmp_path, trusting(database.url))
        assert revision(database) == migrations.head()
        with writing("a process killed while it migrated", api.url, database) as writers:
            writers.repaired()
        api.stop()


def test_migration_is_tried_again_after_a_deadlock(tmp_path: Path) -> None:
    """Migration 0007 locks `owners` before `tasks`."""
    with shared.server({"fsync": "off", "deadlock_timeout": "3s"}) as database:
        migrate(database, "0006")
        with transaction(database) as execute:
            execute("SET deadlock_timeout = '10min'; LOCK TABLE tasks.tasks IN ROW EXCLUSIVE MODE")
            with (tmp_path / "log").open("wb") as log:
                migrating = Child(MIGRATE, cwd=tmp_path, env=trusting(database.url), output=log)
            wait_for_lock(database)
            execute("LOCK TABLE tasks.owners IN ROW EXCLUSIVE MODE")
        assert migrating.process.wait(PATIENCE) == 0
        assert "the migration had a deadlock" in (tmp_path / "log").read_text()
        assert revision(database) == migrations.head()


def previous(folder: Path) -> Path:
    """Return a copy of the API as it was before the latest migration."""
    [script] = (ROOT / VERSIONS).glob(f"{migrations.head()}_*.py")
    git = ["git", "-C", str(ROOT)]
    added = subprocess.run(
        [*git, "log", "--diff-filter=A", "--format=%H", "-1", "--", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if added.returncode != 0:
        pytest.skip("needs the history of the repository: git clone")
    # A migration that is not committed yet follows HEAD.
    before = f"{commit}^" if (commit := added.stdout.strip()) else "HEAD"
    archive = subprocess.run([*git, "archive", before, "api"], capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("needs the whole history of the repository: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    assert not (folder / script.relative_to(ROOT)).exists()
    return folder


def test_previous_version_serves_beside_this_one(tmp_path: Path) -> None:
    """The rule in docs/operate.md: a migration only adds what the previous version can ignore."""
    with shared.server({"fsync": "off"}) as database, ExitStack() as until_the_end:
        migrate(database, last_but_one())
        env = trusting(database.url)
        before = env | {"PYTHONPATH": str(previous(tmp_path / "previous"))}
        old = stack.api(tmp_path, before, "--no-migrate")
        until_the_end.callback(old.stop)
        with writing("previous version, while this one migrates", old.url, database) as writers:
            new = stack.api(tmp_path, env)
            until_the_end.callback(new.stop)
            writers.repaired()
        for version, server in (("previous", old), ("this", new)):
            fault = f"{version} version, after the migration"
            with writing(fault, server.url, database) as writers:
                writers.repaired()
            assert not writers.answers()[503]
        # Migration 0007 is older than the rule. Its CHECK refuses to purge an owner whose projects
        # the previous version does not delete. The web app sends the event until it is accepted.
        use_both(database, old, new, purging=old, status=500 if IS_0007 else 202)
        use_both(database, old, new, purging=new)


def use_both(
    database: Postgres,
    old: stack.Server,
    new: stack.Server,
    *,
    purging: stack.Server,
    status: int = 202,
) -> None:
    """Use the tasks of one owner through both versions, then purge the owner through one."""
    name = secrets.token_hex(8)
    by_old, by_new = (Caller(api.url, name, mint(name)) for api in (old, new))
    project = by_new(CREATE_PROJECT, i={"name": "a project"})["createProject"]["project"]
    by_new(CREATE, i={"title": "new", "projectId": project["id"]})
    by_old(CREATE, i={"title": "old"})
    ids = [node["id"] for node in by_old(LIST)["tasks"]["nodes"]]
    assert len(ids) == 2
    for caller in (by_old, by_new):
        for operation, answer in MANY.items():
            caller(f"mutation ($ids: [ID!]!) {{ {operation}(ids: $ids) {{ {answer} }} }}", ids=ids)
        for id in ids:
            caller(UPDATE, id=id, patch={"completed": caller is by_old})
    by_old(DELETE, ids=ids[:1])
    assert [node["id"] for node in by_new(LIST)["tasks"]["nodes"]] == ids[1:]
    assert push(purging.url, purged(name)).status_code == status
    if status != 202:
        assert push(new.url, purged(name)).status_code == 202
    for caller in (by_old, by_new):
        wait_until(partial(is_refused, caller), "the account is not purged")
    assert not stored(database, name)


def is_refused(caller: Caller) -> bool:
    """Return whether the API refuses the token of a caller."""
    return caller.post(LIST).status_code == 401


def test_this_version_starts_on_a_newer_database(tmp_path: Path) -> None:
    with shared.server({"fsync": "off"}) as database:
        migrations.upgrade(database.url)
        newer = "UPDATE tasks.alembic_version SET version_num = '9999'"
        run(database, lambda connection: connection.execute(newer))
        api = stack.api(tmp_path, trusting(database.url))
        api.wait_for_output("the database has migration 9999, which this version does not know")
        Caller(api.url, "ada", mint("ada")).create()
        doctor = [sys.executable, "-m", "api", "doctor"]
        env = trusting(database.url)
        said = subprocess.run(doctor, env=env, capture_output=True, text=True, check=False)
        assert "at 9999, which is newer than" in said.stdout
        api.stop()
