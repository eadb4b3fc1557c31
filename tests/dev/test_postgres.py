"""The embedded PostgreSQL: in any folder, after any kind of end, and closed to other users."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import asyncpg
import pytest

from dev.postgres import ROOT, Postgres, PostgresError
from tests import shared
from tests.conftest import run


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder that a server of another user can enter, which pytest's own folders forbid."""
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test-", dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "postgres"


async def count(connection: asyncpg.Connection) -> int:
    await connection.execute("CREATE TABLE IF NOT EXISTS seen (n int)")
    await connection.execute("INSERT INTO seen VALUES (1)")
    return int(await connection.fetchval("SELECT count(*) FROM seen"))


def test_data_survives_a_restart(home: Path) -> None:
    for expected in (1, 2):
        with Postgres(home) as server:
            assert run(server, count) == expected


@pytest.fixture
def initialized(home: Path) -> Path:
    """Return a folder with the data of `initdb`, which the tests of a run share."""
    return shared.initialized(home).home


def test_server_uses_unicode_and_opens_only_a_socket(initialized: Path) -> None:
    async def ask(connection: asyncpg.Connection) -> list[object]:
        asked = "SELECT lower('É'), length('😀'), current_setting('listen_addresses')"
        [row] = await connection.fetch(asked)
        return list(row)

    with Postgres(initialized) as server:
        assert run(server, ask) == ["é", 1, ""]
        sockets = Path(unquote(server.url.partition("host=")[2]))
        assert sockets.stat().st_mode & 0o077 == 0


def test_folder_may_have_any_name(home: Path) -> None:
    name = "with a space, comma,quote' " + "x" * 120
    with Postgres(home.parent / name / "postgres") as server:
        assert run(server, count) == 1


def test_server_starts_after_a_killed_run(initialized: Path) -> None:
    """The PID in its file is that of another process now, so PostgreSQL would refuse to start."""
    server = Postgres(initialized)
    stale = server.home / "data/postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{initialized}/data\n")
    sockets = Path(unquote(server.url.partition("host=")[2]))
    lock = sockets / ".s.PGSQL.5432.lock"
    sockets.mkdir(exist_ok=True)
    lock.write_text(f"{os.getpid()}\n{initialized}/data\n0\n5432\n{sockets}\n")
    with server:
        assert run(server, count) == 1


START = """
import sys; from pathlib import Path; from dev.postgres import Postgres
server = Postgres(Path(sys.argv[1])).__enter__()
print(server._child.process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_server_ends_when_its_parent_is_killed(initialized: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START, str(initialized)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        watched = os.pidfd_open(pid)
        parent.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([watched], [], [], 10)
    os.close(watched)
    assert ended
    with Postgres(initialized) as server:
        assert run(server, count) == 1


def test_failed_start_raises_the_reason(initialized: Path) -> None:
    with pytest.raises(PostgresError, match="no_such_setting"):
        Postgres(initialized, {"no_such_setting": "1"}).__enter__()
