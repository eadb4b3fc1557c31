"""HTTP/1.1 for an ASGI app, on uvicorn's server and httptools' parser, bounded in what it takes.

uvicorn's own protocol takes more time over a request than the token, GraphQL and the encoding do
together, and waits for whoever sends a head without end. Here nothing is made that a request of
one piece does not need: its answer is written once, and a connection has one timer.
"""

import asyncio
import http
import logging
import math
import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import unquote

import httptools
from starlette.types import Message
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from api.bodies import HAS_ARRIVED

log = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers, or of trailers, give or take what arrives at once."""
MAX_UNREAD = 64 * 1024
"""Bytes of a body that wait for the app; then no more is read from the client. As above."""
MAX_LINE = 100
"""Requests that wait for the answer to the one before them; then no more is taken from the client,
who may send the others again when these are answered (RFC 9112 §9.3.2)."""
HEAD_TIMEOUT = 10.0
"""Seconds for a head to arrive, from the connection, from its first byte, or from the answer that
it had to wait for, and for the rest of what was answered before its end."""
KEEP_ALIVE = 5.0
"""Seconds that a connection is kept for another request."""
WRITE_TIMEOUT = 60.0
"""Seconds in which a client takes something of what it was sent; and of one that will send no more,
for the rest of the answers."""

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_STATUS: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_BODILESS: Final = frozenset({204, 304})
_CONTINUE: Final = _STATUS[100] + b"\r\n"
_DISCONNECT: Final[Message] = {"type": "http.disconnect"}


@lru_cache(512)
def _line(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Of a head, and the name if it says where an answer ends. Most are the same each time."""
    name = name.lower()
    if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        raise RuntimeError("a header must be of one line, and its name a token")
    return b"%b: %b\r\n" % (name, value), name if name in _FRAMING else b""


class _Full(Exception):
    """More is asked at once than is taken."""


