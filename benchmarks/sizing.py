"""Measure what an installation needs: memory, CPU time of a sign-up, and disk space.

Usage: `python -m benchmarks.sizing`, after `make setup` and `make test` (which builds the web app).
The figures of docs/operate.md are from this command.
"""

import secrets
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil

from dev.postgres import Postgres
from tests import shared, stack
from tests.conftest import Caller, run
from tests.contract.people import Browsers

PAGES = 2_000
"""How many pages of tasks are requested before the memory is measured."""
SIGN_UPS = 50
TASKS = 10_000
"""How many tasks the disk space is measured with. An owner can have no more."""
BULK = 100
CREATE = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"
PAGE = "{ tasks(first: 50) { nodes { id title completed dueOn labels position updatedAt } } }"


def main() -> None:
    """Run the whole product, use it, and print the figures."""
    with shared.folder(), TemporaryDirectory() as folder, ExitStack() as opened:
        site = opened.enter_context(stack.site(Path(folder), RATE_LIMIT_PER_SECOND="0"))
        print(f"API after the start: {_memory(site.api):.0f} MiB")
        print(f"web app after the start: {_memory(site.web):.0f} MiB")

        browsers = Browsers(opened)
        before = site.web.cpu_seconds()
        people = [browsers.sign_up(site) for _ in range(SIGN_UPS)]
        used = (site.web.cpu_seconds() - before) / SIGN_UPS
        print(f"a sign-up, CPU of the web app: {used * 1000:.0f} ms")
        before = site.web.cpu_seconds()
        tokens = [person.token() for person in people]
        used = (site.web.cpu_seconds() - before) / SIGN_UPS
        print(f"an access token, CPU of the web app: {used * 1000:.1f} ms")

        ada = Caller(site.api.url, people[0].id, tokens[0])
        empty = _bytes(site.database)
        for _ in range(TASKS // BULK):
            ada(CREATE, i=[{"title": f"Call {secrets.token_hex(12)} back"} for _ in range(BULK)])
        space = (_bytes(site.database) - empty) / TASKS
        print(f"disk space of a task with its indexes: {space:.0f} bytes")

        for number in range(PAGES):
            Caller(site.api.url, "", tokens[number % len(tokens)])(PAGE)
        for person in people:
            person.client.get("/tasks").raise_for_status()
        print(f"API after {PAGES:,} pages: {_memory(site.api):.0f} MiB")
        print(f"web app after {SIGN_UPS} sign-ups and pages: {_memory(site.web):.0f} MiB")


def _memory(server: stack.Server) -> float:
    """Return the resident memory of a server's process, in MiB."""
    return float(psutil.Process(server.child.process.pid).memory_info().rss) / 2**20


def _bytes(database: Postgres) -> int:
    """Return the size of a database on disk after a VACUUM."""

    async def ask(connection: asyncpg.Connection) -> int:
        await connection.execute("VACUUM")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))

    return run(database, ask)


if __name__ == "__main__":
    main()
