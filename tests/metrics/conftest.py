"""Start an API that serves metrics, once in each worker of pytest-xdist."""

import signal
from collections.abc import Iterator

import pytest

from tests import stack
from tests.metrics.scraping import Watched
from tests.waiting import PATIENCE


@pytest.fixture(scope="session")
def watched(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """Yield an API that serves metrics.

    Afterwards, check that SIGTERM ends it as it ends one without metrics, and removes its files.
    """
    folder = tmp_path_factory.mktemp("watched")
    documents = str(stack.FRONTEND / "gql/persisted-documents.json")
    env = {**settings, "TMPDIR": str(folder), "TRUSTED_DOCUMENTS": documents}
    server = Watched(folder, env)
    [directory] = folder.glob("tasks-api-metrics-*")
    yield server
    server.api.child.process.send_signal(signal.SIGTERM)
    assert server.api.child.process.wait(PATIENCE) == -signal.SIGTERM
    server.api.stop()
    assert not directory.exists()
