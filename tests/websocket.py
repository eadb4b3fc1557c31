"""A client of one subscription over a WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.conftest import Caller
from tests.waiting import PATIENCE

SUBPROTOCOL = Subprotocol("graphql-transport-ws")


class Socket:
    """The connection of one subscription."""

    def __init__(self, connection: ClientConnection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    def header(self, name: str) -> str:
        """Return a header of the response to the handshake."""
        response = self._connection.response
        assert response is not None
        return response.headers[name]

    def send(self, kind: str, **members: object) -> None:
        """Send a message of the protocol."""
        self._connection.send(json.dumps({"type": kind, **members}))

    def receive(self) -> Any:
        """Receive a message, and return it. Raises ConnectionClosed and TimeoutError."""
        return json.loads(self._connection.recv(self._timeout))

    def next(self) -> bytes:
        """Return the next result, in JSON.

        Raises StopIteration at the end of the subscription, ConnectionClosed and TimeoutError.
        """
        message = self.receive()
        if message["type"] == "complete":
            raise StopIteration
        payload = message["payload"]
        return json.dumps({"errors": payload} if message["type"] == "error" else payload).encode()


@contextmanager
def subscribed(
    caller: Caller, query: str, variables: dict[str, Any] | None = None, timeout: float = PATIENCE
) -> Iterator[Socket]:
    """Subscribe with the token of a caller. Each message may take `timeout` seconds."""
    url = f"{caller.url}/graphql".replace("http", "ws", 1)
    with connect(
        url, subprotocols=[SUBPROTOCOL], proxy=None, open_timeout=timeout, close_timeout=timeout
    ) as connection:
        socket = Socket(connection, timeout)
        socket.send("connection_init", payload={"Authorization": f"Bearer {caller.token}"})
        assert socket.receive()["type"] == "connection_ack"
        socket.send("subscribe", id="1", payload={"query": query, "variables": variables})
        yield socket
