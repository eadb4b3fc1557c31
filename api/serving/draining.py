"""Drain the process before it ends, however it was started."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, Final, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from api.config import GRACE, LAST_GRACE
from api.telemetry import log_limits

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
"""The signals that end the process."""
GARBAGE = (20_000, 1, 200)
"""The thresholds of Python's garbage collection, which searches for reference cycles.

20,000 new objects cause a search of the new objects. Every second search includes the objects that
the search before has left. After 200 of these larger searches, the next one includes all objects.

A search stops the process. With thousands of sockets on a busy machine, these three kinds took
60 ms, 150 ms and 1 s. With a lower first threshold, the objects of requests in progress would cause
searches. With a higher second one, the larger searches would take longer."""


class Process:
    """Delays SIGTERM and SIGINT until no request is in progress and no stream is open.

    `end_streams(seconds)` ends the sockets and streams within this time, because they do not end by
    themselves.

    An async context manager, which is part of the app's lifespan. While it drains, the app accepts
    connections but is not ready, so that a load balancer sends new requests elsewhere. uvicorn
    alone would close its socket at once. A second Ctrl-C ends the process without waiting. A worker
    also drains when its parent process dies.
    """

    def __init__(
        self, end_streams: Callable[[float], Awaitable[None]], grace: float = GRACE - LAST_GRACE
    ) -> None:
        self.draining = False
        self._end_streams = end_streams
        self._grace = grace
        self._in_progress = 0
        self._idle = asyncio.Event()
        self._handlers: dict[signal.Signals, Any] = {}
        self._loop: asyncio.AbstractEventLoop
        self._drained: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        log_limits.limit()
        log_limits.hide_query_strings()
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {each: signal.signal(each, self._stop) for each in SIGNALS}
            _watch_parent()
        _reduce_garbage_collection()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._restore_handlers()

    def counting(self, app: ASGIApp) -> ASGIApp:
        """Return a middleware that counts the requests in progress."""

        async def count(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            self._in_progress += 1
            try:
                await app(scope, receive, send)
            finally:
                self._in_progress -= 1
                if self.draining and not self._in_progress:
                    self._idle.set()

        return count

    def _stop(self, number: int, _: FrameType | None) -> None:
        """Start to drain. Afterwards, the server's own handlers of the signal end the process."""
        if self.draining and number == signal.SIGINT:
            self._restore_handlers()
            signal.raise_signal(number)  # tells the server to stop
            signal.raise_signal(number)  # tells the server not to wait
        elif not self.draining:
            self.draining = True
            self._loop.call_soon_threadsafe(self._drain, number)

    def _drain(self, number: int) -> None:
        async def drain() -> None:
            try:
                async with asyncio.timeout(self._grace):
                    await self._end_streams(self._grace)
                    while self._in_progress:
                        self._idle.clear()
                        await self._idle.wait()
            except TimeoutError:
                log.warning("%d requests did not end in %d s", self._in_progress, self._grace)
            if self._handlers:
                self._restore_handlers()
                signal.raise_signal(number)

        self._drained = self._loop.create_task(drain())

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def _watch_parent() -> None:
    """Send SIGTERM to this process when its parent has died, if it is a worker."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _reduce_garbage_collection() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    These objects live as long as the process. Requests leave no cycles, except those in the
    tracebacks of errors. `__main__` has disabled the collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()
