"""The GraphQL types and fields: names and descriptions, and a line that hands each to `tasks`."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar, cast

import strawberry
from strawberry import ID, UNSET
from strawberry.schema.config import StrawberryConfig
from strawberry.utils.str_converters import to_camel_case

from api.context import Info
from api.errors import Code
from api.graphql.documents import Prepared
from api.graphql.execution import Replaying
from api.owned import changes
from api.owned.changes import ChangePage
from api.owned.cursors import DEFAULT_SIZE, MAX_SIZE
from api.owned.lists import BULKY, MAX_LABELS, Filter, Order, OrderField, Page
from api.owned.tables import LABELS_PER_TASK, Priority, Row, Status, TaskRow
from api.tasks.rules import MAX_AT_ONCE

_T = TypeVar("_T")


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


DateTime = strawberry.scalar(
    name="DateTime",
    description="A moment, as RFC 3339 writes it: in UTC, with up to six decimals of a second.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=_utc,
    parse_value=datetime.fromisoformat,
)


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is written YYYY-MM-DD")
    return date.fromisoformat(value)


Date = strawberry.scalar(
    name="Date",
    description="A day of the calendar, wherever one is: YYYY-MM-DD.",
    specified_by_url="https://scalars.graphql.org/andimarek/local-date.html",
    serialize=date.isoformat,
    parse_value=_day,
)


@strawberry.enum(name="Priority", description="How much a task matters.")
class TaskPriority(Enum):
    NONE = strawberry.enum_value(int(Priority.NONE), description="Nobody said.")
    LOW = strawberry.enum_value(int(Priority.LOW), description="When there is time.")
    MEDIUM = strawberry.enum_value(int(Priority.MEDIUM), description="As a rule.")
    HIGH = strawberry.enum_value(int(Priority.HIGH), description="Before others.")
    URGENT = strawberry.enum_value(int(Priority.URGENT), description="Now.")


@strawberry.enum(description="What a list is ordered by. Ties go by id, in the same direction.")
class TaskOrderField(Enum):
    CREATED_AT = strawberry.enum_value(OrderField.CREATED_AT, description="When it was created.")
    UPDATED_AT = strawberry.enum_value(OrderField.UPDATED_AT, description="When it was written.")
    DUE_ON = strawberry.enum_value(
        OrderField.DUE_ON, description="When it is due; without a day last, in either direction."
    )
    PRIORITY = strawberry.enum_value(OrderField.PRIORITY, description="NONE is the lowest.")
    POSITION = strawberry.enum_value(OrderField.POSITION, description="As people dragged them.")
    TITLE = strawberry.enum_value(
        OrderField.TITLE, description="By the characters of the title, whatever their case."
    )


@strawberry.enum(description="Which end of a list comes first.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="The least first.")
    DESC = strawberry.enum_value("DESC", description="The greatest first.")


@strawberry.enum(description="What became of a task.")
class TaskChangeKind(Enum):
    SAVED = strawberry.enum_value("SAVED", description="It was created or written, or trashed.")
    PURGED = strawberry.enum_value("PURGED", description="It is gone for good.")


@strawberry.enum(description="Where a task stands.")
class TaskStatus(Enum):
    OPEN = strawberry.enum_value(Status.OPEN, description="To be done, and not in the trash.")
    COMPLETED = strawberry.enum_value(Status.COMPLETED, description="Done, and not in the trash.")
    TRASHED = strawberry.enum_value(Status.TRASHED, description="In the trash, done or not.")


@strawberry.enum(description="What `extensions.code` of an error may be.")
class ErrorCode(Enum):
    UNAUTHENTICATED = strawberry.enum_value(
        Code.UNAUTHENTICATED, description="No token, or one that is bad, expired or revoked."
    )
    NOT_FOUND = strawberry.enum_value(
        Code.NOT_FOUND, description="No such task of the caller's, for whatever reason."
    )
    BAD_USER_INPUT = strawberry.enum_value(
        Code.BAD_USER_INPUT, description="`extensions.fields` says which input is wrong, and why."
    )
    CONFLICT = strawberry.enum_value(
        Code.CONFLICT, description="The task is at `extensions.currentVersion`, or the id is taken."
    )
    OPERATION_TOO_LARGE = strawberry.enum_value(
        Code.OPERATION_TOO_LARGE, description="The request is over one of its limits."
    )
    RATE_LIMITED = strawberry.enum_value(
        Code.RATE_LIMITED, description="Too many requests at once: try again later."
    )
    UNAVAILABLE = strawberry.enum_value(
        Code.UNAVAILABLE, description="An outage: try again. It says nothing about the token."
    )
    INTERNAL_SERVER_ERROR = strawberry.enum_value(
        Code.INTERNAL_SERVER_ERROR, description="A bug: `extensions.requestId` finds it in the log."
    )
    BAD_REQUEST = strawberry.enum_value(
        Code.BAD_REQUEST, description="The request is not GraphQL over HTTP."
    )
    GRAPHQL_PARSE_FAILED = strawberry.enum_value(
        Code.GRAPHQL_PARSE_FAILED, description="The document is not GraphQL."
    )
    GRAPHQL_VALIDATION_FAILED = strawberry.enum_value(
        Code.GRAPHQL_VALIDATION_FAILED, description="The document does not fit this schema."
    )


@strawberry.type(description="A task of the caller's.")
class Task:
    id: ID = strawberry.field(description="A UUID in lower case.")
    title: str = strawberry.field(description="1 to 200 characters, one line.")
    description: str = strawberry.field(description="Up to 10,000 characters; empty for none.")
    completed: bool = strawberry.field(description="Whether it is done.")
    completed_at: datetime | None = strawberry.field(description="Since when it is done.")
    priority: TaskPriority = strawberry.field(description="How much it matters.")
    due_on: date | None = strawberry.field(description="The day it is due.")
    labels: list[str] = strawberry.field(
        description=f"Up to {LABELS_PER_TASK}, in lower case, sorted, each once."
    )
    position: str = strawberry.field(
        description="Its place in the order by hand: a fractional index key, compared by its bytes."
    )
    version: int = strawberry.field(description="How often it was written, its creation included.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was written last.")
    trashed_at: datetime | None = strawberry.field(description="Since when it is in the trash.")


def _tasks(rows: Sequence[Row]) -> list[Task]:
    """Rows as they are: the names above are those of their columns."""
    return cast("list[Task]", rows)


def _task(row: Row) -> Task:
    return cast("Task", row)


@strawberry.type(description="A task at its place in a list.")
class TaskEdge:
    cursor: str = strawberry.field(description="Hand it to `after` to go on behind this task.")
    node: Task = strawberry.field(description="The task.")

    @classmethod
    def of(cls, task: Task, cursor: str) -> Self:
        edge = cls.__new__(cls)  # `__init__` takes twice the time, for each edge of a page
        edge.cursor, edge.node = cursor, task
        return edge


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more tasks follow.")
    has_previous_page: bool = strawberry.field(description="Whether `after` was given.")
    start_cursor: str | None = strawberry.field(description="Of the first task, if there is one.")
    end_cursor: str | None = strawberry.field(description="Of the last task, if there is one.")


@strawberry.type(description="A page of tasks, which stays right while tasks come and go.")
class TaskConnection:
    page: strawberry.Private[Page]
    filter: strawberry.Private[Filter]

    @strawberry.field(description="The tasks with their cursors.")
    def edges(self) -> list[TaskEdge]:
        rows = self.page.rows
        return [*map(TaskEdge.of, _tasks(rows), map(self.page.cursor, rows))]

    @strawberry.field(description="The tasks alone.")
    def nodes(self) -> list[Task]:
        return _tasks(self.page.rows)

    @strawberry.field(description="Where this page lies.")
    def page_info(self) -> PageInfo:
        rows = self.page.rows
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=self.page.cursor(rows[0]) if rows else None,
            end_cursor=self.page.cursor(rows[-1]) if rows else None,
        )

    @strawberry.field(description="How many tasks all pages have. Asked for only when selected.")
    async def total_count(self, info: Info) -> int:
        if self.page.tasks is not None:
            return self.page.tasks
        return await info.context.lists.count(self.filter)


@strawberry.input(description="Which tasks: those to which all of this applies.")
class TaskFilter:
    status: list[TaskStatus] | None = strawberry.field(
        default=UNSET, description="Any of these; OPEN and COMPLETED when left out or null."
    )
    search: str | None = strawberry.field(
        default=UNSET,
        description="Each word is in the title, the description or a label, whatever its case.",
    )
    priority: list[TaskPriority] | None = strawberry.field(
        default=UNSET, description="Any of these."
    )
    labels: list[str] | None = strawberry.field(default=UNSET, description="Each of these.")
    due_from: date | None = strawberry.field(default=UNSET, description="Due on this day or later.")
    due_to: date | None = strawberry.field(default=UNSET, description="Due on this day or earlier.")


@strawberry.input(description="In what order.")
class TaskOrder:
    field: TaskOrderField = strawberry.field(
        default=TaskOrderField.CREATED_AT, description="By what."
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="Which end comes first."
    )


def _unless_unset(argument: _T | None) -> _T | None:
    """Left out is the same as null here; a default of None would print as `= null`."""
    return None if argument is UNSET else argument


def _filter(input: TaskFilter | None) -> Filter:
    return Filter(**_given(input)) if input else Filter()


_BULKY = {to_camel_case(column): column for column in BULKY}
"""Columns, by the fields that show them."""


@lru_cache(128)
def _left_out(fields: frozenset[str] | None) -> frozenset[str]:
    """Of `BULKY`, what nobody looks at who selects these fields."""
    if fields is None:
        return frozenset()
    return frozenset(column for field, column in _BULKY.items() if field not in fields)


def _order(input: TaskOrder | None) -> Order:
    if not input:
        return Order()
    return Order(OrderField[input.field.name], input.direction is OrderDirection.DESC)


@strawberry.type(description="The person whose token came with the request.")
class Viewer:
    id: ID = strawberry.field(description="The token's `user_id`: the owner of all that is here.")
    email: str | None = strawberry.field(description="The token's `email`, if it has one.")

    @strawberry.field(
        description="How many tasks the caller has: those in the trash only if the filter says so."
    )
    async def task_count(
        self,
        info: Info,
        filter: Annotated[
            TaskFilter | None, strawberry.argument(description="Counts these alone.")
        ] = UNSET,
    ) -> int:
        return await info.context.lists.count(_filter(filter))

    @strawberry.field(
        description=f"The labels of tasks outside the trash, sorted: the first {MAX_LABELS:,}."
    )
    async def labels(self, info: Info) -> list[str]:
        return await info.context.lists.labels()

    @strawberry.field(
        description="Behind all changes so far. Read before a list, it is the `after` with which "
        "`taskChanges` goes on from there."
    )
    async def change_cursor(self, info: Info) -> str:
        return await info.context.changes.cursor()


@strawberry.type(description="What became of a task since: its latest state, once.")
class TaskChange:
    cursor: str = strawberry.field(description="Hand it to `after` to go on behind this change.")
    kind: TaskChangeKind = strawberry.field(description="Whether there is still a task.")
    task_id: ID = strawberry.field(description="The task's id.")
    task: Task | None = strawberry.field(description="The task as it is now, unless PURGED.")

    @classmethod
    def of(cls, row: Row, cursor: str) -> Self:
        gone = row["version"] is None
        return cls(
            cursor=cursor,
            kind=TaskChangeKind.PURGED if gone else TaskChangeKind.SAVED,
            task_id=ID(row["id"]),
            task=None if gone else _task(row),
        )


@strawberry.type(description="A page of changes, in the order in which they became known.")
class TaskChangePage:
    page: strawberry.Private[ChangePage]

    @strawberry.field(description="The changes.")
    def nodes(self) -> list[TaskChange]:
        return [
            TaskChange.of(row, cursor)
            for row, cursor in zip(self.page.rows, self.page.cursors, strict=True)
        ]

    @strawberry.field(description="Where this page lies. An empty one ends at the `after` given.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.after is not None,
            start_cursor=next(iter(self.page.cursors), None),
            end_cursor=self.page.end,
        )


@strawberry.type(description="What one may ask. Every answer is about the caller's own tasks.")
class Query:
    @strawberry.field(description="Who calls.")
    def viewer(self, info: Info) -> Viewer:
        claims = info.context.claims
        return Viewer(id=ID(claims.user_id), email=claims.email)

    @strawberry.field(description="One task, wherever it stands. NOT_FOUND when there is none.")
    async def task(
        self, info: Info, id: Annotated[ID, strawberry.argument(description="The task's id.")]
    ) -> Task | None:
        return _task(await info.context.tasks.get(id))

    @strawberry.field(description="A page of tasks, newest first unless told otherwise.")
    async def tasks(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description=f"How many, 1 to {MAX_SIZE}.")
        ] = DEFAULT_SIZE,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor of this list, to go on behind.")
        ] = UNSET,
        filter: Annotated[
            TaskFilter | None, strawberry.argument(description="Which tasks.")
        ] = UNSET,
        order_by: Annotated[
            TaskOrder | None, strawberry.argument(description="In what order.")
        ] = UNSET,
    ) -> TaskConnection:
        chosen, fields = _filter(filter), info.context.fields
        page = await info.context.lists.page(
            first,
            _unless_unset(after),
            chosen,
            _order(order_by),
            counted=fields is not None and "totalCount" in fields,
            without=_left_out(fields),
        )
        return TaskConnection(page=page, filter=chosen)

    @strawberry.field(
        description="What changed behind a cursor, or ever: the latest state of each task once. "
        "After CURSOR_EXPIRED (`extensions.reason`) read the list again."
    )
    async def task_changes(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description=f"How many, 1 to {MAX_SIZE}.")
        ] = changes.DEFAULT_SIZE,
        after: Annotated[
            str | None,
            strawberry.argument(description="Of a change, a page of them, or `changeCursor`."),
        ] = UNSET,
    ) -> TaskChangePage:
        page = await info.context.changes.since(first, _unless_unset(after))
        return TaskChangePage(page=page)


@strawberry.input(description="A new task.")
class CreateTaskInput:
    id: ID | None = strawberry.field(
        default=UNSET,
        description="A UUID of one's own choice. The same input sent again is then the same task.",
    )
    title: str = strawberry.field(description="1 to 200 characters, trimmed, one line.")
    description: str | None = strawberry.field(
        default=UNSET, description="Up to 10,000 characters."
    )
    completed: bool | None = strawberry.field(
        default=UNSET, description="Whether it is done already; it is not when left out."
    )
    priority: TaskPriority | None = strawberry.field(
        default=UNSET, description="How much it matters; NONE when left out."
    )
    due_on: date | None = strawberry.field(default=UNSET, description="The day it is due.")
    labels: list[str] | None = strawberry.field(
        default=UNSET, description=f"Up to {LABELS_PER_TASK} of 1 to 50 characters."
    )
    position: str | None = strawberry.field(
        default=UNSET,
        description="A fractional index key of up to 255 characters; behind all others when left "
        "out.",
    )


@strawberry.input(description="What to write. A field that is left out stays as it is.")
class TaskPatch:
    title: str | None = strawberry.field(
        default=UNSET, description="1 to 200 characters, trimmed, one line; not null."
    )
    description: str | None = strawberry.field(
        default=UNSET, description="Up to 10,000 characters; null empties it."
    )
    completed: bool | None = strawberry.field(
        default=UNSET, description="Whether it is done; not null."
    )
    priority: TaskPriority | None = strawberry.field(
        default=UNSET, description="How much it matters; null is NONE."
    )
    due_on: date | None = strawberry.field(
        default=UNSET, description="The day it is due; null for none."
    )
    labels: list[str] | None = strawberry.field(
        default=UNSET, description="All that it has from now on; null for none."
    )
    position: str | None = strawberry.field(
        default=UNSET, description="A fractional index key of up to 255 characters; not null."
    )


@strawberry.input(description="What to write into many tasks. What is left out stays as it is.")
class TasksPatch:
    completed: bool | None = strawberry.field(
        default=UNSET, description="Whether they are done; not null."
    )
    priority: TaskPriority | None = strawberry.field(
        default=UNSET, description="How much they matter; null is NONE."
    )
    due_on: date | None = strawberry.field(
        default=UNSET, description="The day they are due; null for none."
    )
    add_labels: list[str] | None = strawberry.field(
        default=UNSET, description="Labels to have, besides those that each has."
    )
    remove_labels: list[str] | None = strawberry.field(
        default=UNSET, description="Labels not to have any more."
    )


def _given(input: Any) -> dict[str, Any]:
    """What the client wrote into an input, null included, and nothing that it left out."""
    return {name: _plain(value) for name, value in vars(input).items() if value is not UNSET}


def _plain(value: Any) -> Any:
    """Members of the schema's enums as what they stand for."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


