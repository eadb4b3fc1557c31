"""Lists of one owner's tasks: which ones, in what order, a page at a time, and how many.

A page is made of stretches, one for each status, each of which an index holds in the page's order:
PostgreSQL merges them and reads what it shows, however deep the page lies and however long the
list is. Tasks without a date are stretches of their own, behind all others in either direction.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property, partial
from itertools import product
from operator import attrgetter
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    SmallInteger,
    Text,
    Uuid,
    all_,
    any_,
    bindparam,
    cast,
    collate,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from api.errors import BadUserInput, OperationTooLarge
from api.owned import cursors as pages
from api.owned.cursors import Cursors
from api.owned.tables import (
    MAX,
    NIL,
    PARAGRAPHS,
    SHOWN,
    SORTED_BY,
    Labels,
    Priority,
    Row,
    Status,
    TaskRow,
    folded,
    is_id,
    label_text,
    position_key,
    tasks,
    why,
)
from api.owned.walls import OWNER, Statement
from api.postgres.database import Owned


class OrderField(StrEnum):
    """What a list may be ordered by: a name in `SORTED_BY`."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    DUE_ON = "due_on"
    PRIORITY = "priority"
    POSITION = "position"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class Order:
    """Ties go by id, in the same direction."""

    field: OrderField = OrderField.CREATED_AT
    descending: bool = True


MAX_WORDS = 10
"""The most words of one search. Each word is searched for in all text of the owner."""
LITERAL = "***="
"""The prefix of a literal regular expression (PostgreSQL, "Regular Expression Metasyntax").

The time that PostgreSQL needs to match such an expression depends only on the length of the text.
`LIKE` and `strpos` may compare the whole word at each position of the text: for 2,000 tasks of
10,000 letters they took seconds.
"""

_search = TypeAdapter[str](Annotated[str, StringConstraints(max_length=200), PARAGRAPHS])
_labels = TypeAdapter[list[str]](Labels)


@dataclass(frozen=True, slots=True)
class Filter:
    """The tasks to which all that it says applies; None says nothing, but for the status."""

    status: Sequence[Status] | None = None
    """Any of these. None leaves out the trash."""
    search: str | None = None
    """Each of its words occurs in the title, the description or a label, whatever its case."""
    priority: Sequence[Priority] | None = None
    """Any of these."""
    labels: Sequence[str] | None = None
    """Each of these."""
    due_from: date | None = None
    due_to: date | None = None
    """Both days included."""

    def values(self) -> dict[str, object]:
        """What it says, for a statement. Raises BadUserInput."""
        for name in ("status", "priority", "labels"):
            if getattr(self, name) is not None and not getattr(self, name):
                raise BadUserInput({f"filter.{name}": "must name one, or be left out"})
        said: dict[str, object] = {"statuses": _statuses(self.status)}
        if self.is_narrow:
            said |= {
                "words": self._patterns(),
                "priorities": sorted({int(p) for p in self.priority}) if self.priority else None,
                "all_labels": self._checked("labels", _labels),
                "due_from": self.due_from,
                "due_to": self.due_to,
            }
        return said

    @property
    def is_narrow(self) -> bool:
        """Whether it says more than a status."""
        return _narrowing(self) != _NOTHING

    def _patterns(self) -> list[str] | None:
        text = self._checked("search", _search)
        if text is None:
            return None
        words = sorted({*text.split()})
        if len(words) > MAX_WORDS:
            raise BadUserInput({"filter.search": f"must be at most {MAX_WORDS} words"})
        return [_pattern(word) for word in words] or None

    def _checked(self, name: str, adapter: TypeAdapter[Any]) -> Any:
        value = getattr(self, name)
        try:
            return None if value is None else adapter.validate_python(value)
        except ValidationError as error:
            raise BadUserInput({f"filter.{name}": why(error.errors()[0])}) from None


_NARROWING = tuple(each.name for each in fields(Filter) if each.name != "status")
_NOTHING = (None,) * len(_NARROWING)
_narrowing = attrgetter(*_NARROWING)


def _pattern(word: str) -> str:
    """Return a regular expression for a word, folded as texts are or normalized as labels are."""
    text, label = folded(word), label_text(word)
    if text == label:
        return LITERAL + text
    return "|".join(re.sub(r"(\W)", r"\\\1", each) for each in (text, label))


_BUT_TRASH = sorted(each.value for each in Status if each is not Status.TRASHED)


def _statuses(status: Sequence[Status] | None) -> list[str]:
    return _BUT_TRASH if status is None else sorted({each.value for each in status})


