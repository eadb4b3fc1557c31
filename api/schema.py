"""The GraphQL types and fields: names and descriptions, and a line that hands each to `tasks`."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Self, TypeVar

import strawberry
from strawberry import ID, UNSET
from strawberry.schema.config import StrawberryConfig

from api.context import Info
from api.errors import Code
from api.limits import Limits
from api.models import Status
from api.pages import DEFAULT_SIZE, MAX_SIZE
from api.tasks import MAX_IDS, Page, Row

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
        Code.RATE_LIMITED, description="Reserved for too many requests."
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
    version: int = strawberry.field(description="How often it was written, its creation included.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was written last.")
    trashed_at: datetime | None = strawberry.field(description="Since when it is in the trash.")

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(**row)


@strawberry.type(description="A task at its place in a list.")
class TaskEdge:
    cursor: str = strawberry.field(description="Hand it to `after` to go on behind this task.")
    node: Task = strawberry.field(description="The task.")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more tasks follow.")
    has_previous_page: bool = strawberry.field(description="Whether `after` was given.")
    start_cursor: str | None = strawberry.field(description="Of the first task, if there is one.")
    end_cursor: str | None = strawberry.field(description="Of the last task, if there is one.")


@strawberry.type(description="A page of tasks, which stays right while tasks come and go.")
class TaskConnection:
    page: strawberry.Private[Page]
    status: strawberry.Private[Sequence[Status] | None]

    @strawberry.field(description="The tasks with their cursors.")
    def edges(self) -> list[TaskEdge]:
        return [TaskEdge(cursor=self.page.cursor(row), node=Task.of(row)) for row in self.page.rows]

    @strawberry.field(description="The tasks alone.")
    def nodes(self) -> list[Task]:
        return [Task.of(row) for row in self.page.rows]

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
        return await info.context.tasks.count(self.status)


@strawberry.input(description="Which tasks.")
class TaskFilter:
    status: list[TaskStatus] | None = strawberry.field(
        default=UNSET, description="Any of these; OPEN and COMPLETED when left out or null."
    )


def _unless_unset(argument: _T | None) -> _T | None:
    """Left out is the same as null here; a default of None would print as `= null`."""
    return None if argument is UNSET else argument


def _status(filter: TaskFilter | None) -> Sequence[Status] | None:
    chosen = _unless_unset(filter.status) if filter else None
    return None if chosen is None else [Status[status.name] for status in chosen]


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
        return await info.context.tasks.count(_status(filter))


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
        return Task.of(await info.context.tasks.get(id))

    @strawberry.field(description="A page of tasks, newest first.")
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
    ) -> TaskConnection:
        status = _status(filter)
        page = await info.context.tasks.page(first, _unless_unset(after), status)
        return TaskConnection(page=page, status=status)


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


def _given(input: Any) -> dict[str, object]:
    """What the client wrote into an input, null included, and nothing that it left out."""
    values = ((field.name, getattr(input, field.name)) for field in fields(input))
    return {name: value for name, value in values if value is not UNSET}


@strawberry.type(description="The task as it is after the mutation.")
class TaskPayload:
    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The tasks as they are after the mutation.")
class TasksPayload:
    tasks: list[Task] = strawberry.field(description="The tasks, in the order of the ids.")

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        return cls(tasks=[Task.of(row) for row in rows])


@strawberry.type(description="What was deleted.")
class DeleteTasksPayload:
    deleted_ids: list[ID] = strawberry.field(description="The ids, in the order they were given.")


Ids = Annotated[
    list[ID],
    strawberry.argument(description=f"Up to {MAX_IDS} ids: all are written, or none is."),
]


@strawberry.type(description="What one may write: the caller's own tasks, and no others.")
class Mutation:
    @strawberry.mutation(description="Creates a task. Safe to send twice when it has an id.")
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
    ) -> TaskPayload | None:
        return TaskPayload(task=Task.of(await info.context.tasks.create(_given(input))))

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
        return TaskPayload(task=Task.of(row))

    @strawberry.mutation(description="Puts tasks into the trash.")
    async def trash_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.tasks.trash(ids))

    @strawberry.mutation(description="Takes tasks out of the trash.")
    async def restore_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.tasks.restore(ids))

    @strawberry.mutation(description="Deletes tasks for good, in the trash or not.")
    async def delete_tasks(self, info: Info, ids: Ids) -> DeleteTasksPayload | None:
        rows = await info.context.tasks.delete(ids)
        return DeleteTasksPayload(deleted_ids=[row["id"] for row in rows])


class Schema(strawberry.Schema):
    def process_errors(self, *_: object) -> None:
        """Logs nothing: a task that is not there is no fault. `endpoint` logs what is a bug."""


schema = Schema(
    query=Query,
    mutation=Mutation,
    types=[ErrorCode],
    extensions=[Limits],
    config=StrawberryConfig(scalar_map={datetime: DateTime}),
)
