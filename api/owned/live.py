"""Wake the subscribers of an owner when the owner's rows have changed.

The owner's change number is the truth: every process with subscribers polls the numbers of all
their owners in one statement. Two shortcuts make this fast. A write wakes the subscribers in its
own process, and a hint (a notification) wakes those in other processes. Nothing depends on a hint:
the poll finds a change whose hint was lost. A subscriber remembers a place in the change feed and
no messages. So a slow subscriber costs no memory, and reads fewer and larger pages.

A process sends hints only while another process has greeted it. Without a subscriber elsewhere, a
write costs no notification.
"""

import asyncio
import hashlib
import logging
import math
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, Self, TypeVar, cast
from weakref import WeakValueDictionary, ref

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from api.errors import Unavailable
from api.owned.tables import owners
from api.owned.walls import EveryonesStatement
from api.postgres.database import Database
from api.postgres.notifications import Notifications

log = logging.getLogger(__name__)


class Page(Protocol):
    """Rows that subscribers share."""

    is_dropped: bool

    def drop(self) -> None:
        """Release the rows. The subscribers that hold the page read it again."""


P = TypeVar("P", bound=Page)

CHANNEL = "tasks_changes"
POLL = 2.0
"""The most seconds between two polls of the change numbers, and between two greetings."""
GREETED = 3 * POLL
"""The seconds after another process's greeting during which this process sends hints."""
COALESCE = 0.02
"""The least seconds between two notifications of this process. An owner is in each at most once."""
MAX_OWNERS = 300
"""The most owners in one notification, whose payload may have 8,000 bytes."""
MAX_UNHEARD = 5
"""The number of this process's own greetings after which it must have heard one."""
MAX_PAGES = 8
"""The most pages of an owner in memory. Slow subscribers at many places hold no more."""

NUMBERS = EveryonesStatement(
    select(owners.c.owner_id, owners.c.change_number).where(
        owners.c.owner_id == any_(bindparam("owners", type_=ARRAY(Text)))
    )
)
"""Reads the change numbers of the owners that have subscribers."""


