"""Measure how much one owner with a hundred times the load of the others slows them down.

`python -m benchmarks.fair` sends the requests of some owners at a steady rate. In each round, it
does so three times: alone, while a greedy owner loads another server on the same machine, and while
this owner loads the same server. The second time shows the effect of the machine, because the
clients, the servers and PostgreSQL share its cores. So the relevant figure is the third latency
divided by the second. Each latency begins at the moment at which the request was due.

There are three loads: pages of 50 tasks, updates of a task, and sockets. The latency of a socket is
the time from the request of a write until the event arrives. There the greedy owner has a hundred
subscribed sockets, and writes a hundred times as often as another owner.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from http import HTTPStatus
from itertools import product
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from benchmarks.live import CREATE, SUBSCRIPTION, Socket
from benchmarks.workloads import PAGE, UPDATE
from tests import stack
from tests.conftest import mint, trusting

OTHERS = 20
GREEDY = "greedy"
TIMES = 100
"""The load of the greedy owner, divided by that of another owner."""
CONNECTIONS = 100
"""The most requests of the greedy owner at the same time, and the number of its sockets."""
TASKS = 50
DEFAULT_LIMIT = 50
"""The requests a second of an owner while the rate limits are on."""
LOADS = ("reads", "writes", "sockets")
TURNS = ("alone", "elsewhere", "here")
"""What the greedy owner loads: nothing, another server, or the measured one."""
LATEST = 2.0
"""Seconds after the last write in which its event must arrive."""


class Http:
    """A persistent connection for one owner's requests, one after the other."""

    def __init__(self, url: str, token: str, ids: Sequence[str] = ()) -> None:
        self.url = url
        self.token = token
        self.ids = [*ids]
        """The ids of the owner's tasks."""
        address = urlsplit(url)
        self._address = address.hostname, address.port
        authorization = f"Authorization: Bearer {token}"
        self._head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, query: str, variables: dict[str, Any]) -> tuple[int, bytes]:
        """Return the status and the body of a response."""
        body = json.dumps({"query": query, "variables": variables})
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        request = f"{self._head}\r\n{length}{body}".encode()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
            return await self._exchange(*self._streams, request)
        try:
            return await self._exchange(*self._streams, request)
        except (ConnectionError, asyncio.IncompleteReadError):  # closed, because it was idle
            self._streams = None
            return await self.ask(query, variables)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, bytes]:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        answer = await reader.readexactly(int(fields["content-length"]))
        return int(head[0].split()[1]), answer

    async def fill(self) -> None:
        """Create the owner's tasks."""
        for number in range(TASKS):
            _, answer = await self.ask(CREATE, {"i": {"title": f"task {number}"}})
            self.ids.append(json.loads(answer)["data"]["createTask"]["task"]["id"])

    async def load(self, kind: str) -> int:
        """Send one request of a load. Return its status."""
        if kind == "reads":
            request: tuple[str, dict[str, Any]] = PAGE, {"first": TASKS}
        elif kind == "writes":
            patch = {"completed": random.random() < 0.5}  # noqa: S311 - no secret
            request = UPDATE, {"id": random.choice(self.ids), "patch": patch}  # noqa: S311 - no secret
        else:
            request = CREATE, {"i": {"title": f"sent {perf_counter()}"}}
        return (await self.ask(*request))[0]


async def subscribed(url: str, token: str, received: list[tuple[float, float]]) -> Socket:
    """Open a socket that follows an owner's changes, and records when each was sent and arrived."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(
        lambda: Socket(token, SUBSCRIPTION, received),
        str(address.hostname),
        address.port or 0,
    )
    await socket.subscribed
    return socket


_ready: Event
_stop: Event


def _share(ready: Event, stop: Event) -> None:
    global _ready, _stop
    _ready, _stop = ready, stop


class Greedy:
    """The greedy owner, whose clients run in a process of their own."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ready, self._stop = context.Event(), context.Event()
        events = self._ready, self._stop
        self._pool = ProcessPoolExecutor(1, context, initializer=_share, initargs=events)

    @asynccontextmanager
    async def loading(self, owner: Http, kind: str, rate: float) -> AsyncIterator[Counter[str]]:
        """Load a server inside the `async with` block. Yield counts that are complete after it."""
        self._ready.clear()
        self._stop.clear()
        loop = asyncio.get_running_loop()
        of = owner.url, owner.token, owner.ids
        running = loop.run_in_executor(self._pool, _be_greedy, of, kind, rate)
        await asyncio.to_thread(self._ready.wait)
        answered: Counter[str] = Counter()
        try:
            yield answered
        finally:
            self._stop.set()
            answered.update(await running)


def _be_greedy(of: tuple[str, str, list[str]], kind: str, rate: float) -> Counter[str]:
    return asyncio.run(_send_greedily(*of, kind, rate))


async def _send_greedily(
    url: str, token: str, ids: Sequence[str], kind: str, rate: float
) -> Counter[str]:
    """Send `rate` requests a second until `_stop`. Count the answers by their status."""
    loop = asyncio.get_running_loop()
    free = [Http(url, token, ids) for _ in range(CONNECTIONS)]
    answered: Counter[str] = Counter()
    sockets = []
    for _ in range(CONNECTIONS if kind == "sockets" else 0):
        try:
            sockets.append(await subscribed(url, token, []))
        except ConnectionError:  # the rate limit refuses some of them
            answered["sockets refused"] += 1

    async def send(connection: Http) -> None:
        answered[str(await connection.load(kind))] += 1
        free.append(connection)

    _ready.set()
    stopped = loop.run_in_executor(None, _stop.wait)
    begin, number = loop.time(), 0
    async with asyncio.TaskGroup() as group:
        while not stopped.done():
            await asyncio.sleep(begin + number / rate - loop.time())
            number += 1
            if free:
                group.create_task(send(free.pop()))
            else:
                answered["not sent"] += 1
    for socket in sockets:
        socket.transport.abort()
    return answered


