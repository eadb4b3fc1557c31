"""What a resolver may touch: who calls, and data that is bound to that caller already."""

from typing import NamedTuple, Self

import strawberry

from api.identity.tokens import Claims
from api.owned.changes import Changes
from api.owned.lists import Lists
from api.postgres.database import Database
from api.tasks.rules import Tasks


class Context(NamedTuple):
    """Of one request."""

    claims: Claims
    tasks: Tasks
    lists: Lists
    changes: Changes
    fields: frozenset[str] | None
    """Names of which the document selects fields, wherever in it; None if that is not known."""

    @classmethod
    def of(cls, claims: Claims, database: Database, fields: frozenset[str] | None = None) -> Self:
        """Of a request with these claims, that selects such fields."""
        owned = database.of(claims.user_id)
        return cls(claims, Tasks(owned), Lists(owned), Changes(owned), fields)


Info = strawberry.Info[Context, None]
