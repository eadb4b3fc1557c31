"""Wall 2: a statement is only built if every owned table in it is scoped to the owner."""

from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    collate,
    column,
    delete,
    exists,
    func,
    insert,
    join,
    lateral,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql import quoted_name

from api.identity import revocations as revocations_room
from api.identity.model import revocations
from api.owned import statements
from api.owned.sort_keys import sort_key
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement
from api.postgres.statement import Built, Compiled, UnownedStatement, UnscopedStatement
from api.postgres.tables import metadata
from api.tasks import rules
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests import scope, stack
from tests.conftest import Caller, run

tasks, task_ids = TASKS.table, TASKS.ids
mine = tasks.c.owner_id == OWNER
other = tasks.alias("other")

UNSCOPED: dict[str, Callable[[], Built]] = {
    "no condition": lambda: select(tasks),
    "another condition": lambda: select(tasks).where(tasks.c.id == bindparam("id")),
    "an owner of one's own": lambda: select(tasks).where(tasks.c.owner_id == bindparam("who")),
    "a constant owner": lambda: select(tasks).where(tasks.c.owner_id == "ada"),
    "or": lambda: select(tasks).where(or_(mine, tasks.c.completed)),
    "not": lambda: select(tasks).where(~mine),
    "unequal": lambda: select(tasks).where(tasks.c.owner_id != OWNER),
    "the other table of a join": lambda: (
        select(tasks).join(task_ids, task_ids.c.id == tasks.c.id).where(mine)
    ),
    "the same table again": lambda: select(tasks, other).where(mine),
    "a subquery": lambda: select(literal(1)).where(exists(select(task_ids.c.id))),
    "a common table": lambda: select(select(tasks).cte("everything")),
    "a write beside a good query": lambda: (
        select(tasks).where(mine).add_cte(delete(task_ids).cte("gone"))
    ),
    "a union": lambda: select(tasks.c.id).where(mine).union_all(select(tasks.c.id)),
    "update": lambda: update(tasks).values(title="x"),
    "update of another table": lambda: update(tasks).where(owners.c.owner_id == OWNER),
    "delete": lambda: delete(tasks).where(tasks.c.completed),
    "insert for another": lambda: insert(tasks).values(owner_id="bob"),
    "insert for nobody": lambda: insert(tasks).values(title="x"),
    "insert from a query for another": lambda: insert(task_ids).from_select(
        ["owner_id", "id"], select(tasks.c.owner_id, tasks.c.id).where(mine)
    ),
    "an alias of an alias": lambda: select(other.alias("again").c.id).where(mine),
    "a sample": lambda: select(tasks.tablesample(100).c.id).where(mine),
    "a join in brackets": lambda: (
        select(other.c.title)
        .select_from(join(tasks, join(owners, other, literal(True)), literal(True)))
        .where(mine, owners.c.owner_id == OWNER)
    ),
    "update from another's row": lambda: (
        update(tasks).where(mine, task_ids.c.id == tasks.c.id).values(title=task_ids.c.input_digest)
    ),
    "update from an alias": lambda: update(tasks).where(mine).values(title=other.c.title),
    "delete that returns another's row": lambda: (
        delete(tasks).where(mine, task_ids.c.id == tasks.c.id).returning(task_ids.c.input_digest)
    ),
    "a row given away": lambda: update(tasks).where(mine).values(owner_id=bindparam("who")),
    "a row given away on conflict": lambda: (
        pg_insert(owners)
        .values(owner_id=OWNER, task_count=1)
        .on_conflict_do_update(index_elements=["owner_id"], set_={"owner_id": bindparam("who")})
    ),
    "insert from a union": lambda: insert(task_ids).from_select(
        ["owner_id", "id"],
        select(OWNER, bindparam("id")).union_all(select(bindparam("who"), bindparam("id"))),
    ),
    "a conflict with anybody": lambda: (
        pg_insert(task_ids).values(owner_id=OWNER, id=bindparam("new")).on_conflict_do_nothing()
    ),
    "a conflict with another's row": lambda: (
        pg_insert(task_ids)
        .values(owner_id=OWNER, id=bindparam("new"))
        .on_conflict_do_update(index_elements=["id"], set_={"deleted_at": None})
    ),
    "insert of several": lambda: insert(task_ids).values(
        [{"owner_id": OWNER}, {"owner_id": "bob"}]
    ),
    "a literal": lambda: select(tasks).where(mine, literal_column("true) or (true")),
    "an operator of one's own": lambda: select(tasks).where(mine, tasks.c.title.op("or")("x")),
    "a prefix": lambda: select(tasks).where(mine).prefix_with("ALL"),
    "a suffix": lambda: select(tasks).where(mine).suffix_with("OR true"),
    "a function that runs SQL": lambda: select(func.query_to_xml("select 1")).where(mine),
    "a table of no model": lambda: select(table("tasks", column("title"), schema="tasks")),
    "a model of one's own": lambda: select(
        Table("tasks", MetaData(), Column("title"), schema="tasks")
    ),
    "an owner written into the statement": lambda: select(tasks).where(
        tasks.c.owner_id == bindparam(OWNER.key, "bob", type_=OWNER.type)
    ),
    "an owner given beforehand": lambda: select(tasks).where(mine).params(owner_id="bob"),
    "another caller beside its own": lambda: select(literal("bob", OWNER.type)).where(mine),
    "a cast to the domain of callers": lambda: select(cast(tasks.c.title, OWNER.type)).where(mine),
    "a cast that looks like a function": lambda: select(func.tasks.caller("bob")).where(mine),
    "a function of another schema": lambda: select(func.other.unnest(tasks.c.labels)).where(mine),
    "a column of no table": lambda: select(Column("title", Text)).where(mine),
    "SQL as the name of a column": lambda: select(
        select(tasks.c.title.label(quoted_name("x, (SELECT 1)", quote=False))).where(mine).cte()
    ),
    "SQL as a collation": lambda: select(
        collate(tasks.c.title, quoted_name('"C" OR true', quote=False))
    ).where(mine),
    "a table that looks like a query": lambda: select(lateral(tasks).c.title, OWNER),
    "nobody's rows": lambda: select(literal(1)),
    "text": lambda: select(tasks).where(mine, text("true OR true")),
}


