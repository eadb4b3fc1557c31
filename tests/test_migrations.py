"""The migrations create the tables of the models, and leave all others alone."""

import shutil
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from api import migrations
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import run, trusting
from tests.test_cli import run as api
from tests.test_doctor import database, examined

SQUASHED = '''"""Stand for the migrations up to this one."""

revision = "{}"
down_revision = None


def upgrade() -> None:
    raise AssertionError("every database has these tables already")
'''


def test_migrations_create_the_tables_of_the_models(postgres: Postgres) -> None:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = postgres.url
    command.check(config)


def test_other_tables_of_the_database_are_unchanged() -> None:
    async def others(connection: asyncpg.Connection) -> None:
        await connection.execute(
            'CREATE TABLE public."user" (id text); CREATE TABLE tasks (id text)'
        )

    async def left(connection: asyncpg.Connection) -> list[str]:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return sorted(row["table_name"] for row in await connection.fetch(query))

    with stack.postgres() as server:
        run(server, others)
        migrations.upgrade(server.url)
        assert run(server, left) == ["tasks", "user"]
        config = Config(toml_file=ROOT / "pyproject.toml")
        config.attributes["url"] = server.url
        command.check(config)


def test_existing_tombstones_are_counted_by_the_migration(postgres: Postgres) -> None:
    """The migration runs as a role with row security, as on a hosted database."""
    url = database(postgres, "")
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = url
    command.upgrade(config, "0004")
    rows = """
        SET row_security = off;
        ALTER TABLE tasks.owners NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE tasks.task_ids NO FORCE ROW LEVEL SECURITY;
        INSERT INTO tasks.owners (owner_id, task_count) VALUES ('ada', 1), ('bob', 0), ('eve', 0);
        INSERT INTO tasks.task_ids (owner_id, id, input_digest, deleted_at)
          SELECT owner, gen_random_uuid(), '', CASE WHEN n > live THEN now() END
          FROM (VALUES ('ada', 1, 4), ('eve', 0, 30001)) AS had (owner, live, number),
          generate_series(1, number) AS n;
        ALTER TABLE tasks.owners FORCE ROW LEVEL SECURITY;
        ALTER TABLE tasks.task_ids FORCE ROW LEVEL SECURITY"""
    run(url, lambda connection: connection.execute(rows))
    command.upgrade(config, "head")
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE relnamespace = 'tasks'::regnamespace"
    is_forced = f"{forced} AND relname IN ('owners', 'task_ids')"
    assert [row[0] for row in run(url, lambda c: c.fetch(is_forced))] == [True, True]

    async def read(connection: asyncpg.Connection) -> list[tuple[str, int]]:
        await connection.execute("ALTER TABLE tasks.owners NO FORCE ROW LEVEL SECURITY")
        counts = "SELECT owner_id, tombstone_count FROM tasks.owners ORDER BY owner_id"
        return [tuple(row) for row in await connection.fetch(counts)]

    assert run(url, read) == [("ada", 3), ("bob", 0), ("eve", 30_000)]


def test_revisions_are_numbers_in_order() -> None:
    """A process compares the number of an unknown revision with its latest revision."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    scripts = [*ScriptDirectory.from_config(config).walk_revisions()]
    assert scripts
    for script in scripts:
        assert len(script.revision) == 4
        below = script.down_revision or "0"
        assert isinstance(below, str)
        assert int(below) < int(script.revision), "numbers must rise"


def test_unknown_revision_is_newer_only_if_its_number_is_higher(postgres: Postgres) -> None:
    url = database(postgres, "")
    migrations.upgrade(url)

    def found(revision: str) -> str:
        """Return what `doctor` says about a database with this revision."""
        moved = "UPDATE tasks.alembic_version SET version_num = $1"
        run(url, lambda connection: connection.execute(moved, revision))
        return str(examined(trusting(url))["migrations"])

    assert "at 9999, which is newer than" in found("9999")
    migrations.upgrade(url)
    for unknown in ("0000", "5f3a8c0d9e21"):
        assert f"at {unknown}, from which this version cannot migrate" in found(unknown)
        with pytest.raises(migrations.MigrationError, match=f"the database has .*{unknown}, from"):
            migrations.upgrade(url)


@pytest.mark.prove
def test_squashed_migrations_keep_the_number_of_the_last_one(
    postgres: Postgres, tmp_path: Path
) -> None:
    """The rule in CONTRIBUTING.md, with all migrations of a copy squashed into the last one."""
    versions = tmp_path / "api/migrations/versions"
    shutil.copytree(ROOT / "api", tmp_path / "api")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for script in versions.glob("*.py"):
        script.unlink()
    last = migrations.head()
    (versions / f"{last}_squashed.py").write_text(SQUASHED.format(last))
    url = database(postgres, "")
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = url
    command.upgrade(config, "0003")
    refused = api(trusting(url), tmp_path, "migrate")
    assert refused.returncode != 0
    assert "has migration 0003, from which this version cannot migrate" in refused.stderr
    migrations.upgrade(url)
    done = api(trusting(url), tmp_path, "migrate")
    assert done.returncode == 0, done.stderr
    assert "does not know" not in done.stderr
