"""`serve --metrics-port` serves all processes on one port, to this machine only."""

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from api.identity.revocations import MAX_STALENESS
from tests import plain, sse
from tests.metrics.scraping import Watched
from tests.waiting import PATIENCE, wait_until

CHANGES = "subscription { taskChanges { task { title } } }"
NOTICED = "tasks_api_changes_noticed_total"
CREATE = 'mutation { createTask(input: {title: "Watered the plants"}) { task { id } } }'


def test_subscriptions_and_their_events_are_counted(watched: Watched) -> None:
    ada = watched.caller()
    before = watched.scrape()

    def counts(sessions: int) -> dict[str, float]:
        now = watched.scrape()
        return {
            "sessions": now("tasks_api_sessions", transport="sse") - sessions,
            "subscriptions": now("tasks_api_subscriptions") - sessions,
            "events": now("tasks_api_events_delivered_total")
            - before("tasks_api_events_delivered_total"),
            "delivered": now("tasks_api_change_delivery_seconds_count")
            - before("tasks_api_change_delivery_seconds_count"),
            "noticed": min(1, now(NOTICED) - before(NOTICED)),
        }

    with sse.subscribed(ada, CHANGES) as stream:
        wait_until(lambda: not any(counts(1).values()), "the subscription is counted")
        ada(CREATE)
        assert stream.data()["taskChanges"]["task"]["title"] == "Watered the plants"
        event = {"sessions": 0, "subscriptions": 0, "events": 1, "delivered": 1, "noticed": 1}
        wait_until(lambda: counts(1) == event, "the event is counted")
    wait_until(lambda: counts(0) == event, "the subscription has ended")
    assert 0 <= watched.scrape()("tasks_api_revocations_age_seconds") < MAX_STALENESS


def test_metrics_port_in_use_is_an_error_of_one_line(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "api", "serve", "--port", "0", "--metrics-port", port]
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        f"--metrics-port: 127.0.0.1:{port} cannot be used (Address already in use)"
    ]


def test_metrics_are_served_to_this_machine_only(watched: Watched) -> None:
    process = psutil.Process(watched.api.child.process.pid)
    port = urlsplit(watched.url).port
    listening = [each.laddr for each in process.net_connections() if each.laddr.port == port]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert plain.get(f"{watched.api.url}/metrics").status_code == 404