@pytest.mark.parametrize("reach", UNSCOPED)
def test_statement_with_an_unscoped_table_is_rejected(reach: str) -> None:
    with pytest.raises(UnscopedStatement):
        Statement(UNSCOPED[reach]())


def test_upsert_that_gives_its_row_to_another_owner_is_rejected() -> None:
    upsert = (
        pg_insert(task_ids)
        .values(owner_id=OWNER, id=bindparam("new"))
        .on_conflict_do_update(index_elements=["owner_id", "id"], set_={"owner_id": OWNER})
    )
    with pytest.raises(UnscopedStatement, match="an upsert changes the owner of a row"):
        Statement(upsert)


@pytest.mark.parametrize("text", ["it's", "back\\slash"])
def test_text_that_needs_quoting_is_not_written_into_the_sql(text: str) -> None:
    with pytest.raises(UnscopedStatement, match="cannot be written into a statement"):
        Statement(select(tasks).where(mine, tasks.c.title == text))


def test_owner_parameter_of_another_type_is_rejected() -> None:
    """PostgreSQL would set the caller only after it had planned the statement."""
    late = tasks.c.owner_id == bindparam(OWNER.key, type_=Text)
    with pytest.raises(UnscopedStatement, match="must have the type of the caller"):
        Statement(select(tasks).where(late))


def test_list_cannot_be_sorted_by_a_column_without_a_sort_key() -> None:
    with pytest.raises(TypeError, match="no list can be sorted by a column of type BYTEA"):
        sort_key(Column("digest", BYTEA))


def test_scoped_statement_is_built() -> None:
    theirs = exists(select(task_ids.c.id).where(task_ids.c.owner_id == OWNER))
    statement = Statement(
        select(func.count(tasks.c.id)).where(mine, tasks.c.title == bindparam("t"), theirs)
    )
    assert statement.names == ["t"]
    assert statement.sql.count("$1") == 2
    assert statement.is_reading
    lateral_query = select(task_ids.c.id).where(task_ids.c.owner_id == OWNER).lateral()
    assert Statement(select(tasks.c.id, lateral_query).where(mine)).sql.count("$1") == 2
    written = insert(task_ids).values(owner_id=OWNER, id=bindparam("new_id"))
    assert not Statement(written).is_reading
    upsert = pg_insert(task_ids).values(owner_id=OWNER, id=bindparam("new_id"))
    assert Statement(upsert.on_conflict_do_nothing(index_elements=["owner_id", "id"])).is_owned
    parents = func.unnest(bindparam("ids", type_=ARRAY(Uuid))).table_valued("id", name="parents")
    below = select(tasks.c.title).where(mine, tasks.c.id == parents.c.id).correlate(parents)
    nested = Statement(select(parents.c.id, below.lateral("below")).select_from(parents))
    assert "LATERAL" in nested.sql
    gone = select(tasks.c.id).where(mine).add_cte(delete(tasks).where(mine).cte("gone"))
    assert not Statement(gone).is_reading


