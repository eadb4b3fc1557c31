"""What every resource does: purge, retention, change feed, quota and walls.

Each test runs once for each declared resource, so that it covers a noun that is added later.
"""

import asyncio
import importlib
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import delete

from api.context import Context
from api.errors import BadUserInput, Conflict, NotFound, Unauthenticated, Unavailable
from api.identity.tokens import Claims
from api.owned import changes, read_sql, retention, statements
from api.owned.changes import Changes
from api.owned.cursors import InvalidCursor
from api.owned.filters import From
from api.owned.owner import Owned
from api.owned.reads import Page, PageRequest, Reads
from api.owned.resource import RESOURCES, TRASHED, Resource
from api.owned.retention import Retention, purge
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement
from api.owned.writes import Writes
from api.postgres.database import Database
from api.postgres.statement import Compiled
from api.postgres.tables import Row, metadata
from dev.postgres import Postgres
from tests import scope
from tests.conftest import run

T = TypeVar("T")


def each(resources: Sequence[Resource]) -> pytest.MarkDecorator:
    """Run a test for each of these resources."""
    return pytest.mark.parametrize("resource", resources, ids=lambda resource: resource.name)


EACH = each(RESOURCES)
REFERRING = each([resource for resource in RESOURCES if resource.references])
PARTS = each([resource for resource in RESOURCES if resource.part_of])
BULK = each([resource for resource in RESOURCES if resource.bulk])
OWNED_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE relnamespace = 'tasks'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND attname = 'owner_id' AND NOT attisdropped"""
WALL = """
    SELECT relrowsecurity AND relforcerowsecurity AS forced,
      (SELECT array_agg(pg_get_expr(polqual, polrelid)) FROM pg_policy
       WHERE polrelid = c.oid AND polcmd = '*') AS policies,
      (SELECT bool_and(has_table_privilege('bearer_tasks_caller', c.oid, privilege))
       FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege) AS granted
    FROM pg_class c WHERE oid = $1::regclass"""
WAITING = """
    SELECT EXISTS (
      SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
    )"""
HOW_MANY_WAIT = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
HELD = "(owner_id = NULLIF(current_setting('app.owner_id'::text, true), ''::text))"


def owning(postgres: Postgres, work: Callable[[Owned, Database], Awaitable[T]]) -> T:
    """Return the result of some work for a new owner."""

    async def attempt() -> T:
        async with Database(postgres.url) as database:
            return await work(Owned(database, secrets.token_hex(8)), database)

    return asyncio.run(attempt())


async def make(owned: Owned, resource: Resource) -> Row:
    """Create a row of a resource. Each of its references refers to a new row."""
    references = {
        column: (await make(owned, target))["id"] for column, target in resource.references.items()
    }
    return await Writes(owned, resource).create({**resource.example, **references})


async def count(owned: Owned, resource: Resource) -> int:
    """Count the rows of a resource, those in the trash included."""
    return await Reads(owned, resource).count({"status": [*resource.statuses]})


def sql(postgres: Postgres, statement: str, *values: object) -> list[Any]:
    """Run SQL as the administrator of the server, for whom no wall applies."""

    async def fetch(connection: asyncpg.Connection) -> list[Any]:
        return await connection.fetch(statement, *values)

    return run(postgres, fetch)


def holders(postgres: Postgres, owner: str) -> set[str]:
    """Return the tables in which an owner has rows, of all tables that have an `owner_id`."""
    tables = [row["relname"] for row in sql(postgres, OWNED_TABLES)]
    each = "SELECT '{0}' AS name FROM tasks.{0} WHERE owner_id = $1"
    query = " UNION ".join(each.format(table) for table in tables)
    return {row["name"] for row in sql(postgres, query, owner)}


def age(postgres: Postgres, table: Any, column: str, id: str, days: int) -> None:
    """Set the timestamp in a column of one row to this number of days ago."""
    query = f"UPDATE {table} SET {column} = now() - $2::int * interval '1 day' WHERE id = $1"  # noqa: S608 - of constants alone
    sql(postgres, query, id, days)


def retain(postgres: Postgres) -> None:
    """Run retention once."""

    async def nobody(_: object) -> Iterable[str]:
        return ()

    async def once() -> None:
        async with Database(postgres.url) as database:
            await Retention(database, nobody).delete_old()

    asyncio.run(once())


@EACH
def test_purge_deletes_all_rows_of_an_owner_and_rejects_later_writes(
    resource: Resource, postgres: Postgres
) -> None:
    async def live(owned: Owned, _: object) -> str:
        writes = Writes(owned, resource)
        _, trashed, deleted = [(await make(owned, resource))["id"] for _ in range(3)]
        await writes.trash([trashed])
        await writes.delete([deleted])
        return owned.owner

    owner = owning(postgres, live)
    assert holders(postgres, owner) >= {"owners", resource.table.name, resource.ids.name}

    async def end(_: object, database: Database) -> None:
        async with database.transaction() as transaction:
            await purge(transaction, owner)
        owned = Owned(database, owner)
        writes = Writes(owned, resource)
        with pytest.raises(Unauthenticated):
            await writes.create(resource.example)
        with pytest.raises(Unauthenticated):
            await writes.create_all([resource.example, resource.example])
        assert await count(owned, resource) == 0

    owning(postgres, end)
    assert holders(postgres, owner) == {"owners"}


@EACH
def test_trash_is_deleted_after_30_days_and_its_tombstone_after_90(
    resource: Resource, postgres: Postgres
) -> None:
    async def trash(owned: Owned, _: object) -> tuple[str, list[str]]:
        ids = [(await make(owned, resource))["id"] for _ in range(3)]
        await Writes(owned, resource).trash(ids[1:])
        return owned.owner, ids

    owner, [kept, young, old] = owning(postgres, trash)
    age(postgres, resource.table, "trashed_at", young, 29)
    age(postgres, resource.table, "trashed_at", old, 31)
    retain(postgres)

    def left(table: Any) -> set[str]:
        query = f"SELECT id::text FROM {table} WHERE id = any($1::uuid[])"  # noqa: S608 - of constants alone
        return {row["id"] for row in sql(postgres, query, [kept, young, old])}

    assert left(resource.table) == {kept, young}
    assert left(resource.ids) == {kept, young, old}
    counts = f"SELECT {resource.count}, {resource.tombstone_count} FROM tasks.owners"  # noqa: S608 - of constants alone
    assert tuple(sql(postgres, f"{counts} WHERE owner_id = $1", owner)[0]) == (2, 1)

    async def again(_: object, database: Database) -> None:
        with pytest.raises(Conflict):
            await Writes(Owned(database, owner), resource).create({**resource.example, "id": old})

    owning(postgres, again)
    age(postgres, resource.ids, "deleted_at", old, 89)
    retain(postgres)
    assert old in left(resource.ids)
    age(postgres, resource.ids, "deleted_at", old, 91)
    retain(postgres)
    assert left(resource.ids) == {kept, young}
    assert tuple(sql(postgres, f"{counts} WHERE owner_id = $1", owner)[0]) == (2, 0)


@EACH
def test_change_feed_has_creates_writes_and_deletions(
    resource: Resource, postgres: Postgres
) -> None:
    async def follow(owned: Owned, _: object) -> None:
        writes, feed = Writes(owned, resource), Changes(owned, resource)

        async def since(cursor: str) -> list[tuple[str, int | None]]:
            rows = (await feed.since(None, cursor)).rows
            return [(row["id"], row["version"]) for row in rows]

        before = await changes.current(owned)
        assert await since(before) == []
        id = (await make(owned, resource))["id"]
        created = await changes.current(owned)
        assert await since(before) == [(id, 1)]
        await writes.update(id, resource.example, None)
        written = await changes.current(owned)
        await writes.trash([id])
        assert await since(created) == [(id, 3)]
        assert await since(written) == [(id, 3)]
        await writes.delete([id])
        assert [await since(cursor) for cursor in (before, created, written)] == [[(id, None)]] * 3

    owning(postgres, follow)


@EACH
def test_quota_of_an_owner_is_bad_user_input(resource: Resource, postgres: Postgres) -> None:
    async def keep(owned: Owned, _: object) -> str:
        await make(owned, resource)
        return owned.owner

    owner = owning(postgres, keep)

    def error_of_create(rows: int, tombstones: int, how_many: int = 0) -> dict[str, str]:
        """Return the error of a create, or of several at once, with these counts before it."""
        counts = f"{resource.count} = $2, {resource.tombstone_count} = $3"
        update = f"UPDATE tasks.owners SET {counts} WHERE owner_id = $1"  # noqa: S608 - of constants alone
        sql(postgres, update, owner, rows, tombstones)

        async def create(_: object, database: Database) -> dict[str, str]:
            writes, example = Writes(Owned(database, owner), resource), resource.example
            many = [example] * how_many
            with pytest.raises(BadUserInput) as raised:
                await (writes.create_all(many) if many else writes.create(example))
            return dict(raised.value.fields)

        return owning(postgres, create)

    full, full_of_ids = resource.full.values()
    assert error_of_create(resource.most, 0) == {"input": full}
    assert error_of_create(resource.most - 1, 0, 2) == {"inputs": full}
    assert error_of_create(1, resource.most_ids - 1) == {"input": full_of_ids}
    assert str(resource.most) in full
    assert str(resource.most_ids) in full_of_ids


@REFERRING
def test_reference_to_a_missing_row_is_not_found(resource: Resource, postgres: Postgres) -> None:
    """A missing ID, an ID of another owner and a malformed ID have the same error."""

    async def refer(owned: Owned, database: Database) -> None:
        own = (await make(owned, resource))["id"]
        writes = Writes(owned, resource)
        for column, target in resource.references.items():
            foreign = (await make(Owned(database, secrets.token_hex(8)), target))["id"]
            for id in (foreign, "018f0000-0000-7000-8000-00000000dead", "x", ""):
                for work in (
                    writes.create({**resource.example, column: id}),
                    writes.update(own, {column: id}, None),
                ):
                    with pytest.raises(NotFound) as raised:
                        await work
                    assert str(raised.value) == str(NotFound(target.one))

    owning(postgres, refer)


@EACH
def test_deleting_a_row_clears_the_references_to_it(resource: Resource, postgres: Postgres) -> None:
    """The referring rows are in the change feed: their versions and change numbers rise."""
    references = {c: t for c, t in resource.references.items() if c != resource.part_of}
    if not references:
        pytest.skip(f"{resource.name} only refer to what they are parts of")

    async def delete(owned: Owned, _: object) -> None:
        for column, target in references.items():
            row = await make(owned, resource)
            before = await changes.current(owned)
            await Writes(owned, target).delete([row[column]])
            [change] = (await Changes(owned, resource).since(None, before)).rows
            assert (change["id"], change["version"], change[column]) == (row["id"], 2, None)

    owning(postgres, delete)


@PARTS
@pytest.mark.parametrize("by_retention", [False, True])
def test_deleting_a_row_deletes_its_parts_and_clears_the_references_to_them(
    resource: Resource, postgres: Postgres, *, by_retention: bool
) -> None:
    assert resource.part_of
    reference, whole = resource.part_of, resource.references[resource.part_of]

    async def delete(owned: Owned, _: object) -> None:
        row, other = await make(owned, resource), await make(owned, resource)
        referring = [
            (each, column, (await Writes(owned, each).create({**each.example, column: row["id"]})))
            for each, column in resource.referring()
        ]
        before = await changes.current(owned)
        if by_retention:
            await Writes(owned, whole).trash([row[reference]])
            old = f"UPDATE {whole.table} SET trashed_at = now() - interval '1 year' WHERE id = $1"  # noqa: S608 - of constants alone
            await asyncio.to_thread(sql, postgres, old, row[reference])
            await asyncio.to_thread(retain, postgres)
        else:
            await Writes(owned, whole).delete([row[reference]])
        for each, id in ((resource, row["id"]), (whole, row[reference])):
            [gone] = (await Changes(owned, each).since(None, before)).rows
            assert (gone["id"], gone["version"]) == (id, None)
            kept = other["id"] if each is resource else other[reference]
            assert await count(owned, each) == 1
            counts = f"SELECT {each.count}, {each.tombstone_count} FROM tasks.owners"  # noqa: S608 - of constants alone
            [counted] = await asyncio.to_thread(
                sql, postgres, f"{counts} WHERE owner_id = $1", owned.owner
            )
            assert tuple(counted) == (1, 1)
            assert (await Reads(owned, each).get(kept))["version"] == 1
        for each, column, one in referring:
            assert (await Reads(owned, each).get(one["id"]))[column] is None

    owning(postgres, delete)


@REFERRING
def test_a_cursor_of_one_parent_does_not_fail_the_list_of_another(
    resource: Resource, postgres: Postgres
) -> None:
    async def nest(owned: Owned, database: Database) -> None:
        claims = Claims(owned.owner, None, None, "", 0)
        for column, target in resource.references.items():
            parents = [await make(owned, target) for _ in range(2)]
            one = parents[0]["id"]
            for _ in range(3):
                await Writes(owned, resource).create({**resource.example, column: one})
            first = (await Reads(owned, resource).pages_of(column, [one], PageRequest(1)))[one]
            rest = PageRequest(after=first.cursor(first.rows[0]))
            context = Context(claims, database)
            page, error = await context.pages_of(resource, column, parents, rest)
            assert isinstance(page, Page)
            assert len(page.rows) == 2
            assert isinstance(error, InvalidCursor)
            ids = [parent["id"] for parent in parents]
            with pytest.raises(InvalidCursor):
                await Reads(owned, resource).pages_of(column, ids, rest)

    owning(postgres, nest)


@REFERRING
def test_a_nested_list_is_counted_once_and_not_for_each_row(
    resource: Resource, postgres: Postgres
) -> None:
    def read(plan: Any) -> int:
        of_this = plan.get("Relation Name") == resource.name
        rows = round(plan["Actual Rows"] * plan["Actual Loops"]) if of_this else 0
        return rows + sum(map(read, plan.get("Plans", ())))

    async def explain(owned: Owned, _: Database) -> None:
        admin = await asyncpg.connect(postgres.url)
        for column, target in resource.references.items():
            parent = (await make(owned, target))["id"]
            given = [{**resource.example, column: parent}] * 20
            await Writes(owned, resource).create_all(given)
            statement = read_sql.nested_page(
                resource, column, "created_at", descending=True, counted=True
            )
            values = {
                **{name: None for name in statement.names if name.startswith("filter_")},
                **read_sql.bound(resource, read_sql.NEWEST_FIRST, None),
                "ids": [parent],
                "statuses": resource.shown_statuses,
                "limit": 20,
            }
            explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
            found = await admin.fetchval(explained, owned.owner, *statement.arguments(values))
            assert 20 < read(json.loads(found)[0]["Plan"]) <= 40
        await admin.close()

    owning(postgres, explain)


@REFERRING
@pytest.mark.parametrize("by_retention", [False, True])
def test_a_row_that_is_referred_to_while_its_deletion_waits_is_deleted(
    resource: Resource, postgres: Postgres, *, by_retention: bool
) -> None:
    """The deletion has a snapshot from before the reference, which a foreign key would refuse."""

    async def race(owned: Owned, database: Database) -> None:
        async def delete(target: Resource, id: str) -> None:
            if by_retention:
                await Owned(database, owned.owner).with_references(retention.empty_trash(target))
            else:
                await Writes(Owned(database, owned.owner), target).delete([id])

        admin = await asyncpg.connect(postgres.url)
        for column, target in resource.references.items():
            if column == resource.part_of:
                continue  # PostgreSQL refuses a part of a row in the trash: see the next test
            id = (await make(owned, target))["id"]
            own = (await Writes(owned, resource).create(resource.example))["id"]
            await Writes(owned, target).trash([id])
            old = f"UPDATE {target.table} SET trashed_at = now() - interval '1 year' WHERE id = $1"  # noqa: S608 - of constants alone
            await admin.execute(old, id)
            async with admin.transaction():
                await admin.execute(
                    "SELECT FROM tasks.owners WHERE owner_id = $1 FOR UPDATE", owned.owner
                )
                deletion = asyncio.create_task(delete(target, id))
                while not await admin.fetchval(WAITING):
                    await asyncio.wait([deletion], timeout=0.01)
                refer = f"UPDATE {resource.table} SET {column} = $1 WHERE id = $2"  # noqa: S608 - of constants alone
                await admin.execute(refer, id, own)
            await deletion
            assert await Reads(owned, target).several([id]) == {}
            assert (await Reads(owned, resource).get(own))[column] is None
        await admin.close()

    owning(postgres, race)


@PARTS
@pytest.mark.parametrize("first", ["create", "move", "restore"])
@pytest.mark.parametrize("second", ["trash", "delete"])
def test_no_part_outside_the_trash_is_left_when_its_whole_goes_at_the_same_time(
    resource: Resource, postgres: Postgres, first: str, second: str
) -> None:
    """The second write has a snapshot from before the first one, which commits while it waits."""
    assert resource.part_of
    reference, whole = resource.part_of, resource.references[resource.part_of]

    async def race(owned: Owned, _: object) -> None:
        id = (await make(owned, whole))["id"]
        parts, wholes = Writes(owned, resource), Writes(owned, whole)
        own = (await parts.create(resource.example))["id"]
        if first == "restore":
            await parts.update(own, {reference: id}, None)
            await parts.trash([own])
        into = {**resource.example, reference: id}
        steps: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "create": lambda: parts.create(into),
            "move": lambda: parts.update(own, {reference: id}, None),
            "restore": lambda: parts.restore([own]),
            "trash": lambda: wholes.trash([id]),
            "delete": lambda: wholes.delete([id]),
        }
        await in_turn(postgres, owned.owner, steps[first], steps[second])
        left = (await Reads(owned, resource).page(PageRequest(first=100))).rows
        assert [row["id"] for row in left] == ([own] if first == "create" else [])
        trashed = (
            await Reads(owned, resource).page(PageRequest(filter={"status": [TRASHED]}))
        ).rows
        assert len(trashed) == (1 if second == "trash" else 0)
        if second == "trash":
            await wholes.restore([id])
            assert (await Reads(owned, resource).get(trashed[0]["id"]))["trashed_at"] is None

    owning(postgres, race)


@PARTS
@pytest.mark.parametrize("second", ["create", "move", "restore"])
def test_no_part_outside_the_trash_is_written_while_its_whole_goes(
    resource: Resource, postgres: Postgres, second: str
) -> None:
    """The write of the part has a snapshot from before its whole was trashed."""
    assert resource.part_of
    reference, whole = resource.part_of, resource.references[resource.part_of]

    async def race(owned: Owned, _: object) -> None:
        id = (await make(owned, whole))["id"]
        parts = Writes(owned, resource)
        own = (await parts.create(resource.example))["id"]
        if second == "restore":
            await parts.update(own, {reference: id}, None)
            await parts.trash([own])
        steps: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "create": lambda: parts.create({**resource.example, reference: id}),
            "move": lambda: parts.update(own, {reference: id}, None),
            "restore": lambda: parts.restore([own]),
        }
        _, told = await in_turn(
            postgres, owned.owner, lambda: Writes(owned, whole).trash([id]), steps[second]
        )
        if second == "restore":
            assert not isinstance(told, BaseException)
        else:
            assert str(told) == str(NotFound(whole.one))
        row = await Reads(owned, resource).get(own)
        assert (row["trashed_at"], row[reference]) == (None, None)
        assert await count(owned, resource) == 1

    owning(postgres, race)


async def in_turn(
    postgres: Postgres,
    owner: str,
    first: Callable[[], Coroutine[Any, Any, object]],
    second: Callable[[], Coroutine[Any, Any, object]],
) -> tuple[object, object]:
    """Run two writes that both begin before the first one ends. Return their results or errors.

    Both wait for the owner's row, which PostgreSQL gives to the first that came.
    """
    admin, watch = [await asyncpg.connect(postgres.url) for _ in range(2)]
    async with admin.transaction():
        await admin.execute("SELECT FROM tasks.owners WHERE owner_id = $1 FOR UPDATE", owner)
        running = list[asyncio.Task[object]]()
        for number, write in enumerate((first, second), 1):
            running.append(asyncio.create_task(write()))
            while await watch.fetchval(HOW_MANY_WAIT) < number:
                await asyncio.wait(running, timeout=0.01)
    one, other = await asyncio.gather(*running, return_exceptions=True)
    await admin.close()
    await watch.close()
    return one, other


@EACH
def test_row_security_is_forced_on_every_table(resource: Resource, postgres: Postgres) -> None:
    for table in (owners, resource.table, resource.ids):
        [wall] = sql(postgres, WALL, str(table))
        assert tuple(wall) == (True, [HELD], True), table.name


def test_owned_tables_of_the_models_are_those_of_postgresql(postgres: Postgres) -> None:
    assert {row["relname"] for row in sql(postgres, OWNED_TABLES)} == scope.OWNED
    assert {t.name for t in metadata.sorted_tables if "owner_id" in t.c} == scope.OWNED


def of_the_noun(resource: Resource) -> list[Compiled]:
    """Return the statements of a noun in the module `rules` of its package."""
    package = resource.fields.__module__.rpartition(".")[0]
    rules = vars(importlib.import_module(f"{package}.rules"))
    return [value for value in rules.values() if isinstance(value, Compiled)]


def pages(resource: Resource) -> list[Statement]:
    """Return the statements of all pages of a resource's lists, nested lists included."""
    kinds = [
        (by, descending, counted, without)
        for by in resource.sorted_by
        for descending in (True, False)
        for counted in (True, False)
        for without in (frozenset[str](), frozenset(resource.bulky))
    ]
    found = [
        read_sql.page(
            resource,
            by,
            descending=descending,
            filtered=filtered,
            counted=counted,
            without=without,
        )
        for by, descending, counted, without in kinds
        for filtered in (True, False)
    ]
    nested = [
        read_sql.nested_page(
            resource, reference, by, descending=descending, counted=counted, without=without
        )
        for by, descending, counted, without in kinds
        for reference in resource.references
    ]
    return [*found, *nested]


