"""The GraphQL types and arguments that all nouns share."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from enum import Enum
from typing import Annotated, Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast

import strawberry
from pydantic.alias_generators import to_camel
from strawberry import ID, UNSET

from api.context import Info
from api.errors import Code
from api.graphql.execution import batched
from api.owned import reads
from api.owned.changes import ChangePage
from api.owned.cursors import MAX_SIZE
from api.owned.read_sql import NEWEST_FIRST, Order
from api.owned.reads import PageRequest
from api.owned.resource import Resource
from api.owned.writes import MAX_AT_ONCE
from api.postgres.tables import Row

T = TypeVar("T")


@strawberry.enum(description="The values of `extensions.code` of an error.")
class ErrorCode(Enum):
    UNAUTHENTICATED = strawberry.enum_value(
        Code.UNAUTHENTICATED, description="There is no token, or it is invalid, expired or revoked."
    )
    NOT_FOUND = strawberry.enum_value(
        Code.NOT_FOUND, description="The caller has no row with this id, or the id is malformed."
    )
    BAD_USER_INPUT = strawberry.enum_value(
        Code.BAD_USER_INPUT,
        description="An input is not valid: `extensions.fields` tells which one, and why.",
    )
    CONFLICT = strawberry.enum_value(
        Code.CONFLICT,
        description="The row has version `extensions.currentVersion`, or the id was used before.",
    )
    OPERATION_TOO_LARGE = strawberry.enum_value(
        Code.OPERATION_TOO_LARGE, description="The request exceeds a limit."
    )
    RATE_LIMITED = strawberry.enum_value(
        Code.RATE_LIMITED, description="There are too many requests at once: try again later."
    )
    UNAVAILABLE = strawberry.enum_value(
        Code.UNAVAILABLE,
        description="The API is not available: try again. The token may still be valid.",
    )
    INTERNAL_SERVER_ERROR = strawberry.enum_value(
        Code.INTERNAL_SERVER_ERROR,
        description="A bug of the API. It is logged under `extensions.requestId`.",
    )
    BAD_REQUEST = strawberry.enum_value(
        Code.BAD_REQUEST, description="The request is not GraphQL over HTTP."
    )
    GRAPHQL_PARSE_FAILED = strawberry.enum_value(
        Code.GRAPHQL_PARSE_FAILED, description="The document has a syntax error."
    )
    GRAPHQL_VALIDATION_FAILED = strawberry.enum_value(
        Code.GRAPHQL_VALIDATION_FAILED, description="The document is not valid for this schema."
    )


@strawberry.enum(description="The direction of a list.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="The lowest value first.")
    DESC = strawberry.enum_value("DESC", description="The highest value first.")


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more items follow.")
    has_previous_page: bool = strawberry.field(description="Whether `after` was given.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item.")


@strawberry.type(description="An item of a list, and its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        description="Pass it as `after` to get the items that follow this one."
    )
    node: T = strawberry.field(description="The item.")

    @classmethod
    def of(cls, node: T, cursor: str) -> Self:
        edge = cls.__new__(cls)  # `__init__` takes twice the time, for each edge of a page
        edge.cursor, edge.node = cursor, node
        return edge


@strawberry.type(
    description="A page of a list. If the list changes, the next page still follows its last item."
)
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items with their cursors.")
    nodes: list[T] = strawberry.field(description="The items.")
    page_info: PageInfo = strawberry.field(description="The position of this page in the list.")
    total_count: int = strawberry.field(
        description="The number of items in the whole list. Counted only if selected."
    )


class _PageConnection:
    """A `Connection` of the rows of a page. Edges and cursors are made only if they are selected.

    Its fields are attributes, because a compiled operation reads an attribute without a resolver.
    """

    __slots__ = ("nodes", "page_info", "total_count")

    def __init__(self, page: reads.Page) -> None:
        self.nodes, self.page_info, self.total_count = page.rows, page, page.total

    @property
    def edges(self) -> list[Edge[Row]]:
        return [*map(Edge[Row].of, self.nodes, map(self.page_info.cursor, self.nodes))]


@strawberry.type(description="A page of changes, the earliest first.")
class Page(Generic[T]):
    nodes: list[T] = strawberry.field(description="The changes.")
    page_info: PageInfo = strawberry.field(
        description="The position of this page. The `endCursor` of an empty page is `after`."
    )


First = Annotated[
    int | None, strawberry.argument(description=f"The size of the page, 1 to {MAX_SIZE}.")
]
After = Annotated[
    str | None,
    strawberry.argument(description="A cursor of this list: the page begins after its item."),
]
AfterChange = Annotated[
    str | None,
    strawberry.argument(description="The cursor of a change or of a page, or `changeCursor`."),
]
Ids = Annotated[
    list[ID],
    strawberry.argument(description=f"Up to {MAX_AT_ONCE} ids. All are written, or none."),
]
ExpectedVersion = Annotated[
    int | None,
    strawberry.argument(description="Fail with CONFLICT unless the row has this version."),
]


Events: TypeAlias = AsyncGenerator[T, None]
"""The events of a subscription."""


def optional(description: str) -> Any:
    """Return a field of an input that clients may leave out. Its value is then UNSET."""
    return strawberry.field(default=UNSET, description=description)


class _OrderInput(Protocol):
    field: Enum
    direction: OrderDirection


def sent(input: Any) -> dict[str, Any]:
    """Return the fields that a client sent in an input, including nulls."""
    if input is None or input is UNSET:
        return {}
    return {name: _plain(value) for name, value in vars(input).items() if value is not UNSET}


def sent_all(inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the fields that a client sent in each of these inputs."""
    return [*map(sent, inputs)]


