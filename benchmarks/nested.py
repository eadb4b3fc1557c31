"""Compare a nested query with Mercurius and its loaders, and with PostGraphile.

Run it with `python -m benchmarks.nested`. It needs wrk, and the packages of `benchmarks/peers`. The
query reads projects, a page of the tasks of each, and the project of each task. Before the
measurement, all servers must return the same rows. Their rounds are interleaved. Each figure is a
server's best round, as in `benchmarks.race`.
"""

import argparse
import asyncio
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import asyncpg

from api.tasks.rules import TASKS
from benchmarks import race
from benchmarks.race import Target
from benchmarks.workloads import Operation, Operations, Workload
from dev.postgres import Postgres
from tests import stack

OWNERS = 201
PROJECTS = 100
TASKS_OF_A_PROJECT = 20
LOADED = TASKS.most + (OWNERS - 1) * PROJECTS * TASKS_OF_A_PROJECT
"""The tasks of all owners. One of them has the most tasks, and no request reads this owner's."""
SIZES = (1, 20, 100)
"""The numbers of projects of a request."""
CONNECTIONS = (1, 8)

QUERY = """query Nested($first: Int) { projects(first: $first) { nodes { name taskCount
  tasks(first: 10) { nodes { title project { name } } totalCount pageInfo { endCursor } } } } }"""
_TASKS = "tasksByOwnerIdAndProjectId"
QUERY_BY_TABLE = f"""query Nested($first: Int) {{ projects: allProjects(
  first: $first, condition: {{status: "ACTIVE"}}, orderBy: [POSITION_ASC, ROW_ID_ASC]) {{
    nodes {{ name taskCount: {_TASKS}(condition: {{trashedAt: null}}) {{ totalCount }}
      tasks: {_TASKS}(
        first: 10, condition: {{trashedAt: null}}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {{
          nodes {{ title project: projectByOwnerIdAndProjectId {{ name }} }}
          totalCount pageInfo {{ endCursor }} }} }} }} }}"""


def _variables(size: int, _ids: list[str], _turn: int) -> dict[str, Any]:
    return {"first": size}


def _by_table(size: int, _owner: str, _ids: list[str], _turn: int) -> Operation:
    return QUERY_BY_TABLE, {"first": size}


WORKLOADS = [Workload(str(size), QUERY, partial(_variables, size)) for size in SIZES]
BY_TABLE: Operations = {str(size): partial(_by_table, size) for size in SIZES}
OWN_OPERATIONS = {"PostGraphile": BY_TABLE}


@dataclass
class Costs:
    """What a request of one size costs PostgreSQL, for one server."""

    statements: int
    """The statements of a request, including those that begin and end a transaction."""
    cpu: list[float] = field(default_factory=list)
    """The CPU time of PostgreSQL for a request in each round, in microseconds."""


@contextmanager
def targets(server: Postgres, folder: Path, core: Collection[int]) -> Iterator[list[Target]]:
    """Start the servers on the same database."""
    env = race.variables(server)
    starts = {
        "this API": partial(stack.api, folder, env),
        "Mercurius": partial(race.node, "nested.mjs", folder, env | {"MOMENTS": "text"}),
        "PostGraphile": partial(race.node, "postgraphile.mjs", folder, env),
    }
    with ExitStack() as running:
        found: list[Target] = []
        for name, start in starts.items():
            with race.pinned(core):
                found.append(Target(name, start(), OWN_OPERATIONS.get(name), is_exact=False))
            running.callback(found[-1].server.stop)
        yield found


@contextmanager
def logged(server: Postgres) -> Iterator[None]:
    """Log all statements of the server, on all connections, while the block runs."""
    asyncio.run(_log(server.url, "all"))
    yield
    asyncio.run(_log(server.url, "none"))


async def _log(url: str, kind: str) -> None:
    """Set the kind of statements that are logged, and wait until it applies.

    A new connection has the new value only after PostgreSQL has told all other connections.
    """
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER SYSTEM SET log_statement = '{kind}'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    while True:
        connection = await asyncpg.connect(url)
        now = await connection.fetchval("SHOW log_statement")
        await connection.close()
        if now == kind:
            return


def statements(target: Target, workload: Workload, tasks: dict[str, list[str]], log: Path) -> int:
    """Return the number of statements of a request. The statements must be logged."""
    owner, ids = next(iter(tasks.items()))
    counts = []
    for _ in range(5):  # the first requests also prepare the statements; others may run at times
        before = log.stat().st_size
        race.ask(target, workload, owner, ids)
        counts.append(len(_STATEMENT.findall(log.read_bytes()[before:])))
    return min(counts)


_STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:]*): ")


def table(found: Sequence[Target], costs: dict[tuple[str, str], Costs]) -> str:
    """Return the results as a table in Markdown. The CPU time is that with the most connections."""
    latencies = "".join(f" p50, {n} at a time |" for n in CONNECTIONS)
    lines = [
        f"| projects | server | statements |{latencies} CPU | CPU of PostgreSQL |",
        f"|---:|---|---:|{'---:|' * len(CONNECTIONS)}---:|---:|",
    ]
    for size in (workload.name for workload in WORKLOADS):
        for target in found:
            names = [_measurement(size, connections) for connections in CONNECTIONS]
            cells = [
                size,
                target.name,
                f"{costs[target.name, size].statements}",
                *(f"{min(target.medians[name]):.1f} ms" for name in names),
                f"{min(target.figures[names[-1]]):,.0f} µs",
                f"{min(costs[target.name, size].cpu):,.0f} µs",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _measurement(size: str, connections: int) -> str:
    return f"{size} projects, {connections} at a time"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the servers, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nested", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of a round (%(default)s)")
    args = parser.parse_args(arguments)
    if subprocess.run(["which", "wrk"], capture_output=True, check=False).returncode:
        sys.exit("wrk is required to generate load: apt install wrk")
    core, others = race.split_cores()
    with (
        race.pinned(others),
        race.environment(OWNERS, LOADED, TASKS_OF_A_PROJECT) as (server, tasks, folder),
        targets(server, folder, core) as found,
    ):
        race.compare(found, tasks, WORKLOADS)
        log = server.home / "postgres.log"
        with logged(server):
            costs = {
                (target.name, each.name): Costs(statements(target, each, tasks, log))
                for target in found
                for each in WORKLOADS
            }
        postmaster = int((server.home / "data/postmaster.pid").read_text().split()[0])
        paths = race.written({each.name: [each] for each in WORKLOADS}, found, tasks, folder)
        for turn in range(args.rounds + 1):  # the first one warms up
            for each, connections, target in product(WORKLOADS, CONNECTIONS, found):
                name, path = _measurement(each.name, connections), paths[each.name, target.name]
                before = race.cpu(postmaster)
                done = race.run(target, name, path, args.seconds, 200, connections)
                spent = (race.cpu(postmaster) - before) / done * 1e6
                if not turn:
                    target.figures.clear()
                    target.medians.clear()
                elif connections == CONNECTIONS[-1]:
                    costs[target.name, each.name].cpu.append(spent)
            print(f"round {turn} of {args.rounds}", file=sys.stderr)
        print(table(found, costs))


if __name__ == "__main__":
    main()
