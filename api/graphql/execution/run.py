"""Run compiled functions, and await the results of resolvers that are pending."""

from asyncio import FIRST_COMPLETED, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from graphql.pyutils import Path

from api.graphql.execution.plain import NotPlain
from api.graphql.execution.replay import Memory, Shared

Complete = Callable[[Any, Path, "Run", "Later"], Any]
"""A function that completes the result of a resolver (GraphQL §6.4.3)."""
Pending = tuple[Awaitable[Any], Path, dict[Any, Any], Complete]
"""A pending field: the awaitable of its resolver, its path, the response object that it belongs to,
and the function that completes its value."""
Later = list[Pending]
"""The fields that are still pending."""


@dataclass(slots=True)
class Run:
    """The execution of an operation: the input of its resolvers, and their recorded results."""

    context: Any
    variables: dict[str, Any]
    extensions: dict[str, Any] | None
    memory: Memory = field(default_factory=dict)

    async def settle(self, later: Later) -> None:
        """Await the pending fields and complete them, until no field is pending.

        Completing a field can add further pending fields. Raises NotPlain for the first result that
        is not plain: graphql-core then continues, and decides whether to await the other fields.
        """
        while len(later) == 1:
            later = await self._settle_alone(*later[0])
        pending: dict[Future[Any], Later] = {}
        self._start(later, pending)
        try:
            while pending:
                await wait(pending, return_when=FIRST_COMPLETED)
                for future in [future for future in pending if future.done()]:
                    fields = pending.pop(future)
                    if future.cancelled() or future.exception():
                        raise NotPlain
                    more: Later = []
                    for _, path, into, complete in fields:
                        into[path.key] = complete(future.result(), path, self, more)
                    self._start(more, pending)
        except CancelledError:
            for future in pending:
                future.cancel()
            raise

    def _start(self, later: Later, pending: dict[Future[Any], Later]) -> None:
        """Add fields to those that wait for a future. Start and record the tasks of resolvers."""
        for each in later:
            awaitable = each[0]
            if isinstance(awaitable, Shared):
                pending.setdefault(awaitable.future, []).append(each)
            else:
                task = ensure_future(awaitable)
                self.memory[each[1]].waiting = task
                pending[task] = [each]

    async def _settle_alone(
        self, awaitable: Awaitable[Any], path: Path, into: dict[Any, Any], complete: Complete
    ) -> Later:
        """Await and complete the only pending field, without the cost of a task.

        Return the fields that are pending after that.
        """
        answer = self.memory[path]
        answer.waited, answer.waiting = True, None
        try:
            answer.value = await awaitable
        except Exception as error:
            answer.error = error
            raise NotPlain from error
        more: Later = []
        into[path.key] = complete(answer.value, path, self, more)
        return more
