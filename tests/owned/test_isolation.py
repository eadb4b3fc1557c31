"""Isolation: no owner can read, write or learn of the rows of another owner."""

import inspect
from collections.abc import Callable
from uuid import uuid4

from graphql import build_schema

from api.owned.changes import Changes
from api.owned.feed import Feed
from api.owned.owner import Owned
from api.owned.reads import Reads
from api.owned.resource import RESOURCES
from api.owned.writes import Writes
from api.schema import schema
from dev.postgres import ROOT, Postgres
from tests import attack, stack
from tests.conftest import TASK, Caller
from tests.owned.test_pages import PAGE
from tests.tasks.test_tasks import MANY, UPDATE

SCHEMA = build_schema((ROOT / "schema.graphql").read_text())
BY_ID = f"query ($id: ID!) {{ task(id: $id) {{ {TASK} }} }}"


def test_owner_cannot_read_or_write_rows_of_another_owner(new_caller: Callable[[], Caller]) -> None:
    """Try every operation of the schema with the IDs, cursors and token of another owner."""
    attempts = list(attack.attack(attack.Victim(new_caller(), SCHEMA), new_caller, SCHEMA))
    assert {a.operation: a.faults for a in attempts if a.faults} == {}
    tried = {attempt.operation for attempt in attempts}
    assert tried > {operation.name for operation in attack.operations(SCHEMA)}
    assert sum(attempt.tries for attempt in attempts) > 100


def test_attack_with_the_victims_own_token_succeeds_in_every_operation(ada: Caller) -> None:
    """So each attempt of the attack can succeed, and a failure means something."""
    attempts = list(attack.attack(attack.Victim(ada, SCHEMA), lambda: ada, SCHEMA))
    stolen = {attempt.operation for attempt in attempts if attempt.faults}
    assert stolen == {attempt.operation for attempt in attempts}


def test_attack_finds_every_noun_of_the_schema() -> None:
    found = sorted(noun.row.name for noun in attack.nouns(SCHEMA))
    assert found == sorted(resource.type_name for resource in RESOURCES)


def test_attack_finds_ids_and_cursors_in_nested_inputs() -> None:
    schema = build_schema(
        """type Query { a(x: [Deep!]!, after: String): Int b(first: Int): Int }
        input Deep { y: Deeper title: String } input Deeper { z: [ID!] again: Deep }"""
    )
    ways = {o.name: [str(way) for way in o.ways_in] for o in attack.operations(schema)}
    assert ways == {"a": ["x.y.z", "after"], "b": []}
    [operation, _] = attack.operations(schema)
    given = operation.variables(operation.ways_in[0], "stolen")
    assert given == {"x": [{"y": {"z": ["stolen"]}, "title": "stolen"}]}


def test_attack_finds_arguments_of_nested_fields_and_references() -> None:
    schema = build_schema(
        """type Query { task: Task! } type Task { id: ID! notes(first: Int, after: String): Notes! }
        type Notes { nodes: [Note!]! } type Note { id: ID! task: Task }
        type Mutation { updateNote(id: ID!, patch: NotePatch!): Note }
        input NotePatch { taskId: ID text: String }"""
    )
    read, write = attack.operations(schema)
    assert [str(way) for way in read.ways_in] == ["notes.after"]
    selected = "query it($stolen: String) { task { id  notes(after: $stolen, first: 2) {"
    assert read.document(read.ways_in[0]).startswith(selected)
    assert read.variables(read.ways_in[0], "stolen") == {"stolen": "stolen"}
    [by_id, by_reference, *_] = write.ways_in
    assert (str(by_id), str(by_reference)) == ("id", "patch.taskId")
    given = write.variables(by_reference, "stolen")
    assert given == {"id": attack.MADE_UP_ID, "patch": {"taskId": "stolen", "text": "stolen"}}


def test_task_of_another_owner_costs_the_same_statements_as_a_missing_one(
    ada: Caller, bob: Caller, postgres: Postgres
) -> None:
    hers = ada.create()["id"]

    def ran(id: str) -> list[str]:
        before = len(stack.statements(postgres, "bearer-tasks-api"))
        bob.post(BY_ID, {"id": id})
        return stack.statements(postgres, "bearer-tasks-api")[before:]

    bob.post(BY_ID, {"id": hers})  # the first request may open a connection
    sql = [[text for text in ran(id) if "tasks.tasks" in text] for id in (hers, str(uuid4()), "x")]
    assert sql == [sql[0]] * 3
    assert len(sql[0]) == 1


def test_expected_version_does_not_reveal_another_owners_task(ada: Caller, bob: Caller) -> None:
    hers = ada.create("hers")
    for version in (1, 2):
        error = bob.error(UPDATE, id=hers["id"], patch={"title": "x"}, version=version)
        assert error["extensions"]["code"] == "NOT_FOUND"


def test_lists_and_counts_include_only_the_owners_tasks(ada: Caller, bob: Caller) -> None:
    ada.create("hers")
    bob.create("his")
    assert [node["title"] for node in bob(PAGE)["tasks"]["nodes"]] == ["his"]
    assert bob(PAGE)["tasks"]["totalCount"] == 1
    viewer = bob("{ viewer { id email taskCount } }")["viewer"]
    assert viewer == {"id": bob.user, "email": f"{bob.user}@example.com", "taskCount": 1}


def test_client_chosen_id_does_not_reveal_another_owners_task(ada: Caller, bob: Caller) -> None:
    hers = ada.create("hers")
    mine = bob.create("his", id=hers["id"])
    assert (mine["id"], mine["title"], mine["version"]) == (hers["id"], "his", 1)
    ada(MANY["deleteTasks"], ids=[hers["id"]])
    assert bob(BY_ID, id=hers["id"])["task"] == mine


def test_schema_has_no_argument_or_input_for_an_owner() -> None:
    names = {
        name
        for kind in schema._schema.type_map.values()  # noqa: SLF001 - no public way to do it
        for field_name, field in getattr(kind, "fields", {}).items()
        for name in (field_name, *getattr(field, "args", {}))
        if not kind.name.startswith("__")
    }
    assert not {name for name in names if "owner" in name.lower() or "user" in name.lower()}


def test_classes_that_resolvers_use_accept_no_owner() -> None:
    """Wall 1: none of their methods has a parameter for an owner."""
    for kind in (Reads, Writes, Changes, Feed, Owned):
        for name, member in inspect.getmembers(kind, inspect.isfunction):
            told = inspect.signature(member).parameters
            if not name.startswith("__"):
                assert not [p for p in told if "owner" in p or "user" in p], name
