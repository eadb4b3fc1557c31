"""Serve GraphQL over WebSockets: decide which handshakes are accepted."""

from collections.abc import Iterable
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from api.errors import BadRequest, Problem, Unavailable
from api.graphql.operations import Operations
from api.graphql.sessions import Sessions
from api.graphql.socket_protocol import MAX_OPERATIONS, SUBPROTOCOL, Authenticate, Socket
from api.telemetry import records

INIT_TIMEOUT = 10.0
"""Seconds in which a client must send `connection_init`."""


class GraphQLSockets:
    """An ASGI app for WebSockets. `authenticate` verifies a token in the headers that it gets.

    The claims of the token become `scope["state"]["claims"]`. A web page whose origin is not in
    `origins` is refused. A handshake without `Origin`, which no web page sends, is accepted.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        operations: Operations,
        sessions: Sessions,
        authenticate: Authenticate,
        origins: Iterable[str],
        *,
        init_timeout: float = INIT_TIMEOUT,
        most_operations: int = MAX_OPERATIONS,
    ) -> None:
        self._operations = operations
        self._sessions = sessions
        self._authenticate = authenticate
        self._most_operations = most_operations
        self._origins = {origin.encode() for origin in origins}
        self._init_timeout = init_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it is closed."""
        record = self._operations.observers.begin_request(
            "GET", "/graphql", scope["headers"], "websocket"
        )
        problem = self._refusal(scope)
        record.status = problem.status if problem else 101
        if problem is not None:
            record.failed(problem.code)
        record.end()
        records.leave()  # an open socket keeps no record
        if problem is not None:
            with suppress(OSError):
                await problem.response()(scope, receive, send)
            return
        socket = Socket(
            scope,
            receive,
            send,
            operations=self._operations,
            sessions=self._sessions,
            authenticate=self._authenticate,
            most_operations=self._most_operations,
        )
        self._sessions.expect(socket, self._init_timeout)
        await socket.run()

    def _refusal(self, scope: Scope) -> Problem | None:
        for name, value in scope["headers"]:
            if name == b"origin" and value not in self._origins:
                return BadRequest("Pages of this origin may not connect.", 403)
        if SUBPROTOCOL not in scope["subprotocols"]:
            return BadRequest(f"Connect with the subprotocol {SUBPROTOCOL}.")
        return Unavailable() if self._sessions.draining else None
