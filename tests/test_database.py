"""One owner's way into the database, the URLs it takes, and what an outage is."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from api.database import Database
from api.errors import Unavailable
from api.models import tasks
from api.pool import connectable
from api.statements import OWNER, Statement
from dev.postgres import Postgres


def test_nobody_can_hand_in_an_owner(postgres: Postgres) -> None:
    async def attempt() -> None:
        statement = Statement(select(tasks.c.id).where(tasks.c.owner_id == OWNER))
        async with Database(postgres.url) as database:
            with pytest.raises(TypeError, match="owner_id"):
                await database.of("ada").rows(statement, owner_id="bob")

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("printed", "understood"),
    [
        (
            "postgresql://u:p%40ss@ep-x-pooler.neon.tech/db?sslmode=require&channel_binding=require",
            "postgresql://u:p%40ss@ep-x-pooler.neon.tech/db?sslmode=require",
        ),
        (
            "postgres://u:p@db.supabase.co:6543/postgres",
            "postgres://u:p@db.supabase.co:6543/postgres",
        ),
        ("postgresql://u@/db?host=/a b", "postgresql://u@/db?host=%2Fa+b"),
    ],
)
def test_urls_are_taken_as_providers_print_them(printed: str, understood: str) -> None:
    assert connectable(printed) == understood


def test_a_database_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        async with Database(url) as database:
            await database.notify("nobody")

    for url in (f"postgresql://u@/db?host={tmp_path}", "postgresql://u@127.0.0.1:1/db"):
        with pytest.raises(Unavailable):
            asyncio.run(ask(url))
