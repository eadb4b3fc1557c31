"""PgBouncer in transaction mode in front of a server, if the machine has PgBouncer."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit

from dev.processes import Child
from tests.waiting import PATIENCE

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
    """Return the URL of the same database through a PgBouncer.

    PgBouncer runs as the user of the server, because of the server's socket.
    """
    with TemporaryDirectory(prefix="pooler-") as folder:
        Path(folder).chmod(0o755)
        yield from _started(url, Path(folder))


def _started(url: str, folder: Path) -> Iterator[str]:
    parts = urlsplit(url)
    [server] = parse_qs(parts.query)["host"]
    user = Path(server).owner() if os.geteuid() == 0 else None
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
    if user is not None:
        for path in (folder, folder / "ini", folder / "users"):
            shutil.chown(path, user)
    with (folder / "log").open("wb") as log:
        command: list[str | Path] = [BINARY or "", folder / "ini"]
        child = Child(command, cwd=Path("/"), env={}, output=log, user=user)
    deadline = time.monotonic() + PATIENCE
    try:
        while not (folder / ".s.PGSQL.6432").exists():
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "log").read_text())
            time.sleep(0.02)
        through = f"host={quote(str(folder), safe='')}&port=6432"
        yield parts._replace(query=through).geturl()
    finally:
        child.stop()