class Feed:
    """What the subscribers of one owner in this process share."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.wakes = 0
        """How often the subscribers were woken."""
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._reads: dict[Hashable, asyncio.Task[Page]] = {}
        self._pages: WeakValueDictionary[Hashable, Page] = WeakValueDictionary()
        self._held: list[ref[Page]] = []

    def wake(self) -> None:
        """Wake the subscribers: the owner's rows may have changed."""
        self.wakes += 1
        self._reads = {}
        self._pages = WeakValueDictionary()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def compare(self, number: int) -> None:
        """Wake the subscribers if one that waits has read up to another change number."""
        if any(number != read for read in self._waiting.values()):
            self.wake()

    async def wait(self, wakes: int, number: int) -> None:
        """Wait until the subscribers have been woken more than `wakes` times.

        `number` is the change number up to which the subscriber has read.
        """
        if self.wakes != wakes:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = number
        try:
            await waiter
        finally:
            del self._waiting[waiter]

    async def read(self, key: Hashable, read: Callable[[], Awaitable[P]]) -> P:
        """Return a page that was read after the last wake. Subscribers with the same key share it.

        A page is also shared after its read has ended, as long as a subscriber holds it.
        """
        page = self._pages.get(key)
        if page is None or page.is_dropped:
            task = self._reads.get(key)
            if task is None:
                work = self._read(key, read, self._reads, self._pages)
                task = self._reads[key] = asyncio.create_task(work)
                task.add_done_callback(_retrieve)
            # A subscriber that is cancelled must not cancel the read of the others.
            page = await asyncio.shield(task)
        return cast("P", page)

    async def _read(
        self,
        key: Hashable,
        read: Callable[[], Awaitable[Page]],
        reads: dict[Hashable, asyncio.Task[Page]],
        pages: WeakValueDictionary[Hashable, Page],
    ) -> Page:
        """Read a page, for those who have asked for it since the wake before the read."""
        try:
            page = pages[key] = await read()
        finally:
            del reads[key]
        self._held = [each for each in (*self._held, ref(page)) if each() is not None]
        while len(self._held) > MAX_PAGES:
            if oldest := self._held.pop(0)():
                oldest.drop()
        return page


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a read, which each subscriber that still waits for it raises."""
    if not task.cancelled():
        task.exception()


class Live:
    """The owners that have subscribers in this process. One for each process.

    An async context manager: inside it, `Feed`s are woken. The constants of this module describe
    the other arguments.
    """

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        *,
        poll: float = POLL,
        greeted: float = GREETED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._poll_every = poll
        self._greeted = greeted
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._feeds: dict[str, Feed] = {}
        self._digests: dict[str, str] = {}
        self._in_use, self._poll_now = asyncio.Event(), asyncio.Event()
        self._others_until = -math.inf
        self._hints: set[str] = set()
        self._hinting = asyncio.Event()
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
        """Wake this owner's feed for a `with` block."""
        feed = self._feeds.get(owner)
        if feed is None:
            feed = self._feeds[owner] = Feed()
            self._digests[_digest(owner)] = owner
            self._in_use.set()
        feed.subscribers += 1
        try:
            yield feed
        finally:
            feed.subscribers -= 1
            if not feed.subscribers:
                del self._feeds[owner], self._digests[_digest(owner)]

    def written(self, owner: str) -> None:
        """Wake the owner's subscribers after the commit of a write, here and in other processes."""
        if feed := self._feeds.get(owner):
            feed.wake()
        if self._clock() < self._others_until:
            self._hints.add(owner)
            self._hinting.set()

    async def _follow(self) -> None:
        """Poll and listen while there are subscribers."""
        while True:
            await self._in_use.wait()
            listening = asyncio.create_task(self._listen())
            try:
                while self._feeds:
                    self._poll_now.clear()
                    await self._poll()
                    with suppress(TimeoutError):
                        # The time is random, so that processes do not poll together.
                        async with asyncio.timeout(self._poll_every * random.uniform(0.5, 1)):  # noqa: S311
                            await self._poll_now.wait()
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            if not self._feeds:
                self._in_use.clear()

    async def _poll(self) -> None:
        """Wake the subscribers that have not read up to their number. Greet other processes."""
        try:
            feeds = dict(self._feeds)
            async with self._database.transaction() as transaction:
                rows = await transaction.everyone(NUMBERS, owners=[*feeds])
            numbers = {owner: int(number) for owner, number in rows}
            for owner, feed in feeds.items():
                feed.compare(numbers.get(owner, 0))
            await self._database.notify(CHANNEL, self._name)
        except Unavailable:
            return  # an outage: no number is skipped, because the next poll compares all of them
        except Exception:  # one that is not foreseen must not end all later polls
            log.exception("a poll of the change numbers failed")
            return
        self._unheard += 1
        if self._unheard == MAX_UNHEARD:
            log.warning(
                "this process hears no notifications: changes that other processes write reach its"
                " subscribers up to %.0f s later. Is DATABASE_URL_UNPOOLED missing or wrong?",
                self._poll_every,
            )

    async def _listen(self) -> None:
        while True:
            with suppress(Unavailable):
                await self._notifications.listen()
            # The time is random, so that processes do not connect together.
            await asyncio.sleep(self._poll_every * random.uniform(0.05, 0.25))  # noqa: S311

    def _hear(self, payload: str) -> None:
        if not payload:  # the process begins to listen, and may have missed hints
            self._poll_now.set()
            return
        name, *digests = payload.split(",")
        if name == self._name:
            self._unheard = -math.inf
            return
        self._others_until = self._clock() + self._greeted
        for digest in digests:
            if feed := self._feeds.get(self._digests.get(digest, "")):
                feed.wake()

    async def _send(self) -> None:
        """Send the hints. A notification has all owners that wrote since the last one."""
        while True:
            await self._hinting.wait()
            self._hinting.clear()
            waiting, self._hints = [*self._hints], set()
            for first in range(0, len(waiting), MAX_OWNERS):
                some = map(_digest, waiting[first : first + MAX_OWNERS])
                with suppress(Unavailable):  # the poll finds what a lost hint left out
                    await self._database.notify(CHANNEL, ",".join((self._name, *some)))
            await asyncio.sleep(COALESCE)


def _digest(owner: str) -> str:
    """Return the name of an owner in a notification, which every user of the database may read."""
    return hashlib.blake2b(owner.encode(), digest_size=12).hexdigest()
