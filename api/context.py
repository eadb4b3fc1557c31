"""What a resolver may touch: who calls, and data that is bound to that caller already."""

from typing import NamedTuple, Self

import strawberry

from api.changes import Changes
from api.database import Database
from api.lists import Lists
from api.tasks import Tasks
from api.tokens import Claims


class Context(NamedTuple):
    """Of one request."""

    claims: Claims
    tasks: Tasks
    lists: Lists
    changes: Changes

    @classmethod
    def of(cls, claims: Claims, database: Database) -> Self:
        """Of a request with these claims."""
        owned = database.of(claims.user_id)
        return cls(claims, Tasks(owned), Lists(owned), Changes(owned))


Info = strawberry.Info[Context, None]
