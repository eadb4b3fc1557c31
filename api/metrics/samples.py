"""Copy what the parts of the app count into metrics, once a second.

The parts count in plain numbers, so they do not depend on prometheus-client, and a service without
metrics takes no extra time. In multiprocess mode, a gauge cannot be computed when it is read.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from prometheus_client import Counter, Gauge, Histogram

from api.graphql.sessions import Sessions
from api.identity.revocations import Revocations
from api.owned.live import Live
from api.postgres.database import Database
from api.rate_limits import RateLimits

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two samples."""
DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""The upper bounds of the buckets for delays of the event loop, in seconds."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one process that are sampled."""

    database: Database
    live: Live
    sessions: Sessions
    revocations: Revocations
    limits: RateLimits


class Samples:
    """Samples the parts of this process, and calls the functions `write`.

    An async context manager, which the app enters last.
    """

    def __init__(
        self, parts: Parts, write: Sequence[Callable[[], None]] = (), interval: float = INTERVAL
    ) -> None:
        self._parts = parts
        self._write = write
        self._interval = interval
        self._task: asyncio.Task[None]
        self._before: dict[tuple[Counter, str], int] = {}
        self._connections = _sum("pool_connections", "Connections of the pool.", "state")
        self._waiting = _sum("pool_waiting", "Requests that wait for a connection of the pool.")
        self._refused = _counter(
            "pool_refused",
            "Requests for a connection that found the queue full, or waited for too long.",
            "reason",
        )
        self._sessions = _sum(
            "sessions", "Open WebSockets and streams of events with a valid token.", "transport"
        )
        self._subscriptions = _sum("subscriptions", "Subscriptions to changes.")
        self._events = _counter("events_delivered", "Events of subscriptions sent to clients.")
        self._changes = _counter(
            "changes_noticed",
            "Changes of an owner with subscriptions, by how the process noticed them.",
            "source",
        )
        self._age = Gauge(
            "tasks_api_revocations_age_seconds",
            "Seconds since the revocations were read. 0 while no request arrives.",
            multiprocess_mode="livemax",
            registry=None,
        )
        self._limited = _counter(
            "rate_limited",
            "Requests that the rate limit of an owner or an address refused, sessions that were "
            "refused because their owner had too many, and events that had to wait.",
            "limit",
        )
        self._delay = Histogram(
            "tasks_api_event_loop_delay_seconds",
            "How late the event loop runs a timer. One observation per second and process.",
            buckets=DELAYS,
            registry=None,
        )
        self._started = _counter("processes_started", "Processes that have begun to serve.")

    async def __aenter__(self) -> Self:
        self._started.inc()
        self._sample()
        self._task = asyncio.create_task(self._repeat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._sample()

    async def _repeat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            self._delay.observe(max(0.0, loop.time() - due))
            try:
                self._sample()
            except Exception:
                log.exception("the metrics of this process could not be sampled")

    def _sample(self) -> None:
        for write in self._write:
            write()
        parts = self._parts
        pool = parts.database.pool_use
        for state, number in (("lent", pool.lent), ("idle", pool.idle), ("limit", pool.limit)):
            self._connections.labels(state).set(number)
        self._waiting.set(pool.waiting)
        self._count(self._refused, "queue_full", pool.refused)
        self._count(self._refused, "timeout", pool.expired)
        for transport, number in {"websocket": 0, "sse": 0, **parts.sessions.open}.items():
            self._sessions.labels(transport).set(number)
        self._subscriptions.set(parts.live.subscribers)
        self._count(self._events, "", parts.sessions.delivered)
        for source in ("write", "notification", "poll"):
            self._count(self._changes, source, parts.live.noticed[source])
        self._age.set(parts.revocations.age)
        self._count(self._limited, "sessions", parts.sessions.refused)
        for name, number in parts.limits.refused.items():
            self._count(self._limited, name, number)

    def _count(self, counter: Counter, label: str, total: int) -> None:
        """Add what a part has counted since the last sample."""
        child = counter.labels(label) if label else counter
        child.inc(total - self._before.get((counter, label), 0))
        self._before[counter, label] = total


def _sum(name: str, documentation: str, *labels: str) -> Gauge:
    """Return a gauge whose value is the sum over the running processes."""
    return Gauge(
        f"tasks_api_{name}", documentation, labels, multiprocess_mode="livesum", registry=None
    )


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(f"tasks_api_{name}", documentation, labels, registry=None)
