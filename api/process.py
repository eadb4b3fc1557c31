"""The process that an app runs in: it is drained before it ends, whichever way it was started."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, Final, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from api import logs
from api.config import GRACE

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
GARBAGE = 10_000
"""Objects more than before, after which Python looks for garbage in cycles; 700 unless set."""


class Process:
    """Part of an app's lifespan: when told to stop, it ends once no request is under way.

    Until then the app goes on to accept connections and is not ready (`draining`), so that a load
    balancer sends its requests elsewhere. uvicorn alone would close its socket at once. A second
    Ctrl-C ends the process without waiting. A worker whose parent process dies drains as well.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.draining = False
        self._grace = grace
        self._under_way = 0
        self._idle = asyncio.Event()
        self._handlers: dict[signal.Signals, Any] = {}
        self._loop: asyncio.AbstractEventLoop
        self._drained: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        logs.limit()
        logs.hide_query_strings()
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {each: signal.signal(each, self._stop) for each in SIGNALS}
            _watch_parent()
        _spare_garbage_collection()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._restore_handlers()

    def counting(self, app: ASGIApp) -> ASGIApp:
        """Return a middleware that counts the requests under way."""

        async def count(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            self._under_way += 1
            try:
                await app(scope, receive, send)
            finally:
                self._under_way -= 1
                if self.draining and not self._under_way:
                    self._idle.set()

        return count

    def _stop(self, number: int, _: FrameType | None) -> None:
        """Handle a signal. The server's own handlers, which were here before, end the process."""
        if self.draining and number == signal.SIGINT:
            self._restore_handlers()
            signal.raise_signal(number)  # the server stops,
            signal.raise_signal(number)  # and waits for nothing
        elif not self.draining:
            self.draining = True
            self._loop.call_soon_threadsafe(self._drain, number)

    def _drain(self, number: int) -> None:
        async def drain() -> None:
            try:
                async with asyncio.timeout(self._grace):
                    while self._under_way:
                        self._idle.clear()
                        await self._idle.wait()
            except TimeoutError:
                log.warning("%d requests did not end in %d s", self._under_way, self._grace)
            if self._handlers:
                self._restore_handlers()
                signal.raise_signal(number)

        self._drained = self._loop.create_task(drain())

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def _watch_parent() -> None:
    """Stop this process as SIGTERM does when the process that started it as a worker has died."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _spare_garbage_collection() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    They live as long as the process, and requests leave no cycles but the traces of errors.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
