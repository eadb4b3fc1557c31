"""Fixtures that the tests of the contract share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import stack
from tests.contract.people import Browsers


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
