"""The tables as the migrations make them are the tables as the models have them."""

import asyncpg
from alembic import command
from alembic.config import Config

from api import migrations
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import run


def test_models_and_migrations_agree(postgres: Postgres) -> None:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["url"] = postgres.url
    command.check(config)


def test_other_tables_of_the_database_are_left_alone() -> None:
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
