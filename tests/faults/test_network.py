"""The network to PostgreSQL is slow, or PgBouncer is restarted, while clients write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dev.postgres import Postgres
from tests import pooler, stack
from tests.conftest import trusting
from tests.faults.test_postgres import is_ready
from tests.faults.writers import writing
from tests.tcp_proxy import TcpProxy, tcp_proxy


@contextmanager
def slow_network(server: Postgres) -> Iterator[tuple[str, TcpProxy]]:
    """Put a network between the API and a server. Return the server's URL through the network."""
    [folder] = parse_qs(urlsplit(server.url).query)["host"]
    with tcp_proxy(Path(folder) / ".s.PGSQL.5432") as network:
        yield f"postgresql://postgres@127.0.0.1:{network.port}/postgres", network


@pytest.mark.prove
def test_slow_network(postgres: Postgres, tmp_path: Path) -> None:
    with slow_network(postgres) as (url, network):
        api = stack.api(tmp_path, trusting(url), "--no-migrate")
        with writing("PostgreSQL answers 0.1 s later", api.url, postgres) as writers:
            network.delay = 0.1
            writers.wait_until_each_wrote(8)
            network.delay = 0
            writers.repaired()
        assert not writers.answers()[503], "the clients wait"
        api.stop()


@pytest.mark.prove
def test_network_slower_than_the_timeouts(postgres: Postgres, tmp_path: Path) -> None:
    with slow_network(postgres) as (url, network):
        api = stack.api(tmp_path, trusting(url), "--no-migrate")
        with writing("PostgreSQL answers 6 s later", api.url, postgres) as writers:
            network.delay = 6
            writers.wait_until_refused(8)
            network.delay = 0
            writers.repaired()
        api.stop()


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_pooler_is_restarted(postgres: Postgres, tmp_path: Path) -> None:
    with pooler.running(postgres.url) as between:
        env = trusting(between.url, DATABASE_URL_UNPOOLED=postgres.url)
        api = stack.api(tmp_path, env, "--no-migrate")
        with writing("PgBouncer killed, and started again", api.url, postgres) as writers:
            between.kill()
            writers.wait_until_refused()
            assert not is_ready(api)
            between.start()
            writers.repaired()
        api.stop()
