"""What PostgreSQL reads for each statement: an index of the owner, and no more rows than needed.

The plans are generic, as those of prepared statements, for 50,000 tasks of 500 owners.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import product
from typing import Any

import asyncpg
import pytest

from api import migrations
from api.owned import changes, delete_sql, read_sql, retention, statements, write_sql
from api.owned.columns import MAX, NIL
from api.owned.read_sql import NEWEST_FIRST, Order
from api.owned.resource import RESOURCES
from api.owned.walls import Statement
from api.projects.rules import PROJECTS
from api.tasks import rules
from api.tasks.rules import TASKS
from benchmarks import scale
from dev.postgres import Postgres
from tests import stack
from tests.conftest import run

SIZE = 51
"""Rows that a page of 50 reads."""
EVERY = ["COMPLETED", "OPEN", "TRASHED"]
PURGING = (retention.mark_purged(), retention.delete_everything(), retention.DROP_OWNER)
"""The statements that delete all rows of a purged owner, and then the owner."""
NARROW: dict[str, dict[str, Any]] = {
    "search": {"filter_search": ["***=a", "***=the"]},
    "priority": {"filter_priority": [3, 4]},
    "labels": {"filter_labels": ["label 7"]},
    "projects": {"filter_project_ids": [NIL, MAX]},
    "days": {"filter_due_from": "2026-01-01", "filter_due_to": "2027-01-01"},
}
NOTHING: dict[str, Any] = dict.fromkeys(f"filter_{name}" for name in TASKS.filters)
"""The values of a filtered list whose filters set no condition."""


@pytest.fixture(scope="module")
def loaded() -> Iterator[Postgres]:
    async def load(connection: asyncpg.Connection) -> None:
        await scale.load(connection, tasks=50_000, owners=500)

    with stack.postgres() as server:
        migrations.upgrade(server.url)
        run(server, load)
        yield server


def literal(value: object) -> str:
    """Return a value as an SQL literal, which PostgreSQL casts like a parameter."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        text = {datetime.min: "-infinity", datetime.max: "infinity"}.get(value, value.isoformat())  # noqa: DTZ901 - PostgreSQL has them as infinite
    elif isinstance(value, list):
        text = json.dumps([str(item) for item in value]).replace("[", "{").replace("]", "}")
    else:
        text = str(value)
    return "'" + text.replace("'", "''") + "'"


def scans(plan: Any) -> Iterator[Any]:
    if "Relation Name" in plan and plan["Node Type"] not in {"ModifyTable", "LockRows"}:
        yield plan
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


async def plan(connection: asyncpg.Connection, statement: Statement, **values: object) -> Any:
    """Return the plan of an execution, which is rolled back."""
    arguments = ", ".join(map(literal, [scale.BIG, *statement.arguments(values)]))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE it AS {statement.sql}")
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it({arguments})"
        [found] = json.loads(await connection.fetchval(explain))
        return found["Plan"]
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE it")


def read(plan: Any, label: str) -> int:
    """Count the rows read of owned tables, each by an index that starts with the owner."""
    rows = 0
    for scan in scans(plan):
        if not scan["Actual Loops"] or scan["Node Type"] == "Bitmap Heap Scan":
            continue
        seen = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        if scan["Node Type"] == "Seq Scan" and not seen:
            continue  # an empty table, of another noun
        assert "Index Cond" in scan, (label, scan)
        assert "owner_id = " in scan["Index Cond"].split(" AND ")[0], (label, scan)
        rows += round(seen * scan["Actual Loops"])
    return rows


async def deep(connection: asyncpg.Connection, by: str) -> dict[str, Any]:
    """Return a position in the middle of the big owner's list, or none if no task has a value."""
    column = TASKS.sorted_by[by]
    query = f"""SELECT {column}::text AS after, id FROM tasks.tasks WHERE owner_id = $1
        AND {column} IS NOT NULL ORDER BY {column}, id OFFSET 5000 LIMIT 1"""  # noqa: S608 - of constants alone
    rows = await connection.fetch(query, scale.BIG)
    return {"after": rows[0]["after"], "after_id": rows[0]["id"]} if rows else {}


