"""Listen for PostgreSQL's notifications, over one connection of each process."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from api.errors import Unavailable
from api.postgres.connections import connect
from api.postgres.outages import OUTAGE_ERRORS

Listener = Callable[[str], None]
"""A function that is called with the payload of each notification on a channel."""


class Notifications:
    """The notifications of all channels that this process uses.

    `url` must bypass a transaction pooler, because a pooler does not forward notifications. The
    loss of a connection can go unnoticed. So a caller that must not miss a change must also poll.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: dict[str, Listener] = {}
        self._listening: asyncio.Task[None] | None = None
        self._users = 0

    def on(self, channel: str, listener: Listener) -> None:
        """Call `listener` for each notification on a channel, while the process listens.

        It is also called with an empty payload each time the process begins to listen, because the
        process may have missed notifications before.
        """
        self._listeners[channel] = listener

    async def listen(self) -> None:
        """Listen on all channels until the connection is lost.

        Several callers share one connection. It is closed when the last of them is cancelled.
        Raises Unavailable when the connection cannot be opened.
        """
        if self._listening is None or self._listening.done():
            self._listening, self._users = asyncio.create_task(self._listen()), 0
        listening = self._listening
        self._users += 1
        try:
            await asyncio.shield(listening)
        finally:
            if listening is self._listening:
                self._users -= 1
                if not self._users:
                    self._listening = None
                    listening.cancel()
                    with suppress(asyncio.CancelledError, Unavailable):
                        await listening

    async def _listen(self) -> None:
        connection = await connect(self._url)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel in self._listeners:
                await connection.add_listener(channel, self._pass_on)
            for listener in self._listeners.values():
                listener("")
            await lost.wait()
        except OUTAGE_ERRORS as outage:
            raise Unavailable from outage
        finally:
            connection.terminate()

    def _pass_on(self, _connection: object, _process: int, channel: str, payload: object) -> None:
        self._listeners[channel](str(payload))
