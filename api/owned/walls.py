"""The wall around every statement: SQL that is held to its owner, or touches nothing that has one.

A statement is built once, when its module is imported, and refused there and then unless every use
of an owned table in it compares `owner_id` to the caller; an unowned one may use no such table. It
may be made of the parts listed here alone: what this cannot read, it cannot vouch for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Case,
    Cast,
    ClauseElement,
    ClauseList,
    Column,
    ColumnClause,
    ColumnElement,
    CompoundSelect,
    Delete,
    Exists,
    Insert,
    Label,
    ScalarSelect,
    Select,
    Table,
    TableValuedAlias,
    Tuple,
    TypeClause,
    UnaryExpression,
    Update,
    bindparam,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.dialects.postgresql.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.dialects.postgresql.operators import CONTAINS
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import (
    CollationClause,
    CollectionAggregate,
    ExpressionClauseList,
    Grouping,
    Null,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import and_, custom_op, eq
from sqlalchemy.sql.selectable import ForUpdateArg, SelectStatementGrouping
from sqlalchemy.types import UserDefinedType

from api.owned.tables import SCHEMA, Row, TaskRow, metadata


class _Caller(UserDefinedType[str]):
    """The domain over text that puts wall 3 up: see `migrations/row_security.sql`.

    It does so when `$1` arrives, before PostgreSQL plans the statement. A cast of some other type
    to it would come too late, and leak: so each `$1` of a statement must be of this very type.
    """

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        """SQLAlchemy: its name in SQL."""
        return f"{SCHEMA}.caller"


OWNER: Final = bindparam("owner_id", type_=_Caller)
"""The caller, in a statement. Nobody passes a value for it: `database.Owned` does."""

Built = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
_TABLES: Final = frozenset(metadata.tables.values())
_QUERIES: Final = (Select, CompoundSelect, SelectStatementGrouping, CTE, Insert, Update, Delete)
_PARTS: Final = (
    *_QUERIES,
    *(BinaryExpression, BindParameter, Case, Cast, ClauseList, CollationClause, Column),
    CollectionAggregate,
    *(Exists, ExpressionClauseList, ForUpdateArg, Grouping, Label, Null, ScalarSelect, Tuple),
    *(TableValuedAlias, TypeClause, UnaryExpression, OnConflictDoNothing, OnConflictDoUpdate),
)
_FUNCTIONS: Final = frozenset(
    {
        *("array_to_string", "cardinality", "coalesce", "count", "greatest", "jsonb_to_recordset"),
        *("make_interval", "max", "now", "pg_try_advisory_xact_lock", "relabelled", "unnest"),
    }
)


class UnscopedStatement(Exception):
    """A statement that reaches beyond its owner: a bug, found when its module is imported."""


class _Compiled:
    """SQL for asyncpg. The values for `first` come as `$1` and on, those for `names` behind.

    A text that is the same each time stands in the SQL, and need not be sent: a list has up to
    thirty. Numbers are sent: knowing how many days trash is kept, PostgreSQL reads everybody's.
    """

    def __init__(self, expression: Built, *first: str) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        numbered = list(compiled.positiontup or ())
        if not set(first) <= set(numbered):
            raise UnscopedStatement("the owner is nowhere in it")
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        fixed = {name: _literal(v) for name, v in constants.items() if isinstance(v, str)}
        places = [*first, *dict.fromkeys(n for n in numbered if n not in {*first, *fixed})]
        written = {name: f"${place}" for place, name in enumerate(places, 1)} | fixed
        self.names = places[len(first) :]
        self._known = frozenset(self.names)
        self.constants = {name: constants[name] for name in self.names if name in constants}
        self.sql = re.sub(r"\$(\d+)", lambda m: written[numbered[int(m[1]) - 1]], str(compiled))
        columns = [column.name for column in expression.exported_columns]
        of_task = columns[: len(TaskRow.places)] == [*TaskRow.places]
        self.record: type[Row] = TaskRow if of_task else Row
        self.is_reading = not any(
            isinstance(part, Insert | Update | Delete) for part in visitors.iterate(expression)
        )

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """The values in their places. Raises TypeError for one that has none."""
        if not values.keys() <= self._known:
            raise TypeError(f"the statement has no {sorted(values.keys() - self._known)}")
        given = {**self.constants, **values} if self.constants else values
        return [given[name] for name in self.names]


def _literal(text: str) -> str:
    """Of a text that a statement was built with, in which no request has a part."""
    if "'" in text or "\\" in text:
        raise UnscopedStatement(f"{text!r} cannot be written into a statement")
    return f"'{text}'"


class Statement(_Compiled):
    """SQL for asyncpg, compiled once. `$1` is the owner; the other values go by name.

    Raises UnscopedStatement.
    """

    def __init__(self, expression: Built) -> None:
        if fault := next(_faults(expression), None):
            raise UnscopedStatement(fault)
        super().__init__(expression, OWNER.key)
        if re.search(rf"\$1(?!\d|::{_Caller().get_col_spec()}\b)", self.sql):
            raise UnscopedStatement("an owner who puts up no wall")


class UnownedStatement(_Compiled):
    """SQL about tables in which nothing belongs to anybody. Raises UnscopedStatement for others."""

    def __init__(self, expression: Built) -> None:
        for part in visitors.iterate(expression):
            if not _is_known(part):
                raise UnscopedStatement(f"{type(part).__name__} is no part of a statement here")
            if isinstance(part, Table) and OWNER.key in part.c:
                raise UnscopedStatement(f"{part} belongs to owners")
        super().__init__(expression)


class EveryonesStatement(_Compiled):
    """A question about the rows of everyone, answered by owners alone: what is due for whom.

    Raises UnscopedStatement when it would write, or answer anything else.
    """

    def __init__(self, expression: CompoundSelect[Any]) -> None:
        for part in visitors.iterate(expression):
            if not _is_known(part) or isinstance(part, Insert | Update | Delete):
                raise UnscopedStatement(f"{type(part).__name__} is no part of a statement here")
        if [column.name for column in expression.selected_columns] != [OWNER.key]:
            raise UnscopedStatement("it would tell more than whose rows they are")
        super().__init__(expression)


def _faults(expression: Built) -> Iterator[str]:
    for part in visitors.iterate(expression):
        if not _is_known(part):
            yield f"{type(part).__name__} is no part of a statement here"
        match part:
            case Select():
                yield from _read_faults(part)
            case Insert():
                yield from _insert_faults(part)
            case Update() | Delete():
                yield from _write_faults(part)


def _read_faults(select: Select[Any]) -> Iterator[str]:
    held = _held(select.whereclause)
    for source in select.get_final_froms():
        if not isinstance(source, Table | CTE | TableValuedAlias):
            yield f"SELECT FROM {type(source).__name__} cannot be read"
        elif isinstance(source, Table) and source not in held:
            yield f"SELECT FROM {source} is not held to its owner"


def _write_faults(write: Update | Delete) -> Iterator[str]:
    held = _held(write.whereclause)
    for table in {write.table, *_tables_beside(write)}:
        if table not in held:
            yield f"a write by {table} is not held to its owner"
    if isinstance(write, Update) and OWNER.key in _names(_values(write)):
        yield "a write that gives a row away"


def _is_known(part: object) -> bool:
    """Whether this part can be read, and holds no SQL that was written as text."""
    if isinstance(part, Table):
        return part in _TABLES
    if isinstance(part, FunctionElement):
        return part.name in _FUNCTIONS
    if type(part) is ColumnClause:  # a column that a CTE made, and not `literal_column`
        return not part.is_literal and isinstance(part.table, CTE | TableValuedAlias)
    if isinstance(part, BinaryExpression | UnaryExpression | ExpressionClauseList) and isinstance(
        part.operator, custom_op
    ):
        return part.operator is CONTAINS
    text = ("_prefixes", "_suffixes", "_hints", "_statement_hints")
    return isinstance(part, _PARTS) and not any(getattr(part, name, ()) for name in text)


def _held(where: ColumnElement[Any] | None) -> list[object]:
    """The tables whose `owner_id` must equal the caller for this condition to be true."""
    match where:
        case BooleanClauseList(operator=operator) if operator is and_:
            return [table for clause in where.clauses for table in _held(clause)]
        case BinaryExpression(
            operator=operator, left=Column() as left, right=BindParameter() as right
        ):
            if operator is eq and left.name == right.key == OWNER.key:
                return [left.table]
    return []


def _tables_beside(write: ClauseElement) -> Iterator[object]:
    """What a write reads columns of, outside of its subqueries; CTEs are read by themselves."""
    for part in write.get_children():
        if isinstance(part, Column):
            if not isinstance(part.table, CTE | TableValuedAlias):
                yield part.table
        elif not isinstance(part, _QUERIES):
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
    conflict: Any = insert._post_values_clause  # noqa: SLF001
    if conflict is None:
        return
    # A unique key without the owner would find, and tell of, somebody else's row.
    if OWNER.key not in _names(conflict.inferred_target_elements or ()):
        yield "a conflict in which somebody else's row may be"
    if not isinstance(conflict, OnConflictDoUpdate):
        return
    if OWNER.key in _names(conflict.update_values_to_set):
        yield "an upsert that gives a row away"


# As in `_insert_faults`, SQLAlchemy has no public way to read these back.
def _values(write: Insert | Update) -> Mapping[Any, object]:
    return write._values or {}  # noqa: SLF001


def _names(columns: Iterable[Any]) -> set[str]:
    return {_name(column) for column in columns}


def _name(column: Any) -> str:
    return str(getattr(column, "name", column))
