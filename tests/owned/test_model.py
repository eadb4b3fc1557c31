"""Random operations by three owners, on the API and on a simple model of the contract."""

import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from api.owned.changes import CursorExpired
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests import model
from tests.conftest import TASK, Caller, run
from tests.owned.test_changes import CHANGES, expired, now
from tests.owned.test_pages import FIELDS, PAGE
from tests.projects.test_projects import MANY as MANY_PROJECTS
from tests.projects.test_projects import create as create_a_project
from tests.replica import Subscribers
from tests.tasks.test_tasks import CREATE_ALL, MANY, UPDATE, UPDATE_ALL

pytestmark = pytest.mark.partitioned

EXAMPLES = int(os.environ.get("EXAMPLES", "0")) // 10 or 6
"""Runs of 25 steps each."""
CREATE = f"mutation ($i: CreateTaskInput!) {{ createTask(input: $i) {{ task {{ {TASK} }} }} }}"

OWNERS = st.integers(0, 2)
WORDS = st.sampled_from(["bread", "Milk", "straße", "ÉCLAIR", "50%", "a_b", "\\", "x"])
TITLES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
DAYS = st.sampled_from(["2026-01-01", "2026-01-02", "2026-12-31", "0001-01-01", "9999-12-31"])
LABELS = st.lists(st.sampled_from(["Home", "home", " office  desk", "É", "x"]), max_size=3)
PLACES = st.sampled_from(["a0", "a0V", "a1", "Zz", "b00"])
PRIORITIES = st.sampled_from(model.PRIORITIES)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for any combination of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


NULLABLE = {
    "description": st.none() | TITLES,
    "priority": st.none() | PRIORITIES,
    "dueOn": st.none() | DAYS,
    "labels": st.none() | LABELS,
    "projectId": st.none() | st.integers(0, 20),
}
"""The project of a task is an index of `Machine.project_ids`."""
INPUTS = st.builds(
    lambda title, rest: {"title": title, **rest},
    TITLES,
    some(**NULLABLE, completed=st.booleans(), position=PLACES),
)
PATCHES = some(**NULLABLE, title=TITLES, completed=st.booleans(), position=PLACES)
MANY_PATCHES = some(
    completed=st.booleans(),
    priority=NULLABLE["priority"],
    dueOn=NULLABLE["dueOn"],
    projectId=NULLABLE["projectId"],
    addLabels=st.lists(st.sampled_from(["Home", "new", "É"]), max_size=2),
    removeLabels=st.lists(st.sampled_from(["x", "office desk"]), max_size=2),
)
FILTERS = some(
    projectIds=st.lists(st.none() | st.integers(0, 20), min_size=1, max_size=3),
    status=st.none() | st.lists(st.sampled_from(["OPEN", "COMPLETED", "TRASHED"]), min_size=1),
    search=st.lists(WORDS, max_size=2).map(" ".join),
    priority=st.lists(PRIORITIES, min_size=1, max_size=2),
    labels=st.lists(st.sampled_from(["Home", "x", "office desk"]), min_size=1, max_size=2),
    dueFrom=DAYS,
    dueTo=DAYS,
)
ORDERS = st.fixed_dictionaries(
    {"field": st.sampled_from(FIELDS), "direction": st.sampled_from(["ASC", "DESC"])}
)
PICKS = st.lists(st.integers(0, 40), max_size=4)
"""Indexes of IDs: tasks of the owner, deleted ones, tasks of other owners, or no tasks."""


