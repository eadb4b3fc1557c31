"""What resolvers answered to a compiled operation, for graphql-core to go on with.

So that an operation which turns out not to be plain is never half executed, nor executed twice.
"""

from asyncio import isfuture
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from inspect import iscoroutine
from typing import Any

from graphql import GraphQLFieldResolver, GraphQLResolveInfo, MiddlewareManager
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

ANSWERS = "answers of a compiled operation"
"""Under which the extensions of an operation, which no client reaches, hold the memory."""


@dataclass(slots=True)
class Answer:
    """Of one resolver: at once, or by something that was, or is still to be, waited for."""

    value: Any = None
    error: Exception | None = None
    waited: bool = False
    waiting: Awaitable[Any] | None = None

    def again(self) -> Any:
        """As the resolver would give it."""
        if self.waited or self.waiting is not None:
            return self._later()
        if self.error:
            raise self.error
        return self.value

    async def _later(self) -> Any:
        if self.waiting is not None:
            return await self.waiting
        if self.error:
            raise self.error
        return self.value


Memory = dict[Path, Answer]


def forget(memory: Memory) -> None:
    """Closes what nobody will wait for any more."""
    for answer in memory.values():
        if isfuture(answer.waiting):
            if not answer.waiting.cancel() and not answer.waiting.cancelled():
                answer.waiting.exception()  # or asyncio would say that nobody asked for it
        elif iscoroutine(answer.waiting):
            answer.waiting.close()


class Replaying(StrawberryGraphQLCoreExecutionContext):
    """For `strawberry.Schema(execution_context_class=…)`: calls no resolver that has answered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        extensions: Mapping[str, Any] = self.operation_extensions or {}
        if memory := extensions.get(ANSWERS):
            self.middleware_manager = _Replay(memory, self.middleware_manager)


class _Replay(MiddlewareManager):
    def __init__(self, memory: Memory, inner: MiddlewareManager | None) -> None:
        super().__init__()
        self._memory = memory
        self._inner = inner

    def get_field_resolver(self, field_resolver: GraphQLFieldResolver) -> GraphQLFieldResolver:
        """One that asks the memory first."""
        resolve = self._inner.get_field_resolver(field_resolver) if self._inner else field_resolver

        def replay(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            answer = self._memory.pop(info.path, None)
            return resolve(source, info, **arguments) if answer is None else answer.again()

        return replay
