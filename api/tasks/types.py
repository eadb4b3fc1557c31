"""The GraphQL types of tasks: names and descriptions for clients, and one line for each field."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self, cast

import strawberry
from strawberry import ID, UNSET

from api import types
from api.context import Info
from api.owned.changes import DEFAULT_SIZE as CHANGES_SIZE
from api.owned.columns import MAX_LABELS
from api.owned.cursors import DEFAULT_SIZE
from api.owned.writes import MAX_AT_ONCE
from api.postgres.tables import Row
from api.projects.rules import PROJECTS
from api.tasks import rules
from api.tasks.model import Priority, Status
from api.tasks.rules import MAX_LABELS_LISTED, TASKS
from api.types import After, AfterChange, Connection, ExpectedVersion, First, Ids, Page, optional

if TYPE_CHECKING:
    from api.projects.types import Project


@strawberry.enum(name="Priority", description="The priority of a task.")
class TaskPriority(Enum):
    NONE = strawberry.enum_value(int(Priority.NONE), description="No priority set.")
    LOW = strawberry.enum_value(int(Priority.LOW), description="Low priority.")
    MEDIUM = strawberry.enum_value(int(Priority.MEDIUM), description="Medium priority.")
    HIGH = strawberry.enum_value(int(Priority.HIGH), description="High priority.")
    URGENT = strawberry.enum_value(int(Priority.URGENT), description="The highest priority.")


@strawberry.enum(description="The state of a task.")
class TaskStatus(Enum):
    OPEN = strawberry.enum_value(Status.OPEN, description="Not completed, and not in the trash.")
    COMPLETED = strawberry.enum_value(
        Status.COMPLETED, description="Completed, and not in the trash."
    )
    TRASHED = strawberry.enum_value(
        Status.TRASHED, description="In the trash, whether completed or not."
    )


@strawberry.enum(description="The field that sorts a list. Ties are sorted by id.")
class TaskOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="By the time of creation.")
    UPDATED_AT = strawberry.enum_value("updated_at", description="By the time of the last change.")
    DUE_ON = strawberry.enum_value(
        "due_on", description="By due day. Tasks without one are last in both directions."
    )
    PRIORITY = strawberry.enum_value("priority", description="By priority. NONE is the lowest.")
    POSITION = strawberry.enum_value("position", description="By position: the manual order.")
    TITLE = strawberry.enum_value("title", description="By title, ignoring case.")


@strawberry.enum(description="What happened to a task.")
class TaskChangeKind(Enum):
    SAVED = strawberry.enum_value(
        "SAVED", description="The task was created, changed, trashed or restored."
    )
    PURGED = strawberry.enum_value("PURGED", description="The task was deleted for good.")


@strawberry.type(description="A task of the caller.")
class Task:
    id: ID = strawberry.field(description="A UUID in lower case.")
    title: str = strawberry.field(description="1 to 200 characters, one line.")
    description: str = strawberry.field(description="Up to 10,000 characters, or empty.")
    completed: bool = strawberry.field(description="Whether the task is completed.")
    completed_at: datetime | None = strawberry.field(description="When the task was completed.")
    priority: TaskPriority = strawberry.field(description="The priority of the task.")
    due_on: date | None = strawberry.field(description="The day on which the task is due.")
    labels: list[str] = strawberry.field(
        description=f"Up to {MAX_LABELS} labels, in lower case, sorted, without duplicates."
    )
    position: str = strawberry.field(
        description="The position in the manual order: a fractional index key, compared by bytes."
    )
    version: int = strawberry.field(
        description="How many times the task was written, including its creation."
    )
    created_at: datetime = strawberry.field(description="When the task was created.")
    updated_at: datetime = strawberry.field(description="When the task was last written.")
    trashed_at: datetime | None = strawberry.field(
        description="When the task was moved into the trash."
    )
    project: Annotated["Project", strawberry.lazy("api.projects.types")] | None = types.reference(
        PROJECTS, "project_id", "The project of the task. Null if it has none."
    )


def _task(row: Row) -> Task:
    """Return the row itself as a Task: its columns have the names of the type's fields."""
    return cast("Task", row)


