"""Parse captured SQL with PostgreSQL's parser, and find unscoped tables and what Citus rejects.

This module shares nothing with the check in `api.owned.walls`, which checks statements before they
are SQL. The resources define which tables are owned.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType
from pglast.visitors import Visitor

from api import schema  # noqa: F401 - declares every noun
from api.owned.resource import RESOURCES

OWNED = {"owners", *(table.name for each in RESOURCES for table in (each.table, each.ids))}
"""The tables whose rows belong to owners. A test compares them with PostgreSQL's catalog."""
IMMUTABLE = {"cardinality", "count", "make_interval", "max", "relabelled"}
"""Functions that Citus accepts anywhere. Others may change their result within a session."""

WRITING = re.compile(r"\b(insert|update|delete)\b", re.IGNORECASE)
"""Each statement that writes contains one of these words."""


@cache  # many servers of a run log the same statements, and to parse one takes some milliseconds
def unscoped(sql: str) -> list[str]:
    """Return each use of an owned table that does not compare `owner_id` with `$1`.

    A `$1` of another type than the one that sets the caller, or cast to that type, counts too.
    """
    finder = _Finder()
    finder(parse_sql(sql))
    return finder.faults


@cache
def unroutable(sql: str) -> list[str]:
    """Return what Citus rejects in a write, though PostgreSQL accepts it.

    These are the rules of Citus' router planner for functions that are not immutable: none in a
    CASE or COALESCE of an UPDATE or DELETE, none there that is given a column, none in RETURNING,
    and none in DO UPDATE.
    """
    if not WRITING.search(sql):
        return []  # to parse a statement takes some milliseconds
    finder = _Unroutable()
    finder(parse_sql(sql))
    return finder.faults


class _Unroutable(Visitor):  # type: ignore[misc]  # see below
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def visit_UpdateStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check_expressions("UPDATE", (*node.targetList, node.whereClause))
        self._check("RETURNING", _returned(node))

    def visit_DeleteStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check_expressions("DELETE", (node.whereClause,))
        self._check("RETURNING", _returned(node))

    def visit_InsertStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check("RETURNING", _returned(node))
        if conflict := node.onConflictClause:
            self._check("DO UPDATE", (*(conflict.targetList or ()), conflict.whereClause))

    def _check_expressions(self, what: str, nodes: Any) -> None:
        for part in _parts(nodes):
            if isinstance(part, ast.CaseExpr | ast.CoalesceExpr):
                self._check(f"CASE or COALESCE of {what}", (part,))
            elif isinstance(part, ast.FuncCall) and any(
                isinstance(inner, ast.ColumnRef) for inner in _parts((part,))
            ):
                self._check(f"column in {what}", (part,))

    def _check(self, where: str, nodes: Any) -> None:
        self.faults += [f"{name} in {where}" for name in _mutable(nodes)]


def _returned(write: Any) -> Any:
    return write.returningClause.exprs if write.returningClause else ()


def _mutable(nodes: Any) -> Iterator[str]:
    """Yield the names of the functions in these expressions that are not immutable."""
    for part in _parts(nodes):
        if isinstance(part, ast.SQLValueFunction):  # such as CURRENT_TIMESTAMP
            yield part.op.name
        elif isinstance(part, ast.FuncCall) and part.funcname[-1].sval not in IMMUTABLE:
            yield part.funcname[-1].sval


def _parts(nodes: Any) -> Iterator[Any]:
    """Yield each node of these expressions, and the nodes in it."""
    for node in nodes or ():
        if isinstance(node, tuple):
            yield from _parts(node)
        elif isinstance(node, ast.Node):
            yield node
            yield from _parts(getattr(node, name) for name in node)


class _Finder(Visitor):  # type: ignore[misc]  # mypy does not read pglast, see pyproject.toml
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    # The names are PostgreSQL's, by which pglast finds the methods.
    def visit_SelectStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check(node.fromClause or (), node.whereClause)

    def visit_UpdateStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check((node.relation, *(node.fromClause or ())), node.whereClause)

    def visit_DeleteStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        self._check((node.relation, *(node.usingClause or ())), node.whereClause)

    def visit_InsertStmt(self, _: object, node: Any) -> None:  # noqa: N802 - pglast's name
        if not list(_tables([node.relation])):
            return
        place = [column.name for column in node.cols or ()].index("owner_id")
        query = node.selectStmt
        rows = query.valuesLists or [[target.val for target in query.targetList]]
        if not all(_is_caller(row[place]) for row in rows):
            self.faults.append(f"INSERT INTO {node.relation.relname}")

        if conflict := node.onConflictClause:
            target = conflict.infer.indexElems if conflict.infer else ()
            if "owner_id" not in {element.name for element in target}:
                self.faults.append(f"ON CONFLICT of {node.relation.relname}")

    def _check(self, sources: Iterable[Any], where: Any) -> None:
        held = set(_held(where))
        for table in _tables(sources):
            name = table.alias.aliasname if table.alias else table.relname
            if name not in held:
                self.faults.append(name)


def _tables(sources: Iterable[Any]) -> Iterator[Any]:
    for source in sources:
        if isinstance(source, ast.JoinExpr):
            yield from _tables((source.larg, source.rarg))
        elif isinstance(source, ast.RangeVar) and source.relname in OWNED:
            yield source


def _held(where: Any) -> Iterator[str]:
    """Yield the names of the tables whose `owner_id` this condition compares with `$1`."""
    if isinstance(where, ast.BoolExpr) and where.boolop == BoolExprType.AND_EXPR:
        for part in where.args:
            yield from _held(part)
    elif (
        isinstance(where, ast.A_Expr)
        and where.kind == A_Expr_Kind.AEXPR_OP
        and where.name[0].sval == "="
        and isinstance(where.lexpr, ast.ColumnRef)
        and where.lexpr.fields[-1].sval == "owner_id"
        and _is_caller(where.rexpr)
    ):
        yield where.lexpr.fields[-2].sval


def _is_caller(value: Any) -> bool:
    return (
        isinstance(value, ast.TypeCast)
        and isinstance(value.arg, ast.ParamRef)
        and value.arg.number == 1
        and [name.sval for name in value.typeName.names] == ["tasks", "caller"]
    )
