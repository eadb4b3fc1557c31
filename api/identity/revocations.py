"""Store revoked sessions and owners in PostgreSQL, and cache them in each process.

A token outlives the session that it was issued for. When a session ends, its issuer sends an event
(see `events`). The event is stored here, and every process knows it within a second: a notification
wakes the processes, and polling finds the events whose notification was lost.

Polling cannot skip an event. An event takes its number from a row that stays locked until the
transaction commits, so no lower number becomes visible after a higher one. A number is at least the
time in microseconds. So a standby that takes over without the last events does not reuse their
numbers.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Integer,
    Interval,
    Text,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from api.errors import Unavailable
from api.identity.model import Kind, revocation_counter, revocations
from api.identity.tokens import LIFE_MARGIN, Claims
from api.postgres.database import Database, Transaction
from api.postgres.notifications import Notifications
from api.postgres.statement import UnownedStatement

log = logging.getLogger(__name__)

CHANNEL = "tasks_revocations"
"""The channel of PostgreSQL on which the processes notify each other of new revocations."""
POLL = 0.5
"""Seconds between two polls of PostgreSQL."""
REFRESH_AFTER = 0.8
"""The age in seconds from which a request refreshes the cache itself."""
MAX_STALENESS = 5.0
"""The age in seconds up to which the cache is used while PostgreSQL is unavailable. After that,
every request fails with Unavailable."""
TIMEOUT = 2.0
"""Seconds that a refresh may take."""
IDLE = 60.0
"""Seconds without a request after which polling stops, so that a serverless database can suspend.
The next request refreshes the cache before it continues."""
PAGE_SIZE = 10_000
"""The most revocations that one statement reads."""
PRUNED_EVERY = 3600.0
"""Seconds between two removals of expired revocations from the cache."""


def _insert() -> UnownedStatement:
    now: BindParameter[int] = bindparam("now")
    following = revocation_counter.c.number + 1
    counter = (
        update(revocation_counter)
        .values(number=case((following < now, now), else_=following))
        .returning(revocation_counter.c.number)
        .cte()
    )
    values = {
        "issuer": bindparam("issuer"),
        "jti": bindparam("jti"),
        "number": counter.c.number,
        "kind": bindparam("kind"),
        "subject": bindparam("subject"),
        "expires_at": func.now() + bindparam("kept", type_=Interval),
    }
    return UnownedStatement(
        insert(revocations)
        .from_select(list(values), select(*values.values()))
        .on_conflict_do_nothing(index_elements=["issuer", "jti"])
    )


EXISTS = UnownedStatement(
    select(revocations.c.number).where(
        revocations.c.issuer == bindparam("issuer", type_=Text),
        revocations.c.jti == bindparam("jti", type_=Text),
    )
)
SELECT_AFTER = UnownedStatement(
    select(*(revocations.c[name] for name in ("number", "kind", "issuer", "subject")))
    .where(
        revocations.c.number > bindparam("after", type_=BigInteger),
        revocations.c.expires_at > func.now(),
    )
    .order_by(revocations.c.number)
    .limit(bindparam("limit", type_=Integer))
)
DELETE_EXPIRED = UnownedStatement(
    delete(revocations)
    .where(revocations.c.expires_at <= func.now())
    .returning(revocations.c.kind, revocations.c.subject)
)


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """The end of a session or of an account. `jti` is the issuer's id for this event."""

    issuer: str
    jti: str
    kind: Kind
    subject: str
    """The `sid` of the session, or the owner."""


