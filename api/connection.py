"""Limit the resources that one HTTP/1.1 connection may use, in a subclass of uvicorn's protocol.

uvicorn reads, schedules and writes. The subclass adds what uvicorn leaves to a reverse proxy:
limits on heads, pipelining and waiting times, and the rules of RFC 9112 against request smuggling.
"""

import asyncio
import http
import socket
import sys
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bodies import HAS_ARRIVED

MAX_LINE = 8_000
"""The most bytes of a line in the head of a WebSocket. The library websockets reads 8,192 bytes."""


class _Parser(httptools.HttpRequestParser):
    """Ignores the `Upgrade` fields of a request, unless they propose a WebSocket (RFC 9110 §7.8).

    Java's HTTP client proposes HTTP/2 on each new connection. httptools stops after the head of
    such a request, and would skip its body. Here a new parser reads the head again without its
    `Upgrade` fields, so that the usual rules determine the length of the body.
    """

    def __init__(self, protocol: "BoundedHttp") -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:
        """Parse data. Raises HttpParserError if it is not HTTP/1.1."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as proposal:
            if self._protocol.proposes_websocket():
                # RFC 6455 §4.1: the client sends nothing more before the response.
                self._protocol.begin_websocket(alone=len(data) == proposal.args[0])
                return
            head = self._protocol.head_without_upgrade()
            self._protocol.parser = _Parser(self._protocol)
            self._protocol.parser.feed_data(head + data[proposal.args[0] :])


class BoundedHttp(HttpToolsProtocol):
    """A connection with limits. A subclass may set other limits."""

    max_head = 64 * 1024
    """The most bytes of a request line with its fields, or of trailers. Checked after each read."""
    max_fields = 100
    """The most fields of a head, or of trailers. Checked after each read."""
    max_pipelined = 100
    """The most requests in the pipeline. At one more, the connection is closed after these are
    answered. The client may send the others again on a new connection (RFC 9112 §9.3.2)."""
    head_timeout = 10.0
    """Seconds for a head to arrive, and for the rest of a body whose request has been answered."""
    write_timeout = 60.0
    """Seconds in which a client must read at least a part of a response. Only Linux enforces it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self.headers = []
        self._in_head = True  # whether the next byte is part of a head, not of a body or trailers
        self._pending = 0  # bytes since the last complete head, piece of a body, or request
        self._refusal = 400
        self._is_refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a head."""
        super().connection_made(transport)
        self._set_deadline()
        connected = transport.get_extra_info("socket")
        if sys.platform == "linux" and connected is not None:
            milliseconds = int(self.write_timeout * 1000)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        super().connection_lost(exc)
        self._cancel_deadline()

    def data_received(self, data: bytes) -> None:
        """Parse data, unless a request on this connection was refused."""
        if self._is_refused:
            return
        self._pending += len(data)
        super().data_received(data)
        if self.parser is None:  # the connection is a WebSocket now
            return
        if self._pending > self.max_head or len(self.headers) > self.max_fields:
            self._refusal = 431
            self.send_400_response()
        if not self._is_answering():
            self._set_deadline()

    def on_headers_complete(self) -> None:
        """Start a request, unless its head is not valid."""
        if self.parser.should_upgrade():  # `_Parser` reads this head again
            if self.parser.get_method() == b"CONNECT":
                self._refuse(400)
            return
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:  # llhttp reads 0.9 and 2.0 as well
            self._refuse(505)
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or version != "1.0"):
            self._refuse(400)  # RFC 9112 §3.2
        if len(self.headers) > self.max_fields or len(self.pipeline) >= self.max_pipelined:
            self._refuse(431)
        super().on_headers_complete()
        self.headers, self._in_head, self._pending = [], False, 0  # trailers get a new list
        self._cancel_deadline()
        if self.expect_100_continue:
            # If a client gets another response than 100, it may or may not send the body. The body
            # could be taken for the next request, so the connection is closed.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body. The app limits the length of bodies."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self.parser.should_upgrade():
            self._in_head, self._pending = True, 0
            self._cancel_deadline()
            super().on_message_complete()
            self.scope["state"][HAS_ARRIVED] = True

    def send_400_response(self, _: str = "") -> None:
        """Read no more data, and close the connection.

        After a malformed head, the earlier requests are answered first. After a malformed
        body, they are not. The refusal is sent only if no earlier request waits for its response.
        Otherwise a proxy that shares the connection among several people could give it to the wrong
        one.
        """
        if self._is_refused:
            return
        self._is_refused, self.headers = True, []
        if self._in_head and self._is_answering():
            self.cycle.keep_alive = False  # this is the last of the earlier requests
            return
        if self._in_head or not (self.pipeline or self.cycle.response_started):
            line = f"HTTP/1.1 {self._refusal} {http.HTTPStatus(self._refusal).phrase}\r\n".encode()
            self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if self.cycle is not None:
            self.cycle.disconnected = True  # an app that still runs sends nothing more
        self.transport.close()

    def head_without_upgrade(self) -> bytes:
        """Return the last head without its `Upgrade` fields."""
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        line = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (*line, b"".join(fields))

    def proposes_websocket(self) -> bool:
        """Return whether the last head opens a WebSocket. Other heads begin ordinary requests.

        A body would be ambiguous. Earlier requests on the connection must have been answered.
        """
        fields = dict(self.headers)
        return (
            self.config.ws_protocol_class is not None
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and fields.get(b"upgrade", b"").lower() == b"websocket"
            and not fields.keys() & {b"content-length", b"transfer-encoding"}
            and not self._is_answering()
        )

    def begin_websocket(self, *, alone: bool) -> None:
        """Pass the connection to `BoundedWebSocket`. Raises HttpParserError if the head is invalid.

        `alone` is whether nothing has arrived after the head.
        """
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(self.headers) > self.max_fields or self._has_long_line():
            self._refusal = 431
        elif alone and len(hosts) == 1 and self.url.isascii():
            self._cancel_deadline()
            self.scope["method"] = "GET"
            self.handle_websocket_upgrade()
            # The parser and this object refer to each other. Without this line, they would stay in
            # memory until a garbage collection.
            self.parser, self.headers = None, []  # type: ignore[assignment]  # as uvicorn does
            return
        raise httptools.HttpParserError  # uvicorn then calls `send_400_response`

    def _has_long_line(self) -> bool:
        """Return whether a line of the head is longer than websockets accepts."""
        return len(self.url) > MAX_LINE or any(
            len(name) + len(value) > MAX_LINE for name, value in self.headers
        )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int) -> NoReturn:
        """Stop the parser. uvicorn then calls `send_400_response`."""
        self._refusal = status
        raise ValueError(status)

    def _set_deadline(self) -> None:
        if self._deadline is None:
            close = self.timeout_keep_alive_handler
            self._deadline = self.loop.call_later(self.head_timeout, close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
