"""CPU microseconds a request of each server, side by side in one run: `make bench`.

Rounds are interleaved, so that whatever else the machine does disturbs all servers alike, and the
figure is the CPU time of the server's own processes, which that disturbs least. Before anything is
measured, every server must have given the same answers.
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
from contextlib import ExitStack, contextmanager
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
from benchmarks.workloads import BY_TABLE, LEAN, MIX, WORKLOADS, Words, Workload
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import Caller, mint, trusting

OWNERS = 2_000
TURNS = 4_000
"""Requests of a workload, each of another owner in turn, which are then sent over and over."""
CONNECTIONS = 32
UVICORN = ("--loop", "uvloop", "--no-access-log", "--log-level", "info")
BOUNDED = ("--http", "api.connection:BoundedHttp", "--ws", "none")
"""The API's own protocol, which the ceiling runs on, too."""
UNBOUNDED = ("--http", "httptools")
AS_TEXT = "Mercurius, moments as text"
"""Told to leave them as PostgreSQL writes them: to the microsecond, and with less work."""
SAME_WORK = "Mercurius, same work"
"""So told, and by this API's statements, with its wall and its change numbers."""
PEERS = {
    "Mercurius, JIT": "mercurius.mjs",
    AS_TEXT: "mercurius.mjs",
    SAME_WORK: "mercurius.mjs",
    "GraphQL Yoga": "yoga.mjs",
    "Apollo Server": "apollo.mjs",
    "PostGraphile": "postgraphile.mjs",
}
OWN_WORDS = {"PostGraphile": BY_TABLE}
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
  io.write(string.format('{"requests": %d, "microseconds": %d, "wrong": %d}\\n', summary.requests,
    summary.duration, e.connect + e.read + e.write + e.timeout + e.status))
end
"""


@dataclass
class Entrant:
    """A server that takes part."""

    name: str
    server: stack.Server
    words: Words | None = None
    """Of a server with a schema of its own. What is not among them it is not asked."""
    is_exact: bool = True
    """Whether it answers in the very letters that this API does."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def takes(self, workloads: Sequence[Workload]) -> bool:
        """Whether it can be asked for all of this."""
        return self.words is None or all(workload.name in self.words for workload in workloads)

    def cpu(self) -> float:
        """Seconds that its processes have spent so far."""
        process = psutil.Process(self.server.child.process.pid)
        times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))


