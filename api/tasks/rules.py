"""One owner's tasks: every statement that writes them, and every rule.

Nothing here says whose the tasks are. `Owned` does, and a statement that is not held to that owner
is refused when this module is imported (see `statements`).

Each write is one statement, all or nothing, and takes its turn by the owner's row before it touches
another: so writes of one owner follow each other, and never wait for each other in a circle.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import asyncpg
import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Update,
    Uuid,
    any_,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from uuid_utils.compat import uuid7

from api.errors import BadUserInput, Conflict, NotFound, Unauthenticated
from api.owned.tables import (
    IDS_PER_OWNER,
    LABELS_PER_TASK,
    MAX,
    NIL,
    SHOWN,
    TASKS_PER_OWNER,
    Labels,
    Row,
    TaskFields,
    folded,
    is_id,
    owners,
    task_ids,
    tasks,
    why,
)
from api.owned.walls import OWNER, Statement
from api.postgres.citus import constraint
from api.postgres.database import Owned

MAX_AT_ONCE = 100
"""Ids or inputs in one list, doubled ids apart."""
TRASH_DAYS = 30
RETAINED_AT_ONCE = 1_000
"""The most tasks of the trash that one statement deletes. The next round deletes the others."""
TOMBSTONE_DAYS = 90
LEAST_TOMBSTONE_DAYS = 1
"""The shortest life of a tombstone, for an owner with too many ids. A client must read the change
feed at least this often."""
FORGOTTEN_AT_ONCE = 5_000
"""The most tombstones that are deleted at once to make room for new tasks."""

_FOLDED = {"title": "title_folded", "description": "description_folded"}
_WRITTEN = [*TaskFields.model_fields, *_FOLDED.values()]
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_mine = tasks.c.owner_id == OWNER
_of_owner = owners.c.owner_id == OWNER
_id = bindparam("id", type_=Uuid)
_ids = bindparam("ids", type_=ARRAY(Uuid))

GET = Statement(select(*SHOWN).where(_mine, tasks.c.id == _id))


def _create() -> Statement:
    """Counts the tasks, takes their ids and writes them; an id that is taken undoes all of it.

    The CHECK constraints bound the tasks and ids of an owner, and refuse a purged owner.
    """
    key = (column("id", Uuid), column("input_digest", LargeBinary))
    written = (column(name, tasks.c[name].type) for name in _WRITTEN)
    given = (
        func.jsonb_to_recordset(bindparam("given", type_=JSONB))
        .table_valued(*key, *written, name="given")
        .render_derived(with_types=True)
    )
    how_many = bindparam("how_many", type_=Integer)
    counted = (
        insert(owners)
        .values(owner_id=OWNER, task_count=how_many, change_number=1)
        .on_conflict_do_update(
            index_elements=["owner_id"],
            set_={
                "task_count": owners.c.task_count + how_many,
                "change_number": owners.c.change_number + 1,
            },
        )
        .returning(owners.c.change_number)
        .cte("counted")
    )
    taken = (
        insert(task_ids)
        .from_select(
            ["owner_id", "id", "input_digest"],
            select(OWNER, given.c.id, given.c.input_digest).select_from(counted, given),
            include_defaults=False,
        )
        .returning(task_ids.c.id)
        .cte("taken")
    )
    values = {
        "owner_id": OWNER,
        "id": taken.c.id,
        "completed_at": case((given.c.completed, func.now()), else_=null()),
        "change_number": counted.c.change_number,
        **{name: given.c[name] for name in _WRITTEN},
    }
    return Statement(
        insert(tasks)
        .from_select(
            list(values),
            select(*values.values()).where(given.c.id == taken.c.id),
            include_defaults=False,
        )
        .returning(*SHOWN)
    )


CREATE = _create()
SAME = Statement(
    select(task_ids.c.id, task_ids.c.input_digest).where(
        task_ids.c.owner_id == OWNER, task_ids.c.id == any_(_ids)
    )
)
FOUND = Statement(select(*SHOWN).where(_mine, tasks.c.id == any_(_ids)))

_turn = (
    select(owners.c.owner_id, func.now().label("now"))
    .where(_of_owner)
    .with_for_update()
    .cte("turn")
)
"""The lock on the owner's row. It is taken before any task is read, so that a write sees the result
of the write before it. `now()` is a column of it, since Citus refuses functions in CASE and
COALESCE."""


def _locked(*which: ColumnElement[bool], most: int | None = None) -> CTE:
    return (
        select(*SHOWN)
        .where(_mine, tasks.c.owner_id == _turn.c.owner_id, *which)
        .limit(most)
        .with_for_update(of=tasks)
        .cte("wanted")
    )


_all = _locked(tasks.c.id == any_(_ids))
_all_found = select(func.count(_all.c.id)).scalar_subquery() == func.cardinality(_ids)


def _numbered(*when: ColumnElement[bool], **counts: ColumnElement[int]) -> CTE:
    """Takes the next change number when there is something to write."""
    return (
        update(owners)
        .where(_of_owner, *when)
        .values(change_number=owners.c.change_number + 1, **counts)
        .returning(owners.c.change_number)
        .cte("numbered")
    )


def _written(wanted: CTE, numbered: CTE, *which: ColumnElement[bool], **values: Any) -> Update:
    return (
        update(tasks)
        .where(_mine, tasks.c.id == wanted.c.id, *which)
        .values(
            **values,
            version=tasks.c.version + 1,
            updated_at=func.now(),
            change_number=numbered.c.change_number,
        )
        .returning(*SHOWN)
    )


def _patch(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    """The columns as a patch leaves them, of which it need not name each."""
    sources = {column: name for name, column in _FOLDED.items()}
    new: dict[str, ColumnElement[Any]] = {
        name: case(
            (
                bindparam(f"has_{sources.get(name, name)}", type_=Boolean),
                bindparam(f"new_{name}", type_=tasks.c[name].type),
            ),
            else_=tasks.c[name],
        )
        for name in names
    }
    since = func.coalesce(tasks.c.completed_at, _turn.c.now)
    return {**new, "completed_at": case((new["completed"], since), else_=null())}


def _update() -> Statement:
    expected = bindparam("expected_version", type_=Integer)
    wanted = _locked(tasks.c.id == _id, or_(expected.is_(None), tasks.c.version == expected))
    return Statement(_written(wanted, _numbered(exists(wanted)), **_patch(_WRITTEN)))


def _update_all() -> Statement:
    add = bindparam("add_labels", type_=ARRAY(Text))
    remove = bindparam("remove_labels", type_=ARRAY(Text))
    labels = func.tasks.relabelled(tasks.c.labels, remove, add)
    new = _patch(["completed", "priority", "due_on"])
    return Statement(_written(_all, _numbered(_all_found), **new, labels=labels))


def _move(*, trash: bool) -> Statement:
    """Into the trash or out of it: all that were asked for, written only if not there already."""
    is_there = _all.c.trashed_at.is_not(None) if trash else _all.c.trashed_at.is_(None)
    numbered = _numbered(_all_found, exists(select(_all.c.id).where(~is_there)))
    trashed_at = func.now() if trash else null()
    moved = _written(_all, numbered, ~is_there, trashed_at=trashed_at).cte("moved")
    return Statement(select(moved).union_all(select(_all).where(is_there)))


def _delete(wanted: CTE, *when: ColumnElement[bool]) -> Statement:
    how_many = select(func.count(wanted.c.id)).scalar_subquery()
    numbered = _numbered(
        *when,
        task_count=owners.c.task_count - how_many,
        tombstone_count=owners.c.tombstone_count + how_many,
    )
    gone = (
        delete(tasks)
        .where(_mine, tasks.c.id == wanted.c.id, numbered.c.change_number.is_not(None))
        .returning(tasks.c.id)
        .cte("gone")
    )
    return Statement(
        update(task_ids)
        .where(task_ids.c.owner_id == OWNER, task_ids.c.id == gone.c.id)
        .values(deleted_at=func.now(), change_number=numbered.c.change_number)
        .returning(task_ids.c.id)
    )


UPDATE = _update()
UPDATE_ALL = _update_all()
TRASH = _move(trash=True)
RESTORE = _move(trash=False)
DELETE = _delete(_all, _all_found)


def _days_ago(days: int) -> ColumnElement[Any]:
    return func.now() - func.make_interval(0, 0, 0, days)


IS_STALE = tasks.c.trashed_at < _days_ago(TRASH_DAYS)
IS_FORGETTABLE = task_ids.c.deleted_at < _days_ago(TOMBSTONE_DAYS)
_stale = _locked(IS_STALE, most=RETAINED_AT_ONCE)
EMPTY_TRASH = _delete(_stale, exists(_stale))


def _forget_deleted(*which: ColumnElement[bool]) -> Statement:
    """Delete these tombstones, and record the highest change number among them.

    The count never drops below 0, although it may be too low: a process of an older release does
    not count its tombstones.
    """
    forgotten = (
        delete(task_ids)
        .where(task_ids.c.owner_id == _turn.c.owner_id, task_ids.c.owner_id == OWNER, *which)
        .returning(task_ids.c.change_number)
        .cte("forgotten")
    )
    last = select(func.max(forgotten.c.change_number)).scalar_subquery()
    how_many = select(func.count(forgotten.c.change_number)).scalar_subquery()
    return Statement(
        update(owners)
        .where(_of_owner, exists(forgotten))
        .values(
            forgotten_number=func.greatest(owners.c.forgotten_number, last),
            tombstone_count=func.greatest(0, owners.c.tombstone_count - how_many),
        )
        .returning(owners.c.tombstone_count)
    )


FORGET_DELETED = _forget_deleted(IS_FORGETTABLE)


def _forget_oldest() -> Statement:
    """Delete the oldest tombstones of an owner to make room for new ids, but none of the last day.

    The tombstones are selected by their change number, not by a join on their ids: if PostgreSQL
    estimates that the owner has few tasks, a join compares each of 30,000 ids with each of 5,000.
    """
    is_old = task_ids.c.deleted_at < _days_ago(LEAST_TOMBSTONE_DAYS)
    oldest = (
        select(task_ids.c.change_number)
        .where(task_ids.c.owner_id == OWNER, is_old)
        .order_by(task_ids.c.change_number, task_ids.c.id)
        .limit(FORGOTTEN_AT_ONCE)
        .cte("oldest")
    )
    last = select(func.max(oldest.c.change_number)).scalar_subquery()
    return _forget_deleted(is_old, task_ids.c.change_number <= last)


FORGET_OLDEST = _forget_oldest()

# The row in which every writer of an owner takes turns. From here on its CHECK refuses new tasks:
# a create that was under way waits for this row, and fails.
_closed = insert(owners).values(owner_id=OWNER, task_count=0, purged_at=func.now())
CLOSE = Statement(
    _closed.on_conflict_do_update(
        index_elements=["owner_id"],
        # `now()` cannot be written here again: Citus refuses functions in this place.
        set_={
            "task_count": 0,
            "tombstone_count": 0,
            "purged_at": _closed.excluded.purged_at,
        },
    )
)


def _purge() -> Statement:
    gone = delete(tasks).where(_mine).returning(tasks.c.id).cte("gone")
    ids = delete(task_ids).where(task_ids.c.owner_id == OWNER)
    return Statement(select(func.count(gone.c.id)).add_cte(ids.cte("ids")))


PURGE = _purge()
FORGET = Statement(delete(owners).where(_of_owner, owners.c.purged_at.is_not(None)))

_FULL = {
    "ck_owners_task_count": f"makes more than the {TASKS_PER_OWNER} tasks one may keep, trash and"
    " all",
    "ck_owners_id_count": f"makes more than {IDS_PER_OWNER} tasks, with those that were deleted"
    " within the last day: try again later",
}
"""The error message for a create that violates a constraint, by the name of the constraint."""

_field_types = {
    name: TypeAdapter[Any](Annotated[field.annotation, field])  # type: ignore[arg-type]  # made at run time
    for name, field in TaskFields.model_fields.items()
} | {"add_labels": TypeAdapter[Any](Labels), "remove_labels": TypeAdapter[Any](Labels)}


class Tasks:
    """What may be done with one owner's tasks. No method takes an owner."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned

    async def get(self, id: str) -> Row:
        """Raises NotFound, after the same query, for a missing and for a malformed id."""
        rows = await self._owned.rows(GET, id=_sought(id))
        if not rows:
            raise NotFound
        return rows[0]

    async def create(self, given: Mapping[str, object]) -> Row:
        """Writes one task, or returns it when this very input was written under its id before.

        Raises BadUserInput; Conflict when the id was given to another input, or deleted for good;
        Unauthenticated when the account was purged meanwhile.
        """
        return (await self._create([_New(given)], "input"))[0]

    async def create_all(self, given: Sequence[Mapping[str, object]]) -> list[Row]:
        """Does for each input what `create` does for one, or nothing at all. Raises as it does."""
        if len(given) > MAX_AT_ONCE:
            raise BadUserInput({"inputs": f"must be at most {MAX_AT_ONCE}"})
        new: list[_New] = []
        faults: dict[str, str] = {}
        for place, input in enumerate(given):
            try:
                new.append(_New(input, place))
            except BadUserInput as fault:
                faults |= {f"inputs.{place}.{name}": why for name, why in fault.fields.items()}
        for place, task in enumerate(new if not faults else []):
            if task.id in {other.id for other in new[:place]}:
                faults[f"inputs.{place}.id"] = "is the id of another input, too"
        if faults:
            raise BadUserInput(faults)
        return await self._create(new, "inputs") if new else []

    async def _create(self, new: Sequence["_New"], named: str) -> list[Row]:
        """Only those that are not there yet. Who races for an id finds it taken and looks again."""
        there: dict[str, Row] = {}
        made_room = False
        while missing := [task for task in new if task.id not in there]:
            records = orjson.dumps([task.record for task in missing]).decode()
            try:
                rows = await self._owned.rows(CREATE, given=records, how_many=len(missing))
            except asyncpg.UniqueViolationError:
                there = await self._same(new)
            except asyncpg.CheckViolationError as violation:
                violated = constraint(violation)
                if violated == "ck_owners_purged":
                    raise Unauthenticated(token_sent=True) from None
                full = _FULL.get(violated or "")
                if full is None:
                    raise
                again = await self._same(new)
                if len(again) > len(there):  # a duplicate: the first request took the last place
                    there = again
                elif violated == "ck_owners_id_count" and not made_room:
                    await self._owned.rows(FORGET_OLDEST)
                    made_room = True
                else:
                    raise BadUserInput({named: full}) from None
            else:
                there |= {row["id"]: row for row in rows}
        return [there[task.id] for task in new]

    async def _same(self, new: Sequence["_New"]) -> dict[str, Row]:
        """Those that were created before, from the same inputs. Raises Conflict for any other."""
        ids = [task.id for task in new]
        digests = {row["id"]: row["input_digest"] for row in await self._owned.rows(SAME, ids=ids)}
        there = {row["id"]: row for row in await self._owned.rows(FOUND, ids=ids)}
        for task in new:
            row = there.get(task.id)
            if task.id in digests and (row is None or digests[task.id] != task.digest):
                current = row["version"] if row else None
                raise Conflict("This id is taken by a task that was created otherwise.", current)
        return there

    async def update(self, id: str, patch: Mapping[str, object], expected: int | None) -> Row:
        """Writes the fields in the patch; none, if it is empty.

        Raises NotFound, BadUserInput, and Conflict when there is an `expected` version that the
        task no longer has.
        """
        values = _checked(patch)
        if values:
            given = bound(values, TaskFields.model_fields) | {"id": _sought(id)}
            rows = await self._owned.rows(UPDATE, expected_version=expected, **given)
            if rows:
                return rows[0]
            if expected is None:
                raise NotFound
        current = await self.get(id)
        if values or expected not in {None, current["version"]}:
            raise Conflict("The task was changed since that version.", current["version"])
        return current

    async def update_all(self, ids: Sequence[str], patch: Mapping[str, object]) -> list[Row]:
        """Writes the patch into each, or raises NotFound, or BadUserInput, and writes nothing."""
        values = _checked(patch)
        if not values:
            return await self._each(FOUND, ids)
        add, remove = values.pop("add_labels", []), values.pop("remove_labels", [])
        if both := sorted({*add} & {*remove}):
            raise BadUserInput({"removeLabels": f"must not name {both[0]}, which is to be added"})
        given = bound(values, ("completed", "priority", "due_on"))
        try:
            return await self._each(UPDATE_ALL, ids, add_labels=add, remove_labels=remove, **given)
        except asyncpg.CheckViolationError as violation:
            if constraint(violation) != "ck_tasks_labels":
                raise
            full = f"would make more than {LABELS_PER_TASK} labels of a task"
            raise BadUserInput({"addLabels": full}) from None

    async def trash(self, ids: Sequence[str]) -> list[Row]:
        """Trashes them all, or raises NotFound, or BadUserInput for too many."""
        return await self._each(TRASH, ids)

    async def restore(self, ids: Sequence[str]) -> list[Row]:
        """Takes them all out of the trash, or raises NotFound, or BadUserInput for too many."""
        return await self._each(RESTORE, ids)

    async def delete(self, ids: Sequence[str]) -> list[Row]:
        """Deletes them all for good, or raises NotFound, or BadUserInput for too many."""
        return await self._each(DELETE, ids)

    async def retain(self) -> None:
        """Deletes what was in the trash for its days, and forgets what was deleted for its own."""
        await self._owned.rows(EMPTY_TRASH)
        await self._owned.rows(FORGET_DELETED)

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

    async def _each(self, statement: Statement, ids: Sequence[str], **values: object) -> list[Row]:
        """One row for each id, in the order of the ids."""
        if len(set(ids)) > MAX_AT_ONCE:
            raise BadUserInput({"ids": f"must be at most {MAX_AT_ONCE}"})
        wanted = list(dict.fromkeys(_sought(id) for id in ids))
        found = await self._owned.rows(statement, ids=wanted, **values)
        rows = {row["id"]: row for row in found}
        if len(rows) != len(wanted):
            raise NotFound
        return [rows[id] for id in wanted]