@EACH
def test_every_statement_is_scoped_to_its_owner_as_postgresql_parses_it(resource: Resource) -> None:
    """Wall 2, for statements as built. `tests.stack.postgres` checks those that were run."""
    shared = [each for each in statements.build() if isinstance(each, Statement)]
    built = [*shared, *of_the_noun(resource), *pages(resource)]
    assert len(built) >= len(shared) + 16 * len(resource.sorted_by)
    faults = {each.sql: found for each in built if (found := scope.unscoped(each.sql))}
    assert faults == {}
    refused = {each.sql: found for each in built if (found := scope.unroutable(each.sql))}
    assert refused == {}


@EACH
def test_filter_by_a_column_that_clients_do_not_write_has_no_rule(resource: Resource) -> None:
    now = datetime.now(UTC)
    assert From("created_at").value(resource, now) is now


@EACH
def test_only_the_last_status_has_no_condition(resource: Resource) -> None:
    """A row for which no other condition holds has the last status, which is never the trash."""
    assert resource.statuses[TRASHED] is not None
    assert [*resource.statuses.values()].index(None) == len(resource.statuses) - 1


@BULK
def test_bulk_patch_is_written_into_all_rows_or_none(
    resource: Resource, postgres: Postgres
) -> None:
    async def patch(owned: Owned, _: Database) -> None:
        rows = [await make(owned, resource) for _ in range(2)]
        ids, column, writes = [row["id"] for row in rows], resource.bulk[0], Writes(owned, resource)
        values = {column: rows[0][column]}
        assert [row["version"] for row in await writes.update_all(ids, values)] == [2, 2]
        with pytest.raises(NotFound):
            await writes.update_all([*ids, str(uuid4())], values)
        assert [(await Reads(owned, resource).get(id))["version"] for id in ids] == [2, 2]

    owning(postgres, patch)


@REFERRING
def test_statement_that_violates_a_reference_at_each_attempt_is_answered_unavailable(
    resource: Resource, postgres: Postgres
) -> None:
    async def violate(owned: Owned, _: Database) -> None:
        await make(owned, resource)
        for target in resource.references.values():
            everything = delete(target.table).where(target.table.c.owner_id == OWNER)
            with pytest.raises(Unavailable):
                await owned.with_references(Statement(everything))

    owning(postgres, violate)


@EACH
def test_another_constraint_is_no_violated_reference(resource: Resource) -> None:
    for constraint in (None, "pk_owners"):
        assert resource.violated_reference(constraint) is None
