"""Nobody meets anybody else's tasks: not read, not written, not even learned of."""

import inspect
import json
from itertools import product
from uuid import uuid4

import pytest
from graphql import GraphQLObjectType

from api import changes, lists, tasks
from api.database import Owned
from api.schema import schema
from api.statements import Statement
from tests import scope
from tests.conftest import TASK, Caller
from tests.test_pages import PAGE
from tests.test_tasks import ANSWERS, MANY, SAID, UPDATE

# Each operation that takes an id, given one.
BY_ID = {
    "task": f"query ($id: ID!) {{ task(id: $id) {{ {TASK} }} }}",
    "updateTask": f"""mutation ($id: ID!) {{
      updateTask(id: $id, patch: {{title: "stolen"}}) {{ task {{ {TASK} }} }}
    }}""",
} | {
    name: f"mutation ($id: ID!) {{ {name}(ids: [$id]{SAID.get(name, '')}) {{ {answer} }} }}"
    for name, answer in ANSWERS.items()
}


def attempt(thief: Caller, operation: str, id: str) -> tuple[int, dict[str, str], bytes]:
    """Everything that the thief can see of the answer but the time of day."""
    response = thief.post(BY_ID[operation], {"id": id})
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, headers, response.content


def test_every_operation_that_takes_an_id_is_tried_here() -> None:
    takes_id = set()
    for root in (schema._schema.query_type, schema._schema.mutation_type):  # noqa: SLF001
        assert isinstance(root, GraphQLObjectType)
        takes_id |= {
            name for name, field in root.fields.items() if {"id", "ids"} & field.args.keys()
        }
    assert takes_id == BY_ID.keys()


@pytest.mark.parametrize("operation", BY_ID)
def test_someone_elses_id_is_answered_like_one_that_never_was(
    ada: Caller, bob: Caller, operation: str
) -> None:
    hers = ada.create("hers")
    if operation == "restoreTasks":
        ada(MANY["trashTasks"], ids=[hers["id"]])
    before = ada.post(BY_ID["task"], {"id": hers["id"]}).content

    stolen = attempt(bob, operation, hers["id"])
    spellings = [str(uuid4()), "x", "", "../../etc", hers["id"].upper(), "0" * 8, "é", "\ud800"]
    assert all(attempt(bob, operation, id) == stolen for id in spellings)
    [error] = json.loads(stolen[2])["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND", "status": 404}
    assert hers["id"].encode() not in stolen[2]

    after = ada.post(BY_ID["task"], {"id": hers["id"]}).content
    assert after == before, "and hers is as it was"


def test_expecting_a_version_tells_nothing_either(ada: Caller, bob: Caller) -> None:
    hers = ada.create("hers")
    for version in (1, 2):
        error = bob.error(UPDATE, id=hers["id"], patch={"title": "x"}, version=version)
        assert error["extensions"]["code"] == "NOT_FOUND"


def test_lists_and_counts_are_ones_own(ada: Caller, bob: Caller) -> None:
    ada.create("hers")
    bob.create("his")
    assert [node["title"] for node in bob(PAGE)["tasks"]["nodes"]] == ["his"]
    assert bob(PAGE)["tasks"]["totalCount"] == 1
    viewer = bob("{ viewer { id email taskCount } }")["viewer"]
    assert viewer == {"id": bob.user, "email": f"{bob.user}@example.com", "taskCount": 1}


def test_choosing_someone_elses_id_for_a_task_of_ones_own_tells_nothing(
    ada: Caller, bob: Caller
) -> None:
    hers = ada.create("hers")
    mine = bob.create("his", id=hers["id"])
    assert (mine["id"], mine["title"], mine["version"]) == (hers["id"], "his", 1)
    ada(MANY["deleteTasks"], ids=[hers["id"]])
    assert bob(BY_ID["task"], id=hers["id"])["task"] == mine


def test_no_argument_and_no_input_carries_an_owner() -> None:
    names = {
        name
        for kind in schema._schema.type_map.values()  # noqa: SLF001
        for field_name, field in getattr(kind, "fields", {}).items()
        for name in (field_name, *getattr(field, "args", {}))
        if not kind.name.startswith("__")
    }
    assert not {name for name in names if "owner" in name.lower() or "user" in name.lower()}


def test_all_that_a_resolver_gets_is_bound_to_one_owner() -> None:
    """Wall 1: neither `Tasks` nor `Owned` has a method that could be told another owner."""
    for kind in (tasks.Tasks, lists.Lists, changes.Changes, Owned):
        for name, member in inspect.getmembers(kind, inspect.isfunction):
            told = inspect.signature(member).parameters
            if not name.startswith("__"):
                assert not [p for p in told if "owner" in p or "user" in p], name


def test_every_statement_is_held_to_its_owner_as_postgresql_reads_it() -> None:
    """Wall 2, as built: `tests.conftest` reads what really ran."""
    pages = [
        lists.page(by, descending=descending, narrow=narrow)
        for by, descending, narrow in product(lists.OrderField, (True, False), (True, False))
    ]
    rooms = [*vars(tasks).values(), *vars(lists).values(), *vars(changes).values()]
    built = [*pages, *lists.COUNTS.values(), *(r for r in rooms if isinstance(r, Statement))]
    assert len(built) >= 40
    assert {statement.sql: scope.unscoped(statement.sql) for statement in built} == {
        statement.sql: [] for statement in built
    }
