"""The timeouts of tests.

A wait ends as soon as it succeeds, so a long timeout costs nothing. The timeouts are for a machine
that is ten times as slow as a developer's.
"""

import os
import time
from collections.abc import Callable

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
