"""Delete old rows in the trash, old tombstones, and all rows of a purged owner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Self

from sqlalchemy import ColumnElement, delete, exists, func, select, union, update
from sqlalchemy.dialects.postgresql import insert

from api.caching import cached
from api.errors import Unavailable
from api.owned import delete_sql, write_sql
from api.owned.owner import Owned
from api.owned.resource import RESOURCES, Resource
from api.owned.tables import owners
from api.owned.walls import OWNER, CrossOwnerQuery, Statement
from api.owned.write_sql import OWNER_LOCK
from api.postgres.database import Database, Transaction

log = logging.getLogger(__name__)

TRASH_DAYS = 30
"""The days after which a row in the trash is deleted."""
TRASH_AT_ONCE = 1_000
"""The most rows of the trash that one statement deletes. The next round deletes the others."""
TOMBSTONE_DAYS = 90
"""The days after which a tombstone is deleted."""
LEAST_TOMBSTONE_DAYS = 1
"""The shortest life of a tombstone, for an owner with too many ids. A client must read the change
feed at least this often."""
TOMBSTONES_AT_ONCE = 5_000
"""The most tombstones that are deleted at once to make room for new rows."""
EVERY = 600.0
"""Seconds between two rounds."""
OWNERS_AT_ONCE = 100
"""The most owners that one statement finds. The next statement finds the others."""

_of_owner = owners.c.owner_id == OWNER


def _days_ago(days: int) -> ColumnElement[Any]:
    return func.now() - func.make_interval(0, 0, 0, days)


@cached
def empty_trash(resource: Resource) -> Statement:
    """Return the statement that deletes the rows that have been in the trash for `TRASH_DAYS`."""
    is_old = resource.table.c.trashed_at < _days_ago(TRASH_DAYS)
    old = write_sql.locked(resource, is_old, most=TRASH_AT_ONCE)
    return delete_sql.deleted(resource, old, exists(old))


@cached
def delete_old_tombstones(resource: Resource) -> Statement:
    """Return the statement that deletes the tombstones that are older than `TOMBSTONE_DAYS`."""
    return _delete_tombstones(resource, resource.ids.c.deleted_at < _days_ago(TOMBSTONE_DAYS))


@cached
def delete_oldest_tombstones(resource: Resource) -> Statement:
    """Return the statement that deletes the oldest tombstones, but none of the last day.

    Deleting them makes room for new ids.

    The tombstones are selected by their change number, not by a join on their ids: if PostgreSQL
    estimates that the owner has few rows, a join compares each of 30,000 ids with each of 5,000.
    """
    ids = resource.ids
    is_old = ids.c.deleted_at < _days_ago(LEAST_TOMBSTONE_DAYS)
    oldest = (
        select(ids.c.change_number)
        .where(ids.c.owner_id == OWNER, is_old)
        .order_by(ids.c.change_number, ids.c.id)
        .limit(TOMBSTONES_AT_ONCE)
        .cte("oldest")
    )
    last = select(func.max(oldest.c.change_number)).scalar_subquery()
    return _delete_tombstones(resource, is_old, ids.c.change_number <= last)


def _delete_tombstones(resource: Resource, *which: ColumnElement[bool]) -> Statement:
    """Return the statement that deletes these tombstones and records their highest change number.

    The count never drops below 0, although it may be too low: a process of an older release does
    not count its tombstones.
    """
    ids, count = resource.ids, owners.c[resource.tombstone_count]
    forgotten = (
        delete(ids)
        .where(ids.c.owner_id == OWNER_LOCK.c.owner_id, ids.c.owner_id == OWNER, *which)
        .returning(ids.c.change_number)
        .cte("forgotten")
    )
    last = select(func.max(forgotten.c.change_number)).scalar_subquery()
    how_many = select(func.count(forgotten.c.change_number)).scalar_subquery()
    return Statement(
        update(owners)
        .where(_of_owner, exists(forgotten))
        .values(
            {
                "forgotten_number": func.greatest(owners.c.forgotten_number, last),
                resource.tombstone_count: func.greatest(0, count - how_many),
            }
        )
        .returning(count)
    )


@cached
def mark_purged() -> Statement:
    """Return the statement that marks an owner as purged. CHECK constraints then refuse new rows.

    A concurrent create waits for the lock on the owner's row, and then fails. The purge increments
    the change number, which wakes the owner's subscribers.
    """
    purged = insert(owners).values(owner_id=OWNER, purged_at=func.now(), change_number=1)
    counts = {name: 0 for each in RESOURCES for name in (each.count, each.tombstone_count)}
    return Statement(
        purged.on_conflict_do_update(
            index_elements=["owner_id"],
            # `now()` cannot be written here again: Citus refuses functions in this place.
            set_={
                **counts,
                "purged_at": purged.excluded.purged_at,
                "change_number": owners.c.change_number + 1,
            },
        )
    )


@cached
def delete_everything() -> Statement:
    """Return the statement that deletes all rows and ids of an owner, of every resource.

    It returns the number of rows of each resource. Because it is one statement, foreign keys are
    checked after all rows are deleted.
    """
    rows = [
        delete(each.table)
        .where(each.table.c.owner_id == OWNER)
        .returning(each.table.c.id)
        .cte(f"deleted_{each.name}")
        for each in RESOURCES
    ]
    ids = [
        delete(each.ids).where(each.ids.c.owner_id == OWNER).cte(f"forgotten_{each.name}")
        for each in RESOURCES
    ]
    counts = (select(func.count(each.c.id)).label(each.name) for each in rows)
    return Statement(select(*counts).add_cte(*ids))


DROP_OWNER = Statement(delete(owners).where(_of_owner, owners.c.purged_at.is_not(None)))
"""Deletes the owner's row, which refuses the writes of a purged owner."""