class Others:
    """The other owners, whose latencies are measured."""

    def __init__(self, url: str) -> None:
        self.connections = [Http(url, mint(f"other{number}")) for number in range(OTHERS)]
        self._sockets: list[Socket] = []
        self._received: list[tuple[float, float]] = []

    async def subscribe(self) -> None:
        """Open the socket of each owner."""
        found = (subscribed(each.url, each.token, self._received) for each in self.connections)
        self._sockets = [await opening for opening in found]

    def unsubscribe(self) -> None:
        """Close the sockets."""
        for socket in self._sockets:
            socket.transport.abort()

    async def latencies(self, kind: str, rate: float, seconds: float) -> list[float]:
        """Send `rate` requests a second of each owner. Return the latencies in seconds."""
        self._received.clear()
        begin = asyncio.get_running_loop().time()
        sending = (self._send(each, kind, rate, begin, seconds) for each in self.connections)
        found = [latency for each in await asyncio.gather(*sending) for latency in each]
        if kind != "sockets":
            return found
        await asyncio.sleep(LATEST)
        if len(self._received) < len(found):
            print(f"{len(found) - len(self._received)} events are missing")
        return [arrived - sent for sent, arrived in self._received]

    async def _send(
        self, connection: Http, kind: str, rate: float, begin: float, seconds: float
    ) -> list[float]:
        loop = asyncio.get_running_loop()
        found = []
        due = begin + random.random() / rate  # noqa: S311 - no secret
        while due < begin + seconds:
            await asyncio.sleep(due - loop.time())
            status = await connection.load(kind)
            if status != HTTPStatus.OK:
                raise SystemExit(f"another owner got the status {status}")
            found.append(loop.time() - due)
            due += 1 / rate
        return found


class Latencies:
    """The latencies of one load, by turn and round, and what the greedy owner was answered."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[list[float]]] = {turn: [] for turn in TURNS}
        self.answered: Counter[str] = Counter()

    def row(self, *names: str) -> str:
        """Return a row of the table."""
        cells = [*names]
        for percent in (50, 99):
            for turn in TURNS:
                every = [latency for each in self.rounds[turn] for latency in each]
                cells.append(f"{_percentile(every, percent) * 1000:.1f}")
            pairs = zip(self.rounds["here"], self.rounds["elsewhere"], strict=True)
            ratios = [_percentile(a, percent) / _percentile(b, percent) for a, b in pairs]
            cells.append(f"{statistics.median(ratios):.2f}")
        total = self.answered.total()
        counts = sorted(self.answered.items())
        cells.append(", ".join(f"{count / total:.0%} {answer}" for answer, count in counts))
        return f"| {' | '.join(cells)} |"


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def measure(urls: Mapping[str, str], args: argparse.Namespace, *names: str) -> None:
    """Measure all loads on the server at the URL `here`, and print a row for each."""
    greedy, others = Greedy(), Others(urls["here"])
    of_greedy = {turn: Http(url, mint(GREEDY)) for turn, url in urls.items()}
    for each in (*others.connections, *of_greedy.values()):
        await each.fill()
    for kind in args.loads:
        found = Latencies()
        if kind == "sockets":
            await others.subscribe()
        for number in range(args.rounds + 1):
            for turn in random.sample(TURNS, len(TURNS)):
                answered: Counter[str] = Counter()
                async with AsyncExitStack() as loading:
                    if at := of_greedy.get(turn):
                        load = greedy.loading(at, kind, args.rate * TIMES)
                        answered = await loading.enter_async_context(load)
                    latencies = await others.latencies(kind, args.rate, args.seconds)
                if number:  # the first round connects, and compiles the operations
                    found.rounds[turn].append(latencies)
                    found.answered += answered if turn == "here" else Counter()
        others.unsubscribe()
        print(found.row(*names, kind), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fair", description=__doc__)
    parser.add_argument(
        "--rate", type=float, default=2, help="requests a second of each owner (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=3, help="seconds of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="number of rounds (%(default)s)")
    parser.add_argument(
        "--workers", type=int, nargs="*", default=[1, 2], help="numbers of processes (1 2)"
    )
    parser.add_argument(
        "--limits", nargs="*", default=["on", "off"], help="whether rate limits are on (on off)"
    )
    parser.add_argument(
        "--loads", nargs="*", default=LOADS, help="the loads to measure (reads writes sockets)"
    )
    args = parser.parse_args(arguments)
    columns = [f"{p} {turn}" for p in ("p50", "p99") for turn in (*TURNS, "here / elsewhere")]
    names = ["workers", "rate limits", "load", *columns, "answers to the greedy owner"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for workers, limits in product(args.workers, args.limits):
        with ExitStack() as started:
            urls = {}
            for turn in ("here", "elsewhere"):
                folder = Path(started.enter_context(tempfile.TemporaryDirectory()))
                database = started.enter_context(stack.postgres())
                limit = str(DEFAULT_LIMIT if limits == "on" else 0)
                env = trusting(database.url, RATE_LIMIT_PER_SECOND=limit)
                server = stack.api(folder, env, "--workers", str(workers))
                started.callback(server.stop)
                urls[turn] = server.url
            asyncio.run(measure(urls, args, str(workers), limits))


if __name__ == "__main__":
    main()
