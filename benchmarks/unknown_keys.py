"""Measure how a flood of tokens with unknown keys affects the issuer and other requests.

Run it with `python -m benchmarks.unknown_keys`. It uses a real API, PostgreSQL and issuer. For 10
seconds, valid requests are sent one after the other. Then they are repeated, while another process
sends 1,000 tokens with unknown `kid`s per second.
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
from tests.issuer import Issuer, base64url
from tests.wrong_tokens import Case

SECONDS = 10
RATE = 1_000
PAYLOAD = base64url(b'{"user_id":"eve"}')
SIGNATURE = base64url(bytes(64))


def unknown_key() -> bytes:
    """Return a request with a token whose `kid` is new and unknown."""
    header = json.dumps({"alg": "EdDSA", "kid": secrets.token_hex(8)}).encode()
    token = f"{base64url(header)}.{PAYLOAD}.{SIGNATURE}"
    return wire.request("/graphql", f"Authorization: Bearer {token}".encode())


async def flood(url: str) -> tuple[int, dict[int, int]]:
    """Send the tokens. Return the number of sent requests, and of responses by status."""
    idle: deque[wire.Wire] = deque()
    statuses: dict[int, int] = {}

    async def send() -> None:
        while True:
            connection = idle.popleft() if idle else await wire.Wire.to(url)
            try:
                answer = await connection.ask(unknown_key())
                break
            except (ConnectionError, asyncio.IncompleteReadError):
                continue  # the API had closed the idle connection
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


def flood_in_process(url: str, parent: Connection) -> None:
    """Run `flood` in a child process, and send its result to the parent."""
    parent.send(asyncio.run(flood(url)))


async def good(url: str, request: bytes) -> list[float]:
    """Send valid requests one after the other for SECONDS. Return the milliseconds of each."""
    connection = await wire.Wire.to(url)
    took = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        answer = await connection.ask(request)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"a valid request got the status {answer.status}")
        await asyncio.sleep(0.01)
    await connection.close()
    return took


def summary(took: list[float]) -> str:
    """Return one line with the percentiles."""
    p = statistics.quantiles(took, n=100)
    return (
        f"{len(took)} valid requests, p50 {p[49]:.1f} ms, p99 {p[98]:.1f} ms, "
        f"max {max(took):.1f} ms"
    )


def main() -> None:
    """Print the results.

    Fail if the API fetched the key set more than once a second, or if it responded as in an outage.
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
        asyncio.run(good(api.url, request))  # warms up
        print("without the flood:", summary(asyncio.run(good(api.url, request))))
        before = len(served.asked)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=flood_in_process, args=(api.url, there)
        )
        process.start()
        served.wait_asked(before + 1)
        took = asyncio.run(good(api.url, request))
        there.close()  # otherwise `recv` would wait forever if the process had died
        sent, statuses = here.recv()
        process.join()
        fetches = len(served.asked) - before
        print("during the flood:", summary(took))
        print(
            f"unknown keys: {sent} tokens in {SECONDS} s, statuses {dict(sorted(statuses.items()))}"
        )
        print(f"fetches of the key set: {fetches}")
        api.stop()
        if fetches > SECONDS + 2:
            raise SystemExit("the key set was fetched more than once a second")
        if not statuses.keys() <= {401, 429}:
            raise SystemExit("a status other than 401 and 429, although nothing was unavailable")


if __name__ == "__main__":
    main()
