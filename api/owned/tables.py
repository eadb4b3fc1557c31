"""The tables, and what may stand in each column."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import IntEnum, StrEnum
from operator import itemgetter
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
from annotated_types import Len
from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import ErrorDetails, PydanticCustomError
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    column,
    false,
    func,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

SCHEMA = "tasks"
"""The API's own PostgreSQL schema: `public` is Better Auth's."""

TASKS_PER_OWNER = 10_000
IDS_PER_OWNER = 30_000
"""The most ids that are stored for an owner: of tasks, and of tombstones (deleted tasks)."""
LABELS_PER_TASK = 20
NIL = str(UUID(int=0))
"""Never anybody's id: what a malformed id asks for, so that it costs what any other does."""
MAX = str(UUID(int=2**128 - 1))
"""Nor is this: it stands behind all others where a list begins at its end (RFC 9562 §5.10)."""
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Status(StrEnum):
    """Where a task stands; the trash hides whether it was completed."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    TRASHED = "TRASHED"


class Priority(IntEnum):
    """How much a task matters: in the database as the number that a list by priority sorts by."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    URGENT = 4


def _without_controls(allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in value):
            raise PydanticCustomError("control_character", "must not hold control characters")
        return value

    return AfterValidator(check)


ONE_LINE = _without_controls("")
PARAGRAPHS = _without_controls("\n\r\t")


def _null_is(nothing: object) -> BeforeValidator:
    return BeforeValidator(lambda value: nothing if value is None else value)


def label_text(text: str) -> str:
    """Return a label as it is stored: composed (NFC), in lower case, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def _label(text: str) -> str:
    label = label_text(text)
    if not 1 <= len(label) <= 50:
        raise PydanticCustomError("label", "a label must have 1 to 50 characters")
    return label


def _label_set(labels: Iterable[str]) -> list[str]:
    unique = sorted(set(labels))
    if len(unique) > LABELS_PER_TASK:
        raise PydanticCustomError("labels", "must be at most 20 labels")
    return unique


Labels = Annotated[
    list[Annotated[str, ONE_LINE, AfterValidator(_label)]],
    Len(max_length=1_000),
    AfterValidator(_label_set),
    _null_is([]),
]
"""In lower case and composed (NFC), without doubles, sorted: one set has one spelling."""

_LOWEST_POSITION = "A" + "0" * 26
_POSITION = re.compile(r"[A-Za-z][0-9A-Za-z]{1,254}", re.ASCII)


def position_key(key: str) -> str:
    """A fractional index key, as the npm package fractional-indexing makes them in base 62.

    Its first letter says how many digits its whole part has; a fraction behind that ends in no 0.
    """
    if _POSITION.fullmatch(key) and key != _LOWEST_POSITION:
        whole = ord(key[0]) - ord("a") + 2 if key[0] >= "a" else ord("Z") - ord(key[0]) + 2
        if len(key) == whole or (len(key) > whole and not key.endswith("0")):
            return key
    raise PydanticCustomError("position", "must be a fractional index key, such as a0 or a0V")


_WHOLE = (
    "CASE WHEN position >= 'a' THEN ascii(position) - 95 ELSE 92 - ascii(position) END"  # as above
)


def why(error: ErrorDetails) -> str:
    """What is wrong with a value, as a clause of a sentence."""
    return error["msg"][0].lower() + error["msg"][1:]


def folded(text: str) -> str:
    """As it is searched and sorted: whatever its case, and the same on every server."""
    return text.casefold()


class TaskFields(SQLModel):
    """What a client may write. A new field of one's own goes here (docs/your-noun.md)."""

    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE
    ]
    description: Annotated[str, StringConstraints(max_length=10_000), PARAGRAPHS, _null_is("")] = (
        Field("", sa_column_kwargs={"server_default": ""})
    )
    completed: bool = Field(False, sa_column_kwargs={"server_default": false()})
    priority: Annotated[Priority, _null_is(Priority.NONE)] = Field(
        Priority.NONE, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"}
    )
    due_on: date | None = None
    labels: Labels = Field([], sa_type=ARRAY(Text), sa_column_kwargs={"server_default": "{}"})
    position: Annotated[str, AfterValidator(position_key)] = Field("", sa_type=Text(collation="C"))
    """Left out, it is the moment of the task's creation: behind all that were there before."""


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


