"""Forgetting what nothing needs any more, now and then, for as long as the app runs."""

import asyncio
import logging
from contextlib import suppress
from typing import Self

from api.database import Database
from api.errors import Unavailable
from api.revocations import Revocations
from api.tasks import Tasks

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds."""


class Retention:
    """An async context manager, inside which revocations are forgotten once no token needs them."""

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
        async with self._database.transaction() as transaction:
            for owner in await self._revocations.forget(transaction):
                await Tasks(transaction.of(owner)).forget()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.forget()
            except Unavailable:
                log.info("the database is away: expired revocations stay a while longer")
