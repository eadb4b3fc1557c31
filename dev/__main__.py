"""`make dev`: one at a time in a checkout, and everything installed first.

Runs on whatever Python there is and its standard library; `dev.run` goes on in the project's own.
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
    return ", and has only just started"


def main() -> NoReturn:
    """Takes the lock, installs what is missing, and becomes `dev.run` with the lock in hand."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    DATA.mkdir(mode=0o755, exist_ok=True)
    # Before anything is installed: nothing may be pulled from under a server that runs.
    lock = os.open(DATA / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"`make dev` is running here already{_where()}.")

    setup = Child(["make", "--no-print-directory", "setup"], cwd=ROOT, env=os.environ)
    try:
        status = setup.process.wait()
    finally:
        setup.stop()
    if status != 0:
        sys.exit("The installation failed; what is above says why. `make dev` takes it up again.")

    # The lock goes with this process; its children get no file that they are not given.
    os.set_inheritable(lock, True)
    python = str(ROOT / ".venv/bin/python")
    os.chdir(ROOT)
    os.execv(python, [python, "-m", "dev.run"])  # noqa: S606 - the point of it


main()
