"""The servers of tests: a PostgreSQL whose log is checked, the API and the web app."""

import asyncio
import atexit
import json
import os
import re
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from api.owned import live, retention
from dev.postgres import ROOT, Postgres
from dev.processes import Child
from tests import forking, plain, scope, shared
from tests.databases import AttachedPostgres, empty
from tests.waiting import PATIENCE, wait_until

FRONTEND = ROOT / "frontend"
KEPT = ("COVERAGE_PROCESS_CONFIG", "HOME", "LANG", "PATH", "TMPDIR")
"""Variables that each program inherits. The first is set while coverage is measured."""
NODE = ROOT / ".tools/node/bin/node"
_held = socket.socket()
_held.bind(("127.0.0.1", 0))
atexit.register(_held.close)
NOBODY = f"127.0.0.1:{_held.getsockname()[1]}"
"""An address that refuses connections: this process holds the port and does not listen on it."""


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start an empty server that logs every statement.

    At its end, check that every statement of an API was scoped to one owner, and has a form that
    Citus accepts.
    """
    settings = {
        "fsync": "off",
        "logging_collector": "on",
        "log_destination": "jsonlog",
        "log_filename": "statements",
        "log_statement": "all",
    }
    with shared.server(settings) as running:
        yield running
        running.stop()
        ran = statements(running, "bearer-tasks-api")
    # The only statements about many owners return nothing but their IDs and change numbers.
    owned = set(ran) - {retention.due().sql, live.NUMBERS.sql}
    unscoped = {sql: faults for sql in owned if (faults := scope.unscoped(sql))}
    assert not unscoped
    unroutable = {sql: faults for sql in set(ran) if (faults := scope.unroutable(sql))}
    assert not unroutable


def statements(server: Postgres, application: str) -> list[str]:
    """Return the SQL that this application has run on the server."""
    if isinstance(server, AttachedPostgres):
        pytest.skip("needs the log of a server of its own")
    found = []
    # After the last line break is an unfinished line. `splitlines` would also split at U+2028.
    for line in _log(server).split("\n")[:-1]:
        entry = json.loads(line)
        message = entry.get("message", "")
        match = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.DOTALL)
        if match and entry.get("application_name") == application:
            found.append(match[1])
    return found


def _log(server: Postgres) -> str:
    """Return the log of a server, with everything that was run before this call.

    PostgreSQL's log collector writes some time after the statement, but in order. So everything is
    in the log once it contains a mark that is sent last. A server that has stopped has written its
    whole log.
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
    wait_until(lambda: mark in path.read_text(), "the log is not written")
    return path.read_text().partition(mark)[0]


started: "list[Server]" = []
"""All servers that this process started, in order, including stopped ones."""


class Server:
    """A program that serves HTTP on a port of its choice, until `stop`.

    The program prints into a file, which every worker of a run can read.
    """

    def __init__(
        self,
        command: list[str | Path],
        cwd: Path,
        env: Mapping[str, str],
        listening: str,
        *,
        start: Callable[..., Child] = Child,
    ) -> None:
        file, name = tempfile.mkstemp(prefix="printed-", dir=shared.place())
        self._printed = Path(name)
        self._last_lines: list[str] | None = None
        self.child = start(command, cwd=cwd, env=env, output=file)
        os.close(file)
        started.append(self)
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(listening, "\n".join(self.lines))):
            if self.has_stopped() or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("does not start:\n" + "\n".join(self.lines))
            time.sleep(0.01)
        self.url = found[1]

    @property
    def lines(self) -> list[str]:
        """Return the lines that the program has printed, without an unfinished one."""
        if self._last_lines is not None:
            return self._last_lines
        printed = self._printed.read_text(errors="replace")
        return [line.rstrip() for line in printed.split("\n")[:-1]]

    def wait_for_output(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until the program has printed a pattern so many times. Return the last match."""
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + PATIENCE
        while True:
            lines = self.lines
            matches = list(expression.finditer("\n".join([*lines, ""])))
            if len(matches) >= times:
                return matches[times - 1]
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.01)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the program has used. Other programs do not change it."""
        used = psutil.Process(self.child.process.pid).cpu_times()
        return float(used.user + used.system)

    def has_stopped(self) -> bool:
        """Return whether the program has ended."""
        return self.child.process.poll() is not None

    def stop(self) -> int:
        """Stop the program, unless it was stopped before, and return its exit status."""
        if self._last_lines is not None:
            return self.child.process.wait()
        began = time.monotonic()
        status = self.child.stop(PATIENCE)
        self._last_lines = self.lines
        self._printed.unlink()
        if time.monotonic() - began > PATIENCE:
            raise AssertionError("does not stop:\n" + "\n".join(self._last_lines))
        return status

    def description(self) -> list[str]:
        """Return the arguments of `LentServer`."""
        return [self.url, str(self._printed)]


class AttachedServer(Server):
    """A server that another worker of this run has started, and will stop."""

    def __init__(self, url: str, printed: str) -> None:
        self.url = url
        self._printed = Path(printed)
        self._last_lines = None

    def has_stopped(self) -> bool:
        """Return False: the server runs for as long as a worker uses it."""
        return False

    def stop(self) -> int:
        """Raise: only the worker that started the server may stop it."""
        raise AssertionError("other workers use this server: a test that stops one starts its own")


def environment(**variables: str) -> dict[str, str]:
    """Return the variables that a program needs to run, and these; no others of a developer's."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def api(cwd: Path, env: Mapping[str, str], *arguments: str, port: int = 0) -> Server:
    """Run `python -m api serve`, by default on a free port."""
    command = [*forking.COMMAND, "serve", "--port", str(port), *arguments]
    is_test = shared.place() is not None  # benchmarks measure a process of their own
    start = forking.child_type(arguments, env) if is_test else Child
    return Server(command, cwd, env, r"running on (http://\S+)", start=start)


def uvicorn(cwd: Path, env: Mapping[str, str]) -> Server:
    """Run the API by the command `uvicorn`, without the bounds that `serve` adds."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.cli:application", "--port", "0"]
    return Server([*command, "--no-access-log"], cwd, env, r"running on (http://\S+)")


