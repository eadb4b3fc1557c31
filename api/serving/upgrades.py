"""Decide which requests open a WebSocket, in a subclass of uvicorn's protocol.

All other proposals to upgrade the connection are ignored, as RFC 9110 §7.8 allows. Java's HTTP
client proposes HTTP/2 on each new connection.
"""

from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_LINE = 8_000
"""The most bytes of a line in the head of a WebSocket. The library websockets reads 8,192 bytes."""


class _Parser(httptools.HttpRequestParser):
    """Parses requests that propose an upgrade like all others, unless they open a WebSocket.

    httptools stops after the head of such a request, and would skip its body. Here a new parser
    reads the head again without its `Upgrade` fields, so that the usual rules determine the length
    of the body.
    """

    def __init__(self, protocol: "UpgradingHttp") -> None:
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


class UpgradingHttp(HttpToolsProtocol):
    """A connection that only the handshake of a WebSocket upgrades."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self.headers = []
        self.refusal = 400
        """The status of the response if the request is refused."""

    def on_headers_complete(self) -> None:
        """Start a request, unless its parser will read the head again or begin a WebSocket."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
        elif self.parser.get_method() == b"CONNECT":
            self.refuse(400)

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
            and not self.is_answering()
        )

    def begin_websocket(self, *, alone: bool) -> None:
        """Pass the connection to uvicorn's `--ws`. Raises HttpParserError if the head is invalid.

        `alone` is whether nothing has arrived after the head.
        """
        if self._has_long_line():
            self.refuse(431)
        if not (alone and self.url.isascii()):
            self.refuse(400)
        self.scope["method"] = "GET"
        self.handle_websocket_upgrade()
        # The parser and this object refer to each other. Without this line, they would stay in
        # memory until a garbage collection.
        self.parser, self.headers = None, []  # type: ignore[assignment]  # as uvicorn does

    def head_without_upgrade(self) -> bytes:
        """Return the last head without its `Upgrade` fields."""
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        line = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (*line, b"".join(fields))

    def is_answering(self) -> bool:
        """Return whether a request on this connection waits for the rest of its response."""
        return self.cycle is not None and not self.cycle.response_complete

    def refuse(self, status: int) -> NoReturn:
        """Stop the parser. uvicorn then calls `send_400_response`."""
        self.refusal = status
        raise httptools.HttpParserError

    def _has_long_line(self) -> bool:
        """Return whether a line of the head is longer than websockets accepts."""
        return len(self.url) > MAX_LINE or any(
            len(name) + len(value) > MAX_LINE for name, value in self.headers
        )
