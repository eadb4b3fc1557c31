"""Limit the requests and events of each owner, and the refused requests of each address.

The limits apply to one process. The algorithm is the generic cell rate algorithm (GCRA) of the
library throttled-py: a quota of `burst` requests that is refilled at `per_second`.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from starlette.types import Scope
from throttled import RateLimiterRegistry, RateLimitResult, per_sec
from throttled.store import MemoryStore

from api.client_address import client_address, network
from api.errors import RateLimited

COST_OF_A_REQUEST = 2_000
"""The highest cost of an operation that counts as one request. A page of 100 tasks without nested
fields costs less. An operation of a higher cost counts as several requests."""
EVENTS_OF_A_REQUEST = 10
"""The events a second that an owner may get for each request a second that the owner may send."""
BURST_OF_EVENTS = 100
"""The most events that an owner may get at once."""
COST_OF_AN_EVENT = COST_OF_A_REQUEST // EVENTS_OF_A_REQUEST
"""The highest cost of a subscription of which each event counts as one. A change with all fields of
its task costs less. The events of a subscription of a higher cost count as several events."""
MAX_KEYS = 100_000
"""The most owners, and the most addresses, whose requests are counted, and the most owners whose
events are. Each of the three takes up to 30 MB. The least recently used entry is evicted first. An
entry matters only until its quota is full again, 4 seconds by default. In this time a process
handles fewer requests than `MAX_KEYS`."""


class RateLimits:
    """The quotas of owners and of addresses. If `per_second` is 0, there is no limit.

    An owner may also get `EVENTS_OF_A_REQUEST` times `per_second` events a second.

    `proxies` are the networks of trusted proxies, whose `X-Forwarded-For` names the client.
    """

    def __init__(
        self,
        per_second: int = 50,
        burst: int = 200,
        *,
        proxies: Sequence[IPv4Network | IPv6Network] = (),
        keys: int = MAX_KEYS,
    ) -> None:
        self._burst = burst
        self._proxies = proxies
        self._owners = _Quotas("owner", per_second, burst, keys) if per_second else None
        self._addresses = _Quotas("address", per_second, burst, keys) if per_second else None
        events = per_second * EVENTS_OF_A_REQUEST
        self._shortest_wait = 1 / max(1, events)
        self._events = _Quotas("events", events, BURST_OF_EVENTS, keys) if per_second else None

    @property
    def refused(self) -> Mapping[str, int]:
        """How often the quotas of owners and of addresses have refused a request, and how often an
        event had to wait for those of events.
        """
        every = self._owners, self._addresses, self._events
        return {quotas.name: quotas.refused for quotas in every if quotas}

    def charge(self, owner: str) -> Mapping[str, str]:
        """Take one request from an owner's quota. Call this before an operation is parsed.

        Return headers for the response, which are empty while at least half of the quota is left.
        Raises RateLimited, with headers, when too little is left.
        """
        return self._owners.take(owner, 1) if self._owners else {}

    def charge_cost(self, owner: str, cost: float, *, charged: int = 1) -> Mapping[str, str]:
        """Take the cost of an operation from an owner's quota, except for `charged` requests.

        These were taken before. An operation counts as at most `burst` requests. The result and the
        errors are those of `charge`.
        """
        if self._owners is None or cost <= COST_OF_A_REQUEST * charged:
            return {}
        requests = min(max(1, math.ceil(cost / COST_OF_A_REQUEST)), self._burst)
        return self._owners.take(owner, requests - charged)

    async def wait_for_event(self, owner: str, cost: float) -> None:
        """Wait until an owner may get an event of a subscription of this cost.

        Wait for one event of an owner at a time. An event counts as at most a whole quota.
        """
        if self._events:
            events = min(max(1, math.ceil(cost / COST_OF_AN_EVENT)), BURST_OF_EVENTS)
            # The library does not signal that a quota is refilled.
            while seconds := self._events.delay(owner, events):  # noqa: ASYNC110 - see above
                # A quota that lacks a part of an event would be asked many times in a millisecond.
                await asyncio.sleep(max(seconds, self._shortest_wait))

    def charge_refused(self, scope: Scope) -> None:
        """Take one request from the quota of the address that sent a refused request.

        Raises RateLimited, with headers, when nothing is left.
        """
        if self._addresses:
            self._addresses.take(network(client_address(scope, self._proxies)), 1)


class _Quotas:
    """The quotas of owners, of addresses, or of events. Headers and metrics name them."""

    def __init__(self, name: str, per_second: int, burst: int, keys: int) -> None:
        store = MemoryStore(options={"MAX_SIZE": keys})
        self._limiter = RateLimiterRegistry.get("gcra")(per_sec(per_second, burst), store)
        self.name = name
        self._policy = f'"{name}";q={burst};w={math.ceil(burst / per_second)}'
        self._half = burst / 2
        self.refused = 0

    def take(self, key: str, requests: int) -> Mapping[str, str]:
        """Take requests from a quota. The result and the errors are those of `charge`."""
        result = self._limiter.limit(key, requests)
        if result.limited:
            self.refused += 1
            raise RateLimited(result.state.retry_after, self._headers(result))
        return self._headers(result) if result.state.remaining < self._half else {}

    def delay(self, key: str, events: int) -> float:
        """Take events from a quota, or return the seconds until it will have that many."""
        result = self._limiter.limit(key, events)
        self.refused += result.limited
        return result.state.retry_after if result.limited else 0

    def _headers(self, result: RateLimitResult) -> Mapping[str, str]:
        """Return the header fields of draft-ietf-httpapi-ratelimit-headers-11."""
        state = result.state
        rest = f'"{self.name}";r={state.remaining};t={math.ceil(state.reset_after)}'
        return {"RateLimit-Policy": self._policy, "RateLimit": rest}
