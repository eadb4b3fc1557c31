"""Start child processes that end with this process, even if it is killed (on Linux)."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Child:
    """A child process in its own session, so that Ctrl-C in the terminal reaches only its parent.

    On Linux, the kernel sends `stop_signal` to the child when the parent dies. On other systems a
    child outlives a parent that is killed.
    """

    def __init__(  # noqa: PLR0913 - `Popen` has these arguments too
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: int | IO[bytes] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        parent = os.getpid()
        libc = ctypes.CDLL(None) if sys.platform == "linux" else None

        def in_the_child() -> None:
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, stop_signal)
                if os.getppid() != parent:  # the parent died before the call of prctl
                    os._exit(1)

        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            **identity(user),
            start_new_session=True,
            preexec_fn=in_the_child,  # noqa: PLW1509 - it acquires no lock
        )
        self.stop_signal = stop_signal

    def ask_to_stop(self) -> None:
        """Send the stop signal, and do not wait for the process to end."""
        self._signal(self.stop_signal)

    def stop(self, grace: float = 6.0) -> int:
        """Send the stop signal, wait for up to `grace` seconds, then kill the whole process group.

        Returns the exit status.
        """
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self._signal(signal.SIGKILL)
        return self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that set the user and the groups of a process."""

    user: str
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """Return the arguments to run a process as this user; for None, as the current user.

    The process keeps none of the current user's groups.
    """
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
