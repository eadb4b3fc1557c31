"""Create the directory through which one port serves the metrics of all processes of the service.

prometheus-client's multiprocess mode lets each process write its numbers into memory-mapped files.
The parent process reads the files of all processes. So one scrape returns the sum of all workers,
including what a worker had counted before it died.

This module does not import prometheus-client, because that reads `VARIABLE` when it is imported.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the directory. It is set in `serve` and inherited by its workers."""


@contextmanager
def directory() -> Iterator[Path]:
    """Create the directory, set the variable, and remove both at the end or after SIGTERM.

    Call this in the main thread, before prometheus-client is imported.
    """
    path = Path(tempfile.mkdtemp(prefix="tasks-api-metrics-"))

    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, _: FrameType | None) -> None:
        # uvicorn restores this handler when it has stopped, and then raises the signal again.
        shutil.rmtree(path, ignore_errors=True)
        signal.signal(number, before)
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, end)
    os.environ[VARIABLE] = str(path)
    try:
        yield path
    finally:
        del os.environ[VARIABLE]
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(path, ignore_errors=True)