@strawberry.type(description="The latest state of a task that was changed.")
class TaskChange:
    cursor: str = strawberry.field(
        description="Pass it as `after` to get the changes that follow this one."
    )
    kind: TaskChangeKind = strawberry.field(description="Whether the task still exists.")
    task_id: ID = strawberry.field(description="The id of the task.")
    task: Task | None = strawberry.field(description="The task as it is now, unless PURGED.")

    @classmethod
    def of(cls, row: Row, cursor: str) -> Self:
        task = types.kept(row)
        kind = TaskChangeKind.PURGED if task is None else TaskChangeKind.SAVED
        return cls(cursor=cursor, kind=kind, task_id=ID(row["id"]), task=task)


@strawberry.input(description="The tasks that match all of these conditions.")
class TaskFilter:
    project_ids: list[ID | None] | None = optional(
        "Any of these projects. Null in the list selects tasks without a project."
    )
    status: list[TaskStatus] | None = optional(
        "Any of these states. The default is OPEN and COMPLETED."
    )
    search: str | None = optional(
        "Each word occurs in the title, the description or a label, ignoring case."
    )
    priority: list[TaskPriority] | None = optional("Any of these priorities.")
    labels: list[str] | None = optional("All of these labels.")
    due_from: date | None = optional("Due on this day or later.")
    due_to: date | None = optional("Due on this day or earlier.")


@strawberry.input(description="The order of a list of tasks.")
class TaskOrder:
    field: TaskOrderField = strawberry.field(
        default=TaskOrderField.CREATED_AT, description="The field that sorts the list."
    )
    direction: types.OrderDirection = strawberry.field(
        default=types.OrderDirection.DESC, description="The direction of the list."
    )


@strawberry.input(description="A new task.")
class CreateTaskInput:
    id: ID | None = optional(
        "A UUID of your choice. Sending the same input again returns the same task."
    )
    title: str = strawberry.field(description="1 to 200 characters, trimmed, one line.")
    description: str | None = optional("Up to 10,000 characters.")
    completed: bool | None = optional("Whether the task is completed; false by default.")
    priority: TaskPriority | None = optional("The priority of the task; NONE by default.")
    due_on: date | None = optional("The day on which the task is due.")
    labels: list[str] | None = optional(f"Up to {MAX_LABELS} labels of 1 to 50 characters.")
    position: str | None = optional(
        "A fractional index key of up to 255 characters. By default, the task is last."
    )
    project_id: ID | None = optional("The project of the task; none by default.")


@strawberry.input(description="Changes to a task. A field that is left out stays as it is.")
class TaskPatch:
    title: str | None = optional("1 to 200 characters, trimmed, one line; not null.")
    description: str | None = optional("Up to 10,000 characters; null empties it.")
    completed: bool | None = optional("Whether the task is completed; not null.")
    priority: TaskPriority | None = optional("The priority of the task; null means NONE.")
    due_on: date | None = optional("The day on which the task is due; null removes it.")
    labels: list[str] | None = optional(
        "The new labels, which replace all old ones; null removes all."
    )
    position: str | None = optional("A fractional index key of up to 255 characters; not null.")
    project_id: ID | None = optional("The project; null removes the task from its project.")


@strawberry.input(description="Changes to many tasks. A field that is left out stays as it is.")
class TasksPatch:
    completed: bool | None = optional("Whether the tasks are completed; not null.")
    priority: TaskPriority | None = optional("The priority of the tasks; null means NONE.")
    due_on: date | None = optional("The day on which the tasks are due; null removes it.")
    add_labels: list[str] | None = optional("Labels to add to those that each task has.")
    remove_labels: list[str] | None = optional("Labels to remove from each task.")
    project_id: ID | None = optional("The project; null removes each task from its project.")


@strawberry.type(description="The task after the mutation.")
class TaskPayload:
    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The tasks after the mutation.")
class TasksPayload:
    tasks: list[Task] = strawberry.field(description="The tasks, in the order of the request.")

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        return cls(tasks=cast("list[Task]", rows))


@strawberry.type(description="The tasks that were deleted.")
class DeleteTasksPayload:
    deleted_ids: list[ID] = strawberry.field(description="The ids, in the order of the request.")


TaskId = Annotated[ID, strawberry.argument(description="The id of the task.")]
Filter = Annotated[TaskFilter | None, strawberry.argument(description="The tasks to select.")]
OrderBy = Annotated[TaskOrder | None, strawberry.argument(description="The order of the list.")]


