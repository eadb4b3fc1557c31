"""Run PostgreSQL, the API and the web app for development, and stop them all at the end."""

import contextlib
import errno
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from api.config import Config
from api.environment import ENV_ENCODING, ConfigError, check_env_file
from dev.postgres import ROOT, Postgres, PostgresError
from dev.processes import Child

NAMES = {name.upper() for name in Config.model_fields} | {
    "EVENTS_URL",
    "JWKS_ROTATION",
    "MAIL_FROM",
    "METRICS_PORT",
    "SMTP_URL",
    "TOKEN_ALGORITHM",
    "TOKEN_SIGNING",
    "TRUSTED_PROXIES",
}
"""The environment variables of the API and of the web app."""
DATA = ROOT / ".data"
DEV_ENV = DATA / "dev.env"
FRONTEND = ROOT / "frontend"
PYTHON = ROOT / ".venv/bin/python"
NODE = ROOT / ".tools/node/bin"
WARM_UP = ("/", "/sign-up", "/api/auth/ok", "/tasks")
"""The paths that a new user of the web app requests first. Next.js compiles a route at its first
request. So `make dev` requests these paths before it prints the URL, and clicks do not wait for it.
"""
START_TIMEOUT = 600.0
"""Seconds for the servers to respond. Next.js compiles `WARM_UP` in this time, which takes up to 45
seconds of CPU time. `make dev` stops at once when a server ends."""


# These lines of Next.js are hidden. They name 127.0.0.1, where sign-in would fail: for a browser it
# is another origin than localhost.
_NEXTS_ADDRESS = re.compile(r"- (Local|Network):")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StartError(Exception):
    """Something cannot start. The message is for the developer."""


def main() -> int:
    """Run until a signal arrives or a server ends. Return the exit status."""
    stop = _Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop.ask)
    try:
        with contextlib.ExitStack() as running:
            _run(stop, running)
            _say("Stopping ...")
    except (StartError, PostgresError) as error:
        _say(str(error))
        return 1
    return 0


def _run(stop: "_Stop", running: contextlib.ExitStack) -> None:
    began = time.monotonic()
    settings = _settings()
    if not settings.get("DATABASE_URL"):
        home = DATA / "postgres"
        database = running.enter_context(Postgres(home))
        settings["DATABASE_URL"] = database.url
        if database.home != home:
            _say(f"PostgreSQL cannot access this folder. It stores its data in {database.home}")

    web = _serve_at(settings, "NEXT_PUBLIC_BETTER_AUTH_URL", 3000)
    api = _serve_at(settings, "API_URL", 8000)
    # The URLs name the address on which both servers listen. `localhost` may be another address:
    # Node and Python look it up in the hosts file.
    address = loopback()
    at = f"[{address}]" if ":" in address else address
    settings.setdefault("EVENTS_URL", f"http://{at}:{api}/events")
    if settings.get("TOKEN_SIGNING") == "key-set":
        settings.setdefault("JWKS_URL", f"http://{at}:{web}/api/auth/jwks")
    os.environ.update(settings)
    try:
        Config.read()  # reports invalid settings once, before the servers start
    except ConfigError as error:
        raise StartError(str(error)) from None
    DEV_ENV.unlink(missing_ok=True)
    _write_privately(DEV_ENV, "".join(f"{k}='{_quoted(v)}'\n" for k, v in settings.items()))
    running.callback(DEV_ENV.unlink, missing_ok=True)

    env = os.environ | {"PATH": f"{NODE}{os.pathsep}{os.environ['PATH']}"}
    next_dev: list[str | Path] = [NODE / "node", "node_modules/next/dist/bin/next", "dev"]
    api_dev: list[str | Path] = [PYTHON, "-m", "api", "serve", "--reload", "--host", address]
    servers: list[_Server] = []
    for name, command, folder in (
        ("api", [*api_dev, "--port", str(api)], ROOT),
        ("web", [*next_dev, "--hostname", address, "--port", str(web)], FRONTEND),
    ):
        servers.append(_Server(name, command, folder, env))
        running.callback(servers[-1].stop)
    for server in servers:  # callbacks run in reverse order: all servers get a signal first
        running.callback(server.child.ask_to_stop)

    _say("Starting the API and the web app; Next.js compiles the first pages ...")
    site = settings["NEXT_PUBLIC_BETTER_AUTH_URL"]
    urls = [f"http://{at}:{api}/health/ready", *(f"http://{at}:{web}{path}" for path in WARM_UP)]
    if not _all_answer(urls, servers, stop):
        return
    _say(_welcome(site, settings["API_URL"], env, time.monotonic() - began))
    while not stop.wait(0.2):
        _check(servers)


