"""Measure the cost of correct forms of row-level security (wall 3), and of connection pools.

Run it with `python -m benchmarks.walls`. The statements read one row, and a page of 50, of an owner
with the most tasks among many owners. The forms take turns in every round, each on its own
connection to the same server. The results are medians of the rounds. The CPU time is that of this
process and of the PostgreSQL process that serves the connection.
"""

import asyncio
import inspect
import os
import re
import statistics
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import asyncpg

from api import migrations
from api.owned import read_sql
from api.owned.owner import Owned
from api.owned.read_sql import NEWEST_FIRST
from api.owned.walls import Statement
from api.postgres.database import Database
from api.postgres.limits import Limits
from api.tasks.rules import TASKS
from benchmarks import scale
from dev.postgres import ROOT, Postgres
from tests import pooler

ROUNDS = 7
TIMES = 400
"""The number of statements of each form in a round."""
TICK = os.sysconf("SC_CLK_TCK")

Ask: TypeAlias = Callable[[str, Sequence[object]], Awaitable[Any]]


@dataclass(frozen=True)
class Form:
    """A way to run one statement for an owner."""

    name: str
    trips: int
    sql: str
    """The SQL that creates what the form needs for this statement, in addition to the policies."""
    ask: Ask
    backend: int
    """The PostgreSQL process that serves its connection."""

    @property
    def lines(self) -> int:
        """The number of lines of SQL and Python."""
        python = textwrap.dedent(inspect.getsource(self.ask))
        return len(self.sql.splitlines()) + len(python.splitlines())


def without(statement: Statement) -> str:
    """Return the SQL of a statement without wall 3."""
    return statement.sql.replace("$1::tasks.caller", "$1::text")


async def types(connection: asyncpg.Connection, sql: str) -> tuple[list[str], str]:
    """Return the types of the parameters, and the columns as a list of definitions."""
    prepared = await connection.prepare(sql, name="typed")
    parameters = await connection.fetchval(
        "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'typed'"
    )
    columns = ", ".join(f'"{a.name}" {a.type.name}' for a in prepared.get_attributes())
    del prepared
    return parameters, columns


def definer(name: str, sql: str, parameters: Sequence[str], columns: str) -> str:
    """Return the SQL that creates a SECURITY DEFINER function for one statement."""
    return f"""
CREATE FUNCTION tasks.{name}({", ".join(parameters)}) RETURNS TABLE ({columns})
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.owner_id', $1, true);
  RETURN QUERY {" ".join(sql.split())};
END $$;
ALTER FUNCTION tasks.{name} OWNER TO bearer_tasks_caller;
REVOKE EXECUTE ON FUNCTION tasks.{name} FROM PUBLIC;
""".strip()


AS_OWNER = """
CREATE FUNCTION tasks.as_owner(owner text, query text, VARIADIC given text[])
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('app.owner_id', owner, true);
  RETURN QUERY EXECUTE query USING owner, given;
END $$;
ALTER FUNCTION tasks.as_owner OWNER TO bearer_tasks_caller;
REVOKE EXECUTE ON FUNCTION tasks.as_owner FROM PUBLIC;
""".strip()
DOMAIN = """
CREATE DOMAIN tasks.caller AS text NOT NULL CHECK (VALUE <> '');
ALTER DOMAIN tasks.caller ADD CONSTRAINT wall CHECK (
  set_config('app.owner_id', VALUE, true) = VALUE
  AND set_config('role', 'bearer_tasks_caller', true) = 'bearer_tasks_caller');
""".strip()
"""The SQL of the migrations for this form. All statements share the domain."""


def as_text(value: object) -> object:
    """Return the text form of a value that PostgreSQL parses."""
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    return None if value is None else str(value)


async def forms(
    connect: Callable[[], Awaitable[asyncpg.Connection]], name: str, statement: Statement
) -> list[Form]:
    """Return the forms of a statement, each with its own connection."""
    bare, plain, transaction, function, generic, domain = [await connect() for _ in range(6)]
    sql = without(statement)
    parameters, columns = await types(bare, sql)
    made = definer(name, sql, parameters, columns)
    await bare.execute(made)
    given = ", ".join(f"${n + 1}" for n in range(len(parameters)))
    call = f"SELECT * FROM tasks.{name}({given})"  # noqa: S608 - of constants alone
    inner = re.sub(
        r"\$(\d+)",
        lambda m: f"($2)[{int(m[1]) - 1}]::{parameters[int(m[1]) - 1]}" if m[1] != "1" else "$1",
        sql,
    )
    call_as = f"SELECT * FROM tasks.as_owner($1, $2, VARIADIC $3) AS t({columns})"  # noqa: S608 - of constants alone

    async def no_wall(owner: str, values: Sequence[object]) -> Any:
        return await plain.fetch(sql, owner, *values)

    async def by_transaction(owner: str, values: Sequence[object]) -> Any:
        async with transaction.transaction():
            await transaction.fetch(
                "SELECT set_config('app.owner_id', $1, true),"
                " set_config('role', 'bearer_tasks_caller', true)",
                owner,
            )
            return await transaction.fetch(sql, owner, *values)

    async def by_function(owner: str, values: Sequence[object]) -> Any:
        return await function.fetch(call, owner, *values)

    async def by_as_owner(owner: str, values: Sequence[object]) -> Any:
        return await generic.fetch(call_as, owner, inner, [as_text(value) for value in values])

    async def by_domain(owner: str, values: Sequence[object]) -> Any:
        return await domain.fetch(statement.sql, owner, *values)

    return [
        Form(name, trips, setup, ask, await served.fetchval("SELECT pg_backend_pid()"))
        for name, trips, setup, ask, served in (
            ("no wall 3", 1, "", no_wall, plain),
            ("transaction with set_config", 4, "", by_transaction, transaction),
            ("SECURITY DEFINER function", 1, made, by_function, function),
            ("as_owner()", 1, AS_OWNER, by_as_owner, generic),
            ("domain (the one here)", 1, DOMAIN, by_domain, domain),
        )
    ]


