"""The ceiling: a server that does the same work without GraphQL, written only for speed.

It is a plain ASGI app. It verifies the token of each request with PyJWT, runs the API's own
statements on the API's pool, and has a function for each operation that builds the fixed response.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import date
from typing import Any

import jwt
import orjson

from api.context import Context
from api.identity.keys import ACCESS_TOKEN, derive
from api.identity.tokens import Claims
from api.owned.read_sql import Order
from api.owned.reads import PageRequest
from api.postgres.database import Database
from api.postgres.tables import Row
from api.tasks import rules
from api.tasks.model import Priority
from api.tasks.rules import TASKS
from benchmarks.workloads import LEAN

SITE = os.environ["NEXT_PUBLIC_BETTER_AUTH_URL"]
KEY = derive(os.environ["BETTER_AUTH_SECRET"].encode(), ACCESS_TOKEN)
database = Database(os.environ["DATABASE_URL"])
running = AsyncExitStack()

NAMES = tuple(priority.name for priority in Priority)


def shape(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "title": row["title"],
        "description": row["description"],
        "completed": row["completed"],
        "completedAt": row["completed_at"],
        "priority": NAMES[row["priority"]],
        "dueOn": row["due_on"],
        "version": row["version"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def fields(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {"dueOn": "due_on"}
    values = {names.get(name, name): value for name, value in given.items()}
    if "priority" in values:
        values["priority"] = Priority[values["priority"]]
    return values


def filters(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": given.get("status"),
        "search": given.get("search"),
        "due_from": date.fromisoformat(given["dueFrom"]) if "dueFrom" in given else None,
    }


async def page(context: Context, given: Mapping[str, Any]) -> Any:
    found = await context.read(TASKS).page(PageRequest(given["first"], without=LEAN))
    return {"tasks": {"nodes": [shape(row) for row in found.rows]}}


async def edges(context: Context, given: Mapping[str, Any]) -> Any:
    found = await context.read(TASKS).page(PageRequest(given["first"], without=LEAN))
    made = [{"cursor": found.cursor(row), "node": shape(row)} for row in found.rows]
    info = {"hasNextPage": found.has_next_page, "endCursor": found.cursor(found.rows[-1])}
    return {"tasks": {"edges": made, "pageInfo": info}}


async def one(context: Context, given: Mapping[str, Any]) -> Any:
    return {"task": shape(await context.read(TASKS).get(given["id"]))}


async def create(context: Context, given: Mapping[str, Any]) -> Any:
    return {
        "createTask": {"task": shape(await context.write(TASKS).create(fields(given["input"])))}
    }


async def update(context: Context, given: Mapping[str, Any]) -> Any:
    row = await context.write(TASKS).update(given["id"], fields(given["patch"]), None)
    return {"updateTask": {"task": shape(row)}}


async def counted(context: Context, given: Mapping[str, Any]) -> Any:
    wanted = PageRequest(given["first"], counted=True, without=LEAN)
    found = await context.read(TASKS).page(wanted)
    return {"tasks": {"totalCount": found.total, "nodes": [shape(row) for row in found.rows]}}


async def search(context: Context, given: Mapping[str, Any]) -> Any:
    wanted = PageRequest(50, filter=filters(given["filter"]), without=LEAN)
    found = await context.read(TASKS).page(wanted)
    return {"tasks": {"nodes": [shape(row) for row in found.rows]}}


async def due(context: Context, given: Mapping[str, Any]) -> Any:
    order = Order("due_on", descending=False)
    wanted = PageRequest(50, filter=filters(given["filter"]), order=order, without=LEAN)
    found = await context.read(TASKS).page(wanted)
    return {"tasks": {"nodes": [shape(row) for row in found.rows]}}


async def bulk(context: Context, given: Mapping[str, Any]) -> Any:
    tasks = context.write(TASKS)
    rows = await rules.update_all(tasks, given["ids"], fields(given["patch"]))
    return {"updateTasks": {"tasks": [shape(row) for row in rows]}}


OPERATIONS: dict[str, Callable[[Context, Mapping[str, Any]], Awaitable[Any]]] = {
    "Page": page,
    "Edges": edges,
    "One": one,
    "Create": create,
    "Update": update,
    "Counted": counted,
    "Search": search,
    "Due": due,
    "Bulk": bulk,
}
REFUSED = orjson.dumps(
    {"errors": [{"message": "Sign in.", "extensions": {"code": "UNAUTHENTICATED"}}]}
)


def claims(headers: list[tuple[bytes, bytes]]) -> Claims:
    token = dict(headers)[b"authorization"].removeprefix(b"Bearer ")
    found = jwt.decode(token, KEY, ["HS256"], issuer=SITE, audience=SITE)
    return Claims(found["user_id"], found["email"], found["sid"], SITE, found["exp"])


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await running.enter_async_context(database)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await running.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        context = Context(claims(scope["headers"]), database)
    except jwt.PyJWTError:
        await answer(send, 401, REFUSED)
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    asked = orjson.loads(body)
    data = await OPERATIONS[asked["operationName"]](context, asked["variables"])
    await answer(send, 200, orjson.dumps({"data": data}, default=str, option=orjson.OPT_UTC_Z))


async def answer(send: Any, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/graphql-response+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
