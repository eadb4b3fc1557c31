"""Run compiled functions, and await the results of asynchronous resolvers."""

from asyncio import FIRST_COMPLETED, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from graphql.pyutils import Path

from api.graphql.execution.plain import NotPlain
from api.graphql.execution.replay import Results, Shared

Complete = Callable[[Any, Path, "Run", "Pending"], Any]
"""A function that completes the result of a resolver (GraphQL §6.4.3)."""
PendingField = tuple[Awaitable[Any], Path, dict[Any, Any], Complete]
"""A field whose resolver has returned an awaitable: the awaitable, the path of the field, the
response object that the field belongs to, and the function that completes the result."""
Pending = list[PendingField]
"""The fields that are not completed yet."""


@dataclass(slots=True)
class Run:
    """The execution of an operation: the input of its resolvers, and their recorded results."""

    context: Any
    variables: dict[str, Any]
    extensions: dict[str, Any] | None
    results: Results = field(default_factory=dict)

    async def await_pending(self, pending: Pending) -> None:
        """Await the pending fields and complete them, until no field is pending.

        Completing a field can add further pending fields. Raises NotPlain for the first result that
        is not plain: graphql-core then continues, and decides whether to await the other fields.
        """
        while len(pending) == 1:
            pending = await self._await_one(*pending[0])
        waiting: dict[Future[Any], Pending] = {}
        self._start(pending, waiting)
        try:
            while waiting:
                await wait(waiting, return_when=FIRST_COMPLETED)
                for future in [future for future in waiting if future.done()]:
                    fields = waiting.pop(future)
                    if future.cancelled() or future.exception():
                        raise NotPlain
                    more: Pending = []
                    for _, path, into, complete in fields:
                        into[path.key] = complete(future.result(), path, self, more)
                    self._start(more, waiting)
        except CancelledError:
            for future in waiting:
                future.cancel()
            raise

    def _start(self, pending: Pending, waiting: dict[Future[Any], Pending]) -> None:
        """Start the resolvers of the fields, and add each field to those that wait for a future."""
        for each in pending:
            awaitable = each[0]
            if isinstance(awaitable, Shared):
                waiting.setdefault(awaitable.future, []).append(each)
            else:
                task = ensure_future(awaitable)
                self.results[each[1]].awaitable = task
                waiting[task] = [each]

    async def _await_one(
        self, awaitable: Awaitable[Any], path: Path, into: dict[Any, Any], complete: Complete
    ) -> Pending:
        """Await and complete the only pending field, without the cost of a task.

        Return the fields that are pending after that.
        """
        result = self.results[path]
        result.is_async, result.awaitable = True, None
        try:
            result.value = await awaitable
        except Exception as error:
            result.error = error
            raise NotPlain from error
        more: Pending = []
        into[path.key] = complete(result.value, path, self, more)
        return more
