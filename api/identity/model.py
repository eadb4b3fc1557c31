"""The tables of security events: what was revoked, and the order in which it became known."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, true
from sqlmodel import Field

from api.postgres.tables import SCHEMA, Table, metadata


class Kind(StrEnum):
    """Whose access a security event ends: that of one session, or of an owner."""

    SESSION = "SESSION"
    OWNER = "OWNER"


class Revocation(Table, table=True):
    """A security event, kept for as long as a token that it revokes could live."""

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
    """One row. A transaction that takes a number locks it until the commit, so that numbers appear
    in their order.
    """

    __tablename__ = "revocation_counter"

    single: bool = Field(True, primary_key=True, sa_column_kwargs={"server_default": true()})
    number: int = Field(0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})

    __table_args__ = (CheckConstraint("single", name="single"),)


revocations = metadata.tables[f"{SCHEMA}.revocations"]
revocation_counter = metadata.tables[f"{SCHEMA}.revocation_counter"]
