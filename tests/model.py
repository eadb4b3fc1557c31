"""What the contract says of tasks, as plainly as Python can: lists, loops, no database.

A second opinion for `tests/owned/test_model.py`, written from the contract and not from `api/`.
Moments are taken over from the API's answers, since nobody can foretell those; all else is worked
out here.
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
    """The code that the API must answer, and nothing must have been written."""


def status(task: Any) -> str:
    """Where a task stands."""
    if task["trashedAt"]:
        return "TRASHED"
    return "COMPLETED" if task["completed"] else "OPEN"


def labels(given: Iterable[str]) -> list[str]:
    """As they are kept."""
    composed = (unicodedata.normalize("NFC", label).lower() for label in given)
    return sorted({" ".join(label.split()) for label in composed})


def normal(fields: dict[str, Any]) -> dict[str, Any]:
    """What was given, as it is kept; null as what it stands for."""
    kept = {
        name: EMPTY[name] if value is None and name in EMPTY else value
        for name, value in fields.items()
    }
    if "title" in kept:
        kept["title"] = kept["title"].strip()
    if "labels" in kept:
        kept["labels"] = labels(kept["labels"])
    return kept


def said(given: dict[str, Any]) -> dict[str, Any]:
    """All that an input says of a task: its id apart, and what it leaves out said in full."""
    return {name: value for name, value in {**EMPTY, **normal(given)}.items() if name != "id"}


@dataclass
class Owner:
    """One person's tasks, and what became of them."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each id was created from."""
    deleted: dict[str, int] = field(default_factory=dict)
    """The tombstones: each id, and which write deleted it, counted from 1."""
    old: set[str] = field(default_factory=set)
    """The ids in `deleted` that were deleted over a day ago."""
    room: int = 30_000
    """How many more ids may be remembered."""
    forgotten: int = 0
    """The last write of which a tombstone was forgotten: cursors from before it have expired."""
    writes: list[set[str]] = field(default_factory=list)
    """The ids of each write, in their order."""

    def make_room(self, inputs: list[dict[str, Any]]) -> None:
        """Forget the tombstones that are old, if these inputs make more ids than there may be."""
        try:
            self.check_create(inputs)
        except Refused as refused:
            if str(refused) == "BAD_USER_INPUT":
                for id in self.old:
                    self.forgotten = max(self.forgotten, self.deleted.pop(id))
                self.room += len(self.old)
                self.old = set()

    def check_create(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """For each input the task that it is already, or None when it is to be made."""
        found: list[dict[str, Any] | None] = []
        for given in inputs:
            id = given.get("id")
            if id in self.deleted:
                raise Refused("CONFLICT")
            if id in self.tasks and self.inputs[id] != said(given):
                raise Refused("CONFLICT")
            found.append(self.tasks.get(id) if id else None)
        if found.count(None) > self.room:
            raise Refused("BAD_USER_INPUT")
        return found

    def created(self, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """Keeps what the API made, as it must have made it."""
        fields = normal(given)
        expected = {
            **EMPTY,
            "position": answer["position"],
            **fields,
            "id": fields.get("id") or answer["id"],
            "version": 1,
            "createdAt": answer["createdAt"],
            "updatedAt": answer["createdAt"],
            "completedAt": answer["createdAt"] if fields.get("completed") else None,
            "trashedAt": None,
        }
        self.tasks[expected["id"]] = expected
        self.inputs[expected["id"]] = said(given)
        self.room -= 1
        return expected

    def delete(self, ids: set[str]) -> None:
        """One write that deletes these for good. Their ids stay taken."""
        self.writes.append(ids)
        for id in ids:
            del self.tasks[id]
            self.deleted[id] = len(self.writes)

    def found(self, ids: list[str]) -> list[dict[str, Any]]:
        """All of them, each once, or none."""
        wanted = list(dict.fromkeys(ids))
        if not all(id in self.tasks for id in wanted):
            raise Refused("NOT_FOUND")
        return [self.tasks[id] for id in wanted]

    def write(self, task: dict[str, Any], fields: dict[str, Any], now: str) -> None:
        """One write to one task."""
        done = fields.get("completed", task["completed"])
        task |= fields
        task["completedAt"] = (task["completedAt"] or now) if done else None
        task["version"] += 1
        task["updatedAt"] = now

    def listed(self, chosen: dict[str, Any], order: dict[str, str]) -> list[str]:
        """Ids of the tasks that a filter leaves, in an order."""
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
        """What each task that was written since is now; None for one with a tombstone."""
        ids = {id for write in self.writes[since:] for id in write}
        return {id: self.tasks.get(id) for id in ids if id in self.tasks or id in self.deleted}


def is_in(word: str, text: str) -> bool:
    """Whether a word occurs in a folded text, or in a label, which is in lower case alone."""
    return word.casefold() in text or labels([word])[0] in text


def matches(task: Any, chosen: dict[str, Any]) -> bool:
    """Whether all that a filter says applies to a task."""
    texts = [task["title"].casefold(), task["description"].casefold(), *task["labels"]]
    words = (chosen.get("search") or "").split()
    due = task["dueOn"]
    return (
        status(task) in (chosen.get("status") or ["OPEN", "COMPLETED"])
        and all(any(is_in(word, text) for text in texts) for word in words)
        and (not chosen.get("priority") or task["priority"] in chosen["priority"])
        and set(labels(chosen.get("labels") or ())) <= set(task["labels"])
        and (not chosen.get("dueFrom") or (due is not None and due >= chosen["dueFrom"]))
        and (not chosen.get("dueTo") or (due is not None and due <= chosen["dueTo"]))
    )
