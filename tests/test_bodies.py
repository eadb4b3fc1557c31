"""Bodies over the size limit are rejected before they are read, on each of the servers.

`serve` adds bounds to uvicorn's protocol (`api/connection.py`), and `uvicorn` alone has none.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message, Scope

from api import bodies
from api.bodies import BODY_TIMEOUT, LINGER_TIMEOUT
from tests import plain, stack
from tests.conftest import mint
from tests.waiting import SLACK
from tests.wire import connected

SERVERS = ("serve", "uvicorn")
TYPES = {"/graphql": "application/json", "/events": "application/secevent+jwt"}
MEBIBYTE = 1024 * 1024


def run_server(kind: str, folder: Path, settings: dict[str, str]) -> stack.Server:
    """Run one of the servers on a free port."""
    if kind == "serve":
        return stack.api(folder, settings)
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.cli:application", "--port", "0"]
    line = r"running on (http://\S+)"
    return stack.Server([*command, "--no-access-log"], folder, settings, line)


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest,
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[stack.Server]:
    running = run_server(request.param, tmp_path_factory.mktemp("server"), settings)
    yield running
    running.stop()


def head(path: str, *lines: str, token: str | None = None) -> bytes:
    """Return a POST request up to its body, with these header lines."""
    sent = [f"POST {path} HTTP/1.1", "Host: api", f"Content-Type: {TYPES.get(path, 'text/plain')}"]
    bearer = f"Authorization: Bearer {token or mint('ada')}"
    return "\r\n".join([*sent, bearer, *lines, "", ""]).encode()


def answer(server: stack.Server, sent: bytes) -> bytes:
    """Return what the server sends until it closes the connection, which it must do in time."""
    with connected(server.url) as client:
        began = time.monotonic()
        client.sendall(sent)
        told = client.makefile("rb").read()
        assert time.monotonic() - began < LINGER_TIMEOUT + SLACK
        return told


@pytest.mark.parametrize("path", TYPES)
@pytest.mark.parametrize("line", ["Expect: 100-continue", "X-Other: x"])
def test_body_with_a_too_large_content_length_is_answered_413_before_it_is_read(
    server: stack.Server, path: str, line: str
) -> None:
    sent = head(path, "Content-Length: 10000000000", line)
    told = answer(server, sent)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in told.lower()
    assert b" 100 " not in told


def test_token_is_rejected_before_the_content_length(server: stack.Server) -> None:
    sent = head("/graphql", "Content-Length: 10000000000", "Expect: 100-continue", token="bad")
    assert answer(server, sent).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("line", ["Content-Length: 10000000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(("path", "status"), [("/health/live", 405), ("/nowhere", 404)])
def test_long_body_that_is_not_read_closes_the_connection(
    server: stack.Server, path: str, status: int, line: str
) -> None:
    told = answer(server, head(path, line))
    assert told.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close\r\n" in told.lower()


@pytest.mark.parametrize(("path", "most"), [("/graphql", MEBIBYTE), ("/events", 64 * 1024)])
def test_chunked_body_is_answered_413_as_soon_as_it_is_too_large(
    server: stack.Server, path: str, most: int
) -> None:
    chunk = b"%x\r\n%b\r\n" % (most + 1, b" " * (most + 1))
    sent = head(path, "Transfer-Encoding: chunked") + chunk
    told = answer(server, sent)
    assert told.startswith(b"HTTP/1.1 413 ")


def test_client_that_continues_to_send_can_read_the_response(server: stack.Server) -> None:
    sent = head("/graphql", f"Content-Length: {8 * MEBIBYTE}") + b" " * 4 * MEBIBYTE
    assert answer(server, sent).startswith(b"HTTP/1.1 413 ")


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
