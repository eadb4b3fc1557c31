"""What every test may have: a caller with a user of its own, and the real parts behind it."""

import asyncio
import atexit
import json
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import httpx
import jwt
import pytest

from api import migrations
from api.keys import ACCESS_TOKEN, derive
from dev.postgres import Postgres
from tests import plain, shared, stack

T = TypeVar("T")

SECRET = secrets.token_urlsafe(32)
SITE = f"http://{stack.NOBODY}"
"""The web app that the tests' tokens come from. Nobody serves it, whatever else runs here."""
KEY = derive(SECRET.encode(), ACCESS_TOKEN)
NO_TLS = plain.NO_TLS
CLIENT = plain.Client(verify=NO_TLS, timeout=30)
"""For whoever calls one after the other: a connection that is there takes no time to make."""
atexit.register(CLIENT.close)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, Any, Any]:
    """Give the run a folder: before its workers start, and until all of them have ended."""
    with shared.folder():
        return (yield)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a worker, in so many `PARTITIONS`.

    Or a copy of what `POSTGRES_TO_COPY` names, or the database of Citus at `CITUS_URL`.
    """
    if url := os.environ.get("CITUS_URL"):
        yield stack.citus(url)
        return
    if template := os.environ.get("POSTGRES_TO_COPY"):
        with stack.copy(template) as copied:
            yield copied
        return
    with stack.postgres() as server:
        migrations.upgrade(server.url, int(os.environ.get("PARTITIONS", "1")))
        yield server


def trusting(database: str, **variables: str) -> dict[str, str]:
    """The environment of an API on this database that believes what `mint` makes."""
    return stack.environment(
        BETTER_AUTH_SECRET=SECRET,
        NEXT_PUBLIC_BETTER_AUTH_URL=SITE,
        DATABASE_URL=database,
        **variables,
    )


@pytest.fixture(scope="session")
def settings(postgres: Postgres) -> dict[str, str]:
    """Of the API that tests share."""
    return trusting(postgres.url)


@pytest.fixture(scope="session")
def api(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    server = stack.api(tmp_path_factory.mktemp("api"), settings)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Site]:
    """The whole product, shared: each test signs up people of its own."""
    with stack.shared_site(tmp_path_factory.mktemp("site"), "site") as running:
        yield running


def mint(user: str, **claims: object) -> str:
    """A good token but for these claims; None leaves one out."""
    now = int(time.time())
    good: dict[str, object] = {
        "user_id": user,
        "sub": user,
        "email": f"{user}@example.com",
        "sid": secrets.token_hex(8),
        "iss": SITE,
        "aud": SITE,
        "iat": now,
        "exp": now + 3600,
    }
    chosen = {name: value for name, value in (good | claims).items() if value is not None}
    return jwt.encode(chosen, KEY, "HS256")


@dataclass(frozen=True)
class Caller:
    """A client of the API with one person's token."""

    url: str
    user: str
    token: str

    def post(self, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        """The whole answer to a GraphQL operation."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        # Not `json=`: httpx cannot write a lone surrogate, and an attacker can.
        content = json.dumps({"query": query, "variables": variables})
        url = f"{self.url}/graphql"
        if threading.current_thread() is threading.main_thread():
            return CLIENT.post(url, content=content, headers=headers)
        return plain.post(url, content=content, headers=headers, timeout=30)

    def __call__(self, query: str, **variables: Any) -> Any:
        """The data of an operation that must succeed."""
        body = self.post(query, variables).json()
        assert "errors" not in body, body
        return body["data"]

    def error(self, query: str, **variables: Any) -> Any:
        """The one error of an operation that must fail."""
        [error] = self.post(query, variables).json()["errors"]
        return error

    def create(self, title: str = "a task", **fields: Any) -> Any:
        """A new task, with every field."""
        query = (
            f"mutation ($i: CreateTaskInput!) {{ createTask(input: $i) {{ task {{ {TASK} }} }} }}"
        )
        return self(query, i={"title": title, **fields})["createTask"]["task"]


TASK = """id title description completed completedAt priority dueOn labels position
  version createdAt updatedAt trashedAt"""


@pytest.fixture
def new_caller(api: stack.Server) -> Callable[[], Caller]:
    """Makes people who have never been here."""

    def make() -> Caller:
        user = secrets.token_hex(8)
        return Caller(api.url, user, mint(user))

    return make


@pytest.fixture
def ada(new_caller: Callable[[], Caller]) -> Caller:
    return new_caller()


@pytest.fixture
def bob(new_caller: Callable[[], Caller]) -> Caller:
    return new_caller()


def run(where: Postgres | str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Does something in a database, or at this URL, behind the API's back."""

    async def connected() -> T:
        connection = await asyncpg.connect(where if isinstance(where, str) else where.url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    # In a thread of its own: Playwright keeps an event loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, connected()).result()
