"""The `Resource` of projects."""

from api.owned.columns import position_now
from api.owned.filters import Search
from api.owned.resource import Resource
from api.projects.model import Project, ProjectFields, Status

PROJECTS = Resource(
    Project,
    ProjectFields,
    example={"name": "Move house"},
    most=500,
    most_ids=1_500,
    statuses={
        Status.TRASHED: "trashed_at IS NOT NULL",
        Status.ARCHIVED: "archived",
        Status.ACTIVE: None,
    },
    shown=(Status.ACTIVE,),
    sorted_by={
        "position": "position",
        "name": "name_folded",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    filters={"search": Search("name", "description")},
    folded={"name": "name_folded", "description": "description_folded"},
    since={"archived": "archived_at"},
    filled={"position": position_now},
    bulky=["description"],
)
