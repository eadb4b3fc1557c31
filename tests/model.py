"""The contract for tasks as a simple model: lists and loops, without a database.

`tests/owned/test_model.py` compares the API with this model, which is written from the contract and
not from `api/`. Timestamps are copied from the API's responses, since they cannot be predicted. The
model computes everything else.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"]
EMPTY: dict[str, Any] = {
    "description": "",
    "completed": False,
    "priority": "NONE",
    "dueOn": None,
    "labels": [],
}
COMPARED = {
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
    "DUE_ON": "dueOn",
    "PRIORITY": "priority",
    "POSITION": "position",
    "TITLE": "title",
}


class Refused(Exception):
    """The model rejects the operation with this error code, and nothing may have been written."""


def status(task: Any) -> str:
    """Return the status of a task."""
    if task["trashedAt"]:
        return "TRASHED"
    return "COMPLETED" if task["completed"] else "OPEN"


def labels(given: Iterable[str]) -> list[str]:
    """Return labels in their stored form."""
    composed = (unicodedata.normalize("NFC", label).lower() for label in given)
    return sorted({" ".join(label.split()) for label in composed})


def normal(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields in their stored form, and null as the default that it stands for."""
    kept = {
        name: EMPTY[name] if value is None and name in EMPTY else value
        for name, value in fields.items()
    }
    if "title" in kept:
        kept["title"] = kept["title"].strip()
    if "labels" in kept:
        kept["labels"] = labels(kept["labels"])
    return kept


def full_input(given: dict[str, Any]) -> dict[str, Any]:
    """Return all fields of a create, without the ID and with defaults for omitted fields."""
    full = {**EMPTY, "projectId": None, **normal(given)}
    return {name: value for name, value in full.items() if name != "id"}


