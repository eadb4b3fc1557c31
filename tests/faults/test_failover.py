"""The primary of a cluster fails, and its standby takes over, while clients write."""

from pathlib import Path

import pytest

from tests import stack
from tests.conftest import run, trusting
from tests.faults.cluster import cluster
from tests.faults.writers import writing
from tests.waiting import wait_until

pytestmark = pytest.mark.prove

MANY = 100
"""The tasks that each writer has at the time of a fault."""


def test_failover(tmp_path: Path) -> None:
    """The standby is synchronous: PostgreSQL acknowledges a commit once both have it."""
    with cluster(is_synchronous=True) as (url, one, two):
        api = stack.api(tmp_path, trusting(url))
        with writing("primary killed: failover", api.url, url) as writers:
            writers.wait_until_each_wrote(MANY)
            one.kill()
            writers.repaired()  # nothing is repaired: the time counts from the fault
            two.wait_until_it_is("primary")
        one.start()
        one.wait_until_it_is("synchronous")
        with writing("planned switchover", api.url, url) as writers:
            writers.wait_until_each_wrote(MANY)
            assert two.ask("switchover", leader="two", candidate="one").status_code == 200
            writers.repaired()
            one.wait_until_it_is("primary")
        two.wait_until_it_is("synchronous")
        with writing("primary stopped: failover", api.url, url) as writers:
            writers.wait_until_each_wrote(MANY)
            for process in one.processes():
                process.suspend()
            writers.repaired()
            two.wait_until_it_is("primary")
            one.kill()  # so that it does not continue as a second primary
        api.stop()


def is_streamed(url: str) -> bool:
    """Return whether a standby has caught up with the primary, and gets new writes at once."""
    streaming = "SELECT FROM pg_stat_replication WHERE state = 'streaming'"
    return bool(run(url, lambda connection: connection.fetch(streaming)))


def test_failover_to_an_asynchronous_standby(tmp_path: Path) -> None:
    """The standby is 0.5 s behind. It lacks the last writes that the primary acknowledged."""
    with cluster(is_synchronous=False) as (url, one, two):
        api = stack.api(tmp_path, trusting(url))
        fault = "primary killed, standby asynchronous and 0.5 s away"
        with writing(fault, api.url, url, may_lose=True) as writers:
            # Before, the standby may lack even the tables.
            wait_until(lambda: is_streamed(url), "the standby does not get the writes")
            one.proxy.delay = 0.5
            writers.wait_until_each_wrote(30)
            one.kill()
            one.proxy.end()
            writers.repaired()
            two.wait_until_it_is("primary")
        api.stop()