@strawberry.type(description="The task as it is after the mutation.")
class TaskPayload:
    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The tasks as they are after the mutation.")
class TasksPayload:
    tasks: list[Task] = strawberry.field(description="The tasks, in the order they were given.")

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        return cls(tasks=_tasks(rows))


@strawberry.type(description="What was deleted.")
class DeleteTasksPayload:
    deleted_ids: list[ID] = strawberry.field(description="The ids, in the order they were given.")


Ids = Annotated[
    list[ID],
    strawberry.argument(description=f"Up to {MAX_AT_ONCE} ids: all are written, or none is."),
]


@strawberry.type(description="What one may write: the caller's own tasks, and no others.")
class Mutation:
    @strawberry.mutation(description="Creates a task. Safe to send twice when it has an id.")
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
    ) -> TaskPayload | None:
        return TaskPayload(task=_task(await info.context.tasks.create(_given(input))))

    @strawberry.mutation(
        description="Creates tasks, all or none. Safe to send twice when they have ids."
    )
    async def create_tasks(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateTaskInput],
            strawberry.argument(description=f"Up to {MAX_AT_ONCE} new tasks."),
        ],
    ) -> TasksPayload | None:
        rows = await info.context.tasks.create_all([_given(input) for input in inputs])
        return TasksPayload.of(rows)

    @strawberry.mutation(description="Writes the fields that the patch names.")
    async def update_task(
        self,
        info: Info,
        id: Annotated[ID, strawberry.argument(description="The task's id.")],
        patch: Annotated[TaskPatch, strawberry.argument(description="What to write.")],
        expected_version: Annotated[
            int | None,
            strawberry.argument(description="Writes only if the task is at this version."),
        ] = UNSET,
    ) -> TaskPayload | None:
        expected = _unless_unset(expected_version)
        row = await info.context.tasks.update(id, _given(patch), expected)
        return TaskPayload(task=_task(row))

    @strawberry.mutation(description="Writes what the patch names into each of the tasks.")
    async def update_tasks(
        self,
        info: Info,
        ids: Ids,
        patch: Annotated[TasksPatch, strawberry.argument(description="What to write.")],
    ) -> TasksPayload | None:
        return TasksPayload.of(await info.context.tasks.update_all(ids, _given(patch)))

    @strawberry.mutation(description="Puts tasks into the trash, for 30 days.")
    async def trash_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.tasks.trash(ids))

    @strawberry.mutation(description="Takes tasks out of the trash.")
    async def restore_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.tasks.restore(ids))

    @strawberry.mutation(description="Deletes tasks for good, in the trash or not.")
    async def delete_tasks(self, info: Info, ids: Ids) -> DeleteTasksPayload | None:
        rows = await info.context.tasks.delete(ids)
        return DeleteTasksPayload(deleted_ids=[ID(row["id"]) for row in rows])


