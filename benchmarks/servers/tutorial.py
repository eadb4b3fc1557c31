"""The tutorial way: FastAPI's router, a dependency that decodes the token, and SQLModel's session.

The code follows popular tutorials. It supports only the operations of the benchmark, and has no
change numbers, no row-level security and no limits.
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import jwt
import strawberry
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlmodel import col, func, or_, select
from strawberry.fastapi import GraphQLRouter
from uuid_utils.compat import uuid7

from api.identity.keys import ACCESS_TOKEN, derive
from api.owned import cursors
from api.owned.columns import folded
from api.scalars import DateTime
from api.tasks import model
from api.tasks.model import Priority
from api.tasks.rules import TASKS

SITE = os.environ["NEXT_PUBLIC_BETTER_AUTH_URL"]
KEY = derive(os.environ["BETTER_AUTH_SECRET"].encode(), ACCESS_TOKEN)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
engine = create_async_engine(
    "postgresql+asyncpg://postgres@/postgres", connect_args={"host": os.environ["PGHOST"]}
)


def current_user(request: Request) -> str:
    """Return the owner that the token names."""
    try:
        token = request.headers["authorization"].split()[1]
        claims = jwt.decode(token, KEY, ["HS256"], issuer=SITE, audience=SITE)
    except (KeyError, jwt.PyJWTError):
        raise HTTPException(401) from None
    return str(claims["user_id"])


async def session() -> AsyncIterator[AsyncSession]:
    """Open a session for each request."""
    async with AsyncSession(engine, expire_on_commit=False) as db:
        yield db


async def context(
    user: str = Depends(current_user),
    db: AsyncSession = Depends(session),
) -> dict[str, Any]:
    return {"user": user, "session": db}


@strawberry.enum(name="Priority")
class Level(Enum):
    NONE = "NONE"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


@strawberry.type
class Task:
    id: strawberry.ID
    title: str
    description: str
    completed: bool
    completed_at: datetime | None
    priority: Level
    due_on: date | None
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: model.Task) -> "Task":
        names = ("title", "description", "completed", "completed_at", "due_on", "version")
        shown = {name: getattr(row, name) for name in (*names, "created_at", "updated_at")}
        return cls(
            id=strawberry.ID(str(row.id)), priority=Level[Priority(row.priority).name], **shown
        )


@strawberry.type
class Edge:
    cursor: str
    node: Task


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Connection:
    rows: strawberry.Private[Sequence[model.Task]]
    more: strawberry.Private[bool]
    query: strawberry.Private[Any]

    @strawberry.field
    def nodes(self) -> list[Task]:
        return [Task.of(row) for row in self.rows]

    @strawberry.field
    def edges(self) -> list[Edge]:
        return [Edge(cursor=cursor(row), node=Task.of(row)) for row in self.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo(has_next_page=self.more, end_cursor=cursor(self.rows[-1]))

    @strawberry.field
    async def total_count(self, info: strawberry.Info) -> int:
        counting = select(func.count()).select_from(self.query.order_by(None).subquery())
        found = await info.context["session"].execute(counting)
        return int(found.scalar_one())


def cursor(row: model.Task) -> str:
    scope = "\0".join(
        (row.owner_id, TASKS.name, "created_at desc", f"statuses={TASKS.shown_statuses}")
    )
    microseconds = (row.created_at - EPOCH) // timedelta(microseconds=1)
    return cursors.Cursors(scope).encode(str(microseconds), str(row.id))


@strawberry.enum
class Status(Enum):
    OPEN = "OPEN"
    COMPLETED = "COMPLETED"


@strawberry.input
class TaskFilter:
    status: list[Status] | None = None
    search: str | None = None
    due_from: date | None = None


@strawberry.enum
class Field(Enum):
    DUE_ON = "DUE_ON"


@strawberry.enum
class Direction(Enum):
    ASC = "ASC"


@strawberry.input
class TaskOrder:
    field: Field
    direction: Direction


@strawberry.type
class Query:
    @strawberry.field
    async def task(self, info: strawberry.Info, id: strawberry.ID) -> Task | None:
        return Task.of(await mine(info, id))

    @strawberry.field
    async def tasks(
        self,
        info: strawberry.Info,
        first: int = 50,
        filter: TaskFilter | None = None,
        order_by: TaskOrder | None = None,
    ) -> Connection:
        query = select(model.Task).where(model.Task.owner_id == info.context["user"])
        statuses = [s.value for s in (filter and filter.status) or Status]
        query = query.where(TASKS.table.c.status.in_(statuses))
        for word in ((filter and filter.search) or "").split():
            texts = (model.Task.title_folded, model.Task.description_folded)
            query = query.where(or_(*(col(text).contains(word) for text in texts)))
        if filter and filter.due_from:
            query = query.where(col(model.Task.due_on) >= filter.due_from)
        keys = (
            (col(model.Task.due_on).asc().nulls_last(), col(model.Task.id).asc())
            if order_by
            else (col(model.Task.created_at).desc(), col(model.Task.id).desc())
        )
        query = query.order_by(*keys)
        found = await info.context["session"].execute(query.limit(first + 1))
        rows = found.scalars().all()
        return Connection(rows=rows[:first], more=len(rows) > first, query=query)


async def mine(info: strawberry.Info, id: str) -> model.Task:
    query = select(model.Task).where(
        model.Task.id == UUID(id), model.Task.owner_id == info.context["user"]
    )
    found = await info.context["session"].execute(query)
    return found.scalar_one()  # type: ignore[no-any-return]  # as SQLModel types it


@strawberry.input
class CreateTaskInput:
    title: str


@strawberry.input
class TaskPatch:
    completed: bool | None = None
    priority: Level | None = None


@strawberry.input
class TasksPatch:
    completed: bool | None = None


@strawberry.type
class TaskPayload:
    task: Task


@strawberry.type
class TasksPayload:
    tasks: list[Task]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_task(self, info: strawberry.Info, input: CreateTaskInput) -> TaskPayload:
        now = datetime.now(UTC)
        row = model.Task(
            owner_id=info.context["user"],
            id=uuid7(),
            title=input.title,
            title_folded=folded(input.title),
            description="",
            description_folded="",
            completed=False,
            priority=Priority.NONE,
            labels=[],
            position="a0",
            version=1,
            change_number=0,
            created_at=now,
            updated_at=now,
        )
        return TaskPayload(task=Task.of(await save(info, row)))

    @strawberry.mutation
    async def update_task(
        self, info: strawberry.Info, id: strawberry.ID, patch: TaskPatch
    ) -> TaskPayload:
        row = await mine(info, id)
        write(row, patch.completed)
        if patch.priority is not None:
            row.priority = Priority[patch.priority.name]
        return TaskPayload(task=Task.of(await save(info, row)))

    @strawberry.mutation
    async def update_tasks(
        self, info: strawberry.Info, ids: list[strawberry.ID], patch: TasksPatch
    ) -> TasksPayload:
        query = select(model.Task).where(
            model.Task.owner_id == info.context["user"],
            col(model.Task.id).in_([UUID(id) for id in ids]),
        )
        found = {
            str(row.id): row for row in (await info.context["session"].execute(query)).scalars()
        }
        for row in found.values():
            write(row, patch.completed)
        await info.context["session"].commit()
        return TasksPayload(tasks=[Task.of(found[id]) for id in ids])


def write(row: model.Task, completed: bool | None) -> None:  # noqa: FBT001 - a column's value
    if completed is not None:
        row.completed = completed
        row.completed_at = (row.completed_at or datetime.now(UTC)) if completed else None
    row.version += 1
    row.updated_at = datetime.now(UTC)


async def save(info: strawberry.Info, row: model.Task) -> model.Task:
    db: AsyncSession = info.context["session"]
    db.add(row)
    await db.commit()
    await db.refresh(row)
    return row


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    config=strawberry.schema.config.StrawberryConfig(scalar_map={datetime: DateTime}),
)
app = FastAPI()
app.include_router(GraphQLRouter(schema, context_getter=context), prefix="/graphql")
