"""The real parts that tests run: a PostgreSQL with its log read back, and servers on free ports."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.postgres import ROOT, Postgres
from dev.processes import Child

START_TIMEOUT = 60.0


@contextmanager
def postgres() -> Iterator[Postgres]:
    """An empty server that writes down every statement it runs, as JSON."""
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


def statements(server: Postgres, application: str) -> list[str]:
    """The SQL that this application ran on the server so far."""
    found = []
    for line in (server.home / "data/log/statements.json").read_text().splitlines():
        entry = json.loads(line)
        message = entry.get("message", "")
        match = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.DOTALL)
        if match and entry.get("application_name") == application:
            found.append(match[1])
    return found


class Server:
    """A program that serves HTTP on a port it chose, until `stop`."""

    def __init__(
        self, command: list[str | Path], cwd: Path, env: Mapping[str, str], listening: str
    ) -> None:
        self.lines: list[str] = []
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
                self.lines.append(line.rstrip())
                if match := re.search(listening, line):
                    self.url = match[1]
                    self._found.set()
        self._found.set()

    def stop(self) -> int:
        """Its exit status."""
        status = self.child.stop()
        self._reader.join()
        return status


def environment(**variables: str) -> dict[str, str]:
    """What a program needs to run here at all, and these variables; nothing of a developer's."""
    kept = {
        name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ
    }
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def api(cwd: Path, env: Mapping[str, str], *arguments: str) -> Server:
    """`python -m api serve` on a free port."""
    command = [sys.executable, "-m", "api", "serve", "--port", "0", *arguments]
    return Server([*command], cwd, env, r"running on (http://\S+)")
