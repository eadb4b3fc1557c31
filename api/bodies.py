"""Read the body of a request, within a bound of bytes and of seconds."""

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.errors import BadRequest, OperationTooLarge

HAS_ARRIVED = "bearer_tasks.body_has_arrived"
"""The key in the state of an ASGI scope that is true when the whole body has arrived. Reading then
needs no timeout, which takes four system calls: 5 % of the time of a request for one task."""
BODY_TIMEOUT = 30.0
"""Seconds for all of a body to arrive."""
MAX_UNREAD = 64 * 1024
"""The most bytes of an unread body that the server skips in order to keep a connection open."""
LINGER_TIMEOUT = 2.0
"""Seconds in which a client that still sends a body can read the response and stop."""


async def read(scope: Scope, receive: Receive, most: int, seconds: float = BODY_TIMEOUT) -> bytes:
    """Return a request's body of at most `most` bytes, from ASGI.

    A body with a longer declared length is refused before any of it is read. A client that sent
    `Expect: 100-continue` then never gets the status 100 (RFC 9110 §10.1.1).

    Raises OperationTooLarge for a longer body, BadRequest if the body has not arrived within
    `seconds`, and ClientDisconnect if the client has closed the connection.
    """
    if (_declared_length(scope) or 0) > most:
        raise _too_large(most)
    if scope.get("state", {}).get(HAS_ARRIVED):  # there is nothing to wait for
        return await _read(receive, most)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, most)
    except TimeoutError:
        headers = {"Connection": "close"}  # RFC 9110 §15.5.9
        raise BadRequest("The body did not arrive in time.", 408, headers) from None


async def _read(receive: Receive, most: int) -> bytes:
    read = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        read += message.get("body", b"")
        if len(read) > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return bytes(read)


def _too_large(most: int) -> OperationTooLarge:
    return OperationTooLarge(f"The body is over {most} bytes.", 413)


def _declared_length(scope: Scope) -> int | None:
    """Return the length of a request's body, or None if its headers do not say."""
    length = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            if not value.isdigit() or len(value) > 20:
                return None
            length = max(length, int(value))
    return length


def is_short(scope: Scope) -> bool:
    """Return whether a request's body is declared to be at most `MAX_UNREAD`."""
    length = _declared_length(scope)
    return length is not None and length <= MAX_UNREAD


def closing(receive: Receive, send: Send, seconds: float = LINGER_TIMEOUT) -> tuple[Receive, Send]:
    """Wrap `receive` and `send`, to close the connection after a response to an unread body.

    To keep the connection open, the server would have to skip the rest of the body, which may be
    very long. After the response, the server reads and discards the body for up to `seconds`: if a
    connection is closed with unread bytes, the operating system of the client may drop the response
    and report a connection reset.
    """
    ended = closes = False

    async def receive_noting_the_end() -> Message:
        nonlocal ended
        message = await receive()
        ended = ended or not message.get("more_body")
        return message

    async def send_then_close(message: Message) -> None:
        nonlocal closes
        if message["type"] == "http.response.start" and not ended:
            closes = True
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        if not closes or message["type"] != "http.response.body" or message.get("more_body"):
            await send(message)
            return
        await send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not ended:
                    await receive_noting_the_end()
        await send({"type": "http.response.body"})

    return receive_noting_the_end, send_then_close
