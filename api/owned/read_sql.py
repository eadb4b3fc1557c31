"""Build the statements that read rows: by id, a page of a list, and the count of a list.

A page is a UNION ALL of index scans, one for each status. An index has the rows of a status in the
order of the page, so PostgreSQL merges the scans. It reads only the rows that it returns, however
long the list is and wherever the page begins. Rows without a value in the sorted column have scans
of their own, because they are last in both directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from api.caching import cached
from api.owned.columns import MAX, NIL, is_id
from api.owned.cursors import InvalidCursor
from api.owned.resource import Resource
from api.owned.sort_keys import SortKey, sort_key
from api.owned.walls import OWNER, Statement


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list. Ties are sorted by id, in the same direction."""

    by: str = "created_at"
    descending: bool = True


NEWEST_FIRST = Order()

ID = bindparam("id", type_=Uuid)
IDS = bindparam("ids", type_=ARRAY(Uuid))
STATUSES = bindparam("statuses", type_=ARRAY(Text))
LIMIT = bindparam("limit", type_=Integer)


@cached
def one(resource: Resource) -> Statement:
    """Return the statement that reads the row with an id."""
    table = resource.table
    query = select(*resource.shown).where(table.c.owner_id == OWNER, table.c.id == ID)
    return Statement(query, resource.record)


@cached
def several(resource: Resource) -> Statement:
    """Return the statement that reads the rows with these ids."""
    table = resource.table
    query = select(*resource.shown).where(table.c.owner_id == OWNER, table.c.id == any_(IDS))
    return Statement(query, resource.record)


@cached
def count(resource: Resource, *, filtered: bool) -> Statement:
    """Return the statement that counts the rows of a list; `filtered` is as for `page`."""
    return Statement(_counted(resource, filtered=filtered))


@cached
def page(  # noqa: PLR0913 - each argument changes the statement
    resource: Resource,
    by: str,
    *,
    descending: bool,
    filtered: bool,
    counted: bool = False,
    without: frozenset[str] = frozenset(),
) -> Statement:
    """Return the statement of a page. It is built at its first use: building all takes seconds.

    `filtered` is true for a list with filters besides the status. If `counted`, each row holds the
    `total` of the list. The bulky columns in `without` are null.
    """
    table = resource.table
    column = table.c[resource.sorted_by[by]]
    shown, sorting = _columns(resource, column, without)
    scans = [
        select(*shown, *sorting)
        .where(table.c.owner_id == OWNER, table.c.status == literal(status, Text))
        .where(literal(status, Text) == any_(STATUSES), condition)
        .where(*(_filters(resource) if filtered else ()))
        .order_by(*(c.desc() if descending else c for c in (column, table.c.id)))
        .limit(LIMIT)
        for status, condition in product(
            resource.statuses, _beyond(column, table.c.id, descending=descending)
        )
    ]
    found = union_all(*scans).cte("found")
    total = (
        [_counted(resource, filtered=filtered).scalar_subquery().label("total")] if counted else []
    )
    in_order = _sorted(found, column, descending=descending)
    query = select(found, *total).order_by(*in_order).limit(LIMIT)
    return Statement(query, resource.record)


@cached
def nested_page(  # noqa: PLR0913 - each argument changes the statement
    resource: Resource,
    reference: str,
    by: str,
    *,
    descending: bool,
    counted: bool = False,
    without: frozenset[str] = frozenset(),
) -> Statement:
    """Return the statement of a page for each of several parents, which `reference` refers to.

    Each row holds the id of its parent as `parent_id`, and the `total` of its list if `counted`.
    """
    table = resource.table
    column = table.c[resource.sorted_by[by]]
    parents = func.unnest(IDS).table_valued("parent_id", name="parents").render_derived()
    parent_id = parents.c.parent_id
    shown, sorting = _columns(resource, column, without)

    def of_parent(*columns: ColumnElement[Any]) -> Select[Any]:
        return (
            select(*columns)
            .where(table.c.owner_id == OWNER, table.c[reference] == parent_id)
            .where(table.c.status == any_(STATUSES), *_filters(resource))
        )

    found = (
        of_parent(*shown, *sorting)
        .where(or_(*_beyond(column, table.c.id, descending=descending)))
        .order_by(*_sorted(table, column, descending=descending))
        .limit(LIMIT)
        .correlate(parents)
        .lateral("found")
    )
    # In the FROM, PostgreSQL counts once for each parent, and not once for each row.
    total = of_parent(func.count(table.c.id).label("total")).correlate(parents).lateral("counted")
    more = [total] if counted else []
    query = (
        select(found, parent_id, *more)
        .select_from(parents, *more, found)
        .order_by(parent_id, *_sorted(found, column, descending=descending))
    )
    return Statement(query, resource.record)


