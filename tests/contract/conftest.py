"""Fixtures that the tests of the contract share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dev.postgres import Postgres
from tests import stack
from tests.contract.people import Browsers, Issuer, issuer


@pytest.fixture
def browsers() -> Iterator[Browsers]:
    with ExitStack() as opened:
        yield Browsers(opened)


@pytest.fixture(scope="session")
def key_set_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Site]:
    """Run the whole product like `site`, but with tokens signed by a key set."""
    folder = tmp_path_factory.mktemp("site")
    with stack.shared_site(folder, "key-set-site", TOKEN_SIGNING="key-set") as running:
        yield running


@pytest.fixture(scope="session")
def alone(postgres: Postgres) -> Iterator[Issuer]:
    """Run a web app without an API. Only this worker sends requests to it."""
    with issuer(postgres) as running:
        yield running


@pytest.fixture(scope="session")
def second(alone: Issuer) -> Iterator[stack.Server]:
    """Run another process of the same web app, at an address of its own."""
    port = stack.free_port()
    web = stack.web(alone.env, port)
    web.url = f"http://127.0.0.1:{port}"
    yield web
    web.stop()