def _settings() -> dict[str, str]:
    """Return the settings of the environment and `.env`. Create an `.env` if there is none."""
    with contextlib.suppress(FileExistsError):
        secret = secrets.token_urlsafe(32)
        _write_privately(ROOT / ".env", f"BETTER_AUTH_SECRET={secret}\n")
        _say("Created .env with a new secret.")
    try:
        check_env_file(ROOT / ".env")
    except ConfigError as error:
        raise StartError(str(error)) from None
    written = dotenv_values(ROOT / ".env", encoding=ENV_ENCODING)
    settings = {name: value for name, value in written.items() if value}
    settings |= {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    if "BETTER_AUTH_SECRET" not in settings:
        command = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise StartError(f"BETTER_AUTH_SECRET: expected in .env the output of: {command}")
    return settings


def _serve_at(settings: dict[str, str], name: str, usual: int) -> int:
    """Choose the port of a server, store its URL in the settings, and return the port.

    If the URL names this machine and its port is in use, the next free port replaces it, also in
    the URL. The URL of another host (a tunnel, a proxy) is not changed, and must lead to the usual
    port.
    """
    url = urlsplit(settings.get(name) or f"http://localhost:{usual}")
    local = url.hostname in {"localhost", "127.0.0.1"}
    try:
        wanted = (url.port or usual) if local else usual
    except ValueError:
        raise StartError(f"{name}: expected a port of 1 to 65535, for example {usual}") from None
    port = next((p for p in range(wanted, wanted + 100) if _is_free(p)), None)
    if port is None:
        raise StartError(f"{name}: all ports from {wanted} to {wanted + 99} are in use.")
    if port != wanted:
        _say(f"Port {wanted} is in use. Using port {port} instead.")
    settings[name] = f"{url.scheme}://{url.hostname}:{port}" if local else url.geturl()
    return port


def loopback(lookup: Callable[[], Collection[str]] = lambda: _addresses("localhost")) -> str:
    """Return the address to listen on: 127.0.0.1, or ::1 if `localhost` is only that address."""
    found = lookup()
    return "::1" if "::1" in found and "127.0.0.1" not in found else "127.0.0.1"


def _addresses(host: str) -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _is_free(port: int) -> bool:
    """Return whether no program listens on this port.

    All addresses are tested: a program on 0.0.0.0 or `::` could get the browser's requests.
    """
    for family, address in (
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),  # noqa: S104 - bound only as a test
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


class _Server:
    """A child process. Each line of its output is printed with its name in front."""

    def __init__(
        self, name: str, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        read, write = os.pipe()
        self.child = Child(command, cwd=cwd, env=env, output=write)
        os.close(write)
        self._reader = threading.Thread(target=self._show, args=(read,), daemon=True)
        self._reader.start()

    def _show(self, pipe: int) -> None:
        with os.fdopen(pipe, errors="replace") as output:
            for line in output:
                if _ANSI.sub("", line).strip() and not _NEXTS_ADDRESS.search(line):
                    _say(f"{self.name} | {line.rstrip()}")

    def stop(self) -> None:
        self.child.stop()
        # A process that outlives the child may keep the pipe open. Do not wait for it.
        self._reader.join(1)


class _Stop:
    """Whether a signal has asked this program to stop.

    This cannot be a `threading.Event`. Signals arrive twice, because make forwards the Ctrl-C that
    it also receives. A handler that interrupts itself would wait forever for the lock of the event.
    """

    def __init__(self) -> None:
        self.asked = False
        self._terminal = select.poll()
        if os.isatty(0):
            self._terminal.register(0, 0)

    def ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> bool:
        """Wait for this time. Return whether to stop.

        A closed terminal also means to stop. Its SIGHUP goes to the session leader, which may be
        make, and make does not forward it.
        """
        if self._terminal.poll(seconds * 1000):
            self.asked = True  # never set it to False: a signal may have arrived
        return self.asked


def _all_answer(urls: Sequence[str], servers: Sequence[_Server], stop: _Stop) -> bool:
    """Wait until all URLs respond. Return False if a signal arrives first. Raises StartError."""
    deadline = time.monotonic() + START_TIMEOUT
    answers = {url: _request(url) for url in urls}
    while waiting := [url for url, answered in answers.items() if not answered.is_set()]:
        if stop.wait(0.1):
            return False
        _check(servers)
        if time.monotonic() > deadline:
            raise StartError(f"{waiting[0]} does not respond: see the output above.")
    return True


def _request(url: str) -> threading.Event:
    """Request the URL in a thread until it responds. Return an event that is then set.

    A request may take as long as Next.js compiles the page. The thread is a daemon, so it does not
    delay the exit of this program.
    """
    answered = threading.Event()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def run() -> None:
        while not answered.is_set():
            try:
                with direct.open(url, timeout=START_TIMEOUT):
                    answered.set()
            except OSError:  # the server does not listen yet
                time.sleep(0.1)

    threading.Thread(target=run, daemon=True).start()
    return answered


def _check(servers: Sequence[_Server]) -> None:
    for server in servers:
        if (status := server.child.process.poll()) is not None:
            raise StartError(f"The {server.name} server has ended with status {status}.")


def _welcome(site: str, api: str, env: Mapping[str, str], seconds: float) -> str:
    command: list[str | Path] = [PYTHON, "-m", "api", "token", "--user", "curl"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    welcome = f"""
Bearer Tasks is running (it took {seconds:.0f} seconds). Ctrl-C stops it.

    {site}
"""
    if done.returncode:  # with a key set, only the web app can sign tokens
        return f"{welcome}\nAfter you sign in, {site}/graphiql queries the API with your token.\n"
    return f"""{welcome}
You can also query the API from another terminal, as the user "curl":

    curl {api}/graphql \\
      -H 'Authorization: Bearer {done.stdout.strip()}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"query": "{{ viewer {{ id taskCount }} }}"}}'
"""


def _write_privately(path: Path, text: str) -> None:
    """Create a file that only the current user may read. Raises FileExistsError if it exists."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _say(text: str) -> None:
    # Printing fails if the terminal was closed. The servers must still be stopped then.
    with contextlib.suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
