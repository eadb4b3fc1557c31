"""The disk of PostgreSQL is full, while clients write."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from dev.postgres import Postgres
from tests import shared, stack
from tests.conftest import Caller, mint, run, trusting
from tests.faults.processes import first_process, has_ended
from tests.faults.test_postgres import LIST, is_ready
from tests.faults.writers import writing
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux to mount a tmpfs"
    ),
]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of this size in a folder during a `with` block."""
    disk = folder / "disk"
    disk.mkdir()
    mount: list[str | Path] = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={megabytes}m,mode=711",
        "tmpfs",
        disk,
    ]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> Path:
    """Write a file until no byte is left on a disk, and return its path."""
    path = disk / "filler"
    for size in (1 << 20, 4096):
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))
    assert os.statvfs(disk).f_bavail == 0
    return path


def answers(server: Postgres) -> bool:
    """Return whether a server runs a statement."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        run(server, lambda connection: connection.execute("SELECT"))
        return True
    return False


def move_wal(server: Postgres, to: Path) -> None:
    """Move the write-ahead log of a server to another folder, before the server starts."""
    wal = server.home / "data/pg_wal"
    subprocess.run(["cp", "-a", wal, to], check=True)
    shutil.rmtree(wal)
    wal.symlink_to(to)


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared.open_folder("disk-") as made:
        yield made


def test_disk_of_the_tables_is_full(folder: Path, tmp_path: Path) -> None:
    with small_disk(folder, 100) as disk:
        server = shared.initialized(disk / "postgres")
        move_wal(server, folder / "wal")
        with server:
            api = stack.api(tmp_path, trusting(server.url))
            ada = Caller(api.url, "ada", mint("ada"))
            with writing("disk of the tables full", api.url, server) as writers:
                filler = fill(disk)
                writers.wait_until_refused()
                assert "errors" not in ada.post(LIST).json(), "reads succeed"
                assert is_ready(api), "reads succeed"
                api.wait_for_output("DiskFullError: could not extend file")
                filler.unlink()
                writers.repaired()
            api.stop()


def test_disk_of_the_write_ahead_log_is_full(folder: Path, tmp_path: Path) -> None:
    """PostgreSQL crashes, and recovers when there is space."""

    def use_up_segments() -> bool:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            run(server, lambda connection: connection.execute("SELECT pg_switch_wal()"))
        return writers.answers()[503] > 0

    with small_disk(folder, 150) as disk:
        server = shared.initialized(folder / "postgres")
        move_wal(server, disk / "wal")
        with server:
            api = stack.api(tmp_path, trusting(server.url))
            with writing("disk of the write-ahead log full", api.url, server) as writers:
                filler, first = fill(disk), psutil.Process(first_process(server))
                wait_until(use_up_segments, "PostgreSQL does not run out of segments")
                writers.wait_until_refused(40)
                assert "PANIC" in (server.home / "postgres.log").read_text()
                filler.unlink()
                writers.repaired()
                wait_until(lambda: has_ended(first) or answers(server), "it does not recover")
                if has_ended(first):  # the recovery itself had found no space
                    server.stop()
                    server.__enter__()
            api.stop()
