"""Bounds of HTTP connections, against the API and against small apps with other behaviours."""

import asyncio
import gc
import os
import socket
import string
import struct
import sys
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from api.serving.connection import BoundedHttp
from tests import plain, stack
from tests.conftest import mint
from tests.waiting import PATIENCE, SLACK
from tests.wire import BODY, START, connected, post


def test_endless_head_closes_the_connection(api: stack.Server) -> None:
    sent = 0
    with connected(api.url) as stranger:
        stranger.sendall(START + b"X-Long: ")
        try:
            while sent < 100 * BoundedHttp.max_head:
                stranger.sendall(b"x" * 16_384)
                sent += 16_384
        except OSError:
            pass
    assert sent < 100 * BoundedHttp.max_head


def test_headers_of_32_kb_are_accepted(api: stack.Server) -> None:
    answer = plain.get(f"{api.url}/health/live", headers={"X-Long": "x" * 32_000})
    assert answer.status_code == 200


def test_late_head_or_rest_of_a_body_closes_the_connection_after_the_timeout(
    api: stack.Server,
) -> None:
    """The timeout applies to a client that sends nothing, and to one that sends a part of a head.

    If a request was answered before its body arrived, the timeout also applies to the body, and
    after the body to the next request.
    """
    began = time.monotonic()
    with ExitStack() as clients:
        silent, slow, *answered = (clients.enter_context(connected(api.url)) for _ in range(5))
        slow.sendall(START)
        for client, rest in zip(answered, (b"", b"a", b"ab"), strict=True):
            client.sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
            assert _answer(client).startswith(b"HTTP/1.1 401")
            client.sendall(rest)
        for client in (silent, slow):
            assert client.recv(1) == b""
            assert time.monotonic() - began > BoundedHttp.head_timeout - 1
        for client in answered:
            assert client.recv(1) == b""
    assert time.monotonic() - began < BoundedHttp.head_timeout + SLACK


def test_too_large_head_is_answered_431(api: stack.Server) -> None:
    """A head may be too large by one long field, by many fields, and by many empty fields."""
    for more in (b"X-Long: " + b"x" * 70_000, b"X: y\r\n" * 101, b"x:\r\n" * 101):
        with connected(api.url) as stranger:
            stranger.sendall(START + more)
            assert stranger.makefile("rb").read().startswith(b"HTTP/1.1 431 ")


def test_maximum_number_of_header_fields_is_accepted(api: stack.Server) -> None:
    with connected(api.url) as client:
        client.sendall(START + b"X: y\r\n" * 98 + b"Connection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\n", 400),
        (START + b"Host: x\r\n", 400),
        (START + b"hOST: y\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\nHost: x\r\nHost: x\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\n", 200),
    ],
)
def test_request_must_have_exactly_one_host(api: stack.Server, head: bytes, status: int) -> None:
    """RFC 9112 §3.2. HTTP/1.0 does not require a host."""
    with connected(api.url) as client:
        client.sendall(head + b"\r\n")
        assert client.makefile("rb").read().startswith(f"HTTP/1.1 {status} ".encode())


def test_host_in_a_trailer_does_not_count(api: stack.Server) -> None:
    chunked = CHUNKED.replace("Host: x\r\n", "")
    with connected(api.url) as client:
        client.sendall(f"{chunked}\r\n0\r\nHost: x\r\n\r\n".encode())
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


