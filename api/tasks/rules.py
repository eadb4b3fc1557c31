"""The `Resource` of tasks, and what only tasks have: a list of labels, changed in bulk."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from sqlalchemy import ARRAY, Text, any_, bindparam, collate, func, select

from api.errors import BadUserInput
from api.owned import read_sql, write_sql
from api.owned.columns import MAX_LABELS, Labels, position_now
from api.owned.filters import AllOf, AnyOf, AnyReference, From, Search, To
from api.owned.owner import Owned
from api.owned.resource import Resource
from api.owned.walls import OWNER, Statement
from api.owned.writes import Writes
from api.postgres.tables import Row
from api.postgres.violations import violated_constraint
from api.projects.rules import PROJECTS
from api.tasks.model import Status, Task, TaskFields

TASKS = Resource(
    Task,
    TaskFields,
    example={"title": "Buy milk"},
    statuses={
        Status.TRASHED: "trashed_at IS NOT NULL",
        Status.COMPLETED: "completed",
        Status.OPEN: None,
    },
    sorted_by={
        "created_at": "created_at",
        "updated_at": "updated_at",
        "position": "position",
        "title": "title_folded",
    },
    filters={
        "project_ids": AnyReference("project_id"),
        "search": Search("title", "description", "labels"),
        "labels": AllOf("labels"),
    },
    bulk=("completed", "project_id"),
    listed={
        "priority": AnyOf("priority"),
        "due_from": From("due_on"),
        "due_to": To("due_on"),
    },
    folded={"title": "title_folded", "description": "description_folded"},
    since={"completed": "completed_at"},
    filled={"position": position_now},
    references={"project_id": PROJECTS},
    part_of="project_id",
    bulky=["description", "labels"],
    prefix="",  # the columns of `owners` that count tasks are older than other resources
)

MAX_LABELS_LISTED = 1_000
"""The most labels in one response. An owner may have 200,000."""
_LABEL_RULES = {name: TypeAdapter[Any](Labels) for name in ("add_labels", "remove_labels")}


def _labels() -> Statement:
    """Return the statement that reads the labels of the tasks in some statuses, sorted."""
    tasks = TASKS.table
    found = (
        select(collate(func.unnest(tasks.c.labels), "C").label("label"))
        .where(tasks.c.owner_id == OWNER, tasks.c.status == any_(read_sql.STATUSES))
        .distinct()
        .cte("found")
    )
    return Statement(select(found.c.label).order_by(found.c.label).limit(read_sql.LIMIT))


LABELS = _labels()


def _change_all() -> Statement:
    """Return the statement that writes a patch and labels into all tasks of `ids`, or none."""
    add = bindparam("add_labels", type_=ARRAY(Text))
    remove = bindparam("remove_labels", type_=ARRAY(Text))
    wanted, all_found = write_sql.locked_by_ids(TASKS)
    new = write_sql.patched(TASKS, TASKS.bulk)
    relabelled = func.tasks.relabelled(TASKS.table.c.labels, remove, add)
    number = write_sql.numbered(all_found)
    return Statement(
        write_sql.written(TASKS, wanted, number, **new, labels=relabelled), TASKS.record
    )


CHANGE_ALL = _change_all()


async def shown_labels(owned: Owned) -> list[str]:
    """Return the first `MAX_LABELS_LISTED` labels of tasks that are not in the trash, sorted."""
    values = {"statuses": TASKS.shown_statuses, "limit": MAX_LABELS_LISTED}
    return [row["label"] for row in await owned.rows(LABELS, **values)]


async def update_all(tasks: Writes, ids: Sequence[str], patch: Mapping[str, object]) -> list[Row]:
    """Write a patch into all of the tasks, or none. It may have `add_labels` and `remove_labels`.

    Raises NotFound, and BadUserInput.
    """
    values = tasks.checked(patch, _LABEL_RULES)
    if not values:
        return await tasks.update_all(ids, {})
    add, remove = values.pop("add_labels", []), values.pop("remove_labels", [])
    if both := sorted({*add} & {*remove}):
        raise BadUserInput(
            {"removeLabels": f"must not contain {both[0]}, which is also in `addLabels`"}
        )
    given = write_sql.patch_values(TASKS, values, TASKS.bulk)
    try:
        return await tasks.each(CHANGE_ALL, ids, add_labels=add, remove_labels=remove, **given)
    except asyncpg.CheckViolationError as violation:
        if violated_constraint(violation) != "ck_tasks_labels":
            raise
        full = f"would make more than {MAX_LABELS} labels of a task"
        raise BadUserInput({"addLabels": full}) from None
