"""Serve tasks over REST, with the same tokens: `python -m uvicorn examples.rest:app`."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from api.app import authenticating, lifespan
from api.config import Config
from api.context import Context
from api.errors import NotFound, Problem
from api.identity.auth import Authenticated
from api.owned.reads import PageRequest
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.tasks.rules import TASKS

config = Config.read()
database = Database(config.database_url.get_secret_value())
authentication = authenticating(config, database, Notifications(config.direct_url))

app = FastAPI(lifespan=lifespan(database, authentication))
app.add_middleware(Authenticated, authentication=authentication)  # 401 before anything is read
app.add_exception_handler(Problem, lambda _, problem: problem.response())


def own(user_id: str, request: Request) -> Context:
    if request.state.claims.user_id != user_id:
        raise NotFound(TASKS.one)
    return Context(request.state.claims, database)


@app.get("/api/{user_id}/tasks")
async def read(own: Annotated[Context, Depends(own)]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await own.read(TASKS).page(PageRequest(first=100))).rows]


@app.post("/api/{user_id}/tasks", status_code=201)
async def create(own: Annotated[Context, Depends(own)], given: dict[str, Any]) -> dict[str, Any]:
    return dict(await own.write(TASKS).create(given))