@dataclass
class Owner:
    """The tasks of one owner, and their history."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, bool] = field(default_factory=dict)
    """Whether each project is in the trash."""
    parts: set[str] = field(default_factory=set)
    """The tasks that were trashed with their projects."""
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The input that each ID was created from."""
    deleted: dict[str, int] = field(default_factory=dict)
    """The tombstones: each ID, and the number of the write that deleted it, counted from 1."""
    old: set[str] = field(default_factory=set)
    """The IDs in `deleted` that were deleted over a day ago."""
    room: int = 30_000
    """How many more IDs the owner may have."""
    forgotten: int = 0
    """The last write whose tombstone was deleted: cursors from before it have expired."""
    writes: list[set[str]] = field(default_factory=list)
    """The IDs of each write, in order."""

    def make_room(self, inputs: list[dict[str, Any]]) -> None:
        """Delete the old tombstones, if these inputs need more IDs than are free."""
        try:
            self.check_create(inputs)
        except Refused as refused:
            if str(refused) == "BAD_USER_INPUT":
                for id in self.old:
                    self.forgotten = max(self.forgotten, self.deleted.pop(id))
                self.room += len(self.old)
                self.old = set()

    def check_create(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Return for each input the existing task, or None if it must be created."""
        found: list[dict[str, Any] | None] = []
        for given in inputs:
            id = given.get("id")
            if id in self.deleted:
                raise Refused("CONFLICT")
            if id in self.tasks and self.inputs[id] != full_input(given):
                raise Refused("CONFLICT")
            found.append(self.tasks.get(id) if id else None)
        if found.count(None) > self.room:
            raise Refused("BAD_USER_INPUT")
        for given, there in zip(inputs, found, strict=True):
            if there is None:
                self.check_project(given)
        return found

    def check_project(self, fields: dict[str, Any]) -> None:
        """Raise if the fields name a project that does not exist, or is in the trash."""
        project = fields.get("projectId")
        if project is not None and self.projects.get(project, True):
            raise Refused("NOT_FOUND")

    def created(self, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """Store the task that the API created, in the state that it must have."""
        fields = normal(given)
        project = fields.pop("projectId", None)
        expected = {
            **EMPTY,
            "position": answer["position"],
            **fields,
            "id": fields.get("id") or answer["id"],
            "project": project and {"id": project},
            "version": 1,
            "createdAt": answer["createdAt"],
            "updatedAt": answer["createdAt"],
            "completedAt": answer["createdAt"] if fields.get("completed") else None,
            "trashedAt": None,
        }
        self.tasks[expected["id"]] = expected
        self.inputs[expected["id"]] = full_input(given)
        self.room -= 1
        return expected

    def delete(self, ids: set[str]) -> None:
        """Delete tasks in one write. Their IDs stay in use."""
        self.writes.append(ids)
        self.parts -= ids
        for id in ids:
            del self.tasks[id]
            self.deleted[id] = len(self.writes)

    def found(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return all of the tasks, each once. Raise if one does not exist."""
        wanted = list(dict.fromkeys(ids))
        if not all(id in self.tasks for id in wanted):
            raise Refused("NOT_FOUND")
        return [self.tasks[id] for id in wanted]

    def write(self, task: dict[str, Any], fields: dict[str, Any], now: str) -> None:
        """Write to one task once."""
        fields = dict(fields)
        if "projectId" in fields:
            project = fields.pop("projectId")
            fields["project"] = project and {"id": project}
            self.parts.discard(task["id"])
        done = fields.get("completed", task["completed"])
        task |= fields
        task["completedAt"] = (task["completedAt"] or now) if done else None
        task["version"] += 1
        task["updatedAt"] = now

    def move(self, task: dict[str, Any], now: str, *, back: bool) -> None:
        """Trash or restore one task. A restored task leaves a project that is in the trash."""
        fields: dict[str, Any] = {"trashedAt": None if back else now}
        if back and task["project"] and self.projects[task["project"]["id"]]:
            fields["projectId"] = None
        self.parts.discard(task["id"])
        self.write(task, fields, now)

    def in_projects(self, projects: set[str]) -> list[dict[str, Any]]:
        """Return the tasks in these projects."""
        return [t for t in self.tasks.values() if t["project"] and t["project"]["id"] in projects]

    def move_projects(self, projects: set[str], now: str, *, back: bool) -> None:
        """Trash or restore projects, with the tasks that move with them."""
        moved = {id for id in projects if self.projects[id] == back}
        wrote = set()
        for task in self.in_projects(moved):
            if (task["id"] in self.parts) if back else not task["trashedAt"]:
                self.write(task, {"trashedAt": None if back else now}, now)
                wrote.add(task["id"])
        self.parts = self.parts - wrote if back else self.parts | wrote
        self.projects |= dict.fromkeys(moved, not back)
        if moved:
            self.writes.append(wrote)

    def found_projects(self, ids: list[str]) -> None:
        """Raise if one of the projects does not exist."""
        if not self.projects.keys() >= set(ids):
            raise Refused("NOT_FOUND")

    def listed(self, chosen: dict[str, Any], order: dict[str, str]) -> list[str]:
        """Return the IDs of the tasks that match a filter, in an order."""
        kept = [task for task in self.tasks.values() if matches(task, chosen)]
        name, descending = COMPARED[order["field"]], order["direction"] == "DESC"

        def key(task: Any) -> Any:
            value = task[name]
            if name == "priority":
                return PRIORITIES.index(value)
            return value.casefold().encode() if name == "title" else value

        dated = sorted(
            (task for task in kept if key(task) is not None),
            key=lambda task: (key(task), task["id"]),
            reverse=descending,
        )
        undated = sorted(task["id"] for task in kept if key(task) is None)
        return [task["id"] for task in dated] + (undated[::-1] if descending else undated)

    def changed(self, since: int) -> dict[str, dict[str, Any] | None]:
        """Return each task that was written since, or None for a tombstone."""
        ids = {id for write in self.writes[since:] for id in write}
        return {id: self.tasks.get(id) for id in ids if id in self.tasks or id in self.deleted}


def is_in(word: str, text: str) -> bool:
    """Return whether a word occurs in a folded text, or in a label, which is in lower case only."""
    return word.casefold() in text or labels([word])[0] in text


def matches(task: Any, chosen: dict[str, Any]) -> bool:
    """Return whether a task matches every condition of a filter."""
    texts = [task["title"].casefold(), task["description"].casefold(), *task["labels"]]
    words = (chosen.get("search") or "").split()
    due = task["dueOn"]
    project = task["project"] and task["project"]["id"]
    return (
        status(task) in (chosen.get("status") or ["OPEN", "COMPLETED"])
        and all(any(is_in(word, text) for text in texts) for word in words)
        and ("projectIds" not in chosen or project in chosen["projectIds"])
        and (not chosen.get("priority") or task["priority"] in chosen["priority"])
        and set(labels(chosen.get("labels") or ())) <= set(task["labels"])
        and (not chosen.get("dueFrom") or (due is not None and due >= chosen["dueFrom"]))
        and (not chosen.get("dueTo") or (due is not None and due <= chosen["dueTo"]))
    )
