"""Limits of WebSockets, with frames and handshakes that no client library sends."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from api.serving.connection import BoundedHttp
from api.serving.websocket import BoundedWebSocket
from tests.graphql import ticks
from tests.graphql.ticks import Running, acknowledged, constant, until
from tests.serving.test_connection import Recorded
from tests.waiting import SLACK

KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n" + KEY
)
TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
SUBSCRIBE = {"type": "subscribe", "id": "a"}


class Small(BoundedWebSocket):
    """A WebSocket with short deadlines."""

    message_timeout = 0.3


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame, masked with zeros."""
    first = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        return first + bytes([0x80 | len(payload)]) + bytes(4) + payload
    if len(payload) < 65_536:
        return first + b"\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload
    return first + b"\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload


def run(test: Callable[[Running], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a test with a server, and close the connections that it has opened."""

    async def closing(server: Running) -> None:
        try:
            await test(server)
        finally:
            for writer in Raw.writers:
                writer.transport.abort()
            Raw.writers.clear()

    ticks.run(closing, **limits)


class Raw:
    """A connection on which a test sends bytes."""

    writers: ClassVar[list[asyncio.StreamWriter]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.writers.append(writer)

    @classmethod
    async def to(cls, server: Running, head: bytes = HANDSHAKE, rest: bytes = b"") -> "Raw":
        """Connect, and send a handshake."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        raw.writer.write(head + b"\r\n" + rest)
        return raw

    async def status(self) -> int:
        """Return the status of the response to the handshake."""
        return int((await self.reader.readuntil(b"\r\n\r\n")).split()[1])

    async def message(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next frame of the server."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        return first & 15, await self.reader.readexactly(length)

    async def closed(self) -> int | None:
        """Return the close code, or None if the connection ends without one."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                opcode, payload = await self.message()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
        return None

    async def initialise(self) -> None:
        """Authenticate the socket."""
        assert await self.status() == 101
        init = b'{"type":"connection_init","payload":{"Authorization":"Bearer ada"}}'
        self.writer.write(frame(TEXT, init))
        assert await self.message() == (TEXT, b'{"type":"connection_ack"}')


async def opened(server: Running) -> Raw:
    raw = await Raw.to(server)
    await raw.initialise()
    return raw


def test_message_in_fragments_is_read() -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        raw.writer.write(frame(TEXT, b'{"type":', fin=False) + frame(PING, b"x"))
        raw.writer.write(frame(CONTINUATION, b'"ping"', fin=False) + frame(CONTINUATION, b"}"))
        assert await raw.message() == (PONG, b"x")
        assert await raw.message() == (TEXT, b'{"type":"pong"}')

    run(test)


def test_too_many_fragments_close_the_socket() -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        raw.writer.write(frame(TEXT, b"{", fin=False) + frame(CONTINUATION, b" ", fin=False) * 300)
        assert await raw.closed() == 1002

    run(test)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_too_many_control_frames_close_the_socket(opcode: int) -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        raw.writer.write(frame(opcode) * 200)
        assert await raw.closed() == 1002

    run(test)


def test_too_many_messages_close_the_socket() -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        raw.writer.write(frame(TEXT, b'{"type":"pong"}') * 3_000)
        assert await raw.closed() == 1002

    run(test)


def test_message_that_arrives_too_slowly_closes_the_socket() -> None:
    """A part of a frame has arrived, or a part of the frames."""

    async def test(server: Running) -> None:
        complete = await opened(server)
        complete.writer.write(frame(TEXT, b'{"type":"pong"}') * 3)
        for part in (frame(TEXT, b"{}")[:3], frame(TEXT, b"{}")[:-1], frame(TEXT, b"{", fin=False)):
            raw = await opened(server)
            began = time.monotonic()
            raw.writer.write(frame(TEXT, b'{"type":"pong"}') + part)
            assert await raw.closed() == 1008
            assert Small.message_timeout - 0.1 < time.monotonic() - began < SLACK
        complete.writer.write(frame(TEXT, b'{"type":"ping"}'))
        assert await complete.message() == (TEXT, b'{"type":"pong"}')

    run(test, socket=Small)


def test_too_long_message_closes_the_socket_with_1009() -> None:
    """Before the token is known, a message may have 16 KiB, and 1 MiB afterwards."""

    async def test(server: Running) -> None:
        stranger = await Raw.to(server)
        assert await stranger.status() == 101
        stranger.writer.write(frame(TEXT, b"x" * 20_000)[:100])
        assert await stranger.closed() == 1009
        known = await opened(server)
        known.writer.write(frame(TEXT, b'{"type":"ping"}' + b" " * 1_000_000))
        assert await known.message() == (TEXT, b'{"type":"pong"}')
        known.writer.write(frame(TEXT, b"x" * 1_050_000)[:100])
        assert await known.closed() == 1009

    run(test)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(2, b"{}"), 4400),
        (frame(3), 1002),
        (frame(TEXT | 0x40, b"{}"), 1002),
        (frame(CONTINUATION), 1002),
        (frame(TEXT, b"{", fin=False) + frame(TEXT), 1002),
        (frame(PING, fin=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"\0\1"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (b"\x81\x02{}", 1002),  # not masked
        (b"\x81\xff" + b"\xff" * 8, 1009),
        (frame(CLOSE, b"\x03\xe8"), 1000),
    ],
)
def test_malformed_frame_closes_the_socket_without_a_line_in_the_log(
    sent: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        raw.writer.write(sent + frame(TEXT, b'{"type":"ping"}'))
        assert await raw.closed() == code

    with caplog.at_level(logging.INFO):
        run(test)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HANDSHAKE.replace(b"GET", b"POST") + b"Content-Length: 0\r\n", 401),
        (HANDSHAKE + b"Content-Length: 0\r\n", 401),
        (HANDSHAKE + b"Transfer-Encoding: chunked\r\n", 401),
        (HANDSHAKE.replace(b"websocket", b"h2c"), 401),
        (HANDSHAKE.replace(KEY, b""), 400),
        (HANDSHAKE.replace(KEY, KEY * 2), 400),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 8"), 400),
        (HANDSHAKE.replace(b"Host: x\r\n", b""), 400),
        (HANDSHAKE + b"Host: y\r\n", 400),
        (HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"), 401),
        (HANDSHAKE.replace(b"/graphql", b"/\xff"), 400),
        (HANDSHAKE.replace(b"/graphql", b"/" + b"x" * 9_000), 431),
        (HANDSHAKE + b"X-Long: " + b"x" * 9_000 + b"\r\n", 431),
        (HANDSHAKE + b"X: y\r\n" * 100, 431),
        (HANDSHAKE + b"X-Byte: \xff\r\n", 101),
        (HANDSHAKE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n", 101),
    ],
)
def test_malformed_handshake_is_refused_without_a_line_in_the_log(
    head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Running) -> None:
        raw = await Raw.to(server, head)
        assert await raw.status() == status

    with caplog.at_level(logging.INFO):
        run(test)
    assert "Traceback" not in caplog.text
    assert "GET" not in caplog.text


@pytest.mark.parametrize("early", [frame(PING), frame(TEXT, b"{}"), HANDSHAKE + b"\r\n"])
def test_data_before_the_response_to_the_handshake_closes_the_connection(
    early: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Running) -> None:
        raw = await Raw.to(server, rest=early)
        with suppress(asyncio.IncompleteReadError):
            assert await raw.status() == 400
        await server.wait_until_idle()

    with caplog.at_level(logging.INFO):
        run(test)
    assert "Traceback" not in caplog.text


class Switching(Recorded):
    """A transport that records to which protocol it was switched."""

    protocol: asyncio.BaseProtocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Record the protocol."""
        self.protocol = protocol

    def abort(self) -> None:
        """Accept no more data."""
        self.close()


@pytest.mark.parametrize("early", [frame(PING), frame(TEXT, b"{}")])
def test_data_after_the_handshake_but_before_its_response_aborts_the_connection(
    early: bytes,
) -> None:
    async def test() -> None:
        config = Config(_nobody, http=BoundedHttp, ws=BoundedWebSocket, log_config=None)
        config.load()
        transport = Switching()
        protocol = BoundedHttp(config, ServerState(), {})
        protocol.connection_made(transport)
        protocol.data_received(HANDSHAKE + b"\r\n")
        assert isinstance(transport.protocol, BoundedWebSocket)
        transport.protocol.data_received(early)
        assert transport.is_closing()
        transport.protocol.connection_lost(None)
        await asyncio.sleep(0)

    asyncio.run(test())


async def _nobody(_scope: Scope, receive: Receive, _send: Send) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def test_handshake_behind_an_unanswered_request_is_an_ordinary_request() -> None:
    async def test(server: Running) -> None:
        slow = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        raw = await Raw.to(server, slow, b"{" + b" " * 8 + HANDSHAKE + b"\r\n")
        assert await raw.status() == 401

    run(test)


def test_random_bytes_never_fail_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Running) -> None:
        for _ in range(200):
            raw = await opened(server)
            raw.writer.write(os.urandom(64))
            raw.writer.write_eof()
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await raw.reader.read()
        async with acknowledged(server.url) as client:
            await client.send("ping")
            assert await client.receive() == {"type": "pong"}

    with caplog.at_level(logging.INFO):
        run(test)
    assert caplog.text == ""


class Hurried(BoundedHttp):
    """A connection with a short deadline for a head."""

    head_timeout = 0.3


def test_client_that_reads_nothing_gets_no_pongs() -> None:
    """Otherwise a flood of pings would fill the memory with pongs."""

    async def test(server: Running) -> None:
        raw = await opened(server)
        query = {"query": "subscription { flood(size: 10000) { text } }"}
        raw.writer.write(frame(TEXT, json.dumps(SUBSCRIBE | {"payload": query}).encode()))
        await constant(lambda: server.world.pulled)
        raw.writer.write(frame(PING, b"x" * 125) * 40)
        raw.writer.write(frame(TEXT, b'{"type":"complete","id":"a"}'))
        await until(lambda: not server.world.open)
        raw.writer.write(frame(TEXT, b'{"type":"ping"}'))
        opcodes = []
        while (message := await raw.message()) != (TEXT, b'{"type":"pong"}'):
            opcodes.append(message[0])
        assert PONG not in opcodes
        raw.writer.write(frame(PING, b"later"))
        assert await raw.message() == (PONG, b"later")

    run(test)


def test_head_of_a_handshake_has_a_deadline_and_an_open_socket_has_none() -> None:
    async def test(server: Running) -> None:
        raw = await opened(server)
        slow = Raw(*await asyncio.open_connection("127.0.0.1", server.port))
        slow.writer.write(HANDSHAKE)
        # This takes until the deadline, which began after `raw` was open.
        assert await slow.reader.read() == b""
        raw.writer.write(frame(TEXT, b'{"type":"ping"}'))
        assert await raw.message() == (TEXT, b'{"type":"pong"}')

    run(test, http=Hurried)