@cached
def due() -> CrossOwnerQuery:
    """Return the statement that finds the owners with old rows in the trash or old tombstones."""
    queries = [
        query
        for each in RESOURCES
        for query in (
            select(each.table.c.owner_id).where(each.table.c.trashed_at < _days_ago(TRASH_DAYS)),
            select(each.ids.c.owner_id).where(each.ids.c.deleted_at < _days_ago(TOMBSTONE_DAYS)),
        )
    ]
    return CrossOwnerQuery(union(*queries).limit(OWNERS_AT_ONCE))


async def purge(transaction: Transaction, owner: str) -> None:
    """Delete all rows of an owner, and refuse further writes of that owner.

    These are two statements, because the second one must see the rows that were committed while the
    first one waited for its lock.
    """
    owned = Owned(transaction, owner)
    await owned.rows(mark_purged())
    await owned.rows(delete_everything())


class Retention:
    """Deletes old rows in the background, every `every` seconds.

    An async context manager. `delete_revocations` deletes the expired revocations, and returns the
    purged owners among them. All tokens of these owners have expired, so their `owners` rows can be
    deleted too.
    """

    def __init__(
        self,
        database: Database,
        delete_revocations: Callable[[Transaction], Awaitable[Iterable[str]]],
        every: float = EVERY,
    ) -> None:
        self._database = database
        self._delete_revocations = delete_revocations
        self._every = every
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def delete_old(self) -> None:
        """Delete the old rows of all owners.

        Several processes may do this at the same time: each row is deleted once.

        Raises Unavailable. This includes a deadlock with the purge of an owner, which locks the
        owner's row first. Both are repeated: the issuer sends the event again, and the next round
        deletes the rest.
        """
        async with self._database.transaction() as transaction:
            for owner in await self._delete_revocations(transaction):
                await Owned(transaction, owner).rows(DROP_OWNER)
        done: set[str] = set()
        while waiting := await self._due() - done:
            for owner in waiting:
                for resource in RESOURCES:
                    await Owned(self._database, owner).with_references(empty_trash(resource))
                    await Owned(self._database, owner).rows(delete_old_tombstones(resource))
            done |= waiting

    async def _due(self) -> set[str]:
        async with self._database.transaction() as transaction:
            return {owner for (owner,) in await transaction.everyone(due())}

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.delete_old()
            except Unavailable:
                log.info("the database is unavailable: old rows are deleted in a later round")
            except Exception:  # one that is not foreseen must not end all later rounds
                log.exception(
                    "a round of retention failed: the next one begins in %.0f s", self._every
                )