async def pages(
    connection: asyncpg.Connection, *, filtered: Sequence[bool] = (False, True)
) -> AsyncIterator[tuple[str, Statement, Any]]:
    for by, descending, is_filtered in product(TASKS.sorted_by, (False, True), filtered):
        order = Order(by, descending)
        statement = read_sql.page(
            TASKS, by, descending=descending, filtered=is_filtered, without=TASKS.bulky
        )
        bounds = {"first": read_sql.bound(TASKS, order, None)}
        if not (middle := await deep(connection, by)):
            continue  # a column that `scale.load` does not fill
        bounds["deep"] = bounds["first"] | middle
        for (where, bound), statuses in product(bounds.items(), (EVERY, ["OPEN"])):
            values = {"statuses": statuses, "limit": SIZE, **bound}
            label = f"{order} {where} {statuses}"
            if not is_filtered:
                yield label, statement, values
                continue
            for name, said in NARROW.items():
                yield f"{label} {name}", statement, values | NOTHING | said


@pytest.mark.parametrize("filtered", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_page_reads_no_more_rows_than_it_returns_in_every_order(
    loaded: Postgres,
    filtered: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A page with filters reads each row of the owner at most twice."""

    async def check(connection: asyncpg.Connection) -> None:
        count = 0
        async for label, statement, values in pages(connection, filtered=(filtered,)):
            rows = read(await plan(connection, statement, **values), label)
            # Ranges are merged with one row of lookahead each. In descending order by day, tasks
            # without a day are last, so the statement sorts: it reads a page of each of six ranges.
            sorts = "due_on" in label and "descending=True" in label
            page = SIZE * 6 if sorts else SIZE + 6
            assert rows <= (TASKS.most * 2 if filtered else page), (label, rows)
            count += 1
        assert count == 12 * 4 * (len(NARROW) if filtered else 1)

    run(loaded, check)


def test_page_with_a_count_reads_the_owners_rows_once_more_at_most(loaded: Postgres) -> None:
    async def check(connection: asyncpg.Connection) -> None:
        bound = read_sql.bound(TASKS, NEWEST_FIRST, None)
        values = {"statuses": EVERY, "limit": SIZE, **bound}
        for filtered, said in ((False, {}), (True, NOTHING)):
            statement = read_sql.page(
                TASKS, NEWEST_FIRST.by, descending=True, filtered=filtered, counted=True
            )
            rows = read(await plan(connection, statement, **values, **said), "counted")
            assert rows <= TASKS.most + SIZE + 6

    run(loaded, check)


async def others(
    connection: asyncpg.Connection,
) -> list[tuple[str, Statement, dict[str, Any], int]]:
    """Return all statements but the pages, with their values and the most rows that each reads."""
    some = "SELECT id FROM tasks.tasks WHERE owner_id = $1 LIMIT 100"
    ids = [row["id"] for row in await connection.fetch(some, scale.BIG)]
    statuses = {"statuses": EVERY}
    patch = write_sql.patch_values(TASKS, {"completed": True}, TASKS.fields.model_fields)
    position = {"after_number": 5_000, "after_id": MAX, "limit": 101, "limit_and_state": 102}
    new = {"given": "[]", "how_many": 0}
    many = write_sql.patch_values(TASKS, {"completed": True}, TASKS.bulk)
    labels = {"add_labels": ["x"], "remove_labels": []}
    whole = TASKS.most
    query = "SELECT id FROM tasks.projects WHERE owner_id = $1 LIMIT 100"
    projects = [row["id"] for row in await connection.fetch(query, scale.BIG)]
    half = whole // 2 + 1_000
    """The tasks in half of the owner's projects. Each is read, found by its id, and written."""
    return [
        ("get", read_sql.one(TASKS), {"id": ids[0]}, 1),
        ("get nothing", read_sql.one(TASKS), {"id": NIL}, 0),
        ("count", read_sql.count(TASKS, filtered=False), statuses, whole),
        *(
            (
                f"count {name}",
                read_sql.count(TASKS, filtered=True),
                statuses | NOTHING | said,
                whole,
            )
            for name, said in NARROW.items()
        ),
        (
            *("count of projects", read_sql.nested_count(TASKS, "project_id")),
            *({"ids": projects, **statuses, **NOTHING}, half),
        ),
        ("trash projects", write_sql.move(PROJECTS, trash=True), {"ids": projects}, half),
        ("restore projects", write_sql.move(PROJECTS, trash=False), {"ids": projects}, half),
        ("delete projects", delete_sql.remove(PROJECTS), {"ids": projects}, 3 * half),
        ("empty the trash of projects", retention.empty_trash(PROJECTS), {}, whole),
        ("labels", rules.LABELS, {**statuses, "limit": rules.MAX_LABELS_LISTED}, whole),
        ("state", changes.STATE, {}, 1),
        ("changes", changes.since(TASKS), position, 101 + 1),
        ("create", write_sql.create(TASKS), new, 1),
        ("same", write_sql.digests(TASKS), {"ids": ids}, 100),
        ("found", read_sql.several(TASKS), {"ids": ids}, 100),
        ("update", write_sql.change(TASKS), {"id": ids[0], "expected_version": None, **patch}, 5),
        ("update all", write_sql.change_all(TASKS), {"ids": ids, **many}, 205),
        ("update all, with labels", rules.CHANGE_ALL, {"ids": ids, **labels, **many}, 205),
        ("trash", write_sql.move(TASKS, trash=True), {"ids": ids}, 205),
        ("restore", write_sql.move(TASKS, trash=False), {"ids": ids}, 205),
        ("delete", delete_sql.remove(TASKS), {"ids": ids}, 305),
        ("empty the trash", retention.empty_trash(TASKS), {}, whole),
        ("forget the deleted", retention.delete_old_tombstones(TASKS), {}, whole),
        ("forget the oldest", retention.delete_oldest_tombstones(TASKS), {}, whole),
    ]


@pytest.mark.parametrize("number", [1, 20, 100])
def test_nested_pages_read_the_rows_of_their_parents_only(loaded: Postgres, number: int) -> None:
    """Each list is read once for the page, which sorts it, and once for its count."""

    async def check(connection: asyncpg.Connection) -> None:
        query = "SELECT id FROM tasks.projects WHERE owner_id = $1 LIMIT $2"
        projects = [row["id"] for row in await connection.fetch(query, scale.BIG, number)]
        for by, descending in product(TASKS.sorted_by, (False, True)):
            statement = read_sql.nested_page(
                TASKS, "project_id", by, descending=descending, counted=True
            )
            bound = read_sql.bound(TASKS, Order(by, descending), None)
            values = {"ids": projects, "statuses": EVERY, "limit": 11, **bound, **NOTHING}
            rows = read(await plan(connection, statement, **values), by)
            assert rows <= 2 * number * scale.TASKS_OF_A_PROJECT

    run(loaded, check)


def test_other_statements_read_no_more_than_the_owners_rows(loaded: Postgres) -> None:
    async def check(connection: asyncpg.Connection) -> None:
        for label, statement, values, most in await others(connection):
            rows = read(await plan(connection, statement, **values), label)
            assert rows <= most, (label, rows)

    run(loaded, check)


def test_plan_of_every_statement_is_tested(loaded: Postgres) -> None:
    async def check(connection: asyncpg.Connection) -> None:
        tried = {statement.sql for _, statement, _, _ in await others(connection)}
        # These run once in the life of an account, and read what they delete.
        purging = {statement.sql for statement in PURGING}
        every = [*statements.build(), *vars(rules).values()]
        others_own = {each.sql for r in RESOURCES if r is not TASKS for each in statements.of(r)}
        there = {each.sql for each in every if isinstance(each, Statement)}
        assert there - others_own == (tried - others_own) | purging

    run(loaded, check)