class Exchange:
    """A request and its answer: ASGI's `scope`, `receive` and `send`."""

    __slots__ = (
        *("answered", "arriving", "gone", "keep_alive", "scope", "task", "unread"),
        *("_connection", "_framing", "_head", "_is_asked", "_left", "_pieces", "_read", "_woken"),
    )

    def __init__(self, connection: "Http", scope: dict[str, Any], *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.arriving = True
        """There is more of its body to come."""
        self.unread = 0
        """Bytes that have arrived of it and the app has not asked for yet."""
        self.answered = False
        self.gone = False
        """Nobody waits for the answer any more."""
        self.task: asyncio.Task[None]
        """In which it is answered, once that has begun."""
        self._connection = connection
        self._head: bytes | None = None
        self._is_asked = False
        self._framing: Literal["length", "chunked", "close", "none"] = "length"
        self._left = 0
        self._pieces: list[bytes] = []
        self._read = False
        self._woken: asyncio.Event | None = None

    @property
    def started(self) -> bool:
        """Whether some of the answer is on its way."""
        return self._head is not None

    def add(self, piece: bytes) -> None:
        """Of its body."""
        self._pieces.append(piece)
        self.unread += len(piece)
        self.wake()

    async def receive(self) -> Message:
        """ASGI: what there is of the body; then, when it comes to that, that all is over."""
        if not self._is_asked:
            if self._is_awaiting_us():
                self._connection.write(_CONTINUE)
            self._is_asked = True
        while not (self.gone or self.answered):
            if not self._read and (self._pieces or not self.arriving):
                body = b"".join(self._pieces)
                self._pieces, self.unread = [], 0
                self._read = not self.arriving
                self._connection.read_on()
                return {"type": "http.request", "body": body, "more_body": self.arriving}
            if self._woken is None:
                self._woken = asyncio.Event()
            self._woken.clear()
            await self._woken.wait()
        return _DISCONNECT

    async def send(self, message: Message) -> None:
        """ASGI: the head, which waits for the first of the body, and the body."""
        connection = self._connection
        if connection.is_full:
            await connection.drained()
        if self.gone:
            return
        if message["type"] == "http.response.start":
            if self.started:
                raise RuntimeError("an answer has one head")
            self._head = self._headed(message["status"], message.get("headers", ()))
            return
        if message["type"] != "http.response.body" or self._head is None or self.answered:
            raise RuntimeError("a body comes behind a head, and ends once")
        body, more = message.get("body", b""), message.get("more_body", False)
        connection.write(self._head + self._framed(body, more=more))
        self._head = b""
        if not more:
            self.answered = True
            self.wake()
            connection.on_answered(self)

    def wake(self) -> None:
        """Whoever waits in `receive`: something happened."""
        if self._woken is not None:
            self._woken.set()

    def lose(self) -> None:
        """Nobody waits for it any more."""
        self.gone = True
        self.wake()

    def _is_awaiting_us(self) -> bool:
        """That it is to be told to go on before it sends its body (RFC 9110 §10.1.1)."""
        return (
            self.arriving
            and not (self._is_asked or self._pieces or self.started)
            and self.scope["http_version"] == "1.1"
            and any(
                name == b"expect" and value.lower() == b"100-continue"
                for name, value in self.scope["headers"]
            )
        )

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        """As it goes over the wire. Raises RuntimeError when its head promised something else."""
        if self._framing == "length":
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body is not as long as its head says")
        elif self._framing == "chunked":
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        return b"" if self._framing == "none" else body

    def _headed(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The head. Raises RuntimeError for one that would not be read as it is meant."""
        parts = [_STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status]
        length: int | None = None
        for name, value in (*self._connection.state.default_headers, *headers):
            line, framing = _line(name, value)
            if not framing:
                parts.append(line)
            elif framing == b"content-length":
                if length is not None:
                    raise RuntimeError("a body has one length")
                length = int(value)
                parts.append(line)
            elif framing == b"connection" and b"close" in value.lower():
                self.keep_alive = False  # which is said below, as is how the body goes
        if self._is_awaiting_us():
            self.keep_alive = False  # it may send the body or not: nobody could tell
        parts.append(self._settled(status, length))
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)

    def _settled(self, status: int, length: int | None) -> bytes:
        """How the body goes; the line of the head that says so, if it is not its length."""
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._framing = "none"
        elif length is not None:
            self._left = length
        elif self.scope["http_version"] == "1.1":
            self._framing = "chunked"
            return b"transfer-encoding: chunked\r\n"
        else:  # it has no chunks, and its connections end with the answer
            self._framing = "close"
        return b""


class Http(asyncio.Protocol):
    """A connection. What is asked before the last answer is there waits, and is answered in turn.

    Made by uvicorn's server, which knows it by `state` and tells it to shut down.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.is_full = False
        """More was written than the client takes at present."""
        self._app = config.loaded_app
        self._app_state = app_state
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._scope: dict[str, Any] = {}
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] | None = None
        """Of a head that is arriving; none of what lies behind one."""
        self._silent = 0
        """Bytes since the last of which anything came: those of an unfinished head, or trailers."""
        self._arriving: Exchange | None = None
        self._current: Exchange | None = None
        """The one that is being answered."""
        self._line: deque[Exchange] = deque()
        """Those behind it."""
        self._refusal: bytes | None = None
        """Of what came behind them, and was no request."""
        self._is_paused = False
        self._drained = asyncio.Event()
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._last_wait: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it has no other
        """Asyncio: somebody connected."""
        self._transport = transport
        self.state.connections.add(self)  # type: ignore[arg-type]  # it lists its own classes
        self._scope = {
            "type": "http",
            "asgi": _ASGI,
            "scheme": "http",
            "root_path": "",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
        }
        self._close_in(HEAD_TIMEOUT)

    def connection_lost(self, _: Exception | None) -> None:
        """Asyncio: they are gone."""
        self.state.connections.discard(self)
        for timer in (self._timer, self._last_wait):
            if timer is not None:
                timer.cancel()
        for exchange in (self._current, *self._line):
            if exchange is not None:
                exchange.lose()
        self.resume_writing()
        # What knows its way back here would be garbage that nobody looks for soon.
        self._current = self._arriving = None
        self._line.clear()
        del self._parser

    def eof_received(self) -> bool:
        """Asyncio: they will send no more, and may wait for answers to what is here already."""
        last = self._line[-1] if self._line else self._current
        if last is None or self._arriving is not None:
            return False
        last.keep_alive = False
        self._close_in(WRITE_TIMEOUT)
        return True

    def data_received(self, data: bytes) -> None:
        """Asyncio: something arrived."""
        self._silent += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as fault:
            is_full = isinstance(fault.__context__, _Full)
            self._refuse(None if is_full else "That is no HTTP request.")
            return
        if self._headers is not None and self._current is None and self._deadline == math.inf:
            self._close_in(HEAD_TIMEOUT)
        if self._silent > MAX_HEAD:
            if self._arriving is None:
                self._refuse("The request's headers are too large.")
            else:
                self._close()

    def on_message_begin(self) -> None:
        """Httptools: the first byte of a request."""
        self._url = b""
        self._headers = []
        self._deadline = math.inf

    def on_url(self, url: bytes) -> None:
        """Httptools: some of what is asked for."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: one of the head's, or of the trailers, which are not the app's."""
        if self._headers is not None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Httptools: the last byte of a head."""
        self._silent = 0
        self._deadline = math.inf
        if self._arriving is not None:  # told once more (see `_stay`)
            self._headers = None
            return
        if len(self._line) >= MAX_LINE:
            raise _Full
        parser = self._parser
        url = httptools.parse_url(self._url)
        path = url.path.decode("ascii")
        version = parser.get_http_version()
        scope = self._scope | {
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        self._headers = None
        exchange = Exchange(self, scope, keep_alive=version == "1.1" and parser.should_keep_alive())
        self._arriving = exchange
        if self._current is None:
            self._begin(exchange)
        else:
            self._line.append(exchange)
            self._pause()

    def on_body(self, body: bytes) -> None:
        """Httptools: a piece of one."""
        self._silent = 0
        exchange = self._arriving
        if exchange is not None and not exchange.answered:
            exchange.add(body)
            if exchange.unread > MAX_UNREAD:
                self._pause()

    def on_message_complete(self) -> None:
        """Httptools: the last byte of a request."""
        self._silent = 0
        exchange = self._arriving
        if exchange is None or self._parser.should_upgrade():
            return
        self._arriving = None
        exchange.arriving = False
        if not self._parser.should_keep_alive():  # a trailer may say so
            exchange.keep_alive = False
        if exchange.answered:
            self._close_in(KEEP_ALIVE if exchange.keep_alive else 0)
        else:
            exchange.scope["extensions"] = HAS_ARRIVED
            exchange.wake()

    def on_answered(self, exchange: Exchange) -> None:
        """The current one is: the next one's turn."""
        self.state.total_requests += 1
        self._current = None
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._close()
        elif self._line:
            self._begin(self._line.popleft())
        elif self._refusal is not None:
            self.write(self._refusal)
            self._close()
        else:
            self.read_on()
            is_awaiting = exchange.arriving or self._headers is not None
            self._close_in(HEAD_TIMEOUT if is_awaiting else KEEP_ALIVE)

    def write(self, data: bytes) -> None:
        """To the client."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def read_on(self) -> None:
        """From the client, unless somebody is in the line."""
        if self._is_paused and not self._line and self._refusal is None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Asyncio: the client takes less than it is sent."""
        self.is_full = True
        self._drained.clear()

    def resume_writing(self) -> None:
        """Asyncio: it took it."""
        self.is_full = False
        self._drained.set()

    async def drained(self) -> None:
        """When the client has taken what it was sent, or is gone, as who takes nothing soon is."""
        while self.is_full:
            unsent = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self._drained.wait()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= unsent:
                    self._transport.abort()
                    return

    def shutdown(self) -> None:
        """Uvicorn: the server goes. What was asked is answered first."""
        last = self._line[-1] if self._line else self._current
        if last is None:
            self._close()
        else:
            last.keep_alive = False

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self.read_on()
        exchange.task = self.loop.create_task(self._run(exchange))
        self.state.tasks.add(exchange.task)

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except (Exception, asyncio.CancelledError):
            log.exception("a request failed")
        self.state.tasks.discard(exchange.task)
        if exchange.answered or exchange.gone:
            return
        if exchange.started:  # half an answer must not look like a whole one
            self._transport.abort()
        else:
            await _failed(exchange)

    def _parse(self, data: bytes) -> None:
        """Raises HttpParserError."""
        while True:
            try:
                return self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._stay()
                data = data[upgrade.args[0] :]

    def _stay(self) -> None:
        """In HTTP/1.1, whatever else was proposed, as one may (RFC 9110 §7.8).

        The parser would leave all that follows to the other protocol. Another one is told how long
        the body is, and no more of the head: for what is in the body is no request.
        """
        exchange = self._arriving
        if exchange is None:
            return
        self._parser = httptools.HttpRequestParser(self)
        framing = (b"content-length", b"transfer-encoding")
        lines = [b"%b: %b\r\n" % line for line in exchange.scope["headers"] if line[0] in framing]
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines))

    def _refuse(self, why: str | None) -> None:
        """Nothing that comes now is taken, of whose end one cannot be sure; what came before is.

        Else a proxy, which sends what several people ask, gives one the other's answer.
        """
        self._pause()
        content = (why or "").encode()
        self._refusal = content and b"%bcontent-length: %d\r\n%b\r\n%b" % (
            *(_STATUS[400], len(content)),
            *(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n", content),
        )
        if broken := self._arriving:
            broken.lose()
            if broken in self._line:
                self._line.remove(broken)
            elif broken.started:
                self._close()
            else:
                self._current = None
        if self._current is None:
            self.write(self._refusal)
            self._close()

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _close(self) -> None:
        """Behind what was written, as long as the client takes some of it."""
        if not self._transport.is_closing():
            self._transport.close()
            self._wait_for_it(math.inf)

    def _wait_for_it(self, unsent: float) -> None:
        rest = self._transport.get_write_buffer_size()
        if rest >= unsent:
            self._transport.abort()
        elif rest:
            self._last_wait = self.loop.call_later(WRITE_TIMEOUT, self._wait_for_it, rest)

    def _close_in(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._look_at_the_clock)
        elif self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        """The deadline may have moved: a timer for each request would take longer than this."""
        self._timer = None
        if self._deadline <= self.loop.time():
            self._close()
        elif self._deadline < math.inf:
            self._timer = self.loop.call_at(self._deadline, self._look_at_the_clock)


async def _failed(exchange: Exchange) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await exchange.send({"type": "http.response.start", "status": 500, "headers": headers})
    await exchange.send({"type": "http.response.body"})
