"""Strawberry's own router in FastAPI, with its document caches and this API's schema."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import strawberry
from fastapi import FastAPI, HTTPException
from fastapi.requests import HTTPConnection
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import BaseContext, GraphQLRouter

from api import schema as house
from api import types
from api.config import Config
from api.context import Context
from api.identity.auth import verifier
from api.identity.tokens import Claims, InvalidToken
from api.postgres.database import Database

config = Config.read()
database = Database(os.environ["DATABASE_URL"])
tokens = verifier(config)


class RouterContext(Context, BaseContext):
    """The context of the API's resolvers, of the type that Strawberry's router requires."""

    def __init__(self, claims: Claims) -> None:
        BaseContext.__init__(self)
        Context.__init__(self, claims, database)


async def context(connection: HTTPConnection) -> RouterContext:
    """Verify the token, in a dependency of FastAPI."""
    try:
        token = connection.headers.get("authorization", "").removeprefix("Bearer ")
        return RouterContext(await tokens.verify(token))
    except InvalidToken:
        raise HTTPException(401) from None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the connection pool while the app runs."""
    async with database:
        yield


schema = strawberry.Schema(
    query=house.Query,
    mutation=house.Mutation,
    types=[types.ErrorCode],
    extensions=[ParserCache, ValidationCache],
    config=house.schema.config,
)


app = FastAPI(lifespan=lifespan)
app.include_router(
    GraphQLRouter[RouterContext, None](schema, context_getter=context), prefix="/graphql"
)