def test_parser_of_captured_statements_finds_unscoped_tables() -> None:
    """The check at the end of the run shares no code with wall 2, and must be able to fail."""
    for sql, faults in {
        "SELECT 1": [],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = @ AND id = $2": [],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $2": ["tasks"],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = @ OR true": ["tasks"],
        "WITH a AS (DELETE FROM tasks.tasks RETURNING id) SELECT * FROM a": ["tasks"],
        "UPDATE tasks.owners SET task_count = 0": ["owners"],
        "INSERT INTO tasks.task_ids (id, owner_id) VALUES ($2, @)": [],
        "INSERT INTO tasks.task_ids (id, owner_id) VALUES (@, $2)": ["INSERT INTO task_ids"],
        "INSERT INTO tasks.task_ids (owner_id) VALUES (@) ON CONFLICT (id) DO NOTHING": [
            "ON CONFLICT of task_ids"
        ],
        "INSERT INTO tasks.task_ids (owner_id) VALUES (@) ON CONFLICT DO NOTHING": [
            "ON CONFLICT of task_ids"
        ],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $1": ["tasks"],
        "SELECT * FROM tasks.tasks WHERE tasks.tasks.owner_id = $1::text::tasks.caller": ["tasks"],
    }.items():
        assert scope.unscoped(sql.replace("@", "$1::tasks.caller")) == faults, sql


def test_parser_of_captured_statements_finds_what_citus_rejects() -> None:
    update = "UPDATE tasks.tasks SET completed_at ="
    upsert = "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET"
    for sql, faults in {
        f"{update} CASE WHEN completed THEN now() END": ["now in CASE or COALESCE of UPDATE"],
        f"{update} 1 + coalesce(completed_at, CURRENT_TIMESTAMP)": [
            "SVFOP_CURRENT_TIMESTAMP in CASE or COALESCE of UPDATE"
        ],
        f"WITH a AS ({update} coalesce(completed_at, clock_timestamp())) SELECT 1": [
            "clock_timestamp in CASE or COALESCE of UPDATE"
        ],
        f"{update} date_trunc('day', created_at)": ["date_trunc in column in UPDATE"],
        f"{update} now() RETURNING now()": ["now in RETURNING"],
        f"{update} now() WHERE CASE WHEN completed THEN now() END < created_at": [
            "now in CASE or COALESCE of UPDATE"
        ],
        "DELETE FROM tasks.tasks WHERE coalesce(trashed_at, now()) < now()": [
            "now in CASE or COALESCE of DELETE"
        ],
        f"{upsert} a = now()": ["now in DO UPDATE"],
        f"{upsert} a = 1 WHERE t.a < random()": ["random in DO UPDATE"],
        f"{update} now(), labels = relabelled(labels, $1, $2)": [],
        f"{update} CASE WHEN completed THEN owner_lock.now END FROM owner_lock": [],
        f"{upsert} a = excluded.a": [],
        "INSERT INTO t (a) VALUES (now())": [],
        "SELECT coalesce(a, now()) FROM t": [],
    }.items():
        assert scope.unroutable(sql) == faults, sql


def test_functions_that_citus_accepts_anywhere_are_immutable(postgres: Postgres) -> None:
    async def asked(connection: asyncpg.Connection) -> set[str]:
        immutable = "SELECT proname FROM pg_proc WHERE proname = ANY ($1) AND provolatile <> 'i'"
        return {row["proname"] for row in await connection.fetch(immutable, [*scope.IMMUTABLE])}

    assert run(postgres, asked) == set()


def test_no_statement_has_a_form_that_citus_rejects() -> None:
    """Pages and all others are also checked after they ran: see `stack.postgres`."""
    rooms = [*vars(revocations_room).values(), *vars(rules).values()]
    built = [*statements.build(), *(each for each in rooms if isinstance(each, Compiled))]
    assert len(built) >= 25
    assert [fault for statement in built for fault in scope.unroutable(statement.sql)] == []


@pytest.mark.parametrize(
    "expression",
    [
        select(tasks),
        select(tasks).where(mine),
        select(revocations.c.jti).where(exists(select(tasks.c.id))),
        insert(owners).values(owner_id="ada"),
        update(owners).values(task_count=0),
        delete(task_ids),
        select(revocations.c.jti).add_cte(delete(tasks).cte("gone")),
        select(text("owner_id FROM tasks.tasks")),
    ],
    ids=str,
)
def test_unowned_statement_cannot_read_or_write_owned_tables(expression: Built) -> None:
    with pytest.raises(UnscopedStatement):
        UnownedStatement(expression)


def test_parser_knows_every_owned_table() -> None:
    owned = {table.name for table in metadata.tables.values() if OWNER.key in table.c}
    assert owned == scope.OWNED


def test_statements_that_an_api_ran_can_be_captured(ada: Caller, postgres: Postgres) -> None:
    """Otherwise the check at the end of each server would check nothing."""
    ada.create()
    ran = stack.statements(postgres, "bearer-tasks-api")
    assert [sql for sql in ran if sql.startswith("WITH counted AS")]
