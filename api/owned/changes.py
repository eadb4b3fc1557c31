"""The change feed: the rows of one owner that have changed since a client last read the feed.

Each write takes the owner's next change number (`write_sql.numbered`). It stores the number in the
rows that it writes, or in the tombstones of the rows that it deletes. So the changes after a number
are the rows and tombstones with a higher number. Each row appears once, in its latest state.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from sys import getsizeof

from sqlalchemy import BigInteger, Integer, Uuid, bindparam, null, select, tuple_, union_all

from api.caching import cached
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
"""The size of a page of changes, unless the client asks for another."""
EVENTS_AT_ONCE = 50
"""The most changes that a subscription reads in one statement."""
_SCOPE = "changes"
_NUMBERS = range(2**63)

_state = (owners.c.change_number, owners.c.forgotten_number, owners.c.purged_at)
_of_owner = owners.c.owner_id == OWNER
STATE = Statement(select(*_state).where(_of_owner))
"""Reads the owner's numbers, and when the account was purged."""


@cached
def since(resource: Resource) -> Statement:
    """Return the statement that reads the owner's state, and then the changes after a position.

    One statement reads one snapshot, so no change can be skipped.
    """
    table, ids, shown = resource.table, resource.ids, resource.shown
    position = tuple_(
        bindparam("after_number", type_=BigInteger), bindparam("after_id", type_=Uuid)
    )
    limit = bindparam("limit", type_=Integer)
    unset = (null().label("forgotten_number"), null().label("purged_at"))
    written = (
        select(*shown, table.c.change_number, *unset)
        .where(table.c.owner_id == OWNER, tuple_(table.c.change_number, table.c.id) > position)
        .order_by(table.c.change_number, table.c.id)
        .limit(limit)
    )
    key = (ids.c.change_number, ids.c.id)
    id_alone = (ids.c.id if c.name == "id" else null().label(c.name) for c in shown)
    deleted = (
        select(*id_alone, ids.c.change_number, *unset)
        .where(ids.c.owner_id == OWNER, ids.c.deleted_at.is_not(None))
        .where(tuple_(*key) > position)
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
class _Position:
    """The position in the feed up to which a client has read."""

    number: int
    id: str
    horizon: int
    """The owner's `forgotten_number` when the client began to read. The client has none of the rows
    that were deleted before."""


@dataclass(slots=True, weakref_slot=True)
class _Snapshot:
    """The owner's state, and the changes after a position, from one snapshot."""

    number: int
    forgotten: int
    rows: Sequence[Row]
    has_next: bool
    is_dropped: bool = False

    def size(self) -> int:
        """Return the bytes of the rows, about (see `feed.Page`)."""
        return sum(_size(value) for row in self.rows for value in row.values())

    def drop(self) -> None:
        """Release the rows (see `feed.Page`)."""
        self.rows, self.is_dropped = (), True

    def check(self, position: _Position) -> None:
        """Raise CursorExpired if changes after this position may be missing."""
        if position.number > self.number or self.forgotten > max(position.number, position.horizon):
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
        position = None if after is None else self._decoded(after)
        snapshot = await self._read(position or _START, size)
        if position is None:
            position = replace(_START, horizon=snapshot.forgotten)
        else:
            snapshot.check(position)
        written = [_cursor(self._cursors, _at(row, position)) for row in snapshot.rows]
        return ChangePage(snapshot.rows, written, snapshot.has_next, after)

    async def follow(self, after: str | None) -> AsyncGenerator[tuple[Row, str], None]:
        """Yield each change after a cursor, or from now on, with its cursor.

        The generator waits for further changes until it is closed, even during an outage.
        Raises CursorExpired, and Unauthenticated when the account is purged.
        """
        position = None if after is None else self._decoded(after)
        with self._owned.subscribed() as feed:
            noticed_at: float | None = None  # none while the client still reads older changes
            while True:
                wakes = feed.wakes
                try:
                    snapshot = await feed.read(*self._reading(position))
                except (Unavailable, RateLimited):
                    await feed.wait(wakes, -1)  # until the next poll succeeds
                    continue
                if position is None:
                    position = _end(snapshot)
                snapshot.check(position)
                sent = 0
                while sent < len(snapshot.rows):  # a page that was dropped has no rows
                    position = _at(snapshot.rows[sent], position)
                    sent += 1
                    yield snapshot.rows[sent - 1], _cursor(self._cursors, position)
                    await asyncio.sleep(0)  # lets other tasks run between two events
                is_done, number = not (snapshot.has_next or snapshot.is_dropped), snapshot.number
                del snapshot  # a subscriber that waits holds no rows
                if is_done:
                    if sent and noticed_at is not None:
                        feed.delivered(noticed_at)
                    position = replace(position, number=number, id=MAX)
                    await feed.wait(wakes, number)
                    noticed_at = feed.noticed_at

    def _reading(
        self, position: _Position | None
    ) -> tuple[object, Callable[[], Awaitable[_Snapshot]]]:
        """Return a key that all subscribers at this position share, and the read of a page."""
        if position is None:
            return None, partial(_current, self._owned)
        key = (self._resource.name, position.number, position.id)
        return key, partial(self._read, position, EVENTS_AT_ONCE)

    async def _read(self, position: _Position, size: int) -> _Snapshot:
        rows = await self._owned.rows(
            since(self._resource),
            after_number=position.number,
            after_id=position.id,
            limit=size + 1,
            limit_and_state=size + 2,
        )
        return _snapshot(rows, size)

    @cached_property
    def _cursors(self) -> Cursors:
        return _cursors(self._owned)

    def _decoded(self, after: str) -> _Position:
        try:
            number, id, horizon = self._cursors.decode(after)
            position = _Position(int(number), id, int(horizon))
        except (cursors.InvalidCursor, ValueError):
            raise CursorExpired from None
        known = position.number in _NUMBERS and position.horizon in _NUMBERS
        if not (known and is_id(id)) or _cursor(self._cursors, position) != after:
            raise CursorExpired
        return position


def _cursors(owned: Owned) -> Cursors:
    return Cursors(f"{owned.owner}\0{_SCOPE}")


def _cursor(written: Cursors, position: _Position) -> str:
    return written.encode(str(position.number), position.id, str(position.horizon))


_START = _Position(0, NIL, 0)


async def _current(owned: Owned) -> _Snapshot:
    return _snapshot(await owned.rows(STATE), 0)


def _snapshot(rows: Sequence[Row], size: int) -> _Snapshot:
    """Return the result of `STATE` or of `since`. An owner who has written nothing has no state.

    Raises Unauthenticated if the account was purged.
    """
    if not rows:
        return _Snapshot(0, 0, (), has_next=False)
    state, *changes = rows
    if state["purged_at"] is not None:
        raise Unauthenticated(token_sent=True)
    has_next = len(changes) > size
    return _Snapshot(state["change_number"], state["forgotten_number"], changes[:size], has_next)


def _size(value: object) -> int:
    """Return the bytes of a value of a column, about."""
    inside = value if isinstance(value, list) else ()
    return getsizeof(value) + sum(map(getsizeof, inside))


def _at(row: Row, before: _Position) -> _Position:
    """Return the position of a row, for a client that came from a position before it."""
    return _Position(row["change_number"], row["id"], before.horizon)


def _end(snapshot: _Snapshot) -> _Position:
    """Return the position after all changes, for a client that begins to read there."""
    return _Position(snapshot.number, MAX, snapshot.forgotten)