CHUNKED = "POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("trailer", [b"X-Long: ", b"X-Many: x\r\n"])
def test_endless_trailers_close_the_connection(api: stack.Server, trailer: bytes) -> None:
    """Also after the request was answered before its body: no trailer is stored."""
    sent = 0
    with connected(api.url) as stranger:
        stranger.sendall(f"{CHUNKED}\r\n1\r\na\r\n0\r\n".encode())
        assert stranger.recv(1000).startswith(b"HTTP/1.1 401")
        stranger.sendall(trailer)
        more = trailer if trailer.endswith(b"\n") else b"x"
        with suppress(OSError):
            while sent < 100 * BoundedHttp.max_head:
                stranger.sendall(more * (16_384 // len(more)))
                sent += 16_384
    assert sent < 100 * BoundedHttp.max_head


def test_trailers_are_not_used_as_headers(api: stack.Server) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {mint('ada')}"}
    for late, status in (("Content-Type", 415), ("Authorization", 401)):
        early = "".join(f"{name}: {headers[name]}\r\n" for name in headers if name != late)
        with connected(api.url) as client:
            head = f"{CHUNKED}Connection: close\r\n{early}\r\n{len(BODY):x}\r\n".encode()
            client.sendall(head + BODY + f"\r\n0\r\n{late}: {headers[late]}\r\n\r\n".encode())
            assert client.makefile("rb").read().split()[1] == str(status).encode()


def test_client_that_expects_100_continue_gets_it(api: stack.Server) -> None:
    request = post(b"Connection: close", b"Expect: 100-continue")
    with connected(api.url) as client:
        client.sendall(request.removesuffix(BODY))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert client.makefile("rb").read().endswith(b'{"data":{"viewer":{"id":"ada"}}}')


def test_malformed_request_closes_the_connection_after_earlier_responses(
    api: stack.Server,
) -> None:
    """If it were answered, a proxy that pipelines requests of several users could mix them up."""
    with connected(api.url) as client:
        client.sendall(post() + post() + b"no request\r\n\r\n")
        for _ in range(2):
            assert _answer(client).endswith(b'{"data":{"viewer":{"id":"ada"}}}')
        assert client.recv(1) == b""


def test_malformed_request_is_answered_400(api: stack.Server) -> None:
    for earlier in (b"", START + b"\r\n"):
        with connected(api.url) as client:
            client.sendall(earlier)
            assert not earlier or _answer(client).startswith(b"HTTP/1.1 200 ")
            client.sendall(b"no request\r\n\r\n")
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


def test_malformed_body_is_answered_400_unless_there_was_a_response(api: stack.Server) -> None:
    token = f"Authorization: Bearer {mint('ada')}\r\nContent-Type: application/json\r\n"
    for headers, early, late in ((token, b"", b"HTTP/1.1 400 "), ("", b"HTTP/1.1 401 ", b"")):
        with connected(api.url) as client:
            client.sendall(f"{CHUNKED}{headers}\r\n1\r\na\r\n".encode())
            assert not early or _answer(client).startswith(early)
            client.sendall(b"no length\r\n")
            assert client.makefile("rb").read()[:13] == late


def test_large_body_does_not_count_towards_the_next_head(api: stack.Server) -> None:
    """Both are sent in one piece, which ends with the beginning of the next head."""
    asked = post(body=b" " * 2 * BoundedHttp.max_head + BODY)
    with connected(api.url) as client:
        for _ in range(20):
            client.sendall(asked + START)
            client.sendall(b"\r\n")
            for _ in range(2):
                assert _answer(client).startswith(b"HTTP/1.1 200")


def _answer(client: socket.socket) -> bytes:
    """Read one whole response."""
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


def test_pipelined_requests_are_answered_in_order(api: stack.Server) -> None:
    """The first request takes longest, since the others need no database."""
    with connected(api.url) as client:
        slow = post(body=b'{"query": "{ tasks(first: 1) { totalCount } }"}')
        client.sendall(slow + post() + START + b"\r\n" + post(body=b"{"))
        assert b"totalCount" in _answer(client)
        assert b"viewer" in _answer(client)
        assert b"live" in _answer(client)
        assert _answer(client).startswith(b"HTTP/1.1 400 ")


def test_upgrade_to_http_2_is_ignored(api: stack.Server) -> None:
    """Java's own client proposes it on each connection (RFC 9110 §7.8)."""
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    with connected(api.url) as client:
        client.sendall(post(*upgrade) + post())
        client.sendall(START + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + START + b"\r\n")
        for said in (b"viewer", b"viewer", b"live", b"live"):
            assert said in _answer(client)
        chunked = post(b"Transfer-Encoding: chunked", *upgrade, body=b"")
        client.sendall(chunked.replace(b"Content-Length: 0\r\n", b"") + b"1d\r\n" + BODY[:9])
        client.sendall(BODY[9:] + b"\r\n0\r\n\r\n" + START + b"\r\n")
        assert b"viewer" in _answer(client)
        assert b"live" in _answer(client)


def test_body_of_an_upgrade_request_is_not_parsed_as_a_request(api: stack.Server) -> None:
    """A proxy saw only one request, and would give another client the second response."""
    hidden = START + b"Connection: close\r\n\r\n"
    with connected(api.url) as client:
        client.sendall(post(b"Connection: Upgrade", b"Upgrade: h2c", body=hidden))
        assert b"The body is not JSON." in _answer(client)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


EXAMPLES = int(os.environ.get("EXAMPLES", "150"))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a description of the request."""
    told = b""
    while True:
        message = await receive()
        told += message.get("body", b"")
        if not message.get("more_body"):
            break
    fields = sorted(field for field in scope["headers"] if field[0] != b"upgrade")
    said = repr((scope["method"], scope["raw_path"], scope["query_string"], fields, told)).encode()
    await send(started((b"content-length", b"%d" % len(said))))
    await send(body(said))


_TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=9)
_VALUE = st.binary(max_size=20).map(
    lambda value: bytes(c for c in value if c == 9 or (c >= 32 and c != 127))
)


@given(
    fields=st.lists(st.tuples(_TOKEN.map(str.encode), _VALUE), max_size=6),
    content=st.binary(max_size=40),
    cut=st.integers(0, 200),
    chunked=st.booleans(),
    connection=st.sampled_from([b"Upgrade", b"upgrade, HTTP2-Settings", b"close, Upgrade"]),
)
@settings(max_examples=EXAMPLES)
def test_upgrade_request_is_parsed_like_the_same_request_without_upgrade(
    fields: list[tuple[bytes, bytes]], content: bytes, cut: int, connection: bytes, *, chunked: bool
) -> None:
    """The body and the next request are compared too, for every split of the bytes."""
    known = (b"host", b"connection", b"upgrade", b"content-length", b"transfer-encoding", b"expect")
    lines = [b"%b:%b\r\n" % field for field in fields if field[0].lower() not in known]
    lines += [b"Host: x\r\n", b"Connection: %b\r\n" % connection]
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
        content = b"%b0\r\n\r\n" % (b"%x\r\n%b\r\n" % (len(content), content) if content else b"")
    else:
        lines.append(b"Content-Length: %d\r\n" % len(content))
    told = []
    for upgrade in (b"", b"Upgrade: h2c\r\n"):
        asked = b"PUT /a?b=c HTTP/1.1\r\n%b%b\r\n%b" % (b"".join(lines), upgrade, content)
        asked += GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        told.append(exchange(echo, asked[:cut], asked[cut:]))
    assert told[0] == told[1]
    assert told[0].count(b"HTTP/1.1 200 ") == (1 if b"close" in connection else 2)


def exchange(app: ASGIApp, *pieces: bytes) -> bytes:
    """Return what an app answers to these pieces, without a socket."""

    async def speak() -> bytes:
        config = Config(app, http=BoundedHttp, ws="none", log_config=None, access_log=False)
        transport = Recorded()
        protocol = BoundedHttp(config, ServerState(), {})
        protocol.connection_made(transport)
        for piece in pieces:
            if not transport.is_closing():
                protocol.data_received(piece)
            for _ in range(20):  # more turns than the app and uvicorn need
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        return bytes(transport.written)

    return asyncio.run(speak())


class Recorded(asyncio.Transport):
    """A transport that records what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record data."""
        assert not self._closing
        self.written += data

    def close(self) -> None:
        """Accept no more data."""
        self._closing = True

    def is_closing(self) -> bool:
        """Return whether the transport is closed."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Return 0: nothing is buffered."""
        return 0

    def pause_reading(self) -> None:
        """Do nothing: no data arrives by itself."""

    resume_reading = pause_reading


def test_http_1_0_connection_is_closed_after_one_response(api: stack.Server) -> None:
    with connected(api.url) as client:
        client.sendall(b"GET /health/live HTTP/1.0\r\n\r\n" + START + b"\r\n")
        told = client.makefile("rb").read()
        assert told.count(b"HTTP/1.1 ") == told.count(b"\r\nconnection: close\r\n") == 1


@pytest.mark.parametrize(
    "request_line",
    [b"GET http: HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"GET /\xff HTTP/1.1"],
)
def test_request_line_without_a_path_of_this_server_is_answered_with_an_error(
    api: stack.Server, request_line: bytes
) -> None:
    with connected(api.url) as client:
        client.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("version", [b" HTTP/0.9", b" HTTP/2.0", b""])
def test_another_version_of_http_is_answered_505(api: stack.Server, version: bytes) -> None:
    with connected(api.url) as client:
        client.sendall(b"GET /health/live" + version + b"\r\nHost: x\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 505 ")


def test_two_content_lengths_are_answered_400(api: stack.Server) -> None:
    """They could hide a request in the body of another (RFC 9112 §11.2)."""
    for line in (b"Content-Length: 3", b"Transfer-Encoding: chunked"):
        with connected(api.url) as client:
            client.sendall(post(line))
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


@asynccontextmanager
async def serving(
    app: ASGIApp, protocol: type[BoundedHttp] = BoundedHttp, keep_alive: float = 5
) -> AsyncIterator[tuple[ServerState, int]]:
    """Serve an app on a free port, as uvicorn's server would."""
    config, state = Config(app, http=protocol, ws="none", proxy_headers=False), ServerState()
    config.load()
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment]  # uvicorn's type is int
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield state, server.sockets[0].getsockname()[1]
        for connection in [*state.connections]:
            connection.shutdown()
        await wait_until_idle(state)


async def wait_until_idle(state: ServerState) -> None:
    """Wait until no client is connected, and no request is running."""
    while state.connections or state.tasks:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


def asked(app: ASGIApp, said: bytes, *, until: int = -1) -> bytes:
    """Return the response of an app, or its beginning. The connection stays open until then."""

    async def ask() -> bytes:
        async with serving(app) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            told = await (reader.read() if until < 0 else reader.readexactly(until))
            writer.close()
            return told

    return asyncio.run(asyncio.wait_for(ask(), PATIENCE))


def answering(*messages: dict[str, Any]) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def started(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


CLOSE = (b"connection", b"close")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_app_is_notified_when_the_client_disconnects() -> None:
    async def attempt() -> None:
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        begun = asyncio.Event()

        async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
            assert (await receive())["type"] == "http.request"
            begun.set()
            told.set_result((await receive())["type"])

        async with serving(app) as (_, port):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(GET)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await begun.wait()
            assert await asyncio.wait_for(told, PATIENCE) == "http.disconnect"

    asyncio.run(attempt())


def test_body_is_not_buffered_before_the_app_reads_it() -> None:
    """The body arrives complete, in any number of pieces."""
    size, seen = 40 * HIGH_WATER_LIMIT, []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.2)
        seen.append(len(receive.__self__.body))  # type: ignore[attr-defined]  # uvicorn's cycle
        length = 0
        while (message := await receive())["type"] == "http.request":
            length += len(message["body"])
            if not message["more_body"]:
                break
        await send(started(CLOSE))
        await send(body(str(length).encode()))

    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    assert asked(app, head + b"x" * size).endswith(f"\r\n{size}\r\n0\r\n\r\n".encode())
    assert HIGH_WATER_LIMIT < seen[0] < size / 2


class ShortTimeouts(BoundedHttp):
    """Has shorter timeouts than the default."""

    head_timeout = 0.3
    write_timeout = 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this limit")
def test_client_that_stops_reading_is_disconnected() -> None:
    """The whole response may have been written, or a part may still be buffered."""
    huge = b"x" * 50_000_000

    async def attempt(*parts: dict[str, Any]) -> None:
        async with serving(answering(started(), *parts), ShortTimeouts, 0.2) as (state, port):
            greedy = socket.create_connection(("127.0.0.1", port))
            greedy.sendall(GET)
            while not state.connections:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            await asyncio.wait_for(wait_until_idle(state), PATIENCE)
            greedy.close()

    asyncio.run(attempt(body(huge)))
    asyncio.run(attempt(body(huge, more=True), body(huge)))


def test_client_that_reads_gets_the_whole_response() -> None:
    huge = b"x" * 20_000_000
    assert len(asked(answering(started(CLOSE), body(huge)), GET)) > len(huge)


def test_upgrade_request_with_invalid_framing_is_answered_400() -> None:
    """The 400 is not sent while an earlier request waits for its response."""
    app = answering(started((b"content-length", b"2")), body(b"ok"))
    proposal = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    post = b"POST / HTTP/1.1\r\nHost: x\r\n"
    for framing in (b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked, x\r\n"):
        refused = post + proposal + framing + b"\r\nabc"
        assert asked(app, refused).startswith(b"HTTP/1.1 400 ")
        assert b"HTTP/1.1 400 " not in asked(app, GET + refused)


def test_requests_over_the_pipelining_limit_are_not_answered() -> None:
    """They are neither rejected nor kept: the client may retry them (RFC 9112 §9.3.2)."""
    app = answering(started((b"content-length", b"0")), body(b""))
    proposal = GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    for said in (GET, proposal):
        told = asked(app, said * 500)
        answered = told.count(b"HTTP/1.1 200 ")
        assert told.count(b"HTTP/1.1 ") == answered == BoundedHttp.max_pipelined + 1


def test_incomplete_request_waits_for_the_previous_response() -> None:
    """Its timeout begins when it could be read."""

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)  # longer than `head_timeout`, which must not have begun
        await send(started((b"content-length", b"2")))
        await send(body(b"ok"))

    async def ask() -> None:
        async with serving(slow, ShortTimeouts) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET + GET + GET[:9])
            await reader.readuntil(b"ok")
            await reader.readuntil(b"ok")
            writer.write(GET[9:])
            await reader.readuntil(b"ok")
            writer.write(GET[:9])
            assert await reader.read() == b""
            writer.close()

    asyncio.run(asyncio.wait_for(ask(), PATIENCE))


def test_every_pending_receive_gets_the_disconnect() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        listening = [asyncio.ensure_future(receive()) for _ in range(3)]
        await asyncio.sleep(0)  # each task runs until it waits
        await send(started(CLOSE))
        await send(body(b""))
        told = await asyncio.wait_for(asyncio.gather(*listening), PATIENCE)
        assert [message["type"] for message in told] == ["http.request", *["http.disconnect"] * 2]

    assert asked(app, GET).startswith(b"HTTP/1.1 200 ")


def test_request_after_a_trailer_that_closes_the_connection_is_not_answered() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(started())
        await send(body(b"ok"))

    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    told = asked(app, chunked + b"Connection: close\r\n\r\n" + GET)
    assert told.count(b"HTTP/1.1 200 ") == 1


def test_response_instead_of_100_continue_closes_the_connection() -> None:
    """The client may send the body or not, and the server could not tell it from a request."""
    app = answering(started((b"content-length", b"2")), body(b"no"))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\nExpect: 100-continue\r\n\r\n"
    assert b"\r\nconnection: close\r\n" in asked(app, head)
    assert b"100" not in asked(app, head.replace(b"HTTP/1.1", b"HTTP/1.0"))


def test_lost_connection_leaves_no_reference_cycle() -> None:
    """The garbage collector runs rarely (see `server`)."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    async def attempt() -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        async with serving(app) as (state, port):
            for said in (b"", START, head, head + b"ab"):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(said)
                    while not state.connections:  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0)
                    [held] = map(weakref.ref, state.connections)
                    await asyncio.sleep(0.05)
                await wait_until_idle(state)
                async with asyncio.timeout(PATIENCE):
                    while held() is not None:  # noqa: ASYNC110 - there is no event to wait for
                        await asyncio.sleep(0)

    gc.disable()
    try:
        asyncio.run(attempt())
    finally:
        gc.enable()


def test_keep_alive_timeout_begins_at_the_last_response() -> None:
    app = answering(started((b"content-length", b"0")), body(b""))
    keep_alive = 0.5

    async def attempt() -> None:
        async with serving(app, keep_alive=keep_alive) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(4):
                await asyncio.sleep(0.1)  # part of `keep_alive`, which each response begins anew
                began = time.monotonic()
                writer.write(GET)
                await reader.readuntil(b"\r\n\r\n")
            assert await reader.read() == b""
            assert keep_alive <= time.monotonic() - began < keep_alive + SLACK
            writer.close()

    asyncio.run(asyncio.wait_for(attempt(), PATIENCE))