def cpu(process: int) -> float:
    """Return the CPU time of a process in seconds, with the resolution of the kernel's ticks."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def measured(
    ways: dict[str, tuple[Callable[[], Awaitable[Any]], int | None]],
) -> dict[str, tuple[float, float, float]]:
    """Return microseconds for each: CPU of this process, CPU of PostgreSQL, and elapsed time.

    The CPU time of PostgreSQL is the mean of all rounds; the others are medians.
    """
    ours: dict[str, list[float]] = {name: [] for name in ways}
    took: dict[str, list[float]] = {name: [] for name in ways}
    theirs = {name: -cpu(backend) if backend else 0.0 for name, (_, backend) in ways.items()}
    for _ in range(ROUNDS):
        for name, (ask, _) in ways.items():
            began, used = time.perf_counter(), time.process_time()
            for _ in range(TIMES):
                await ask()
            ours[name].append(time.process_time() - used)
            took[name].append(time.perf_counter() - began)
    for name, (_, backend) in ways.items():
        theirs[name] += cpu(backend) if backend else 0.0
    each = 1e6 / TIMES
    return {
        name: (
            statistics.median(ours[name]) * each,
            theirs[name] / ROUNDS * each,
            statistics.median(took[name]) * each,
        )
        for name in ways
    }


async def costs_of_walls(url: str, workloads: dict[str, tuple[Statement, list[object]]]) -> None:
    """Print the table of the forms."""
    async with AsyncExitStack() as open_:

        async def connect() -> asyncpg.Connection:
            connection = await asyncpg.connect(url)
            open_.push_async_callback(connection.close)
            return connection

        await (await connect()).execute(AS_OWNER)
        print("| | form | µs of API CPU | µs of PostgreSQL CPU | µs elapsed | trips | lines |")
        print("|---|---|---:|---:|---:|---:|---:|")
        for name, (statement, values) in workloads.items():
            made = await forms(connect, name, statement)
            answers = {str([dict(r) for r in await f.ask(scale.BIG, values)]) for f in made}
            if len(answers) != 1:
                raise SystemExit("the forms return different rows")
            found = await measured(
                {form.name: (partial(form.ask, scale.BIG, values), form.backend) for form in made}
            )
            for form in made:
                ours, theirs, took = found[form.name]
                print(
                    f"| {name} | {form.name} | {ours:.0f} | {theirs:.0f} | {took:.0f} "
                    f"| {form.trips} | {form.lines} |"
                )


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[str | None]:
    """Provide the URL of a PgBouncer in front of the database; None if it is not installed."""
    if pooler.BINARY is None:
        yield None
        return
    with pooler.pooler(url) as through:
        yield through


async def costs_of_the_way(url: str, workloads: dict[str, tuple[Statement, list[object]]]) -> None:
    """Print the table of the pools."""
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=Limits().size) as comes,
        Database(url) as database,
        pooled(url) as through,
        Database(through or url) as behind,
    ):
        bare = await asyncpg.connect(url)
        print("\n| | way | µs of API CPU | µs elapsed | beside asyncpg's pool |")
        print("|---|---|---:|---:|---:|")
        for name, (statement, values) in workloads.items():
            owned, other = Owned(database, scale.BIG), Owned(behind, scale.BIG)
            named = dict(zip(statement.names, values, strict=True))
            prepared = await bare.prepare(statement.sql)
            ways: dict[str, Callable[[], Awaitable[Any]]] = {
                "asyncpg's pool as it comes": partial(
                    comes.fetch, statement.sql, scale.BIG, *values
                ),
                "`Database` (the one here)": partial(owned.rows, statement, **named),
                "one connection, prepared by hand": partial(prepared.fetch, scale.BIG, *values),
            }
            if through:
                kept = "" if pooler.keeps_statements() else ", which keeps no statements"
                ways[f"`Database` behind PgBouncer{kept}"] = partial(other.rows, statement, **named)
            found = await measured({way: (ask, None) for way, ask in ways.items()})
            base = found["asyncpg's pool as it comes"][0]
            for way, (ours, _, took) in found.items():
                print(f"| {name} | {way} | {ours:.0f} | {took:.0f} | {ours / base:.2f} |")
        await bare.close()


async def main(url: str) -> None:
    """Load the tasks, and print both tables."""
    connection = await asyncpg.connect(url)
    await scale.load(connection, tasks=100_000, owners=1_000)
    id = await connection.fetchval(
        "SELECT id::text FROM tasks.tasks WHERE owner_id = $1 LIMIT 1", scale.BIG
    )
    await connection.close()
    one, order = read_sql.one(TASKS), NEWEST_FIRST
    page = read_sql.page(TASKS, order.by, descending=order.descending, filtered=False)
    bound = read_sql.bound(TASKS, order, None)
    values = {"statuses": TASKS.shown_statuses, "limit": 51, **bound}
    workloads = {
        "one_task": (one, one.arguments({"id": id})),
        "page": (page, page.arguments(values)),
    }
    print(f"medians of {ROUNDS} rounds of {TIMES} statements each, one after the other\n")
    await costs_of_walls(url, workloads)
    await costs_of_the_way(url, workloads)


if __name__ == "__main__":
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="walls-", dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        with Postgres(Path(folder) / "postgres", {"fsync": "off"}) as server:
            migrations.upgrade(server.url)
            asyncio.run(main(server.url))
