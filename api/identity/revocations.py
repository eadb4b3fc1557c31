"""Which sessions and owners are refused: written in PostgreSQL, asked in this process's memory.

A token outlives the session that it was issued for. Whoever ends one says so (see `events`); it
is written here, and every process knows it within a second: a notification wakes them, and a poll
finds what a lost notification left out. The poll cannot skip: an event takes its number from a row
that it holds until it is committed, so that no lower number appears behind a higher one. Numbers
are no lower than the time in microseconds, so that none is given twice when a standby takes over
that had not heard of the last ones.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
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
from api.postgres.database import Database, Transaction, listen
from api.postgres.statement import UnownedStatement

log = logging.getLogger(__name__)

CHANNEL = "tasks_revocations"
POLL = 0.5
"""Seconds between two looks into PostgreSQL."""
FRESH = 0.8
"""Seconds for which what was seen there goes unquestioned; then a request looks for itself."""
TRUSTED = 5.0
"""Seconds for which it is good while PostgreSQL is away; then nobody is let in."""
TIMEOUT = 2.0
"""Seconds that a look may take."""
IDLE = 60.0
"""Seconds without a request after which the looking stops: it would keep a database awake that
sleeps when nobody needs it. The next request looks before it goes on."""
PAGE_SIZE = 10_000
PRUNED_EVERY = 3600.0
"""Seconds between clearing the memory of what no token can need any more."""


def _take() -> UnownedStatement:
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


TAKEN = UnownedStatement(
    select(revocations.c.number).where(
        revocations.c.issuer == bindparam("issuer", type_=Text),
        revocations.c.jti == bindparam("jti", type_=Text),
    )
)
NEWS = UnownedStatement(
    select(*(revocations.c[name] for name in ("number", "kind", "issuer", "subject")))
    .where(
        revocations.c.number > bindparam("after", type_=BigInteger),
        revocations.c.expires_at > func.now(),
    )
    .order_by(revocations.c.number)
    .limit(bindparam("limit", type_=Integer))
)
FORGET = UnownedStatement(
    delete(revocations)
    .where(revocations.c.expires_at <= func.now())
    .returning(revocations.c.kind, revocations.c.subject)
)


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """That a session or an account has ended. `jti` is the issuer's name for this event."""

    issuer: str
    jti: str
    kind: Kind
    subject: str
    """The `sid` of the session, or the owner."""


class Revocations:
    """An async context manager, inside which this process keeps up with PostgreSQL.

    `listen_url` leads past a transaction pooler, which passes no notifications on. `max_age` is the
    longest life in seconds of a token: for that long, and the margin it is given, they are kept.
    The constants of this module describe the other arguments.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        database: Database,
        listen_url: str,
        *,
        max_age: int,
        clock: Callable[[], float] = time.monotonic,
        poll: float = POLL,
        fresh: float = FRESH,
        timeout: float = TIMEOUT,
        idle: float = IDLE,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._database = database
        self._listen_url = listen_url
        self._kept = timedelta(seconds=max_age + LIFE_MARGIN)
        self._clock = clock
        self._poll_every = poll
        self._fresh = fresh
        self._timeout = timeout
        self._idle = idle
        self._page_size = page_size
        self._take = _take()
        self._sessions: dict[tuple[str, str], float] = {}
        self._owners: dict[str, float] = {}
        self._number = 0
        self._seen_at = self._asked_at = -math.inf
        self._prune_at = clock() + PRUNED_EVERY
        self._looking = asyncio.Lock()
        self._in_use, self._woken = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(work) for work in (self._poll(), self._listen())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refuses(self, claims: Claims) -> bool:
        """Whether the token's session or owner has ended.

        Raises Unavailable when this process has not kept up for TRUSTED seconds.
        """
        self._asked_at = self._clock()
        self._in_use.set()
        if self._asked_at - self._seen_at > self._fresh:
            try:
                await self.look()
            except Unavailable:
                if self._clock() - self._seen_at > TRUSTED:
                    raise
        return claims.user_id in self._owners or (claims.issuer, claims.sid) in self._sessions

    async def has_taken(self, transaction: Transaction, event: SecurityEvent) -> bool:
        """Whether an event of this name was written down before."""
        return bool(await transaction.rows(TAKEN, issuer=event.issuer, jti=event.jti))

    async def take(self, transaction: Transaction, event: SecurityEvent) -> None:
        """Writes it down, unless it was before; it holds from the commit on.

        The last thing in a transaction: every other event waits for its end.
        """
        await transaction.rows(
            self._take,
            now=time.time_ns() // 1000,
            issuer=event.issuer,
            jti=event.jti,
            kind=event.kind,
            subject=event.subject,
            kept=self._kept,
        )

    async def announce(self) -> None:
        """After a commit: this process knows at once, and the others are woken.

        By then it is written, and no outage here changes that.
        """
        with suppress(Unavailable):
            await self.look()
            # Not in the transaction: its commit would take a lock that all writers share.
            await self._database.notify(CHANNEL)

    async def forget(self, transaction: Transaction) -> list[str]:
        """Deletes what no token can need any more; returns the owners among it."""
        rows = await transaction.rows(FORGET)
        return [row["subject"] for row in rows if row["kind"] == Kind.OWNER]

    async def look(self) -> None:
        """Takes in what is new in PostgreSQL by now. Raises Unavailable."""
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout), self._looking:
                if self._seen_at < asked_at:  # else somebody looked while this one waited
                    await self._read_on()
        except TimeoutError:
            raise Unavailable from None

    async def _read_on(self) -> None:
        began = self._clock()
        if began > self._prune_at:
            self._prune()
        while True:
            rows = await self._database.rows(NEWS, after=self._number, limit=self._page_size)
            # As long as PostgreSQL keeps it or longer, and by a clock that nobody sets.
            until = self._clock() + self._kept.total_seconds()
            for number, kind, issuer, subject in rows:
                if kind == Kind.OWNER:
                    self._owners[subject] = until
                else:
                    self._sessions[issuer, subject] = until
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
                await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_every):
                    await self._woken.wait()

    async def _listen(self) -> None:
        while True:
            await self._used()
            with suppress(Unavailable):
                await listen(self._listen_url, CHANNEL, self._woken.set)
            await asyncio.sleep(self._poll_every)

    async def _used(self) -> None:
        """Waits until there are requests."""
        if self._clock() - self._asked_at > self._idle:
            self._in_use.clear()
            await self._in_use.wait()