def _number() -> Any:
    return Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


SORTED_BY = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "due_on": "due_on",
    "priority": "priority",
    "position": "position",
    "title": "title_folded",
}
"""What a list may be ordered by, and the column that sorts so."""


class Task(TaskFields, _Table, table=True):
    """A task. The owner is the first half of the key: its scope, and what one shards by.

    Each order of a list has its index, and each status its stretch of it: a page reads what it
    shows. The indexes sort text by its bytes, since collations differ from server to server.
    """

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
    title_folded: str = Field(sa_type=Text(collation="C"))
    description_folded: str = Field("", sa_type=Text, sa_column_kwargs={"server_default": ""})
    version: int = Field(1, sa_column_kwargs={"server_default": "1"})
    change_number: int = _number()
    """Of the last write to it: see `Owner.change_number`."""
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    completed_at: datetime | None = _moment(nullable=True)
    trashed_at: datetime | None = _moment(nullable=True)

    __table_args__ = (
        CheckConstraint("owner_id <> ''", name="owner"),
        CheckConstraint(f"id NOT IN ('{NIL}', '{MAX}')", name="id"),
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title"),
        CheckConstraint("char_length(description) <= 10000", name="description"),
        CheckConstraint("completed = (completed_at IS NOT NULL)", name="completed"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority"),
        CheckConstraint(f"cardinality(labels) <= {LABELS_PER_TASK}", name="labels"),
        CheckConstraint(
            f"position ~ '^[A-Za-z][0-9A-Za-z]{{1,254}}$' AND position <> '{_LOWEST_POSITION}'"
            f" AND (char_length(position) = {_WHOLE}"
            f" OR char_length(position) > {_WHOLE} AND position NOT LIKE '%0')",
            name="position",
        ),
        *(
            Index(f"tasks_by_{name}", "owner_id", "status", key, "id")
            for name, key in SORTED_BY.items()
        ),
        Index("tasks_changed", "owner_id", "change_number", "id"),
        Index("tasks_trashed", "trashed_at", postgresql_where=column("trashed_at").is_not(None)),
    )


_DELETED = column("deleted_at").is_not(None)


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
    change_number: int = _number()
    """Of the deletion."""

    __table_args__ = (
        Index("task_ids_deleted", "deleted_at", postgresql_where=_DELETED),
        Index("task_ids_changed", "owner_id", "change_number", "id", postgresql_where=_DELETED),
    )


class Owner(_Table, table=True):
    """What an owner's writes meet in, one after the other: each locks this row before any other."""

    __tablename__ = "owners"

    owner_id: str = Field(primary_key=True, sa_type=Text)
    task_count: int
    tombstone_count: int = Field(sa_column_kwargs={"server_default": "0"})
    """The number of rows of `task_ids` whose task was deleted. `task_count` counts the others."""
    change_number: int = _number()
    """Of the last write. Taken under this row's lock, so that numbers appear in their order."""
    forgotten_number: int = _number()
    """Of the last deletion that was forgotten: who has read less far than this starts again."""
    purged_at: datetime | None = _moment(nullable=True)
    """The account was deleted: nothing is written any more."""

    __table_args__ = (
        CheckConstraint(f"task_count BETWEEN 0 AND {TASKS_PER_OWNER}", name="task_count"),
        CheckConstraint("tombstone_count >= 0", name="tombstone_count"),
        CheckConstraint(f"task_count + tombstone_count <= {IDS_PER_OWNER}", name="id_count"),
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


SHOWN = [
    column
    for column in tasks.c
    if column.name
    not in {"owner_id", "status", "title_folded", "description_folded", "change_number"}
]
"""What a client may see of a task."""


class Row(asyncpg.Record):
    """Of an answer. Its columns are attributes, too."""

    __slots__ = ()


class TaskRow(Row):
    """Of a task: it begins with what is `SHOWN`, in that order. GraphQL reads a task from it."""

    __slots__ = ()
    places: ClassVar[Mapping[str, int]] = {column.name: place for place, column in enumerate(SHOWN)}


for _table in metadata.tables.values():
    for _column in _table.columns:
        setattr(Row, _column.name, property(itemgetter(_column.name)))


def is_id(text: str) -> bool:
    """Whether it is a UUID in its canonical spelling, which is the only one here (RFC 9562 §4)."""
    return _ID.fullmatch(text) is not None
