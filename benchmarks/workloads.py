"""Define the workloads: the operations that every server is measured with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.tasks.model import Priority

FIELDS = "id title description completed completedAt priority dueOn version createdAt updatedAt"
LEAN = frozenset({"labels"})
"""The bulky columns (`TASKS.bulky`) that are not among `FIELDS`, so that no list reads them."""
PAGE = f"query Page($first: Int) {{ tasks(first: $first) {{ nodes {{ {FIELDS} }} }} }}"
EDGES = f"""query Edges($first: Int) {{ tasks(first: $first) {{
  edges {{ cursor node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
ONE = f"query One($id: ID!) {{ task(id: $id) {{ {FIELDS} }} }}"
CREATE = f"""mutation Create($input: CreateTaskInput!) {{
  createTask(input: $input) {{ task {{ {FIELDS} }} }} }}"""
UPDATE = f"""mutation Update($id: ID!, $patch: TaskPatch!) {{
  updateTask(id: $id, patch: $patch) {{ task {{ {FIELDS} }} }} }}"""
COUNTED = f"""query Counted($first: Int) {{
  tasks(first: $first) {{ totalCount nodes {{ {FIELDS} }} }} }}"""
SEARCH = f"""query Search($filter: TaskFilter) {{
  tasks(first: 50, filter: $filter) {{ nodes {{ {FIELDS} }} }} }}"""
DUE = f"""query Due($filter: TaskFilter) {{
  tasks(first: 50, filter: $filter, orderBy: {{field: DUE_ON, direction: ASC}}) {{
    nodes {{ {FIELDS} }} }} }}"""
BULK = f"""mutation Bulk($ids: [ID!]!, $patch: TasksPatch!) {{
  updateTasks(ids: $ids, patch: $patch) {{ tasks {{ {FIELDS} }} }} }}"""


Operation = tuple[str, dict[str, Any]]
"""The text of an operation, and its variables."""


@dataclass(frozen=True)
class Workload:
    """An operation. `variables` makes its variables from the ids of an owner's tasks."""

    name: str
    query: str
    variables: Callable[[list[str], int], dict[str, Any]]
    refused: bool = False
    writes: bool = False

    def operation(self, _owner: str, ids: list[str], turn: int) -> Operation:
        """Return the operation for an owner whose tasks have these ids."""
        return self.query, self.variables(ids, turn)


def _update(ids: list[str], turn: int) -> dict[str, Any]:
    return {"id": ids[turn % len(ids)], "patch": {"completed": turn % 2 == 0, "priority": "HIGH"}}


WORKLOADS = [
    Workload("page of 50", PAGE, lambda _ids, _turn: {"first": 50}),
    Workload("100 as edges", EDGES, lambda _ids, _turn: {"first": 100}),
    Workload("one task", ONE, lambda ids, turn: {"id": ids[turn % len(ids)]}),
    Workload(
        "create", CREATE, lambda _ids, turn: {"input": {"title": f"New task {turn}"}}, writes=True
    ),
    Workload("update", UPDATE, _update, writes=True),
    Workload("refused token", PAGE, lambda _ids, _turn: {"first": 50}, refused=True),
    Workload("page with totalCount", COUNTED, lambda _ids, _turn: {"first": 50}),
    Workload("search", SEARCH, lambda _ids, _turn: {"filter": {"search": "the f"}}),
    Workload(
        "filtered, by due day",
        DUE,
        lambda _ids, _turn: {"filter": {"status": ["OPEN"], "dueFrom": "2026-01-01"}},
    ),
    Workload(
        "bulk update of 50",
        BULK,
        lambda ids, turn: {"ids": ids[:50], "patch": {"completed": turn % 2 == 0}},
        writes=True,
    ),
]
# PostGraphile generates its schema from the tables. Workloads that need a plugin are omitted. So is
# "create", because there the client chooses the id, and each request is sent many times.
_COLUMNS = FIELDS.replace("id ", "id: rowId ", 1)
_NEWEST = """first: $first, condition: {trashedAt: null}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]"""
_MINE = "$owner: String!, $id: UUID!"
_BY_ID = "ownerId: $owner, rowId: $id"
PAGE_BY_TABLE = f"""query Page($first: Int) {{
  tasks: allTasks({_NEWEST}) {{ nodes {{ {_COLUMNS} }} }} }}"""
EDGES_BY_TABLE = f"""query Edges($first: Int) {{ tasks: allTasks({_NEWEST}) {{
  edges {{ cursor node {{ {_COLUMNS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
COUNTED_BY_TABLE = f"""query Counted($first: Int) {{
  tasks: allTasks({_NEWEST}) {{ totalCount nodes {{ {_COLUMNS} }} }} }}"""
ONE_BY_TABLE = (
    f"""query One({_MINE}) {{ task: taskByOwnerIdAndRowId({_BY_ID}) {{ {_COLUMNS} }} }}"""
)
UPDATE_BY_TABLE = f"""mutation Update({_MINE}, $patch: TaskPatch!) {{
  updateTask: updateTaskByOwnerIdAndRowId(input: {{{_BY_ID}, taskPatch: $patch}}) {{
    task {{ {_COLUMNS} }} }} }}"""


def _update_by_table(owner: str, ids: list[str], turn: int) -> dict[str, Any]:
    done = turn % 2 == 0
    at = datetime.now(UTC).isoformat() if done else None
    patch = {"completed": done, "completedAt": at, "priority": Priority.HIGH}
    return {"owner": owner, "id": ids[turn % len(ids)], "patch": patch}


Operations = dict[str, Callable[[str, list[str], int], Operation]]
"""The operations for a server with its own schema, by the name of the workload."""

BY_TABLE: Operations = {
    "page of 50": lambda _owner, _ids, _turn: (PAGE_BY_TABLE, {"first": 50}),
    "100 as edges": lambda _owner, _ids, _turn: (EDGES_BY_TABLE, {"first": 100}),
    "one task": lambda owner, ids, turn: (
        ONE_BY_TABLE,
        {"owner": owner, "id": ids[turn % len(ids)]},
    ),
    "update": lambda owner, ids, turn: (UPDATE_BY_TABLE, _update_by_table(owner, ids, turn)),
    "page with totalCount": lambda _owner, _ids, _turn: (COUNTED_BY_TABLE, {"first": 50}),
}
MIX = {"page of 50": 6, "one task": 3, "update": 1}
"""The number of each workload among ten requests of the mix. Nine of them read."""
