"""The tables that every owned thing shares: its row, the ids it has used, and its owner."""

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

from api.postgres.tables import SCHEMA, Table, metadata, moment, number


class OwnedRow(Table):
    """The columns of every owned row. The owner is the first half of the key.

    The owner is at once the scope of a row, the key by which tables are sharded, and the column
    that row security compares.
    """

    owner_id: str = Field(primary_key=True, sa_type=Text)
    id: UUID = Field(primary_key=True)
    version: int = Field(1, sa_column_kwargs={"server_default": "1"})
    change_number: int = number()
    """The number of the last write to the row: see `Owner.change_number`."""
    created_at: datetime = moment()
    updated_at: datetime = moment()
    trashed_at: datetime | None = moment(nullable=True)


class Owner(Table, table=True):
    """The state of an owner. Each write of an owner locks this row before any other row.

    So the writes of an owner follow each other, and never wait for each other in a circle. Each
    resource adds a count of its rows and one of its tombstones.
    """

    __tablename__ = "owners"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    change_number: int = number()
    """The number of the last write. It is taken under the lock of this row, so that numbers appear
    in their order."""
    forgotten_number: int = number()
    """The highest change number among the tombstones that were deleted. A client that has read less
    far must read the list again."""
    purged_at: datetime | None = moment(nullable=True)
    """When the account was deleted. Nothing can be written from then on."""


owners = metadata.tables[f"{SCHEMA}.owners"]


def id_table(one: str) -> SqlTable:
    """Return the table of every id that owners ever used for a noun, by the noun's singular.

    An id outlives its row as a tombstone, so that it cannot be used again. Whether an id is free is
    decided by this table's primary key alone: of two statements that race, only a key can tell.
    """
    is_deleted = column("deleted_at").is_not(None)
    name = f"{one}_ids"
    return SqlTable(
        name,
        metadata,
        Column("owner_id", Text, primary_key=True),
        Column("id", Uuid, primary_key=True),
        # The digest of the input that created the row: a create that is sent twice is recognised.
        Column("input_digest", LargeBinary, nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        # The change number of the deletion.
        Column("change_number", BigInteger, nullable=False, server_default="0"),
        Index(f"{name}_deleted", "deleted_at", postgresql_where=is_deleted),
        Index(f"{name}_changed", "owner_id", "change_number", "id", postgresql_where=is_deleted),
    )
