"""Bodies over the size limit are rejected before they are read, on each of the servers.

`serve` adds bounds to uvicorn's protocol (`api.serving.connection`), and `uvicorn` alone has none.
"""

import asyncio
import time
from contextlib import ExitStack
from itertools import product

import pytest
from starlette.types import Message, Scope

from api import bodies
from api.bodies import BODY_TIMEOUT, LINGER_TIMEOUT
from tests import plain, stack
from tests.conftest import mint
from tests.waiting import SLACK
from tests.wire import connected

TYPES = {"/graphql": "application/json", "/events": "application/secevent+jwt"}
MEBIBYTE = 1024 * 1024


def head(path: str, *lines: str, token: str | None = None) -> bytes:
    """Return a POST request up to its body, with these header lines."""
    sent = [f"POST {path} HTTP/1.1", "Host: api", f"Content-Type: {TYPES.get(path, 'text/plain')}"]
    bearer = f"Authorization: Bearer {token or mint('ada')}"
    return "\r\n".join([*sent, bearer, *lines, "", ""]).encode()


def answers(server: stack.Server, *requests: bytes) -> list[bytes]:
    """Send each request on a connection of its own, all at once.

    Return what the server sends until it closes each connection, which it must do in time.
    """
    with ExitStack() as clients:
        began = time.monotonic()
        all_of_them = [clients.enter_context(connected(server.url)) for _ in requests]
        for client, sent in zip(all_of_them, requests, strict=True):
            client.sendall(sent)
        told = [client.makefile("rb").read() for client in all_of_them]
        assert time.monotonic() - began < LINGER_TIMEOUT + SLACK
        return told


def answer(server: stack.Server, sent: bytes) -> bytes:
    """Return what the server sends until it closes the connection, which it must do in time."""
    [told] = answers(server, sent)
    return told


def test_body_with_a_too_large_content_length_is_answered_413_before_it_is_read(
    server: stack.Server,
) -> None:
    lines = ("Expect: 100-continue", "X-Other: x")
    sent = [head(path, "Content-Length: 10000000000", line) for path, line in product(TYPES, lines)]
    for request, told in zip(sent, answers(server, *sent), strict=True):
        assert told.startswith(b"HTTP/1.1 413 "), request
        assert b"connection: close\r\n" in told.lower(), request
        assert b" 100 " not in told, request


def test_token_is_rejected_before_the_content_length(server: stack.Server) -> None:
    sent = head("/graphql", "Content-Length: 10000000000", "Expect: 100-continue", token="bad")
    assert answer(server, sent).startswith(b"HTTP/1.1 401 ")


def test_long_body_that_is_not_read_closes_the_connection(server: stack.Server) -> None:
    lines = ("Content-Length: 10000000000", "Transfer-Encoding: chunked")
    cases = [*product({"/health/live": 405, "/nowhere": 404}.items(), lines)]
    told = answers(server, *(head(path, line) for (path, _), line in cases))
    for ((path, status), line), each in zip(cases, told, strict=True):
        assert each.startswith(f"HTTP/1.1 {status} ".encode()), (path, line)
        assert b"connection: close\r\n" in each.lower(), (path, line)


def test_body_is_answered_413_as_soon_as_it_is_too_large(server: stack.Server) -> None:
    """The size of a chunked body is not known in advance.

    A client that is still sending can read the response.
    """
    long = head("/graphql", f"Content-Length: {8 * MEBIBYTE}") + b" " * 4 * MEBIBYTE
    chunked = [
        head(path, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (most + 1, b" " * (most + 1))
        for path, most in (("/graphql", MEBIBYTE), ("/events", 64 * 1024))
    ]
    for request, told in zip(("a long body", *TYPES), answers(server, long, *chunked), strict=True):
        assert told.startswith(b"HTTP/1.1 413 "), request


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 1x",),
        ("Content-Length: -1",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ],
)
def test_invalid_content_length_is_answered_400(
    server: stack.Server, lines: tuple[str, ...]
) -> None:
    told = answer(server, head("/graphql", *lines))
    assert told.startswith(b"HTTP/1.1 400 ")


def test_short_chunked_body_keeps_the_connection_open(server: stack.Server) -> None:
    sent = head("/graphql", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    with connected(server.url) as client:
        for _ in range(2):
            client.sendall(sent)
            told = b""
            while b"}]}" not in told:
                told += client.recv(1000)
            assert told.startswith(b"HTTP/1.1 400 ")
            assert b"connection: close" not in told.lower()


@pytest.mark.parametrize("path", TYPES)
def test_client_that_disconnects_before_its_body_ends_causes_no_error(
    server: stack.Server, path: str
) -> None:
    with connected(server.url) as client:
        client.sendall(head(path, "Content-Length: 9", "Expect: 100-continue"))
        assert b" 100 " in client.recv(1000)  # the API waits for the body
    assert plain.get(f"{server.url}/health/live").status_code == 200
    assert "Traceback" not in "\n".join(server.lines)


def test_content_length_that_no_server_should_pass_on_is_ignored() -> None:
    """The limit then applies to the bytes that are read, not to the number in Content-Length."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    for value in (b"4, 4", b"0x1", b"9" * 5_000, b""):
        scope: Scope = {"type": "http", "headers": [(b"content-length", value)]}
        assert not bodies.is_short(scope)
        assert asyncio.run(bodies.read(scope, receive, 5, BODY_TIMEOUT)) == b"12345"