@cached
def nested_count(resource: Resource, reference: str) -> Statement:
    """Return the statement that counts the rows that refer to each of several parents."""
    table = resource.table
    parent = table.c[reference]
    return Statement(
        select(parent.label("parent_id"), func.count(table.c.id).label("total"))
        .where(table.c.owner_id == OWNER, parent == any_(IDS))
        .where(table.c.status == any_(STATUSES), *_filters(resource))
        .group_by(parent)
    )


def _columns(
    resource: Resource, column: Column[Any], without: frozenset[str]
) -> tuple[Sequence[ColumnElement[Any]], Sequence[ColumnElement[Any]]]:
    """Return the columns to show, and the column to sort by if it is not one of them."""
    shown = [cast(null(), c.type).label(c.name) if c.name in without else c for c in resource.shown]
    return shown, [] if column.name in resource.record.indexes else [column]


def _beyond(column: Column[Any], id: Column[Any], *, descending: bool) -> list[ColumnElement[bool]]:
    """Return the conditions for rows after a cursor: with a value to sort by, and without one."""
    key = tuple_(column, id)
    bound = tuple_(sort_key(column).parameter, bindparam("after_id", type_=Uuid))
    beyond = [key < bound if descending else key > bound]
    if column.nullable:
        after = bindparam("after_null", type_=Uuid)
        beyond.append(column.is_(None) & (id < after if descending else id > after))
    return beyond


def _sorted(rows: FromClause, column: Column[Any], *, descending: bool) -> list[ColumnElement[Any]]:
    """Return the order of these rows by a column. Rows without a value in it are last.

    NULLS LAST is written only for a nullable column. PostgreSQL reads an index backwards for
    `DESC`, but not for `DESC NULLS LAST`: it would sort the rows instead of merging the scans.
    """
    key, id = rows.c[column.name], rows.c.id
    if not descending:
        return [key.asc(), id.asc()]
    return [key.desc().nulls_last() if column.nullable else key.desc(), id.desc()]


def _counted(resource: Resource, *, filtered: bool) -> Select[Any]:
    table = resource.table
    return (
        select(func.count(table.c.id).label("total"))
        .where(table.c.owner_id == OWNER, table.c.status == any_(STATUSES))
        .where(*(_filters(resource) if filtered else ()))
    )


def _filters(resource: Resource) -> list[ColumnElement[bool]]:
    return [each.condition(resource, f"filter_{name}") for name, each in resource.filters.items()]


def bound(resource: Resource, order: Order, position: Sequence[str] | None) -> dict[str, object]:
    """Return the values of the parameters that say where a page begins.

    The page begins after the position in a cursor or, if there is none, at the beginning of the
    list. Raises InvalidCursor for a position that is not valid in this list.
    """
    column = resource.table.c[resource.sorted_by[order.by]]
    key, nullable = sort_key(column), bool(column.nullable)
    start, end = (key.highest, key.lowest) if order.descending else (key.lowest, key.highest)
    first, last = (MAX, NIL) if order.descending else (NIL, MAX)
    if position is None:
        found: dict[str, object] = {"after": start, "after_id": first, "after_null": first}
    else:
        sort, id = _read(key, position, resource.rules.get(column.name), nullable=nullable)
        found = (
            {"after": end, "after_id": last, "after_null": id}
            if sort is None
            else {"after": sort, "after_id": id, "after_null": first}
        )
    if not nullable:
        del found["after_null"]
    return found


def _read(
    key: SortKey, position: Sequence[str], rule: TypeAdapter[Any] | None, *, nullable: bool
) -> tuple[object, str]:
    try:
        text, id = position
        sort = None if nullable and not text else key.read(text)
        if rule and sort is not None:
            rule.validate_python(sort)
    except ValueError:
        raise InvalidCursor from None
    if not is_id(id) or (sort is not None and key.write(sort) != text):
        raise InvalidCursor
    return sort, id
