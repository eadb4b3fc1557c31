"""The process at the edge: what it takes from strangers, and how it goes."""

import asyncio
import resource
import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api.server import HEAD_TIMEOUT, MAX_HEAD, Joining
from tests import stack
from tests.conftest import Caller, mint

START = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


def connected(api: stack.Server) -> socket.socket:
    url = urlsplit(api.url)
    return socket.create_connection((url.hostname, url.port), timeout=HEAD_TIMEOUT + 10)


VIEWER = b'{"query": "{ viewer { id } }"}'


def post(body: bytes, *lines: str) -> bytes:
    """An operation of Ada's, as it goes over the wire; these lines are in its head, too."""
    head = [
        *("POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json"),
        *(f"Authorization: Bearer {mint('ada')}", f"Content-Length: {len(body)}", *lines),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def test_a_head_without_end_is_hung_up_on(api: stack.Server) -> None:
    sent = 0
    with connected(api) as stranger:
        stranger.sendall(START + b"X-Long: ")
        try:
            while sent < 100 * MAX_HEAD:
                stranger.sendall(b"x" * 16_384)
                sent += 16_384
        except OSError:
            pass
    assert sent < 100 * MAX_HEAD


def test_headers_of_a_fair_size_are_taken(api: stack.Server) -> None:
    answer = httpx.get(f"{api.url}/health/live", headers={"X-Long": "x" * 32_000})
    assert answer.status_code == 200


def test_a_head_that_does_not_come_is_not_waited_for(api: stack.Server) -> None:
    """Neither when nothing is said at all, nor when a word comes now and then."""
    began = time.monotonic()
    with connected(api) as silent, connected(api) as slow:
        slow.sendall(START)
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
    assert HEAD_TIMEOUT - 1 < time.monotonic() - began < HEAD_TIMEOUT + 5


CHUNKED = "POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("trailer", [b"X-Long: ", b"X-Many: x\r\n"])
def test_trailers_without_end_are_hung_up_on(api: stack.Server, trailer: bytes) -> None:
    """Of a request that was refused before its body, too: nothing of it is read any more."""
    sent = 0
    with connected(api) as stranger:
        stranger.sendall(f"{CHUNKED}\r\n1\r\na\r\n0\r\n".encode())
        assert stranger.recv(1000).startswith(b"HTTP/1.1 401")
        stranger.sendall(trailer)
        more = trailer if trailer.endswith(b"\n") else b"x"
        with suppress(OSError):
            while sent < 100 * MAX_HEAD:
                stranger.sendall(more * (16_384 // len(more)))
                sent += 16_384
    assert sent < 100 * MAX_HEAD


def test_trailers_are_no_headers(api: stack.Server) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {mint('ada')}"}
    for late, status in (("Content-Type", 415), ("Authorization", 401)):
        early = "".join(f"{name}: {headers[name]}\r\n" for name in headers if name != late)
        with connected(api) as client:
            head = f"{CHUNKED}Connection: close\r\n{early}\r\n{len(VIEWER):x}\r\n".encode()
            client.sendall(head + VIEWER + f"\r\n0\r\n{late}: {headers[late]}\r\n\r\n".encode())
            assert client.makefile("rb").read().split()[1] == str(status).encode()


def test_the_rest_of_what_was_answered_is_not_waited_for(api: stack.Server) -> None:
    """Neither when all of it is missing, nor behind a byte, nor what follows when it came late."""
    began = time.monotonic()
    with ExitStack() as clients:
        all_of_them = [clients.enter_context(connected(api)) for _ in range(3)]
        for client, rest in zip(all_of_them, (b"", b"a", b"ab"), strict=True):
            client.sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
            assert client.recv(10_000).startswith(b"HTTP/1.1 401")
            client.sendall(rest)
        for client in all_of_them:
            assert client.recv(1) == b""
    assert time.monotonic() - began < HEAD_TIMEOUT + 5


def test_a_client_that_asks_first_is_told_to_go_on(api: stack.Server) -> None:
    request = post(VIEWER, "Connection: close", "Expect: 100-continue")
    with connected(api) as client:
        client.sendall(request.removesuffix(VIEWER))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(VIEWER)
        assert client.makefile("rb").read().endswith(b'{"data":{"viewer":{"id":"ada"}}}')


class _Recorder(asyncio.Transport):
    """Of what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def test_what_is_written_in_one_turn_leaves_in_one_piece() -> None:
    async def attempt() -> None:
        recorder = _Recorder()
        joining = Joining(recorder, asyncio.get_running_loop())
        joining.write(b"head, ")
        joining.write(b"body")
        await asyncio.sleep(0)
        assert recorder.written == [b"head, body"]
        joining.write(b"the last word")
        joining.close()
        assert recorder.closed
        joining.write(b"too late")
        await asyncio.sleep(0)
        assert recorder.written == [b"head, body", b"the last word"]

    asyncio.run(attempt())


def test_who_sends_no_more_is_answered_all_the_same(api: stack.Server) -> None:
    for _ in range(50):
        with connected(api) as client:
            client.sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 401")


def test_what_is_no_request_is_not_answered_before_what_was_asked_first(
    api: stack.Server,
) -> None:
    """Else a proxy, which sends what several people ask, gives the one the other's answer."""
    asked = post(b'{"query": "{ tasks(first: 1) { nodes { id } } }"}')
    with connected(api) as client:
        client.sendall(asked + b"no request\r\n\r\n")
        assert not client.makefile("rb").read().startswith(b"HTTP/1.1 400")


def test_a_large_body_before_a_head_is_none_of_it(api: stack.Server) -> None:
    """In one piece, of which the end is the next one's beginning."""
    asked = post(b" " * 2 * MAX_HEAD + VIEWER)
    with connected(api) as client:
        for _ in range(20):
            client.sendall(asked + START)
            client.sendall(b"\r\n")
            for _ in range(2):
                assert _answer(client).startswith(b"HTTP/1.1 200")


def _answer(client: socket.socket) -> bytes:
    """One answer, whole."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += client.recv(1)
    length = next(
        int(line.split(b":")[1])
        for line in told.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    while length:
        more = client.recv(length)
        told, length = told + more, length - len(more)
    return told


def test_slow_strangers_leave_room_for_others(settings: dict[str, str], tmp_path: Path) -> None:
    """More of them than it may open files to begin with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))  # what it inherits
    try:
        api = stack.api(tmp_path, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        with ExitStack() as strangers:
            for _ in range(200):
                strangers.enter_context(connected(api)).sendall(START)
            assert httpx.get(f"{api.url}/health/live").status_code == 200
    finally:
        api.stop()


def test_connections_are_kept_for_further_requests(ada: Caller) -> None:
    headers = {"Authorization": f"Bearer {ada.token}"}
    with httpx.Client(base_url=ada.url, headers=headers) as client:
        for _ in range(3):
            answer = client.post("/graphql", json={"query": "{ viewer { id } }"})
            assert answer.json() == {"data": {"viewer": {"id": ada.user}}}


def test_a_process_that_was_told_to_stop_ends_its_work_and_is_not_ready_meanwhile(
    settings: dict[str, str], tmp_path: Path
) -> None:
    server = stack.api(tmp_path, settings)
    asked = post(VIEWER)
    with connected(server) as busy:
        busy.sendall(asked[:-10])
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
        server.child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while (ready := httpx.get(f"{server.url}/health/ready").status_code) == 200:
            assert time.monotonic() < deadline, "the signal did not come through"
        assert ready == 503
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        busy.sendall(asked[-10:])
        answer = b""
        while not answer.endswith(b"}}}"):
            answer += busy.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert server.child.process.wait(10) in {0, -signal.SIGTERM}
    server.stop()
