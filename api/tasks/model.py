"""The table of tasks, with the validation rules of the columns that clients write."""

from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from sqlalchemy import CheckConstraint, SmallInteger, Text, false
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from api.owned.columns import (
    MAX_LABELS,
    ONE_LINE,
    PARAGRAPHS,
    POSITION_CHECK,
    Labels,
    Position,
    null_is,
)
from api.owned.tables import OwnedRow
from api.postgres.tables import timestamp


class Status(StrEnum):
    """The state of a task. A task in the trash is TRASHED, whether it was completed or not."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    TRASHED = "TRASHED"


class Priority(IntEnum):
    """The priority of a task, stored as the number that a list by priority sorts by."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    URGENT = 4


class TaskFields(SQLModel):
    """The fields that clients write. Add your own field here (docs/your-noun.md)."""

    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE
    ]
    description: Annotated[str, StringConstraints(max_length=10_000), PARAGRAPHS, null_is("")] = (
        Field("", sa_column_kwargs={"server_default": ""})
    )
    completed: bool = Field(False, sa_column_kwargs={"server_default": false()})
    priority: Annotated[Priority, null_is(Priority.NONE)] = Field(
        Priority.NONE, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"}
    )
    due_on: date | None = None
    labels: Labels = Field([], sa_type=ARRAY(Text), sa_column_kwargs={"server_default": "{}"})
    position: Position = Field("", sa_type=Text(collation="C"))
    """The position in the manual order. A new task is last by default."""
    project_id: UUID | None = None


class Task(TaskFields, OwnedRow, table=True):
    """A task, with the columns that clients do not write."""

    __tablename__ = "tasks"

    title_folded: str = Field(sa_type=Text(collation="C"))
    description_folded: str = Field("", sa_type=Text, sa_column_kwargs={"server_default": ""})
    completed_at: datetime | None = timestamp(nullable=True)

    __table_args__ = (
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title"),
        CheckConstraint("char_length(description) <= 10000", name="description"),
        CheckConstraint("completed = (completed_at IS NOT NULL)", name="completed"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority"),
        CheckConstraint(f"cardinality(labels) <= {MAX_LABELS}", name="labels"),
        CheckConstraint(POSITION_CHECK, name="position"),
    )
