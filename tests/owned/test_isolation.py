"""Nobody meets anybody else's tasks: not read, not written, not even learned of."""

import inspect
from collections.abc import Callable
from uuid import uuid4

from graphql import build_schema

from api.owned.changes import Changes
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


def test_nobody_gets_at_anything_of_anybodys(new_caller: Callable[[], Caller]) -> None:
    """Every operation of the schema, found there, with somebody else's ids, cursors and token."""
    attempts = list(attack.attack(attack.Victim(new_caller(), SCHEMA), new_caller, SCHEMA))
    assert {a.operation: a.faults for a in attempts if a.faults} == {}
    tried = {attempt.operation for attempt in attempts}
    assert tried > {operation.name for operation in attack.operations(SCHEMA)}
    assert sum(attempt.tries for attempt in attempts) > 100


def test_the_attack_would_tell(ada: Caller) -> None:
    """Whoever has her whole token gets at everything: so each of its tries can succeed."""
    attempts = list(attack.attack(attack.Victim(ada, SCHEMA), lambda: ada, SCHEMA))
    stolen = {attempt.operation for attempt in attempts if attempt.faults}
    assert stolen == {attempt.operation for attempt in attempts}


def test_the_attack_finds_every_noun() -> None:
    assert [noun.row.name for noun in attack.nouns(SCHEMA)] == [r.type_name for r in RESOURCES]


def test_an_id_or_a_cursor_is_found_wherever_an_argument_hides_it() -> None:
    schema = build_schema(
        """type Query { a(x: [Deep!]!, after: String): Int b(first: Int): Int }
        input Deep { y: Deeper title: String } input Deeper { z: [ID!] again: Deep }"""
    )
    ways = {o.name: [str(way) for way in o.ways_in] for o in attack.operations(schema)}
    assert ways == {"a": ["x.y.z", "after"], "b": []}
    [operation, _] = attack.operations(schema)
    given = operation.variables(operation.ways_in[0], "stolen")
    assert given == {"x": [{"y": {"z": ["stolen"]}, "title": "stolen"}]}


def test_a_way_in_is_found_in_nested_fields_and_in_references() -> None:
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


def test_looking_for_someone_elses_task_costs_what_looking_for_none_does(
    ada: Caller, bob: Caller, postgres: Postgres
) -> None:
    hers = ada.create()["id"]

    def ran(id: str) -> list[str]:
        before = len(stack.statements(postgres, "bearer-tasks-api"))
        bob.post(BY_ID, {"id": id})
        return stack.statements(postgres, "bearer-tasks-api")[before:]

    bob.post(BY_ID, {"id": hers})  # a first time, in which a connection may be opened
    sql = [[text for text in ran(id) if "tasks.tasks" in text] for id in (hers, str(uuid4()), "x")]
    assert sql == [sql[0]] * 3
    assert len(sql[0]) == 1


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
    assert bob(BY_ID, id=hers["id"])["task"] == mine


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
    """Wall 1: no method of what a resolver uses takes an owner."""
    for kind in (Reads, Writes, Changes, Owned):
        for name, member in inspect.getmembers(kind, inspect.isfunction):
            told = inspect.signature(member).parameters
            if not name.startswith("__"):
                assert not [p for p in told if "owner" in p or "user" in p], name
