"""Speak the protocol graphql-transport-ws of the library graphql-ws on one socket.

The protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Strawberry's handler
is not used. It has no public hook to close a socket when its token expires, none to be called
before each event, and it starts a task with a timer for each socket.

A socket without operations has no task but the one in which the server runs the app.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from graphql import GraphQLError, OperationType
from starlette.types import Message, Receive, Scope, Send

from api.errors import BadRequest, Problem, RateLimited, Unauthenticated, Unavailable
from api.graphql.documents import InvalidDocument
from api.graphql.operations import Operations, Request
from api.graphql.owner import Owner
from api.graphql.parameters import Parameters, read_object, read_parameters
from api.graphql.results import (
    Result,
    body,
    bug,
    client_error,
    encoded,
    is_request_error,
    refusal,
    refusals,
)
from api.graphql.sessions import Caller, Sessions
from api.graphql.streams import NotSubscribed
from api.telemetry import records

SUBPROTOCOL = "graphql-transport-ws"
MAX_OPERATIONS = 20
"""The most operations of a socket at once."""
MAX_ID = 128
"""The most characters of the id of an operation."""

Authenticate = Callable[[Scope, Iterable[tuple[bytes, bytes]]], Awaitable[Caller]]


class _Violation(Exception):
    """A message that closes the socket. `code` is a close code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """A WebSocket of one client. It handles messages in their order, and operations in tasks."""

    __slots__ = (
        "_authenticate",
        "_closed",
        "_closing",
        "_is_leaving",
        "_most_operations",
        "_operations",
        "_owner",
        "_receive",
        "_running",
        "_scope",
        "_send",
        "_sessions",
        "_tasks",
        "_turn",
        "caller",
    )
    transport = "websocket"

    def __init__(  # noqa: PLR0913 - the parts that all sockets of an app share
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        operations: Operations,
        sessions: Sessions,
        authenticate: Authenticate,
        most_operations: int,
    ) -> None:
        self.caller: Any = None
        self._scope = scope
        self._receive = receive
        self._send = send
        self._operations = operations
        self._sessions = sessions
        self._authenticate = authenticate
        self._most_operations = most_operations
        self._owner: Owner | None = None
        self._turn = asyncio.Lock()  # held while an event is executed and a message is written
        # The operations that the client follows, by id.
        self._running: dict[str, asyncio.Task[None]] = {}
        # All tasks, and whether each may be cancelled. A query or a mutation may not be cancelled:
        # it ends by itself, even if the client no longer waits for the result.
        self._tasks: dict[asyncio.Task[None], bool] = {}
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._is_leaving = False

    async def run(self) -> None:
        """Accept the socket, and handle its messages until it is closed."""
        try:
            await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            while await self._handle_next():
                pass
        except _Violation as violation:
            self._close(violation.code, violation.reason)
        except (OSError, asyncio.CancelledError):  # the client is gone, or the server stops
            pass
        finally:
            self._closed = True
            self._sessions.arrived(self)
            await self._stop()
            self._sessions.exit(self)  # last: until they end, operations count for the owner

    def end(self, problem: Problem) -> None:
        """Deliver nothing more, and close the socket for this reason."""
        self._close(_close_code(problem), problem.message)

    def end_late(self) -> None:
        """Close the socket, because `connection_init` did not arrive in time."""
        self._close(4408, "Connection initialisation timeout")

    async def leave(self) -> None:
        """Close the socket after the event, the queries and the mutations under way."""
        self._is_leaving = True
        try:
            if waiting := [task for task, cancellable in self._tasks.items() if not cancellable]:
                await asyncio.wait(waiting)
            async with self._turn:
                pass
        finally:  # also when `Sessions.drain` cancels this, because its time is over
            self._close(1001, "The server is going away")

    def _close(self, code: int, reason: str) -> None:
        """Close the socket soon. No operation sends anything after this call."""
        if not self._closed:
            self._closed = True
            self._cancel_subscriptions()
            self._closing = asyncio.create_task(self._send_close(code, reason))

    async def _send_close(self, code: int, reason: str) -> None:
        with suppress(OSError):
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _cancel_subscriptions(self) -> None:
        for task, cancellable in self._tasks.items():
            if cancellable:
                task.cancel()

    async def _stop(self) -> None:
        """Wait until no task of this socket runs."""
        self._cancel_subscriptions()
        if waiting := [*self._tasks, *([self._closing] if self._closing else [])]:
            await asyncio.wait(waiting)
        # A cancelled task and this socket refer to each other. Without this line, they would stay
        # in memory until a garbage collection.
        self._running.clear()

    async def _handle_next(self) -> bool:
        """Handle the next message. Return False for the last one. Raises _Violation.

        This is a method, so that no variable holds the message while the socket waits.
        """
        message = await self._receive()
        if message["type"] == "websocket.receive" and not self._closed:
            await self._handle(message)
        await asyncio.sleep(0)  # a flood of messages must not delay other connections
        return bool(message["type"] != "websocket.disconnect")

    async def _handle(self, received: Message) -> None:
        """Handle a message. Raises _Violation."""
        text = received.get("text")
        if text is None:
            raise _Violation(4400, "The message is not text")
        octets = text.encode()
        try:
            message = read_object(octets, "The message")
        except BadRequest as invalid:
            raise _Violation(4400, invalid.message) from None
        kind, payload = message.get("type"), message.get("payload")
        if kind == "subscribe":
            await self._subscribe(message.get("id"), payload, len(octets))
        elif kind == "complete":
            self._complete(message.get("id"))
        elif not isinstance(payload, dict | None):
            raise _Violation(4400, "The payload is not a JSON object")
        elif kind == "connection_init":
            await self._initialise(payload or {})
        elif kind == "ping":
            await self._write({"type": "pong"})
        elif kind != "pong":
            raise _Violation(4400, "The message has an unexpected type")

    async def _initialise(self, payload: Mapping[str, object]) -> None:
        if self.caller is not None:
            raise _Violation(4429, "Too many initialisation requests")
        self._sessions.arrived(self)
        given = payload.get("Authorization")
        token = given.encode(errors="replace") if isinstance(given, str) else None
        headers = [(b"authorization", token)] if token else []
        try:
            self.caller = await self._authenticate(self._scope, headers)
            self._owner = self._sessions.enter(self)
        except Problem as problem:
            raise _Violation(_close_code(problem), problem.message) from None
        self._scope["state"]["claims"] = self.caller
        await self._write({"type": "connection_ack"})

    async def _subscribe(self, id: object, payload: object, size: int) -> None:
        owner = self._owner
        if owner is None:
            raise _Violation(4401, "Unauthorized")
        if not isinstance(id, str) or not 0 < len(id) <= MAX_ID:
            raise _Violation(4400, f"The id is not a string of 1 to {MAX_ID} characters")
        parameters = _parameters(payload, size)
        if id in self._running:
            raise _Violation(4409, "An operation with this id already exists")
        if self._is_leaving:
            return  # the client sends the operation again when it has connected elsewhere
        record = self._operations.observers.begin_operation(self.caller.user_id)
        try:
            self._check_number()
            request = self._operations.check(parameters)
            owner.reserve(request.size)
        except InvalidDocument as invalid:
            await self._write({"type": "error", "id": id, "payload": refusals(invalid.errors)})
            record.end()
        except Problem as problem:
            await self._write({"type": "error", "id": id, "payload": [refusal(problem)]})
            record.end()
        else:
            task = asyncio.create_task(self._run(id, request, owner))
            self._running[id] = task
            self._tasks[task] = request.type is OperationType.SUBSCRIPTION
            task.add_done_callback(self._tasks.pop)
            task.add_done_callback(partial(owner.release, request.size))
            task.add_done_callback(lambda _: record.end())
        finally:
            records.leave()

    def _check_number(self) -> None:
        """Raise RateLimited if this socket may run no further operation."""
        if len(self._tasks) >= self._most_operations:
            raise RateLimited

    def _complete(self, id: object) -> None:
        if not isinstance(id, str):
            raise _Violation(4400, "The id is not a string")
        task = self._running.pop(id, None)
        if task is not None and self._tasks.get(task):
            task.cancel()

    async def _run(self, id: str, request: Request, owner: Owner) -> None:
        """Run an operation, and tell the client how it ended."""
        errors: Sequence[Mapping[str, object]] = []
        try:
            if request.type is OperationType.SUBSCRIPTION:
                found = await self._follow(id, request, owner)
            else:
                found = await self._answer(id, request, owner)
            errors = [client_error(error) for error in found]
        except OSError:  # the client is gone
            return
        except (Unauthenticated, Unavailable, RateLimited) as problem:
            if request.type is OperationType.SUBSCRIPTION or isinstance(problem, Unauthenticated):
                records.failed(problem.code)
                self.end(problem)  # clients connect again, and continue where they were
                return
            errors = [refusal(problem)]
        except Problem as problem:
            errors = [refusal(problem)]
        except Exception as error:  # noqa: BLE001 - `bug` logs it
            errors = [refusal(bug(error))]
        last = {"type": "error", "payload": errors} if errors else {"type": "complete"}
        with suppress(OSError):
            async with self._turn:
                if self._is_awaited(id):
                    del self._running[id]
                    await self._write_now(encoded({**last, "id": id}))

    async def _answer(self, id: str, request: Request, owner: Owner) -> Sequence[GraphQLError]:
        """Send the result of a query or a mutation. Return the errors if it could not run."""
        async with owner.execution():
            if self._closed:  # it was closed while this waited
                return []
            result = await self._operations.run(self._scope, request)
            if is_request_error(result):
                return result.errors or []
            message = _next(id, result)
            del result  # only the bytes are kept while the client does not read
        with owner.sending(len(message)):
            async with self._turn:
                await self._deliver(id, message)
        return []

    async def _follow(self, id: str, request: Request, owner: Owner) -> Sequence[GraphQLError]:
        """Send the results of a subscription, and return the errors that ended it."""
        try:
            subscription = await self._operations.subscribe(self._scope, request)
        except NotSubscribed as refusal:
            return refusal.errors
        return await subscription.follow(
            self._turn, owner, partial(_next, id), partial(self._deliver, id)
        )

    def _is_awaited(self, id: str) -> bool:
        """Return whether the client has not completed the operation of the current task."""
        return self._running.get(id) is asyncio.current_task()

    async def _deliver(self, id: str, message: bytes) -> None:
        if self._is_awaited(id):
            await self._write_now(message)

    async def _write(self, message: Mapping[str, object]) -> None:
        async with self._turn:
            await self._write_now(encoded(message))

    async def _write_now(self, message: bytes) -> None:
        """Send a message, and wait until most of it has left this process."""
        if not self._closed:
            await self._send({"type": "websocket.send", "text": message.decode()})


def _next(id: str, result: Result) -> bytes:
    return encoded({"type": "next", "id": id, "payload": body(result)})


def _parameters(payload: object, size: int) -> Parameters:
    if not isinstance(payload, dict):
        raise _Violation(4400, "The payload is not a JSON object")
    try:
        return read_parameters(payload, size)
    except BadRequest as invalid:
        raise _Violation(4400, invalid.message) from None


def _close_code(problem: Problem) -> int:
    """Return 4403 for a bad token, and otherwise 1013: clients then connect again later."""
    return 4403 if isinstance(problem, Unauthenticated) else 1013
