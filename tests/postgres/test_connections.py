"""Connections: their prepared statements, and the properties of their server."""

import asyncio
import secrets

import asyncpg
import pytest

from api.postgres.connections import Connector, Server, connect
from api.postgres.limits import Limits
from api.postgres.tables import Row
from dev.postgres import Postgres
from tests import pooler
from tests.postgres.test_database import through


def test_connections_opened_at_once_keep_their_prepared_statements(postgres: Postgres) -> None:
    kept = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'"

    async def attempt() -> list[int]:
        connector = Connector(postgres.url, Limits())
        lent = await asyncio.gather(*(connector.open() for _ in range(Limits().size)))
        try:
            for connection in lent:
                for _ in range(2):
                    await connection.fetch("SELECT 1", record_class=Row)
            return [await connection.fetchval(kept) for connection in lent]
        finally:
            for connection in lent:
                await connection.close()

    assert asyncio.run(attempt()) == [1] * Limits().size


def test_statement_is_prepared_again_after_a_migration(postgres: Postgres) -> None:
    """A statement whose result could not be decoded has run, so it is not run again."""
    name = f"passing_{secrets.token_hex(4)}"
    read_column, read_row = f"SELECT a FROM {name}", f"SELECT row(a)::{name} AS r FROM {name}"  # noqa: S608 - generated above

    async def attempt() -> None:
        connection, other = await connect(postgres.url), await connect(postgres.url)

        async def first_value(sql: str) -> object:
            return (await connection.fetch(sql, record_class=Row))[0][0]

        try:
            await other.execute(f"CREATE TABLE {name} AS SELECT 1 AS a")
            assert await first_value(read_column) == 1
            assert await first_value(read_row) == (1,)
            await other.execute(f"ALTER TABLE {name} ALTER a TYPE text")
            for _ in range(3):
                assert await first_value(read_column) == "1"
            with pytest.raises(asyncpg.OutdatedSchemaCacheError):
                await first_value(read_row)
            assert await first_value(read_row) == ("1",)
        finally:
            await other.execute(f"DROP TABLE {name}")
            connection.terminate()
            other.terminate()

    asyncio.run(attempt())


def test_pooler_that_loses_prepared_statements_is_detected(postgres: Postgres) -> None:
    async def behind(url: str) -> Server:
        connection = await connect(url)
        try:
            return await Server.behind(connection)
        finally:
            connection.terminate()

    assert asyncio.run(behind(postgres.url)) == Server(
        keeps_statements=True, limits_statements=True, is_citus=False
    )
    with through(postgres, pooled=True) as url:
        assert asyncio.run(behind(url)) == Server(
            keeps_statements=pooler.keeps_statements(),
            limits_statements=False,
            is_citus=False,
        )