class _New:
    """A task to be created. Raises BadUserInput."""

    def __init__(self, given: Mapping[str, object], place: int = 0) -> None:
        written = {name: value for name, value in given.items() if value is not None}
        self.id = _new_id(written.pop("id", None))
        try:
            fields = TaskFields.model_validate(written)
        except ValidationError as error:
            faults = {to_camel(str(e["loc"][0])): why(e) for e in error.errors()}
            raise BadUserInput(faults) from None
        # Without what was left at its default, so that a field added later changes no digest.
        told = orjson.dumps(fields.model_dump(exclude_defaults=True), option=orjson.OPT_SORT_KEYS)
        self.digest = hashlib.sha256(told).digest()
        fields.position = fields.position or _position_now(place)
        self.record = {
            "id": self.id,
            "input_digest": f"\\x{self.digest.hex()}",
            **fields.model_dump(),
            **{into: folded(getattr(fields, name)) for name, into in _FOLDED.items()},
        }


def _position_now(place: int) -> str:
    """Behind all that were given one before. Of tasks created together, each has a place."""
    number, digits = time.time_ns() // 1000 + place, ""
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"i{digits}"


def _sought(id: str) -> str:
    """The id, or one that no task has instead of what is none."""
    return id if is_id(id) else NIL


def _new_id(chosen: object) -> str:
    if chosen is None:
        return str(uuid7())
    if (id := _sought(str(chosen))) in {NIL, MAX}:
        raise BadUserInput({"id": "must be a UUID in lower case, with its hyphens"})
    return id


def _checked(patch: Mapping[str, object]) -> dict[str, Any]:
    """The patch as it is stored. Raises BadUserInput naming every bad field."""
    values, faults = {}, {}
    for name, value in patch.items():
        try:
            values[name] = _field_types[name].validate_python(value)
        except ValidationError as error:
            faults[to_camel(name)] = why(error.errors()[0])
    if faults:
        raise BadUserInput(faults)
    return values


def bound(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, object]:
    """For a statement: which of these columns a patch names, and with what."""
    given: dict[str, object] = {}
    for name in names:
        value = values.get(name)
        given[f"has_{name}"] = name in values
        given[f"new_{name}"] = value
        if name in _FOLDED:
            given[f"new_{_FOLDED[name]}"] = folded(value) if value is not None else None
    return given
