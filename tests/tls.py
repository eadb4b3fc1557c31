"""A PostgreSQL with TLS, if the machine has one.

The embedded PostgreSQL is built without TLS.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg

from dev.processes import Child, identity
from tests import stack
from tests.authority import Authority
from tests.conftest import run
from tests.waiting import PATIENCE

_FOLDERS = (
    *Path("/usr/lib/postgresql").glob("*/bin"),
    *Path("/opt/homebrew/opt").glob("postgresql*/bin"),
    *Path("/usr/local/opt").glob("postgresql*/bin"),
)
BINARIES = max(_FOLDERS, key=lambda path: int(re.sub(r"\D", "", str(path)) or 0), default=None)
WHY_NOT = "needs a PostgreSQL with TLS: apt-get install postgresql"
RULES = """
local all all trust
host all postgres all trust
host all ada all scram-sha-256
"""
TLS_RULES = """
hostssl all carded all cert
hostssl all secretive all scram-sha-256
"""


def version() -> int:
    """Return the major version of that PostgreSQL."""
    said = subprocess.run(
        [f"{BINARIES}/postgres", "-V"], capture_output=True, text=True, check=True
    )
    [major] = re.findall(r" (\d+)", said.stdout)[:1]
    return int(major)


async def populate(connection: asyncpg.Connection, password: str) -> None:
    """Create the roles that the rules name."""
    quoted = password.replace("'", "''")
    await connection.execute("CREATE ROLE carded LOGIN")
    for name in ("ada", "secretive"):
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{quoted}'")


@contextmanager
def server(folder: Path, authority: Authority, password: str) -> Iterator[int]:
    """Start a server on 127.0.0.1 with a certificate for `localhost`, and return its port."""
    certificate, key = authority.issue("server", "localhost")
    user = "nobody" if os.geteuid() == 0 else None
    data, port, rules = folder / "data", stack.free_port(), folder / "rules"
    data.mkdir(mode=0o700)
    rules.write_text(TLS_RULES + RULES)
    rules.chmod(0o644)
    if user:
        for path in (key, data):
            shutil.chown(path, user)
    subprocess.run(
        [f"{BINARIES}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        **identity(user),
        cwd="/",
        env={"LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": data,
        "hba_file": rules,
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": certificate,
        "ssl_key_file": key,
        "ssl_ca_file": authority.file,
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    with (folder / "log").open("wb") as log:
        command: list[str | Path] = [f"{BINARIES}/postgres", "-D", data, *flags]
        child = Child(command, cwd=Path("/"), env={"LC_ALL": "C"}, output=log, user=user)
    try:
        deadline = time.monotonic() + PATIENCE
        while (status := _ready(data, port)) != 0:
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{status}: " + (folder / "log").read_text())
            time.sleep(0.05)
        url = f"postgresql://postgres@/postgres?host={quote(str(data), safe='')}&port={port}"
        run(url, partial(populate, password=password))
        yield port
    finally:
        child.stop()


def _ready(data: Path, port: int) -> int:
    command = [f"{BINARIES}/pg_isready", "-q", "-h", str(data), "-p", str(port)]
    return subprocess.run(command, env={}, check=False).returncode
