"""PostgreSQL: the pool, and the wall that keeps every statement inside one owner's rows.

Two things hold the wall. A statement is built once, when its module is imported, and refused there
and then unless it holds `owner_id` to the caller in every place where it names an owned table.
And whoever runs it cannot say who the caller is: `Owned` was bound to the request's claims, and
puts them in as `$1` itself.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from sqlalchemy import (
    Alias,
    ColumnElement,
    CompoundSelect,
    Delete,
    FromClause,
    Insert,
    Join,
    Select,
    Table,
    Text,
    TextClause,
    Update,
    bindparam,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList
from sqlalchemy.sql.operators import and_, eq

from api.errors import Unavailable

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it

OWNER: Final = bindparam("owner_id", type_=Text)
"""The caller, in a statement. Nobody passes a value for it: `Owned` does."""

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection, from the pool or from PostgreSQL."""
STATEMENT_TIMEOUT = 10.0
POOL_SIZE = 10

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What asyncpg raises when the database cannot be used just now, whatever was asked of it."""


Built = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete


class UnscopedStatement(Exception):
    """A statement that reaches beyond its owner: a bug, found when its module is imported."""


class Statement:
    """SQL for asyncpg, compiled once. `$1` is the owner; the other values go by name."""

    def __init__(self, expression: Built) -> None:
        for fault in _unscoped(expression):
            raise UnscopedStatement(f"{fault} is not held to its owner")
        compiled = expression.compile(dialect=_DIALECT)
        numbered = list(compiled.positiontup or ())
        self.names = [name for name in numbered if name != OWNER.key]
        places = [OWNER.key, *self.names]
        self.sql = re.sub(
            r"\$(\d+)", lambda m: f"${places.index(numbered[int(m[1]) - 1]) + 1}", str(compiled)
        )
        self.constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }


def _unscoped(expression: Built) -> Iterator[str]:
    """Names each place in the statement that is not held to its owner."""
    for element in visitors.iterate(expression):
        match element:
            case TextClause():
                yield "text that nobody can read the owner from"
            case Insert(table=table) if _is_owned(table) and not _inserts_owner(element):
                yield f"INSERT INTO {table}"
            case Update(table=table) | Delete(table=table) if _is_owned(table):
                if table not in _held(element.whereclause):
                    yield f"a write of {table}"
            case Select():
                held = _held(element.whereclause)
                for source in _leaves(element.get_final_froms()):
                    if _is_owned(source) and source not in held:
                        yield f"SELECT FROM {source}"


def _is_owned(source: FromClause) -> bool:
    table = source.element if isinstance(source, Alias) else source
    return isinstance(table, Table) and OWNER.key in table.c


def _leaves(sources: Sequence[FromClause]) -> Iterator[FromClause]:
    for source in sources:
        if isinstance(source, Join):
            yield from _leaves([source.left, source.right])
        else:
            yield source


def _held(where: ColumnElement[Any] | None) -> list[FromClause]:
    """The tables whose `owner_id` must equal the caller for this condition to be true."""
    match where:
        case BooleanClauseList(operator=operator) if operator is and_:
            return [table for clause in where.clauses for table in _held(clause)]
        case BinaryExpression(operator=operator, left=left, right=BindParameter(key=OWNER.key)):
            if operator is eq and getattr(left, "name", None) == OWNER.key:
                return [left.table]
    return []


def _inserts_owner(insert: Insert) -> bool:
    # SQLAlchemy has no public way to read back what an INSERT was given.
    given: dict[str, object]
    if insert.select is not None:
        names = insert._select_names or []  # noqa: SLF001
        given = dict(zip(names, insert.select.selected_columns, strict=True))
    else:
        values: Mapping[Any, object] = insert._values or {}  # noqa: SLF001
        given = {getattr(column, "name", column): value for column, value in values.items()}
    value = given.get(OWNER.key)
    return isinstance(value, BindParameter) and value.key == OWNER.key


class Owned:
    """One owner's way into the database. Made from claims, so that nobody else can say whose."""

    def __init__(self, database: "Database", owner: str) -> None:
        self._database = database
        self.owner = owner

    async def rows(self, statement: Statement, **values: object) -> list[asyncpg.Record]:
        """Runs it, in one round trip. Raises Unavailable when the database is away.

        Constraint violations come as asyncpg has them: what they mean is for the caller to say.
        """
        given = {**statement.constants, **values}
        arguments = [given.pop(name) for name in statement.names]
        if unknown := given.keys() - statement.names:
            raise TypeError(f"the statement has no {sorted(unknown)}")
        async with self._database.connection() as connection:
            return await connection.fetch(statement.sql, self.owner, *arguments)


class Database:
    """A bounded pool of connections, opened and closed with the app."""

    def __init__(self, url: str) -> None:
        self._url = connectable(url)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connects to nothing yet: an API whose database is away starts, and says 503."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings={"application_name": "bearer-tasks-api"},
        )

    async def close(self) -> None:
        """Waits for what runs, and closes every connection."""
        if self._pool is not None:
            await self._pool.close()

    def of(self, owner: str) -> Owned:
        """The database as this owner may see it."""
        return Owned(self, owner)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
        """A connection from the pool. Raises Unavailable while there is none to be had."""
        if self._pool is None:
            raise Unavailable
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                yield connection
        except AWAY as outage:
            if isinstance(outage, ValueError):  # asyncpg's own word for a wrong argument: a bug
                raise
            raise Unavailable from outage

    async def ping(self) -> None:
        """Raises Unavailable unless the database answers."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


def connectable(url: str) -> str:
    """A PostgreSQL URL as providers print it, in the words that asyncpg understands.

    asyncpg sends what it does not know as a setting, which the server then refuses; and it does
    SCRAM's channel binding by itself where the server offers it.
    """
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "channel_binding"]
    return parts._replace(query=urlencode(query)).geturl()