@strawberry.type
class TaskViewer:
    @strawberry.field(
        description="The number of the caller's tasks, by default without those in the trash."
    )
    async def task_count(self, info: Info, filter: Filter = UNSET) -> int:
        return await info.context.read(TASKS).count(types.sent(filter))

    @strawberry.field(
        description="The labels of tasks that are not in the trash, sorted, up to "
        f"{MAX_LABELS_LISTED:,}."
    )
    async def labels(self, info: Info) -> list[str]:
        return await rules.shown_labels(info.context.owned)


@strawberry.type
class TaskQuery:
    @strawberry.field(description="One task, in any state. NOT_FOUND if there is none.")
    async def task(self, info: Info, id: TaskId) -> Task | None:
        return _task(await info.context.read(TASKS).get(id))

    @strawberry.field(description="A page of tasks, the newest first by default.")
    async def tasks(
        self,
        info: Info,
        first: First = DEFAULT_SIZE,
        after: After = UNSET,
        filter: Filter = UNSET,
        order_by: OrderBy = UNSET,
    ) -> Connection[Task]:
        return await types.connection(info, TASKS, first, after, filter, order_by)

    @strawberry.field(
        description="The changes after a cursor, or all changes. Each task appears once, in its "
        "latest state. If `extensions.reason` is CURSOR_EXPIRED, read the list again."
    )
    async def task_changes(
        self, info: Info, first: First = CHANGES_SIZE, after: AfterChange = UNSET
    ) -> Page[TaskChange]:
        return await types.changes(info, TASKS, first, after, TaskChange.of)


@strawberry.type
class TaskMutation:
    @strawberry.mutation(description="Create a task. If it has an id, it is safe to repeat.")
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
    ) -> TaskPayload | None:
        row = await info.context.write(TASKS).create(types.sent(input))
        return TaskPayload(task=_task(row))

    @strawberry.mutation(
        description="Create all of the tasks, or none. If they have ids, it is safe to repeat."
    )
    async def create_tasks(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateTaskInput],
            strawberry.argument(description=f"Up to {MAX_AT_ONCE} new tasks."),
        ],
    ) -> TasksPayload | None:
        rows = await info.context.write(TASKS).create_all(types.sent_all(inputs))
        return TasksPayload.of(rows)

    @strawberry.mutation(description="Change the fields of a task that the patch names.")
    async def update_task(
        self,
        info: Info,
        id: TaskId,
        patch: Annotated[TaskPatch, strawberry.argument(description="The changes.")],
        expected_version: ExpectedVersion = UNSET,
    ) -> TaskPayload | None:
        expected = types.sent_or_none(expected_version)
        row = await info.context.write(TASKS).update(id, types.sent(patch), expected)
        return TaskPayload(task=_task(row))

    @strawberry.mutation(description="Change the fields that the patch names in each task.")
    async def update_tasks(
        self,
        info: Info,
        ids: Ids,
        patch: Annotated[TasksPatch, strawberry.argument(description="The changes.")],
    ) -> TasksPayload | None:
        tasks = info.context.write(TASKS)
        return TasksPayload.of(await rules.update_all(tasks, ids, types.sent(patch)))

    @strawberry.mutation(description="Move tasks into the trash. They are deleted after 30 days.")
    async def trash_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.write(TASKS).trash(ids))

    @strawberry.mutation(
        description="Move tasks out of the trash. A task whose project is in the trash is removed "
        "from the project."
    )
    async def restore_tasks(self, info: Info, ids: Ids) -> TasksPayload | None:
        return TasksPayload.of(await info.context.write(TASKS).restore(ids))

    @strawberry.mutation(description="Delete tasks for good, whether they are in the trash or not.")
    async def delete_tasks(self, info: Info, ids: Ids) -> DeleteTasksPayload | None:
        deleted = await info.context.write(TASKS).delete(ids)
        return DeleteTasksPayload(deleted_ids=[ID(id) for id in deleted])


@strawberry.type
class TaskSubscription:
    @strawberry.subscription(
        description="The tasks that change after a cursor, or from now on, each in its latest "
        "state. If `extensions.reason` is CURSOR_EXPIRED, read the list again."
    )
    def task_changes(self, info: Info, after: AfterChange = UNSET) -> types.Events[TaskChange]:
        return types.follow(info, TASKS, after, TaskChange.of)
