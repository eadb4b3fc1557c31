"""The change feed: the rows of one owner that have changed since a client last read the feed.

Each write takes the owner's next change number (`write_sql.numbered`). It stores the number in the
rows that it writes, or in the tombstones of the rows that it deletes. So the changes after a number
are the rows and tombstones with a higher number. Each row appears once, in its latest state.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

from sqlalchemy import BigInteger, Integer, Uuid, bindparam, null, select, tuple_, union_all

from api.errors import BadUserInput, RateLimited, Unauthenticated, Unavailable
from api.owned import cursors
from api.owned.columns import MAX, NIL, is_id
from api.owned.cursors import Cursors
from api.owned.owner import Owned
from api.owned.resource import Resource
from api.owned.tables import owners
from api.owned.walls import OWNER, Statement
from api.postgres.tables import Row

DEFAULT_SIZE = 100
_SCOPE = "changes"
_NUMBERS = range(2**63)

_state = (owners.c.change_number, owners.c.forgotten_number, owners.c.purged_at)
_of_owner = owners.c.owner_id == OWNER
STATE = Statement(select(*_state).where(_of_owner))
"""Reads the owner's numbers, and when the account was purged."""


@cache
def since(resource: Resource) -> Statement:
    """Return the statement that reads the owner's state, and then the changes after a place.

    One statement reads one snapshot, so no change can be skipped.
    """
    table, ids, shown = resource.table, resource.ids, resource.shown
    place = tuple_(bindparam("after_number", type_=BigInteger), bindparam("after_id", type_=Uuid))
    limit = bindparam("limit", type_=Integer)
    unset = (null().label("forgotten_number"), null().label("purged_at"))
    written = (
        select(*shown, table.c.change_number, *unset)
        .where(table.c.owner_id == OWNER, tuple_(table.c.change_number, table.c.id) > place)
        .order_by(table.c.change_number, table.c.id)
        .limit(limit)
    )
    key = (ids.c.change_number, ids.c.id)
    id_alone = (ids.c.id if c.name == "id" else null().label(c.name) for c in shown)
    deleted = (
        select(*id_alone, ids.c.change_number, *unset)
        .where(ids.c.owner_id == OWNER, ids.c.deleted_at.is_not(None))
        .where(tuple_(*key) > place)
        .order_by(*key)
        .limit(limit)
    )
    nothing = (null().label(column.name) for column in shown)
    state = select(*nothing, *_state).where(_of_owner)
    found = union_all(state, written, deleted).cte("found")  # the first SELECT has the types
    in_order = (found.c.id.is_(None).desc(), found.c.change_number, found.c.id)
    query = select(found).order_by(*in_order).limit(bindparam("limit_and_state", type_=Integer))
    return Statement(query, resource.record)


class CursorExpired(BadUserInput):
    """Tombstones after the cursor may have been deleted: the client must read the list again."""

    def __init__(self) -> None:
        super().__init__({"after": "is too old, or of another owner: read the list again"})
        self.extensions["reason"] = "CURSOR_EXPIRED"


