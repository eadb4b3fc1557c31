"""How long tests wait.

A wait that succeeds ends at once, however long its deadline is. So the deadlines are for a machine
that is ten times as slow as a developer's.
"""

import os
import time
from collections.abc import Callable

PATIENCE = float(os.environ.get("PATIENCE", "120"))
"""Seconds to wait for what must happen. Mutants have fewer, since many of them wait in vain."""
SLACK = 10.0
"""Seconds that a busy machine may add to a time that the product promises."""


def wait_until(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait until the condition holds, which `what` describes."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)
