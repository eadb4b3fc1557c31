"""What a resolver may touch: who calls, and data that is bound to that caller already."""

from dataclasses import dataclass

import strawberry

from api.tasks import Tasks
from api.tokens import Claims


@dataclass(frozen=True, slots=True)
class Context:
    """Of one request."""

    claims: Claims
    tasks: Tasks


Info = strawberry.Info[Context, None]
