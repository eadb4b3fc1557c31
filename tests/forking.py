"""Start servers from a process that has imported the API once, and forks for each of them.

Importing the API takes most of the CPU time of a start. A forked server runs the same command as
`python -m api`, with its own environment, working directory, output and session. The tests of
commands, workers, images and deployments start Python itself.
"""

import atexit
import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from dev.postgres import ROOT
from dev.processes import Child

COMMAND: list[str | Path] = [sys.executable, "-m", "api"]
MAX_REQUEST = 65_536
SPAWNING = ("--workers", "--reload", "--metrics-port")
"""Options with which a server starts Python again, or must set a variable before imports."""
_NUMBER = struct.Struct("i")
_PR_SET_PDEATHSIG = 1  # prctl(2)


def can_start(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Return whether a forked server would behave like a new process with this environment."""
    return (
        sys.platform == "linux"
        and env.get("PYTHONPATH") == str(ROOT)
        and env.keys().isdisjoint({"LD_PRELOAD", "COVERAGE_PROCESS_CONFIG"})
        and not {*arguments} & {*SPAWNING}
    )


class ForkedChild(Child):
    """A child that was forked from the process of `_forking`, which ends with this process."""

    def __init__(
        self, command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], output: int
    ) -> None:
        arguments = [str(part) for part in command[len(COMMAND) :]]
        self.process = _Forked(arguments, cwd, env, output)
        self.stop_signal = signal.SIGTERM


class _Forked(subprocess.Popen[bytes]):
    """A process whose PID and exit status the forking process reports through a pipe."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], output: int
    ) -> None:
        self.args, self.returncode = arguments, None
        self._report, report = os.pipe()
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        request = json.dumps([arguments, str(cwd), dict(env), limit]).encode()
        assert len(request) < MAX_REQUEST
        socket.send_fds(_forking(), [request], [output, report])
        os.close(report)
        self.pid = self._read()
        os.set_blocking(self._report, False)

    def _read(self) -> int:
        reported = os.read(self._report, _NUMBER.size)
        assert reported, "the forking process has ended"
        return int(_NUMBER.unpack(reported)[0])

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process ends, and return its exit status. Raises TimeoutExpired."""
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], timeout)[0]:
            self.returncode = self._read()
            os.close(self._report)
        return self.returncode


@cache
def _forking() -> socket.socket:
    """Start the process that forks, and return the socket for requests to it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.forking", str(its.fileno())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=[its.fileno()],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    its.close()

    def end() -> None:
        ours.close()  # it ends, and so do the servers that a test has left
        program.wait()

    atexit.register(end)
    return ours


def _fork_until_closed(requests: socket.socket) -> list[str] | None:
    """Fork a server for each request, and report when it ends.

    Returns the arguments of its command in each forked server, and None in this process once the
    socket is closed.
    """
    reports: dict[int, tuple[int, int]] = {}
    while True:
        readable, _, _ = select.select([requests.fileno(), *reports], [], [])
        for ended in reports.keys() & readable:
            pid, report = reports.pop(ended)
            # The process stays as a zombie, so that no other process gets its PID.
            seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert seen
            _tell(report, seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status)
            os.close(ended)
            os.close(report)
        if requests.fileno() not in readable:
            continue
        request, (*files,), _, _ = socket.recv_fds(requests, MAX_REQUEST, 2)
        if not request:
            return None
        output, report = files
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            requests.close()
            return _become(request, output, parent)
        os.close(output)
        _tell(report, pid)
        reports[os.pidfd_open(pid)] = pid, report


def _tell(report: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # pytest has ended
        os.write(report, _NUMBER.pack(number))


def _become(request: bytes, output: int, parent: int) -> list[str]:
    """Turn this forked process into what a new process would be, and return its arguments."""
    arguments, cwd, env, limit = json.loads(request)
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 1_024)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    return [str(each) for each in arguments]


if __name__ == "__main__":
    gc.disable()  # as in `api.__main__`
    from api import app, cli, doctor, server  # noqa: F401 - what a server imports
    from api.owned import statements

    statements.build()  # they are cached
    gc.freeze()
    given = _fork_until_closed(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        cli.main(given)
