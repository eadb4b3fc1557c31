"""HTTP/1.1 written by hand: thousands of requests a second, and headers that no client sends."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tests.conftest import mint
from tests.waiting import PATIENCE

START = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
"""The beginning of a request, which an empty line ends."""
BODY = b'{"query":"{ viewer { id } }"}'


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(path: str, *lines: bytes, body: bytes = BODY) -> bytes:
    """Return a POST request with these header lines in addition to the required ones."""
    needed = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: api",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join([*needed, *lines, b"", body])


def post(*lines: bytes, body: bytes = BODY) -> bytes:
    """Return a POST request with an operation of Ada."""
    return request("/graphql", b"Authorization: Bearer " + mint("ada").encode(), *lines, body=body)


def connected(url: str) -> socket.socket:
    """Connect to a server. The timeout leaves it time to close the connection itself."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)


class Wire:
    """One connection, on which requests are sent one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Self:
        """Open a connection."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def ask(self, request: bytes) -> Answer:
        """Send a request, and return the response, which must have a Content-Length."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        split = (line.split(": ", 1) for line in head[1:-2])
        headers = {name.lower(): value for name, value in split}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()


async def answers(url: str, requests: Iterable[bytes], at_once: int = 64) -> list[Answer]:
    """Return the responses in the order of the requests, sent on so many connections."""
    waiting = list(enumerate(requests))[::-1]
    found: dict[int, Answer] = {}

    async def work() -> None:
        wire = await Wire.to(url)
        while waiting:
            number, asked = waiting.pop()
            found[number] = await wire.ask(asked)
        await wire.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(waiting))):
            group.create_task(work())
    return [found[number] for number in range(len(found))]
