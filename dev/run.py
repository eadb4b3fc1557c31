"""Runs the whole product for a developer, and stops all of it: PostgreSQL, the API, the web app."""

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

from api.config import ENV_ENCODING, Config, ConfigError, check_env_file
from dev.postgres import ROOT, Postgres, PostgresError
from dev.processes import Child

NAMES = {name.upper() for name in Config.model_fields} | {
    "EVENTS_URL",
    "JWKS_ROTATION",
    "MAIL_FROM",
    "SMTP_URL",
    "TOKEN_ALGORITHM",
    "TOKEN_SIGNING",
    "TRUSTED_PROXIES",
}
"""The variables of the product, both sides."""
DATA = ROOT / ".data"
DEV_ENV = DATA / "dev.env"
FRONTEND = ROOT / "frontend"
PYTHON = ROOT / ".venv/bin/python"
NODE = ROOT / ".tools/node/bin"
START_TIMEOUT = 180.0
"""Seconds for a server to answer; Next compiles its first page in them."""


# Next says 127.0.0.1, where sign-in refuses: to a browser that is another origin than localhost.
_NEXTS_ADDRESS = re.compile(r"- (Local|Network):")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StartError(Exception):
    """Why it does not run, in a line for whoever started it."""


def main() -> int:
    """Runs until it is told to stop, or something that it runs ends. Returns the exit status."""
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
            _say(f"PostgreSQL may not enter this folder: your tasks are kept in {database.home}")

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
        Config.read()  # said once and here, rather than by a server among its first lines
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
    for server in servers:  # all are told before any is waited for
        running.callback(server.child.ask_to_stop)

    _say("Starting the API and the web app; the first page is being compiled ...")
    site = settings["NEXT_PUBLIC_BETTER_AUTH_URL"]
    for url in (f"http://{at}:{api}/health/ready", f"http://{at}:{web}/sign-in"):
        if not _answers(url, servers, stop):
            return
    _say(_welcome(site, settings["API_URL"], env, time.monotonic() - began))
    while not stop.wait(0.2):
        _check(servers)


def _settings() -> dict[str, str]:
    """What the environment and `.env` say; an `.env` with a secret is made when there is none."""
    with contextlib.suppress(FileExistsError):
        secret = secrets.token_urlsafe(32)
        _write_privately(ROOT / ".env", f"BETTER_AUTH_SECRET={secret}\n")
        _say("Made .env with a secret of your own.")
    try:
        check_env_file(ROOT / ".env")
    except ConfigError as error:
        raise StartError(str(error)) from None
    written = dotenv_values(ROOT / ".env", encoding=ENV_ENCODING)
    settings = {name: value for name, value in written.items() if value}
    settings |= {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    if "BETTER_AUTH_SECRET" not in settings:
        make_one = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise StartError(f"BETTER_AUTH_SECRET: expected in .env the output of: {make_one}")
    return settings


def _serve_at(settings: dict[str, str], name: str, usual: int) -> int:
    """The port to listen on for this URL. One on this machine follows its port when that is taken.

    A URL elsewhere (a tunnel, a proxy) stays as it is, and leads to the usual port.
    """
    url = urlsplit(settings.get(name) or f"http://localhost:{usual}")
    local = url.hostname in {"localhost", "127.0.0.1"}
    try:
        wanted = (url.port or usual) if local else usual
    except ValueError:
        raise StartError(f"{name}: expected a port of 1 to 65535, for example {usual}") from None
    port = next((p for p in range(wanted, wanted + 100) if _is_free(p)), None)
    if port is None:
        raise StartError(f"{name}: the ports from {wanted} to {wanted + 99} are all taken.")
    if port != wanted:
        _say(f"Port {wanted} is taken: {port} instead.")
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
    """On every address: somebody on 0.0.0.0 or on `::` would take our browser's requests."""
    for family, address in (
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),  # noqa: S104 - asked about, not listened on
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
    """A child whose output is shown with its name in front."""

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
        # Whatever still holds the pipe is not waited for: its last words are not worth a hang.
        self._reader.join(1)


class _Stop:
    """Whether a signal asked for the end.

    Not a `threading.Event`: signals come twice (Ctrl-C reaches make as well, which passes it on),
    and a handler that interrupts itself would wait for ever for the lock inside one.
    """

    def __init__(self) -> None:
        self.asked = False
        self._terminal = select.poll()
        if os.isatty(0):
            self._terminal.register(0, 0)

    def ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> bool:
        """Whether it was asked for by the end of these seconds.

        Or the terminal was closed: its hang-up goes to the session's leader, and make, where it
        is that, keeps it to itself.
        """
        if self._terminal.poll(seconds * 1000):
            self.asked = True  # and never False again: a signal may have come meanwhile
        return self.asked


def _answers(url: str, servers: Sequence[_Server], stop: "_Stop") -> bool:
    """Waits until it does; False when told to stop meanwhile. Raises StartError."""
    deadline = time.monotonic() + START_TIMEOUT
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not stop.asked:
        try:
            with direct.open(url, timeout=2):
                return True
        except OSError:
            _check(servers)
            if time.monotonic() > deadline:
                raise StartError(f"{url} does not answer; what is above may say why.") from None
            stop.wait(0.1)
    return False


def _check(servers: Sequence[_Server]) -> None:
    for server in servers:
        if (status := server.child.process.poll()) is not None:
            raise StartError(f"The {server.name} server ended by itself, with status {status}.")


def _welcome(site: str, api: str, env: Mapping[str, str], seconds: float) -> str:
    command: list[str | Path] = [PYTHON, "-m", "api", "token", "--user", "curl"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    welcome = f"""
Bearer Tasks is running (it took {seconds:.0f} seconds). Ctrl-C stops it.

    {site}
"""
    if done.returncode:  # with a key set only the web app makes tokens
        return f"{welcome}\nSigned in there, {site}/graphiql asks the API with your own token.\n"
    return f"""{welcome}
Or from another terminal, as the user "curl":

    curl {api}/graphql \\
      -H 'Authorization: Bearer {done.stdout.strip()}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"query": "{{ viewer {{ id taskCount }} }}"}}'
"""


def _write_privately(path: Path, text: str) -> None:
    """Makes a file that nobody else may read. Raises FileExistsError rather than overwrite one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _say(text: str) -> None:
    # The terminal may be gone, which is no reason to leave anything running.
    with contextlib.suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
