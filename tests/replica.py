"""A copy of an owner's tasks, which a subscriber in a process of its own keeps up to date."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Self

from api.owned import changes
from api.owned.changes import Changes, CursorExpired
from api.owned.live import Live
from api.owned.owner import Owned
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.tasks.rules import TASKS
from tests.waiting import PATIENCE


class Subscribers:
    """The subscribers of some owners, in a process of the API without its server.

    They run only while the test waits for them.
    """

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._parts = AsyncExitStack()
        self._database = Database(url)
        self._live = Live(self._database, Notifications(url), poll=0.1)

    def __enter__(self) -> Self:
        async def start() -> None:
            await self._parts.enter_async_context(self._database)
            await self._parts.enter_async_context(self._live)

        self._runner.run(start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._parts.aclose())
        self._runner.close()

    def replica(self, owner: str) -> "Replica":
        """Return a replica for a new owner, who has no tasks yet."""
        owned = Owned(self._database, owner, self._live)
        return Replica(owned, self._runner, self._runner.run(changes.current(owned)))


class Replica:
    """The versions and titles of an owner's tasks, as the changes describe them."""

    def __init__(self, owned: Owned, runner: asyncio.Runner, cursor: str) -> None:
        self._owned = owned
        self._runner = runner
        self._cursor = cursor
        self._changes = Changes(owned, TASKS).follow(cursor)
        self.tasks: dict[str, tuple[int, str]] = {}
        self._gone: set[str] = set()

    def catch_up(self, expected: dict[str, Any]) -> None:
        """Wait until the replica is equal to the expected tasks."""
        tasks = {id: (task["version"], task["title"]) for id, task in expected.items()}
        self._runner.run(asyncio.wait_for(self._until(tasks), PATIENCE))

    def reconnect(self) -> bool:
        """Subscribe again from the last cursor. Return whether it is still valid."""

        async def look() -> bool:
            await self._changes.aclose()
            self._changes = Changes(self._owned, TASKS).follow(self._cursor)
            try:
                await Changes(self._owned, TASKS).since(1, self._cursor)
            except CursorExpired:
                return False
            return True

        return self._runner.run(look())

    def start_again(self, expected: dict[str, Any]) -> None:
        """Replace the tasks by a list that was read again, and subscribe from now on."""
        self.tasks = {id: (task["version"], task["title"]) for id, task in expected.items()}
        self._cursor = self._runner.run(changes.current(self._owned))
        self._changes = Changes(self._owned, TASKS).follow(self._cursor)

    def close(self) -> None:
        """End the subscription."""
        self._runner.run(self._changes.aclose())

    async def _until(self, expected: dict[str, tuple[int, str]]) -> None:
        while self.tasks != expected:
            row, self._cursor = await anext(self._changes)
            version, _ = self.tasks.get(row["id"], (0, ""))
            if row["version"] is None:
                assert row["id"] not in self._gone, "a deletion is delivered once"
                self._gone.add(row["id"])
                self.tasks.pop(row["id"], None)
            else:
                assert row["version"] > version, "a state is delivered once"
                self.tasks[row["id"]] = (row["version"], row["title"])
