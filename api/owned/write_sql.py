"""Build the statements that write rows, and the parts from which a noun can build its own.

Each write is one statement, which takes effect as a whole or not at all. It locks the owner's row
before it reads any other row. So the writes of one owner run one after another, without deadlocks.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    Table,
    Update,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from api.caching import cached
from api.owned.columns import NIL
from api.owned.columns import folded as fold
from api.owned.read_sql import ID, IDS
from api.owned.resource import Resource
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement

_of_owner = owners.c.owner_id == OWNER

OWNER_LOCK = (
    select(owners.c.owner_id, func.now().label("now"))
    .where(_of_owner)
    .with_for_update()
    .cte("owner_lock")
)
"""A CTE that locks the owner's row. The lock is taken before any other row is read, so that a
write sees the result of the previous one. The CTE also selects `now()`, because Citus refuses
function calls in CASE and COALESCE."""


def locked(
    resource: Resource,
    *which: ColumnElement[bool],
    most: int | None = None,
    name: str = "wanted",
) -> CTE:
    """Return a CTE that selects and locks the rows to write, after the owner's row."""
    table = resource.table
    return (
        select(*resource.shown)
        .where(table.c.owner_id == OWNER, table.c.owner_id == OWNER_LOCK.c.owner_id, *which)
        .limit(most)
        .with_for_update(of=table)
        .cte(name)
    )


def locked_by_ids(resource: Resource) -> tuple[CTE, ColumnElement[bool]]:
    """Return a CTE of the locked rows with the ids of `IDS`, and the condition that all exist."""
    wanted = locked(resource, resource.table.c.id == any_(IDS))
    found = select(func.count(wanted.c.id)).scalar_subquery()
    return wanted, found == func.cardinality(IDS)


def numbered(*when: ColumnElement[bool], **counts: ColumnElement[int]) -> CTE:
    """Return a CTE that takes the owner's next change number if all conditions `when` are true.

    `counts` are new values for columns of the owner's row.
    """
    return (
        update(owners)
        .where(_of_owner, *when)
        .values(change_number=owners.c.change_number + 1, **counts)
        .returning(owners.c.change_number)
        .cte("numbered")
    )


def written(
    resource: Resource, wanted: CTE, number: CTE, *which: ColumnElement[bool], **values: Any
) -> Update:
    """Return an UPDATE of the wanted rows that sets these values, the version and the number."""
    table = resource.table
    return (
        update(table)
        .where(table.c.owner_id == OWNER, table.c.id == wanted.c.id, *which)
        .values(**values, **stamped(table, number))
        .returning(*resource.shown)
    )


def stamped(table: Table, number: CTE) -> dict[str, ColumnElement[Any]]:
    """Return the values that every write of a row sets: version, time and change number."""
    return {
        "version": table.c.version + 1,
        "updated_at": func.now(),
        "change_number": number.c.change_number,
    }


