"""Compare the CPU time per request of several servers in one run: `make bench`.

The rounds of the servers are interleaved, so that other load on the machine affects all of them
alike. The result is the CPU time of the server's processes, which other load affects least. Before
the measurement, all servers must return the same responses.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import psutil

from api import migrations
from api.owned import read_sql, write_sql
from api.tasks.model import Priority
from api.tasks.rules import CHANGE_ALL, TASKS
from benchmarks import scale
from benchmarks.workloads import BY_TABLE, LEAN, MIX, WORKLOADS, Operations, Workload
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import mint, trusting

OWNERS = 2_000
REQUESTS = 4_000
"""The number of different requests of a workload. The owners take turns, and wrk repeats them."""
CONNECTIONS = 32
UVICORN = ("--loop", "uvloop", "--no-access-log", "--log-level", "info")
BOUNDED = ("--http", "api.serving.connection:BoundedHttp", "--ws", "none")
"""The API's own protocol, which the ceiling runs on, too."""
UNBOUNDED = ("--http", "httptools")
AS_TEXT = "Mercurius, moments as text"
"""This server returns timestamps as PostgreSQL formats them, with microseconds, to save time."""
SAME_WORK = "Mercurius, same work"
"""This server does so too, and runs this API's statements, with row security and change numbers."""
PEERS = {
    "Mercurius, JIT": "mercurius.mjs",
    AS_TEXT: "mercurius.mjs",
    SAME_WORK: "mercurius.mjs",
    "GraphQL Yoga": "yoga.mjs",
    "Apollo Server": "apollo.mjs",
    "PostGraphile": "postgraphile.mjs",
}
OWN_OPERATIONS = {"PostGraphile": BY_TABLE}
WRK = """
local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
local requests = {}
while true do
  local size = file:read("*l")
  if not size then break end
  requests[#requests + 1] = file:read(tonumber(size))
end
local turn = math.random(#requests)
request = function() turn = turn % #requests + 1; return requests[turn] end
response = function(status)
  if status ~= tonumber(os.getenv("STATUS")) then wrong = (wrong or 0) + 1 end
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "microseconds": %d, "wrong": %d, "median": %d}\\n',
    summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50)))
end
"""


@dataclass
class Target:
    """A server that is measured."""

    name: str
    server: stack.Server
    operations: Operations | None = None
    """The operations for a server with its own schema. It runs no other workloads."""
    is_exact: bool = True
    """Whether its responses must equal those of this API exactly."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    medians: dict[str, list[float]] = field(default_factory=dict)
    """The median latencies, in milliseconds."""

    def supports(self, workloads: Sequence[Workload]) -> bool:
        """Return whether it has an operation for each of these workloads."""
        return self.operations is None or all(each.name in self.operations for each in workloads)

    def cpu(self) -> float:
        """Return the CPU time of its processes so far, in seconds."""
        return cpu(self.server.child.process.pid)


def cpu(pid: int) -> float:
    """Return the CPU time of a process and its children so far, in seconds.

    Children that have ended count as well: PostgreSQL ends a process with its connection.
    """
    process, total = psutil.Process(pid), 0.0
    for each in (*process.children(recursive=True), process):
        with suppress(psutil.NoSuchProcess):  # it ended just now, so its parent counts its time
            user, system, of_children, in_kernel, *_ = each.cpu_times()
            total += user + system + of_children + in_kernel
    return total


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Start processes on these cores only, if the platform supports that."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split_cores() -> tuple[set[int], set[int]]:
    """Return the core of the servers, and the cores of wrk and PostgreSQL.

    One core is enough for the servers, because only one of them is measured at a time. Both sets
    are empty if there is only one core, or if the platform cannot pin processes to cores.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    first = {min(cores)} if len(cores) > 1 else set()
    return first, cores - first if first else set()


@contextmanager
def environment(
    owners: int = OWNERS,
    tasks: int = OWNERS * scale.EACH,
    tasks_of_a_project: int = scale.TASKS_OF_A_PROJECT,
) -> Iterator[tuple[Postgres, dict[str, list[str]], Path]]:
    """Provide a database with the tasks of `scale.load`, their ids, and a folder for requests."""
    (ROOT / ".data").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        tempfile.TemporaryDirectory(prefix="race-", dir=ROOT / ".data") as data,
    ):
        Path(data).chmod(0o711)
        with Postgres(Path(data) / "postgres", {"synchronous_commit": "off"}) as server:
            migrations.upgrade(server.url)
            ids = asyncio.run(load(server.url, owners, tasks, tasks_of_a_project))
            yield server, ids, Path(scratch)


