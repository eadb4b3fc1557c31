"""Read rows of one owner: by their ids, a page of a list, or the count of a list."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.errors import BadUserInput, NotFound
from api.owned import cursors, read_sql
from api.owned.columns import id_or_nil, reason
from api.owned.cursors import Cursors, InvalidCursor
from api.owned.filters import not_empty
from api.owned.owner import Owned
from api.owned.read_sql import NEWEST_FIRST, Order
from api.owned.resource import Resource
from api.owned.sort_keys import SortKey, sort_key
from api.owned.walls import Statement
from api.postgres.tables import Row


@dataclass(frozen=True)
class Page:
    """A page of a list, and the cursors of its rows."""

    rows: Sequence[Row]
    has_next_page: bool
    has_previous_page: bool
    total: int | None
    """The number of rows in the whole list, if they were counted."""
    scope: Callable[[], str] = field(repr=False)
    column: str = field(repr=False)
    key: SortKey = field(repr=False)

    @cached_property
    def cursor(self) -> Callable[[Row], str]:
        """A function that returns the cursor of one of the rows."""
        at, write, column = Cursors(self.scope()).encode, self.key.write, self.column
        return lambda row: at("" if (key := row[column]) is None else write(key), row["id"])

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first row. It is computed only if a client selects it."""
        return self.cursor(self.rows[0]) if self.rows else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last row, like `start_cursor`."""
        return self.cursor(self.rows[-1]) if self.rows else None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a client asks for: its size, the cursor before it, its filter and its order.

    If `counted`, the whole list is counted in the same statement. The bulky columns in `without`
    are not read.
    """

    first: int | None = None
    after: str | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)
    """Values for `status` and the filters of the resource. A value of None sets no condition.
    Without a `status`, the list leaves out the trash."""
    order: Order = NEWEST_FIRST
    counted: bool = False
    without: frozenset[str] = frozenset()


