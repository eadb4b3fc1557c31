"""What is asked of each server: the same requests, in the same words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FIELDS = "id title description completed completedAt priority dueOn version createdAt updatedAt"
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


@dataclass(frozen=True)
class Workload:
    """One operation; its variables are made for an owner whose ids are these."""

    name: str
    query: str
    variables: Callable[[list[str], int], dict[str, Any]]
    refused: bool = False
    writes: bool = False


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
MIX = {"page of 50": 6, "one task": 3, "update": 1}
"""The last workload: of ten requests, nine read."""
