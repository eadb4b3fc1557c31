"""`serve --metrics-port`: one port for all processes, for this machine only."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from api.identity.revocations import MAX_STALENESS
from tests import plain, sse
from tests.metrics.scraping import Watched
from tests.waiting import PATIENCE, wait_until

CHANGES = "subscription { taskChanges { task { title } } }"
COMPLETE = "Application startup complete"
STARTED = "tasks_api_processes_started_total"
CREATE = 'mutation { createTask(input: {title: "Watered the plants"}) { task { id } } }'


def test_workers_are_counted_together_and_a_dead_one_keeps_its_counts(
    settings: dict[str, str], tmp_path: Path
) -> None:
    env = {**settings, "TMPDIR": str(tmp_path), "RATE_LIMIT_BURST": "5"}
    server = Watched(tmp_path, {**env, "RATE_LIMIT_PER_SECOND": "1"}, "--workers", "2")
    server.api.wait_for_output(COMPLETE, times=2)
    both = [server.api.wait_for_output(r"server process \[(\d+)\]", n)[1] for n in (1, 2)]
    before = server.scrape()
    assert before("tasks_api_pool_connections", state="limit") == 20
    assert {*both} < before.labels("process_cpu_seconds_total", "process")

    # Each new connection may be accepted by either worker, and each worker has its own quotas.
    flooding = server.caller()
    headers = {"Authorization": f"Bearer {flooding.token}", "Connection": "close"}
    body = {"query": "{ viewer { id } }"}

    def ask(_: int) -> int:
        return plain.post(f"{server.api.url}/graphql", json=body, headers=headers).status_code

    with ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(ask, range(40)))
    refused = statuses.count(429)
    assert refused

    def counted() -> float:
        return server.scrape()("tasks_api_rate_limited_total", limit="owner")

    wait_until(lambda: counted() == refused, "the sum is right")

    os.kill(int(both[0]), signal.SIGKILL)
    server.api.wait_for_output(COMPLETE, times=3)
    wait_until(lambda: server.scrape()(STARTED) == 3, "the dead one is replaced")
    after = server.scrape()
    assert counted() == refused
    assert after("tasks_api_pool_connections", state="limit") == 20  # not 30
    processes = after.labels("process_cpu_seconds_total", "process")
    assert len(processes) == 3
    assert both[0] not in processes

    parent = psutil.Process(server.api.child.process.pid)
    port = urlsplit(server.url).port
    listening = [each.laddr for each in parent.net_connections() if each.laddr.port == port]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert plain.get(f"{server.api.url}/metrics").status_code == 404
    [directory] = tmp_path.glob("tasks-api-metrics-*")
    assert server.api.stop() == 0
    assert not directory.exists()


def test_process_counts_subscriptions_and_removes_its_directory_after_sigterm(
    settings: dict[str, str], tmp_path: Path
) -> None:
    server = Watched(tmp_path, {**settings, "TMPDIR": str(tmp_path)})
    ada = server.caller()

    def counts(sessions: int) -> dict[str, float]:
        now = server.scrape()
        return {
            "sessions": now("tasks_api_sessions", transport="sse") - sessions,
            "subscriptions": now("tasks_api_subscriptions") - sessions,
            "events": now("tasks_api_events_delivered_total"),
            "delivered": now("tasks_api_change_delivery_seconds_count"),
            "noticed": min(1, now("tasks_api_changes_noticed_total")),
        }

    with sse.subscribed(ada, CHANGES) as stream:
        wait_until(lambda: not any(counts(1).values()), "the subscription is counted")
        ada(CREATE)
        assert stream.data()["taskChanges"]["task"]["title"] == "Watered the plants"
        event = {"sessions": 0, "subscriptions": 0, "events": 1, "delivered": 1, "noticed": 1}
        wait_until(lambda: counts(1) == event, "the event is counted")
    wait_until(lambda: counts(0) == event, "the subscription has ended")
    assert 0 <= server.scrape()("tasks_api_revocations_age_seconds") < MAX_STALENESS

    [directory] = tmp_path.glob("tasks-api-metrics-*")
    server.api.child.process.send_signal(signal.SIGTERM)
    assert server.api.child.process.wait(PATIENCE) == -signal.SIGTERM
    server.api.stop()
    assert not directory.exists()


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
