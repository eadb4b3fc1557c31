"""What owners can do with their own tasks."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests.conftest import TASK, Caller, run

pytestmark = pytest.mark.partitioned

NIL = "00000000-0000-0000-0000-000000000000"


def update(caller: Caller, task: Any, patch: Any, version: int | None = None) -> Any:
    return caller(UPDATE, id=task["id"], patch=patch, version=version)["updateTask"]["task"]


def read(caller: Caller, task: Any) -> Any:
    query = f"query ($id: ID!) {{ task(id: $id) {{ {TASK} }} }}"
    return caller(query, id=task["id"])["task"]


def many(caller: Caller, operation: str, ids: list[str]) -> Any:
    return caller(MANY[operation], ids=ids)[operation]


UPDATE = f"""mutation ($id: ID!, $patch: TaskPatch!, $version: Int) {{
  updateTask(id: $id, patch: $patch, expectedVersion: $version) {{ task {{ {TASK} }} }}
}}"""
ANSWERS = {
    "updateTasks": f"tasks {{ {TASK} }}",
    "trashTasks": f"tasks {{ {TASK} }}",
    "restoreTasks": f"tasks {{ {TASK} }}",
    "deleteTasks": "deletedIds",
}
SAID = {"updateTasks": ', patch: {addLabels: ["seen"]}'}
"""Arguments of operations on many tasks, besides the IDs."""
MANY = {
    name: f"mutation ($ids: [ID!]!) {{ {name}(ids: $ids{SAID.get(name, '')}) {{ {answer} }} }}"
    for name, answer in ANSWERS.items()
}
UPDATE_ALL = f"""mutation ($ids: [ID!]!, $patch: TasksPatch!) {{
  updateTasks(ids: $ids, patch: $patch) {{ tasks {{ {TASK} }} }}
}}"""
CREATE_ALL = f"""mutation ($inputs: [CreateTaskInput!]!) {{
  createTasks(inputs: $inputs) {{ tasks {{ {TASK} }} }}
}}"""
CREATE = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { task { id version } } }"


def test_new_task_has_the_given_fields_and_defaults(ada: Caller) -> None:
    task = ada.create("  Call the bank ", description="About\nthe card")
    assert task == {
        "id": task["id"],
        "title": "Call the bank",
        "description": "About\nthe card",
        "completed": False,
        "completedAt": None,
        "priority": "NONE",
        "dueOn": None,
        "labels": [],
        "position": task["position"],
        "version": 1,
        "createdAt": task["createdAt"],
        "updatedAt": task["createdAt"],
        "trashedAt": None,
        "project": None,
    }
    assert task["createdAt"].endswith("Z")
    assert task["id"][14] == "7", "a UUID that carries its time"
    assert read(ada, task) == task


def test_task_may_be_created_completed(ada: Caller) -> None:
    task = ada.create(completed=True)
    assert task["completed"]
    assert task["completedAt"] == task["createdAt"]


def test_null_fields_of_a_new_task_are_defaults(ada: Caller) -> None:
    task = ada.create(id=None, description=None, completed=None)
    assert (task["description"], task["completed"]) == ("", False)


def test_same_create_sent_twice_makes_one_task(ada: Caller) -> None:
    given = {"id": str(uuid4()), "title": "once", "description": "only"}
    first = ada.create(**given)
    edited = update(ada, first, {"title": "since edited"})
    assert ada.create(**given) == edited, "the task as it is now"
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 1


def test_same_create_from_twenty_connections_at_once_makes_one_task(ada: Caller) -> None:
    given = {"id": str(uuid4()), "title": "once"}
    with ThreadPoolExecutor(20) as pool:
        tasks = list(pool.map(lambda _: ada.create(**given), range(20)))
    assert all(task == tasks[0] for task in tasks)
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 1


def test_id_of_a_create_with_another_input_is_a_conflict(ada: Caller) -> None:
    task = ada.create("first", id=str(uuid4()))
    update(ada, task, {"title": "second"})
    error = ada.error(CREATE, i={"id": task["id"], "title": "second"})
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": 2}


def test_create_sent_again_does_not_restore_a_deleted_task(ada: Caller) -> None:
    given = {"id": str(uuid4()), "title": "gone"}
    task = ada.create(**given)
    many(ada, "deleteTasks", [task["id"]])
    error = ada.error(CREATE, i=given)
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": None}


@pytest.mark.skipif("CITUS_URL" in os.environ, reason="locks are waited for on another node")
def test_create_during_a_delete_does_not_restore_the_task(ada: Caller, database: Postgres) -> None:
    """A lock delays both until both have begun, so that neither sees that the other has ended."""
    given = {"id": str(uuid4()), "title": "gone"}
    ada.create(**given)

    async def race(connection: asyncpg.Connection) -> list[Any]:
        with ThreadPoolExecutor(2) as pool:
            async with connection.transaction():
                lock = "SELECT 1 FROM tasks.owners WHERE owner_id = $1 FOR UPDATE"
                await connection.execute(lock, ada.user)
                waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                before = await connection.fetchval(waiting)
                deleting = pool.submit(ada.post, MANY["deleteTasks"], {"ids": [given["id"]]})
                async with asyncio.timeout(10):
                    while await connection.fetchval(waiting) == before:
                        pass
                    creating = pool.submit(ada.post, CREATE, {"i": given})
                    while await connection.fetchval(waiting) < before + 2:
                        pass
            return [deleting.result().json(), creating.result().json()]

    deleted, created = run(database, race)
    assert deleted["data"]["deleteTasks"]["deletedIds"] == [given["id"]]
    assert created["errors"][0]["extensions"]["code"] == "CONFLICT", "it took its turn behind"
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 0


def test_two_owners_may_choose_the_same_id(ada: Caller, bob: Caller) -> None:
    id = str(uuid4())
    assert ada.create("hers", id=id)["title"] == "hers"
    assert bob.create("his", id=id)["title"] == "his"
    assert read(ada, {"id": id})["title"] == "hers"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"title": ""}, "title"),
        ({"title": " \t "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "nul\0"}, "title"),
        ({"title": "half \ud83d"}, "title"),
        ({"title": "x", "description": "x" * 10_001}, "description"),
        ({"title": "x", "description": "bell\a"}, "description"),
        ({"title": "x", "description": "half \ud83d"}, "description"),
        ({"title": "x", "id": "not-a-uuid"}, "id"),
        ({"title": "x", "id": str(uuid4()).upper()}, "id"),
        ({"title": "x", "id": "{" + str(uuid4()) + "}"}, "id"),
        ({"title": "x", "id": NIL}, "id"),
    ],
)
def test_bad_input_is_named_in_the_error_and_nothing_is_written(
    ada: Caller, fields: dict[str, str], named: str
) -> None:
    extensions = ada.error(CREATE, i=fields)["extensions"]
    assert extensions["code"] == "BAD_USER_INPUT"
    assert list(extensions["fields"]) == [named]
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 0


def test_all_bad_fields_are_named_at_once(ada: Caller) -> None:
    error = ada.error(CREATE, i={"title": "", "description": "\0"})
    assert sorted(error["extensions"]["fields"]) == ["description", "title"]
    error = ada.error(UPDATE, id=ada.create()["id"], patch={"title": None, "completed": None})
    assert sorted(error["extensions"]["fields"]) == ["completed", "title"]


def test_longest_allowed_values_are_accepted(ada: Caller) -> None:
    task = ada.create("é😀" * 100, description="😀\r\n\t" * 2_500)
    assert (len(task["title"]), len(task["description"])) == (200, 10_000)


def test_patch_changes_only_the_fields_in_it(ada: Caller) -> None:
    task = ada.create("before", description="kept")
    after = update(ada, task, {"title": " after "})
    assert (after["title"], after["description"], after["version"]) == ("after", "kept", 2)
    assert after["updatedAt"] > task["updatedAt"]
    assert after["createdAt"] == task["createdAt"]
    assert update(ada, task, {"description": None})["description"] == ""


def test_completed_at_is_set_once_until_the_task_is_reopened(ada: Caller) -> None:
    task = ada.create()
    done = update(ada, task, {"completed": True})
    assert done["completedAt"] == done["updatedAt"]
    assert update(ada, task, {"completed": True})["completedAt"] == done["completedAt"]
    assert update(ada, task, {"title": "still done"})["completedAt"] == done["completedAt"]
    assert update(ada, task, {"completed": False})["completedAt"] is None


def test_empty_patch_writes_nothing(ada: Caller) -> None:
    task = ada.create()
    assert update(ada, task, {}) == task
    error = ada.error(UPDATE, id=task["id"], patch={}, version=7)
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": 1}


def test_update_with_another_expected_version_is_a_conflict(ada: Caller) -> None:
    task = ada.create()
    assert update(ada, task, {"title": "second"}, version=1)["version"] == 2
    error = ada.error(UPDATE, id=task["id"], patch={"title": "late"}, version=1)
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": 2}
    assert read(ada, task)["title"] == "second"


def test_one_of_two_hundred_concurrent_writers_wins_each_version(ada: Caller) -> None:
    task = ada.create()
    with ThreadPoolExecutor(50) as pool:
        for version, writers in ((1, 200), (2, 50)):
            variables = {"id": task["id"], "patch": {"title": "mine"}, "version": version}
            answers = pool.map(lambda _, v=variables: ada.post(UPDATE, v).json(), range(writers))
            lost = [answer["errors"][0]["extensions"] for answer in answers if "errors" in answer]
            assert lost == [{"code": "CONFLICT", "currentVersion": version + 1}] * (writers - 1)
    assert read(ada, task)["version"] == 3


def test_tasks_can_be_trashed_and_restored(ada: Caller) -> None:
    one, two = ada.create("one"), ada.create("two", completed=True)
    ids = [two["id"], one["id"], two["id"]]
    trashed = many(ada, "trashTasks", ids)["tasks"]
    assert [task["title"] for task in trashed] == ["two", "one"], "in the order of the ids"
    assert all(task["trashedAt"] and task["version"] == 2 for task in trashed)
    assert many(ada, "trashTasks", ids)["tasks"] == trashed, "again changes nothing"
    assert read(ada, one)["trashedAt"], "still there to be read"

    restored = many(ada, "restoreTasks", ids)["tasks"]
    assert all(task["trashedAt"] is None and task["version"] == 3 for task in restored)
    assert restored[0]["completed"], "as it was before"
    assert many(ada, "restoreTasks", ids)["tasks"] == restored


def test_trashing_leaves_tasks_in_the_trash_unchanged(ada: Caller) -> None:
    one, two = ada.create(), ada.create()
    many(ada, "trashTasks", [one["id"]])
    both = many(ada, "trashTasks", [one["id"], two["id"]])["tasks"]
    assert [task["version"] for task in both] == [2, 2]


def test_deleted_tasks_cannot_be_deleted_again(ada: Caller) -> None:
    one, two = ada.create(), ada.create()
    many(ada, "trashTasks", [one["id"]])
    ids = [one["id"], two["id"]]
    assert many(ada, "deleteTasks", ids) == {"deletedIds": ids}
    assert ada.error(MANY["deleteTasks"], ids=ids)["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("operation", MANY)
def test_bulk_operation_with_a_missing_task_writes_nothing(ada: Caller, operation: str) -> None:
    task = ada.create()
    if operation == "restoreTasks":
        [task] = many(ada, "trashTasks", [task["id"]])["tasks"]
    error = ada.error(MANY[operation], ids=[task["id"], str(uuid4())])
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert read(ada, task) == task


@pytest.mark.parametrize("operation", MANY)
def test_bulk_operation_accepts_at_most_a_hundred_ids_and_none(ada: Caller, operation: str) -> None:
    ids = [str(uuid4()) for _ in range(100)]
    error = ada.error(MANY[operation], ids=[*ids, *ids])
    assert error["extensions"]["code"] == "NOT_FOUND", "duplicates do not count"
    assert ada.error(MANY[operation], ids=[f"bad{n}" for n in range(101)])["extensions"]["fields"]
    error = ada.error(MANY[operation], ids=[*ids, str(uuid4())])
    assert list(error["extensions"]["fields"]) == ["ids"]
    assert next(iter(many(ada, operation, []).values())) == []


def test_bulk_operations_in_opposite_orders_do_not_deadlock(ada: Caller) -> None:
    ids = [ada.create()["id"] for _ in range(20)]
    moves = [(name, order) for name in ("trashTasks", "restoreTasks") for order in (ids, ids[::-1])]

    def move(turn: int) -> Any:
        operation, order = moves[turn % len(moves)]
        return ada.post(MANY[operation], {"ids": order}).json()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(move, range(60)))
    assert [answer for answer in answers if "errors" in answer] == []


def test_owner_may_have_ten_thousand_tasks_and_no_more(ada: Caller, database: Postgres) -> None:
    async def fill(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "INSERT INTO tasks.tasks (owner_id, id, title, title_folded, position)"
            " SELECT $1, gen_random_uuid(), 'filler', 'filler', 'a0'"
            " FROM generate_series(1, $2::int)",
            ada.user,
            TASKS.most - 1,
        )
        await connection.execute(
            "INSERT INTO tasks.owners (owner_id, task_count) VALUES ($1, $2)",
            ada.user,
            TASKS.most - 1,
        )

    run(database, fill)
    with ThreadPoolExecutor(10) as pool:
        answers = [
            r.json() for r in pool.map(lambda _: ada.post(CREATE, {"i": {"title": "x"}}), range(10))
        ]
    made = [
        answer["data"]["createTask"]["task"]["id"] for answer in answers if "errors" not in answer
    ]
    assert len(made) == 1, "the last place goes to one of those who race for it"
    error = ada.error(CREATE, i={"title": "x"})
    assert (error["extensions"]["code"], list(error["extensions"]["fields"])) == (
        "BAD_USER_INPUT",
        ["input"],
    )
    assert ada.create("x", id=made[0])["id"] == made[0], "it is safe to send twice"
    many(ada, "deleteTasks", made)
    assert ada.create()["version"] == 1, "there is room again"


def test_task_has_all_fields_that_were_written(ada: Caller) -> None:
    given = {"priority": "URGENT", "dueOn": "2026-02-28", "position": "a0V"}
    task = ada.create(labels=["  Back \u2003 Office", "BÜRO", "büro"], **given)
    assert {name: task[name] for name in given} == given
    assert task["labels"] == ["back office", "büro"], "lower case, sorted, each once"
    assert read(ada, task) == task

    cleared = update(ada, task, {"priority": None, "dueOn": None, "labels": None})
    assert (cleared["priority"], cleared["dueOn"], cleared["labels"]) == ("NONE", None, [])
    assert cleared["position"] == "a0V"
    for day in ("0001-01-01", "9999-12-31"):
        assert update(ada, task, {"dueOn": day})["dueOn"] == day == ada.create(dueOn=day)["dueOn"]


def test_new_task_gets_the_last_position(ada: Caller) -> None:
    inputs = [{"title": "x"}] * 3
    tasks = [ada.create(), *ada(CREATE_ALL, inputs=inputs)["createTasks"]["tasks"], ada.create()]
    places = [task["position"] for task in tasks]
    assert places == sorted(set(places))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        *(({"position": key}, "position") for key in ("", "a", "a00", "b0", "A" + "0" * 26, "é0")),
        *(({"position": key}, "position") for key in ("0a", "a0 ", "a" * 256, "a0\n", "zz")),
        ({"labels": ["x" * 51]}, "labels"),
        ({"labels": ["x" + " " * 199 + "y"]}, "labels"),
        ({"labels": ["ok", " "]}, "labels"),
        ({"labels": ["a\tb"]}, "labels"),
        ({"labels": [f"label {n}" for n in range(21)]}, "labels"),
        ({"title": " ", "position": "a"}, "title"),
    ],
)
def test_invalid_field_is_named_in_the_error(
    ada: Caller, fields: dict[str, Any], named: str
) -> None:
    task = ada.create()
    for error in (
        ada.error(CREATE, i={"title": "x"} | fields),
        ada.error(UPDATE, id=task["id"], patch=fields),
        ada.error(CREATE_ALL, inputs=[{"title": "x"}, {"title": "x"} | fields]),
    ):
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert next(iter(error["extensions"]["fields"])) in {named, f"inputs.1.{named}"}
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 1, "nothing was half written"
    assert read(ada, task) == task


@pytest.mark.parametrize("day", ["2026-02-30", "20260228", "2026-2-28", "0000-01-01", "", "today"])
def test_date_has_one_accepted_form(ada: Caller, day: str) -> None:
    answer = ada.post(CREATE, {"i": {"title": "x", "dueOn": day}}).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_tasks_are_created_together_or_not_at_all(ada: Caller) -> None:
    inputs = [{"id": str(uuid4()), "title": f"{n}", "labels": ["new"]} for n in range(100)]
    made = ada(CREATE_ALL, inputs=inputs)["createTasks"]["tasks"]
    assert [task["id"] for task in made] == [input["id"] for input in inputs], "in their order"
    update(ada, made[3], {"title": "since edited"})
    again = ada(CREATE_ALL, inputs=[*inputs[50:], {"title": "one more"}])["createTasks"]["tasks"]
    assert again[:-1] == made[50:], "sent twice, and one new beside them"
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 101

    for bad, named in [
        ([{"title": "x"}] * 101, "inputs"),
        ([{"title": "x", "id": made[0]["id"].upper()}], "inputs.0.id"),
        ([{"title": "x", "id": NIL}], "inputs.0.id"),
        ([{"title": "x", "id": "f" * 8 + NIL[8:].replace("0", "f")}], "inputs.0.id"),
        ([{"title": "x", "id": made[0]["id"]}] * 2, "inputs.1.id"),
        ([{"title": "x"}, {"title": ""}], "inputs.1.title"),
    ]:
        error = ada.error(CREATE_ALL, inputs=bad)
        assert list(error["extensions"]["fields"]) == [named]
    other = [{"title": "new"}, {**inputs[0], "title": "otherwise"}]
    error = ada.error(CREATE_ALL, inputs=other)
    assert error["extensions"] == {"code": "CONFLICT", "currentVersion": 1}
    many(ada, "deleteTasks", [made[1]["id"]])
    assert ada.error(CREATE_ALL, inputs=inputs)["extensions"]["code"] == "CONFLICT"
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 100
    assert ada(CREATE_ALL, inputs=[])["createTasks"]["tasks"] == []


def test_same_id_from_twenty_connections_makes_one_task(ada: Caller) -> None:
    given = {"id": str(uuid4()), "title": "once"}
    with ThreadPoolExecutor(20) as pool:
        answers = [r.json() for r in pool.map(lambda _: ada.post(CREATE, {"i": given}), range(20))]
    assert [answer for answer in answers if "errors" in answer] == []
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 1


def test_tasks_are_updated_together_or_not_at_all(ada: Caller) -> None:
    one, two = ada.create(labels=["a", "b"], dueOn="2026-01-01"), ada.create(completed=True)
    ids = [two["id"], one["id"]]
    patch = {"completed": True, "priority": "HIGH", "addLabels": ["C"], "removeLabels": ["b", "x"]}
    changed = ada(UPDATE_ALL, ids=ids, patch=patch)["updateTasks"]["tasks"]
    assert [task["id"] for task in changed] == ids
    assert [task["labels"] for task in changed] == [["c"], ["a", "c"]]
    assert [task["dueOn"] for task in changed] == [None, "2026-01-01"], "not named, not touched"
    assert {task["priority"] for task in changed} == {"HIGH"}
    assert changed[0]["completedAt"] == two["completedAt"], "done since then"
    assert [task["version"] for task in changed] == [2, 2]

    assert ada(UPDATE_ALL, ids=ids, patch={})["updateTasks"]["tasks"] == changed
    for bad, named in [
        ({"completed": None}, "completed"),
        ({"addLabels": ["x", ""]}, "addLabels"),
        ({"addLabels": ["X"], "removeLabels": ["x"]}, "removeLabels"),
        ({"addLabels": [f"label {n}" for n in range(19)]}, "addLabels"),
    ]:
        error = ada.error(UPDATE_ALL, ids=ids, patch=bad)
        assert list(error["extensions"]["fields"]) == [named]
    assert [read(ada, task) for task in (two, one)] == changed
    nulls = {"priority": None, "dueOn": None, "addLabels": None, "removeLabels": None}
    emptied = ada(UPDATE_ALL, ids=ids, patch=nulls)["updateTasks"]["tasks"]
    assert [(task["priority"], task["dueOn"]) for task in emptied] == [("NONE", None)] * 2
    assert [task["labels"] for task in emptied] == [["c"], ["a", "c"]]


def test_labels_of_the_viewer_exclude_the_trash(ada: Caller) -> None:
    ada.create(labels=["b", "a"])
    ada.create(labels=["c", "a"], completed=True)
    gone = ada.create(labels=["gone"])
    many(ada, "trashTasks", [gone["id"]])
    assert ada("{ viewer { labels } }")["viewer"]["labels"] == ["a", "b", "c"]