class Machine(RuleBasedStateMachine):
    """Does random operations, and compares the API with the model."""

    new_caller: Callable[[], Caller]
    postgres: Postgres
    subscribers: Subscribers

    @initialize()
    def begin(self) -> None:
        self.turn = 0
        self.callers = [self.new_caller() for _ in range(3)]
        self.owners = [model.Owner() for _ in self.callers]
        self.cursors = [[(0, 0, now(caller))] for caller in self.callers]
        self.replicas = [self.subscribers.replica(caller.user) for caller in self.callers]

    def teardown(self) -> None:
        for replica in self.replicas:
            replica.close()

    def ids(self, owner: int, picks: list[int]) -> list[str]:
        others = [id for n, o in enumerate(self.owners) if n != owner for id in o.tasks]
        mine = [*self.owners[owner].tasks]
        known = [*mine * 4, *self.owners[owner].deleted, *others, str(uuid4()), "x"]
        return [known[pick % len(known)] for pick in picks]

    def project_ids(self, owner: int, picks: list[int]) -> list[str]:
        others = [id for n, o in enumerate(self.owners) if n != owner for id in o.projects]
        mine = [*self.owners[owner].projects]
        known = [*mine * 4, *others[:2], str(uuid4()), "x"]
        return [known[pick % len(known)] for pick in picks]

    def placed(self, owner: int, given: dict[str, Any]) -> dict[str, Any]:
        """Return an input or a filter, with the ids of projects in place of their indexes."""

        def id(pick: Any) -> Any:
            return self.project_ids(owner, [pick])[0] if isinstance(pick, int) else pick

        given = dict(given)
        if "projectId" in given:
            given["projectId"] = id(given["projectId"])
        if "projectIds" in given:
            given["projectIds"] = [id(pick) for pick in given["projectIds"]]
        return given

    def ask(
        self, owner: int, query: str, expect: Callable[[], object], **variables: Any
    ) -> Any | None:
        """Return the result, or None if the model rejects and the API has the same error code."""
        before = deepcopy(self.owners[owner])
        try:
            expect()
        except model.Refused as refused:
            code = str(refused)
        else:
            code = ""
        if code:
            self.owners[owner] = before
            error = self.callers[owner].error(query, **variables)
            assert error["extensions"]["code"] == code
            return None
        return next(iter(self.callers[owner](query, **variables).values()))

    @rule(owner=OWNERS, given=INPUTS, chosen=st.booleans(), pick=st.integers(0, 40))
    def create(self, owner: int, given: dict[str, Any], chosen: bool, pick: int) -> None:
        mine, given = self.owners[owner], self.placed(owner, given)
        if chosen:
            [id] = self.ids(owner, [pick])
            given = {**mine.inputs.get(id, given), "id": id if id != "x" else str(uuid4())}
            if pick % 5 == 0:
                given["title"] = "otherwise"
        mine.make_room([given])
        found: list[Any] = []
        answer = self.ask(owner, CREATE, lambda: found.extend(mine.check_create([given])), i=given)
        if answer is None:
            return
        if found[0] is None:
            expected = self.owners[owner].created(given, answer["task"])
            self.owners[owner].writes.append({expected["id"]})
        else:
            expected = found[0]
        assert answer["task"] == expected

    @rule(owner=OWNERS, inputs=st.lists(INPUTS, max_size=4), picks=PICKS)
    def create_all(self, owner: int, inputs: list[dict[str, Any]], picks: list[int]) -> None:
        mine = self.owners[owner]
        again = dict.fromkeys(id for id in self.ids(owner, picks) if id in mine.tasks)
        inputs = [
            *(self.placed(owner, given) for given in inputs),
            *({**mine.inputs[id], "id": id} for id in again),
        ]
        mine.make_room(inputs)
        found: list[Any] = []
        answer = self.ask(
            owner, CREATE_ALL, lambda: found.extend(mine.check_create(inputs)), inputs=inputs
        )
        if answer is None:
            return
        mine = self.owners[owner]
        made = set()
        for given, there, task in zip(inputs, found, answer["tasks"], strict=True):
            expected = there if there is not None else mine.created(given, task)
            if there is None:
                made.add(task["id"])
            assert task == expected
        if made:
            mine.writes.append(made)

    @rule(
        owner=OWNERS,
        pick=st.integers(0, 40),
        patch=PATCHES,
        expected=st.none() | st.integers(1, 4),
    )
    def update(self, owner: int, pick: int, patch: dict[str, Any], expected: int | None) -> None:
        [id] = self.ids(owner, [pick])
        patch = self.placed(owner, patch)

        def check() -> None:
            [task] = self.owners[owner].found([id])
            if expected not in {None, task["version"]}:
                raise model.Refused("CONFLICT")
            self.owners[owner].check_project(patch)

        answer = self.ask(owner, UPDATE, check, id=id, patch=patch, version=expected)
        if answer is not None:
            mine = self.owners[owner]
            if patch:
                mine.write(mine.tasks[id], model.normal(patch), answer["task"]["updatedAt"])
                mine.writes.append({id})
            assert answer["task"] == mine.tasks[id]

    @rule(owner=OWNERS, picks=PICKS, patch=MANY_PATCHES)
    def update_all(self, owner: int, picks: list[int], patch: dict[str, Any]) -> None:
        ids, patch = self.ids(owner, picks), self.placed(owner, patch)

        def check() -> None:
            self.owners[owner].found(ids)
            if ids:  # an empty list writes nothing
                self.owners[owner].check_project(patch)

        answer = self.ask(owner, UPDATE_ALL, check, ids=ids, patch=patch)
        if answer is None:
            return
        mine = self.owners[owner]
        fields = model.normal(patch)
        add = set(model.labels(fields.pop("addLabels", [])))
        remove = set(model.labels(fields.pop("removeLabels", [])))
        for task, found in zip(mine.found(ids), answer["tasks"], strict=True):
            if patch:
                kept = sorted(set(task["labels"]) - remove | add)
                mine.write(task, fields | {"labels": kept}, found["updatedAt"])
            assert found == task
        if patch and ids:
            mine.writes.append(set(ids))

    @rule(owner=OWNERS, picks=PICKS, back=st.booleans())
    def move(self, owner: int, picks: list[int], back: bool) -> None:
        ids = self.ids(owner, picks)
        name = "restoreTasks" if back else "trashTasks"
        answer = self.ask(owner, MANY[name], lambda: self.owners[owner].found(ids), ids=ids)
        if answer is None:
            return
        mine, moved = self.owners[owner], set()
        for task, found in zip(mine.found(ids), answer["tasks"], strict=True):
            if bool(task["trashedAt"]) == back:
                moved.add(task["id"])
                mine.move(task, found["updatedAt"], back=back)
            assert found == task
        if moved:
            mine.writes.append(moved)

    @rule(owner=OWNERS, picks=PICKS)
    def delete(self, owner: int, picks: list[int]) -> None:
        ids = self.ids(owner, picks)
        query = MANY["deleteTasks"]
        answer = self.ask(owner, query, lambda: self.owners[owner].found(ids), ids=ids)
        if answer is not None:
            mine = self.owners[owner]
            assert answer["deletedIds"] == list(dict.fromkeys(ids))
            if ids:
                mine.delete(set(ids))

    @rule(owner=OWNERS)
    def create_project(self, owner: int) -> None:
        id = create_a_project(self.callers[owner])["id"]
        self.owners[owner].projects[id] = False
        self.owners[owner].writes.append(set())

    @rule(owner=OWNERS, picks=PICKS, back=st.booleans())
    def move_projects(self, owner: int, picks: list[int], back: bool) -> None:
        ids = self.project_ids(owner, picks)
        query = MANY_PROJECTS["restoreProjects" if back else "trashProjects"]
        answer = self.ask(owner, query, lambda: self.owners[owner].found_projects(ids), ids=ids)
        if answer is not None:
            moments = [project["updatedAt"] for project in answer["projects"]]
            self.owners[owner].move_projects(set(ids), max(moments, default=""), back=back)

    @rule(owner=OWNERS, picks=PICKS)
    def delete_projects(self, owner: int, picks: list[int]) -> None:
        ids = self.project_ids(owner, picks)
        query = MANY_PROJECTS["deleteProjects"]
        answer = self.ask(owner, query, lambda: self.owners[owner].found_projects(ids), ids=ids)
        if answer is not None and ids:
            mine = self.owners[owner]
            mine.delete({task["id"] for task in mine.in_projects(set(ids))})
            for id in set(ids):
                del mine.projects[id]

    @rule(owner=OWNERS, inputs=st.lists(INPUTS, min_size=1, max_size=2))
    def use_up_all_ids(self, owner: int, inputs: list[dict[str, Any]]) -> None:
        """Use up the owner's IDs while creating these. Earlier tombstones are over a day old."""
        self.create_all(owner=owner, inputs=inputs, picks=[])
        self.delete(owner=owner, picks=[0])
        mine, most = self.owners[owner], self.owners[owner].room
        mine.old = set(mine.deleted)
        self.set_free_ids(owner, 0)
        self.create_all(owner=owner, inputs=inputs, picks=[])
        self.follow(owner=owner, pick=0, size=5)
        self.set_free_ids(owner, most)

    def set_free_ids(self, owner: int, room: int) -> None:
        """Set the number of free IDs in the database, bypassing the API."""
        self.owners[owner].room, user = room, self.callers[owner].user

        async def write(connection: asyncpg.Connection) -> None:
            await connection.execute(
                "UPDATE tasks.task_ids SET deleted_at = now() - interval '2 days'"
                " WHERE owner_id = $1 AND deleted_at IS NOT NULL",
                user,
            )
            await connection.execute(
                "INSERT INTO tasks.owners (owner_id, task_count, tombstone_count)"
                " VALUES ($1, 0, $2 - $3::int) ON CONFLICT (owner_id) DO UPDATE"
                " SET tombstone_count = greatest(0, $2 - owners.task_count - $3::int)",
                user,
                TASKS.most_ids,
                room,
            )

        run(self.postgres, write)

    @rule(owner=OWNERS, chosen=FILTERS, order=ORDERS, size=st.integers(1, 7))
    def read(self, owner: int, chosen: dict[str, Any], order: dict[str, str], size: int) -> None:
        chosen = self.placed(owner, chosen)
        expected, seen, after = self.owners[owner].listed(chosen, order), [], None
        while True:
            page = self.callers[owner](PAGE, first=size, after=after, filter=chosen, orderBy=order)[
                "tasks"
            ]
            seen += [node["id"] for node in page["nodes"]]
            assert page["totalCount"] == len(expected)
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == expected

    @rule(owner=OWNERS, pick=st.integers(0, 40), size=st.integers(1, 5))
    def follow(self, owner: int, pick: int, size: int) -> None:
        """Read from an earlier cursor: each task that changed since, once, in its current state."""
        mine, known = self.owners[owner], self.cursors[owner]
        number, horizon, after = known[pick % len(known)]
        if mine.forgotten > max(number, horizon):
            expired(self.callers[owner], after)
            return
        seen: dict[str, Any] = {}
        while True:
            page = self.callers[owner](CHANGES, first=size, after=after)["taskChanges"]
            for node in page["nodes"]:
                assert node["taskId"] not in seen
                assert (node["kind"] == "PURGED") == (node["task"] is None)
                seen[node["taskId"]] = node["task"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == mine.changed(number)
        known.append((len(mine.writes), horizon, after))

    @rule(owner=OWNERS)
    def reconnect(self, owner: int) -> None:
        """Let a subscriber go on from its last cursor, or begin again if the cursor is expired."""
        if not self.replicas[owner].reconnect():
            assert self.owners[owner].forgotten
            self.replicas[owner].start_again(self.owners[owner].tasks)

    @invariant()
    def subscribers_have_the_tasks_of_their_owner(self) -> None:
        """Check one owner at a time, so that the subscribers of the others lag behind."""
        mine, replica = self.owners[self.turn % 3], self.replicas[self.turn % 3]
        try:
            replica.catch_up(mine.tasks)
        except CursorExpired:  # it lagged behind, and tombstones were deleted meanwhile
            assert mine.forgotten
            replica.start_again(mine.tasks)

    @invariant()
    def owners_have_only_their_own_tasks(self) -> None:
        """Check one owner at a time: effects on another owner's tasks show a step or two later."""
        self.turn += 1
        mine, caller = self.owners[self.turn % 3], self.callers[self.turn % 3]
        query = f"""{{ viewer {{ labels changeCursor }} tasks(first: 100,
          filter: {{status: [OPEN, COMPLETED, TRASHED]}}) {{ totalCount nodes {{ {TASK} }} }} }}"""
        found = caller(query)
        kept = {task["id"]: task for task in found["tasks"]["nodes"]}
        assert kept == {id: mine.tasks[id] for id in kept}
        assert found["tasks"]["totalCount"] == len(mine.tasks)
        there = [task for task in mine.tasks.values() if not task["trashedAt"]]
        assert found["viewer"]["labels"] == sorted({x for t in there for x in t["labels"]})
        cursor = found["viewer"]["changeCursor"]
        self.cursors[self.turn % 3].append((len(mine.writes), mine.forgotten, cursor))


def test_api_matches_the_model(new_caller: Callable[[], Caller], database: Postgres) -> None:
    with Subscribers(database.url) as subscribers:
        given = {
            "new_caller": staticmethod(new_caller),
            "postgres": database,
            "subscribers": subscribers,
        }
        run_state_machine_as_test(
            type("Machine", (Machine,), given),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=25,
                suppress_health_check=[*HealthCheck],
            ),
        )
