"""The table of projects, with the validation rules of the columns that clients write."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import StringConstraints
from sqlalchemy import CheckConstraint, SmallInteger, Text, false
from sqlmodel import Field, SQLModel

from api.owned.columns import ONE_LINE, PARAGRAPHS, POSITION_CHECK, Position, null_is
from api.owned.tables import OwnedRow
from api.postgres.tables import timestamp


class Status(StrEnum):
    """The state of a project. A project in the trash is TRASHED, whether archived or not."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
    TRASHED = "TRASHED"


class Color(IntEnum):
    """The color of a project. The database stores its number."""

    GRAY = 0
    RED = 1
    ORANGE = 2
    YELLOW = 3
    GREEN = 4
    TEAL = 5
    BLUE = 6
    PURPLE = 7
    PINK = 8


class ProjectFields(SQLModel):
    """The fields that clients write."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), ONE_LINE
    ]
    description: Annotated[str, StringConstraints(max_length=10_000), PARAGRAPHS, null_is("")] = (
        Field("", sa_column_kwargs={"server_default": ""})
    )
    color: Annotated[Color, null_is(Color.GRAY)] = Field(
        Color.GRAY, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"}
    )
    position: Position = Field("", sa_type=Text(collation="C"))
    """The position in the manual order. A new project is last by default."""
    archived: bool = Field(False, sa_column_kwargs={"server_default": false()})


class Project(ProjectFields, OwnedRow, table=True):
    """A project, with the columns that clients do not write."""

    __tablename__ = "projects"

    name_folded: str = Field(sa_type=Text(collation="C"))
    description_folded: str = Field("", sa_type=Text, sa_column_kwargs={"server_default": ""})
    archived_at: datetime | None = timestamp(nullable=True)

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
        CheckConstraint("char_length(description) <= 10000", name="description"),
        CheckConstraint("color BETWEEN 0 AND 8", name="color"),
        CheckConstraint("archived = (archived_at IS NOT NULL)", name="archived"),
        CheckConstraint(POSITION_CHECK, name="position"),
    )