@dataclass(frozen=True, slots=True)
class _Place:
    """The place in the feed up to which a client has read."""

    number: int
    id: str
    horizon: int
    """The owner's `forgotten_number` when the client began to read. The client has none of the rows
    that were deleted before."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The owner's state, and the changes after a place, from one snapshot.

    It has one change more than `size` if others follow.
    """

    number: int
    forgotten: int
    changes: Sequence[Row]
    size: int

    @property
    def rows(self) -> Sequence[Row]:
        return self.changes[: self.size]

    @property
    def has_next(self) -> bool:
        return len(self.changes) > self.size

    def check(self, place: _Place) -> None:
        """Raise CursorExpired if changes after this place may be missing."""
        if place.number > self.number or self.forgotten > max(place.number, place.horizon):
            raise CursorExpired


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes. The `version` of a row that was deleted is None."""

    rows: Sequence[Row]
    cursors: Sequence[str]
    has_next: bool
    after: str | None

    @property
    def end(self) -> str | None:
        """The last cursor of the page, or `after` if the page is empty."""
        return self.cursors[-1] if self.cursors else self.after


async def current(owned: Owned) -> str:
    """Return the cursor after all changes so far, for the feed of every resource.

    A client reads this cursor first, then a list, and then the feed from the cursor on.
    """
    return _cursor(_cursors(owned), _end(await _current(owned)))


class Changes:
    """Reads the change feed of one owner's rows of a resource. No method takes an owner."""

    def __init__(self, owned: Owned, resource: Resource) -> None:
        self._owned = owned
        self._resource = resource

    async def since(self, first: int | None, after: str | None) -> ChangePage:
        """Return the changes after a cursor, or all. Raises BadUserInput, and CursorExpired."""
        size = cursors.size(first, DEFAULT_SIZE)
        place = None if after is None else self._place(after)
        found = await self._read(place or _START, size)
        if place is None:
            place = replace(_START, horizon=found.forgotten)
        else:
            found.check(place)
        written = [self._cursor(row, place) for row in found.rows]
        return ChangePage(found.rows, written, found.has_next, after)

    async def follow(self, after: str | None) -> AsyncGenerator[tuple[Row, str], None]:
        """Yield each change after a cursor, or from now on, with its cursor.

        It waits for further changes until it is closed, also while PostgreSQL is unavailable.
        Raises CursorExpired, and Unauthenticated when the account is purged.
        """
        if self._owned.live is None:
            raise TypeError("this access has no live feed")
        place = None if after is None else self._place(after)
        with self._owned.live.subscribed(self._owned.owner) as feed:
            while True:
                wakes = feed.wakes
                # Each subscriber may hold a page while its client does not read.
                size = max(1, DEFAULT_SIZE // feed.subscribers)
                read = feed.read(*self._reading(place, size))
                try:
                    found = await asyncio.shield(read)
                except (Unavailable, RateLimited):
                    await feed.wait(wakes, -1)  # until the next poll succeeds
                    continue
                if place is not None:
                    found.check(place)
                    for row in found.rows:
                        yield row, self._cursor(row, place)
                        await asyncio.sleep(0)  # between two events, it is the turn of others
                if place is not None and found.has_next:
                    last = found.rows[-1]
                    place = replace(place, number=last["change_number"], id=last["id"])
                    continue
                number, horizon = found.number, place.horizon if place else found.forgotten
                place = replace(_end(found), horizon=horizon)
                del read, found  # a subscriber that waits holds no page
                await feed.wait(wakes, number)

    def _reading(
        self, place: _Place | None, size: int
    ) -> tuple[object, Callable[[], Awaitable[_Found]]]:
        """Return what subscribers at this place read, and the name by which they share it."""
        if place is None:
            return None, partial(_current, self._owned)
        name = (self._resource.name, place.number, place.id, size)
        return name, partial(self._read, place, size)

    async def _read(self, place: _Place, size: int) -> _Found:
        rows = await self._owned.rows(
            since(self._resource),
            after_number=place.number,
            after_id=place.id,
            limit=size + 1,
            limit_and_state=size + 2,
        )
        return _found(rows, size)

    def _cursor(self, row: Row, place: _Place) -> str:
        """Return the cursor of a row, for a client that began to read at a place."""
        return _cursor(self._cursors, _Place(row["change_number"], row["id"], place.horizon))

    @cached_property
    def _cursors(self) -> Cursors:
        return _cursors(self._owned)

    def _place(self, after: str) -> _Place:
        try:
            number, id, horizon = self._cursors.decode(after)
            place = _Place(int(number), id, int(horizon))
        except (cursors.InvalidCursor, ValueError):
            raise CursorExpired from None
        known = place.number in _NUMBERS and place.horizon in _NUMBERS
        if not (known and is_id(id)) or _cursor(self._cursors, place) != after:
            raise CursorExpired
        return place


def _cursors(owned: Owned) -> Cursors:
    return Cursors(f"{owned.owner}\0{_SCOPE}")


def _cursor(written: Cursors, place: _Place) -> str:
    return written.encode(str(place.number), place.id, str(place.horizon))


_START = _Place(0, NIL, 0)


async def _current(owned: Owned) -> _Found:
    return _found(await owned.rows(STATE), 0)


def _found(rows: Sequence[Row], size: int) -> _Found:
    """Return what a statement found. An owner who has not written anything has no state.

    Raises Unauthenticated if the account was purged.
    """
    if not rows:
        return _Found(0, 0, (), size)
    state, *changes = rows
    if state["purged_at"] is not None:
        raise Unauthenticated(token_sent=True)
    return _Found(state["change_number"], state["forgotten_number"], changes, size)


def _end(found: _Found) -> _Place:
    """Return the place after all changes, for a client that begins to read there."""
    return _Place(found.number, MAX, found.forgotten)
