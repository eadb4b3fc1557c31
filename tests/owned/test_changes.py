"""The change feed: each task once, deleted tasks included, and an error for an expired cursor."""

import secrets
import threading
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.owned import cursors as pages
from dev.postgres import Postgres
from tests.conftest import TASK, Caller, run
from tests.tasks.test_tasks import CREATE_ALL, MANY, UPDATE, UPDATE_ALL, many, update

pytestmark = pytest.mark.partitioned

CHANGES = f"""query ($first: Int, $after: String) {{
  taskChanges(first: $first, after: $after) {{
    nodes {{ cursor kind taskId task {{ {TASK} }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
  }}
}}"""


def changes(caller: Caller, **variables: Any) -> Any:
    return caller(CHANGES, **variables)["taskChanges"]


def now(caller: Caller) -> str:
    return str(caller("{ viewer { changeCursor } }")["viewer"]["changeCursor"])


def walk(caller: Caller, first: int, after: str | None = None) -> tuple[list[Any], str | None]:
    nodes: list[Any] = []
    while True:
        page = changes(caller, first=first, after=after)
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes, after


def expired(caller: Caller, after: str) -> None:
    extensions = caller.error(CHANGES, after=after)["extensions"]
    assert (extensions["code"], extensions["reason"]) == ("BAD_USER_INPUT", "CURSOR_EXPIRED")
    assert list(extensions["fields"]) == ["after"]


def test_feed_has_one_change_for_each_task_that_was_written(ada: Caller) -> None:
    assert changes(ada) == {
        "nodes": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }
    start = now(ada)
    one, two = ada(CREATE_ALL, inputs=[{"title": "one"}, {"title": "two"}])["createTasks"]["tasks"]
    three = ada.create("three")
    assert [node["taskId"] for node in changes(ada)["nodes"]] == [
        t["id"] for t in (one, two, three)
    ]
    for query, variables in [
        (UPDATE, {"id": one["id"], "patch": {"title": "1"}, "version": None}),
        (UPDATE_ALL, {"ids": [one["id"]], "patch": {"completed": True}}),
        (MANY["trashTasks"], {"ids": [one["id"]]}),
        (MANY["restoreTasks"], {"ids": [one["id"]]}),
    ]:
        since = now(ada)
        ada(query, **variables)
        [change] = changes(ada, after=since)["nodes"]
        assert (change["kind"], change["taskId"]) == ("SAVED", one["id"])
        assert change["task"] == ada(f'{{ task(id: "{one["id"]}") {{ {TASK} }} }}')["task"]
        assert now(ada) != since

    since = now(ada)
    many(ada, "deleteTasks", [one["id"], three["id"]])
    gone = {
        (node["taskId"], node["kind"], node["task"]) for node in changes(ada, after=since)["nodes"]
    }
    assert gone == {(task["id"], "PURGED", None) for task in (one, three)}
    everything, end = walk(ada, 1, start)
    assert everything[0]["taskId"] == two["id"]
    assert len(everything) == 3, "never more than one change a task"
    empty = changes(ada, after=end)
    assert empty["nodes"] == []
    assert empty["pageInfo"]["endCursor"] == end, "where it began is where to go on"
    assert changes(ada, after=now(ada))["nodes"] == []


def test_operation_that_writes_nothing_adds_no_change(ada: Caller) -> None:
    task = ada.create()
    many(ada, "trashTasks", [task["id"]])
    since = now(ada)
    many(ada, "trashTasks", [task["id"]])
    update(ada, task, {})
    ada(UPDATE_ALL, ids=[task["id"]], patch={})
    ada.error(UPDATE, id=task["id"], patch={"title": "x"}, version=9)
    ada.error(UPDATE, id=str(uuid4()), patch={"title": "x"})
    for operation in MANY:
        ada.error(MANY[operation], ids=[task["id"], str(uuid4())])
    assert now(ada) == since


def test_cursor_of_another_owner_or_of_the_future_is_expired(ada: Caller, bob: Caller) -> None:
    ada.create()
    bob.create()
    expired(bob, now(ada))
    for after in ("", "nonsense", now(ada)[:-1], now(ada) + "A"):
        expired(ada, after)
    id = str(uuid4())
    for key in [
        ("9", id, "0"),
        ("-1", id, "0"),
        ("1", id.upper(), "0"),
        ("1", id),
        ("1", id, "-1"),
        ("01", id, "0"),
        (str(2**63), id, "0"),
        ("1", "x", "0"),
    ]:
        expired(ada, pages.Cursors(f"{ada.user}\0changes").encode(*key))


@pytest.mark.parametrize("first", [0, -1, 101])
def test_page_of_changes_has_the_same_size_limits_as_other_pages(ada: Caller, first: int) -> None:
    assert list(ada.error(CHANGES, first=first)["extensions"]["fields"]) == ["first"]


def test_reader_misses_no_change_during_concurrent_writes(ada: Caller) -> None:
    """The change numbers of one owner become visible in their order, despite concurrent writers."""
    stopped = threading.Event()
    ids = [ada.create()["id"] for _ in range(8)]

    def write(mine: list[str]) -> None:
        while not stopped.is_set():
            for id in mine:
                ada(UPDATE, id=id, patch={"title": secrets.token_hex(4)}, version=None)
            ada(UPDATE_ALL, ids=ids, patch={"priority": "LOW"})

    writers = [threading.Thread(target=write, args=(ids[n::4],)) for n in range(4)]
    for writer in writers:
        writer.start()
    known: dict[str, Any] = {}
    after = None
    try:
        for _ in range(60):
            page = changes(ada, first=3, after=after)
            after = page["pageInfo"]["endCursor"]
            for node in page["nodes"]:
                before = known.get(node["taskId"], {"version": 0})
                assert node["task"]["version"] > before["version"], "no state twice"
                known[node["taskId"]] = node["task"]
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    nodes, _ = walk(ada, 3, after)
    known |= {node["taskId"]: node["task"] for node in nodes}
    tasks = ada(f"{{ tasks(first: 100) {{ nodes {{ {TASK} }} }} }}")["tasks"]["nodes"]
    assert known == {task["id"]: task for task in tasks}


def test_cursor_expires_when_tombstones_after_it_are_deleted(
    ada: Caller, database: Postgres
) -> None:
    old, deleted = ada.create("old"), ada.create("deleted")
    ancient = now(ada)
    many(ada, "deleteTasks", [deleted["id"]])
    recent = now(ada)
    ada.create("new")

    async def forget(connection: asyncpg.Connection) -> None:
        """Delete a tombstone as `Retention` does, which has a test of its own."""
        await connection.execute("DELETE FROM tasks.task_ids WHERE id = $1", deleted["id"])
        number = "(SELECT change_number - 1 FROM tasks.owners WHERE owner_id = $1)"
        sql = f"UPDATE tasks.owners SET forgotten_number = {number} WHERE owner_id = $1"  # noqa: S608 - of constants alone
        await connection.execute(sql, ada.user)

    run(database, forget)
    expired(ada, ancient)
    assert [node["task"]["title"] for node in changes(ada, after=recent)["nodes"]] == ["new"]
    nodes, _ = walk(ada, 1)
    assert [node["task"]["title"] for node in nodes] == ["old", "new"], (
        "who begins today may read what is older than the forgotten, page by page"
    )
    assert old["id"] == nodes[0]["taskId"]