@dataclass(frozen=True, slots=True)
class _Key:
    """What a list is sorted by: its values in a cursor, and a bound below and above them all."""

    parameter: ColumnElement[Any]
    lowest: object
    highest: object
    write: Callable[[Any], str]
    read: Callable[[str], object]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _of_moment(moment: datetime) -> str:
    """In microseconds: a quarter of the time that `isoformat` takes, for each edge of a page."""
    since = moment - _EPOCH
    return str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _moment(text: str) -> datetime:
    try:
        return _EPOCH + int(text) * _MICROSECOND
    except OverflowError:
        raise ValueError(text) from None


def _title(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    return text


def _priority(text: str) -> int:
    return Priority(int(text))


# asyncpg writes the first and the last moment that Python has, without a zone, as infinite.
_moments = _Key(
    bindparam("after", type_=DateTime(timezone=True)),
    datetime.min,  # noqa: DTZ901
    datetime.max,  # noqa: DTZ901
    _of_moment,
    _moment,
)
_KEYS = {
    OrderField.CREATED_AT: _moments,
    OrderField.UPDATED_AT: _moments,
    OrderField.DUE_ON: _Key(
        bindparam("after", type_=Date), "-infinity", "infinity", str, date.fromisoformat
    ),
    OrderField.PRIORITY: _Key(bindparam("after", type_=SmallInteger), -1, 5, str, _priority),
    OrderField.POSITION: _Key(bindparam("after", type_=Text), "", "{", str, position_key),
    # More of Unicode's last character than a title has room for.
    OrderField.TITLE: _Key(bindparam("after", type_=Text), "", "\U0010ffff" * 201, str, _title),
}
_mine = tasks.c.owner_id == OWNER
_in_status = bindparam("statuses", type_=ARRAY(Text))


def _narrowed() -> Iterator[ColumnElement[bool]]:
    words = bindparam("words", type_=ARRAY(Text))
    labels = func.array_to_string(tasks.c.labels, "\n")
    searched = tasks.c.title_folded + "\n" + tasks.c.description_folded + "\n" + labels
    yield or_(words.is_(None), searched.regexp_match(all_(words)))
    priorities = bindparam("priorities", type_=ARRAY(SmallInteger))
    yield or_(priorities.is_(None), tasks.c.priority == any_(priorities))
    all_labels = bindparam("all_labels", type_=tasks.c.labels.type)
    yield or_(all_labels.is_(None), tasks.c.labels.contains(all_labels))
    due_from, due_to = (bindparam(name, type_=Date) for name in ("due_from", "due_to"))
    yield or_(due_from.is_(None), tasks.c.due_on >= due_from)
    yield or_(due_to.is_(None), tasks.c.due_on <= due_to)


BULKY = frozenset({"description", "labels"})
"""Columns that take the longest to read, and need not be read where nobody looks at them."""


def _counted(*, narrow: bool) -> Select[Any]:
    return (
        select(func.count(tasks.c.id).label("tasks"))
        .where(_mine, tasks.c.status == any_(_in_status))
        .where(*(_narrowed() if narrow else ()))
    )


@cache
def page(
    by: OrderField,
    *,
    descending: bool,
    narrow: bool,
    counted: bool = False,
    without: frozenset[str] = frozenset(),
) -> Statement:
    """The statement of a page, built when it is first asked for: all of them take seconds.

    Counted, each row says how many `tasks` all pages have. Null stands for a column of `BULKY`
    that is left out.
    """
    column, limit = tasks.c[SORTED_BY[by]], bindparam("limit", type_=Integer)
    after_id = bindparam("after_id", type_=Uuid)
    bound, place = tuple_(_KEYS[by].parameter, after_id), tuple_(column, tasks.c.id)
    beyond = [place < bound if descending else place > bound]
    if column.nullable:
        behind = bindparam("after_undated", type_=Uuid)
        past = tasks.c.id < behind if descending else tasks.c.id > behind
        beyond.append(column.is_(None) & past)
    sorting = [] if column.name in TaskRow.places else [column]
    shown = [cast(null(), c.type).label(c.name) if c.name in without else c for c in SHOWN]
    stretches = [
        select(*shown, *sorting)
        .where(_mine, tasks.c.status == literal(status.value, Text))
        .where(literal(status.value, Text) == any_(_in_status), condition)
        .where(*(_narrowed() if narrow else ()))
        .order_by(*((c.desc() if descending else c) for c in (column, tasks.c.id)))
        .limit(limit)
        for status, condition in product(Status, beyond)
    ]
    found = union_all(*stretches).cte("found")
    places = (found.c[column.name], found.c.id)
    sort, id = (place.desc() if descending else place.asc() for place in places)
    whole = [_counted(narrow=narrow).scalar_subquery().label("tasks")] if counted else []
    in_order = select(found, *whole).order_by(sort.nulls_last() if column.nullable else sort, id)
    return Statement(in_order.limit(limit))


COUNTS = {narrow: Statement(_counted(narrow=narrow)) for narrow in (True, False)}
MAX_LABELS = 1_000
"""The most labels in one answer. An owner may have 200,000."""


def _labels_shown() -> Statement:
    found = (
        select(collate(func.unnest(tasks.c.labels), "C").label("label"))
        .where(_mine, tasks.c.status == any_(_in_status))
        .distinct()
        .cte("found")
    )
    in_order = select(found.c.label).order_by(found.c.label)
    return Statement(in_order.limit(bindparam("limit", type_=Integer)))


LABELS = _labels_shown()


@dataclass(frozen=True)
class Page:
    """A stretch of a list, with what makes the cursors of its rows."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool
    scope: Callable[[], str] = field(repr=False)
    sort: str = field(repr=False)
    key: _Key = field(repr=False)
    tasks: int | None = None
    """How many all pages have, if that was to be counted."""

    @cached_property
    def cursor(self) -> Callable[[Row], str]:
        """What tells where to go on behind one of the rows."""
        at, write, sort = Cursors(self.scope()).at, self.key.write, self.sort
        return lambda row: at("" if (key := row[sort]) is None else write(key), row["id"])


class Lists:
    """The lists of one owner's tasks, for one GraphQL operation. No method takes an owner."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned
        self._has_searched = False

    async def count(self, filter: Filter) -> int:
        """Return how many tasks match the filter.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """
        rows = await self._rows(COUNTS[filter.is_narrow], filter.values())
        return int(rows[0]["tasks"])

    async def labels(self) -> list[str]:
        """Return the first `MAX_LABELS` labels, sorted, of the tasks that are not in the trash."""
        rows = await self._owned.rows(LABELS, statuses=_statuses(None), limit=MAX_LABELS)
        return [row["label"] for row in rows]

    async def page(  # noqa: PLR0913 - what a list is, and what of it
        self,
        first: int | None,
        after: str | None,
        filter: Filter,
        order: Order,
        *,
        counted: bool = False,
        without: frozenset[str] = frozenset(),
    ) -> Page:
        """Return the page that follows the cursor `after`, without these columns of `BULKY`.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """
        size = pages.size(first, pages.DEFAULT_SIZE)
        key, said = _KEYS[order.field], filter.values()
        scope = partial(_scope, self._owned.owner, order, said)
        narrow, descending = filter.is_narrow, order.descending
        bound = bounds(order, Cursors(scope()).key(after) if after is not None else None)
        rows = await self._rows(
            page(
                order.field,
                descending=descending,
                narrow=narrow,
                counted=counted,
                without=without,
            ),
            {**said, **bound, "limit": size + 1},
        )
        number = None
        if counted and rows:
            number = int(rows[0]["tasks"])
        elif counted:  # the count is a column of the rows, and there are none
            [counting] = await self._run(COUNTS[narrow], said)
            number = int(counting["tasks"])
        sort = SORTED_BY[order.field]
        return Page(rows[:size], len(rows) > size, after is not None, scope, sort, key, number)

    async def _rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        if values.get("words"):
            if self._has_searched:
                raise OperationTooLarge("An operation may search once: send one for each search.")
            self._has_searched = True
        return await self._run(statement, values)

    async def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        run = self._owned.search if values.get("words") else self._owned.rows
        return await run(statement, **values)


def _scope(owner: str, order: Order, said: Mapping[str, object]) -> str:
    """Of cursors: all that a list depends on. Written when one is asked for."""
    by = f"{order.field} {'desc' if order.descending else 'asc'}"
    return "\0".join((owner, by, *(f"{name}={value}" for name, value in said.items())))


def bounds(order: Order, position: Sequence[str] | None) -> dict[str, object]:
    """Where a page begins: behind this position, if this API could have written it."""
    key, dated = _KEYS[order.field], order.field != OrderField.DUE_ON
    start, end = (key.highest, key.lowest) if order.descending else (key.lowest, key.highest)
    first, last = (MAX, NIL) if order.descending else (NIL, MAX)
    if position is None:
        found: dict[str, object] = {"after": start, "after_id": first, "after_undated": first}
    else:
        sort, id = _read(key, position, may_be_undated=not dated)
        found = (
            {"after": end, "after_id": last, "after_undated": id}
            if sort is None
            else {"after": sort, "after_id": id, "after_undated": first}
        )
    if dated:
        del found["after_undated"]
    return found


def _read(key: _Key, position: Sequence[str], *, may_be_undated: bool) -> tuple[object, str]:
    try:
        text, id = position
        sort = None if may_be_undated and not text else key.read(text)
    except ValueError:
        raise pages.NoCursor from None
    if not is_id(id) or (sort is not None and key.write(sort) != text):
        raise pages.NoCursor
    return sort, id
