"""The owned tables in hash partitions, and as one table each again.

`make test` also runs the tests of tasks, pages and changes on partitions: see the Makefile.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from api import migrations
from api.owned.walls import OWNER
from api.postgres.tables import metadata
from benchmarks import scale
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import run, trusting
from tests.owned import test_plans
from tests.owned.test_walls import fill
from tests.test_cli import run as api
from tests.test_doctor import examined, wrong

OWNED = sorted(table.name for table in metadata.sorted_tables if OWNER.key in table.c)
TABLES = """
SELECT c.relname, c.relkind::text AS kind, c.relowner::regrole::text AS owner,
  (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid) AS partitions,
  ARRAY(SELECT acl::text FROM unnest(c.relacl) acl ORDER BY 1) AS grants,
  ARRAY(SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = c.oid AND conparentid = 0 ORDER BY 1) AS constraints,
  ARRAY(SELECT replace(pg_get_indexdef(indexrelid), 'ON ONLY', 'ON') FROM pg_index
        WHERE indrelid = c.oid ORDER BY 1) AS indexes,
  ARRAY(SELECT pg_get_triggerdef(oid) FROM pg_trigger
        WHERE tgrelid = c.oid AND NOT tgisinternal ORDER BY 1) AS triggers,
  ARRAY(SELECT polname || pg_get_expr(polqual, polrelid) FROM pg_policy
        WHERE polrelid = c.oid ORDER BY 1) AS policies
FROM pg_class c
WHERE relnamespace = 'tasks'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY c.relname
"""
MORE = """
CREATE TABLE tasks.more (
  owner_id text, id uuid, task_id uuid, PRIMARY KEY (owner_id, id),
  FOREIGN KEY (owner_id, task_id) REFERENCES tasks.tasks (owner_id, id)
);
CREATE FUNCTION tasks.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted AFTER INSERT ON tasks.more FOR EACH ROW EXECUTE FUNCTION tasks.noted();
GRANT SELECT ON tasks.more TO PUBLIC;
INSERT INTO tasks.more SELECT owner_id, gen_random_uuid(), id FROM tasks.tasks;
"""


@pytest.fixture(scope="module")
def loaded() -> Iterator[Postgres]:
    async def load(connection: asyncpg.Connection) -> None:
        await scale.load(connection, tasks=20_000, owners=100)

    with stack.postgres() as server:
        migrations.upgrade(server.url)
        run(server, load)
        migrations.upgrade(server.url, partitions=8)
        yield server


def touched(plan: Any) -> set[str]:
    """Return the owned tables that a plan reads or writes, without pruned partitions."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node.get("Relation Name", "").startswith(tuple(OWNED))
        # A write is planned for the table, and names its partitions in nodes below it.
        and not (node["Node Type"] == "ModifyTable" and node["Relation Name"] in OWNED)
    }


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def test_each_statement_is_pruned_to_one_partition(loaded: Postgres) -> None:
    async def check(connection: asyncpg.Connection) -> None:
        each = [(label, statement, values) async for label, statement, values in pages(connection)]
        each += [case[:3] for case in await test_plans.others(connection)]
        assert len(each) >= 80
        for label, statement, values in each:
            names = touched(await test_plans.plan(connection, statement, **values))
            partitions = {name.removesuffix("_of_8").rpartition("_")[2] for name in names}
            # PostgreSQL finds the partition of an inserted row without reading any.
            assert len(partitions) == (label != "create"), (label, names)
            assert partitions <= {*"01234567"}, (label, names)

    run(loaded, check)


async def pages(connection: asyncpg.Connection) -> Any:
    """Yield each order once, with its first page and each filter."""
    async for label, statement, values in test_plans.pages(connection):
        if " first " in label and str(test_plans.EVERY) in label:
            yield label, statement, values


def test_tables_are_partitioned_and_merged_again_with_all_their_objects(tmp_path: Path) -> None:
    async def tables(connection: asyncpg.Connection) -> dict[str, dict[str, Any]]:
        return {row["relname"]: dict(row) for row in await connection.fetch(TABLES)}

    async def rows(connection: asyncpg.Connection) -> list[Any]:
        hashed = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM tasks.{} t"
        return [
            [tuple(row) for row in await connection.fetch(hashed.format(name))]
            for name in [*OWNED, "more"]
        ]

    config = Config(toml_file=ROOT / "pyproject.toml")
    with stack.postgres() as server:
        url = config.attributes["url"] = server.url
        migrations.upgrade(url)
        fill(url)
        run(url, lambda connection: connection.execute(MORE))
        migrations.upgrade(url)
        whole, kept = run(url, tables), run(url, rows)
        for number in (8, 3):
            migrations.upgrade(url, number)
            divided = run(url, tables)
            counts = {name: table["partitions"] for name, table in divided.items()}
            assert counts == dict.fromkeys(whole, 0) | dict.fromkeys([*OWNED, "more"], number)
            assert {n: t | {"kind": "r", "partitions": 0} for n, t in divided.items()} == whole
            assert run(url, rows) == kept
            assert "wall 3" not in wrong(examined(trusting(url)))
            migrations.upgrade(url)
            migrations.upgrade(url, number)
            assert run(url, tables) == divided, "neither makes a divided table again"
        done = api(trusting(url), tmp_path, "migrate", "--partitions", "1")
        assert (done.returncode, done.stderr) == (0, "")
        assert run(url, tables) == whole
        assert run(url, rows) == kept
        run(url, lambda connection: connection.execute("DROP TABLE tasks.more"))
        migrations.upgrade(url, 2)
        command.check(config)
