"""Wake the subscribers of an owner when the owner's rows have changed.

Each write increments the owner's change number. A process with subscribers polls the numbers of all
their owners in one statement, so it finds every change. Notifications make this faster: a write
wakes the subscribers in its own process directly, and those in other processes by a notification of
PostgreSQL. If a notification is lost, the next poll finds the change.

A process with subscribers announces itself to the others after each poll. A process notifies others
only if one has announced itself lately. So a write sends no notification if no other process has
subscribers.
"""

import asyncio
import hashlib
import logging
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal, Self

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from api.errors import Unavailable
from api.owned.feed import Feed
from api.owned.tables import owners
from api.owned.walls import CrossOwnerQuery
from api.postgres.database import Database
from api.postgres.notifications import Notifications

log = logging.getLogger(__name__)


Source = Literal["write", "notification", "poll"]
"""How a process notices a change: by a write of its own, a notification, or a poll."""

CHANNEL = "tasks_changes"
"""The channel of PostgreSQL on which the processes notify each other of changes."""
POLL = 2.0
"""The most seconds between two polls of the change numbers. A process announces itself after each
poll."""
ANNOUNCED = 3
"""The polling intervals after an announcement of another process in which this process notifies
others."""
COALESCE = 0.005
"""The least seconds between two notifications of this process. Each names an owner once."""
COALESCE_OWNER = 0.02
"""The least seconds between two notifications about an owner. So the writes of an owner who writes
all the time delay the notifications about others by at most `COALESCE`."""
MAX_OWNERS = 300
"""The most owners in one notification, whose payload may have 8,000 bytes."""
MAX_UNHEARD = 5
"""A process that has received none of this many announcements of its own logs a warning."""

NUMBERS = CrossOwnerQuery(
    select(owners.c.owner_id, owners.c.change_number).where(
        owners.c.owner_id == any_(bindparam("owners", type_=ARRAY(Text)))
    )
)
"""Reads the change numbers of the owners that have subscribers."""


class Live:
    """The feeds of all owners that have subscribers in this process. A process has one `Live`.

    An async context manager: inside it, the feeds are woken. The constants of this module describe
    the other arguments. `observe` is called with the seconds from noticing a change until its
    delivery.
    """

    def __init__(  # noqa: PLR0913 - each bound is an argument with a default
        self,
        database: Database,
        notifications: Notifications,
        *,
        poll: float = POLL,
        coalesce_owner: float = COALESCE_OWNER,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self.noticed = Counter[Source]()
        """How often a change of an owner with subscribers was noticed, by its source."""
        self._observe = observe
        self._database = database
        self._notifications = notifications
        self._poll_every = poll
        self._announced = ANNOUNCED * poll
        self._coalesce_owner = coalesce_owner
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._feeds: dict[str, Feed] = {}
        self._digests: dict[str, str] = {}
        self._in_use, self._poll_now = asyncio.Event(), asyncio.Event()
        self._others_until = -math.inf
        self._written: set[str] = set()  # the owners of which other processes must be notified
        self._has_written = asyncio.Event()
        self._unheard: float = 0
        self._tasks: list[asyncio.Task[None]] = []
        notifications.on(CHANNEL, self._hear)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(work) for work in (self._follow(), self._send())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def subscribed(self, owner: str) -> Iterator[Feed]:
        """Yield this owner's feed, which is woken inside the `with` block."""
        feed = self._feeds.get(owner)
        if feed is None:
            feed = self._feeds[owner] = Feed(self._clock, self._observe)
            self._digests[_digest(owner)] = owner
            self._in_use.set()
        feed.subscribers += 1
        try:
            yield feed
        finally:
            feed.subscribers -= 1
            if not feed.subscribers:
                del self._feeds[owner], self._digests[_digest(owner)]

    @property
    def subscribers(self) -> int:
        """The number of subscriptions that follow a feed in this process."""
        return sum(feed.subscribers for feed in self._feeds.values())

    def written(self, owner: str) -> None:
        """Wake the owner's subscribers after the commit of a write, here and in other processes."""
        if feed := self._feeds.get(owner):
            self.noticed["write"] += 1
            feed.wake()
        if self._clock() < self._others_until:
            self._written.add(owner)
            self._has_written.set()

    async def _follow(self) -> None:
        """Poll and listen while there are subscribers."""
        while True:
            await self._in_use.wait()
            self._in_use.clear()  # a feed that is added from now on sets it again
            listening = asyncio.create_task(self._listen())
            try:
                while self._feeds:
                    self._poll_now.clear()
                    await self._poll()
                    # The time is random, so that processes do not poll together.
                    share = random.uniform(0.5, 1)  # noqa: S311 - a delay is no secret
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_every * share):
                            await self._poll_now.wait()
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _poll(self) -> None:
        """Wake the subscribers that have not read all changes. Announce this process to others."""
        try:
            feeds = dict(self._feeds)
            async with self._database.transaction() as transaction:
                rows = await transaction.everyone(NUMBERS, owners=[*feeds])
            numbers = {owner: int(number) for owner, number in rows}
            for owner, feed in feeds.items():
                self.noticed["poll"] += feed.compare(numbers.get(owner, 0))
            await self._database.notify(CHANNEL, self._name)
        except Unavailable:
            return  # an outage: no number is skipped, because the next poll compares all of them
        except Exception:  # an unexpected error must not end the polling
            log.exception("a poll of the change numbers failed")
            return
        self._unheard += 1
        if self._unheard == MAX_UNHEARD:
            log.warning(
                "this process receives no notifications: its subscribers get the changes that other"
                " processes write up to %.0f s later. Is DATABASE_URL_UNPOOLED missing or wrong?",
                self._poll_every,
            )

    async def _listen(self) -> None:
        while True:
            with suppress(Unavailable):
                await self._notifications.listen()
            # The time is random, so that processes do not connect together.
            share = random.uniform(0.05, 0.25)  # noqa: S311 - a delay is no secret
            await asyncio.sleep(self._poll_every * share)

    def _hear(self, payload: str) -> None:
        if not payload:  # the process begins to listen, and may have missed notifications
            self._poll_now.set()
            return
        name, *digests = payload.split(",")
        if name == self._name:
            self._unheard = -math.inf
            return
        self._others_until = self._clock() + self._announced
        for digest in digests:
            if feed := self._feeds.get(self._digests.get(digest, "")):
                self.noticed["notification"] += 1
                feed.wake()

    async def _send(self) -> None:
        """Notify other processes of the owners that have written since the last notification."""
        notified: dict[str, float] = {}  # when each owner was in a notification, if that was lately
        while True:
            await self._has_written.wait()
            now = time.monotonic()
            since = now - self._coalesce_owner
            notified = {owner: at for owner, at in notified.items() if at > since}
            due = [owner for owner in self._written if owner not in notified]
            self._written.difference_update(due)
            if not self._written:
                self._has_written.clear()
            for first in range(0, len(due), MAX_OWNERS):
                some = map(_digest, due[first : first + MAX_OWNERS])
                with suppress(Unavailable):  # polling finds the changes
                    await self._database.notify(CHANNEL, ",".join((self._name, *some)))
            notified |= dict.fromkeys(due, now)
            await asyncio.sleep(COALESCE)


def _digest(owner: str) -> str:
    """Return a hash of an owner for notifications, which every user of the database may read."""
    return hashlib.blake2b(owner.encode(), digest_size=12).hexdigest()
