"""A flood of tokens under keys that nobody knows: what the issuer and everybody else notice of it.

`python -m benchmarks.unknown_keys`. A real API, PostgreSQL and issuer; 1,000 unknown `kid`s a
second for 10 seconds, from a process of its own; meanwhile good requests, one after the other, as
in the 10 seconds before.
"""

import asyncio
import json
import multiprocessing
import secrets
import statistics
import tempfile
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

from api import migrations
from tests import issuer, stack, wire
from tests.conftest import SITE, trusting
from tests.faults import Case
from tests.issuer import Issuer, base64url

SECONDS = 10
RATE = 1_000
PAYLOAD = base64url(b'{"user_id":"eve"}')
SIGNATURE = base64url(bytes(64))


def stranger() -> bytes:
    """A request with a token under a key of a fresh name."""
    header = json.dumps({"alg": "EdDSA", "kid": secrets.token_hex(8)}).encode()
    token = f"{base64url(header)}.{PAYLOAD}.{SIGNATURE}"
    return wire.request("/graphql", f"Authorization: Bearer {token}".encode())


async def flood(url: str) -> tuple[int, dict[int, int]]:
    """How many were sent in time, and how many got which status."""
    idle: deque[wire.Wire] = deque()
    statuses: dict[int, int] = {}

    async def send() -> None:
        while True:
            connection = idle.popleft() if idle else await wire.Wire.to(url)
            try:
                answer = await connection.ask(stranger())
                break
            except (ConnectionError, asyncio.IncompleteReadError):
                continue  # it had been idle for so long that the API hung up
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        idle.append(connection)

    began, sent = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while (elapsed := time.monotonic() - began) < SECONDS:
            while sent < elapsed * RATE:
                group.create_task(send())
                sent += 1
            await asyncio.sleep(0.002)
    for connection in idle:
        await connection.close()
    return sent, statuses


def flooding(url: str, told: Connection) -> None:
    """In a process of its own."""
    told.send(asyncio.run(flood(url)))


async def good(url: str, request: bytes) -> list[float]:
    """Milliseconds that each took, one after the other for SECONDS."""
    connection = await wire.Wire.to(url)
    took = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        answer = await connection.ask(request)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"a good request was answered {answer.status}")
        await asyncio.sleep(0.01)
    await connection.close()
    return took


def told(took: list[float]) -> str:
    """In a line."""
    p = statistics.quantiles(took, n=100)
    return (
        f"{len(took)} good requests, p50 {p[49]:.1f} ms, p99 {p[98]:.1f} ms, max {max(took):.1f} ms"
    )


def main() -> None:
    """Prints what happened. Fails when the issuer was asked more than once a second, or when it
    looked like an outage.
    """
    signer = issuer.eddsa()
    with (
        tempfile.TemporaryDirectory() as folder,
        stack.postgres() as database,
        Issuer(issuer.serving(signer.jwk)) as served,
    ):
        migrations.upgrade(database.url)
        api = stack.api(Path(folder), trusting(database.url, JWKS_URL=served.url))
        token = Case(signer, int(time.time()), SITE).token()
        request = wire.request("/graphql", f"Authorization: Bearer {token}".encode())
        asyncio.run(good(api.url, request))  # until it is warm
        print("without:", told(asyncio.run(good(api.url, request))))
        before = len(served.asked)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=flooding, args=(api.url, there)
        )
        process.start()
        served.wait_asked(before + 1)
        took = asyncio.run(good(api.url, request))
        there.close()  # should it have died, reading on would else never end
        sent, statuses = here.recv()
        process.join()
        fetches = len(served.asked) - before
        print("meanwhile:", told(took))
        print(f"unknown keys: {sent} in {SECONDS} s, answered {dict(sorted(statuses.items()))}")
        print(f"fetches of the key set: {fetches}")
        api.stop()
        if fetches > SECONDS + 2:
            raise SystemExit("that is more often than once a second")
        if not statuses.keys() <= {401, 429}:
            raise SystemExit("nothing was down")


if __name__ == "__main__":
    main()
