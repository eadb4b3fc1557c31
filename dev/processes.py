"""Child processes that do not outlive this one, however it ends."""

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
    """A program in a session of its own, so that Ctrl-C in the terminal reaches only its parent.

    On Linux the kernel sends it `farewell` when the parent is killed; elsewhere nothing does.
    """

    def __init__(  # noqa: PLR0913 - as `Popen` has them
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: int | IO[bytes] | None = None,
        user: str | None = None,
        farewell: signal.Signals = signal.SIGTERM,
    ) -> None:
        parent = os.getpid()
        libc = ctypes.CDLL(None) if sys.platform == "linux" else None

        def in_the_child() -> None:
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, farewell)
                if os.getppid() != parent:  # it died before this line
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
            preexec_fn=in_the_child,  # noqa: PLW1509 - it touches no lock of ours
        )
        self.farewell = farewell

    def ask_to_stop(self) -> None:
        """Without waiting until it has."""
        self._signal(self.farewell)

    def stop(self, grace: float = 6.0) -> int:
        """Asks it to end, and after `grace` seconds ends it with all that it started."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self._signal(signal.SIGKILL)
        return self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Identity(TypedDict, total=False):
    """As `subprocess` takes it."""

    user: str
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """To run a program as this user, with none of our groups; as ourselves for None."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
