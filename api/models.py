"""The tables, and what may stand in each column."""

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Text,
    desc,
    false,
    func,
    true,
)
from sqlmodel import Field, SQLModel

SCHEMA = "tasks"
"""The API's own PostgreSQL schema: `public` is Better Auth's."""

TASKS_PER_OWNER = 10_000
NIL = UUID(int=0)
"""Never anybody's id: what a malformed id asks for, so that it costs what any other does."""


class Status(StrEnum):
    """Where a task stands; the trash hides whether it was completed."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    TRASHED = "TRASHED"


def _without_controls(allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in value):
            raise PydanticCustomError("control_character", "must not hold control characters")
        return value

    return AfterValidator(check)


ONE_LINE = _without_controls("")
PARAGRAPHS = _without_controls("\n\r\t")
EMPTY_FOR_NULL = BeforeValidator(lambda value: "" if value is None else value)


class TaskFields(SQLModel):
    """What a client may write. A new field of one's own goes here (docs/your-noun.md)."""

    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE
    ]
    description: Annotated[
        str, StringConstraints(max_length=10_000), PARAGRAPHS, EMPTY_FOR_NULL
    ] = Field("", sa_column_kwargs={"server_default": ""})
    completed: bool = Field(False, sa_column_kwargs={"server_default": false()})


class _Table(SQLModel):
    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "pk": "pk_%(table_name)s",
        },
    )


def _moment(*, nullable: bool = False) -> Any:
    default = {} if nullable else {"server_default": func.now()}
    return Field(None, sa_type=DateTime(timezone=True), nullable=nullable, sa_column_kwargs=default)


class Task(TaskFields, _Table, table=True):
    """A task. The owner is the first half of the key: its scope, and what one shards by."""

    __tablename__ = "tasks"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    id: UUID = Field(primary_key=True)
    status: str = Field(
        sa_column=Column(
            Text,
            Computed(
                "CASE WHEN trashed_at IS NOT NULL THEN 'TRASHED'"
                " WHEN completed THEN 'COMPLETED' ELSE 'OPEN' END",
                persisted=True,
            ),
            nullable=False,
        )
    )
    version: int = Field(1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    completed_at: datetime | None = _moment(nullable=True)
    trashed_at: datetime | None = _moment(nullable=True)

    __table_args__ = (
        CheckConstraint("owner_id <> ''", name="owner"),
        CheckConstraint(f"id <> '{NIL}'", name="id"),
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title"),
        CheckConstraint("char_length(description) <= 10000", name="description"),
        CheckConstraint("completed = (completed_at IS NOT NULL)", name="completed"),
        Index("tasks_newest_first", "owner_id", desc("created_at"), desc("id")),
    )


class TaskId(_Table, table=True):
    """Every id that an owner ever gave to a task. It outlives the task, so that none comes back.

    Which id is free is asked of this key alone: of two statements that race, only a key can tell.
    """

    __tablename__ = "task_ids"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    id: UUID = Field(primary_key=True)
    input_digest: bytes = Field(sa_type=LargeBinary)
    """Of what the task was created from, so that a create sent twice is known as the same."""
    deleted_at: datetime | None = _moment(nullable=True)


class Owner(_Table, table=True):
    """What racing writes of one owner meet in: their tasks' number, and that they are gone."""

    __tablename__ = "owners"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    task_count: int
    purged_at: datetime | None = _moment(nullable=True)
    """The account was deleted: nothing is written any more."""

    __table_args__ = (
        CheckConstraint(f"task_count BETWEEN 0 AND {TASKS_PER_OWNER}", name="task_count"),
        CheckConstraint("purged_at IS NULL OR task_count = 0", name="purged"),
    )


class Kind(StrEnum):
    """What a security event takes the right to call from."""

    SESSION = "SESSION"
    OWNER = "OWNER"


class Revocation(_Table, table=True):
    """A security event that was taken, for as long as a token that it refuses could live."""

    __tablename__ = "revocations"

    issuer: str = Field(primary_key=True, sa_type=Text)
    jti: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(sa_type=BigInteger)
    kind: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    """The `sid`, or the owner."""
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(str(kind)) for kind in Kind)})", name="kind"),
        Index("revocations_in_order", "number", unique=True),
        Index("revocations_expiring", "expires_at"),
    )


class RevocationCounter(_Table, table=True):
    """One row. Whoever takes a number holds it until the commit, so numbers appear in order."""

    __tablename__ = "revocation_counter"

    single: bool = Field(True, primary_key=True, sa_column_kwargs={"server_default": true()})
    number: int = Field(0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})

    __table_args__ = (CheckConstraint("single", name="single"),)


metadata = _Table.metadata
tasks = metadata.tables[f"{SCHEMA}.tasks"]
task_ids = metadata.tables[f"{SCHEMA}.task_ids"]
owners = metadata.tables[f"{SCHEMA}.owners"]
revocations = metadata.tables[f"{SCHEMA}.revocations"]
revocation_counter = metadata.tables[f"{SCHEMA}.revocation_counter"]