class Schema(strawberry.Schema):
    def process_errors(self, *_: object) -> None:
        """Logs nothing: a task that is not there is no fault. `endpoint` logs what is a bug."""


# What orjson writes as the scalars here do, with OPT_UTC_Z: it need not become text before.
WRITTEN = {
    "DateTime": "type({0}) is datetime and {0}.tzinfo is UTC",
    "Date": "type({0}) is date",
}
PLACED = {"Task": TaskRow}
_LABEL = 4 * 50 + 3
"""The most bytes of a label, with its quotes and a comma."""
_CURSOR = 2_100
"""The most bytes of a cursor. A cursor of a title is the longest: folding can triple a title."""
SIZES = {
    "Task": {
        "title": 4 * 200,
        "description": 4 * 10_000,
        "labels": LABELS_PER_TASK * _LABEL,
    },
    "TaskEdge": {"cursor": _CURSOR},
    "PageInfo": {"startCursor": _CURSOR, "endCursor": _CURSOR},
    "Viewer": {"id": 4 * 255, "email": 8_192, "labels": MAX_LABELS * _LABEL},
}
"""The most bytes of each long field in JSON. A character has at most four bytes in UTF-8."""


schema = Schema(
    query=Query,
    mutation=Mutation,
    types=[ErrorCode],
    extensions=[Prepared],
    config=StrawberryConfig(scalar_map={datetime: DateTime, date: Date}),
    execution_context_class=Replaying,
)
