"""What changed about one owner's tasks since a client last looked, by number.

Each write takes the owner's next change number and stamps it on the tasks that it wrote, or on the
tombstones of those it deleted (`tasks.TURN`). So what changed is what bears a number behind the
client's: the latest state of each task once, and of a deleted one that it is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import BigInteger, Integer, Uuid, bindparam, null, select, tuple_, union_all

from api.errors import BadUserInput
from api.owned import cursors as pages
from api.owned.cursors import Cursors
from api.owned.tables import MAX, NIL, SHOWN, Row, is_id, owners, task_ids, tasks
from api.owned.walls import OWNER, Statement
from api.postgres.database import Owned

DEFAULT_SIZE = 100
_SCOPE = "changes"
_NUMBERS = range(2**63)

_numbers = (owners.c.change_number, owners.c.forgotten_number)
_of_owner = owners.c.owner_id == OWNER
STATE = Statement(select(*_numbers).where(_of_owner))


def _since() -> Statement:
    """The changes behind a place, in their order, and last the owner's own numbers, without an id.

    All of it is of one moment: a number that is not seen yet has nothing before it that is.
    """
    place = tuple_(bindparam("after_number", type_=BigInteger), bindparam("after_id", type_=Uuid))
    limit = bindparam("limit", type_=Integer)
    forgotten = null().label("forgotten_number")
    written = (
        select(*SHOWN, tasks.c.change_number, forgotten)
        .where(tasks.c.owner_id == OWNER, tuple_(tasks.c.change_number, tasks.c.id) > place)
        .order_by(tasks.c.change_number, tasks.c.id)
        .limit(limit)
    )
    key = (task_ids.c.change_number, task_ids.c.id)
    gone = (task_ids.c.id if c.name == "id" else null().label(c.name) for c in SHOWN)
    deleted = (
        select(*gone, task_ids.c.change_number, forgotten)
        .where(task_ids.c.owner_id == OWNER, task_ids.c.deleted_at.is_not(None))
        .where(tuple_(*key) > place)
        .order_by(*key)
        .limit(limit)
    )
    nothing = (null().label(column.name) for column in SHOWN)
    state = select(*nothing, *_numbers).where(_of_owner)
    found = union_all(state, written, deleted).cte("found")  # the first one gives each its type
    in_order = (found.c.id.is_(None).desc(), found.c.change_number, found.c.id)
    return Statement(
        select(found).order_by(*in_order).limit(bindparam("limit_and_state", type_=Integer))
    )


SINCE = _since()


class CursorExpired(BadUserInput):
    """From this cursor on it can no longer be told what was deleted: read the list again."""

    def __init__(self) -> None:
        super().__init__({"after": "is too old, or of another owner: read the list again"})
        self.extensions["reason"] = "CURSOR_EXPIRED"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a client has read to."""

    number: int
    id: str
    horizon: int
    """What was forgotten already when the client began, and which it so never saw."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """The changes behind a cursor, and where to go on."""

    rows: Sequence[Row]
    cursors: Sequence[str]
    has_next: bool
    after: str | None

    @property
    def end(self) -> str | None:
        """The last cursor; of an empty page the one that it was asked for with."""
        return self.cursors[-1] if self.cursors else self.after


class Changes:
    """What became of one owner's tasks. No method takes an owner."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned

    @cached_property
    def _cursors(self) -> Cursors:
        return Cursors(f"{self._owned.owner}\0{_SCOPE}")

    async def cursor(self) -> str:
        """Behind all that was written so far: read before a list, it is where to go on after it."""
        rows = await self._owned.rows(STATE)
        number, forgotten = tuple(rows[0]) if rows else (0, 0)
        return self._cursor(_Place(number, MAX, forgotten))

    async def since(self, first: int | None, after: str | None) -> ChangePage:
        """What changed behind `after`, or ever. Raises BadUserInput, and CursorExpired."""
        size = pages.size(first, DEFAULT_SIZE)
        place = _Place(0, NIL, 0) if after is None else self._place(after)
        found = await self._owned.rows(
            SINCE,
            after_number=place.number,
            after_id=place.id,
            limit=size + 1,
            limit_and_state=size + 2,
        )
        number, forgotten = 0, 0
        if found:
            state, *found = found
            number, forgotten = state["change_number"], state["forgotten_number"]
        if after is None:
            place = _Place(0, NIL, forgotten)
        elif place.number > number or forgotten > max(place.number, place.horizon):
            raise CursorExpired
        rows = found[:size]
        cursors = [
            self._cursor(_Place(row["change_number"], row["id"], place.horizon)) for row in rows
        ]
        return ChangePage(rows, cursors, len(found) > size, after)

    def _cursor(self, place: _Place) -> str:
        return self._cursors.at(str(place.number), place.id, str(place.horizon))

    def _place(self, after: str) -> _Place:
        try:
            number, id, horizon = self._cursors.key(after)
            place = _Place(int(number), id, int(horizon))
        except (pages.NoCursor, ValueError):
            raise CursorExpired from None
        known = place.number in _NUMBERS and place.horizon in _NUMBERS
        if not (known and is_id(id)) or self._cursor(place) != after:
            raise CursorExpired
        return place
