"""Limit the resources that one HTTP/1.1 connection may use, in a subclass of uvicorn's protocol.

uvicorn reads, schedules and writes. The subclass adds what uvicorn leaves to a reverse proxy:
limits on heads, pipelining and waiting times, and the rules of RFC 9112 against request smuggling.
"""

import asyncio
import http
import math
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bodies import HAS_ARRIVED


class _Parser(httptools.HttpRequestParser):
    """Ignores the `Upgrade` fields of a request, which propose another protocol (RFC 9110 §7.8).

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
            head = self._protocol.head_without_upgrade()
            self._protocol.parser = _Parser(self._protocol)
            self._protocol.parser.feed_data(head + data[proposal.args[0] :])


class BoundedHttp(HttpToolsProtocol):
    """A connection with limits. A subclass may set other limits."""

    max_head = 64 * 1024
    """The most bytes of a request line with its fields, or of trailers. Checked after each read."""
    max_fields = 100
    """The most fields of a head, or of trailers."""
    max_pipelined = 100
    """The most requests in the pipeline. At one more, the connection is closed after these are
    answered. The client may send the others again on a new connection (RFC 9112 §9.3.2)."""
    head_timeout = 10.0
    """Seconds for a head to arrive, and for the rest of a body whose request has been answered."""
    write_timeout = 60.0
    """Seconds in which a client must read at least some of a response. A client that has closed its
    side of the connection must be answered within this time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self._in_head = (
            True  # whether the next byte is part of a head, not of a body or its trailers
        )
        self._pending = 0  # bytes since the last complete head, piece of a body, or request
        self._refused = False
        self._status: int | None = 400  # of a refusal; None closes the connection without an answer
        self._deadline: asyncio.TimerHandle | None = None
        self._write_check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a head."""
        super().connection_made(transport)
        self._close_in(self.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        super().connection_lost(exc)
        self._cancel_deadline()
        self._stop_write_check()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio keeps it open for True
        """Finish the response in progress, although the client has closed its side."""
        if not self._is_answering() or not (self._in_head or self._refused):
            return False
        self.cycle.keep_alive = False
        self._close_in(self.write_timeout)
        return True

    def data_received(self, data: bytes) -> None:
        """Parse data, unless a request on this connection was refused."""
        if self._refused:
            return
        self._pending += len(data)
        super().data_received(data)
        if self._pending > self.max_head and not self._refused:
            self._status = 431 if self._in_head else None
            self.send_400_response()
        if not self._is_answering():
            self._close_in(self.head_timeout)

    def pause_writing(self) -> None:
        """Start to check that the client reads."""
        super().pause_writing()
        self._check_writing()

    def resume_writing(self) -> None:
        """Stop the check, unless the connection is closing: the client must still read the rest."""
        super().resume_writing()
        self._stop_write_check()
        if self.transport.is_closing():
            self._check_writing()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field. Trailers are collected in a list of their own, which is not used."""
        if len(self.headers) >= self.max_fields:
            self._stop(431 if self._in_head else None)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start a request, unless its head is not valid."""
        if self.parser.should_upgrade():  # `_Parser` reads this head again
            if self.parser.get_method() == b"CONNECT":
                self._stop(400)
            return
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:  # llhttp reads 0.9 and 2.0 as well
            self._stop(505)
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or version != "1.0"):
            self._stop(400)  # RFC 9112 §3.2
        if len(self.pipeline) >= self.max_pipelined:
            self._stop(None)
        super().on_headers_complete()
        self.headers, self._in_head, self._pending = [], False, 0
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
            if not self.parser.should_keep_alive():  # a trailer may close the connection
                self.cycle.keep_alive = False
            super().on_message_complete()
            self.scope["state"][HAS_ARRIVED] = True

    def on_response_complete(self) -> None:
        """Continue with the next request in the pipeline, or close a refused connection."""
        was_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            self._check_writing()
        elif was_last and self._refused:
            self._end()
        elif was_last and (self._pending or not self._in_head):
            self._close_in(self.head_timeout)

    def send_400_response(self, _: str = "") -> None:
        """Read no more data, and refuse the last request after all earlier ones are answered.

        If the refusal were sent first, a proxy that shares the connection among several people
        would give it to the wrong one, and so with every later response.
        """
        self._refused = True
        if not self._is_answering():
            self._end()
        elif not self._in_head and self.pipeline:  # the body of the last request is refused
            self.pipeline.popleft()
        elif not self._in_head:
            self._status = None if self.cycle.response_started else self._status
            self._end()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection."""
        super().timeout_keep_alive_handler()
        self._check_writing()

    def head_without_upgrade(self) -> bytes:
        """Return the last head without its `Upgrade` fields."""
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        line = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (*line, b"".join(fields))

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop(self, status: int | None) -> NoReturn:
        """Stop the parser. uvicorn then calls `send_400_response`."""
        self._status = status
        raise ValueError(status)

    def _end(self) -> None:
        """Send the status of the refusal, if it has one, and close the connection."""
        if self._status is not None:
            line = f"HTTP/1.1 {self._status} {http.HTTPStatus(self._status).phrase}\r\n".encode()
            self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.timeout_keep_alive_handler()

    def _close_in(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_writing(self, unsent: float = math.inf) -> None:
        """Abort the connection if the client has read nothing since `unsent` bytes were waiting."""
        self._stop_write_check()
        rest = self.transport.get_write_buffer_size()
        if rest >= unsent:
            self.transport.abort()
        elif rest:
            self._write_check = self.loop.call_later(self.write_timeout, self._check_writing, rest)

    def _stop_write_check(self) -> None:
        if self._write_check is not None:
            self._write_check.cancel()
