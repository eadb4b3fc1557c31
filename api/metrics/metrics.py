"""Compose the metrics of a process for Prometheus."""

from collections.abc import Iterable

from prometheus_client import Histogram

from api.graphql.sessions import Sessions
from api.identity.revocations import Revocations
from api.metrics.durations import Durations
from api.metrics.requests import Requests, operation_names
from api.metrics.samples import Parts, Samples
from api.owned.live import Live
from api.postgres.database import Database
from api.rate_limits import RateLimits

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets for the delivery of changes."""


class Metrics:
    """The metrics of the app. A process has one `Metrics`.

    `documents` are the trusted documents, whose operations are counted by name.
    """

    def __init__(self, documents: Iterable[str] = ()) -> None:
        self.observe = Requests(operation_names(documents))
        """Call it with the record of each finished request."""
        delivery = Histogram(
            "tasks_api_change_delivery_seconds",
            "Seconds from when the process noticed a change until a subscriber got its event.",
            buckets=SECONDS,
            registry=None,
        )
        self._delivery = Durations(delivery, SECONDS)
        self.delivered = self._delivery.add
        """Call it with the seconds from noticing a change until its delivery."""

    def samples(
        self,
        database: Database,
        live: Live,
        sessions: Sessions,
        revocations: Revocations,
        limits: RateLimits,
    ) -> Samples:
        """Return the context manager inside which these parts are sampled."""
        parts = Parts(database, live, sessions, revocations, limits)
        return Samples(parts, [self.observe.write, self._delivery.write])
