"""One owner's tasks: every statement about them, and every rule.

Nothing here says whose the tasks are. `Owned` does, and a statement that is not held to that owner
is refused when this module is imported (see `statements`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from api import pages
from api.database import Owned
from api.errors import BadUserInput, Conflict, NotFound, Unauthenticated
from api.models import NIL, TASKS_PER_OWNER, Status, TaskFields, owners, task_ids, tasks
from api.statements import OWNER, Statement

MAX_IDS = 100
"""In one list, duplicates apart."""
_NO_CURSOR = "is not a cursor of this list"

Row: TypeAlias = asyncpg.Record

_shown = [column for column in tasks.c if column.name not in {"owner_id", "status"}]
_mine = tasks.c.owner_id == OWNER
_id = bindparam("id", type_=Uuid)
_ids = bindparam("ids", type_=ARRAY(Uuid))
_written = {
    name: bindparam(f"new_{name}", type_=tasks.c[name].type) for name in TaskFields.model_fields
}
_touched = {"version": tasks.c.version + 1, "updated_at": func.now()}

GET = Statement(select(*_shown).where(_mine, tasks.c.id == _id))

_in_status = tasks.c.status == any_(bindparam("statuses", type_=ARRAY(Text)))
COUNT = Statement(select(func.count(tasks.c.id).label("tasks")).where(_mine, _in_status))

# The row value compares as its index sorts, so a page costs what it shows, however deep it is.
_order = tuple_(tasks.c.created_at, tasks.c.id)
PAGE = Statement(
    select(*_shown)
    .where(
        _mine,
        _in_status,
        _order
        < tuple_(
            bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=Uuid)
        ),
    )
    .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
# asyncpg writes the last moment that Python has, without a zone, as `infinity`.
_BEFORE_THE_FIRST = (datetime.max, UUID(int=2**128 - 1))  # noqa: DTZ901


_digest = bindparam("digest", type_=LargeBinary)


def _create() -> Statement:
    """Takes the id, writes the task and counts it; or does none of it when the id is taken.

    The count's CHECK is what bounds an owner's tasks: it stands in one row, which racing creates
    take in turn.
    """
    taken = (
        insert(task_ids)
        .from_select(["owner_id", "id", "input_digest"], select(OWNER, _id, _digest))
        .on_conflict_do_nothing(index_elements=["owner_id", "id"])
        .returning(task_ids.c.id)
        .cte("taken")
    )
    values = {
        "owner_id": OWNER,
        "id": taken.c.id,
        "completed_at": case((_written["completed"], func.now()), else_=null()),
        **_written,
    }
    created = (
        insert(tasks)
        .from_select(list(values), select(*values.values()), include_defaults=False)
        .returning(*_shown)
        .cte("created")
    )
    counted = (
        insert(owners)
        .from_select(["owner_id", "task_count"], select(OWNER, literal(1)).select_from(created))
        .on_conflict_do_update(
            index_elements=["owner_id"], set_={"task_count": owners.c.task_count + 1}
        )
    )
    return Statement(select(created).add_cte(counted.cte("counted")))


CREATE = _create()
SAME = Statement(
    select((task_ids.c.input_digest == _digest).label("same")).where(
        task_ids.c.owner_id == OWNER, task_ids.c.id == _id
    )
)


def _update() -> Statement:
    expected = bindparam("expected_version", type_=Integer)
    new: dict[str, ColumnElement[Any]] = {
        name: case((bindparam(f"has_{name}", type_=Boolean), value), else_=tasks.c[name])
        for name, value in _written.items()
    }
    since = func.coalesce(tasks.c.completed_at, func.now())
    return Statement(
        update(tasks)
        .where(_mine, tasks.c.id == _id, or_(expected.is_(None), tasks.c.version == expected))
        .values(**new, completed_at=case((new["completed"], since), else_=null()), **_touched)
        .returning(*_shown)
    )


UPDATE = _update()

# All or nothing: each id is locked, in one order for all writers, before the first is written;
# and none is written unless every one was found.
_wanted = (
    select(*_shown)
    .where(_mine, tasks.c.id == any_(_ids))
    .order_by(tasks.c.id)
    .with_for_update()
    .cte("wanted")
)
_all_found = select(func.count(_wanted.c.id)).scalar_subquery() == func.cardinality(_ids)


def _move(*, trash: bool) -> Statement:
    """Into the trash or out of it: all that were asked for, written only if not there already.

    Which those are is read from the locked rows. The UPDATE itself first sees a row as it was when
    the statement began, and would pass over one that another writer has moved back since.
    """
    is_there = _wanted.c.trashed_at.is_not(None) if trash else _wanted.c.trashed_at.is_(None)
    moved = (
        update(tasks)
        .where(_mine, tasks.c.id == _wanted.c.id, ~is_there, _all_found)
        .values(trashed_at=func.now() if trash else null(), **_touched)
        .returning(*_shown)
        .cte("moved")
    )
    return Statement(select(moved).union_all(select(_wanted).where(is_there)))


TRASH = _move(trash=True)
RESTORE = _move(trash=False)


def _delete() -> Statement:
    gone = (
        delete(tasks)
        .where(_mine, tasks.c.id == any_(_ids), _all_found)
        .returning(tasks.c.id)
        .cte("gone")
    )
    buried = (
        update(task_ids)
        .where(task_ids.c.owner_id == OWNER, task_ids.c.id == gone.c.id)
        .values(deleted_at=func.now())
    )
    how_many = select(func.count(gone.c.id)).scalar_subquery()
    counted = (
        update(owners)
        .where(owners.c.owner_id == OWNER)
        .values(task_count=owners.c.task_count - how_many)
    )
    return Statement(select(gone).add_cte(buried.cte("buried"), counted.cte("counted")))


DELETE = _delete()

# The row that every new task is counted in. From here on its CHECK refuses one more: a create that
# was under way waits for this row, and fails.
CLOSE = Statement(
    insert(owners)
    .values(owner_id=OWNER, task_count=0, purged_at=func.now())
    .on_conflict_do_update(
        index_elements=["owner_id"], set_={"task_count": 0, "purged_at": func.now()}
    )
)


def _purge() -> Statement:
    gone = delete(tasks).where(_mine).returning(tasks.c.id).cte("gone")
    ids = delete(task_ids).where(task_ids.c.owner_id == OWNER)
    return Statement(select(func.count(gone.c.id)).add_cte(ids.cte("ids")))


PURGE = _purge()
FORGET = Statement(
    delete(owners).where(owners.c.owner_id == OWNER, owners.c.purged_at.is_not(None))
)

_field_types = {
    name: TypeAdapter[Any](Annotated[field.annotation, field])  # type: ignore[arg-type]  # made at run time
    for name, field in TaskFields.model_fields.items()
}


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a list, with what makes the cursors of its rows."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool
    scope: str

    def cursor(self, row: Row) -> str:
        """Where to go on behind this row."""
        return pages.cursor(self.scope, (row["created_at"].isoformat(), str(row["id"])))


class Tasks:
    """What may be done with one owner's tasks. No method takes an owner."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned

    async def get(self, id: str) -> Row:
        """Raises NotFound, after the same query, for a missing and for a malformed id."""
        return _only(await self._owned.rows(GET, id=_uuid(id)))

    async def count(self, status: Sequence[Status] | None) -> int:
        """How many there are. Raises BadUserInput."""
        rows = await self._owned.rows(COUNT, statuses=_statuses(status))
        return int(_only(rows)["tasks"])

    async def page(
        self, first: int | None, after: str | None, status: Sequence[Status] | None
    ) -> Page:
        """Newest first, from behind the cursor `after`. Raises BadUserInput."""
        size = pages.DEFAULT_SIZE if first is None else first
        if not 1 <= size <= pages.MAX_SIZE:
            raise BadUserInput({"first": f"must be 1 to {pages.MAX_SIZE}"})
        statuses = _statuses(status)
        scope = "\0".join((self._owned.owner, "created_at desc", *statuses))
        after_at, after_id = _BEFORE_THE_FIRST
        if after is not None:
            after_at, after_id = _position(scope, after)
        rows = await self._owned.rows(
            PAGE, statuses=statuses, after_at=after_at, after_id=after_id, limit=size + 1
        )
        return Page(rows[:size], len(rows) > size, after is not None, scope)

    async def create(self, given: Mapping[str, object]) -> Row:
        """Writes one task, or returns it when this very input was written under its id before.

        Raises BadUserInput; Conflict when the id was given to another input, or deleted for good;
        Unauthenticated when the account was purged meanwhile.
        """
        written = {name: value for name, value in given.items() if value is not None}
        id = _new_id(written.pop("id", None))
        try:
            fields = TaskFields.model_validate(written)
        except ValidationError as error:
            raise BadUserInput({str(e["loc"][0]): _why(e["msg"]) for e in error.errors()}) from None
        # Without what was left at its default, so that a field added later changes no digest.
        told = orjson.dumps(fields.model_dump(exclude_defaults=True), option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(told).digest()
        values = {f"new_{name}": value for name, value in fields.model_dump().items()}
        try:
            rows = await self._owned.rows(CREATE, id=id, digest=digest, **values)
        except asyncpg.CheckViolationError as violation:
            if violation.constraint_name == "ck_owners_purged":
                raise Unauthenticated(token_sent=True) from None
            if violation.constraint_name != "ck_owners_task_count":
                raise
            full = f"makes more than the {TASKS_PER_OWNER} tasks that one may keep, trash and all"
            raise BadUserInput({"input": full}) from None
        if rows:
            return rows[0]
        same = await self._owned.rows(SAME, id=id, digest=digest)
        task = await self._owned.rows(GET, id=id)
        if task and same and same[0]["same"]:
            return task[0]
        current = task[0]["version"] if task else None
        raise Conflict("This id is taken by a task that was created otherwise.", current)

    async def update(self, id: str, patch: Mapping[str, object], expected: int | None) -> Row:
        """Writes the fields in the patch; none, if it is empty.

        Raises NotFound, BadUserInput, and Conflict when there is an `expected` version that the
        task no longer has.
        """
        values = _patched(patch)
        if values:
            given: dict[str, object] = {"id": _uuid(id), "expected_version": expected}
            for name in TaskFields.model_fields:
                given |= {f"has_{name}": name in values, f"new_{name}": values.get(name)}
            if rows := await self._owned.rows(UPDATE, **given):
                return rows[0]
            if expected is None:
                raise NotFound
        current = await self.get(id)
        if values or expected not in {None, current["version"]}:
            raise Conflict("The task was changed since that version.", current["version"])
        return current

    async def trash(self, ids: Sequence[str]) -> list[Row]:
        """Trashes them all, or raises NotFound, or BadUserInput for too many."""
        return await self._each(TRASH, ids)

    async def restore(self, ids: Sequence[str]) -> list[Row]:
        """Takes them all out of the trash, or raises NotFound, or BadUserInput for too many."""
        return await self._each(RESTORE, ids)

    async def delete(self, ids: Sequence[str]) -> list[Row]:
        """Deletes them all for good, or raises NotFound, or BadUserInput for too many."""
        return await self._each(DELETE, ids)

    async def purge(self) -> None:
        """Deletes everything, for good, and lets nothing be written any more.

        Two statements, for a transaction: the second one sees what was committed before the first
        one had its lock.
        """
        await self._owned.rows(CLOSE)
        await self._owned.rows(PURGE)

    async def forget(self) -> None:
        """Drops what keeps a purged owner out: no token of theirs is left that could write."""
        await self._owned.rows(FORGET)

    async def _each(self, statement: Statement, ids: Sequence[str]) -> list[Row]:
        """One row for each id, in the order of the ids."""
        if len(set(ids)) > MAX_IDS:
            raise BadUserInput({"ids": f"must be at most {MAX_IDS}"})
        wanted = list(dict.fromkeys(_uuid(id) for id in ids))
        rows = {row["id"]: row for row in await self._owned.rows(statement, ids=wanted)}
        if len(rows) != len(wanted):
            raise NotFound
        return [rows[id] for id in wanted]


def _only(rows: Sequence[Row]) -> Row:
    if not rows:
        raise NotFound
    return rows[0]


def _uuid(id: str) -> UUID:
    """The id, or one that no task has for any spelling but the canonical (RFC 9562 §4)."""
    try:
        uuid = UUID(id)
    except ValueError:
        return NIL
    return uuid if str(uuid) == id else NIL


def _new_id(chosen: object) -> UUID:
    if chosen is None:
        return uuid7()
    if (uuid := _uuid(str(chosen))) == NIL:
        raise BadUserInput({"id": "must be a UUID in lower case, with its hyphens"})
    return uuid


def _position(scope: str, after: str) -> tuple[datetime, UUID]:
    """Where a cursor points, if this API could have written it to the character."""
    key = pages.position(scope, after) or []
    try:
        moment, uuid = datetime.fromisoformat(key[0]), UUID(key[1])
    except (IndexError, ValueError):
        raise BadUserInput({"after": _NO_CURSOR}) from None
    if moment.utcoffset() != timedelta(0) or [moment.isoformat(), str(uuid)] != key:
        raise BadUserInput({"after": _NO_CURSOR})
    return moment, uuid


def _statuses(status: Sequence[Status] | None) -> list[str]:
    if status is None:
        return [Status.COMPLETED, Status.OPEN]
    if not status:
        raise BadUserInput({"filter.status": "must name a status, or be left out"})
    return sorted(set(status))


def _patched(patch: Mapping[str, object]) -> dict[str, object]:
    """The patch as it is stored. Raises BadUserInput naming every bad field."""
    values, faults = {}, {}
    for name, value in patch.items():
        try:
            values[name] = _field_types[name].validate_python(value)
        except ValidationError as error:
            faults[name] = _why(error.errors()[0]["msg"])
    if faults:
        raise BadUserInput(faults)
    return values


def _why(message: str) -> str:
    return message[0].lower() + message[1:]
