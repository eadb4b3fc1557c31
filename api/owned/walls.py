"""Wall 2: refuse every statement about owned tables that is not restricted to its owner.

Statements are built once, when the API starts. A statement is refused when it is built, unless it
compares `owner_id` to the caller wherever it uses an owned table.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import (
    CTE,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Cast,
    ClauseElement,
    Column,
    ColumnElement,
    CompoundSelect,
    Delete,
    Insert,
    Lateral,
    Select,
    Subquery,
    Table,
    TableValuedAlias,
    Update,
    bindparam,
)
from sqlalchemy.dialects.postgresql.dml import OnConflictClause, OnConflictDoUpdate
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.operators import and_, eq
from sqlalchemy.types import UserDefinedType

from api.owned.tables import owners
from api.postgres.statement import (
    OWNER_COLUMN,
    QUERIES,
    Built,
    Compiled,
    UnscopedStatement,
    checked_parts,
)
from api.postgres.tables import SCHEMA, Row

_DOMAIN: Final = "caller"


class _Caller(UserDefinedType[str]):
    """The SQL domain whose CHECK activates wall 3 (see `migrations/row_security.sql`).

    PostgreSQL evaluates the CHECK when it receives `$1`, before it plans the statement. If `$1` had
    another type and were cast to the domain, the CHECK would be evaluated too late, and rows could
    leak. So each `$1` in a statement must have this type.
    """

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        """Return the name of the type in SQL."""
        return f"{SCHEMA}.{_DOMAIN}"


OWNER: Final = bindparam(OWNER_COLUMN, type_=_Caller)
"""The parameter of a statement for the caller. Only `Owned` passes a value for it."""
_NUMBER: Final = owners.c.change_number


class Statement(Compiled):
    """A statement whose `$1` is the owner. Its other values are passed by name.

    Raises UnscopedStatement if the statement could reach the rows of another owner.
    """

    is_owned: ClassVar[bool] = True

    def __init__(self, expression: Built, record: type[Row] = Row) -> None:
        if fault := next(_faults(checked_parts(expression)), None):
            raise UnscopedStatement(fault)
        super().__init__(expression, OWNER.key, record=record)
        if re.search(rf"\$1(?!\d|::{_Caller().get_col_spec()}\b)", self.sql):
            raise UnscopedStatement("$1 must have the type of the caller everywhere")


class CrossOwnerQuery(Compiled):
    """A query over the rows of every owner that returns only owners and their change numbers.

    See `retention.due` and `live.NUMBERS`. Raises UnscopedStatement if the query writes, or returns
    any other column.
    """

    def __init__(self, expression: Select[Any] | CompoundSelect[Any]) -> None:
        for part in checked_parts(expression):
            if isinstance(part, Insert | Update | Delete):
                raise UnscopedStatement(f"{type(part).__name__} writes the rows of every owner")
        for query in expression.selects if isinstance(expression, CompoundSelect) else [expression]:
            match [*query.selected_columns]:
                case [Column(name=OWNER.key)]:
                    continue
                case [Column(name=OWNER.key), Column() as number] if number is _NUMBER:
                    continue
            raise UnscopedStatement("the query returns more than owners and change numbers")
        super().__init__(expression)


def _faults(parts: Iterable[object]) -> Iterator[str]:
    for part in parts:
        if _names_a_caller(part):
            yield "a caller other than that of the request"
        match part:
            case Select():
                yield from _read_faults(part)
            case Insert():
                yield from _insert_faults(part)
            case Update() | Delete():
                yield from _write_faults(part)


def _names_a_caller(part: object) -> bool:
    """Return whether a part is a value of the domain `caller` that is not `$1`.

    PostgreSQL would move wall 3 to that owner. A function that has the name of a type is a cast.
    """
    match part:
        case BindParameter():
            return isinstance(part.type, _Caller) and part.key != OWNER.key
        case Cast():
            return isinstance(part.type, _Caller)
        case Function():
            return part.name == _DOMAIN
    return False


def _read_faults(select: Select[Any]) -> Iterator[str]:
    restricted = _restricted(select.whereclause)
    for source in select.get_final_froms():
        if not isinstance(source, Table | CTE | Lateral | TableValuedAlias):
            yield f"SELECT FROM {type(source).__name__} cannot be checked"
        elif isinstance(source, Lateral) and not _is_of_query(source):
            yield "SELECT FROM LATERAL of a table cannot be checked"
        elif isinstance(source, Table) and source not in restricted:
            yield f"SELECT FROM {source} is not restricted to its owner"


def _is_of_query(source: Lateral) -> bool:
    """Return whether a LATERAL reads a query, which SQLAlchemy wraps in a subquery."""
    element = source.element
    return isinstance(element.element if isinstance(element, Subquery) else element, QUERIES)


def _write_faults(write: Update | Delete) -> Iterator[str]:
    restricted = _restricted(write.whereclause)
    for table in {write.table, *_tables_beside(write)}:
        if table not in restricted:
            yield f"a write that uses {table} is not restricted to its owner"
    if isinstance(write, Update) and OWNER.key in _names(_values(write)):
        yield "a write changes the owner of a row"


def _restricted(where: ColumnElement[Any] | None) -> list[object]:
    """Return the tables whose `owner_id` must equal the caller for this condition to be true."""
    match where:
        case BooleanClauseList(operator=operator) if operator is and_:
            return [table for clause in where.clauses for table in _restricted(clause)]
        case BinaryExpression(
            operator=operator, left=Column() as left, right=BindParameter() as right
        ):
            if operator is eq and left.name == right.key == OWNER.key:
                return [left.table]
    return []


def _tables_beside(write: ClauseElement) -> Iterator[object]:
    """Yield the tables whose columns a write reads outside of its subqueries and CTEs."""
    for part in write.get_children():
        if isinstance(part, Column):
            if not isinstance(part.table, CTE | Lateral | TableValuedAlias):
                yield part.table
        elif not isinstance(part, QUERIES):
            yield from _tables_beside(part)


def _insert_faults(insert: Insert) -> Iterator[str]:
    given: Mapping[str, object] = {}
    if insert.select is None:
        given = {_name(column): value for column, value in _values(insert).items()}
    elif isinstance(insert.select, Select):
        names = insert._select_names or []  # noqa: SLF001 - no public way to read it back
        given = dict(zip(names, insert.select.selected_columns, strict=True))
    owner = given.get(OWNER.key)
    if not isinstance(owner, BindParameter) or owner.key != OWNER.key:
        yield f"INSERT INTO {insert.table} is not for its owner"
    for part in insert.get_children():
        if isinstance(part, OnConflictClause):
            yield from _conflict_faults(part)


def _conflict_faults(conflict: OnConflictClause) -> Iterator[str]:
    # A conflict on a unique key without the owner would reveal that another owner has such a row.
    if OWNER.key not in _names(conflict.inferred_target_elements or ()):
        yield "a conflict could be with the row of another owner"
    if not isinstance(conflict, OnConflictDoUpdate):
        return
    if OWNER.key in _names(conflict.update_values_to_set):
        yield "an upsert changes the owner of a row"


def _values(write: Insert | Update) -> Mapping[Any, object]:
    return write._values or {}  # noqa: SLF001 - no public way to read them back


def _names(columns: Iterable[Any]) -> set[str]:
    return {_name(column) for column in columns}


def _name(column: Any) -> str:
    return str(getattr(column, "name", column))
