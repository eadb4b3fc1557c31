"""Create the databases of tests on servers that already run."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import asyncpg

from api import migrations
from dev.postgres import ROOT, Postgres

SCALE = ROOT / "docs/scale.md"


class AttachedPostgres(Postgres):
    """A database on a server that another process runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self._url


@contextmanager
def copy(url: str) -> Iterator[Postgres]:
    """Copy a database on its server, which is twenty times as fast as starting a server."""
    template, name = urlsplit(url), f"copy_{secrets.token_hex(8)}"

    async def work(statement: str) -> None:
        connection = await asyncpg.connect(template._replace(path="/template1").geturl())
        await connection.execute(statement)
        await connection.close()

    with ThreadPoolExecutor(1) as pool:  # Playwright keeps an event loop in this thread
        create = f'CREATE DATABASE {name} TEMPLATE "{template.path[1:]}"'
        pool.submit(asyncio.run, work(create)).result()
        yield AttachedPostgres(template._replace(path=f"/{name}").geturl())
        pool.submit(asyncio.run, work(f"DROP DATABASE {name} WITH (FORCE)")).result()


def empty(server: Postgres) -> AbstractContextManager[Postgres]:
    """Create an empty database on a server."""
    return copy(urlsplit(server.url)._replace(path="/template1").geturl())


def citus(url: str) -> Postgres:
    """Return the database of Citus at this URL, migrated and distributed as in docs/scale.md."""
    migrations.upgrade(url)
    [commands] = re.findall(
        r"```sql\n(SELECT create_distributed_table.*?)```", SCALE.read_text(), re.DOTALL
    )

    async def distribute() -> None:
        connection = await asyncpg.connect(url)
        distributed = (
            "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = 'tasks.owners'::regclass"
        )
        if not await connection.fetchval(distributed):
            await connection.execute(commands)
        await connection.close()

    asyncio.run(distribute())
    return AttachedPostgres(url)
