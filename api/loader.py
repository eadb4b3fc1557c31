"""Load values by id: one call loads all ids that are requested at about the same time.

Nested fields load their rows with it (see `context.Context`).
"""

from asyncio import Task, create_task, shield, sleep
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Load = Callable[[list[str]], Awaitable[Mapping[str, T]]]
"""A function that returns values by their ids."""

WAITED = 2
"""The iterations of the event loop for which a call waits for further ids.

graphql-core completes a list of several objects an iteration later than a list of one object, and
the nodes of edges later than nodes. Their fields should still be resolved by one call.
"""


class Loader(Generic[T]):
    """Loads values, each only once.

    All ids of a call are loaded together. So a thousand ids take one task, where Strawberry's
    `DataLoader` makes a thousand futures.
    """

    def __init__(self, load: Load[T]) -> None:
        self._load = load
        self._batches: dict[str, _Batch[T]] = {}
        self._latest: _Batch[T] | None = None

    async def values(self, ids: Iterable[str]) -> dict[str, T]:
        """Return the values of these ids, and perhaps of others. Raises what `load` raises."""
        batches = {self._batch(id): None for id in dict.fromkeys(ids)}
        found: dict[str, T] = {}
        for batch in batches:
            batch.waiters += 1
        try:
            for batch in batches:
                found |= await shield(batch.task)
        finally:
            for batch in batches:
                batch.leave()
        return found

    def _batch(self, id: str) -> "_Batch[T]":
        batch = self._batches.get(id)
        if batch is None or batch.is_cancelled:
            if self._latest is None or self._latest.has_begun or self._latest.is_cancelled:
                self._latest = _Batch(self._load)
            batch = self._batches[id] = self._latest
            batch.ids.append(id)
        return batch


class _Batch(Generic[T]):
    """Ids that are loaded together, in a task that first waits for further ids."""

    def __init__(self, load: Load[T]) -> None:
        self.ids: list[str] = []
        self.has_begun = False
        self.is_cancelled = False
        self.waiters = 0
        self.task = create_task(self._loaded(load))
        self.task.add_done_callback(_retrieve)

    def leave(self) -> None:
        """Stop waiting for the values. If no call waits for them any more, cancel the task."""
        self.waiters -= 1
        if not self.waiters:
            self.is_cancelled = self.task.cancel()

    async def _loaded(self, load: Load[T]) -> Mapping[str, T]:
        for _ in range(WAITED):
            await sleep(0)
        self.has_begun = True
        return await load(self.ids)


def _retrieve(task: Task[Any]) -> None:
    """Retrieve the exception, which asyncio logs otherwise when nobody waits for the task."""
    if not task.cancelled():
        task.exception()