def web(
    env: Mapping[str, str],
    port: int | None = None,
    under: Sequence[str] = (),
    built: Path = FRONTEND / ".next/standalone/server.js",
) -> Server:
    """Run the production build of the web app at `NEXT_PUBLIC_BETTER_AUTH_URL`.

    With a port of its own, the web app is behind a proxy at that URL. `under` is a command that
    starts it. The web app is ready when it answers, which it does once Better Auth's tables exist.
    """
    assert built.exists(), "the web app is not built: `make test` does it first"
    url = env["NEXT_PUBLIC_BETTER_AUTH_URL"]
    own = str(port or url.rpartition(":")[2])
    listening = {"HOSTNAME": "127.0.0.1", "PORT": own}
    command: list[str | Path] = [*under, NODE, "--use-system-ca", built]
    server = Server(command, FRONTEND, {**env, **listening}, r"(Ready) in")
    server.url = url
    answer = plain.get(f"http://127.0.0.1:{own}/api/health")
    assert answer.status_code == 200, "\n".join(server.lines)
    return server


def free_port() -> int:
    """Return a port on which no program listens, and which was not returned before in this run.

    Systems assign ports from 32768 on to programs that ask for any port. One below stays free.
    """
    while True:
        port = 11_000 + secrets.randbelow(19_000)  # Chromium refuses 10080
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if place := shared.place():
                (place / f"port-{port}").touch(exist_ok=False)
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
        """Return the URL for browsers."""
        return self.web.url


@contextmanager
def site(folder: Path, server: Postgres | None = None, /, **variables: str) -> Iterator[Site]:
    """Run the whole product on free ports, with these additional variables.

    Its database is a new one on this server, or that of a server of its own.
    """
    api_port = free_port()
    url = f"http://localhost:{free_port()}"
    if variables.get("TOKEN_SIGNING") == "key-set":
        variables["JWKS_URL"] = f"{url}/api/auth/jwks"
    with empty(server) if server else postgres() as database:
        env = environment(
            BETTER_AUTH_SECRET=secrets.token_urlsafe(32),
            NEXT_PUBLIC_BETTER_AUTH_URL=url,
            API_URL=f"http://localhost:{api_port}",
            DATABASE_URL=database.url,
            TRUSTED_PROXIES="127.0.0.1",
            METRICS_PORT="0",
            # Each browser of the tests writes an address of its own into all its requests.
            ALLOWED_HEADERS="X-Forwarded-For",
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
    """Run the whole product once for all workers: each test signs up users of its own."""

    def describe(running: Site) -> object:
        servers = (running.api.description(), running.web.description())
        return running.env, running.database.url, servers

    def attach(described: Any) -> Site:
        env, database, (api, web) = described
        return Site(env, AttachedPostgres(database), AttachedServer(*api), AttachedServer(*web))

    return shared.once(name, lambda: site(folder, **variables), describe, attach)
