"""Measure pages in a database of ten million tasks and a hundred thousand owners: `make scale`.

One owner has the most tasks that are allowed; the others have a hundred each. Every fifty tasks of
an owner have a project, but pages of projects are not measured. The embedded database stays in
`.data/scale`. A second run uses the rows that the first one loaded.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product

import asyncpg

from api import migrations
from api.owned.owner import Owned
from api.owned.read_sql import Order
from api.owned.reads import PageRequest, Reads
from api.postgres.database import Database
from api.tasks.rules import TASKS
from dev.postgres import ROOT, Postgres

EACH = 100
"""The number of tasks of every owner except the big one."""
BIG = "the big one"
TASKS_OF_A_PROJECT = 50
BATCH = 500
"""The number of owners that are loaded in one statement."""

LOAD = """
WITH made AS (
  SELECT owner_id, gen_random_uuid() AS id, n, random() AS status, random() AS dice,
    initcap(substr(md5(random()::text), 1, 5)) || ' the ' || substr(md5(random()::text), 1, 7)
      AS title
  FROM unnest($1::text[]) AS owner_id, generate_series(1, $2::int) AS n
), projects AS (
  INSERT INTO tasks.projects (owner_id, id, name, name_folded, position)
  SELECT owner_id, md5(owner_id || n)::uuid, 'Project ' || n, 'project ' || n, 'a0'
  FROM unnest($1::text[]) AS owner_id, generate_series(0, $2::int / $3::int - 1) AS n
  RETURNING owner_id, id
), project_ids AS (
  INSERT INTO tasks.project_ids (owner_id, id, input_digest) SELECT owner_id, id, '' FROM projects
), ids AS (
  INSERT INTO tasks.task_ids (owner_id, id, input_digest) SELECT owner_id, id, '' FROM made
), counted AS (
  INSERT INTO tasks.owners (owner_id, task_count, project_count, change_number)
  SELECT owner_id, count(*), $2::int / $3::int, count(*) FROM made GROUP BY owner_id
)
INSERT INTO tasks.tasks (owner_id, id, title, title_folded, description, description_folded,
  completed, completed_at, trashed_at, priority, due_on, labels, position, created_at, updated_at,
  change_number, project_id)
SELECT owner_id, id, title, lower(title), repeat(title || ' ', 5), repeat(lower(title) || ' ', 5),
  status > 0.7, CASE WHEN status > 0.7 THEN now() END, CASE WHEN status > 0.95 THEN now() END,
  (dice * dice * 5)::int % 5,
  CASE WHEN dice > 0.3 THEN current_date + (dice * 400)::int - 200 END,
  CASE WHEN dice > 0.5 THEN ARRAY['label ' || (dice * 10)::int] ELSE '{}' END,
  'a0' || substr(md5(random()::text), 1, 8) || 'V',
  now() - n * interval '1 hour', now() - dice * interval '90 days', n,
  md5(owner_id || n % ($2::int / $3::int))::uuid
FROM made
"""


async def load(
    connection: asyncpg.Connection,
    tasks: int,
    owners: int,
    tasks_of_a_project: int = TASKS_OF_A_PROJECT,
) -> None:
    """Load this number of tasks for this number of owners, including the big owner.

    The indexes of lists are dropped first and created at the end, which takes a tenth of the time.
    """
    others = [f"owner {n}" for n in range(owners - 1)]
    each = (tasks - TASKS.most) // len(others)
    query = """SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'tasks' AND tablename = 'tasks' AND indexname NOT LIKE 'pk%'"""
    indexes = await connection.fetch(query)
    for index in indexes:
        await connection.execute(f"DROP INDEX tasks.{index['indexname']}")
    await connection.execute(LOAD, [BIG], TASKS.most, tasks_of_a_project, timeout=600)
    for done in _progress(range(0, len(others), BATCH), len(others) * each, BATCH * each, "tasks"):
        some = others[done : done + BATCH]
        await connection.execute(LOAD, some, each, tasks_of_a_project, timeout=600)
    for number in _progress(range(len(indexes)), len(indexes), 1, "indexes"):
        await connection.execute(indexes[number]["indexdef"], timeout=3600)
    await connection.execute("ANALYZE", timeout=3600)


def _progress(steps: range, total: int, each: int, what: str) -> Iterator[int]:
    began = time.monotonic()
    for count, step in enumerate(steps, 1):
        yield step
        if sys.stderr.isatty() or count % max(1, len(steps) // 20) == 0 or count == len(steps):
            done = min(count * each, total)
            print(
                f"{done:>12,} of {total:,} {what}, {time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )


async def _last(tasks: Reads, order: Order) -> str | None:
    """Read all pages, as a client would. Return the cursor for the last page."""
    after = None
    while (page := await tasks.page(PageRequest(50, after, order=order))).has_next_page:
        after = page.cursor(page.rows[-1])
    return after


async def measure(url: str, rounds: int) -> None:
    """Print the median milliseconds of the first and the last page of 50 tasks, in each order."""
    async with Database(url) as database:
        print(f"{'p50, ms':<18}" + "".join(f"{c:>20}" for c in ("100 tasks", "10,000 tasks")))
        for by, descending in product(TASKS.sorted_by, (False, True)):
            order, cells = Order(by, descending), []
            for owner in ("owner 17", BIG):
                tasks = Reads(Owned(database, owner), TASKS)
                for after in (None, await _last(tasks, order)):
                    taken = []
                    for _ in range(rounds):
                        began = time.perf_counter()
                        await tasks.page(PageRequest(50, after, order=order))
                        taken.append((time.perf_counter() - began) * 1000)
                    cells.append(statistics.median(taken))
            name = f"{by.upper()} {'DESC' if descending else 'ASC'}"
            print(f"{name:<18}{cells[0]:>10.2f}{cells[1]:>10.2f}{cells[2]:>10.2f}{cells[3]:>10.2f}")
        print(f"{'':<18}" + f"{'first':>10}{'last':>10}" * 2)


async def _run(url: str, args: argparse.Namespace) -> None:
    connection = await asyncpg.connect(url)
    there = await connection.fetchval("SELECT count(*) FROM tasks.owners")
    if there != args.owners:
        await connection.execute(
            "TRUNCATE tasks.tasks, tasks.task_ids, tasks.projects, tasks.project_ids, tasks.owners"
        )
        await load(connection, args.tasks, args.owners)
    await connection.close()
    await measure(url, args.rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the tasks if necessary, then measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--tasks", type=int, default=10_000_000, help="number of tasks (%(default)s)"
    )
    parser.add_argument(
        "--owners", type=int, default=100_000, help="number of owners (%(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=200, help="measurements of each page (%(default)s)"
    )
    args = parser.parse_args(arguments)
    settings = {"maintenance_work_mem": "1GB", "max_wal_size": "8GB", "synchronous_commit": "off"}
    with Postgres(ROOT / ".data/scale", settings) as server:
        migrations.upgrade(server.url)
        asyncio.run(_run(server.url, args))


if __name__ == "__main__":
    main()
