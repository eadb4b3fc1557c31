"""PgBouncer in transaction mode in front of a server, if the machine has PgBouncer."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit

from dev.processes import Child
from tests.waiting import accepts_connections, wait_until

BINARY = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
WHY_NOT = "needs pgbouncer: apt-get install pgbouncer"
SERVER_CONNECTIONS = 2
"""Fewer than the clients, so that clients share each connection."""


def keeps_statements() -> bool:
    """Return whether this PgBouncer supports prepared statements (1.21 and later)."""
    said = subprocess.run([BINARY or "", "--version"], capture_output=True, text=True, check=True)
    major, minor = re.findall(r"\d+", said.stdout)[:2]
    return (int(major), int(minor)) >= (1, 21)


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """Return the URL of the same database through a PgBouncer."""
    with running(url) as started:
        yield started.url


@contextmanager
def running(url: str) -> Iterator["Pooler"]:
    """Run a PgBouncer in front of the database at this URL."""
    with TemporaryDirectory(prefix="pooler-") as folder:
        Path(folder).chmod(0o755)
        started = Pooler(url, Path(folder))
        try:
            started.start()
            yield started
        finally:
            started.child.stop()


class Pooler:
    """A PgBouncer. It runs as the user of the server, because of the server's socket."""

    child: Child

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        [server] = parse_qs(parts.query)["host"]
        self._folder = folder
        self._socket = folder / ".s.PGSQL.6432"
        self._user = Path(server).owner() if os.geteuid() == 0 else None
        through = f"host={quote(str(folder), safe='')}&port=6432"
        self.url = parts._replace(query=through).geturl()
        settings = {
            "pool_mode": "transaction",
            "default_pool_size": SERVER_CONNECTIONS,
            "max_client_conn": 1000,
            "auth_type": "trust",
            "auth_file": folder / "users",
            "unix_socket_dir": folder,
            "listen_port": 6432,
            **({"max_prepared_statements": 200} if keeps_statements() else {}),
        }
        lines = ["[databases]", f"* = host='{server}' port=5432", "[pgbouncer]"]
        (folder / "ini").write_text("\n".join(lines + [f"{k} = {v}" for k, v in settings.items()]))
        (folder / "users").write_text(f'"{parts.username}" ""\n')
        if self._user is not None:
            for path in (folder, folder / "ini", folder / "users"):
                shutil.chown(path, self._user)

    def start(self) -> None:
        """Start PgBouncer, and wait until it accepts connections."""
        with (self._folder / "log").open("wb") as log:
            command: list[str | Path] = [BINARY or "", self._folder / "ini"]
            self.child = Child(command, cwd=Path("/"), env={}, output=log, user=self._user)
        wait_until(self._accepts, (self._folder / "log").read_text)

    def kill(self) -> None:
        """Kill PgBouncer, which closes all of its connections."""
        self.child.process.kill()
        self.child.process.wait()
        self._socket.unlink()

    def _accepts(self) -> bool:
        assert self.child.process.poll() is None, (self._folder / "log").read_text()
        return accepts_connections(self._socket)
