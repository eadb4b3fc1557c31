"""The GraphQL types of projects: names, descriptions for clients, and one line for each field."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Self, cast

import strawberry
from strawberry import ID, UNSET

from api import types
from api.context import Info
from api.graphql.execution import batched
from api.owned.changes import DEFAULT_SIZE as CHANGES_SIZE
from api.owned.cursors import DEFAULT_SIZE
from api.owned.writes import MAX_AT_ONCE
from api.postgres.tables import Row
from api.projects.model import Color, Status
from api.projects.rules import PROJECTS
from api.tasks.rules import TASKS
from api.tasks.types import Filter as Tasks
from api.tasks.types import OrderBy, Task
from api.types import After, AfterChange, Connection, ExpectedVersion, First, Ids, Page, optional


@strawberry.enum(description="The color of a project.")
class ProjectColor(Enum):
    GRAY = strawberry.enum_value(int(Color.GRAY), description="Gray.")
    RED = strawberry.enum_value(int(Color.RED), description="Red.")
    ORANGE = strawberry.enum_value(int(Color.ORANGE), description="Orange.")
    YELLOW = strawberry.enum_value(int(Color.YELLOW), description="Yellow.")
    GREEN = strawberry.enum_value(int(Color.GREEN), description="Green.")
    TEAL = strawberry.enum_value(int(Color.TEAL), description="Teal.")
    BLUE = strawberry.enum_value(int(Color.BLUE), description="Blue.")
    PURPLE = strawberry.enum_value(int(Color.PURPLE), description="Purple.")
    PINK = strawberry.enum_value(int(Color.PINK), description="Pink.")


@strawberry.enum(description="The state of a project.")
class ProjectStatus(Enum):
    ACTIVE = strawberry.enum_value(Status.ACTIVE, description="Neither archived nor in the trash.")
    ARCHIVED = strawberry.enum_value(Status.ARCHIVED, description="Archived, and not in the trash.")
    TRASHED = strawberry.enum_value(
        Status.TRASHED, description="In the trash, whether archived or not."
    )


@strawberry.enum(description="The field that sorts a list. Ties are sorted by id.")
class ProjectOrderField(Enum):
    POSITION = strawberry.enum_value("position", description="By position: the manual order.")
    NAME = strawberry.enum_value("name", description="By name, ignoring case.")
    CREATED_AT = strawberry.enum_value("created_at", description="By the time of creation.")
    UPDATED_AT = strawberry.enum_value("updated_at", description="By the time of the last change.")


@strawberry.enum(description="What happened to a project.")
class ProjectChangeKind(Enum):
    SAVED = strawberry.enum_value(
        "SAVED", description="The project was created, changed, trashed or restored."
    )
    PURGED = strawberry.enum_value("PURGED", description="The project was deleted for good.")


@strawberry.type(description="A project of the caller, which contains tasks.")
class Project:
    id: ID = strawberry.field(description="A UUID in lower case.")
    name: str = strawberry.field(description="1 to 100 characters, one line.")
    description: str = strawberry.field(description="Up to 10,000 characters, or empty.")
    color: ProjectColor = strawberry.field(description="The color of the project.")
    position: str = strawberry.field(
        description="The position in the manual order: a fractional index key, compared by bytes."
    )
    archived_at: datetime | None = strawberry.field(description="When the project was archived.")
    version: int = strawberry.field(
        description="How many times the project was written, including its creation."
    )
    created_at: datetime = strawberry.field(description="When the project was created.")
    updated_at: datetime = strawberry.field(description="When the project was last written.")
    trashed_at: datetime | None = strawberry.field(
        description="When the project was moved into the trash."
    )

    @batched(
        description="A page of the project's tasks, the newest first by default. `Query.tasks` "
        "accepts its cursors, with the same filter and order and with only this project in "
        "`projectIds`."
    )
    @staticmethod
    async def tasks(  # noqa: PLR0913, PLR0917 - the arguments of a list
        projects: Sequence[Row],
        info: Info,
        first: First = DEFAULT_SIZE,
        after: After = UNSET,
        filter: Tasks = UNSET,
        order_by: OrderBy = UNSET,
    ) -> list[Connection[Task]]:
        return await types.nested(
            info, TASKS, "project_id", projects, first, after, filter, order_by
        )

    @batched(
        description="The number of tasks in the project, by default without those in the trash."
    )
    @staticmethod
    async def task_count(projects: Sequence[Row], info: Info, filter: Tasks = UNSET) -> list[int]:
        return await info.context.counts_of(TASKS, "project_id", projects, types.sent(filter))


def _project(row: Row) -> Project:
    """Return the row itself as a Project: its columns have the names of the type's fields."""
    return cast("Project", row)


