"""Replay recorded results of resolvers, so that no resolver runs twice.

When a compiled operation meets a value that is not plain, graphql-core executes the operation from
the beginning. If a resolver has already run, this module returns its recorded result.
"""

from asyncio import Future, isfuture, shield
from collections.abc import Awaitable, Generator, Mapping
from dataclasses import dataclass
from inspect import iscoroutine
from typing import Any
from weakref import proxy

from graphql import GraphQLFieldResolver, GraphQLResolveInfo, MiddlewareManager
from graphql.pyutils import Path
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

RESULTS = "results of a compiled operation"
"""The key of the recorded results in the `operation_extensions`, which clients cannot set."""


@dataclass(slots=True)
class SharedItem:
    """The result for one of the objects of a batch, whose task may still be running.

    graphql-core awaits it for each object, and cancels a field when the object around it becomes
    null. This must not cancel the task, which other objects await.
    """

    task: Future[list[Any]]
    index: int

    def __await__(self) -> Generator[Any, None, Any]:
        return self._item().__await__()

    async def _item(self) -> Any:
        item = (await shield(self.task))[self.index]
        if isinstance(item, BaseException):
            raise item
        return item


@dataclass(slots=True)
class ResolverResult:
    """The recorded result of one resolver: a value or an error.

    `is_async` is true if the resolver is asynchronous and its result is known. `awaitable` is the
    coroutine, the future or the task of a resolver whose result is not known yet.
    """

    value: Any = None
    error: BaseException | None = None
    is_async: bool = False
    awaitable: Awaitable[Any] | None = None

    @property
    def task(self) -> Future[Any] | None:
        """The future or the task that `awaitable` stands for; None for a coroutine."""
        found = self.awaitable
        if isinstance(found, SharedItem):
            return found.task
        return found if isfuture(found) else None

    def replay(self) -> Any:
        """Return or raise what the resolver did; if it is asynchronous, return an awaitable."""
        if self.is_async or self.awaitable is not None:
            return self
        if self.error:
            raise self.error
        return self.value

    def __await__(self) -> Generator[Any, None, Any]:
        # graphql-core may never await this object. Python would warn about such a coroutine, so the
        # coroutine is created only here.
        return self._result().__await__()

    async def _result(self) -> Any:
        if self.awaitable is not None:
            return await self.awaitable
        if self.error:
            raise self.error
        return self.value


Results = dict[Path, ResolverResult]
"""The recorded results of resolvers, by the paths of their fields."""


def discard(results: Results) -> None:
    """Cancel the tasks, which no other request awaits, and close the coroutines."""
    for result in results.values():
        if task := result.task:
            task.cancel()
        elif iscoroutine(result.awaitable):
            result.awaitable.close()


class Replaying(StrawberryGraphQLCoreExecutionContext):
    """An execution context that uses the recorded result of a resolver instead of calling it.

    Pass it to Strawberry as `strawberry.Schema(execution_context_class=…)`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Bound methods of this object would keep the request in memory until a garbage collection.
        executor = proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=lambda values: executor.gather_async_work(values),  # noqa: PLW0108 - as above
            track=lambda values: executor.track_async_work(values),  # noqa: PLW0108 - as above
        )
        extensions: Mapping[str, Any] = self.operation_extensions or {}
        if results := extensions.get(RESULTS):
            self.middleware_manager = _Replay(results, self.middleware_manager)


class _Replay(MiddlewareManager):
    def __init__(self, results: Results, inner: MiddlewareManager | None) -> None:
        super().__init__()
        self._results = results
        self._inner = inner

    def get_field_resolver(self, field_resolver: GraphQLFieldResolver) -> GraphQLFieldResolver:
        """Return a resolver that uses the recorded result, if there is one."""
        resolve = self._inner.get_field_resolver(field_resolver) if self._inner else field_resolver

        def replay(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            result = self._results.get(info.path)
            if result is None:
                return resolve(source, info, **arguments)
            if result.task is None:  # a task must be cancelled if graphql-core drops the field
                del self._results[info.path]
            return result.replay()

        return replay
