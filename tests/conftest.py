"""Fixtures for all tests: clients with a new user each, and the servers and databases they use."""

import asyncio
import atexit
import gc
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
from typing import Any, Self, TypeVar

import asyncpg
import httpx
import hypothesis
import jwt
import pytest

from api import migrations
from api.identity.keys import ACCESS_TOKEN, derive
from api.telemetry import records
from dev.postgres import Postgres
from tests import plain, shared, stack
from tests.databases import citus, copy

T = TypeVar("T")

SECRET = secrets.token_urlsafe(32)
SITE = f"http://{stack.NOBODY}"
"""The URL of the web app that issues the tests' tokens. Nothing listens there."""
KEY = derive(SECRET.encode(), ACCESS_TOKEN)
NO_TLS = plain.NO_TLS
CLIENT = plain.Client()
"""A client with persistent connections, for tests that send one request after the other."""
atexit.register(CLIENT.close)


# On a busy machine, an example may take longer than Hypothesis allows, and so may its generation.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, Any, Any]:
    """Give the run a folder: before its workers start, and until all of them have ended."""
    with shared.folder():
        return (yield)


def pytest_collection_finish() -> None:
    """Exclude the modules and the collected tests from garbage collection: they stay until the end.

    Otherwise each collection walks through all of them, which is a tenth of the CPU time of a test.
    """
    gc.collect()
    gc.freeze()


LONGEST = (
    "dev/test_make_dev.py",
    "test_your_noun.py",
    "e2e/test_accessibility.py",
    "e2e/test_keyboard.py",
    "e2e/test_outages.py",
    "e2e/test_tokens.py",
)
"""The files with the slowest tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests first: a worker that began one at the end would delay the run."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONGEST))


STARTED: pytest.StashKey[list[stack.Server]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Record the servers that the test itself starts. Fixtures stop the servers that they start."""
    before = len(stack.started)
    try:
        yield
    finally:
        item.stash[STARTED] = stack.started[before:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Stop the servers that a failed test left running, so that no other test fails with it."""
    try:
        yield
    finally:
        for server in item.stash.get(STARTED, []):
            server.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that is marked `partitioned` with whole and with partitioned tables."""
    marked = metafunc.definition.get_closest_marker("partitioned")
    if marked and "partitions" in metafunc.fixturenames and not _given():
        metafunc.parametrize("partitions", [1, 8])


def _given() -> bool:
    """Return whether the environment names a database."""
    return "CITUS_URL" in os.environ or "POSTGRES_TO_COPY" in os.environ


@pytest.fixture(scope="session")
def databases() -> Iterator[Callable[[int], Postgres]]:
    """Return a function that gives a worker's server by the number of partitions of its tables.

    The server may also be a copy of `POSTGRES_TO_COPY`, or the database of Citus at `CITUS_URL`.
    """
    with ExitStack() as running:

        @cache
        def database(partitions: int) -> Postgres:
            if url := os.environ.get("CITUS_URL"):
                return citus(url)
            if template := os.environ.get("POSTGRES_TO_COPY"):
                return running.enter_context(copy(template))
            server = running.enter_context(stack.postgres())
            with ThreadPoolExecutor(1) as pool:  # Playwright runs an event loop in this thread
                pool.submit(migrations.upgrade, server.url, partitions).result()
            return server

        yield database


@pytest.fixture(scope="session")
def postgres(databases: Callable[[int], Postgres]) -> Postgres:
    """Return the server of a worker, with whole tables."""
    return databases(1)


@pytest.fixture
def partitions() -> int:
    """Return the number of partitions of the tables under test."""
    return 1


@pytest.fixture
def database(databases: Callable[[int], Postgres], partitions: int) -> Postgres:
    """Return the server that `new_caller` uses."""
    return databases(partitions)


def trusting(database: str, **variables: str) -> dict[str, str]:
    """Return the environment of an API on this database that accepts the tokens of `mint`.

    Its rate limits are off, because many tests and benchmarks send more than a client may.
    """
    settings = {
        "BETTER_AUTH_SECRET": SECRET,
        "NEXT_PUBLIC_BETTER_AUTH_URL": SITE,
        "DATABASE_URL": database,
        "RATE_LIMIT_PER_SECOND": "0",
    }
    return stack.environment(**settings | variables)


@pytest.fixture(scope="session")
def settings(postgres: Postgres) -> dict[str, str]:
    """Return the environment of the API that tests share."""
    return trusting(postgres.url)


@pytest.fixture(scope="session")
def apis(
    databases: Callable[[int], Postgres], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], stack.Server]]:
    """Return a function that gives a worker's API by the number of partitions of its tables."""
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
    """Return the API of a worker, on whole tables."""
    return apis(1)


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[stack.Server]:
    """Return the API under each of the servers that can run it."""
    folder = tmp_path_factory.mktemp("server")
    running = (stack.api if request.param == "serve" else stack.uvicorn)(folder, settings)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Site]:
    """Return the whole product, which tests share: each test signs up users of its own."""
    with stack.shared_site(tmp_path_factory.mktemp("site"), "site") as running:
        yield running


def mint(user: str, **claims: object) -> str:
    """Return a token that is good except for these claims. None omits a claim."""
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
    """A client of the API with the token of one user."""

    url: str
    user: str
    token: str

    @classmethod
    def new(cls, url: str) -> Self:
        """Return a client of the API at this URL, with the token of a new user."""
        user = secrets.token_hex(8)
        return cls(url, user, mint(user))

    def post(self, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        """Send a GraphQL operation, and return the response."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        # `json=` would not do: httpx cannot encode a lone surrogate, and an attacker can.
        content = json.dumps({"query": query, "variables": variables})
        url = f"{self.url}/graphql"
        if threading.current_thread() is threading.main_thread():
            return CLIENT.post(url, content=content, headers=headers)
        return plain.post(url, content=content, headers=headers)

    def __call__(self, query: str, **variables: Any) -> Any:
        """Return the data of an operation that must succeed."""
        body = self.post(query, variables).json()
        assert "errors" not in body, body
        return body["data"]

    def error(self, query: str, **variables: Any) -> Any:
        """Return the error of an operation that must have exactly one."""
        [error] = self.post(query, variables).json()["errors"]
        return error

    def create(self, title: str = "a task", **fields: Any) -> Any:
        """Create a task, and return it with every field."""
        query = (
            f"mutation ($i: CreateTaskInput!) {{ createTask(input: $i) {{ task {{ {TASK} }} }} }}"
        )
        return self(query, i={"title": title, **fields})["createTask"]["task"]


TASK = """id title description completed completedAt priority dueOn labels position
  version createdAt updatedAt trashedAt project { id }"""


@pytest.fixture
def new_caller(apis: Callable[[int], stack.Server], partitions: int) -> Callable[[], Caller]:
    """Return a function that makes a client with a new user."""
    api = apis(partitions)
    return lambda: Caller.new(api.url)


@pytest.fixture(autouse=True)
def no_record() -> Iterator[None]:
    """Leave no record of a request that a test has begun in this process to the next test."""
    yield
    records.leave()


@pytest.fixture
def ada(new_caller: Callable[[], Caller]) -> Caller:
    return new_caller()


@pytest.fixture
def bob(new_caller: Callable[[], Caller]) -> Caller:
    return new_caller()


def run(where: Postgres | str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Run something in a database, bypassing the API."""

    async def connected() -> T:
        connection = await asyncpg.connect(where if isinstance(where, str) else where.url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    # In another thread: Playwright runs an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, connected()).result()
