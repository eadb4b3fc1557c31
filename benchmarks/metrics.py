"""Measure the CPU time that the metrics of the API take, without a server.

Run it with `python -m benchmarks.metrics`. It prints the CPU time of counting one request, of a
sample, which each process takes once a second, and of a scrape by Prometheus. Each figure is the
best of many rounds, so that a busy machine changes it little. The scrape has the files of two
processes that have counted 120 operations.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

from api.metrics.directory import directory
from api.telemetry.records import Observers, Record
from tests import plain

ROUNDS = 30
OPERATIONS = 120


def best(work: Callable[[], object], times: int) -> float:
    """Return the CPU time of a call in the best round, in microseconds."""
    figures = []
    for _ in range(ROUNDS):
        began = process_time()
        for _ in range(times):
            work()
        figures.append((process_time() - began) / times * 1e6)
    return min(figures)


def record(number: int) -> Record:
    """Return the record of a query that took 2 ms."""
    made = Record("http", "id", Observers())
    made.route, made.operation_name, made.operation_type = "/graphql", f"Op{number}", "query"
    made.status, made.compiled, made.duration = 200, "taken", 2e-3
    made.seconds = {"token": 1e-4, "parse": 1e-5, "execute": 1e-3, "database": 8e-4, "encode": 1e-5}
    return made


def main() -> None:
    """Print the figures. With an argument, only count, as another process of the service."""
    if sys.argv[1:]:
        count()
        return
    with directory() as path:
        subprocess.run([sys.executable, "-m", "benchmarks.metrics", "worker"], check=True)
        count()
        scrape(path)


def count() -> None:
    """Count requests, and print the figures."""
    from api.metrics.requests import Requests  # noqa: PLC0415 - after the directory was made

    requests = Requests(f"Op{number}" for number in range(OPERATIONS))
    records = [record(number) for number in range(OPERATIONS)]

    def once() -> None:
        for made in records:
            requests(made)

    def second() -> None:
        once()
        requests.write()

    counting, both = best(once, 20), best(second, 5)
    if not sys.argv[1:]:
        print(f"counting a request: {counting / OPERATIONS:.1f} µs")
        print(f"writing {OPERATIONS} operations, once a second: {(both - counting) / 1000:.1f} ms")


def scrape(path: Path) -> None:
    """Print the CPU time of a scrape, including the client's."""
    from api.metrics.exposition import served  # noqa: PLC0415 - as above

    with served(path, 0) as url:
        text = plain.get(url).text
        taken = best(lambda: plain.get(url), 1)
    print(f"a scrape of {len(text.splitlines())} lines: {taken / 1000:.1f} ms")


if __name__ == "__main__":
    main()
