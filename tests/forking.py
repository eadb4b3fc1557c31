"""Start servers from a process that has imported the API once, and forks for each of them.

Importing the API takes most of the CPU time of a start. A forked server runs the same command as
`python -m api`, with its own environment, working directory, output and session. Most tests
of commands and workers, and those of images and deployments, start Python itself.
"""

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from dev.postgres import ROOT
from dev.processes import Child

COMMAND: list[str | Path] = [sys.executable, "-m", "api"]
SPAWNING = ("--workers", "--reload", "--metrics-port")
"""Options with which a server starts Python again, or must set a variable before imports."""
_PR_SET_PDEATHSIG = 1  # prctl(2)


def child_type(arguments: Sequence[str], env: Mapping[str, str]) -> type[Child]:
    """Return `ForkedChild` if such a child would behave like a new process, and else `Child`."""
    can_fork = (
        sys.platform == "linux"
        and env.get("PYTHONPATH") == str(ROOT)
        and env.keys().isdisjoint({"LD_PRELOAD", "COVERAGE_PROCESS_CONFIG"})
        and not {*arguments} & {*SPAWNING}
    )
    return ForkedChild if can_fork else Child


class ForkedChild(Child):
    """A child that was forked from the fork server, which ends with this process."""

    def __init__(
        self, command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], output: int
    ) -> None:
        arguments = [str(part) for part in command[len(COMMAND) :]]
        self.process = _Forked(arguments, cwd, env, output)
        self.stop_signal = signal.SIGTERM


class _Forked(subprocess.Popen[bytes]):
    """A process of `multiprocessing` with the methods of `Popen` that `Child` uses."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], output: int
    ) -> None:
        self.args, self.returncode = arguments, None
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        given = arguments, cwd, dict(env), DupFd(output), limit
        self._process = _fork_server().Process(target=_run, args=given)
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process ends, and return its exit status. Raises TimeoutExpired."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status


@cache
def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.forked"])
    return context


def _run(
    arguments: list[str], cwd: Path, env: dict[str, str], output: Any, limit: tuple[int, int]
) -> None:
    """Turn this forked process into what a new process would be, and run the command."""
    from api import cli  # noqa: PLC0415 - the fork server has imported it

    parent = os.getppid()
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    printed = output.detach()
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    cli.main(arguments)
