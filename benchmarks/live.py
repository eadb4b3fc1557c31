"""Measure live subscriptions: memory, and the time from a write to its subscribers.

`python -m benchmarks.live` opens thousands of sockets, two for each owner, as a person has with two
devices. Each socket subscribes to the owner's changes. The script prints how long the handshakes
took, the API's memory for each subscribed socket, and the time from the request of a write until
each socket has received the change. Then it prints how much memory a socket takes if its client
reads nothing. With `--servers 2`, the two sockets of an owner are connected to different processes.
"""

import argparse
import asyncio
import json
import re
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import psutil

from tests import stack
from tests.conftest import mint, trusting

DEVICES = 2
AT_ONCE = 50
"""The most handshakes at the same time."""
STUCK = 100
"""The number of sockets whose clients read nothing. They have one owner."""
LONG = "x" * 10_000
LONG_WRITES = 300
PATIENCE = 60.0
LATEST = 5.0
"""Seconds after the last write in which its events must arrive. Polling needs at most two."""
KIB = 1024
SUBSCRIPTION = "subscription { taskChanges { cursor kind taskId task { id title version } } }"
WHOLE = "subscription { taskChanges { cursor task { id title description } } }"
CREATE = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }"
TITLE = re.compile(rb'"title":"sent ([0-9.]+)"')