@contextmanager
def confined(cores: Collection[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores, where the platform can do that."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def apart() -> tuple[set[int], set[int]]:
    """A core for the servers, of which one works at a time, and those of wrk and PostgreSQL.

    Both empty where there is one core, or none can be chosen.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    first = {min(cores)} if len(cores) > 1 else set()
    return first, cores - first if first else set()


@contextmanager
def arena() -> Iterator[tuple[Postgres, dict[str, list[str]], Path]]:
    """A database of two thousand owners, the ids of their tasks, and a folder for requests."""
    (ROOT / ".data").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        tempfile.TemporaryDirectory(prefix="race-", dir=ROOT / ".data") as data,
    ):
        Path(data).chmod(0o711)
        with Postgres(Path(data) / "postgres", {"synchronous_commit": "off"}) as server:
            migrations.upgrade(server.url)
            yield server, asyncio.run(owners(server.url)), Path(scratch)


def python(app: str, folder: Path, env: dict[str, str], http: Sequence[str]) -> stack.Server:
    """Run an app on uvicorn with uvloop and httptools, as the API does."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", "0", *UVICORN, *http]
    return stack.Server([*command], folder, env, r"running on (http://\S+)")


def node(script: str, folder: Path, env: dict[str, str]) -> stack.Server:
    """Runs it as one would in production."""
    command = [stack.NODE, ROOT / "benchmarks/peers" / script]
    return stack.Server(
        [*command], folder, env | {"NODE_ENV": "production"}, r"running on (http://\S+)"
    )


@contextmanager
def entrants(
    server: Postgres,
    folder: Path,
    *,
    core: Collection[int] = (),
    peers: bool = False,
    against: str | None = None,
) -> Iterator[list[Entrant]]:
    """Each on a port of its own, and on the same database: all, or this API and one other."""
    env = trusting(server.url) | {"PGHOST": parse_qs(urlsplit(server.url).query)["host"][0]}

    def served(module: str, *http: str) -> stack.Server:
        return python(f"benchmarks.servers.{module}:app", folder, env, http or UNBOUNDED)

    starts: dict[str, Callable[[], stack.Server]] = {
        "this API": lambda: stack.api(folder, env),
        "graphql-core alone": lambda: stack.api(folder, env | {"EXECUTION": "reference"}),
        "the ceiling": lambda: served("ceiling", *BOUNDED),
        "Strawberry's router": lambda: served("strawberry_router"),
        "the tutorial way": lambda: served("tutorial"),
    }
    told: dict[str, dict[str, str]] = {}
    if peers:
        text = env | {"MOMENTS": "text"}
        same = text | {"STATEMENTS": str(_statements(folder / "statements.json"))}
        told = {AS_TEXT: text, SAME_WORK: same}
        starts |= {
            name: partial(node, script, folder, told.get(name, env))
            for name, script in PEERS.items()
        }
    with ExitStack() as running:
        found = []
        for name in [*starts] if against is None else ["this API", against]:
            with confined(core):
                is_exact = name not in PEERS or name in told
                found.append(Entrant(name, starts[name](), OWN_WORDS.get(name), is_exact))
            running.callback(found[-1].server.stop)
        yield found


def _statements(path: Path) -> Path:
    """Write the statements that the workloads need, for a server that is not in Python."""
    newest = partial(read_sql.page, TASKS, "created_at", descending=True, without=LEAN)
    by_due_day = partial(read_sql.page, TASKS, "due_on", descending=False, without=LEAN)
    chosen = {
        "newest": newest(narrow=False),
        "narrow": newest(narrow=True),
        "by due day": by_due_day(narrow=True),
        "count": read_sql.count(TASKS, narrow=False),
        "one": read_sql.one(TASKS),
        "create": write_sql.create(TASKS),
        "update": write_sql.change(TASKS),
        "update all": CHANGE_ALL,
    }
    path.write_text(
        json.dumps(
            {
                name: {"text": each.sql, "names": each.names, "constants": each.constants}
                for name, each in chosen.items()
            }
        )
    )
    return path


async def owners(url: str) -> dict[str, list[str]]:
    """Each with a hundred tasks, and their ids."""
    connection = await asyncpg.connect(url)
    await scale.load(connection, tasks=OWNERS * scale.EACH, owners=OWNERS)
    query = """SELECT owner_id, array_agg(id::text ORDER BY id) AS ids FROM tasks.tasks
        WHERE owner_id <> $1 AND trashed_at IS NULL GROUP BY owner_id"""
    found = {row["owner_id"]: row["ids"] for row in await connection.fetch(query, scale.BIG)}
    await connection.close()
    return found


def body(
    workload: Workload, owner: str, ids: list[str], turn: int, words: Words | None = None
) -> bytes:
    """What is posted."""
    ask = workload.asked if words is None else words[workload.name]
    query, variables = ask(owner, ids, turn)
    name = query.split()[1].split("(")[0]
    return json.dumps({"query": query, "operationName": name, "variables": variables}).encode()


@cache
def signed(owner: str) -> str:
    """The owner's token, one for all that they ask for, as people have for a day."""
    return mint(owner)


def bad(token: str) -> str:
    """Signed by somebody else."""
    return token[:-4] + ("aaaa" if not token.endswith("aaaa") else "bbbb")


def requests(
    workloads: Sequence[Workload],
    tasks: dict[str, list[str]],
    path: Path,
    words: Words | None = None,
) -> None:
    """Raw HTTP/1.1, one behind the other with its length before it."""
    people = itertools.islice(itertools.cycle(tasks), TURNS)
    with path.open("wb") as file:
        for turn, owner in enumerate(people):
            workload = workloads[turn % len(workloads)]
            token = bad(signed(owner)) if workload.refused else signed(owner)
            content = body(workload, owner, tasks[owner], turn, words)
            head = (
                f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                "Content-Type: application/json\r\nAccept: application/graphql-response+json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n"
            ).encode()
            file.write(b"%d\n" % len(head + content) + head + content)


def written(
    names: Mapping[str, Sequence[Workload]],
    found: Sequence[Entrant],
    tasks: dict[str, list[str]],
    folder: Path,
) -> dict[tuple[str, str], Path]:
    """The file of requests of each workload for each server; those of one schema share theirs."""
    paths: dict[tuple[str, str], Path] = {}
    for number, (name, workloads) in enumerate(names.items()):
        for entrant in (each for each in found if each.takes(workloads)):
            path = folder / f"{number}-{entrant.name if entrant.words else 'all'}".replace(" ", "-")
            if not path.exists():
                requests(workloads, tasks, path, entrant.words)
            paths[name, entrant.name] = path
    return paths


def compare(found: Sequence[Entrant], tasks: dict[str, list[str]]) -> None:
    """Every server must give the same answers, what a write makes up by itself apart.

    One on Node may have its own cursors and moments to the millisecond, and with a schema of its
    own numbers for enums, too.
    """
    owner = next(iter(tasks))
    for workload in WORKLOADS:
        answers: dict[str, Any] = {}
        for entrant in (each for each in found if each.takes([workload])):
            caller = Caller(entrant.server.url, owner, signed(owner))
            token = bad(caller.token) if workload.refused else caller.token
            answer = httpx.post(
                f"{caller.url}/graphql",
                content=body(workload, owner, tasks[owner], 0, entrant.words),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                verify=False,  # noqa: S501 - no TLS on loopback
            )
            given = answer.json().get("data") if answer.status_code == 200 else answer.status_code
            answers[entrant.name] = _settled(given) if workload.writes else given
        first = answers[found[0].name]
        for entrant in (each for each in found if each.name in answers):
            pair = (first, answers[entrant.name])
            freed = pair if entrant.is_exact else map(_freed, pair)
            expected, told = map(json.dumps, freed)
            if told != expected:
                sys.exit(f"{workload.name}: {entrant.name} answers otherwise\n{told[:400]}")


def _freed(data: Any) -> Any:
    """From the forms that a server may have of its own."""
    if isinstance(data, list):
        return [_freed(item) for item in data]
    if isinstance(data, dict):
        return {
            name: Priority(value).name
            if name == "priority" and type(value) is int
            else _freed(value)
            for name, value in data.items()
            if name not in {"cursor", "endCursor"}
        }
    if isinstance(data, str) and _MOMENT.fullmatch(data):
        return datetime.fromisoformat(data).isoformat(timespec="milliseconds")
    return data


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")


def _settled(data: Any) -> Any:
    """Without what differs from write to write."""
    if isinstance(data, dict):
        loose = {"id", "version", "createdAt", "updatedAt", "completedAt"}
        return {name: _settled(value) for name, value in data.items() if name not in loose}
    return [_settled(item) for item in data] if isinstance(data, list) else data


def run(  # noqa: PLR0913, PLR0917 - as many as wrk is told
    entrant: Entrant,
    name: str,
    path: Path,
    seconds: int,
    status: int,
    connections: int = CONNECTIONS,
) -> None:
    """One round of one workload."""
    script = path.parent / "wrk.lua"
    script.write_text(WRK)
    before = entrant.cpu()
    done = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(script)),
            entrant.server.url,
        ],
        env={**os.environ, "REQUESTS": str(path), "STATUS": str(status)},
        capture_output=True,
        text=True,
        check=True,
    )
    spent = entrant.cpu() - before
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if not told["requests"]:
        sys.exit(
            f"{entrant.name}, {name}: answered nothing\n" + "\n".join(entrant.server.lines[-20:])
        )
    if told["wrong"] and status == 200:
        sys.exit(f"{entrant.name}, {name}: {told['wrong']} requests failed")
    entrant.figures.setdefault(name, []).append(spent / told["requests"] * 1e6)
    rate = told["requests"] / told["microseconds"] * 1e6
    entrant.rates.setdefault(name, []).append(rate)


