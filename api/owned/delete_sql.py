"""Build the statements that delete rows and leave tombstones."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Update,
    Uuid,
    any_,
    delete,
    func,
    null,
    select,
    update,
)

from api.caching import cached
from api.owned.resource import Resource
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement
from api.owned.write_sql import locked, locked_by_ids, numbered, stamped


@cached
def remove(resource: Resource) -> Statement:
    """Return the statement that deletes the rows with these ids, and leaves tombstones.

    If one of the rows does not exist, the statement deletes none.
    """
    return deleted(resource, *locked_by_ids(resource))


def deleted(resource: Resource, wanted: CTE, *when: ColumnElement[bool]) -> Statement:
    """Return the statement that deletes the wanted rows with their parts, and leaves tombstones.

    References to the deleted rows become null. The rows with such a reference get a new version,
    and appear in the change feed.
    """
    to_delete = [(resource, wanted)]
    for each, rows in to_delete:  # the loop appends to the list: parts may have parts
        for part, reference in each.parts():
            of_them = part.table.c[reference].in_(select(rows.c.id))
            to_delete.append((part, locked(part, of_them, name=f"wanted_{part.name}")))
    counts: dict[str, ColumnElement[int]] = {}
    for each, rows in to_delete:
        how_many = select(func.count(rows.c.id)).scalar_subquery()
        counts[each.count] = owners.c[each.count] - how_many
        counts[each.tombstone_count] = owners.c[each.tombstone_count] + how_many
    number = numbered(*when, **counts)
    [query, *others] = (_tombstones(each, rows, number) for each, rows in to_delete)
    for (each, _), tombstones in zip(to_delete[1:], others, strict=True):
        query = query.add_cte(tombstones.cte(f"tombstones_{each.name}"))
    return Statement(query)


def _tombstones(resource: Resource, wanted: CTE, number: CTE) -> Update:
    """Return the UPDATE that creates tombstones for the rows that its CTE deletes.

    The rows are selected by an array of ids. A join would compare each of 10,000 ids with each of
    10,000 others if PostgreSQL estimates that the owner has few rows.
    """
    table, ids = resource.table, resource.ids
    removed = (
        delete(table)
        .where(table.c.owner_id == OWNER, table.c.id == _any_id(wanted))
        .where(number.c.change_number.is_not(None))
        .returning(table.c.id)
        .cte(f"deleted_{resource.name}")
    )
    tombstones = (
        update(ids)
        .where(ids.c.owner_id == OWNER, ids.c.deleted_at.is_(None), ids.c.id == _any_id(removed))
        .values(deleted_at=func.now(), change_number=number.c.change_number)
        .returning(ids.c.id)
    )
    for referring, name in resource.referring():
        if name != referring.part_of:  # pragma: no cover - `test_your_noun.py` has such a noun
            unlinked = (
                update(referring.table)
                .where(referring.table.c.owner_id == OWNER, referring.table.c[name] == removed.c.id)
                .values({name: null(), **stamped(referring.table, number)})
            )
            tombstones = tombstones.add_cte(unlinked.cte(f"unlinked_{referring.name}_{name}"))
    return tombstones


def _any_id(rows: CTE) -> ColumnElement[Any]:
    return any_(func.array(select(rows.c.id).scalar_subquery(), type_=ARRAY(Uuid)))
