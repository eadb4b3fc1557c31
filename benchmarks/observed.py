"""Measure the CPU time of a request with logs, with metrics, and with traces.

Run it with `python -m benchmarks.observed`. Each form of the API is a server of its own on the same
database. The servers take turns in every round, so that a noisy machine slows all of them alike.
The CPU time is that of all threads of the server's process. `--before` adds the API of another
checkout, such as one of an older commit.
"""

import argparse
import json
import secrets
import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from api import migrations
from benchmarks.workloads import ONE, PAGE
from tests import plain, stack
from tests.collector import collecting
from tests.conftest import Caller, mint, trusting

WARM_UP = 100
REQUESTS = {"one task": 400, "a page of 100": 50}
"""The number of requests of each kind in a round."""
METERED = frozenset({"metrics", "logs, metrics", "all"})
"""The forms with `--metrics-port`."""
LOGS = {"ACCESS_LOG": "1", "LOG_FORMAT": "json"}


def cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process that run now, in nanoseconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in threads)


def sender(server: stack.Server, token: str, query: str, **variables: object) -> Callable[[], None]:
    """Return a function that sends a request on one connection, and checks its response."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    client = plain.Client(base_url=server.url, headers=headers)
    body = json.dumps({"query": query, "variables": variables})

    def send() -> None:
        response = client.post("/graphql", content=body)
        if b'"data"' not in response.content:
            raise RuntimeError(response.text)

    return send


def main() -> None:
    """Measure all forms, and print the medians of the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="number of rounds (%(default)s)")
    parser.add_argument("--before", type=Path, help="the folder of another checkout")
    chosen = parser.parse_args()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        database = running.enter_context(stack.postgres())
        migrations.upgrade(database.url)
        collector = running.enter_context(collecting())
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        forms: dict[str, dict[str, str]] = {
            **({"before": {"PYTHONPATH": str(chosen.before)}} if chosen.before else {}),
            "off": {},
            "logs": LOGS,
            "traces": traces,
            "metrics": {},
            "logs, metrics": LOGS,
            "all": LOGS | traces,
        }
        servers = {}
        for name, variables in forms.items():
            options = ("--metrics-port", "0") if name in METERED else ()
            server = stack.api(folder, trusting(database.url, **variables), *options)
            running.callback(server.stop)
            servers[name] = server
        measure(servers, chosen.rounds)


def measure(servers: Mapping[str, stack.Server], rounds: int) -> None:
    """Measure the servers in turns, and print a table for each kind of request."""
    user = secrets.token_hex(8)
    token = mint(user)
    caller = Caller(next(iter(servers.values())).url, user, token)
    ids = [caller.create(f"task {n}")["id"] for n in range(100)]
    for kind, number in REQUESTS.items():
        query, variables = (ONE, {"id": ids[0]}) if kind == "one task" else (PAGE, {"first": 100})
        senders = {n: sender(server, token, query, **variables) for n, server in servers.items()}
        for send in senders.values():
            for _ in range(WARM_UP):
                send()
        took: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, send in senders.items():
                pid = servers[name].child.process.pid
                began = cpu_ns(pid)
                for _ in range(number):
                    send()
                took[name].append((cpu_ns(pid) - began) / number / 1000)
        base = took["off"]
        print(f"\n| {kind} | least CPU µs of a round | median | median ratio to off |")
        print("|---|---|---|---|", flush=True)
        for name, each in took.items():
            ratio = statistics.median(one / other for one, other in zip(each, base, strict=True))
            median = statistics.median(each)
            print(f"| {name} | {min(each):.1f} | {median:.1f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
