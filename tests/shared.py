"""What the workers of one run of the tests share, so that it is made once and not by each worker.

The process that pytest was started in makes a folder (`folder`), which its workers inherit by an
environment variable. Locks on files in it order the workers. The kernel releases the locks of a
worker that was killed.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from dev.postgres import ROOT, Postgres

T = TypeVar("T")

VARIABLE = "BEARER_TASKS_TEST_RUN"
"""Names the folder of the run."""


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Make a temporary folder in `.data` through which every user can walk.

    Where the tests run as root, PostgreSQL runs as another user. pytest's own folders are closed.
    """
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix=prefix, dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@contextmanager
def folder() -> Iterator[None]:
    """Make the folder of a run. A worker has it from the process that started it."""
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
    """Return the folder of this run; None where no tests run."""
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
    """At the end let nobody in any more, and wait until all others have left."""
    try:
        yield
    finally:
        with _locked(door):
            described.unlink()
        with _locked(users):
            pass


def initialized(home: Path, settings: Mapping[str, str] | None = None) -> Postgres:
    """Return a server with a copy of the data that `initdb` makes once for all of a run."""
    server = Postgres(home, settings)
    if VARIABLE not in os.environ or server.home != home.resolve():
        return server  # no test, or in a place that every checkout shares
    template = Postgres(Path(os.environ[VARIABLE]) / "initialized")
    with _locked(template.home.with_suffix(".door")):
        template.initialize()
    server.home.mkdir(parents=True)
    subprocess.run(["cp", "-a", template.home / "data", server.home / "data"], check=True)
    return server
