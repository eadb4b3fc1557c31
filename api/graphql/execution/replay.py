"""Replay recorded results of resolvers, so that no resolver runs twice.

When a compiled operation meets a value that is not plain, graphql-core executes the operation from
the beginning. If a resolver has already run, this module returns its recorded result.
"""

from asyncio import Future, isfuture, shield
from collections.abc import Awaitable, Generator, Mapping
from dataclasses import dataclass
from inspect import iscoroutine
from typing import Any, Generic, TypeVar
from weakref import proxy

from graphql import GraphQLFieldResolver, GraphQLResolveInfo, MiddlewareManager
from graphql.pyutils import Path
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

ANSWERS = "answers of a compiled operation"
"""The key of the recorded results in the `operation_extensions`, which clients cannot set."""

T = TypeVar("T")


class Shared(Generic[T]):
    """A result that several fields await, such as the future of a data loader.

    A compiled operation awaits the future once for all of these fields. graphql-core awaits it for
    each field, and cancels a field when the object around it becomes null. This must not cancel the
    other fields.
    """

    __slots__ = ("future",)

    def __init__(self, future: Future[T]) -> None:
        self.future = future

    def __await__(self) -> Generator[Any, None, T]:
        return shield(self.future).__await__()


@dataclass(slots=True)
class Answer:
    """The recorded result of one resolver: a value or an error.

    `waited` is true if the resolver is asynchronous and its result is known. `waiting` is the
    awaitable or the task of a resolver whose result is not known yet.
    """

    value: Any = None
    error: Exception | None = None
    waited: bool = False
    waiting: Awaitable[Any] | None = None

    def again(self) -> Any:
        """Return the value or raise the error; if the resolver is async, return an awaitable."""
        if self.waited or self.waiting is not None:
            return self
        if self.error:
            raise self.error
        return self.value

    def __await__(self) -> Generator[Any, None, Any]:
        # Python warns of a coroutine that is never awaited. graphql-core may drop this before.
        return self._later().__await__()

    async def _later(self) -> Any:
        if self.waiting is not None:
            return await self.waiting
        if self.error:
            raise self.error
        return self.value


Memory = dict[Path, Answer]


def forget(memory: Memory) -> None:
    """Cancel or close the awaitables that were not used."""
    for answer in memory.values():
        waiting = answer.waiting
        if isinstance(waiting, Shared):
            waiting = waiting.future
        if isfuture(waiting):
            if not waiting.cancel() and not waiting.cancelled():
                waiting.exception()  # otherwise asyncio logs that it was never retrieved
        elif iscoroutine(waiting):
            waiting.close()


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
        if memory := extensions.get(ANSWERS):
            self.middleware_manager = _Replay(memory, self.middleware_manager)


class _Replay(MiddlewareManager):
    def __init__(self, memory: Memory, inner: MiddlewareManager | None) -> None:
        super().__init__()
        self._memory = memory
        self._inner = inner

    def get_field_resolver(self, field_resolver: GraphQLFieldResolver) -> GraphQLFieldResolver:
        """Return a resolver that uses the recorded result, if there is one."""
        resolve = self._inner.get_field_resolver(field_resolver) if self._inner else field_resolver

        def replay(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            answer = self._memory.pop(info.path, None)
            return resolve(source, info, **arguments) if answer is None else answer.again()

        return replay
