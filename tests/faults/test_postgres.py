"""PostgreSQL is killed, stopped, out of connections, or read-only, while clients write."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import Caller, mint, run
from tests.faults.processes import first_process, kill, stopped
from tests.faults.writers import writing
from tests.waiting import wait_until

LIST = "{ tasks { nodes { title } } }"
CLOSE_CONNECTIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'bearer-tasks-api'"""


def sql(server: Postgres, *statements: str) -> None:
    """Run statements in a server's database, each in a transaction of its own."""

    async def execute(connection: asyncpg.Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    run(server, execute)


def is_ready(api: stack.Server) -> bool:
    """Return whether the API says that it can be used."""
    return plain.get(f"{api.url}/health/ready").status_code == 200


def test_killed(server: Postgres, broken_api: stack.Server) -> None:
    with writing("PostgreSQL killed, and started again", broken_api.url, server) as writers:
        kill(server)
        writers.wait_until_refused()
        assert not is_ready(broken_api)
        server.__enter__()
        writers.repaired()
    assert is_ready(broken_api)


def test_connections_closed(server: Postgres, broken_api: stack.Server) -> None:
    with writing("all connections closed by PostgreSQL", broken_api.url, server) as writers:
        sql(server, CLOSE_CONNECTIONS)
        writers.repaired()


def test_stopped_for_a_moment(server: Postgres, broken_api: stack.Server) -> None:
    with writing("PostgreSQL stopped for 1 s", broken_api.url, server) as writers:
        with stopped(first_process(server)):
            time.sleep(1)  # the length of the fault, shorter than each timeout of the API
        writers.repaired()
    assert not writers.answers()[503], "the clients wait"


@pytest.mark.prove
def test_stopped_for_longer_than_the_timeouts(server: Postgres, broken_api: stack.Server) -> None:
    with writing("PostgreSQL stopped for longer", broken_api.url, server) as writers:
        with stopped(first_process(server)):
            writers.wait_until_refused(8)
            assert not is_ready(broken_api)
        writers.repaired()
    assert is_ready(broken_api)


@contextmanager
def all_connections_taken(server: Postgres) -> Iterator[None]:
    """Hold every connection of the server during a `with` block, including those of the API."""

    async def take() -> list[asyncpg.Connection]:
        held: list[asyncpg.Connection] = []
        while True:
            tried = [asyncpg.connect(server.url) for _ in range(10)]
            found = await asyncio.gather(*tried, return_exceptions=True)
            new = [each for each in found if isinstance(each, asyncpg.Connection)]
            held += new
            if len(new) < len(found) and not len(await held[0].fetch(CLOSE_CONNECTIONS)) + len(new):
                return held

    async def close(held: list[asyncpg.Connection]) -> None:
        for connection in held:
            await connection.close()

    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        held = thread.submit(runner.run, take()).result()
        try:
            yield
        finally:
            thread.submit(runner.run, close(held)).result()


def test_out_of_connections(server: Postgres, broken_api: stack.Server) -> None:
    with writing("PostgreSQL out of connections", broken_api.url, server) as writers:
        with all_connections_taken(server):
            writers.wait_until_refused()
            assert not is_ready(broken_api)
            broken_api.wait_for_output("TooManyConnectionsError: sorry, too many clients already")
        writers.repaired()


def test_read_only(server: Postgres, broken_api: stack.Server) -> None:
    ada = Caller(broken_api.url, "ada", mint("ada"))
    with writing("PostgreSQL read-only", broken_api.url, server) as writers:
        setting = "default_transaction_read_only"
        sql(server, f"ALTER DATABASE postgres SET {setting} = on", CLOSE_CONNECTIONS)
        writers.wait_until_refused()
        assert "errors" not in ada.post(LIST).json(), "reads succeed"
        # All writers may happen to repeat an update.
        broken_api.wait_for_output("ReadOnlySQLTransactionError: cannot execute (INSERT|UPDATE)")
        sql(server, f"SET {setting} = off", f"ALTER DATABASE postgres RESET {setting}")
        writers.repaired()
    wait_until(lambda: is_ready(broken_api), "the API is not ready")