def python(app: str, folder: Path, env: dict[str, str], http: Sequence[str]) -> stack.Server:
    """Start an app on uvicorn with uvloop and httptools, like the API."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", "0", *UVICORN, *http]
    return stack.Server([*command], folder, env, r"running on (http://\S+)")


def variables(server: Postgres) -> dict[str, str]:
    """Return the environment of a server in Python or on Node that uses this database."""
    return trusting(server.url) | {"PGHOST": parse_qs(urlsplit(server.url).query)["host"][0]}


def node(script: str, folder: Path, env: dict[str, str]) -> stack.Server:
    """Start a server on Node in production mode."""
    command = [stack.NODE, ROOT / "benchmarks/peers" / script]
    return stack.Server(
        [*command], folder, env | {"NODE_ENV": "production"}, r"running on (http://\S+)"
    )


@contextmanager
def targets(
    server: Postgres,
    folder: Path,
    *,
    core: Collection[int] = (),
    peers: bool = False,
    against: str | None = None,
) -> Iterator[list[Target]]:
    """Start all servers, or this API and `against`, on the same database.

    Each server has its own port.
    """
    env = variables(server)

    def served(module: str, *http: str) -> stack.Server:
        return python(f"benchmarks.servers.{module}:app", folder, env, http or UNBOUNDED)

    starts: dict[str, Callable[[], stack.Server]] = {
        "this API": lambda: stack.api(folder, env),
        "graphql-core alone": lambda: stack.api(folder, env | {"EXECUTION": "reference"}),
        "the ceiling": lambda: served("ceiling", *BOUNDED),
        "Strawberry's router": lambda: served("strawberry_router"),
        "the tutorial way": lambda: served("tutorial"),
    }
    environments: dict[str, dict[str, str]] = {}
    if peers:
        text = env | {"MOMENTS": "text"}
        same = text | {"STATEMENTS": str(_statements(folder / "statements.json"))}
        environments = {AS_TEXT: text, SAME_WORK: same}
        starts |= {
            name: partial(node, script, folder, environments.get(name, env))
            for name, script in PEERS.items()
        }
    with ExitStack() as running:
        found = []
        for name in [*starts] if against is None else ["this API", against]:
            with pinned(core):
                is_exact = name not in PEERS or name in environments
                found.append(Target(name, starts[name](), OWN_OPERATIONS.get(name), is_exact))
            running.callback(found[-1].server.stop)
        yield found


def _statements(path: Path) -> Path:
    """Write the statements that the workloads need, for a server that is not in Python."""
    newest = partial(read_sql.page, TASKS, "created_at", descending=True, without=LEAN)
    by_due_day = partial(read_sql.page, TASKS, "due_on", descending=False, without=LEAN)
    statements = {
        "newest": newest(filtered=False),
        "narrow": newest(filtered=True),
        "by due day": by_due_day(filtered=True),
        "count": read_sql.count(TASKS, filtered=False),
        "one": read_sql.one(TASKS),
        "create": write_sql.create(TASKS),
        "update": write_sql.change(TASKS),
        "update all": CHANGE_ALL,
    }
    path.write_text(
        json.dumps(
            {
                name: {"text": each.sql, "names": each.names, "constants": each.constants}
                for name, each in statements.items()
            }
        )
    )
    return path


async def load(url: str, owners: int, tasks: int, tasks_of_a_project: int) -> dict[str, list[str]]:
    """Load owners with tasks. Return the ids of the tasks of each owner except the big one."""
    connection = await asyncpg.connect(url)
    await scale.load(connection, tasks, owners, tasks_of_a_project)
    query = """SELECT owner_id, array_agg(id::text ORDER BY id) AS ids FROM tasks.tasks
        WHERE owner_id <> $1 AND trashed_at IS NULL GROUP BY owner_id"""
    found = {row["owner_id"]: row["ids"] for row in await connection.fetch(query, scale.BIG)}
    await connection.close()
    return found


def body(
    workload: Workload, owner: str, ids: list[str], turn: int, operations: Operations | None = None
) -> bytes:
    """Return the body of a request."""
    make = workload.operation if operations is None else operations[workload.name]
    query, variables = make(owner, ids, turn)
    name = query.split()[1].split("(")[0]
    return json.dumps({"query": query, "operationName": name, "variables": variables}).encode()


@cache
def signed(owner: str) -> str:
    """Return the token of an owner. All requests of an owner have the same token."""
    return mint(owner)


def forged(token: str) -> str:
    """Return the token with an invalid signature."""
    return token[:-4] + ("aaaa" if not token.endswith("aaaa") else "bbbb")


def requests(
    workloads: Sequence[Workload],
    tasks: dict[str, list[str]],
    path: Path,
    operations: Operations | None = None,
) -> None:
    """Write raw HTTP/1.1 requests to a file, each after a line with its length."""
    people = itertools.islice(itertools.cycle(tasks), REQUESTS)
    with path.open("wb") as file:
        for turn, owner in enumerate(people):
            workload = workloads[turn % len(workloads)]
            token = forged(signed(owner)) if workload.refused else signed(owner)
            content = body(workload, owner, tasks[owner], turn, operations)
            head = (
                f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                "Content-Type: application/json\r\nAccept: application/graphql-response+json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n"
            ).encode()
            file.write(b"%d\n" % len(head + content) + head + content)


def written(
    names: Mapping[str, Sequence[Workload]],
    found: Sequence[Target],
    tasks: dict[str, list[str]],
    folder: Path,
) -> dict[tuple[str, str], Path]:
    """Write the requests of each workload, and return the file for each workload and server.

    Servers with the same schema share a file.
    """
    paths: dict[tuple[str, str], Path] = {}
    for number, (name, workloads) in enumerate(names.items()):
        for target in (each for each in found if each.supports(workloads)):
            path = folder / f"{number}-{target.name if target.operations else 'all'}".replace(
                " ", "-"
            )
            if not path.exists():
                requests(workloads, tasks, path, target.operations)
            paths[name, target.name] = path
    return paths


def ask(target: Target, workload: Workload, owner: str, ids: list[str]) -> httpx.Response:
    """Send one request of a workload, and return the response."""
    token = forged(signed(owner)) if workload.refused else signed(owner)
    return httpx.post(
        f"{target.server.url}/graphql",
        content=body(workload, owner, ids, 0, target.operations),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        verify=False,  # noqa: S501 - no TLS on loopback
    )


def compare(
    found: Sequence[Target],
    tasks: dict[str, list[str]],
    workloads: Sequence[Workload] = tuple(WORKLOADS),
) -> None:
    """Exit with an error unless all servers return the same data.

    Generated values of writes may differ. A server on Node may have other cursors, and timestamps
    in milliseconds; one with its own schema may also have numbers for enums, and objects with only
    a `totalCount` for counts.
    """
    owner = next(iter(tasks))
    for workload in workloads:
        answers: dict[str, Any] = {}
        for target in (each for each in found if each.supports([workload])):
            answer = ask(target, workload, owner, tasks[owner])
            given = answer.json().get("data") if answer.status_code == 200 else answer.status_code
            if given is None:
                sys.exit(f"{workload.name}: {target.name} returns no data\n{answer.text[:400]}")
            answers[target.name] = _stable(given) if workload.writes else given
        first = answers[found[0].name]
        for target in (each for each in found if each.name in answers):
            pair = (first, answers[target.name])
            normalized = pair if target.is_exact else map(_normalized, pair)
            expected, actual = map(json.dumps, normalized)
            if actual != expected:
                sys.exit(f"{workload.name}: {target.name} responds differently\n{actual[:400]}")


def _normalized(data: Any) -> Any:
    """Return the data in the form that all servers have in common, without cursors."""
    if isinstance(data, list):
        return [_normalized(item) for item in data]
    if isinstance(data, dict) and data.keys() == {"totalCount"}:
        return data["totalCount"]
    if isinstance(data, dict):
        return {
            name: Priority(value).name
            if name == "priority" and type(value) is int
            else _normalized(value)
            for name, value in data.items()
            if name not in {"cursor", "endCursor"}
        }
    if isinstance(data, str) and _TIMESTAMP.fullmatch(data):
        return datetime.fromisoformat(data).isoformat(timespec="milliseconds")
    return data


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")


def _stable(data: Any) -> Any:
    """Return the data of a write without the generated values."""
    if isinstance(data, dict):
        loose = {"id", "version", "createdAt", "updatedAt", "completedAt"}
        return {name: _stable(value) for name, value in data.items() if name not in loose}
    return [_stable(item) for item in data] if isinstance(data, list) else data


def run(  # noqa: PLR0913, PLR0917 - wrk needs them all
    target: Target,
    name: str,
    path: Path,
    seconds: int,
    status: int,
    connections: int = CONNECTIONS,
) -> int:
    """Run one round of one workload, and add its results to the target.

    Return the number of requests.
    """
    script = path.parent / "wrk.lua"
    script.write_text(WRK)
    before = target.cpu()
    done = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(script)),
            target.server.url,
        ],
        env={**os.environ, "REQUESTS": str(path), "STATUS": str(status)},
        capture_output=True,
        text=True,
        check=True,
    )
    spent = target.cpu() - before
    counts = json.loads(done.stdout.strip().splitlines()[-1])
    if not counts["requests"]:
        sys.exit(f"{target.name}, {name}: no response\n" + "\n".join(target.server.lines[-20:]))
    if counts["wrong"] and status == 200:
        sys.exit(f"{target.name}, {name}: {counts['wrong']} requests failed")
    target.figures.setdefault(name, []).append(spent / counts["requests"] * 1e6)
    rate = counts["requests"] / counts["microseconds"] * 1e6
    target.rates.setdefault(name, []).append(rate)
    target.medians.setdefault(name, []).append(counts["median"] / 1000)
    return int(counts["requests"])


def table(found: Sequence[Target], names: Sequence[str]) -> str:
    """Return the results as tables in Markdown: the best round of each server, and its ratio.

    The ratio is to the best round of this API. The best round counts, because other load on the
    machine can only slow a round down. Such load can last for minutes, so that the median of a few
    rounds would depend on chance.
    """
    first = found[0]
    lines = [
        "| CPU µs a request | " + " | ".join(target.name for target in found) + " | spread |",
        "|---|" + "---:|" * (len(found) + 1),
    ]
    for name in names:
        own = min(first.figures[name])
        cells, spreads = [], []
        for target in found:
            if name not in target.figures:
                cells.append("")
                continue
            figures = target.figures[name]
            figure = min(figures)
            ratio = "" if target is first else f" ({figure / own:.2f} x)"
            cells.append(f"{figure:,.0f}{ratio}")
            spreads.append((max(figures) - min(figures)) / statistics.median(figures))
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {max(spreads):.0%} |")
    lines += [
        "",
        "| Requests a second | " + " | ".join(target.name for target in found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    for name in names:
        rates = (
            f"{max(target.rates[name]):,.0f}" if name in target.rates else "" for target in found
        )
        lines.append(f"| {name} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def pairs(one: Target, other: Target, names: Sequence[str]) -> str:
    """Return a table in Markdown with the ratios of CPU time of rounds that followed each other."""
    lines = [f"| {one.name} beside {other.name} | median | half of the rounds |", "|---|---:|---:|"]
    for name in names:
        both = zip(one.figures[name], other.figures[name], strict=True)
        low, middle, high = statistics.quantiles((own / others for own, others in both), n=4)
        lines.append(f"| {name} | {middle:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def summary(result: str) -> str:
    """Return the part of the first table that the README shows."""
    rows = [line.strip("| ").split(" | ") for line in result.partition("\n\n")[0].splitlines()]
    columns = [rows[0].index(name) for name in README_SERVERS if name in rows[0]]
    shown = [[row[0], *(row[column] for column in columns)] for row in rows if len(row) > 1]
    [header, *figures] = shown
    lines = ["| " + " | ".join(["", *header[1:]]).strip() + " |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {' | '.join(row)} |" for row in figures if row[0] in README_WORKLOADS]
    return "\n".join(lines)


def publish(result: str) -> None:
    """Write the tables into the page that shows them, and a summary into the README."""
    for page, shown in (("docs/performance.md", result), ("README.md", summary(result))):
        path = ROOT / page
        text = path.read_text()
        before, _, rest = text.partition(f"{BEGIN}\n")
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n{shown}\n{END}{after}")


README_SERVERS = ("this API", "Strawberry's router", "Mercurius, same work")
README_WORKLOADS = {"page of 50", "one task", "create"}
BEGIN, END = "<!-- make bench wrote this -->", "<!-- and no more -->"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the servers, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (%(default)s)")
    parser.add_argument(
        "--seconds", type=int, default=2, help="duration of a workload in a round (%(default)s)"
    )
    parser.add_argument("--only", default="", help="run only workloads with this in their name")
    parser.add_argument("--peers", action="store_true", help="also measure the servers on Node")
    parser.add_argument(
        "--against",
        help="the name of a server in the tables: measure only it and this API, in pairs of rounds",
    )
    parser.add_argument(
        "--publish", action="store_true", help="write the tables to the documentation"
    )
    args = parser.parse_args(arguments)
    if subprocess.run(["which", "wrk"], capture_output=True, check=False).returncode:
        sys.exit("wrk is required to generate load: apt install wrk")

    names = {workload.name: [workload] for workload in WORKLOADS if args.only in workload.name}
    if not args.only:
        by_name = {workload.name: workload for workload in WORKLOADS}
        names["a mix, 90 % reads"] = [by_name[n] for n, count in MIX.items() for _ in range(count)]
    core, others = split_cores()
    with (
        pinned(others),
        environment() as (server, tasks, folder),
        targets(server, folder, core=core, peers=args.peers, against=args.against) as found,
    ):
        compare(found, tasks)
        paths = written(names, found, tasks, folder)
        for turn in range(args.rounds + 1):  # the first one warms up
            for name, workloads in names.items():
                for target in (each for each in found if each.supports(workloads)):
                    status = 401 if workloads[0].refused else 200
                    path = paths[name, target.name]
                    run(target, name, path, args.seconds if turn else 1, status)
                    if not turn:
                        target.figures.clear()
                        target.rates.clear()
            print(f"round {turn} of {args.rounds}", file=sys.stderr)
        result = table(found, list(names))
        print(result)
        if args.against:
            print(f"\n{pairs(found[0], found[1], list(names))}")
        if args.publish:
            publish(result)


if __name__ == "__main__":
    main()
