"""Lists of tasks within projects: their statements, their cursors and their limits."""

from typing import Any

import pytest

from dev.postgres import Postgres
from tests import stack
from tests.conftest import Caller
from tests.projects.test_projects import CREATE_ALL, create

NESTED = """query ($first: Int, $filter: TaskFilter, $orderBy: TaskOrder) {
  projects(first: $first) { nodes {
    name taskCount open: taskCount(filter: {status: [OPEN]})
    tasks(first: 10, filter: $filter, orderBy: $orderBy) {
      nodes { title project { name } } totalCount pageInfo { hasNextPage endCursor } } } } }"""
OF_ONE = """query ($id: ID!, $first: Int, $after: String, $filter: TaskFilter, $by: TaskOrder) {
  project(id: $id) { tasks(first: $first, after: $after, filter: $filter, orderBy: $by) {
    totalCount nodes { title } pageInfo { endCursor } } } }"""
AT_TOP = """query ($first: Int, $after: String, $filter: TaskFilter, $by: TaskOrder) {
  tasks(first: $first, after: $after, filter: $filter, orderBy: $by) {
    totalCount nodes { title } pageInfo { endCursor } } }"""
CREATE_TASKS = """mutation ($inputs: [CreateTaskInput!]!) {
  createTasks(inputs: $inputs) { tasks { id } } }"""
BY_TITLE = {"field": "TITLE", "direction": "ASC"}


LISTS = """query ($after: String) { projects(first: 2) { nodes {
  tasks(first: 1, after: $after) { nodes { title } pageInfo { endCursor } } } } }"""


def fill(caller: Caller, project: Any, *titles: str, **fields: Any) -> None:
    inputs = [{"title": title, "projectId": project["id"], **fields} for title in titles]
    caller(CREATE_TASKS, inputs=inputs)


