"""Define the tables of revocations and of the counter that numbers them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, true
from sqlmodel import Field

from api.postgres.tables import SCHEMA, Table, metadata


class Kind(StrEnum):
    """The subject of a security event: one session, or an owner with all of their sessions."""

    SESSION = "SESSION"
    OWNER = "OWNER"


class Revocation(Table, table=True):
    """A security event, stored until every token that it revokes has expired."""

    __tablename__ = "revocations"

    issuer: str = Field(primary_key=True, sa_type=Text)
    jti: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(sa_type=BigInteger)
    kind: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    """The `sid` of the session, or the owner."""
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(str(kind)) for kind in Kind)})", name="kind"),
        Index("revocations_in_order", "number", unique=True),
        Index("revocations_expiring", "expires_at"),
    )


class RevocationCounter(Table, table=True):
    """A single row, which holds the last number of a revocation.

    A transaction that takes the next number locks the row until it commits. So the numbers become
    visible in ascending order.
    """

    __tablename__ = "revocation_counter"

    single: bool = Field(True, primary_key=True, sa_column_kwargs={"server_default": true()})
    number: int = Field(0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})

    __table_args__ = (CheckConstraint("single", name="single"),)


revocations = metadata.tables[f"{SCHEMA}.revocations"]
revocation_counter = metadata.tables[f"{SCHEMA}.revocation_counter"]
