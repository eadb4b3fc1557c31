"""uvicorn, as a process that faces strangers: drained before it goes."""

import asyncio
import gc
import logging
import os
import resource
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api import logs
from api.config import GRACE
from api.http import Http

log = logging.getLogger(__name__)

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
                http=Http,
                ws="none",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        logs.limit()
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