def _plain(value: Any) -> Any:
    """Return a value, with members of the schema's enums replaced by their values."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def sent_or_none(argument: T | None) -> T | None:
    """Return an argument, or None if it was left out.

    The default is UNSET, because the schema would show a default of None as `= null`.
    """
    return None if argument is UNSET else argument


def page_request(  # noqa: PLR0913 - the arguments of a list
    info: Info, resource: Resource, first: int | None, after: str | None, filter: Any, order: Any
) -> PageRequest:
    """Return the page that the arguments of a list ask for.

    The list is counted, and its bulky columns are read, only if this field selects them, or if it
    is not known what this field selects.
    """
    selected, name = info.context.selected(info.path), resource.type_name
    return PageRequest(
        first,
        sent_or_none(after),
        sent(filter),
        _order(order),
        counted=selected is None or f"{name}Connection.totalCount" in selected,
        without=frozenset(
            column
            for column, field in resource.bulky_fields.items()
            if selected is not None and f"{name}.{field}" not in selected
        ),
    )


def _order(input: _OrderInput | None) -> Order:
    if input is None or input is UNSET:
        return NEWEST_FIRST
    return Order(input.field.value, input.direction is OrderDirection.DESC)


async def connection(  # noqa: PLR0913 - the arguments of a list
    info: Info, resource: Resource, first: int | None, after: str | None, filter: Any, order: Any
) -> Connection[Any]:
    """Return a page of the caller's rows of a resource."""
    rows = info.context.read(resource)
    request = page_request(info, resource, first, after, filter, order)
    return cast("Connection[Any]", _PageConnection(await rows.page(request)))


def reference(resource: Resource, column: str, description: str) -> Any:
    """Return a field with the row that a column refers to, or null.

    The type of the field is the annotation of its attribute.
    """

    async def rows(referring: Sequence[Row], info: Info) -> list[Any]:
        return await info.context.load(resource, referring, column)

    return batched(description=description)(rows)


async def nested(  # noqa: PLR0913 - the arguments of a list
    info: Info,
    resource: Resource,
    reference: str,
    parents: Sequence[Row],
    first: int | None,
    after: str | None,
    filter: Any,
    order: Any,
) -> list[Any]:
    """Return a page of the rows that refer to each parent. One statement reads all pages.

    If a page cannot be read, an exception takes its place.
    """
    request = page_request(info, resource, first, after, filter, order)
    pages = await info.context.pages_of(resource, reference, parents, request)
    return [page if isinstance(page, BaseException) else _PageConnection(page) for page in pages]


async def changes(
    info: Info,
    resource: Resource,
    first: int | None,
    after: str | None,
    change: Callable[[Row, str], T],
) -> Page[T]:
    """Return a page of the change feed of a resource. `change` converts a row and its cursor."""
    page = await info.context.changes(resource).since(first, sent_or_none(after))
    return Page(nodes=[*map(change, page.rows, page.cursors)], page_info=_page_info(page))


def kept(row: Row) -> Any:
    """Return a row of the change feed, or None if it was deleted."""
    return None if row["version"] is None else row


async def follow(
    info: Info, resource: Resource, after: str | None, change: Callable[[Row, str], T]
) -> Events[T]:
    """Yield the changes of a resource after a cursor, or from now on. See `changes`."""
    async with aclosing(info.context.changes(resource).follow(sent_or_none(after))) as found:
        async for row, cursor in found:
            yield change(row, cursor)


def _page_info(page: ChangePage) -> PageInfo:
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.after is not None,
        start_cursor=next(iter(page.cursors), None),
        end_cursor=page.end,
    )


_CURSOR = 2_100
"""The most bytes of a cursor. The longest has a title, which case-folding can make three times as
long."""

CHANGE_CURSOR = 130
"""The most bytes of a cursor of the change feed: two numbers and an id, in base64."""


def sizes(resources: Sequence[Resource]) -> dict[str, Mapping[str, int]]:
    """Return the most bytes of each long field in JSON, by type and field."""
    per_type: dict[str, Mapping[str, int]] = {
        "PageInfo": {"startCursor": _CURSOR, "endCursor": _CURSOR}
    }
    for each in resources:
        per_type[each.type_name] = {to_camel(name): most for name, most in each.octets.items()}
        per_type[f"{each.type_name}Edge"] = {"cursor": _CURSOR}
        per_type[f"{each.type_name}Change"] = {"cursor": CHANGE_CURSOR}
    return per_type
