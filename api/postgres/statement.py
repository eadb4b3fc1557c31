"""Compile SQL statements for asyncpg, and refuse statements with parts that cannot be checked.

A statement may use the tables of `metadata`, the parts of SQLAlchemy in `_PARTS` and the functions
in `_FUNCTIONS`. Anything else is refused, above all SQL text, because the walls cannot check it.
`owned.walls` adds the rules for tables whose rows have an owner.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import (
    CTE,
    BinaryExpression,
    BindParameter,
    Case,
    Cast,
    ClauseList,
    Column,
    ColumnClause,
    CompoundSelect,
    Delete,
    Exists,
    Insert,
    Label,
    Lateral,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    TableValuedAlias,
    Tuple,
    TypeClause,
    UnaryExpression,
    Update,
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
from sqlalchemy.sql.functions import Function, FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import ForUpdateArg, SelectStatementGrouping
from sqlalchemy.sql.visitors import ExternallyTraversible

from api.postgres.tables import SCHEMA, Row, metadata

OWNER_COLUMN: Final = "owner_id"
"""The column that marks a table whose rows have an owner."""

Built = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
QUERIES: Final = (Select, CompoundSelect, SelectStatementGrouping, CTE, Insert, Update, Delete)
_PARTS: Final = (
    *QUERIES,
    *(BinaryExpression, BindParameter, Case, Cast, ClauseList, CollationClause, Column),
    CollectionAggregate,
    *(Exists, ExpressionClauseList, ForUpdateArg, Grouping, Label, Lateral, Null, ScalarSelect),
    *(Subquery, TableValuedAlias, Tuple, TypeClause, UnaryExpression),
    *(OnConflictDoNothing, OnConflictDoUpdate),
)
_FUNCTIONS: Final = frozenset(
    {
        *("array", "array_to_string", "cardinality", "coalesce", "count", "greatest"),
        *("jsonb_to_recordset", "make_interval", "max", "now", "pg_notify", "unnest"),
    }
)
_NAMES: Final = ("name", "collation")
"""Attributes of parts that are written into the SQL as identifiers."""


class UnscopedStatement(Exception):
    """A statement could reach rows of other owners. This is a bug, found when it is built."""


class Compiled:
    """A statement in SQL for asyncpg. The parameters in `first` are `$1`, `$2` and so on.

    The values of the other parameters are passed by name. Constant texts are literals in the SQL,
    so that they are not sent with each call: a list has up to thirty. Constant numbers are sent. If
    PostgreSQL knew for how many days the trash is kept, it would plan to read the rows of every
    owner.
    """

    is_owned: ClassVar[bool] = False
    """Whether `$1` is the owner whose rows the statement reaches."""

    def __init__(self, expression: Built, *first: str, record: type[Row] = Row) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        numbered = list(compiled.positiontup or ())
        if not set(first) <= set(numbered):
            raise UnscopedStatement("the statement does not use its owner")
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        if fixed := constants.keys() & {*first}:
            raise UnscopedStatement(f"the statement has a value for {sorted(fixed)}")
        texts = {name: _literal(v) for name, v in constants.items() if isinstance(v, str)}
        parameters = [*first, *dict.fromkeys(n for n in numbered if n not in {*first, *texts})]
        written = {name: f"${number}" for number, name in enumerate(parameters, 1)} | texts
        self.names = parameters[len(first) :]
        self._known = frozenset(self.names)
        self.constants = {name: constants[name] for name in self.names if name in constants}
        self.sql = re.sub(r"\$(\d+)", lambda m: written[numbered[int(m[1]) - 1]], str(compiled))
        self.record = record
        self.is_reading = not any(
            isinstance(part, Insert | Update | Delete) for part in visitors.iterate(expression)
        )

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of their parameters.

        Raises TypeError for an unknown name, and KeyError for a missing one.
        """
        if not values.keys() <= self._known:
            raise TypeError(f"the statement has no {sorted(values.keys() - self._known)}")
        given = {**self.constants, **values} if self.constants else values
        return [given[name] for name in self.names]


class UnownedStatement(Compiled):
    """A statement about tables that have no owner. Raises UnscopedStatement for other tables."""

    def __init__(self, expression: Built) -> None:
        for part in checked_parts(expression):
            if isinstance(part, Table) and OWNER_COLUMN in part.c:
                raise UnscopedStatement(f"the rows of {part} have owners")
        super().__init__(expression)


def checked_parts(expression: Built) -> list[ExternallyTraversible]:
    """Return each part of a statement once, even if the statement uses a CTE several times.

    Raises UnscopedStatement if a part cannot be checked.
    """
    parts = {id(part): part for part in visitors.iterate(expression)}
    for part in parts.values():
        if not _is_known(part):
            raise UnscopedStatement(f"{type(part).__name__} cannot be part of a statement here")
    return [*parts.values()]


def _is_known(part: object) -> bool:
    """Return whether a part can be checked and contains no SQL text."""
    if any(getattr(getattr(part, name, None), "quote", None) is False for name in _NAMES):
        return False  # `quoted_name(…, quote=False)` is written into the SQL as it is
    if isinstance(part, Table):
        return metadata.tables.get(part.key) is part
    if isinstance(part, FunctionElement):
        # A function in the API's own schema was created by one of its migrations.
        packages = part.packagenames if isinstance(part, Function) else ()
        return packages == (SCHEMA,) or (not packages and part.name in _FUNCTIONS)
    if isinstance(part, Column):
        return getattr(part, "table", None) is not None
    if type(part) is ColumnClause:  # a column that a CTE made, and not `literal_column`
        return not part.is_literal and isinstance(part.table, CTE | Lateral | TableValuedAlias)
    if isinstance(part, BinaryExpression | UnaryExpression | ExpressionClauseList) and isinstance(
        part.operator, custom_op
    ):
        return part.operator is CONTAINS
    text = ("_prefixes", "_suffixes", "_hints", "_statement_hints")
    return isinstance(part, _PARTS) and not any(getattr(part, name, ()) for name in text)


def _literal(text: str) -> str:
    """Return a constant text as an SQL literal. Texts of requests are parameters, not literals."""
    if "'" in text or "\\" in text:
        raise UnscopedStatement(f"{text!r} cannot be written into a statement")
    return f"'{text}'"
