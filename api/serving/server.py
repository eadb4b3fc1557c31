"""Serve the app with uvicorn: in one process, in several, or with reloads when code changes."""

import contextlib
import gc
import resource
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload, Multiprocess

from api.config import LAST_GRACE
from api.serving.connection import BoundedHttp
from api.serving.websocket import BoundedWebSocket

FILES = 10_240
"""The most connections and files that may be open at once, if the system allows that many (macOS
allows no more). Shells and systemd set 1024, which one client could use up with slow requests."""

MAX_MESSAGE = 1024 * 1024
"""The most bytes of a WebSocket message, as many as of the body of a request over HTTP."""
PING = 25.0
"""Seconds between two pings of a WebSocket, and the most seconds for a client to answer one."""
HEALTH_CHECK = 10
"""The most seconds a worker may take to answer its parent, which then replaces it. A worker answers
in a thread, which may be slow on a busy machine. Until this time is over, uvicorn does not notice
that a worker died between the question and the answer."""


def serve(
    app: FastAPI | str,
    host: str,
    port: int,
    *,
    workers: int = 1,
    reload_dir: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Exit with `STARTUP_FAILURE` if the app cannot start.

    With several workers or a `reload_dir`, each worker process creates the app. `app` must then be
    the name of a function that returns it, such as `api.cli:application`.
    """
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_max_size=MAX_MESSAGE,
        # Compression would take 36 KiB of memory for each socket.
        ws_per_message_deflate=False,
        # Pings detect clients that are gone, and keep proxies from closing idle connections.
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        workers=workers,
        reload=reload_dir is not None,
        reload_dirs=[str(reload_dir)] if reload_dir else None,
        log_config=None,  # `log_lines` has configured the loggers
        access_log=False,  # `access_log` writes these lines instead
        proxy_headers=False,
        server_header=False,
        # `api.serving.draining` has waited for earlier requests, but more may have arrived since.
        timeout_graceful_shutdown=LAST_GRACE,
        timeout_worker_healthcheck=HEALTH_CHECK,
    )
    gc.enable()
    _raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it after Ctrl-C
        if reload_dir is None and workers == 1:
            server = uvicorn.Server(config)
            server.run()
            if not server.started:
                sys.exit(STARTUP_FAILURE)
            return
        # Connections wait at this socket until a worker accepts them.
        listening = config.bind_socket()
        listening.listen(config.backlog)
        if reload_dir is not None:
            ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listening]).run()
            return
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            sys.exit(STARTUP_FAILURE)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
