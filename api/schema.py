"""The GraphQL schema, composed of the types of each noun."""

from datetime import date, datetime

import strawberry
from strawberry import ID
from strawberry.schema.config import StrawberryConfig

from api import scalars, types
from api.context import Info
from api.graphql.documents import Prepared
from api.graphql.execution import Replaying
from api.owned import changes
from api.owned.columns import MAX_LABEL
from api.owned.resource import RESOURCES
from api.projects.types import ProjectMutation, ProjectQuery, ProjectSubscription
from api.tasks.rules import MAX_LABELS_LISTED
from api.tasks.types import TaskMutation, TaskQuery, TaskSubscription, TaskViewer


@strawberry.type(description="The user whose access token was sent with the request.")
class Viewer(TaskViewer):
    id: ID = strawberry.field(
        description="The `user_id` of the token: the owner of the returned rows."
    )
    email: str | None = strawberry.field(description="The `email` of the token, if it has one.")

    @strawberry.field(
        description="The cursor after all changes so far. Read it before a list. Then pass it to "
        "`taskChanges` or `projectChanges` to get the changes to that list."
    )
    async def change_cursor(self, info: Info) -> str:
        return await changes.current(info.context.owned)


@strawberry.type(description="Queries. They return only the caller's own rows.")
class Query(TaskQuery, ProjectQuery):
    @strawberry.field(description="The caller.")
    def viewer(self, info: Info) -> Viewer:
        claims = info.context.claims
        return Viewer(id=ID(claims.user_id), email=claims.email)


@strawberry.type(description="Mutations. They write only the caller's own rows.")
class Mutation(TaskMutation, ProjectMutation):
    pass


@strawberry.type(description="Subscriptions. They deliver only the caller's own rows.")
class Subscription(TaskSubscription, ProjectSubscription):
    pass


class Schema(strawberry.Schema):
    def process_errors(self, *_: object) -> None:
        """Log nothing: most errors are the client's, and `graphql.http` logs bugs."""


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[types.ErrorCode],
    extensions=[Prepared],
    config=StrawberryConfig(scalar_map={datetime: scalars.DateTime, date: scalars.Date}),
    execution_context_class=Replaying,
)

ROW_TYPES = {each.type_name: each.record for each in RESOURCES}
"""The class of the rows of each type. Compiled execution reads their columns by index."""
SIZES = types.sizes(RESOURCES) | {
    "Viewer": {
        "id": 2 + 4 * 255,
        "email": 8_192,
        "labels": 2 + MAX_LABELS_LISTED * (4 * MAX_LABEL + 3),
        "changeCursor": types.CHANGE_CURSOR,
    }
}
"""The most bytes of each long field in JSON."""
