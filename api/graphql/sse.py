"""Serve GraphQL as server-sent events, in the distinct connections mode of graphql-sse.

The protocol: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md. One response is the
stream of one operation.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from api.errors import Problem
from api.graphql.operations import Operations, Request
from api.graphql.owner import Owner
from api.graphql.results import Result, body, bug, client_error, encoded
from api.graphql.sessions import Sessions
from api.graphql.streams import Subscription
from api.telemetry import records

EVENT_STREAM = "text/event-stream"
HEARTBEAT = 12.0
"""Seconds between two comments on a stream. Proxies and browsers close a connection on which
nothing is sent for long."""

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"vary", b"Accept, Accept-Encoding"),
    (b"x-accel-buffering", b"no"),  # keeps nginx from buffering the events
)
_START = {"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS}
_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"


def _next(response: Mapping[str, object]) -> bytes:
    return b"event: next\ndata: " + encoded(response) + b"\n\n"


def _failed(errors: Sequence[Mapping[str, object]]) -> bytes:
    return _next({"errors": errors}) + _COMPLETE


def single(result: Result) -> bytes:
    """Return the events of a response to a query or a mutation."""
    return _next(body(result)) + _COMPLETE


class EventStreams:
    """Makes the responses that are streams of events."""

    def __init__(
        self, operations: Operations, sessions: Sessions, *, heartbeat: float = HEARTBEAT
    ) -> None:
        self._operations = operations
        self._sessions = sessions
        self._heartbeat = heartbeat

    async def subscribe(self, scope: Scope, request: Request) -> "EventStream":
        """Return the response with the results of a subscription. The caller must call it.

        Raises NotSubscribed, RateLimited, and the Problems of the context.
        """
        stream = EventStream(scope["state"]["claims"], self._sessions, self._heartbeat)
        owner = self._sessions.enter(stream)
        try:
            owner.reserve(request.size)
            try:
                subscription = await self._operations.subscribe(scope, request)
            except BaseException:
                owner.release(request.size)
                raise
        except BaseException:
            self._sessions.exit(stream)
            raise
        stream.begin(owner, request.size, subscription)
        return stream


class EventStream:
    """A response with the results of a subscription, as an ASGI app.

    One task waits for the events and sends them. Another one waits until the client disconnects.
    """

    transport = "sse"

    def __init__(self, caller: Any, sessions: Sessions, heartbeat: float) -> None:
        self.caller = caller
        self._sessions = sessions
        self._heartbeat = heartbeat
        self._record = records.current()  # `end` is also called outside of the request
        if self._record:
            self._record.transport = "sse"
        self._turn = asyncio.Lock()  # held while an event is executed and sent
        self._ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._owner: Owner
        self._size: int
        self._subscription: Subscription

    def begin(self, owner: Owner, size: int, subscription: Subscription) -> None:
        """Set the subscription whose results are sent, and the size of its request."""
        self._owner = owner
        self._size = size
        self._subscription = subscription

    def end(self, problem: Problem) -> None:
        """Deliver no further event, and tell the client this reason."""
        if self._record:
            self._record.failed(problem.code)
        self._end_with(_failed([problem.formatted]))

    async def leave(self) -> None:
        """End the response without `complete`, so that the client connects again."""
        try:
            async with self._turn:
                pass
        finally:  # also when `Sessions.drain` cancels this, because its time is over
            self._end_with(b"")

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response until the source, the client or the server ends it."""
        try:
            await send(_START)
            await self._send_events(receive, send)
        finally:
            self._owner.release(self._size)
            self._sessions.exit(self)
        await send({"type": "http.response.body", "body": self._ended.result()})

    async def _send_events(self, receive: Receive, send: Send) -> None:
        works = (self._follow(send), self._wait_for_disconnect(receive))
        tasks = [asyncio.create_task(work) for work in works]
        try:
            while not self._ended.done():
                await asyncio.wait([self._ended], timeout=self._heartbeat)
                if not self._ended.done() and not self._turn.locked():
                    await self._write(send, _COMMENT)
        except asyncio.CancelledError:  # the server stops, and no longer waits for this response
            self._end_with(b"")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _end_with(self, last: bytes) -> None:
        if not self._ended.done():
            self._ended.set_result(last)

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        await receive()  # the body was read, so the next message says that the client disconnected
        self._end_with(b"")

    async def _follow(self, send: Send) -> None:
        async def deliver(event: bytes) -> None:
            if not self._ended.done():
                await self._write(send, event)

        try:
            errors = await self._subscription.follow(
                self._turn, self._owner, lambda result: _next(body(result)), deliver
            )
        except Problem as problem:
            self.end(problem)
        except Exception as error:  # noqa: BLE001 - `bug` logs it
            self.end(bug(error))
        else:
            found = [client_error(error) for error in errors]
            self._end_with(_failed(found) if found else _COMPLETE)

    async def _write(self, send: Send, octets: bytes) -> None:
        """Send a part of the response, and wait until most of it has left this process."""
        await send({"type": "http.response.body", "body": octets, "more_body": True})
        # The server waits before it sends, not afterwards.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
