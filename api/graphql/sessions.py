"""Keep track of the open sockets and streams, and end them when the server must.

One timer of the process finds those that have expired, because a timer or a task for each one takes
memory. It looks only at these, because looking at ten thousand sockets would delay requests.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Protocol, Self
from weakref import WeakValueDictionary

from api.errors import Problem, RateLimited, Unauthenticated, Unavailable
from api.graphql.expirations import Expirations
from api.graphql.owner import Owner

log = logging.getLogger(__name__)

MAX_SESSIONS = 100
"""The most sockets and streams of one owner in a process."""
INTERVAL = 0.25
"""Seconds between two checks of tokens, sessions and deadlines."""
MAX_ENDED_A_SECOND = 100
"""The most sockets and streams a second that are ended while the process drains, unless there are
too many for the time. If all were ended at once, all clients would reconnect at the same time."""
SPREAD = 0.8
"""If there are many sockets and streams, the last one begins to end after this share of the time
for draining. The rest of the time is for the events that are being sent."""


class Caller(Protocol):
    """The claims of a verified token."""

    @property
    def user_id(self) -> str:
        """The owner."""
        ...

    @property
    def expires_at(self) -> float:
        """When the token expires, in seconds since the epoch."""
        ...

    @property
    def revocable(self) -> tuple[Hashable, ...]:
        """The session of the token and its account, each of which may be revoked."""
        ...


class Session(Protocol):
    """A socket or a stream of a caller."""

    @property
    def transport(self) -> str:
        """How the client is connected: `websocket` or `sse`."""
        ...

    @property
    def caller(self) -> Any:  # a Caller of the app's own class
        """The claims of the token that authenticated the client."""
        ...

    def end(self, problem: Problem) -> None:
        """Deliver nothing more, and tell the client this reason."""
        ...

    async def leave(self) -> None:
        """End after the event that is being sent, so that the client reconnects elsewhere."""
        ...


class Expecting(Protocol):
    """A socket whose client has not authenticated itself yet."""

    def end_late(self) -> None:
        """Close the socket, because the client took too long."""
        ...

    async def leave(self) -> None:
        """Close the socket, so that the client reconnects elsewhere."""
        ...


class Sessions:
    """The open sockets and streams of this process.

    An async context manager: inside it, a session is ended within a second after its token expires.
    While sessions are open, `find_revoked` is called in each interval. It must cause a call of
    `end_revoked` for each new revocation. If it raises Unavailable, no session is ended. No session
    gets an event either, because the context of each operation checks for revocations.
    """

    def __init__(
        self,
        find_revoked: Callable[[], Awaitable[None]],
        *,
        most: int = MAX_SESSIONS,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.time,
        owner: Callable[[], Owner] = Owner,
    ) -> None:
        self.draining = False
        self.open = Counter[str]()
        """The number of sessions by transport."""
        self.refused = 0
        """How many sessions were refused because their owner had too many."""
        self._delivered = 0  # events to owners that have no session any more
        self._find_revoked = find_revoked
        self._most = most
        self._interval = interval
        self._clock = clock
        self._owner = owner
        self._open: dict[Session, tuple[Owner, int]] = {}  # with the number of its expiration
        self._expirations: Expirations[Session] = Expirations()
        self._revocable: dict[Hashable, list[Session]] = {}
        self._owners: WeakValueDictionary[str, Owner] = WeakValueDictionary()
        self._expected: dict[Expecting, float] = {}  # in the order of their deadlines
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        checks = (self._end_expired, self._end_revoked)
        self._tasks = [asyncio.create_task(self._repeat(check)) for check in checks]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._open) + len(self._expected)

    @property
    def delivered(self) -> int:
        """The number of events that were delivered to the clients of this process."""
        return self._delivered + sum(owner.delivered for owner in self._owners.values())

    def expect(self, socket: Expecting, seconds: float) -> None:
        """Close a socket unless it becomes a session within these seconds.

        Call it with the same number of seconds each time.
        """
        self._expected[socket] = time.monotonic() + seconds

    def owner(self, name: str) -> Owner:
        """Return what the requests and the sessions of an owner share."""
        owner = self._owners.get(name)
        if owner is None:
            owner = self._owners[name] = self._owner()
        return owner

    def enter(self, session: Session) -> Owner:
        """Add a session, and return what it shares with the others of its owner.

        The caller must not be revoked. So check that right before this call, without an `await`
        between them, or check it afterwards. Raises RateLimited when the owner has too many
        sessions, and Unavailable while the process drains.
        """
        if self.draining:
            raise Unavailable
        caller: Caller = session.caller
        owner = self.owner(caller.user_id)
        if owner.count >= self._most:
            self.refused += 1
            raise RateLimited
        owner.count += 1
        self.open[session.transport] += 1
        self._open[session] = owner, self._expirations.add(session, caller.expires_at)
        for each in caller.revocable:
            self._revocable.setdefault(each, []).append(session)
        return owner

    def arrived(self, socket: Expecting) -> None:
        """Stop the deadline of a socket."""
        self._expected.pop(socket, None)

    def exit(self, session: Session) -> None:
        """Remove a session, if it was added."""
        if session not in self._open:
            return
        owner, number = self._open.pop(session)
        owner.count -= 1
        self.open[session.transport] -= 1
        if not owner.count:
            self._delivered += owner.delivered
            owner.delivered = 0
        self._expirations.remove(number)
        for each in session.caller.revocable:
            self._revocable[each].remove(session)
            if not self._revocable[each]:
                del self._revocable[each]

    def end_revoked(self, revoked: Hashable) -> None:
        """End the sockets and streams of an element of `Caller.revocable` that has been revoked."""
        for session in [*self._revocable.get(revoked, ())]:
            session.end(Unauthenticated(token_sent=True))

    async def drain(self, seconds: float) -> None:
        """End all sessions within so many seconds, not all of them at once."""
        self.draining = True
        sessions: list[Session | Expecting] = [*self._open, *self._expected]
        if not sessions:
            return
        pause = min(1 / MAX_ENDED_A_SECOND, seconds * SPREAD / len(sessions))
        began = time.monotonic()
        leaving = []
        for number, session in enumerate(sessions, 1):
            leaving.append(asyncio.create_task(session.leave()))
            # On a busy machine, a sleep takes longer than it should. The next one is shorter.
            await asyncio.sleep(began + number * pause - time.monotonic())
        _, late = await asyncio.wait(leaving, timeout=max(0, began + seconds - time.monotonic()))
        for task in late:
            task.cancel()  # ends the session at once

    async def _repeat(self, check: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await check()
            except Exception:
                log.exception("the check of open sockets failed")

    async def _end_expired(self) -> None:
        now = time.monotonic()
        for socket, deadline in [*self._expected.items()]:
            if deadline > now:
                break
            del self._expected[socket]
            socket.end_late()
        for session in self._expirations.expired(self._clock()):
            session.end(Unauthenticated(token_sent=True))

    async def _end_revoked(self) -> None:
        if self._open:
            with suppress(Unavailable):
                await self._find_revoked()
