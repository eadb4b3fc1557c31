"""Limit the resources that one WebSocket may use, in a subclass of uvicorn's protocol.

`connection` limits the head of the handshake, and uvicorn limits the bytes of a message.
"""

import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import CTRL_OPCODES, CloseCode, Frame
from websockets.server import ServerProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle

CLAIMS = "claims"
"""The key that the app sets in the state of a scope when the client has sent a valid token."""
log = logging.getLogger(__name__)
# uvicorn and websockets would log each connection, with its URL.
log.setLevel(logging.WARNING)
log.addFilter(lambda record: not str(record.msg).startswith("Invalid UTF-8"))  # a client's error


class _Frames(ServerProtocol):
    """Parses the frames of a WebSocket (RFC 6455 §5), and limits how many a client may send."""

    def __init__(self, socket: "BoundedWebSocket", max_size: int) -> None:
        super().__init__(max_size=max_size, logger=log)
        self.socket: BoundedWebSocket | None = socket
        self._fragments = self._second = self._frames = self._control = 0
        self.unread = 0
        """The bytes that were received since the last complete frame."""

    @property
    def is_in_message(self) -> bool:
        """Whether a frame, or a message of several frames, has arrived in part."""
        return self.unread > 0 or self._fragments > 0

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame. Raises ProtocolError, which closes the connection with 1002."""
        self.unread -= _length(frame)
        if self.socket is None:
            return
        second = int(self.socket.loop.time())
        if second != self._second:
            self._second, self._frames, self._control = second, 0, 0
        self._frames += 1
        if frame.opcode in CTRL_OPCODES:
            self._control += 1
        else:
            self._fragments = 0 if frame.fin else self._fragments + 1
        if self._frames > self.socket.max_frames or self._control > self.socket.max_control:
            raise ProtocolError("too many frames in a second")
        if self._fragments > self.socket.max_fragments:
            raise ProtocolError("too many fragments of a message")
        super().recv_frame(frame)


def _length(frame: Frame) -> int:
    """Return the number of bytes in which a client sends a frame (RFC 6455 §5.2)."""
    payload = len(frame.data)
    extended = 0 if payload < 126 else 2 if payload < 65_536 else 8
    return 6 + extended + payload


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket with limits. A subclass may set other limits."""

    max_frames = 1_000
    """The most frames a second."""
    max_control = 50
    """The most pings, pongs and close frames a second."""
    max_fragments = 256
    """The most fragments of a message."""
    max_first = 16 * 1024
    """The most bytes of a message before the app has put `CLAIMS` into the state of the scope."""
    message_timeout = 30.0
    """Seconds for a message to arrive, from its first byte to its last."""
    write_timeout = 60.0
    """Seconds in which a client must read at least a part of the data that waits to be sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log
        self.conn: _Frames = _Frames(self, min(self.max_first, self.config.ws_max_size))
        self._is_trusted = False
        self._deadline: TimerHandle | None = None
        self._stalled: TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse data, and limit the time until the message that it belongs to is complete."""
        if not self.handshake_initiated:  # this is the head, which `BoundedHttp` has read
            super().data_received(data)
            return
        if not self.handshake_complete:  # RFC 6455 §4.1: the client waits for the response
            self.transport.abort()
            return
        if not self._is_trusted and CLAIMS in self.scope["state"]:
            self._is_trusted, self.conn.max_message_size = True, self.config.ws_max_size
        self.conn.unread += len(data)
        super().data_received(data)
        if not self.conn.is_in_message:
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.message_timeout, self._end_late_message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and break reference cycles, so that the memory is released at once."""
        super().connection_lost(exc)
        self._cancel_deadline()
        self.resume_writing()
        self.conn.socket = None
        self.conn.parser = iter(())  # type: ignore[assignment]  # nothing more is parsed

    def shutdown(self) -> None:
        """Close the connection, unless it is being closed."""
        if not self.transport.is_closing():
            super().shutdown()

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read (RFC 6455 §5.5.3 allows a later pong)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # drops the pong

    def pause_writing(self) -> None:
        """Make `send` wait, and start the deadline until which the client must read."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """Let `send` continue."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    async def send(self, message: Any) -> None:
        """Send a message, and wait until most of it has left this process.

        A client that reads nothing gets no close frame: its connection is aborted. Raises
        ClientDisconnected.
        """
        if self.close_sent:
            raise ClientDisconnected
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self.transport.abort()
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept":
            # The heads are not read again, and would take 3 KiB of memory for each open socket.
            del self.request, self.response
            self.scope["headers"] = []
        await self.writable.wait()

    def _expect_progress(self) -> None:
        left = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._expect_progress()
            else:
                self.transport.abort()

        self._stalled = self.loop.call_later(self.write_timeout, check)

    def _end_late_message(self) -> None:
        self._deadline = None
        if self.read_paused:  # the app is not ready for it
            self._deadline = self.loop.call_later(self.message_timeout, self._end_late_message)
        elif not self.transport.is_closing():
            self.conn.fail(CloseCode.POLICY_VIOLATION, "The message did not arrive in time")
            self.handle_parser_exception()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
