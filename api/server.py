"""uvicorn as it comes, in one process, several, or one that is started again when code changes."""

import contextlib
import resource
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload, Multiprocess

from api.config import GRACE
from api.connection import BoundedHttp

FILES = 10_240
"""Connections and files that may be open at once, if the machine allows that many (macOS allows no
more). Shells and systemd start programs with 1024, which one stranger's slow requests use up."""


def serve(  # noqa: PLR0913 - each is an option of the command
    app: FastAPI | str,
    host: str,
    port: int,
    *,
    workers: int = 1,
    reload_dir: Path | None = None,
    access_log: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT. Exit with `STARTUP_FAILURE` if the app cannot start.

    Several workers, and a worker that is started again, import the app: then it is the name of a
    function that makes it, such as `api.cli:application`.
    """
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        http=BoundedHttp,
        ws="none",
        workers=workers,
        reload=reload_dir is not None,
        reload_dirs=[str(reload_dir)] if reload_dir else None,
        access_log=access_log,
        proxy_headers=False,
        server_header=False,
        # `api.process` has let the requests under way end by then.
        timeout_graceful_shutdown=1,
        # A worker answers its parent from a thread, which a busy machine may keep waiting.
        timeout_worker_healthcheck=GRACE,
    )
    _raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises at the end, after Ctrl-C
        if reload_dir is None and workers == 1:
            server = uvicorn.Server(config)
            server.run()
            if not server.started:
                sys.exit(STARTUP_FAILURE)
            return
        # Connections wait here until a worker accepts them.
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
