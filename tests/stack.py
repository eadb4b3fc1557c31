"""The real parts that tests run: a PostgreSQL with its log read back, and servers on free ports."""

import asyncio
import atexit
import json
import os
import re
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from api import migrations
from api.owned import retention
from dev.postgres import ROOT, Postgres
from dev.processes import Child
from tests import scope

START_TIMEOUT = 60.0
FRONTEND = ROOT / "frontend"
SCALE = ROOT / "docs/scale.md"
KEPT = ("COVERAGE_PROCESS_CONFIG", "HOME", "LANG", "PATH", "TMPDIR")
"""Variables that each program inherits. The first one is set while coverage is measured."""
NODE = ROOT / ".tools/node/bin/node"
_held = socket.socket()
_held.bind(("127.0.0.1", 0))
atexit.register(_held.close)
NOBODY = f"127.0.0.1:{_held.getsockname()[1]}"
"""Where connections are refused: this process holds the port and does not listen on it."""


@contextmanager
def postgres() -> Iterator[Postgres]:
    """An empty server that writes down every statement it runs.

    At its end, every one that an API ran, whatever sent it, must have been held to one owner, and
    be one that Citus takes.
    """
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test-", dir=ROOT / ".data") as folder:
        Path(folder).chmod(0o711)  # as root, another user's server must find its way through
        settings = {
            "fsync": "off",
            "logging_collector": "on",
            "log_destination": "jsonlog",
            "log_filename": "statements",
            "log_statement": "all",
        }
        with Postgres(Path(folder) / "postgres", settings) as server:
            yield server
        ran = statements(server, "bearer-tasks-api")
        if not server.home.is_relative_to(folder):  # moved, since this checkout is closed to it
            shutil.rmtree(server.home)
    # But for the one question about everyone, whose only answer is whose turn it is.
    owned = set(ran) - {retention.due().sql}
    unscoped = {sql: faults for sql in owned if (faults := scope.unscoped(sql))}
    assert not unscoped
    unroutable = {sql: faults for sql in set(ran) if (faults := scope.unroutable(sql))}
    assert not unroutable


class _Lent(Postgres):
    """A database on a server that somebody else runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        return self._url


@contextmanager
def copy(url: str) -> Iterator[Postgres]:
    """A copy of this database, beside it: made in a twentieth of the time that a server takes."""
    template, name = urlsplit(url), f"copy_{secrets.token_hex(8)}"

    async def work(statement: str) -> None:
        connection = await asyncpg.connect(template._replace(path="/template1").geturl())
        await connection.execute(statement)
        await connection.close()

    asyncio.run(work(f'CREATE DATABASE {name} TEMPLATE "{template.path[1:]}"'))
    yield _Lent(template._replace(path=f"/{name}").geturl())
    asyncio.run(work(f"DROP DATABASE {name} WITH (FORCE)"))


def citus(url: str) -> Postgres:
    """The database of Citus at this URL, migrated and distributed as docs/scale.md says."""
    migrations.upgrade(url)
    [commands] = re.findall(
        r"```sql\n(SELECT create_distributed_table.*?)```", SCALE.read_text(), re.DOTALL
    )

    async def distribute() -> None:
        connection = await asyncpg.connect(url)
        distributed = (
            "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = 'tasks.owners'::regclass"
        )
        if not await connection.fetchval(distributed):
            await connection.execute(commands)
        await connection.close()

    asyncio.run(distribute())
    return _Lent(url)


def statements(server: Postgres, application: str) -> list[str]:
    """The SQL that this application ran on the server so far."""
    if isinstance(server, _Lent):
        pytest.skip("needs the log of a server of its own")
    found = []
    # What is behind the last line's end is being written. `splitlines` would end one at U+2028.
    for line in _log(server).split("\n")[:-1]:
        entry = json.loads(line)
        message = entry.get("message", "")
        match = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.DOTALL)
        if match and entry.get("application_name") == application:
            found.append(match[1])
    return found


def _log(server: Postgres) -> str:
    """Return the log of a server, with all that was run before this call.

    PostgreSQL's collector writes it some time after the statement. It keeps the order, so that
    everything is there once a mark that is sent last has come. A server that has stopped has
    written its log to the end.
    """
    path = server.home / "data/log/statements.json"
    mark = f"SELECT '{secrets.token_hex(8)}'"

    async def send() -> None:
        connection = await asyncpg.connect(server.url)
        await connection.execute(mark)
        await connection.close()

    try:
        with ThreadPoolExecutor(1) as pool:  # Playwright keeps an event loop in this thread
            pool.submit(asyncio.run, send()).result()
    except OSError:
        return path.read_text()
    deadline = time.monotonic() + 20
    while mark not in (log := path.read_text()):
        assert time.monotonic() < deadline, "the log is not written"
        time.sleep(0.01)
    return log[: log.index(mark)]


class Server:
    """A program that serves HTTP on a port it chose, until `stop`."""

    def __init__(
        self, command: list[str | Path], cwd: Path, env: Mapping[str, str], listening: str
    ) -> None:
        self.lines: list[str] = []
        self._read_on = threading.Condition()
        self._found = threading.Event()
        self.url = ""
        read, write = os.pipe()
        self.child = Child(command, cwd=cwd, env=env, output=write)
        os.close(write)
        self._reader = threading.Thread(target=self._read, args=(read, listening))
        self._reader.start()
        if not self._found.wait(START_TIMEOUT) or not self.url:
            self.stop()
            raise AssertionError("does not start:\n" + "\n".join(self.lines))

    def _read(self, pipe: int, listening: str) -> None:
        with os.fdopen(pipe, errors="replace") as output:
            for line in output:
                with self._read_on:
                    self.lines.append(line.rstrip())
                    self._read_on.notify_all()
                if match := re.search(listening, line):
                    self.url = match[1]
                    self._found.set()
        self._found.set()

    def said(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Where it printed this, for so many times, once it did."""
        expression = re.compile(pattern, re.MULTILINE)
        matches: list[re.Match[str]] = []

        def found() -> bool:
            matches[:] = expression.finditer("\n".join([*self.lines, ""]))
            return len(matches) >= times

        with self._read_on:
            assert self._read_on.wait_for(found, 20), "\n".join(self.lines)
        return matches[times - 1]

    def stop(self) -> int:
        """Its exit status."""
        status = self.child.stop()
        self._reader.join()
        return status