class Socket(asyncio.Protocol):
    """A client of graphql-transport-ws that uses little CPU time, so that the API gets the rest."""

    def __init__(self, token: str, subscription: str, received: list[tuple[float, float]]) -> None:
        self._token = token
        self._subscription = subscription
        self._received = received
        self._unread = bytearray()
        self._is_upgraded = False
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        """Handle each complete frame."""
        self._unread += data
        if not self._is_upgraded:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._fail(head.decode(errors="replace"))
                return
            self._is_upgraded, self._unread = True, rest
            headers = {"Authorization": f"Bearer {self._token}"}
            self._send({"type": "connection_init", "payload": headers})
        for opcode, payload in self._frames():
            self._handle(opcode, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail if the server closed the connection before the subscription."""
        self._fail(f"closed: {exc}")

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._unread) >= 2:
            size, begin = self._unread[1], 2
            if size >= 126:
                begin = 4 if size == 126 else 10
                size = int.from_bytes(self._unread[2:begin])
            if len(self._unread) < begin + size or len(self._unread) < begin:
                return
            yield self._unread[0] & 15, bytes(self._unread[begin : begin + size])
            del self._unread[: begin + size]

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:  # a ping
            self._frame(10, payload)
        elif opcode == 8:
            self._fail(f"closed with {int.from_bytes(payload[:2])} {payload[2:]!r}")
        elif sent := TITLE.search(payload):
            self._received.append((float(sent[1]), time.perf_counter()))
        elif b"connection_ack" in payload:
            self._send({"id": "1", "type": "subscribe", "payload": {"query": self._subscription}})
            # The server answers messages in their order: after the pong, the subscription runs.
            self._send({"type": "ping"})
        elif b'"pong"' in payload and not self.subscribed.done():
            self.subscribed.set_result(None)

    def _send(self, message: dict[str, Any]) -> None:
        self._frame(1, json.dumps(message).encode())

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2)
        # A mask of zeros leaves the payload as it is.
        self.transport.write(bytes([128 | opcode]) + length + bytes(4) + payload)

    def _fail(self, why: str) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(ConnectionError(why))


class Load:
    """The sockets and the writes of one measurement."""

    def __init__(self, servers: Sequence[stack.Server], sockets: int) -> None:
        self._servers = servers
        self.owners = [f"owner{number}" for number in range(sockets // DEVICES)]
        self.tokens = {owner: mint(owner) for owner in self.owners}
        self.sockets: list[Socket] = []
        self.received: list[tuple[float, float]] = []
        self._free = asyncio.Semaphore(AT_ONCE)

    async def connect(self) -> None:
        """Open and subscribe every socket."""
        found = [
            self.open(self.tokens[owner], SUBSCRIPTION, self._servers[n % len(self._servers)])
            for owner in self.owners
            for n in range(DEVICES)
        ]
        self.sockets = await asyncio.gather(*found)

    async def open(
        self, token: str, subscription: str, server: stack.Server, unread: int | None = None
    ) -> Socket:
        """Open a socket, with this many bytes of room for data that the client does not read."""
        url = urlsplit(server.url)
        connection = socket.socket()
        connection.setblocking(False)
        if unread:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
        loop = asyncio.get_running_loop()
        async with self._free, asyncio.timeout(PATIENCE):
            await loop.sock_connect(connection, (url.hostname, url.port))
            _, opened = await loop.create_connection(
                lambda: Socket(token, subscription, self.received), sock=connection
            )
            await opened.subscribed
        return opened

    async def write(self, client: httpx.AsyncClient, owner: str, server: stack.Server) -> float:
        """Create a task whose title is the time. Return the seconds until the response."""
        began = time.perf_counter()
        task = {"title": f"sent {began}"}
        await self.create(client, self.tokens[owner], task, server)
        return time.perf_counter() - began

    async def create(
        self, client: httpx.AsyncClient, token: str, task: dict[str, str], server: stack.Server
    ) -> None:
        """Create a task."""
        response = await client.post(
            f"{server.url}/graphql",
            json={"query": CREATE, "variables": {"i": task}},
            headers={"Authorization": f"Bearer {token}"},
        )
        if "errors" in response.json():
            raise SystemExit(response.text)

    async def write_evenly(self, rate: int, seconds: int) -> list[float]:
        """Write `rate` times a second. Return the seconds until each response."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        servers = cycle(self._servers)
        async with httpx.AsyncClient(timeout=PATIENCE) as client, asyncio.TaskGroup() as group:
            tasks = []
            for number in range(rate * seconds):
                await asyncio.sleep(begin + number / rate - loop.time())
                owner = self.owners[number * 7919 % len(self.owners)]
                tasks.append(group.create_task(self.write(client, owner, next(servers))))
        return [task.result() for task in tasks]


def memory(servers: Sequence[stack.Server]) -> float:
    """Return the memory of the servers in KiB."""
    found = [psutil.Process(server.child.process.pid) for server in servers]
    return sum(each.memory_info().rss for each in found) / KIB


async def measure(servers: Sequence[stack.Server], args: argparse.Namespace) -> None:
    """Run the measurement, and print the results."""
    load = Load(servers, args.sockets)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        for server in servers:  # the first requests of a process import and compile
            for owner in load.owners[:3]:
                await load.write(client, owner, server)
        for server in servers:
            warm = await load.open(load.tokens[load.owners[0]], SUBSCRIPTION, server)
            warm.transport.abort()
    before, cpu = memory(servers), sum(server.cpu_seconds() for server in servers)
    began = time.perf_counter()
    await load.connect()
    took = time.perf_counter() - began
    used = sum(server.cpu_seconds() for server in servers) - cpu
    await asyncio.sleep(args.idle)
    print(
        f"{args.sockets:,} sockets, {len(servers)} processes: subscribed in {took:.1f} s, "
        f"{used / args.sockets * 1e6:.0f} µs of CPU each; "
        f"{(memory(servers) - before) / args.sockets:.1f} KiB each",
        flush=True,
    )
    cpu = sum(server.cpu_seconds() for server in servers)
    await asyncio.sleep(args.idle)
    idle = (sum(server.cpu_seconds() for server in servers) - cpu) / args.idle
    print(f"while nothing is written: {idle:.1%} of a core", flush=True)
    load.received.clear()
    responses = await load.write_evenly(args.rate, args.seconds)
    await asyncio.sleep(LATEST)
    missing = len(responses) * DEVICES - len(load.received)
    show("response of a write", responses)
    show("write to client", [arrived - sent for sent, arrived in load.received])
    print(f"{len(load.received):,} events, {missing} missing; ", end="")
    print(f"{(memory(servers) - before) / args.sockets:.1f} KiB a socket afterwards", flush=True)
    for each in load.sockets:
        each.transport.abort()
    await stuck(load, servers)


def show(name: str, seconds: Sequence[float]) -> None:
    """Print percentiles in milliseconds."""
    parts = statistics.quantiles(seconds, n=100)
    median, high, highest = (parts[p - 1] * 1000 for p in (50, 95, 99))
    print(f"{name}: p50 {median:.1f}, p95 {high:.1f}, p99 {highest:.1f}, ", end="")
    print(f"max {max(seconds) * 1000:.1f} ms", flush=True)


async def stuck(load: Load, servers: Sequence[stack.Server]) -> None:
    """Print the memory of sockets whose clients read nothing while many changes are written."""
    token = mint("stuck")
    opened = [await load.open(token, WHOLE, servers[0], unread=4096) for _ in range(STUCK)]
    before = memory(servers)
    for each in opened:
        each.transport.pause_reading()
    most = before
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        for number in range(LONG_WRITES):
            task = {"title": f"long {number}", "description": LONG}
            await load.create(client, token, task, servers[0])
            most = max(most, memory(servers))
    print(
        f"{STUCK} sockets that read nothing, {LONG_WRITES} changes of {len(LONG):,} characters: "
        f"{(most - before) / STUCK:.0f} KiB each at most",
        flush=True,
    )
    for each in opened:
        each.transport.abort()


@contextmanager
def serving(number: int) -> Iterator[list[stack.Server]]:
    """Run API processes on a database of their own."""
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory()))
        database = started.enter_context(stack.postgres())
        servers = []
        for _ in range(number):
            servers.append(stack.api(folder, trusting(database.url)))
            started.callback(servers[-1].stop)
        yield servers


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument(
        "--sockets", type=int, default=10_000, help="number of sockets (%(default)s)"
    )
    parser.add_argument("--servers", type=int, default=1, help="API processes (%(default)s)")
    parser.add_argument("--rate", type=int, default=100, help="writes a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=30, help="seconds of writing (%(default)s)")
    parser.add_argument("--idle", type=int, default=10, help="seconds without writes (%(default)s)")
    args = parser.parse_args(arguments)
    with serving(args.servers) as servers:
        asyncio.run(measure(servers, args))


if __name__ == "__main__":
    main()
