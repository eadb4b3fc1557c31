"""Several processes on one listening socket, one to a core, and the one above that keeps them.

One that dies is replaced; one that cannot start ends all of them, since the next could not either.
Told to stop, all drain; if the one above is killed, they do so by themselves.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from uvicorn.config import STARTUP_FAILURE

log = logging.getLogger(__name__)

BACKLOG = 2_048
"""Connections that wait to be accepted."""
STOPPING = {signal.SIGTERM, signal.SIGINT}


class Workers:
    """So many processes that `serve` on one socket, forked before anything runs in this one."""

    def __init__(self, serve: Callable[[list[socket.socket]], None], number: int) -> None:
        self._serve = serve
        self._number = number
        self._running: dict[int, float] = {}  # since when, by process
        self._stopping = False

    def run(self, host: str, port: int) -> int:
        """Serves until told to stop. The exit status: not 0 when a worker could not start."""
        try:
            listening = socket.create_server((host, port), backlog=BACKLOG)
        except OSError as error:
            log.error("cannot listen on %s:%d: %s", host, port, error.strerror)  # noqa: TRY400 - the line says it
            return STARTUP_FAILURE
        with listening:
            self._above, self._held = os.pipe()
            for number in STOPPING:
                signal.signal(number, self._stop)
            for _ in range(self._number):
                self._start(listening)
            failed = 0
            while self._running:
                process, status = os.wait()
                lived = time.monotonic() - self._running.pop(process)
                if self._stopping:
                    continue
                code = os.waitstatus_to_exitcode(status)
                if code == STARTUP_FAILURE:
                    failed = code
                    self._stop()
                    continue
                log.error("worker %d died (%d) and is replaced", process, code)
                time.sleep(max(0.0, 1.0 - lived))  # so that whatever kills them costs no core
                self._start(listening)
        return failed

    def _start(self, listening: socket.socket) -> None:
        # A signal that came in between would reach neither the new process nor `_stop`.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        if not self._stopping:
            process = os.fork()
            if process == 0:
                self._work(listening, before)
            self._running[process] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _work(self, listening: socket.socket, mask: set[int]) -> NoReturn:
        status: str | int | None = 1
        try:
            os.close(self._held)
            for number in STOPPING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            threading.Thread(target=self._end_with_the_one_above, daemon=True).start()
            self._serve([listening])
            status = 0
        except SystemExit as end:
            status = end.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 1)

    def _end_with_the_one_above(self) -> None:
        os.read(
            self._above, 1
        )  # it writes nothing, and holds the other end for as long as it lives
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, _: int = 0, __: FrameType | None = None) -> None:
        self._stopping = True
        for process in self._running:
            os.kill(process, signal.SIGTERM)
