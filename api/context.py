"""The context of a request: its caller, and access to the rows of this caller only."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import strawberry
from graphql.pyutils import Path
from strawberry.dataloader import DataLoader

from api.graphql.execution import Shared
from api.identity.tokens import Claims
from api.owned.changes import Changes
from api.owned.live import Live
from api.owned.owner import Owned
from api.owned.reads import Page, PageRequest, Reads
from api.owned.resource import Resource
from api.owned.writes import Writes
from api.postgres.database import Database
from api.postgres.tables import Row

if TYPE_CHECKING:
    from asyncio import Future

_V = TypeVar("_V")


class Context:
    """What a resolver may use. No method takes an owner (wall 1, docs/walls.md)."""

    __slots__ = ("_check", "_loaders", "_selected", "claims", "owned")

    def __init__(
        self,
        claims: Claims,
        database: Database,
        selected: Mapping[tuple[str, ...], frozenset[str]] | None = None,
        live: Live | None = None,
        check: Callable[[Claims], Awaitable[None]] | None = None,
    ) -> None:
        """Bind the context to a caller.

        `selected` has the result of the method `selected` for each path, or is None if unknown.
        Subscriptions need `live`, and `check`, which raises Unauthenticated for a session that has
        ended.
        """
        self.claims = claims
        self.owned = Owned(database, claims.user_id, live)
        self._check = check
        self._selected = selected
        self._loaders: dict[object, DataLoader[str, Any]] = {}

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

    async def begin_event(self) -> None:
        """Prepare the context for the next event of a subscription, which reads all rows again.

        Raises Unauthenticated if the session or the account has ended, and Unavailable if that is
        not known.
        """
        if self._check:
            await self._check(self.claims)
        self._loaders.clear()
        self.owned.begin_event()

    def load(self, resource: Resource, id: str | None) -> Shared[Row | None] | None:
        """Return an awaitable of the row with this id, or None if the id is None.

        One statement loads the rows of a whole level.
        """
        if id is None:
            return None

        async def load(ids: list[str]) -> list[Row | None]:
            rows = await self.read(resource).several(ids)
            return [rows.get(id) for id in ids]

        return self._loaded(resource, load, id)

    async def page_of(
        self, resource: Resource, reference: str, parent: str, request: PageRequest
    ) -> Page:
        """Return the page of the rows that refer to a parent. One statement loads a whole level.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """

        async def load(parents: list[str]) -> list[Page]:
            pages = await self.read(resource).pages_of(reference, parents, request)
            return [pages[parent] for parent in parents]

        # A cursor belongs to the list of one parent, so this list is loaded alone.
        of = parent if request.after is not None else None
        return await self._loaded((resource, reference, of, repr(request)), load, parent)

    async def count_of(
        self, resource: Resource, reference: str, parent: str, filter: Mapping[str, Any]
    ) -> int:
        """Return how many rows refer to a parent. One statement counts for all parents of a level.

        Raises BadUserInput, and OperationTooLarge for the second search of an operation.
        """

        async def load(parents: list[str]) -> list[int]:
            counts = await self.read(resource).counts_of(reference, parents, filter)
            return [counts[parent] for parent in parents]

        return await self._loaded((resource, reference, repr(filter)), load, parent)

    def selected(self, path: Path) -> frozenset[str] | None:
        """Return the fields, such as `Task.title`, that are selected below a path of the response.

        The field at the path must have arguments. Return None if it is not known.
        """
        if self._selected is None:
            return None
        return self._selected.get(tuple(key for key in path.as_list() if isinstance(key, str)))

    def _loaded(
        self, key: object, load: Callable[[list[str]], Awaitable[list[_V]]], id: str
    ) -> Shared[_V]:
        """Return the result of `load` for an id. It is shared by fields with equal keys and ids."""
        loader = self._loaders.get(key)
        if loader is None:
            loader = self._loaders[key] = DataLoader(load)
        return Shared(cast("Future[_V]", loader.load(id)))


Info = strawberry.Info[Context, None]
