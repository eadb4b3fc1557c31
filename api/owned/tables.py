"""The columns and tables that all resources share: rows, their ids, and owners."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    Text,
    Uuid,
    column,
)
from sqlalchemy import Table as SqlTable
from sqlmodel import Field

from api.postgres.tables import SCHEMA, Table, metadata, number, timestamp


class OwnedRow(Table):
    """The columns of every owned row.

    `owner_id` is the first column of the primary key. It is also the key by which tables are
    sharded, and the column that row security compares.
    """

    owner_id: str = Field(primary_key=True, sa_type=Text)
    id: UUID = Field(primary_key=True)
    version: int = Field(1, sa_column_kwargs={"server_default": "1"})
    change_number: int = number()
    """The change number of the last write to the row (see `Owner.change_number`)."""
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()
    trashed_at: datetime | None = timestamp(nullable=True)


class Owner(Table, table=True):
    """The state of an owner. Each write of an owner locks this row before any other row.

    So the writes of an owner run one after another, without deadlocks. Each resource adds a column
    with the number of its rows, and one with the number of its tombstones.
    """

    __tablename__ = "owners"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    change_number: int = number()
    """The number of the last write. It is taken under the lock of this row, so that numbers become
    visible in ascending order."""
    forgotten_number: int = number()
    """The highest change number among the tombstones that were deleted. A client whose last change
    has a lower number must read the list again."""
    purged_at: datetime | None = timestamp(nullable=True)
    """When the account was deleted. Nothing can be written from then on."""


owners = metadata.tables[f"{SCHEMA}.owners"]


def id_table(one: str) -> SqlTable:
    """Return the table of all ids that a noun has ever used. `one` is the noun in the singular.

    The id of a deleted row stays as a tombstone, so that it cannot be used again. The primary key
    of this table decides whether an id is free, because only a unique key can decide between two
    concurrent statements.
    """
    is_deleted = column("deleted_at").is_not(None)
    name = f"{one}_ids"
    return SqlTable(
        name,
        metadata,
        Column("owner_id", Text, primary_key=True),
        Column("id", Uuid, primary_key=True),
        # The digest of the input that created the row, to recognize a create that is sent twice.
        Column("input_digest", LargeBinary, nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        # The change number of the deletion.
        Column("change_number", BigInteger, nullable=False, server_default="0"),
        Index(f"{name}_deleted", "deleted_at", postgresql_where=is_deleted),
        Index(f"{name}_changed", "owner_id", "change_number", "id", postgresql_where=is_deleted),
    )
