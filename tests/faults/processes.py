"""Stop, continue and kill all processes of a server at once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from dev.postgres import Postgres
from tests.waiting import PATIENCE


def first_process(server: Postgres) -> int:
    """Return the id of the process that has started all other processes of a PostgreSQL."""
    return int((server.home / "data/postmaster.pid").read_text().splitlines()[0])


def tree(pid: int) -> list[psutil.Process]:
    """Return a process, and all that it and its children have started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def kill(server: Postgres) -> None:
    """Kill all processes of a server, as a crash of its machine would. Wait until they are gone."""
    killed = tree(first_process(server))
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(killed[1:], timeout=PATIENCE)
    server.stop()


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, also if its parent has not waited for it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process and its children during a `with` block. The kernel keeps their connections."""
    halted = tree(pid)
    for process in halted:
        process.suspend()
    try:
        yield
    finally:
        for process in halted:
            with suppress(psutil.NoSuchProcess):
                process.resume()