def table(found: Sequence[Entrant], names: Sequence[str]) -> str:
    """Markdown: what each takes in its best round, and how many times what this API does.

    Whoever shares the machine can only make a round worse, for some seconds or for minutes. The
    median of a few rounds is one of those or is not, by chance.
    """
    first = found[0]
    lines = [
        "| CPU µs a request | " + " | ".join(entrant.name for entrant in found) + " | spread |",
        "|---|" + "---:|" * (len(found) + 1),
    ]
    for name in names:
        own = min(first.figures[name])
        cells, spreads = [], []
        for entrant in found:
            if name not in entrant.figures:
                cells.append("")
                continue
            figures = entrant.figures[name]
            figure = min(figures)
            ratio = "" if entrant is first else f" ({figure / own:.2f} x)"
            cells.append(f"{figure:,.0f}{ratio}")
            spreads.append((max(figures) - min(figures)) / statistics.median(figures))
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {max(spreads):.0%} |")
    lines += [
        "",
        "| Requests a second | " + " | ".join(entrant.name for entrant in found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    for name in names:
        rates = (
            f"{max(entrant.rates[name]):,.0f}" if name in entrant.rates else "" for entrant in found
        )
        lines.append(f"| {name} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def pairs(one: Entrant, other: Entrant, names: Sequence[str]) -> str:
    """Markdown: how many times what the other takes, of two rounds that followed each other."""
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
    """Races them, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved (%(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="of each (%(default)s)")
    parser.add_argument("--only", default="", help="workloads whose name has this in it")
    parser.add_argument("--peers", action="store_true", help="servers on Node, too")
    parser.add_argument("--against", help="one server alone, and each round beside its own")
    parser.add_argument("--publish", action="store_true", help="the tables, in the documentation")
    chosen = parser.parse_args(arguments)
    if subprocess.run(["which", "wrk"], capture_output=True, check=False).returncode:
        sys.exit("wrk makes the load: apt install wrk")

    names = {workload.name: [workload] for workload in WORKLOADS if chosen.only in workload.name}
    if not chosen.only:
        by_name = {workload.name: workload for workload in WORKLOADS}
        names["a mix, 90 % reads"] = [by_name[n] for n, count in MIX.items() for _ in range(count)]
    core, others = apart()
    with (
        confined(others),
        arena() as (server, tasks, folder),
        entrants(server, folder, core=core, peers=chosen.peers, against=chosen.against) as found,
    ):
        compare(found, tasks)
        paths = written(names, found, tasks, folder)
        for turn in range(chosen.rounds + 1):  # the first one warms up
            for name, workloads in names.items():
                for entrant in (each for each in found if each.takes(workloads)):
                    status = 401 if workloads[0].refused else 200
                    path = paths[name, entrant.name]
                    run(entrant, name, path, chosen.seconds if turn else 1, status)
                    if not turn:
                        entrant.figures.clear()
                        entrant.rates.clear()
            print(f"round {turn} of {chosen.rounds}", file=sys.stderr)
        result = table(found, list(names))
        print(result)
        if chosen.against:
            print(f"\n{pairs(found[0], found[1], list(names))}")
        if chosen.publish:
            publish(result)


if __name__ == "__main__":
    main()
