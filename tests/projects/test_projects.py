"""The queries and mutations of projects, and of the tasks in them."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests.conftest import Caller, run
from tests.tasks.test_tasks import MANY as MANY_TASKS

pytestmark = pytest.mark.partitioned

PROJECT = """id name description color position archivedAt version createdAt updatedAt trashedAt"""
CREATE = f"""mutation ($i: CreateProjectInput!) {{
  createProject(input: $i) {{ project {{ {PROJECT} }} }} }}"""
CREATE_ALL = f"""mutation ($inputs: [CreateProjectInput!]!) {{
  createProjects(inputs: $inputs) {{ projects {{ {PROJECT} }} }} }}"""
UPDATE = f"""mutation ($id: ID!, $patch: ProjectPatch!, $version: Int) {{
  updateProject(id: $id, patch: $patch, expectedVersion: $version) {{
    project {{ {PROJECT} }} }} }}"""
ANSWERS = {
    "trashProjects": f"projects {{ {PROJECT} }}",
    "restoreProjects": f"projects {{ {PROJECT} }}",
    "deleteProjects": "deletedIds",
}
MANY = {
    name: f"mutation ($ids: [ID!]!) {{ {name}(ids: $ids) {{ {answer} }} }}"
    for name, answer in ANSWERS.items()
}
UPDATE_TASK = """mutation ($id: ID!, $patch: TaskPatch!) {
  updateTask(id: $id, patch: $patch) { task { version trashedAt project { id } } } }"""
UPDATE_TASKS = """mutation ($ids: [ID!]!, $patch: TasksPatch!) {
  updateTasks(ids: $ids, patch: $patch) { tasks { project { id } } } }"""
LIST = """query ($filter: ProjectFilter, $orderBy: ProjectOrder) {
  projects(filter: $filter, orderBy: $orderBy) { nodes { name } totalCount } }"""
EVERY_TASK = """{ tasks(first: 100, orderBy: {field: TITLE, direction: ASC},
  filter: {status: [OPEN, COMPLETED, TRASHED]}) {
  nodes { id title version trashedAt project { id } } } }"""


def create(caller: Caller, name: str = "a project", **fields: Any) -> Any:
    """Create a project, and return it with every field."""
    return caller(CREATE, i={"name": name, **fields})["createProject"]["project"]


def update(caller: Caller, project: Any, **patch: Any) -> Any:
    return caller(UPDATE, id=project["id"], patch=patch)["updateProject"]["project"]


def many(caller: Caller, operation: str, *projects: Any) -> Any:
    query = MANY[operation]
    return caller(query, ids=[project["id"] for project in projects])[operation]


def tasks(caller: Caller) -> dict[str, tuple[bool, str | None]]:
    """Return whether each task is in the trash, and the id of its project, by title."""
    return {
        task["title"]: (task["trashedAt"] is not None, task["project"] and task["project"]["id"])
        for task in caller(EVERY_TASK)["tasks"]["nodes"]
    }


def test_new_project_has_the_given_fields_and_defaults(ada: Caller) -> None:
    project = create(ada, "  Move house ", description="in\nMay", color="TEAL")
    assert project == {
        "id": project["id"],
        "name": "Move house",
        "description": "in\nMay",
        "color": "TEAL",
        "position": project["position"],
        "archivedAt": None,
        "version": 1,
        "createdAt": project["createdAt"],
        "updatedAt": project["createdAt"],
        "trashedAt": None,
    }
    other = create(ada, color=None, archived=True)
    assert other["color"] == "GRAY"
    assert other["archivedAt"] == other["createdAt"]
    assert other["position"] > project["position"]
    found = ada("query ($id: ID!) { project(id: $id) { id } }", id=other["id"])
    assert found["project"] == {"id": other["id"]}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": " \t "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "half \ud83d"}, "name"),
        ({"name": "x", "description": "x" * 10_001}, "description"),
        ({"name": "x", "position": "no key"}, "position"),
        ({"name": "x", "id": "not-a-uuid"}, "id"),
    ],
)
def test_bad_input_is_named_in_the_error_and_nothing_is_written(
    ada: Caller, fields: dict[str, str], named: str
) -> None:
    error = ada.error(CREATE, i=fields)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert list(error["extensions"]["fields"]) == [named]
    assert ada(LIST)["projects"]["totalCount"] == 0


def test_update_changes_only_the_fields_of_the_patch(ada: Caller) -> None:
    project = create(ada, "one", description="kept", color="RED")
    renamed = update(ada, project, name="two")
    assert (renamed["name"], renamed["description"], renamed["color"]) == ("two", "kept", "RED")
    assert renamed["version"] == 2
    cleared = update(ada, project, description=None, color=None)
    assert (cleared["description"], cleared["color"]) == ("", "GRAY")
    for name in ("name", "position", "archived"):
        error = ada.error(UPDATE, id=project["id"], patch={name: None})
        assert list(error["extensions"]["fields"]) == [name]
    error = ada.error(UPDATE, id=project["id"], patch={"name": "x"}, version=1)
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": 3}


def test_list_shows_active_projects_by_position_unless_asked_otherwise(ada: Caller) -> None:
    for name in ("b", "a", "C"):
        create(ada, name)
    create(ada, "archived", archived=True)
    many(ada, "trashProjects", create(ada, "trashed"))

    def names(**variables: Any) -> list[str]:
        return [node["name"] for node in ada(LIST, **variables)["projects"]["nodes"]]

    assert names() == names(filter={"status": None}) == ["b", "a", "C"]
    assert names(orderBy={"field": "NAME"}) == ["a", "b", "C"]
    assert names(orderBy={"field": "CREATED_AT", "direction": "DESC"}) == ["C", "a", "b"]
    assert names(filter={"status": ["ARCHIVED"]}) == ["archived"]
    assert names(filter={"status": ["TRASHED"]}) == ["trashed"]
    assert names(filter={"search": "B"}) == ["b"]


def test_archiving_a_project_leaves_its_tasks_alone(ada: Caller) -> None:
    project = create(ada)
    task = ada.create("in it", projectId=project["id"])
    assert update(ada, project, archived=True)["archivedAt"]
    assert tasks(ada) == {"in it": (False, project["id"])}
    assert ada.create("new", projectId=project["id"])["version"] == task["version"] == 1
    assert update(ada, project, archived=False)["archivedAt"] is None


def test_project_of_a_task_is_changed_and_cleared(ada: Caller) -> None:
    one, other = create(ada, "one"), create(ada, "other")
    task = ada.create("t", projectId=one["id"])
    patched = ada(UPDATE_TASK, id=task["id"], patch={"title": "t"})["updateTask"]["task"]
    assert patched["project"] == {"id": one["id"]}
    patched = ada(UPDATE_TASK, id=task["id"], patch={"projectId": other["id"]})
    assert patched["updateTask"]["task"]["project"] == {"id": other["id"]}
    patched = ada(UPDATE_TASKS, ids=[task["id"]], patch={"projectId": one["id"]})
    assert patched["updateTasks"]["tasks"] == [{"project": {"id": one["id"]}}]
    patched = ada(UPDATE_TASKS, ids=[task["id"]], patch={"completed": True})
    assert patched["updateTasks"]["tasks"] == [{"project": {"id": one["id"]}}]
    patched = ada(UPDATE_TASK, id=task["id"], patch={"projectId": None})
    assert patched["updateTask"]["task"]["project"] is None


def test_missing_foreign_malformed_and_trashed_projects_are_not_found_alike(
    ada: Caller, bob: Caller
) -> None:
    trashed = create(ada, "trashed")
    many(ada, "trashProjects", trashed)
    own, in_trash = ada.create("open"), ada.create("in the trash")
    ada(MANY_TASKS["trashTasks"], ids=[in_trash["id"]])
    ids = (create(bob)["id"], str(uuid4()), "x", "", "\ud800", str(uuid4()).upper(), trashed["id"])
    create_task = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }"
    create_tasks = """mutation ($i: [CreateTaskInput!]!) {
      createTasks(inputs: $i) { tasks { id } } }"""

    def attempts(project: str) -> Iterator[tuple[str, dict[str, Any]]]:
        given, patch = {"title": "x", "projectId": project}, {"projectId": project}
        yield create_task, {"i": given}
        yield create_tasks, {"i": [{"title": "y"}, given]}
        for task in (own, in_trash):
            yield UPDATE_TASK, {"id": task["id"], "patch": patch}
            yield UPDATE_TASKS, {"ids": [task["id"]], "patch": patch}

    for answers in zip(*map(attempts, ids), strict=True):
        contents = {ada.post(query, variables).content for query, variables in answers}
        assert len(contents) == 1
        assert b'"NOT_FOUND"' in contents.pop()
    assert tasks(ada) == {"open": (False, None), "in the trash": (True, None)}


def test_trashing_a_project_trashes_its_tasks_and_restoring_it_brings_back_exactly_those(
    ada: Caller,
) -> None:
    project, other = create(ada), create(ada, "other")
    id = project["id"]
    before = ada.create("before", projectId=id)
    ada(MANY_TASKS["trashTasks"], ids=[before["id"]])
    ada.create("completed", projectId=id, completed=True)
    ada.create("elsewhere", projectId=other["id"])
    ada.create("nowhere")
    ada.create("open", projectId=id)
    [trashed] = many(ada, "trashProjects", project)["projects"]
    assert (trashed["version"], trashed["trashedAt"]) == (2, trashed["updatedAt"])
    rest = {"elsewhere": (False, other["id"]), "nowhere": (False, None)}
    whole = {"before": (True, id), "completed": (True, id), "open": (True, id)}
    assert tasks(ada) == whole | rest
    moments = {task["trashedAt"] for task in ada(EVERY_TASK)["tasks"]["nodes"]} - {None}
    assert trashed["trashedAt"] in moments
    assert many(ada, "trashProjects", project)["projects"] == [trashed], "it is there already"
    [restored] = many(ada, "restoreProjects", project)["projects"]
    assert (restored["version"], restored["trashedAt"]) == (3, None)
    assert tasks(ada) == rest | {
        "before": (True, id),
        "completed": (False, id),
        "open": (False, id),
    }
    versions = {task["title"]: task["version"] for task in ada(EVERY_TASK)["tasks"]["nodes"]}
    assert versions == {"before": 2, "completed": 3, "elsewhere": 1, "nowhere": 1, "open": 3}


def test_task_restored_alone_leaves_a_project_that_is_in_the_trash(ada: Caller) -> None:
    project = create(ada)
    alone, with_it = (ada.create(title, projectId=project["id"]) for title in ("alone", "with it"))
    many(ada, "trashProjects", project)
    ada(MANY_TASKS["restoreTasks"], ids=[alone["id"]])
    assert tasks(ada) == {"alone": (False, None), "with it": (True, project["id"])}
    many(ada, "restoreProjects", project)
    assert tasks(ada) == {"alone": (False, None), "with it": (False, project["id"])}
    ada(MANY_TASKS["trashTasks"], ids=[with_it["id"]])
    ada(MANY_TASKS["restoreTasks"], ids=[with_it["id"]])
    assert tasks(ada)["with it"] == (False, project["id"])


def test_task_that_was_moved_while_in_the_trash_stays_there(ada: Caller) -> None:
    project, other = create(ada), create(ada, "other")
    task = ada.create("moved", projectId=project["id"])
    many(ada, "trashProjects", project)
    ada(UPDATE_TASK, id=task["id"], patch={"projectId": other["id"]})
    many(ada, "restoreProjects", project)
    many(ada, "trashProjects", other)
    many(ada, "restoreProjects", other)
    assert tasks(ada) == {"moved": (True, other["id"])}


def test_deleting_a_project_deletes_its_tasks_and_the_feeds_have_both(ada: Caller) -> None:
    project = create(ada)
    inside = [ada.create(title, projectId=project["id"]) for title in ("open", "trashed")]
    ada(MANY_TASKS["trashTasks"], ids=[inside[1]["id"]])
    ada.create("outside")
    after = ada("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
    assert many(ada, "deleteProjects", project)["deletedIds"] == [project["id"]]
    assert tasks(ada) == {"outside": (False, None)}
    feeds = ada(
        """query ($after: String) { projectChanges(after: $after) { nodes { kind projectId } }
        taskChanges(after: $after) { nodes { kind taskId } } }""",
        after=after,
    )
    assert feeds["projectChanges"]["nodes"] == [{"kind": "PURGED", "projectId": project["id"]}]
    ids = sorted(task["id"] for task in inside)
    assert feeds["taskChanges"]["nodes"] == [{"kind": "PURGED", "taskId": id} for id in ids]
    error = ada.error(CREATE, i={"name": "a project", "id": project["id"]})
    assert error["extensions"]["code"] == "CONFLICT"


def test_project_with_ten_thousand_tasks_is_trashed_restored_and_deleted(
    ada: Caller, bob: Caller, database: Postgres
) -> None:
    """PostgreSQL cancels statements that take over 3.6 s. Its statistics say: one task an owner."""
    project = create(ada)
    bob.create(projectId=create(bob)["id"])

    async def fill(connection: asyncpg.Connection) -> None:
        await connection.execute("ANALYZE tasks.tasks, tasks.task_ids, tasks.projects")
        await connection.execute(
            "WITH made AS (INSERT INTO tasks.task_ids (owner_id, id, input_digest)"
            " SELECT $1, gen_random_uuid(), '' FROM generate_series(1, $3::int) RETURNING id)"
            " INSERT INTO tasks.tasks (owner_id, id, title, title_folded, position, project_id)"
            " SELECT $1, id, 'filler', 'filler', 'a0', $2 FROM made",
            *(ada.user, project["id"], TASKS.most),
        )
        counted = "UPDATE tasks.owners SET task_count = $2 WHERE owner_id = $1"
        await connection.execute(counted, ada.user, TASKS.most)

    run(database, fill)
    count = "{ viewer { taskCount } }"
    many(ada, "trashProjects", project)
    assert ada(count)["viewer"]["taskCount"] == 0
    many(ada, "restoreProjects", project)
    assert ada(count)["viewer"]["taskCount"] == TASKS.most
    assert many(ada, "deleteProjects", project)["deletedIds"] == [project["id"]]
    assert ada(count)["viewer"]["taskCount"] == 0
    ada.create("there is room again")
