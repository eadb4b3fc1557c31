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
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from api import migrations
from api.owned import retention
from dev.postgres import ROOT, Postgres
from dev.processes import Child
from tests import plain, scope, shared

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
    with shared.open_folder("test-") as folder:
        settings = {
            "fsync": "off",
            "logging_collector": "on",
            "log_destination": "jsonlog",
            "log_filename": "statements",
            "log_statement": "all",
        }
        with shared.initialized(folder / "postgres", settings) as server:
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
    """A program that serves HTTP on a port it chose, until `stop`.

    It prints into a file, which every worker of a run can read.
    """

    def __init__(
        self, command: list[str | Path], cwd: Path, env: Mapping[str, str], listening: str
    ) -> None:
        file, name = tempfile.mkstemp(prefix="printed-", dir=shared.place())
        self._printed = Path(name)
        self._last_lines: list[str] | None = None
        self.child = Child(command, cwd=cwd, env=env, output=file)
        os.close(file)
        deadline = time.monotonic() + START_TIMEOUT
        while not (started := re.search(listening, "\n".join(self.lines))):
            if self.has_stopped() or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("does not start:\n" + "\n".join(self.lines))
            time.sleep(0.01)
        self.url = started[1]

    @property
    def lines(self) -> list[str]:
        """What it printed so far, without a line whose end is not written yet."""
        if self._last_lines is not None:
            return self._last_lines
        printed = self._printed.read_text(errors="replace")
        return [line.rstrip() for line in printed.split("\n")[:-1]]

    def said(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Where it printed this, for so many times, once it did."""
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + 20
        while True:
            lines = self.lines
            matches = list(expression.finditer("\n".join([*lines, ""])))
            if len(matches) >= times:
                return matches[times - 1]
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.01)

    def has_stopped(self) -> bool:
        """Whether it has ended, by `stop` or otherwise."""
        return self.child.process.poll() is not None

    def stop(self) -> int:
        """Its exit status."""
        status = self.child.stop()
        if self._last_lines is None:
            self._last_lines = self.lines
            self._printed.unlink()
        return status

    def description(self) -> list[str]:
        """What `LentServer` is made of."""
        return [self.url, str(self._printed)]


class LentServer(Server):
    """A server that another worker of this run started, and will stop."""

    def __init__(self, url: str, printed: str) -> None:
        self.url = url
        self._printed = Path(printed)
        self._last_lines = None

    def has_stopped(self) -> bool:
        """It serves for as long as anybody needs it."""
        return False

    def stop(self) -> int:
        """It is not ours to stop."""
        raise AssertionError("other workers use this server: a test that stops one starts its own")


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
    answer = plain.get(f"http://127.0.0.1:{own}/api/health", timeout=START_TIMEOUT)
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


def shared_site(folder: Path, name: str, **variables: str) -> AbstractContextManager[Site]:
    """The same, once for all workers of a run: each test signs up people of its own."""

    def describe(running: Site) -> object:
        servers = (running.api.description(), running.web.description())
        return running.env, running.database.url, servers

    def attach(described: Any) -> Site:
        env, database, (api, web) = described
        return Site(env, _Lent(database), LentServer(*api), LentServer(*web))

    return shared.once(name, lambda: site(folder, **variables), describe, attach)
