"""Start `make dev`: lock the checkout, install the dependencies, and become `dev.run`.

This module runs in the system's Python, so it uses only the standard library. `dev.run` runs in the
project's virtual environment.
"""

import contextlib
import fcntl
import os
import signal
import sys
from typing import NoReturn

from dev.postgres import ROOT
from dev.processes import Child

DATA = ROOT / ".data"


def _stop(*_: object) -> NoReturn:
    raise SystemExit(130)


def _where() -> str:
    with contextlib.suppress(OSError):
        for line in (DATA / "dev.env").read_text().splitlines():
            if line.startswith("NEXT_PUBLIC_BETTER_AUTH_URL="):
                return f": {line.partition('=')[2].strip(chr(39))}"
    return ", and is still starting"


def main() -> NoReturn:
    """Acquire the lock, install missing dependencies, and replace this process with `dev.run`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    DATA.mkdir(mode=0o755, exist_ok=True)
    # The lock comes before the installation, which must not replace files of a running server.
    lock = os.open(DATA / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"`make dev` is already running in this folder{_where()}.")

    setup = Child(["make", "--no-print-directory", "setup"], cwd=ROOT, env=os.environ)
    try:
        status = setup.process.wait()
    finally:
        setup.stop()
    if status != 0:
        sys.exit("The installation failed: see the output above. `make dev` continues it.")

    # `dev.run` inherits the lock through `exec`. Its own child processes do not inherit it.
    os.set_inheritable(lock, True)
    python = str(ROOT / ".venv/bin/python")
    os.chdir(ROOT)
    os.execv(python, [python, "-m", "dev.run"])  # noqa: S606 - replaces this process on purpose


main()
