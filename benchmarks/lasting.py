"""Measure scaling, start-up time and memory: `python -m benchmarks.lasting`.

This measures the CPU time of a page by the number of connections, workers and tasks of an owner;
the time until the API is ready; and its memory, idle and under load. wrk generates the load.
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
    """Run the measurements, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lasting", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, default=4, help="duration of each cell (%(default)s)"
    )
    parser.add_argument(
        "--minutes", type=int, default=10, help="duration of the load at the end (%(default)s)"
    )
    args = parser.parse_args(arguments)
    with race.environment() as (server, tasks, folder):
        race.requests([PAGE], tasks, folder / "many")
        race.requests([PAGE], {scale.BIG: []}, folder / "one")
        env = trusting(server.url)
        grow(folder, env, args.seconds)
        start(folder, env)
        last(folder, env, args.minutes)


def grow(folder: Path, env: Mapping[str, str], seconds: int) -> None:
    """Print the CPU time of a page by connections and workers, with few tasks and with the most."""
    owners = {f"{scale.EACH} tasks each": "many", f"{TASKS.most:,} tasks": "one"}
    columns = list(product((1, 2), owners))
    print("| µs a page (pages a second) | ", end="")
    print(" | ".join(f"--workers {workers}, {whose}" for workers, whose in columns) + " |")
    print("|---:|" + "---:|" * len(columns))
    servers = {n: stack.api(folder, env, "--workers", str(n)) for n in (1, 2)}
    found = {n: race.Target(f"{n} workers", server) for n, server in servers.items()}
    for connections in CONNECTIONS:
        cells = []
        for workers, whose in columns:
            target = found[workers]
            target.figures.clear()
            target.rates.clear()
            path = folder / owners[whose]
            race.run(target, PAGE.name, path, seconds, 200, connections)
            cpu, rate = target.figures[PAGE.name][0], target.rates[PAGE.name][0]
            cells.append(f"{cpu:,.0f} ({rate:,.0f})")
        print(f"| {connections} | " + " | ".join(cells) + " |", flush=True)
    for server in servers.values():
        server.stop()


def start(folder: Path, env: Mapping[str, str]) -> None:
    """Print the seconds until the API is imported, and until it responds."""
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
    """Print the memory of the API for each minute of load. The load is pages of 2,000 owners."""
    server = stack.api(folder, env)
    target = race.Target("the API", server)
    process = psutil.Process(server.child.process.pid)
    print("| minute | MB | requests |\n|---:|---:|---:|")
    print(f"| at rest | {process.memory_info().rss / MEGABYTE:.0f} | |")
    for minute in range(1, minutes + 1):
        race.run(target, PAGE.name, folder / "many", 60, 200)
        requests = target.rates[PAGE.name][-1] * 60
        print(
            f"| {minute} | {process.memory_info().rss / MEGABYTE:.0f} | {requests:,.0f} |",
            flush=True,
        )
    server.stop()


if __name__ == "__main__":
    main()
