"""uvicorn, as a process that faces strangers: bounded in what it reads, drained before it goes."""

import asyncio
import gc
import logging
import os
import resource
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.config import GRACE
from api.limits import HAS_ARRIVED

log = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers, or of trailers, give or take what arrives at once."""
HEAD_TIMEOUT = 10.0
"""Seconds for a head to arrive, from the connection or from its first byte, and for the rest of
what was answered before its end."""
GARBAGE = 10_000
"""Objects more than before, after which Python looks for garbage in cycles; 700 unless told."""
FILES = 10_240
"""Connections and files that may be open at once, where the machine allows that many: macOS no
more. Shells and systemd start programs with 1024, which one stranger's slow requests use up."""


def _spare_garbage_collection() -> None:
    """What is here by now stays: nobody need look through it whenever a page made some objects.

    Requests leave no cycles behind but for errors, whose traces wait a little longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


class Joining:
    """A transport for uvicorn, which writes an answer's head and its body one after the other.

    What is written in one turn of the loop leaves together: one system call, and one packet, for
    which the client wakes once.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Soon, with what else is written by then."""
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(data)

    def close(self) -> None:
        """Behind what was written."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Now."""
        joined = b"".join(self._written)
        self._written.clear()
        if joined and not self._transport.is_closing():
            self._transport.write(joined)


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on whoever sends a head or trailers without end, or never ends what was answered.

    Uvicorn would wait, and keep all of it.
    """

    _idle = 0
    """Bytes since the last of which anything came: those of an unfinished head, or of trailers."""
    _is_in_head = True
    _is_whole = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Asyncio: somebody connected."""
        self._joining = Joining(transport, self.loop)
        super().connection_made(self._joining)  # type: ignore[arg-type]  # as uvicorn uses one
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: they are gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Asyncio: they will send no more. It closes the transport behind this, written or not."""
        self._joining.flush()
        super().eof_received()

    def data_received(self, data: bytes) -> None:
        """Asyncio: something arrived. A head that is all there needs no deadline."""
        self._idle += len(data)
        super().data_received(data)
        if self._is_in_head and self._deadline is None:
            self._await_rest()
        if self._idle <= MAX_HEAD:
            return
        if self._is_in_head:
            self.send_400_response("The request's headers are too large.")
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Httptools: the first byte of a request."""
        self._stop_waiting()
        self._is_in_head, self._is_whole, self._idle = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Httptools: the last one of its head. What follows the body is not among them."""
        self._stop_waiting()
        self._is_in_head, self._idle = False, 0
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Httptools: a piece of it."""
        self._idle = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Httptools: the last byte of a request."""
        self._is_whole, self._idle = True, 0
        self.scope["extensions"] = HAS_ARRIVED
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Uvicorn: one is answered. If before its end, the rest is not awaited for long."""
        super().on_response_complete()
        if not self._is_whole and self.cycle.response_complete and self._deadline is None:
            self._await_rest()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn: what came is no request. It is not told to whoever waits for an answer yet."""
        if self.cycle is None or self.cycle.response_complete:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _await_rest(self) -> None:
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Told to stop, it goes once nothing is under way, and until then is not ready.

    uvicorn alone closes its door at once, while a load balancer still sends it requests.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=BoundedHttp,
                ws="none",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Uvicorn: SIGTERM or SIGINT came."""
        self._app.state.draining = True
        super().handle_exit(sig, frame)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until told to stop, on these if there are any: others may listen on them, too."""
        self._sockets = sockets or []
        super().run(sockets)

    async def main_loop(self) -> None:
        """Uvicorn: serves until told to stop. A second signal ends the draining, too."""
        for listening in self._sockets:  # of which uvicorn says no address
            host, port = listening.getsockname()[:2]
            log.info("worker %d running on http://%s:%d", os.getpid(), host, port)
        _spare_garbage_collection()
        await super().main_loop()
        deadline = time.monotonic() + GRACE
        while self.server_state.tasks and not self.force_exit and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn tells by a flag
            await asyncio.sleep(0.05)
