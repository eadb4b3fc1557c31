"""Forgetting what nothing needs any more, now and then, for as long as the app runs.

Several processes may run: whoever has the lock does it, and the others leave it to that one.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Self

from sqlalchemy import func, select, union

from api.errors import Unavailable
from api.identity.revocations import Revocations
from api.owned.tables import task_ids, tasks
from api.owned.walls import EveryonesStatement, UnownedStatement
from api.postgres.database import Database
from api.tasks.rules import IS_FORGETTABLE, IS_STALE, Tasks

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds."""
OWNERS_AT_ONCE = 100

LOCK = 4_208_150_212
"""Any number that nobody else locks, held until the end of a transaction."""
_LOCKED = UnownedStatement(select(func.pg_try_advisory_xact_lock(LOCK).label("locked")))

DUE = EveryonesStatement(
    union(
        select(tasks.c.owner_id).where(IS_STALE),
        select(task_ids.c.owner_id).where(IS_FORGETTABLE),
    ).limit(OWNERS_AT_ONCE)
)
"""Whose trash or tombstones are due. What is done about it is done for one owner at a time."""


class Retention:
    """An async context manager, inside which what is old is forgotten.

    Revocations go once no token needs them, tasks when they were in the trash for its days, and
    tombstones when no client may ask for them any more.
    """

    def __init__(self, database: Database, revocations: Revocations) -> None:
        self._database = database
        self._revocations = revocations
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def forget(self) -> None:
        """Once. Raises Unavailable, also when PostgreSQL ends a deadlock with a purge of an owner.

        That one takes the owner's row first. It is pushed again, and this comes round again.
        """
        async with self._database.transaction() as locked:
            [row] = await locked.rows(_LOCKED)
            if not row["locked"]:
                return
            async with self._database.transaction() as transaction:
                for owner in await self._revocations.forget(transaction):
                    await Tasks(transaction.of(owner)).forget()
            done: set[str] = set()
            while due := {*await locked.owners(DUE)} - done:
                for owner in due:
                    await Tasks(self._database.of(owner)).retain()
                done |= due

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.forget()
            except Unavailable:
                log.info("the database is away: what is old stays a while longer")
