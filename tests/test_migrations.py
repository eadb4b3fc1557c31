"""The migrations create the tables of the models, and leave all others alone."""

import asyncpg
from alembic import command
from alembic.config import Config

from api import migrations
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import run
from tests.test_doctor import database


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
