"""Where the CPU time of a page goes: `python -m benchmarks.where`.

py-spy looks at the running API, its C included, some hundred times a second. A look counts for the
innermost function whose part is known. Looking takes time as well: the shares are good, the rest of
what py-spy says is not. It needs the right to look at another process (root, on most machines).
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
        "(api/identity/keys.py",
    ),
    "encoding": ("_encoded (api/graphql/http.py", "orjson"),
    "execution": (
        *("(<compiled operation>", "(api/graphql/execution/"),
        *("(api/schema.py", "(api/types.py", "(api/tasks/types.py"),
    ),
    "database": (
        *("(asyncpg/", "pgproto", "asyncpg", "protocol.c"),
        *("(api/postgres/", "(api/owned/", "(api/tasks/rules.py"),
    ),
    "our own way in and out": (
        *("(api/app.py", "(api/bodies.py", "(api/context.py", "(api/graphql/http.py"),
        *("(api/graphql/documents.py", "(api/graphql/limits.py", "(api/graphql/cost.py"),
    ),
    "HTTP": ("(uvicorn/", "(starlette/", "(api/connection.py", "httptools", "llhttp", "parser.c"),
    "event loop": ("uv_", "uv__", "(loop.c", "(asyncio/", "_asyncio", "epoll"),
}


def part(frames: str) -> str:
    """Of a look: frames from the outermost on, parted by semicolons."""
    for frame in reversed(frames.split(";")):
        for name, marks in PARTS.items():
            if any(mark in frame for mark in marks):
                return name
    return "the rest"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="of looking (%(default)s)")
    chosen = parser.parse_args(arguments)
    with race.arena() as (server, tasks, folder):
        page = WORKLOADS[0]
        race.requests([page], tasks, folder / "page")
        entrant = race.Entrant("the API", stack.api(folder, trusting(server.url)))
        race.run(entrant, page.name, folder / "page", 2, 200)
        looks = folder / "looks"
        looking = subprocess.Popen(
            [
                *(str(PY_SPY), "record", "--pid", str(entrant.server.child.process.pid)),
                *("--native", "--format", "raw", "--output", str(looks)),
                *("--rate", "200", "--duration", str(chosen.seconds)),
            ]
        )
        race.run(entrant, page.name, folder / "page", chosen.seconds + 2, 200)
        looking.wait()
        entrant.server.stop()
        counted: Counter[str] = Counter()
        for line in looks.read_text().splitlines():
            frames, _, looks_like_it = line.rpartition(" ")
            counted[part(frames)] += int(looks_like_it)
        print("| part of a page's CPU time | share |\n|---|---:|")
        for name, number in counted.most_common():
            print(f"| {name} | {number / counted.total():.0%} |")


if __name__ == "__main__":
    main()
