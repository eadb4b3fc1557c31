"""Profile the CPU time of a page by parts of the API: `python -m benchmarks.where`.

py-spy samples the stack of the running API 200 times a second, including C functions. A sample
counts for the part of its innermost function that belongs to a part. Sampling slows the API down,
so only the shares are meaningful. py-spy must be allowed to trace another process, which requires
root on most machines.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import race
from benchmarks.workloads import WORKLOADS
from tests import stack
from tests.conftest import trusting

PY_SPY = Path(sys.executable).with_name("py-spy")
PARTS = {
    "token": (
        "(api/identity/auth.py",
        "(api/identity/tokens.py",
        "(api/identity/revocations.py",
        "(api/identity/key",
    ),
    "encoding": ("_encoded (api/graphql/http.py", "orjson"),
    "execution": (
        *("(<compiled operation>", "(api/graphql/execution/"),
        *("(api/schema.py", "(api/scalars.py", "(api/types.py", "(api/tasks/types.py"),
        "(api/loader.py",
    ),
    "database": (
        *("(asyncpg/", "pgproto", "asyncpg", "protocol.c"),
        *("(api/postgres/", "(api/owned/", "(api/tasks/rules.py"),
    ),
    "request handling": (
        *("(api/app.py", "(api/bodies.py", "(api/context.py", "(api/graphql/http.py"),
        "(api/middleware.py",
        *("(api/graphql/documents.py", "(api/graphql/limits.py"),
        *("(api/graphql/cost.py", "(api/graphql/estimation.py"),
    ),
    "HTTP": (
        "(uvicorn/",
        "(starlette/",
        "(api/serving/connection.py",
        "httptools",
        "llhttp",
        "parser.c",
    ),
    "event loop": ("uv_", "uv__", "(loop.c", "(asyncio/", "_asyncio", "epoll"),
}


def part(frames: str) -> str:
    """Return the part of a sample: its frames, outermost first, separated by semicolons."""
    for frame in reversed(frames.split(";")):
        for name, marks in PARTS.items():
            if any(mark in frame for mark in marks):
                return name
    return "the rest"


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile the API under load, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="duration (%(default)s)")
    args = parser.parse_args(arguments)
    with race.environment() as (server, tasks, folder):
        page = WORKLOADS[0]
        race.requests([page], tasks, folder / "page")
        target = race.Target("the API", stack.api(folder, trusting(server.url)))
        race.run(target, page.name, folder / "page", 2, 200)
        samples = folder / "samples"
        profiler = subprocess.Popen(
            [
                *(str(PY_SPY), "record", "--pid", str(target.server.child.process.pid)),
                *("--native", "--format", "raw", "--output", str(samples)),
                *("--rate", "200", "--duration", str(args.seconds)),
            ]
        )
        race.run(target, page.name, folder / "page", args.seconds + 2, 200)
        profiler.wait()
        target.server.stop()
        counted: Counter[str] = Counter()
        for line in samples.read_text().splitlines():
            frames, _, count = line.rpartition(" ")
            counted[part(frames)] += int(count)
        print("| part of a page's CPU time | share |\n|---|---:|")
        for name, number in counted.most_common():
            print(f"| {name} | {number / counted.total():.0%} |")


if __name__ == "__main__":
    main()
