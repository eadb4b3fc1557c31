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
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import asyncpg
import httpx
import jwt
import pytest

from api import migrations
from api.identity.keys import ACCESS_TOKEN, derive
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


LONGEST = ("dev/test_make_dev.py", "e2e/test_procedures.py", "e2e/test_app.py")
"""Files whose tests take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first: a worker that began one at the end would work on alone."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONGEST))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that is marked `partitioned` on whole tables and on divided ones."""
    marked = metafunc.definition.get_closest_marker("partitioned")
    if marked and "partitions" in metafunc.fixturenames and not _given():
        metafunc.parametrize("partitions", [1, 8])


def _given() -> bool:
    """Whether the database comes from outside."""
    return "CITUS_URL" in os.environ or "POSTGRES_TO_COPY" in os.environ


@pytest.fixture(scope="session")
def databases() -> Iterator[Callable[[int], Postgres]]:
    """Return the server of a worker whose tables are divided into so many partitions.

    Or a copy of what `POSTGRES_TO_COPY` names, or the database of Citus at `CITUS_URL`.
    """
    with ExitStack() as running:

        @cache
        def database(partitions: int) -> Postgres:
            if url := os.environ.get("CITUS_URL"):
                return stack.citus(url)
            if template := os.environ.get("POSTGRES_TO_COPY"):
                return running.enter_context(stack.copy(template))
            server = running.enter_context(stack.postgres())
            migrations.upgrade(server.url, partitions)
            return server

        yield database


@pytest.fixture(scope="session")
def postgres(databases: Callable[[int], Postgres]) -> Postgres:
    """The server of a worker whose tables are whole."""
    return databases(1)


@pytest.fixture
def partitions() -> int:
    """How many partitions the tables have that a test asks about."""
    return 1


@pytest.fixture
def database(databases: Callable[[int], Postgres], partitions: int) -> Postgres:
    """The server behind `new_caller`."""
    return databases(partitions)


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
def apis(
    databases: Callable[[int], Postgres], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], stack.Server]]:
    """Return the API of a worker on the database with so many partitions."""
    with ExitStack() as running:

        @cache
        def api(partitions: int) -> stack.Server:
            env = trusting(databases(partitions).url)
            server = stack.api(tmp_path_factory.mktemp("api"), env)
            running.callback(server.stop)
            return server

        yield api


@pytest.fixture(scope="session")
def api(apis: Callable[[int], stack.Server]) -> stack.Server:
    """The API of a worker, on whole tables."""
    return apis(1)


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
def new_caller(apis: Callable[[int], stack.Server], partitions: int) -> Callable[[], Caller]:
    """Makes people who have never been here."""
    api = apis(partitions)

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