class Revocations:
    """The revoked sessions and owners, cached in this process.

    An async context manager: inside it, the cache follows PostgreSQL. `max_age` is the longest
    lifetime of a token in seconds; revocations are stored for that long plus LIFE_MARGIN. The
    constants of this module describe the other arguments.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        database: Database,
        notifications: Notifications,
        *,
        max_age: int,
        clock: Callable[[], float] = time.monotonic,
        poll: float = POLL,
        refresh_after: float = REFRESH_AFTER,
        timeout: float = TIMEOUT,
        idle: float = IDLE,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._kept = timedelta(seconds=max_age + LIFE_MARGIN)
        self._clock = clock
        self._poll_every = poll
        self._refresh_after = refresh_after
        self._timeout = timeout
        self._idle = idle
        self._page_size = page_size
        self._insert = _insert()
        self._listener: Callable[[Hashable], None] = lambda _: None
        self._sessions: dict[tuple[str, str], float] = {}
        self._owners: dict[str, float] = {}
        self._number = 0
        self._seen_at = self._asked_at = -math.inf
        self._prune_at = clock() + PRUNED_EVERY
        self._refresh_lock = asyncio.Lock()
        self._in_use, self._woken = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        notifications.on(CHANNEL, lambda _: self._woken.set())

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(work) for work in (self._poll(), self._listen())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def age(self) -> float:
        """The age of the cache in seconds, or 0 while the process is idle and does not poll."""
        now = self._clock()
        return now - self._seen_at if now - self._asked_at <= self._idle else 0.0

    async def is_revoked(self, claims: Claims) -> bool:
        """Return whether the token's session or owner is revoked. Raises the errors of `follow`."""
        await self.follow()
        return claims.user_id in self._owners or (claims.issuer, claims.sid) in self._sessions

    def on_revoked(self, listener: Callable[[Hashable], None]) -> None:
        """Call `listener` for each new revocation, with an element of `Claims.revocable`."""
        self._listener = listener

    async def follow(self) -> None:
        """Keep the cache up to date for the next IDLE seconds. Refresh it now if it is too old.

        Raises Unavailable when the cache is older than MAX_STALENESS and cannot be refreshed.
        """
        self._asked_at = self._clock()
        self._in_use.set()
        if self._asked_at - self._seen_at > self._refresh_after:
            try:
                await self.refresh()
            except Unavailable:
                if self._clock() - self._seen_at > MAX_STALENESS:
                    raise

    async def is_recorded(self, transaction: Transaction, event: SecurityEvent) -> bool:
        """Return whether an event of this issuer and this `jti` is stored."""
        return bool(await transaction.rows(EXISTS, issuer=event.issuer, jti=event.jti))

    async def record(self, transaction: Transaction, event: SecurityEvent) -> None:
        """Store an event unless it is already stored. It takes effect when the transaction commits.

        Call this last in a transaction: all other events wait until the transaction ends.
        """
        await transaction.rows(
            self._insert,
            now=time.time_ns() // 1000,
            issuer=event.issuer,
            jti=event.jti,
            kind=event.kind,
            subject=event.subject,
            kept=self._kept,
        )

    async def announce(self) -> None:
        """Refresh the cache of this process, and wake the other processes. Call it after a commit.

        An outage is ignored: the event is stored, and polling will find it.
        """
        with suppress(Unavailable):
            await self.refresh()
            # Not in the transaction of the event: NOTIFY makes its commit take a lock that all
            # notifying transactions of the database share.
            await self._database.notify(CHANNEL)

    async def delete_expired(self, transaction: Transaction) -> list[str]:
        """Delete the expired revocations. Return the owners whose revocation was deleted."""
        rows = await transaction.rows(DELETE_EXPIRED)
        return [row["subject"] for row in rows if row["kind"] == Kind.OWNER]

    async def refresh(self) -> None:
        """Read the new revocations from PostgreSQL into the cache. Raises Unavailable."""
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout), self._refresh_lock:
                if self._seen_at < asked_at:  # else another call refreshed it in the meantime
                    await self._read_new()
        except TimeoutError:
            raise Unavailable from None

    async def _read_new(self) -> None:
        """Read the revocations after the last known number, in pages."""
        began = self._clock()
        if began > self._prune_at:
            self._prune()
        while True:
            rows = await self._database.rows(
                SELECT_AFTER, after=self._number, limit=self._page_size
            )
            # The cache keeps them at least as long as PostgreSQL does. The clock is monotonic: a
            # change of the machine's time must not drop a revocation.
            until = self._clock() + self._kept.total_seconds()
            for number, kind, issuer, subject in rows:
                if kind == Kind.OWNER:
                    self._owners[subject] = until
                    self._listener(subject)
                else:
                    self._sessions[issuer, subject] = until
                    self._listener((issuer, subject))
                self._number = number
            if len(rows) < self._page_size:
                self._seen_at = began
                return

    def _prune(self) -> None:
        now = self._clock()
        self._prune_at = now + PRUNED_EVERY
        self._sessions = {key: until for key, until in self._sessions.items() if until > now}
        self._owners = {owner: until for owner, until in self._owners.items() if until > now}

    async def _poll(self) -> None:
        while True:
            await self._used()
            self._woken.clear()
            with suppress(Unavailable):
                await self.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_every):
                    await self._woken.wait()

    async def _listen(self) -> None:
        while True:
            await self._used()
            with suppress(Unavailable):
                await self._notifications.listen()
            await asyncio.sleep(self._poll_every)

    async def _used(self) -> None:
        """Wait for the next request if the process is idle."""
        if self._clock() - self._asked_at > self._idle:
            self._in_use.clear()
            await self._in_use.wait()
