"""Serve the metrics of all processes of the service to Prometheus, on 127.0.0.1 only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

ADDRESS = "127.0.0.1"
"""The address on which the metrics are served. It cannot be reached from other machines."""


class Processes:
    """Collects CPU time, memory and open files of each process, and counts dead processes.

    In multiprocess mode the workers cannot serve these numbers themselves. On Linux, a process can
    read those of another one.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the live processes, with a label for the process.

        First remove the gauges of the dead processes, so that no sum includes them.
        """
        families: dict[str, Metric] = {}
        live, dead = self._processes()
        for process in live:
            found_by = partial(int, process)  # ProcessCollector calls it for the id
            for found in ProcessCollector(pid=found_by, registry=None).collect():
                family = families.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type)
                )
                for sample in found.samples:
                    family.add_sample(sample.name, {"process": str(process)}, sample.value)
        yield from families.values()
        yield CounterMetricFamily(
            "tasks_api_processes_ended", "Processes that no longer run.", value=len(dead)
        )

    def _processes(self) -> tuple[list[int], list[int]]:
        """Return the processes that run, and those that do not run any more but have counted."""
        files = self._directory.glob("*.db")
        known = {os.getpid()} | {int(file.stem.rpartition("_")[2]) for file in files}
        live = sorted(filter(_runs, known))
        dead = sorted(known.difference(live))
        for process in dead:
            mark_process_dead(process, str(self._directory))  # type: ignore[no-untyped-call]  # untyped
        return live, dead


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:  # no such process, or one of another user, which is no worker
        return False
    return True


@contextmanager
def served(directory: Path, port: int) -> Iterator[str]:
    """Serve the metrics in a thread inside the `with` block. Yield their URL. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(Processes(directory))  # first: it removes the gauges of dead processes
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]  # untyped
    server, thread = start_http_server(port, ADDRESS, registry)
    try:
        yield f"http://{ADDRESS}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
