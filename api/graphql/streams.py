"""Execute subscriptions: open the source event stream, and execute the operation for each event."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast

from graphql import (
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLError,
    create_source_event_stream,
    execute_subscription_event,
    located_error,
)
from strawberry import Schema

from api.errors import RateLimited, Unauthenticated, Unavailable
from api.graphql.execution import Document, core_schema
from api.graphql.owner import Owner
from api.graphql.results import Result

Encode = Callable[[Result], bytes]
Deliver = Callable[[bytes], Awaitable[None]]


class PerEvent(Protocol):
    """A context with methods that are called before the operation is executed for an event."""

    async def wait_for_event(self, cost: float) -> None:
        """Wait until the caller may get another event of an operation of this cost."""
        ...

    async def begin_event(self) -> None:
        """Clear the state of the previous event.

        Raises a Problem when the caller must not get this event.
        """
        ...


class NotSubscribed(Exception):
    """The subscription could not begin, for example because of a variable of a wrong type."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


class Subscription:
    """A subscription that has begun."""

    __slots__ = ("_context", "_executor", "_source", "cost")

    def __init__(self, executor: Executor[Any], source: AsyncGenerator[Any, None]) -> None:
        self._context: PerEvent = executor.context_value
        self._executor = executor
        self._source = source
        self.cost: float = 1
        """The cost of the operation, which is executed for each event."""

    async def follow(
        self, turn: asyncio.Lock, owner: Owner, encode: Encode, deliver: Deliver
    ) -> Sequence[GraphQLError]:
        """Deliver the result of each event. Return the errors of the source that ended it.

        The next event is requested only after the result of the previous one was delivered. `turn`
        is held while an event is executed and delivered. The source is closed at the end. Raises
        the Problems of the context, and the errors after which a client should connect again:
        Unauthenticated, Unavailable and RateLimited.
        """
        try:
            async with aclosing(self._source) as source:
                while True:
                    try:
                        event = await anext(source)
                    except StopAsyncIteration:
                        return []
                    except (Unauthenticated, Unavailable, RateLimited):
                        raise
                    except Exception as error:  # noqa: BLE001 - the caller logs it if it is a bug
                        return [self._error(error)]
                    await self._pass_on(event, turn, owner, encode, deliver)
                    del event  # a subscription that waits holds no event
                    await asyncio.sleep(0)  # a source that never waits must not delay other clients
        finally:
            # These helpers and the executor refer to each other. Without this line, they and the
            # values of the variables would stay in memory until a garbage collection.
            del self._executor.async_helpers

    async def _pass_on(
        self, event: object, turn: asyncio.Lock, owner: Owner, encode: Encode, deliver: Deliver
    ) -> None:
        """Wait until the rate limits allow the event. Then execute and deliver it."""
        # Wait without `turn`: results that are not sent yet may need it.
        async with owner.waiting:
            await self._context.wait_for_event(self.cost)
        while True:
            await owner.wait_for_room()
            async with turn:
                async with owner.turn:
                    if not owner.has_room:
                        continue
                    # Only the bytes are kept while the client does not read.
                    message = encode(await self._execute(event))
                with owner.sending(len(message)):
                    await deliver(message)
                owner.delivered += 1
                return

    async def _execute(self, event: object) -> ExecutionResult:
        await self._context.begin_event()
        executor = self._executor.build_per_event_executor(event)
        # Otherwise graphql-core would keep the selected fields of each event in a cache, until the
        # subscription ends.
        executor._relevant_sub_fields = {}  # noqa: SLF001 - no public way to clear it
        found = execute_subscription_event(executor)
        result = found if isinstance(found, ExecutionResult) else await found
        for error in result.errors or ():
            # The client would continue at the cursor of this event, and miss a part of its data.
            if isinstance(error.original_error, Unavailable | RateLimited):
                raise error.original_error
        return result

    def _error(self, cause: Exception) -> GraphQLError:
        """Return an exception of the source as the error of the subscribed field."""
        [node] = self._executor.operation.selection_set.selections
        path = [(node.alias or node.name).value] if isinstance(node, FieldNode) else None
        return located_error(cause, [node], path)


async def subscribe(
    schema: Schema,
    document: Document,
    operation_name: str | None,
    variables: dict[str, Any] | None,
    context: object,
) -> Subscription:
    """Begin the subscription with this name; for None, the only operation of the document.

    The context must be a `PerEvent`. The extensions of the schema are not called. Raises
    NotSubscribed.
    """
    executor = schema.execution_context_class.build(
        core_schema(schema),
        document.node,
        context_value=context,
        raw_variable_values=variables,
        operation_name=operation_name,
    )
    if isinstance(executor, list):
        raise NotSubscribed(executor)
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        raise NotSubscribed(source.errors or [])
    return Subscription(executor, cast("AsyncGenerator[Any, None]", source))
