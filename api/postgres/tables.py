"""The base class of all tables, and the class of the rows that statements return."""

from typing import Any, ClassVar

import asyncpg
from sqlalchemy import BigInteger, DateTime, MetaData, func
from sqlmodel import Field, SQLModel

SCHEMA = "tasks"
"""The API's own PostgreSQL schema. Better Auth's tables are in `public`."""


class Table(SQLModel):
    """The base of every table of the API."""

    metadata: ClassVar[MetaData] = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "pk": "pk_%(table_name)s",
        },
    )


metadata = Table.metadata


def timestamp(*, nullable: bool = False) -> Any:
    """Return a field for a timestamp with time zone. The default is the current time, or null."""
    default = {} if nullable else {"server_default": func.now()}
    return Field(None, sa_type=DateTime(timezone=True), nullable=nullable, sa_column_kwargs=default)


def number() -> Any:
    """Return a field for a 64-bit number, 0 by default."""
    return Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class Row(asyncpg.Record):
    """A row of a result, whose columns can also be read as attributes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
