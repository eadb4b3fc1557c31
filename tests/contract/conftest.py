"""What the tests of the contract share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract.people import Browsers


@pytest.fixture
def browsers() -> Iterator[Browsers]:
    with ExitStack() as opened:
        yield Browsers(opened)