class Reads:
    """Reads one owner's rows of a resource. No method takes an owner."""

    def __init__(self, owned: Owned, resource: Resource) -> None:
        self._owned = owned
        self._resource = resource
        self._has_searched = False
        """Whether `pages_of` or `counts_of` has begun a search. Further calls are parts of it."""

    async def get(self, id: str) -> Row:
        """Return a row. Raises NotFound, after the same query, for a missing or malformed id."""
        rows = await self._owned.rows(read_sql.one(self._resource), id=id_or_nil(id))
        if not rows:
            raise NotFound(self._resource.one)
        return rows[0]

    async def several(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return those of the rows that exist, by their ids, in one statement."""
        rows = await self._owned.rows(read_sql.several(self._resource), ids=ids)
        return {row["id"]: row for row in rows}

    async def count(self, filter: Mapping[str, Any]) -> int:
        """Return how many rows match a filter.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """
        values, filtered = self._values(filter)
        [row] = await self._run(read_sql.count(self._resource, filtered=filtered), values)
        return int(row["total"])

    async def page(self, request: PageRequest) -> Page:
        """Return a page of the list.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """
        resource, order = self._resource, request.order
        values, filtered = self._values(request.filter)
        scope = partial(self._scope, order, values)
        statement = read_sql.page(
            resource,
            order.by,
            descending=order.descending,
            filtered=filtered,
            counted=request.counted,
            without=request.without,
        )
        bound = self._bound(request, scope)
        rows = await self._run(statement, {**values, **bound})
        total = None
        if request.counted:  # the total is in the rows: an empty page needs another query
            total = rows or await self._execute(read_sql.count(resource, filtered=filtered), values)
        return self._page(rows, request, scope, total)

    async def pages_of(
        self, reference: str, parents: Sequence[str], request: PageRequest
    ) -> dict[str, Page]:
        """Return a page of the rows that refer to each parent. One statement reads all pages.

        A cursor belongs to the list of one parent. `page` accepts it too, with the same filter and
        order, if the filter also selects the rows of only this parent. Raises the same errors as
        `page`.

        All calls on one `Reads` count as one search: a loader makes several calls with one request
        if it learns of the parents at different times.
        """
        order = request.order
        values, _ = self._values(request.filter, with_all=True)
        parameter = self._resource.parameter_of(reference)
        scopes = {
            parent: partial(self._scope, order, {**values, parameter: [parent]})
            for parent in parents
        }
        if request.after is not None and len(parents) > 1:
            raise InvalidCursor
        statement = read_sql.nested_page(
            self._resource,
            reference,
            order.by,
            descending=order.descending,
            counted=request.counted,
            without=request.without,
        )
        bound = self._bound(request, scopes[parents[0]])
        found: dict[str, list[Row]] = {parent: [] for parent in parents}
        for row in await self._run_part(statement, {**values, **bound, "ids": parents}):
            found[row["parent_id"]].append(row)
        total: list[Row] = []
        if request.counted and request.after is not None and not found[parents[0]]:
            # The total is in the rows: a page after the end of a list needs another query.
            count = read_sql.nested_count(self._resource, reference)
            total = await self._execute(count, {**values, "ids": parents})
        return {
            parent: self._page(
                rows, request, scopes[parent], rows or total if request.counted else None
            )
            for parent, rows in found.items()
        }

    async def counts_of(
        self, reference: str, parents: Sequence[str], filter: Mapping[str, Any]
    ) -> dict[str, int]:
        """Return how many of the rows that refer to each parent match a filter, in one statement.

        Raises the same errors as `count`. All calls on one `Reads` count as one search.
        """
        values, _ = self._values(filter, with_all=True)
        statement = read_sql.nested_count(self._resource, reference)
        rows = await self._run_part(statement, {**values, "ids": parents})
        return dict.fromkeys(parents, 0) | {row["parent_id"]: row["total"] for row in rows}

    def _values(
        self, filter: Mapping[str, Any], *, with_all: bool = False
    ) -> tuple[dict[str, object], bool]:
        """Return the values for a statement, and whether the list is filtered. Raises BadUserInput.

        A list is filtered if it has filters other than the status. If not, the values of the
        filters are left out, unless `with_all` is true.
        """
        resource = self._resource
        given = {name: value for name, value in filter.items() if value is not None}
        statuses = given.pop("status", None)
        values: dict[str, object] = {"statuses": resource.shown_statuses}
        name = "status"
        try:
            if statuses is not None:
                values["statuses"] = sorted({str(status) for status in not_empty(statuses)})
            if given or with_all:
                for name, each in resource.filters.items():
                    value = each.value(resource, given[name]) if name in given else None
                    values[f"filter_{name}"] = value
        except ValidationError as error:
            raise BadUserInput({f"filter.{to_camel(name)}": reason(error.errors()[0])}) from None
        except PydanticCustomError as error:
            raise BadUserInput({f"filter.{to_camel(name)}": error.message()}) from None
        return values, bool(given)

    def _scope(self, order: Order, values: Mapping[str, object]) -> str:
        """Return a text of all that the list depends on. Its cursors are valid only for it."""
        by = f"{order.by} {'desc' if order.descending else 'asc'}"
        filters = (f"{name}={value}" for name, value in values.items())
        return "\0".join((self._owned.owner, self._resource.name, by, *filters))

    def _bound(self, request: PageRequest, scope: Callable[[], str]) -> dict[str, object]:
        """Return the values of the parameters for the beginning and the size of a page."""
        size = cursors.size(request.first, cursors.DEFAULT_SIZE)
        key = Cursors(scope()).decode(request.after) if request.after is not None else None
        return {**read_sql.bound(self._resource, request.order, key), "limit": size + 1}

    async def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement. Raises OperationTooLarge for the second search of an operation."""
        if self._is_search(values):
            self._owned.begin_search()
        return await self._execute(statement, values)

    async def _run_part(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement that may be one of several parts of a search.

        If each part counted as a search, the timing of other statements would decide whether an
        operation is refused. All parts together read each parent once, as one search does.
        """
        if self._is_search(values) and not self._has_searched:
            self._owned.begin_search()
            self._has_searched = True
        return await self._execute(statement, values)

    async def _execute(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement for a list that was already counted as a search."""
        run = self._owned.search if self._is_search(values) else self._owned.rows
        return await run(statement, **values)

    def _is_search(self, values: Mapping[str, Any]) -> bool:
        return any(values.get(parameter) for parameter in self._resource.searches)

    def _page(
        self,
        rows: Sequence[Row],
        request: PageRequest,
        scope: Callable[[], str],
        counted: Sequence[Row] | None,
    ) -> Page:
        size = cursors.size(request.first, cursors.DEFAULT_SIZE)
        column = self._resource.table.c[self._resource.sorted_by[request.order.by]]
        return Page(
            rows[:size],
            len(rows) > size,
            request.after is not None,
            None if counted is None else int(counted[0]["total"]) if counted else 0,
            scope,
            column.name,
            sort_key(column),
        )
