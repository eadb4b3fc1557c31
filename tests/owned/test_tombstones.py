"""Tombstones are bounded, without harm to clients that follow the change feed."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg

from api.owned.retention import TOMBSTONES_AT_ONCE
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests.conftest import Caller, run
from tests.owned.test_changes import changes, expired, now
from tests.owned.test_retention import age, retain
from tests.tasks.test_tasks import CREATE, CREATE_ALL, MANY

STORED = """SELECT task_count, tombstone_count,
  (SELECT count(*) FROM tasks.tasks WHERE owner_id = $1),
  (SELECT count(*) FROM tasks.task_ids WHERE owner_id = $1 AND deleted_at IS NOT NULL),
  (SELECT count(*) FROM tasks.task_ids WHERE owner_id = $1)
  FROM tasks.owners WHERE owner_id = $1"""
DELETED = """INSERT INTO tasks.task_ids (owner_id, id, input_digest, deleted_at, change_number)
  SELECT $1, gen_random_uuid(), '', now() - $3::int * interval '1 hour', n
  FROM generate_series(1, $2::int) n"""
COUNTED = """UPDATE tasks.owners
  SET tombstone_count = tombstone_count + $2, change_number = change_number + $2
  WHERE owner_id = $1"""


def counted(caller: Caller, postgres: Postgres) -> tuple[int, int]:
    """Return the owner's counts of tasks and tombstones, which must equal those of the rows."""
    row = run(postgres, lambda connection: connection.fetchrow(STORED, caller.user))
    assert row is not None
    tasks, tombstones, *rows = row
    assert rows == [tasks, tombstones, tasks + tombstones]
    return tasks, tombstones


def fill(caller: Caller, postgres: Postgres, *, left: int, hours: int) -> None:
    """Leave this number of free IDs: fill up with tombstones of this age, the owner's oldest."""

    async def write(connection: asyncpg.Connection) -> None:
        row = await connection.fetchrow(STORED, caller.user)
        assert row is not None
        tasks, tombstones, *_ = row
        missing = TASKS.most_ids - tasks - tombstones - left
        async with connection.transaction():
            await connection.execute(DELETED, caller.user, missing, hours)
            await connection.execute(COUNTED, caller.user, missing)

    run(postgres, write)


def test_count_of_tombstones_follows_deletes_and_retention(ada: Caller, postgres: Postgres) -> None:
    inputs = [{"title": "a task"}] * 9
    ids = [task["id"] for task in ada(CREATE_ALL, inputs=inputs)["createTasks"]["tasks"]]
    assert counted(ada, postgres) == (9, 0)
    ada(MANY["deleteTasks"], ids=ids[:4])
    assert counted(ada, postgres) == (5, 4)
    ada.error(MANY["deleteTasks"], ids=ids[3:5])
    assert counted(ada, postgres) == (5, 4)
    ada(MANY["trashTasks"], ids=ids[4:6])
    age(postgres, "tasks", "trashed_at", ids[4:6], 31)
    retain(postgres)
    assert counted(ada, postgres) == (3, 6)
    age(postgres, "task_ids", "deleted_at", ids[:3], 91)
    retain(postgres)
    assert counted(ada, postgres) == (3, 3)


def test_too_many_recent_tombstones_prevent_only_creates(ada: Caller, postgres: Postgres) -> None:
    kept, other = ada.create("kept"), ada.create("other")
    fill(ada, postgres, left=1, hours=23)
    before = now(ada)
    refused = ada.error(CREATE_ALL, inputs=[{"title": "one"}, {"title": "two"}])["extensions"]
    assert (refused["code"], list(refused["fields"])) == ("BAD_USER_INPUT", ["inputs"])
    assert f"{TASKS.most_ids} tasks" in refused["fields"]["inputs"]
    assert "last day" in refused["fields"]["inputs"]
    last = ada.create("the last")
    assert list(ada.error(CREATE, i={"title": "x"})["extensions"]["fields"]) == ["input"]
    assert ada.create("the last", id=last["id"]) == last, "it is safe to send twice"

    ada(MANY["trashTasks"], ids=[kept["id"]])
    ada(MANY["restoreTasks"], ids=[kept["id"]])
    deleted = [other["id"], last["id"]]
    assert ada(MANY["deleteTasks"], ids=deleted)["deleteTasks"]["deletedIds"] == deleted
    seen = {node["taskId"]: node["kind"] for node in changes(ada, after=before)["nodes"]}
    assert seen == {kept["id"]: "SAVED", **dict.fromkeys(deleted, "PURGED")}
    again = {"id": other["id"], "title": "other"}
    assert ada.error(CREATE, i=again)["extensions"]["code"] == "CONFLICT"
    assert counted(ada, postgres) == (1, TASKS.most_ids - 1)


def test_oldest_tombstones_are_deleted_for_new_tasks_and_recent_cursors_stay_valid(
    ada: Caller, postgres: Postgres
) -> None:
    ada.create()
    old = now(ada)
    fill(ada, postgres, left=1, hours=25)
    recent = now(ada)
    gone = ada.create("gone")["id"]
    ada(MANY["deleteTasks"], ids=[gone])
    made = ada.create("made")["id"]
    assert counted(ada, postgres) == (2, TASKS.most_ids - 1 - TOMBSTONES_AT_ONCE)
    expired(ada, old)
    seen = {node["taskId"]: node["kind"] for node in changes(ada, after=recent)["nodes"]}
    assert seen == {gone: "PURGED", made: "SAVED"}


def test_concurrent_creates_all_succeed_when_old_tombstones_can_be_deleted(
    ada: Caller, postgres: Postgres
) -> None:
    ada.create()
    fill(ada, postgres, left=0, hours=25)
    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(ada.post, CREATE, {"i": {"title": "x"}}) for _ in range(10)]
    assert [answer for one in answers if "errors" in (answer := one.result().json())] == []
    tasks, tombstones = counted(ada, postgres)
    assert tasks == 11
    assert tombstones <= TASKS.most_ids - 1 - TOMBSTONES_AT_ONCE


def test_process_of_an_older_release_that_does_not_count_tombstones_breaks_nothing(
    ada: Caller, postgres: Postgres
) -> None:
    """Both releases run for a while during a rollout."""
    task = ada.create()
    ada(MANY["deleteTasks"], ids=[task["id"]])
    forgotten = "UPDATE tasks.owners SET tombstone_count = 0 WHERE owner_id = $1"
    run(postgres, lambda connection: connection.execute(forgotten, ada.user))
    age(postgres, "task_ids", "deleted_at", [task["id"]], 91)
    retain(postgres)
    assert counted(ada, postgres) == (0, 0)