@strawberry.type(description="The latest state of a project that was changed.")
class ProjectChange:
    cursor: str = strawberry.field(
        description="Pass it as `after` to get the changes that follow this one."
    )
    kind: ProjectChangeKind = strawberry.field(description="Whether the project still exists.")
    project_id: ID = strawberry.field(description="The id of the project.")
    project: Project | None = strawberry.field(
        description="The project as it is now, unless PURGED."
    )

    @classmethod
    def of(cls, row: Row, cursor: str) -> Self:
        project = types.kept(row)
        kind = ProjectChangeKind.PURGED if project is None else ProjectChangeKind.SAVED
        return cls(cursor=cursor, kind=kind, project_id=ID(row["id"]), project=project)


@strawberry.input(description="The projects that match all of these conditions.")
class ProjectFilter:
    status: list[ProjectStatus] | None = optional("Any of these states. The default is ACTIVE.")
    search: str | None = optional("Each word occurs in the name or the description, ignoring case.")


@strawberry.input(description="The order of a list of projects.")
class ProjectOrder:
    field: ProjectOrderField = strawberry.field(
        default=ProjectOrderField.POSITION, description="The field that sorts the list."
    )
    direction: types.OrderDirection = strawberry.field(
        default=types.OrderDirection.ASC, description="The direction of the list."
    )


@strawberry.input(description="A new project.")
class CreateProjectInput:
    id: ID | None = optional(
        "A UUID of your choice. Sending the same input again returns the same project."
    )
    name: str = strawberry.field(description="1 to 100 characters, trimmed, one line.")
    description: str | None = optional("Up to 10,000 characters.")
    color: ProjectColor | None = optional("The color of the project; GRAY by default.")
    position: str | None = optional(
        "A fractional index key of up to 255 characters. By default, the project is last."
    )
    archived: bool | None = optional("Whether the project is archived; false by default.")


@strawberry.input(description="Changes to a project. A field that is left out stays as it is.")
class ProjectPatch:
    name: str | None = optional("1 to 100 characters, trimmed, one line; not null.")
    description: str | None = optional("Up to 10,000 characters; null empties it.")
    color: ProjectColor | None = optional("The color of the project; null means GRAY.")
    position: str | None = optional("A fractional index key of up to 255 characters; not null.")
    archived: bool | None = optional("Whether the project is archived; not null.")


@strawberry.type(description="The project after the mutation.")
class ProjectPayload:
    project: Project = strawberry.field(description="The project.")


@strawberry.type(description="The projects after the mutation.")
class ProjectsPayload:
    projects: list[Project] = strawberry.field(
        description="The projects, in the order of the request."
    )

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        return cls(projects=cast("list[Project]", rows))


@strawberry.type(description="The projects that were deleted.")
class DeleteProjectsPayload:
    deleted_ids: list[ID] = strawberry.field(description="The ids, in the order of the request.")


ProjectId = Annotated[ID, strawberry.argument(description="The id of the project.")]


