"""Limit the resources that one HTTP/1.1 connection may use, in a subclass of uvicorn's protocol.

uvicorn reads, schedules and writes. The subclass adds what uvicorn leaves to a reverse proxy:
limits on heads, pipelining and waiting times, and the rules of RFC 9112 against request smuggling.
`api.serving.upgrades` decides which requests open a WebSocket.
"""

import asyncio
import http
import socket
import sys
from typing import Any

from api.bodies import HAS_ARRIVED
from api.serving.upgrades import UpgradingHttp


class BoundedHttp(UpgradingHttp):
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
        self._in_head = True  # whether the next byte is part of a head, not of a body or trailers
        self._pending = 0  # bytes since the last complete head, piece of a body, or request
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
        if self.parser is None:  # the connection is a WebSocket now, with timers of its own
            self._cancel_deadline()
            return
        exceeds = self._pending > self.max_head or len(self.headers) > self.max_fields
        if exceeds and not self._is_refused:  # the parser may have refused the same head
            self.refusal = 431
            self.send_400_response()
        if not self.is_answering():
            self._set_deadline()

    def on_headers_complete(self) -> None:
        """Start a request, unless its head is not valid."""
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:  # llhttp reads 0.9 and 2.0 as well
            self.refuse(505)
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or version != "1.0"):
            self.refuse(400)  # RFC 9112 §3.2
        if len(self.headers) > self.max_fields or len(self.pipeline) >= self.max_pipelined:
            self.refuse(431)
        super().on_headers_complete()
        if self.parser.should_upgrade():  # this was not the head of an ordinary request
            return
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
        self._is_refused, self.headers = True, []
        if self._in_head and self.is_answering():
            self.cycle.keep_alive = False  # this is the last of the earlier requests
            return
        if self._in_head or not (self.pipeline or self.cycle.response_started):
            line = f"HTTP/1.1 {self.refusal} {http.HTTPStatus(self.refusal).phrase}\r\n".encode()
            self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if self.cycle is not None:
            self.cycle.disconnected = True  # an app that still runs sends nothing more
        self.transport.close()

    def _set_deadline(self) -> None:
        if self._deadline is None:
            close = self.timeout_keep_alive_handler
            self._deadline = self.loop.call_later(self.head_timeout, close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
