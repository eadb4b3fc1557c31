"""Every registered resource behaves as its model, for random operations in random order.

The rules use what all resources share, through the same classes that resolvers use. A resource
that is added later is tested without a change here.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from api import schema  # noqa: F401 - declares the resources
from api.errors import Conflict, NotFound
from api.owned import changes
from api.owned.changes import Changes
from api.owned.owner import Owned
from api.owned.reads import PageRequest, Reads
from api.owned.resource import RESOURCES, TRASHED, Resource
from api.owned.writes import Writes
from api.postgres.database import Database
from dev.postgres import Postgres

T = TypeVar("T")
PICKS = st.lists(st.integers(0, 9), max_size=4)


@dataclass
class Model:
    """The state of an owner: the version of each row, the rows in the trash and the deleted IDs."""

    versions: dict[str, int] = field(default_factory=dict)
    trashed: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)


class Machine(RuleBasedStateMachine):
    """The rules, for the resource, the database and the event loop of a subclass."""

    database: ClassVar[Database]
    runner: ClassVar[asyncio.Runner]
    resource: ClassVar[Resource]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        owned = Owned(self.database, secrets.token_hex(8))
        self.reads, self.writes = Reads(owned, self.resource), Writes(owned, self.resource)
        self.feed = Changes(owned, self.resource)
        self.after = self.runner.run(changes.current(owned))
        self.replica: dict[str, int] = {}

    def picked(self, picks: list[int]) -> list[str]:
        """Return ids of rows that exist, and one that does not when there are none."""
        ids = sorted(self.model.versions)
        return [ids[pick % len(ids)] for pick in picks] if ids else [str(uuid4())] * len(picks)

    def write(
        self, ids: list[str], write: Callable[[list[str]], Coroutine[Any, Any, T]]
    ) -> T | None:
        """Run a write of rows, and check that it fails as a whole if one does not exist."""
        try:
            written = self.runner.run(write(ids))
        except NotFound:
            assert not set(ids) <= self.model.versions.keys()
            return None
        assert set(ids) <= self.model.versions.keys()
        return written

    @rule(number=st.integers(0, 3))
    def create(self, number: int) -> None:
        given = [dict(self.resource.example) for _ in range(number)]
        rows = self.runner.run(self.writes.create_all(given))
        self.model.versions |= {row["id"]: row["version"] for row in rows}
        assert [row["version"] for row in rows] == [1] * number

    @rule(pick=st.integers(0, 9))
    def create_again(self, pick: int) -> None:
        """Create a row again with its ID: it is the same row, unless it was deleted."""
        used = sorted(self.model.versions.keys() | self.model.deleted)
        if used:
            id = used[pick % len(used)]
            try:
                row = self.runner.run(self.writes.create({**self.resource.example, "id": id}))
            except Conflict:
                assert id in self.model.deleted
            else:
                assert row["version"] == self.model.versions[id]

    @rule(picks=PICKS)
    def trash(self, picks: list[int]) -> None:
        self.moved(self.picked(picks), into_trash=True)

    @rule(picks=PICKS)
    def restore(self, picks: list[int]) -> None:
        self.moved(self.picked(picks), into_trash=False)

    def moved(self, ids: list[str], *, into_trash: bool) -> None:
        move = self.writes.trash if into_trash else self.writes.restore
        if self.write(ids, move) is not None:
            for id in set(ids):
                if (id in self.model.trashed) != into_trash:
                    self.model.versions[id] += 1
                    self.model.trashed ^= {id}

    @rule(picks=PICKS)
    def delete(self, picks: list[int]) -> None:
        ids = self.picked(picks)
        if self.write(ids, self.writes.delete) is not None:
            for id in set(ids):
                del self.model.versions[id]
            self.model.trashed -= set(ids)
            self.model.deleted |= set(ids)

    @invariant()
    def lists_are_those_of_the_model(self) -> None:
        shown = PageRequest(first=100, counted=True)
        page = self.runner.run(self.reads.page(shown))
        expected = self.model.versions.keys() - self.model.trashed
        assert {row["id"] for row in page.rows} == expected
        assert page.total == len(expected)
        assert self.runner.run(self.reads.count({"status": [TRASHED]})) == len(self.model.trashed)

    @invariant()
    def the_change_feed_keeps_a_replica(self) -> None:
        page = self.runner.run(self.feed.since(100, self.after))
        for row in page.rows:
            if row["version"] is None:
                self.replica.pop(row["id"], None)
            else:
                self.replica[row["id"]] = row["version"]
        self.after = page.end or self.after
        assert self.replica == self.model.versions


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_resource_behaves_as_its_model(postgres: Postgres, resource: Resource) -> None:
    async def opened() -> Database:
        return await Database(postgres.url).__aenter__()

    with asyncio.Runner() as runner:
        database = runner.run(opened())
        try:
            run_state_machine_as_test(
                type(
                    "Of", (Machine,), {"database": database, "runner": runner, "resource": resource}
                ),
                settings=settings(
                    max_examples=15,
                    stateful_step_count=15,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.__aexit__())
