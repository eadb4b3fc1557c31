"""Resources that the workers of one test run share, so that they are made once.

The process in which pytest was started makes a folder (`folder`). Its workers find the folder by
an environment variable. Locks on files in it order the workers. The kernel releases the locks of a
worker that was killed.
"""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from dev.postgres import ROOT, Postgres

T = TypeVar("T")

VARIABLE = "BEARER_TASKS_TEST_RUN"
"""The variable with the path of the run's folder."""


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Make a temporary folder in `.data` that every user can enter.

    If the tests run as root, PostgreSQL runs as a user who cannot enter pytest's own folders.
    """
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix=prefix, dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@contextmanager
def folder() -> Iterator[None]:
    """Make the folder of a run. A worker uses that of the process that started it."""
    if VARIABLE in os.environ:
        yield
        return
    with open_folder("run-") as made:
        os.environ[VARIABLE] = str(made)
        try:
            yield
        finally:
            del os.environ[VARIABLE]


def place() -> Path | None:
    """Return the folder of this run, or None if no tests are running."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


@contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def once(
    name: str,
    start: Callable[[], AbstractContextManager[T]],
    describe: Callable[[T], object],
    attach: Callable[[Any], T],
) -> Iterator[T]:
    """Start something in the first worker that needs it, and let the others attach to it.

    They attach by its description, which is written as JSON. The first worker stops it when no
    other worker is attached any more.
    """
    place = Path(os.environ[VARIABLE])
    door, users, described = (place / f"{name}.{kind}" for kind in ("door", "users", "json"))
    with ExitStack() as stack:
        with _locked(door):
            if described.exists():
                stack.enter_context(_locked(users, fcntl.LOCK_SH))
                running = attach(json.loads(described.read_text()))
            else:
                running = stack.enter_context(start())
                described.write_text(json.dumps(describe(running)))
                stack.enter_context(_last(door, users, described))
        yield running


@contextmanager
def _last(door: Path, users: Path, described: Path) -> Iterator[None]:
    """At the end, admit no more workers, and wait until all others have detached."""
    try:
        yield
    finally:
        with _locked(door):
            described.unlink()
        with _locked(users):
            pass


def initialized(home: Path, settings: Mapping[str, str] | None = None) -> Postgres:
    """Return a server with a copy of the data of `initdb`, which runs once in a run."""
    server = Postgres(home, settings)
    if VARIABLE not in os.environ or server.home != home.resolve():
        return server  # no test is running, or all checkouts share the folder
    template = Postgres(Path(os.environ[VARIABLE]) / "initialized")
    with _locked(template.home.with_suffix(".door")):
        template.initialize()
    server.home.mkdir(parents=True)
    subprocess.run(["cp", "-a", template.home / "data", server.home / "data"], check=True)
    return server


@contextmanager
def server(settings: Mapping[str, str]) -> Iterator[Postgres]:
    """Start an empty server with these settings. Its data is deleted after the block."""
    with open_folder("test-") as folder:
        running = initialized(folder / "postgres", settings)
        with running:
            yield running
        # The server is elsewhere if its user cannot enter this checkout.
        if not running.home.is_relative_to(folder):
            shutil.rmtree(running.home)
