"""How the API starts, grows and lasts: `python -m benchmarks.lasting`.

What a page costs with more connections, another worker and a hundred times as many tasks, how soon
the API is ready, and what memory it takes at rest and under load. wrk makes the load.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import psutil

from api.tasks.rules import TASKS
from benchmarks import race, scale
from benchmarks.workloads import WORKLOADS
from dev.postgres import ROOT
from tests import stack
from tests.conftest import trusting

PAGE = WORKLOADS[0]
CONNECTIONS = (1, 4, 16, 64, 256, 1024)
STARTS = 5
MEGABYTE = 1 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lasting", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each cell (%(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of load at the end (%(default)s)")
    chosen = parser.parse_args(arguments)
    with race.arena() as (server, tasks, folder):
        race.requests([PAGE], tasks, folder / "many")
        race.requests([PAGE], {scale.BIG: []}, folder / "one")
        env = trusting(server.url)
        grow(folder, env, chosen.seconds)
        start(folder, env)
        last(folder, env, chosen.minutes)


def grow(folder: Path, env: Mapping[str, str], seconds: int) -> None:
    """CPU of a page, by connections and workers, and for an owner with as many tasks as may be."""
    owners = {f"{scale.EACH} tasks each": "many", f"{TASKS.most:,} tasks": "one"}
    columns = list(product((1, 2), owners))
    print("| µs a page (pages a second) | ", end="")
    print(" | ".join(f"--workers {workers}, {whose}" for workers, whose in columns) + " |")
    print("|---:|" + "---:|" * len(columns))
    servers = {n: stack.api(folder, env, "--workers", str(n)) for n in (1, 2)}
    found = {n: race.Entrant(f"{n} workers", server) for n, server in servers.items()}
    for connections in CONNECTIONS:
        cells = []
        for workers, whose in columns:
            entrant = found[workers]
            entrant.figures.clear()
            entrant.rates.clear()
            path = folder / owners[whose]
            race.run(entrant, PAGE.name, path, seconds, 200, connections)
            cpu, rate = entrant.figures[PAGE.name][0], entrant.rates[PAGE.name][0]
            cells.append(f"{cpu:,.0f} ({rate:,.0f})")
        print(f"| {connections} | " + " | ".join(cells) + " |", flush=True)
    for server in servers.values():
        server.stop()


def start(folder: Path, env: Mapping[str, str]) -> None:
    """Seconds until it is imported, and until it answers."""
    imported, ready = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import api.app"], cwd=ROOT, env=env, check=True)
        imported.append(time.perf_counter() - began)
        began = time.perf_counter()
        server = stack.api(folder, env)
        ready.append(time.perf_counter() - began)
        server.stop()
    for what, taken in (("imported", imported), ("serving", ready)):
        print(f"\n{what} after {statistics.median(taken):.2f} s", end="")
    print(f" (medians of {STARTS})\n")


def last(folder: Path, env: Mapping[str, str], minutes: int) -> None:
    """Megabytes that it takes, minute by minute, of pages for two thousand owners."""
    server = stack.api(folder, env)
    entrant = race.Entrant("the API", server)
    process = psutil.Process(server.child.process.pid)
    print("| minute | MB | requests |\n|---:|---:|---:|")
    print(f"| at rest | {process.memory_info().rss / MEGABYTE:.0f} | |")
    for minute in range(1, minutes + 1):
        race.run(entrant, PAGE.name, folder / "many", 60, 200)
        requests = entrant.rates[PAGE.name][-1] * 60
        print(
            f"| {minute} | {process.memory_info().rss / MEGABYTE:.0f} | {requests:,.0f} |",
            flush=True,
        )
    server.stop()


if __name__ == "__main__":
    main()
