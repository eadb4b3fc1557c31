"""Strawberry as it comes: its router in FastAPI, its caches of documents, this API's own schema."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import strawberry
from fastapi import FastAPI, HTTPException
from fastapi.requests import HTTPConnection
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import BaseContext, GraphQLRouter

from api import schema as house
from api.config import Config
from api.context import Context
from api.identity.auth import verifier
from api.identity.tokens import InvalidToken
from api.postgres.database import Database

config = Config.read()
database = Database(os.environ["DATABASE_URL"])
believes = verifier(config)


class Asking(BaseContext):
    """The context that the resolvers were written for, as Strawberry's router wants one."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.claims, self.tasks = context.claims, context.tasks
        self.lists, self.changes = context.lists, context.changes
        self.fields = context.fields


async def context(connection: HTTPConnection) -> Asking:
    """Verifies the token, by FastAPI's way of dependencies."""
    try:
        token = connection.headers.get("authorization", "").removeprefix("Bearer ")
        return Asking(Context.of(await believes.verify(token), database))
    except InvalidToken:
        raise HTTPException(401) from None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The pool, while it runs."""
    async with database:
        yield


schema = strawberry.Schema(
    query=house.Query,
    mutation=house.Mutation,
    types=[house.ErrorCode],
    extensions=[ParserCache, ValidationCache],
    config=house.schema.config,
)


app = FastAPI(lifespan=lifespan)
app.include_router(GraphQLRouter[Asking, None](schema, context_getter=context), prefix="/graphql")