@strawberry.type
class ProjectQuery:
    @strawberry.field(description="One project, in any state. NOT_FOUND if there is none.")
    async def project(self, info: Info, id: ProjectId) -> Project | None:
        return _project(await info.context.read(PROJECTS).get(id))

    @strawberry.field(description="A page of projects, by position by default.")
    async def projects(
        self,
        info: Info,
        first: First = DEFAULT_SIZE,
        after: After = UNSET,
        filter: Annotated[
            ProjectFilter | None, strawberry.argument(description="The projects to select.")
        ] = UNSET,
        order_by: Annotated[
            ProjectOrder | None, strawberry.argument(description="The order of the list.")
        ] = UNSET,
    ) -> Connection[Project]:
        order = order_by or ProjectOrder()
        return await types.connection(info, PROJECTS, first, after, filter, order)

    @strawberry.field(
        description="The changes after a cursor, or all changes. Each project appears once, in its "
        "latest state. If `extensions.reason` is CURSOR_EXPIRED, read the list again."
    )
    async def project_changes(
        self, info: Info, first: First = CHANGES_SIZE, after: AfterChange = UNSET
    ) -> Page[ProjectChange]:
        return await types.changes(info, PROJECTS, first, after, ProjectChange.of)


@strawberry.type
class ProjectMutation:
    @strawberry.mutation(description="Create a project. If it has an id, it is safe to repeat.")
    async def create_project(
        self,
        info: Info,
        input: Annotated[CreateProjectInput, strawberry.argument(description="The new project.")],
    ) -> ProjectPayload | None:
        row = await info.context.write(PROJECTS).create(types.sent(input))
        return ProjectPayload(project=_project(row))

    @strawberry.mutation(
        description="Create all of the projects, or none. If they have ids, it is safe to repeat."
    )
    async def create_projects(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateProjectInput],
            strawberry.argument(description=f"Up to {MAX_AT_ONCE} new projects."),
        ],
    ) -> ProjectsPayload | None:
        rows = await info.context.write(PROJECTS).create_all(types.sent_all(inputs))
        return ProjectsPayload.of(rows)

    @strawberry.mutation(description="Change the fields of a project that the patch names.")
    async def update_project(
        self,
        info: Info,
        id: ProjectId,
        patch: Annotated[ProjectPatch, strawberry.argument(description="The changes.")],
        expected_version: ExpectedVersion = UNSET,
    ) -> ProjectPayload | None:
        expected = types.sent_or_none(expected_version)
        row = await info.context.write(PROJECTS).update(id, types.sent(patch), expected)
        return ProjectPayload(project=_project(row))

    @strawberry.mutation(
        description="Move projects into the trash, with their tasks. After 30 days, all are "
        "deleted."
    )
    async def trash_projects(self, info: Info, ids: Ids) -> ProjectsPayload | None:
        return ProjectsPayload.of(await info.context.write(PROJECTS).trash(ids))

    @strawberry.mutation(
        description="Move projects out of the trash, with the tasks that were trashed with them."
    )
    async def restore_projects(self, info: Info, ids: Ids) -> ProjectsPayload | None:
        return ProjectsPayload.of(await info.context.write(PROJECTS).restore(ids))

    @strawberry.mutation(
        description="Delete projects and all their tasks for good, whether they are in the trash "
        "or not."
    )
    async def delete_projects(self, info: Info, ids: Ids) -> DeleteProjectsPayload | None:
        deleted = await info.context.write(PROJECTS).delete(ids)
        return DeleteProjectsPayload(deleted_ids=[ID(id) for id in deleted])


@strawberry.type
class ProjectSubscription:
    @strawberry.subscription(
        description="The projects that change after a cursor, or from now on, each in its latest "
        "state. If `extensions.reason` is CURSOR_EXPIRED, read the list again."
    )
    def project_changes(
        self, info: Info, after: AfterChange = UNSET
    ) -> types.Events[ProjectChange]:
        return types.follow(info, PROJECTS, after, ProjectChange.of)
