"""Fixtures for the tests of faults: a server and an API that the tests of one file may break."""

from collections.abc import Iterator

import pytest

from api import migrations
from dev.postgres import Postgres
from tests import shared, stack
from tests.conftest import trusting


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Return a PostgreSQL that tests may break, if they repair it."""
    with shared.server({"max_connections": "40"}) as running:
        migrations.upgrade(running.url)
        yield running


@pytest.fixture(scope="module")
def broken_api(
    server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    """Return an API on `server`. No fault of the server may make a restart of the API necessary."""
    running = stack.api(tmp_path_factory.mktemp("api"), trusting(server.url), "--no-migrate")
    yield running
    assert not running.has_stopped()
    running.stop()
