"""The context of a request: its caller, and access to the rows of this caller only."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import strawberry
from graphql.pyutils import Path

from api.identity.tokens import Claims
from api.loader import Load, Loader
from api.owned.changes import Changes
from api.owned.live import Live
from api.owned.owner import Owned
from api.owned.reads import Page, PageRequest, Reads
from api.owned.resource import Resource
from api.owned.writes import Writes
from api.postgres.database import Database
from api.postgres.tables import Row

_V = TypeVar("_V")


class Delivery(NamedTuple):
    """What happens before an event of a subscription is delivered."""

    check: Callable[[Claims], Awaitable[None]]
    """Raises Unauthenticated if the session of the claims has ended."""
    wait: Callable[[str, float], Awaitable[None]]
    """Waits until an owner may get another event of a subscription of this cost."""


class Context:
    """What a resolver may use. No method takes an owner (wall 1, docs/walls.md)."""

    __slots__ = ("_delivery", "_loaders", "_selected", "claims", "owned")

    def __init__(
        self,
        claims: Claims,
        database: Database,
        selected: Mapping[tuple[str, ...], frozenset[str]] | None = None,
        live: Live | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        """Bind the context to a caller.

        `selected` has the result of the method `selected` for each path, or is None if unknown.
        Subscriptions need `live` and `delivery`.
        """
        self.claims = claims
        self.owned = Owned(database, claims.user_id, live)
        self._delivery = delivery
        self._selected = selected
        self._loaders: dict[object, Loader[Any]] = {}

    def read(self, resource: Resource) -> Reads:
        """Return an object that reads the caller's rows of a resource."""
        return Reads(self.owned, resource)

    def write(self, resource: Resource) -> Writes:
        """Return an object that writes the caller's rows of a resource. Clear the data loaders."""
        self._loaders.clear()
        return Writes(self.owned, resource)

    def changes(self, resource: Resource) -> Changes:
        """Return the change feed of the caller's rows of a resource."""
        return Changes(self.owned, resource)

    async def wait_for_event(self, cost: float) -> None:
        """Wait until the caller may get another event of a subscription of this cost."""
        if self._delivery:
            await self._delivery.wait(self.claims.user_id, cost)

    async def begin_event(self) -> None:
        """Prepare the context for the next event of a subscription, which reads all rows again.

        Raises Unauthenticated if the session or the account has ended, and Unavailable if that is
        not known.
        """
        if self._delivery:
            await self._delivery.check(self.claims)
        self._loaders.clear()
        self.owned.begin_event()

    async def load(
        self, resource: Resource, rows: Sequence[Row], reference: str
    ) -> list[Row | None]:
        """Return the row to which each row refers, or None. One statement loads all of them."""
        ids = [row[reference] for row in rows]
        load = self.read(resource).several
        found = await self._loaded(resource, load, [id for id in ids if id is not None])
        return [found.get(id) for id in ids]

    async def pages_of(
        self, resource: Resource, reference: str, parents: Sequence[Row], request: PageRequest
    ) -> list[Page | BaseException]:
        """Return the page of the rows that refer to each parent, in one statement.

        A cursor belongs to the list of one parent, so pages after a cursor are loaded one by one.
        If such a page cannot be read, an exception takes its place. Raises BadUserInput, and
        OperationTooLarge for the second search of an operation.
        """
        rows = self.read(resource)

        async def load(ids: list[str]) -> Mapping[str, Page]:
            return await rows.pages_of(reference, ids, request)

        async def page(id: str) -> Page:
            return (await self._loaded((resource, reference, id, repr(request)), load, [id]))[id]

        ids = [parent["id"] for parent in parents]
        if request.after is not None:
            return await gather(*map(page, ids), return_exceptions=True)
        pages = await self._loaded((resource, reference, repr(request)), load, ids)
        return [pages[id] for id in ids]

    async def counts_of(
        self,
        resource: Resource,
        reference: str,
        parents: Sequence[Row],
        filter: Mapping[str, Any],
    ) -> list[int]:
        """Return how many rows refer to each parent, in one statement.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """
        rows = self.read(resource)

        async def load(ids: list[str]) -> Mapping[str, int]:
            return await rows.counts_of(reference, ids, filter)

        ids = [parent["id"] for parent in parents]
        counts = await self._loaded((resource, reference, repr(filter)), load, ids)
        return [counts[id] for id in ids]

    def selected(self, path: Path) -> frozenset[str] | None:
        """Return the fields, such as `Task.title`, that are selected below a path of the response.

        The field at the path must have arguments. Return None if it is not known.
        """
        if self._selected is None:
            return None
        return self._selected.get(tuple(key for key in path.as_list() if isinstance(key, str)))

    async def _loaded(self, key: object, load: Load[_V], ids: Sequence[str]) -> Mapping[str, _V]:
        """Return the results of `load`. Fields with equal keys share one call of `load`.

        `load` must not refer to this context, because that would be a reference cycle.
        """
        loader = self._loaders.get(key)
        if loader is None:
            loader = self._loaders[key] = Loader(load)
        return await loader.values(ids)


Info = strawberry.Info[Context, None]