def patched(resource: Resource, names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    """Return an expression for each column: the value in the patch, or else the current value.

    A statement with these expressions needs the values that `patch_values` returns.
    """
    table = resource.table
    sources = {folded: name for name, folded in resource.folded.items()}
    new: dict[str, ColumnElement[Any]] = {
        name: case(
            (
                bindparam(f"has_{sources.get(name, name)}", type_=Boolean),
                bindparam(f"new_{name}", type_=table.c[name].type),
            ),
            else_=table.c[name],
        )
        for name in names
    }
    others: dict[str, ColumnElement[Any]] = {
        timestamp: case(
            (new[name], func.coalesce(table.c[timestamp], OWNER_LOCK.c.now)), else_=null()
        )
        for name, timestamp in resource.since.items()
        if name in new
    }
    if (part_of := resource.part_of) in new:
        sent = bindparam(f"new_{part_of}", type_=Uuid)
        is_sent = bindparam(f"has_{part_of}", type_=Boolean)
        live = func.coalesce(_live_id(resource, sent), cast(NIL, Uuid))
        found = case((sent.is_(None), null()), else_=live)
        new[part_of] = case((is_sent, found), else_=table.c[part_of])
        others["trashed_as_part"] = table.c.trashed_as_part & ~is_sent
    return {**new, **others}


def _live_id(resource: Resource, reference: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the id of the whole row with this id; NULL if it is in the trash or missing."""
    whole = resource.references[str(resource.part_of)].table
    of_owner = select(whole.c.live_id).where(whole.c.owner_id == OWNER)
    return of_owner.where(whole.c.id == reference).scalar_subquery()


@cached
def create(resource: Resource) -> Statement:
    """Return the statement that counts new rows, reserves their ids and inserts them.

    If one of the ids was used before, the violated primary key rolls the whole statement back. The
    CHECK constraints of `owners` limit the rows and ids of an owner, and refuse a purged owner.
    """
    table, ids = resource.table, resource.ids
    given = (
        func.jsonb_to_recordset(bindparam("given", type_=JSONB))
        .table_valued(
            column("id", Uuid),
            column("input_digest", LargeBinary),
            *(column(name, table.c[name].type) for name in resource.written),
            name="given",
        )
        .render_derived(with_types=True)
    )
    how_many = bindparam("how_many", type_=Integer)
    counted = (
        insert(owners)
        .values({"owner_id": OWNER, resource.count: how_many, "change_number": 1})
        .on_conflict_do_update(
            index_elements=["owner_id"],
            set_={
                resource.count: owners.c[resource.count] + how_many,
                "change_number": owners.c.change_number + 1,
            },
        )
        .returning(owners.c.change_number)
        .cte("counted")
    )
    taken = (
        insert(ids)
        .from_select(
            ["owner_id", "id", "input_digest"],
            select(OWNER, given.c.id, given.c.input_digest).select_from(counted, given),
            include_defaults=False,
        )
        .returning(ids.c.id)
        .cte("taken")
    )
    values = {
        "owner_id": OWNER,
        "id": taken.c.id,
        "change_number": counted.c.change_number,
        **{name: given.c[name] for name in resource.written},
        **{
            timestamp: case((given.c[name], func.now()), else_=null())
            for name, timestamp in resource.since.items()
        },
    }
    return Statement(
        insert(table)
        .from_select(
            list(values),
            select(*values.values()).where(given.c.id == taken.c.id),
            include_defaults=False,
        )
        .returning(*resource.shown),
        resource.record,
    )


@cached
def digests(resource: Resource) -> Statement:
    """Return the statement that reads the digests of the inputs that created these ids."""
    ids = resource.ids
    return Statement(
        select(ids.c.id, ids.c.input_digest).where(ids.c.owner_id == OWNER, ids.c.id == any_(IDS))
    )


@cached
def change(resource: Resource) -> Statement:
    """Return the statement that writes a patch into one row, if it has the expected version."""
    table = resource.table
    expected = bindparam("expected_version", type_=Integer)
    wanted = locked(
        resource, table.c.id == ID, or_(expected.is_(None), table.c.version == expected)
    )
    new = patched(resource, resource.written)
    return Statement(written(resource, wanted, numbered(exists(wanted)), **new), resource.record)


@cached
def change_all(resource: Resource) -> Statement:
    """Return the statement that writes a patch of the columns in `bulk` into all rows, or none."""
    wanted, all_found = locked_by_ids(resource)
    names = [*resource.bulk, *(resource.folded[n] for n in resource.bulk if n in resource.folded)]
    new = patched(resource, names)
    return Statement(written(resource, wanted, numbered(all_found), **new), resource.record)


@cached
def move(resource: Resource, *, trash: bool) -> Statement:
    """Return the statement that moves rows into the trash or out of it.

    A row that is already there is returned, but not written. The parts of a row are trashed with
    it, and these parts are restored with it. A part that is restored without its whole row loses
    the reference to a row in the trash.
    """
    wanted, all_found = locked_by_ids(resource)
    is_there = wanted.c.trashed_at.is_not(None) if trash else wanted.c.trashed_at.is_(None)
    number = numbered(all_found, exists(select(wanted.c.id).where(~is_there)))
    values: dict[str, ColumnElement[Any]] = {"trashed_at": func.now() if trash else null()}
    alone = {}
    if resource.part_of and not trash:
        live = _live_id(resource, wanted.c[resource.part_of])
        alone = {resource.part_of: live, "trashed_as_part": literal(False)}
    moved = written(resource, wanted, number, ~is_there, **values, **alone).cte("moved")
    there = select(wanted).where(is_there)
    query = select(moved).union_all(there)
    for part, reference in resource.parts():
        rows = part.table
        moves_too = rows.c.trashed_at.is_(None) if trash else rows.c.trashed_as_part
        parts = (
            update(rows)
            .where(rows.c.owner_id == OWNER, rows.c[reference] == moved.c.id, moves_too)
            .values(**values, trashed_as_part=literal(trash), **stamped(rows, number))
        )
        query = query.add_cte(parts.cte(f"moved_{part.name}"))
    return Statement(query, resource.record)


def patch_values(
    resource: Resource, values: Mapping[str, Any], names: Iterable[str]
) -> dict[str, object]:
    """Return the parameters of `patched`: whether the patch has each column, and its value."""
    given: dict[str, object] = {}
    for name in names:
        value = values.get(name)
        if isinstance(value, UUID):  # connections exchange ids as text
            value = str(value)
        given[f"has_{name}"] = name in values
        given[f"new_{name}"] = value
        if name in resource.folded:
            folded = fold(value) if value is not None else None
            given[f"new_{resource.folded[name]}"] = folded
    return given
