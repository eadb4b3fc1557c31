"""Run compiled functions, and await the results of asynchronous resolvers."""

from asyncio import FIRST_COMPLETED, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from graphql.pyutils import Path

from api.graphql.execution.plain import NotPlain
from api.graphql.execution.replay import ResolverResult, Results, SharedItem

Complete = Callable[[Any, Path, "Run", "Pending"], Any]
"""A function that completes the result of a resolver (GraphQL §6.4.3)."""


@dataclass(slots=True)
class PendingField:
    """A field whose resolver has returned an awaitable."""

    awaitable: Awaitable[Any]
    path: Path
    response: dict[Any, Any]
    """The response object that the field belongs to."""
    complete: Complete

    def begin(self, _: "Run") -> Awaitable[Any]:
        """Return the awaitable."""
        return self.awaitable

    def record(
        self,
        run: "Run",
        value: Any = None,
        error: BaseException | None = None,
        task: Future[Any] | None = None,
    ) -> None:
        """Record the result or the error, or the task that is still running."""
        run.results[self.path] = ResolverResult(value, error, task is None, task)

    def finish(self, value: Any, run: "Run", pending: "Pending") -> None:
        """Complete the field."""
        self.response[self.path.key] = self.complete(value, self.path, run, pending)


@dataclass(slots=True)
class PendingBatch:
    """A field of many objects, with a resolver that is called once for all of them."""

    call: Callable[[list[Any], Path, "Run"], Awaitable[list[Any]]]
    complete: Complete
    """A function that completes the field of an object. It gets the path of the object."""
    key: str
    type_name: str
    sources: list[Any] = field(default_factory=list)
    places: list[tuple[Path, dict[Any, Any]]] = field(default_factory=list)
    """The path of each source, and the response object that the field belongs to."""
    values: list[Any] | None = None
    error: BaseException | None = None
    task: Future[Any] | None = None

    def begin(self, run: "Run") -> Awaitable[Any]:
        """Call the resolver."""
        run.batches.append(self)
        return self._called(run)

    async def _called(self, run: "Run") -> list[Any]:
        values = await self.call(self.sources, self._path(self.places[0][0]), run)
        if len(values) != len(self.sources):
            raise ValueError(f"expected {len(self.sources)} results, got {len(values)}")
        return values

    def _path(self, of_object: Path) -> Path:
        return Path(of_object, self.key, self.type_name)

    def record(
        self,
        _: "Run",
        value: Any = None,
        error: BaseException | None = None,
        task: Future[Any] | None = None,
    ) -> None:
        """Record the results or the error, or the task that is still running."""
        self.values, self.error, self.task = value, error, task

    def finish(self, values: list[Any], run: "Run", pending: "Pending") -> None:
        """Complete the fields. Raises NotPlain if one of the values is an exception."""
        key, complete = self.key, self.complete
        for (path, response), value in zip(self.places, values, strict=True):
            if isinstance(value, BaseException):
                raise NotPlain
            response[key] = complete(value, path, run, pending)

    def results(self) -> Results:
        """Return the recorded result of each object."""
        found: Results = {}
        for index, (path, _) in enumerate(self.places):
            value = self.values[index] if self.values else None
            result = ResolverResult(value, self.error, self.task is None)
            if isinstance(value, BaseException):
                result.value, result.error = None, value
            if self.task is not None:
                result.awaitable = SharedItem(self.task, index)
            found[self._path(path)] = result
        return found


@dataclass(slots=True)
class Pending:
    """The fields that are not completed yet."""

    fields: list[PendingField | PendingBatch] = field(default_factory=list)
    """All of the fields. A batch is listed once."""
    batches: dict[object, PendingBatch] = field(default_factory=dict)
    """The batches, by their resolver."""


@dataclass(slots=True)
class Run:
    """The execution of an operation: the input of its resolvers, and their recorded results."""

    context: Any
    variables: dict[str, Any]
    extensions: dict[str, Any] | None
    results: Results = field(default_factory=dict)
    batches: list[PendingBatch] = field(default_factory=list)
    """The batches whose resolver was called."""

    def recorded(self) -> Results:
        """Return the results of all resolvers that were called."""
        for batch in self.batches:
            self.results |= batch.results()
        self.batches.clear()
        return self.results

    async def await_pending(self, pending: Pending) -> None:
        """Await the pending fields and complete them, until no field is pending.

        Completing a field can add further pending fields. Raises NotPlain for the first result that
        is not plain: graphql-core then continues, and decides whether to await the other fields.
        """
        while len(pending.fields) == 1:
            pending = await self._await_one(pending.fields[0])
        waiting: dict[Future[Any], PendingField | PendingBatch] = {}
        self._start(pending, waiting)
        try:
            while waiting:
                await wait(waiting, return_when=FIRST_COMPLETED)
                for future in [future for future in waiting if future.done()]:
                    each = waiting.pop(future)
                    if future.cancelled() or future.exception():
                        raise NotPlain
                    more = Pending()
                    each.finish(future.result(), self, more)
                    self._start(more, waiting)
        except CancelledError:
            for future in waiting:
                future.cancel()
            raise

    def _start(
        self, pending: Pending, waiting: dict[Future[Any], PendingField | PendingBatch]
    ) -> None:
        """Start the resolvers of the fields, and add each field to `waiting`, by its future."""
        for each in pending.fields:
            task = ensure_future(each.begin(self))
            task.add_done_callback(_retrieve)
            each.record(self, task=task)
            waiting[task] = each

    async def _await_one(self, only: PendingField | PendingBatch) -> Pending:
        """Await and complete the only pending field, without the cost of a task.

        Return the fields that are pending after that.
        """
        only.record(self)
        try:
            value = await only.begin(self)
        except Exception as error:
            only.record(self, error=error)
            raise NotPlain from error
        only.record(self, value)
        more = Pending()
        only.finish(value, self, more)
        return more


def _retrieve(task: Future[Any]) -> None:
    """Retrieve the exception, which asyncio logs otherwise when nobody awaits the task."""
    if not task.cancelled():
        task.exception()
