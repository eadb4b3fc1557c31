"""The timeouts of tests.

A wait ends as soon as it succeeds, so a long timeout costs nothing. The timeouts are for a machine
that is ten times as slow as a developer's.
"""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = float(os.environ.get("PATIENCE", "120"))
"""The timeout of each wait, in seconds. It is shorter for mutants, because many time out."""
SLACK = 10.0
"""Seconds that a busy machine may take beyond a time limit of the product."""


def wait_until(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait until the condition holds, which `what` describes."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def accepts_connections(address: int | Path) -> bool:
    """Return whether a server listens on this port of 127.0.0.1, or on this Unix socket.

    A Unix socket that exists is not enough: its server makes it before it listens.
    """
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as client:
        target = str(address) if isinstance(address, Path) else ("127.0.0.1", address)
        return client.connect_ex(target) == 0