def environment(**variables: str) -> dict[str, str]:
    """What a program needs to run here at all, and these variables; nothing of a developer's."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def api(cwd: Path, env: Mapping[str, str], *arguments: str, port: int = 0) -> Server:
    """`python -m api serve`, on a free port unless one is given."""
    command = [sys.executable, "-m", "api", "serve", "--port", str(port), *arguments]
    return Server([*command], cwd, env, r"running on (http://\S+)")


def web(env: Mapping[str, str], port: int | None = None, under: Sequence[str] = ()) -> Server:
    """The web app as it goes to production, at `NEXT_PUBLIC_BETTER_AUTH_URL`; `make test` built it.

    With a port of its own it is behind something that leads there from that URL. Another command
    starts it if one is given. It is ready when it answers, which it does once Better Auth's tables
    are there.
    """
    built = FRONTEND / ".next/standalone/server.js"
    assert built.exists(), "the web app is not built: `make test` does it first"
    url = env["NEXT_PUBLIC_BETTER_AUTH_URL"]
    own = str(port or url.rpartition(":")[2])
    listening = {"HOSTNAME": "127.0.0.1", "PORT": own}
    command: list[str | Path] = [*under, NODE, "--use-system-ca", built]
    server = Server(command, FRONTEND, {**env, **listening}, r"(Ready) in")
    server.url = url
    answer = httpx.get(f"http://127.0.0.1:{own}/api/health", timeout=START_TIMEOUT)
    assert answer.status_code == 200, "\n".join(server.lines)
    return server


def free_port() -> int:
    """Return a port that nobody listens on just now.

    Systems give ports from 32768 on to programs that ask for any port. One below stays free.
    """
    while True:
        port = 11_000 + secrets.randbelow(19_000)  # Chromium refuses 10080
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Site:
    """The whole product: a web app, its API and their database."""

    env: dict[str, str]
    database: Postgres
    api: Server
    web: Server

    @property
    def url(self) -> str:
        """Where browsers go."""
        return self.web.url


@contextmanager
def site(folder: Path, **variables: str) -> Iterator[Site]:
    """All of it, on free ports, with these variables besides."""
    api_port = free_port()
    url = f"http://localhost:{free_port()}"
    if variables.get("TOKEN_SIGNING") == "key-set":
        variables["JWKS_URL"] = f"{url}/api/auth/jwks"
    with postgres() as database:
        env = environment(
            BETTER_AUTH_SECRET=secrets.token_urlsafe(32),
            NEXT_PUBLIC_BETTER_AUTH_URL=url,
            API_URL=f"http://localhost:{api_port}",
            DATABASE_URL=database.url,
            TRUSTED_PROXIES="127.0.0.1",
            **variables,
        )
        backend = api(folder, env, port=api_port)
        try:
            frontend = web(env)
        except BaseException:
            backend.stop()
            raise
        running = Site(env, database, backend, frontend)
        try:
            yield running
        finally:
            running.web.stop()
            running.api.stop()