@pytest.mark.parametrize("number", [1, 20, 100])
def test_one_statement_reads_each_nested_field_of_all_projects(
    ada: Caller, postgres: Postgres, number: int
) -> None:
    made = ada(CREATE_ALL, inputs=[{"name": f"project {n:03}"} for n in range(number)])
    projects = made["createProjects"]["projects"]
    for project in projects[:: max(1, number // 5)]:
        fill(ada, project, *(f"{project['name']}, task {n:02}" for n in range(12)))
        fill(ada, project, "completed", completed=True)
    given = {"first": 100, "filter": {"status": ["OPEN"]}, "orderBy": BY_TITLE}
    ada(NESTED, **given)  # the first time, a connection may be opened
    before = len(stack.statements(postgres, "bearer-tasks-api"))
    found = ada(NESTED, **given)["projects"]["nodes"]
    ran = stack.statements(postgres, "bearer-tasks-api")[before:]
    owned = [sql for sql in ran if "owner_id" in sql]
    assert len(owned) == 5, "projects, two counts, tasks, and the projects of these"
    for place, node in enumerate(found):
        name = f"project {place:03}"
        filled = place % max(1, number // 5) == 0
        titles = [f"{name}, task {n:02}" for n in range(10)] if filled else []
        assert node == {
            "name": name,
            "taskCount": 13 if filled else 0,
            "open": 12 if filled else 0,
            "tasks": {
                "nodes": [{"title": title, "project": {"name": name}} for title in titles],
                "totalCount": 12 if filled else 0,
                "pageInfo": {**node["tasks"]["pageInfo"], "hasNextPage": filled},
            },
        }
    assert len(found) == number


def test_cursor_of_a_nested_list_continues_at_the_top_level_and_back(ada: Caller) -> None:
    project, other = create(ada, "one"), create(ada, "other")
    fill(ada, project, *"abcdef")
    fill(ada, project, "z", completed=True)
    fill(ada, other, "c2", "x")
    for filter in ({"status": ["OPEN"]}, {"status": ["OPEN"], "priority": ["NONE"]}, {}):
        within = {**filter, "projectIds": [project["id"]]}
        given = {"first": 2, "by": BY_TITLE}
        page = ada(OF_ONE, id=project["id"], filter=filter, **given)["project"]["tasks"]
        assert [node["title"] for node in page["nodes"]] == ["a", "b"]
        page = ada(AT_TOP, filter=within, after=page["pageInfo"]["endCursor"], **given)["tasks"]
        assert [node["title"] for node in page["nodes"]] == ["c", "d"]
        after = page["pageInfo"]["endCursor"]
        page = ada(OF_ONE, id=project["id"], filter=filter, after=after, **given)["project"][
            "tasks"
        ]
        assert [node["title"] for node in page["nodes"]] == ["e", "f"]
        assert page["totalCount"] == 6 + (filter == {})
        for wrong in ({**filter, "projectIds": [other["id"]]}, filter or {"priority": ["NONE"]}):
            error = ada.error(AT_TOP, filter=wrong, after=after, **given)
            assert list(error["extensions"]["fields"]) == ["after"]


def test_filter_by_projects_selects_any_of_them_and_null_none(ada: Caller, bob: Caller) -> None:
    one, other = create(ada, "one"), create(ada, "other")
    foreign = create(bob, "of Bob")
    fill(bob, foreign, "of Bob")
    fill(ada, one, "in one")
    fill(ada, other, "in other")
    ada.create("in none")

    def titles(*ids: str | None) -> list[str]:
        given = {"filter": {"projectIds": [*ids]}, "by": BY_TITLE}
        return [node["title"] for node in ada(AT_TOP, **given)["tasks"]["nodes"]]

    assert titles(one["id"]) == ["in one"]
    assert titles(other["id"], one["id"], one["id"]) == ["in one", "in other"]
    assert titles(None) == ["in none"]
    assert titles(None, one["id"]) == ["in none", "in one"]
    nil = "00000000-0000-0000-0000-000000000000"
    assert titles(foreign["id"], nil, "x", "", "\ud800") == []
    nested = ada(OF_ONE, id=one["id"], filter={"projectIds": [other["id"]]})["project"]["tasks"]
    assert nested["nodes"] == []
    for wrong in ([], ["x"] * 101):
        error = ada.error(AT_TOP, filter={"projectIds": wrong})
        assert list(error["extensions"]["fields"]) == ["filter.projectIds"]


def test_nested_lists_that_could_be_too_long_are_rejected_before_they_are_read(
    ada: Caller, postgres: Postgres
) -> None:
    create(ada)
    deep = "{ projects(first: 100) { nodes { tasks(first: 100) { nodes { id title } } } } }"
    before = len(stack.statements(postgres, "bearer-tasks-api"))
    assert ada.error(deep)["extensions"]["code"] == "OPERATION_TOO_LARGE"
    ran = stack.statements(postgres, "bearer-tasks-api")[before:]
    assert not [sql for sql in ran if "tasks.projects" in sql]


def test_an_error_in_one_list_leaves_the_lists_that_share_its_statements(ada: Caller) -> None:
    """The object around the wrong cursor becomes null, and graphql-core cancels its other fields.

    The same count is selected elsewhere in the operation, and loaded together.
    """
    fill(ada, create(ada), "a", "b")
    query = """{ projects { edges { node { taskCount } }
      nodes { taskCount tasks(after: "made up") { nodes { id } } } } }"""
    for _ in range(3):  # the later ones are compiled
        response = ada.post(query)
        assert response.status_code == 200
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_one_search_may_be_in_the_lists_of_all_projects(ada: Caller) -> None:
    for name in ("one", "other"):
        fill(ada, create(ada, name), f"milk of {name}", "bread")
    found = ada(NESTED, filter={"search": "MILK"}, orderBy=BY_TITLE)["projects"]["nodes"]
    assert [[node["title"] for node in p["tasks"]["nodes"]] for p in found] == [
        ["milk of one"],
        ["milk of other"],
    ]
    twice = """{ projects { nodes { taskCount(filter: {search: "milk"})
      tasks(filter: {search: "milk"}) { nodes { id } } } } }"""
    [error, *_] = ada.post(twice).json()["errors"]
    assert error["extensions"]["code"] == "OPERATION_TOO_LARGE"


def test_page_after_the_end_of_a_search_is_empty_and_has_the_total(ada: Caller) -> None:
    """The total then takes a second statement, which is part of the same search."""
    project = create(ada)
    fill(ada, project, "milk", "more milk", "bread")
    given = {"id": project["id"], "filter": {"search": "milk"}, "by": BY_TITLE}
    page = ada(OF_ONE, **given)["project"]["tasks"]
    after = ada(OF_ONE, **given, after=page["pageInfo"]["endCursor"])["project"]["tasks"]
    assert after == {"totalCount": 2, "nodes": [], "pageInfo": {"endCursor": None}}


def test_cursor_is_rejected_by_the_lists_of_several_projects(ada: Caller) -> None:
    """A cursor belongs to the list of one project."""
    for name in ("a", "b"):
        fill(ada, create(ada, name=name), "first", "second")
    cursor = ada(LISTS)["projects"]["nodes"][0]["tasks"]["pageInfo"]["endCursor"]
    errors = ada.post(LISTS, {"after": cursor}).json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}
