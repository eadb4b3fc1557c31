"""Serve GraphQL over HTTP: read a request, run its operation, and send the response.

This follows the GraphQL-over-HTTP specification (https://graphql.github.io/graphql-over-http/draft/).
The status is 200 if an operation ran, even if there were errors. If it could not run, the status is
400 for `application/graphql-response+json`, and 200 for the older `application/json`.
"""

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.types import ExecutionResult

from api import bodies
from api.errors import BadRequest, Problem, RateLimited, Unauthenticated, Unavailable
from api.graphql import results
from api.graphql.documents import InvalidDocument
from api.graphql.operations import Operations
from api.graphql.owner import Owner
from api.graphql.parameters import Parameters, read_object, read_parameters
from api.graphql.results import client_error, encoded
from api.graphql.sessions import Sessions
from api.graphql.sse import EVENT_STREAM, STREAM_HEADERS, EventStreams, single
from api.graphql.streams import NotSubscribed
from api.media_types import is_utf8, weights
from api.telemetry import records

MAX_BODY = 1024 * 1024
"""The most bytes of a body."""
GRAPHQL_RESPONSE = "application/graphql-response+json"
"""The media type of a response, by the GraphQL-over-HTTP specification."""
JSON = "application/json"
"""The media type of a request, and of a response to an older client."""
MAX_VALUE = 512
"""The most bytes of a header that are read. Headers are cached, so this bounds the cache."""
PATIENCE = 5.0
"""The most seconds that a request waits for other requests of its owner."""
MAX_BUFFERED = 65_536
"""The most bytes of a response that is not counted as unsent, because the server buffers it."""
MIN_COMPRESSED = 4_096
"""The most bytes of a response that is not compressed, although the client accepts gzip."""
MAX_COMPRESSED_HERE = 65_536
"""The most bytes of a response that is compressed in the event loop, which takes about a
millisecond. A longer one is compressed in a thread, so that it does not block other requests."""


class GraphQLEndpoint:
    """An ASGI app that responds to each request with the result of its operation.

    The state of the scope must have the `claims` of the caller. If a request has waited for other
    requests of its owner for `patience` seconds, the response is a 503.
    """

    def __init__(
        self,
        operations: Operations,
        streams: EventStreams,
        sessions: Sessions,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._operations = operations
        self._streams = streams
        self._sessions = sessions
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request. Errors become responses, and are not raised."""
        headers = _headers(scope["headers"])
        media_type = JSON
        try:
            accepted = _negotiated(headers.get(b"accept", b"*/*")[:MAX_VALUE])
            media_type = accepted.media_type
            response = await self._answer(scope, receive, headers, accepted)
        except Problem as problem:
            response = problem.response(media_type)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server stops and no longer waits for this request
            response = Unavailable().response(media_type)
        except Exception as bug:  # noqa: BLE001 - the client learns only an id
            response = results.bug(bug).response(media_type)
        await response(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], accepted: "Accepted"
    ) -> ASGIApp:
        method = scope["method"]
        if method == "POST":
            if not is_utf8(headers.get(b"content-type", b"")[:MAX_VALUE], JSON):
                raise BadRequest(f"Send a body of type {JSON}, in UTF-8.", 415)
            octets = await bodies.read(scope, receive, MAX_BODY)
            parameters = read_parameters(read_object(octets, "The body"), len(octets))
        elif method == "GET":
            query_string = _from_query_string(Request(scope))
            parameters = read_parameters(query_string, len(scope["query_string"]))
        else:
            raise BadRequest("Send a POST, or a GET to query.", 405, {"Allow": "GET, POST"})
        owner = self._sessions.owner(scope["state"]["claims"].user_id)
        owner.reserve(parameters.size)
        try:
            async with owner.execution(self._patience):
                return await self._execute(scope, parameters, accepted, headers, owner)
        finally:
            owner.release(parameters.size)

    async def _execute(
        self,
        scope: Scope,
        parameters: Parameters,
        accepted: "Accepted",
        headers: Mapping[bytes, bytes],
        owner: Owner,
    ) -> ASGIApp:
        method = scope["method"]
        media_type = accepted.media_type
        coding = headers.get(b"accept-encoding", b"")[:MAX_VALUE]
        try:
            request = self._operations.check(parameters)
        except InvalidDocument as refusal:
            status = 200 if media_type == JSON else 400
            errors = results.refusals(refusal.errors)
            return await _response({"errors": errors}, status, media_type, coding)
        if method == "GET" and request.type is not OperationType.QUERY:
            raise BadRequest("A GET may only query: send a POST.", 405, {"Allow": "POST"})
        if request.type is OperationType.SUBSCRIPTION:
            if not accepted.events:
                raise BadRequest(
                    "Subscribe over a WebSocket with the subprotocol graphql-transport-ws, or with "
                    f"a POST that accepts {EVENT_STREAM}."
                )
            try:
                return await self._streams.subscribe(scope, request)
            except NotSubscribed as refusal:
                errors = [client_error(error) for error in refusal.errors]
                return await _response({"errors": errors}, 400, media_type, coding)
        result = await self._operations.run(scope, request)
        if accepted.prefers_events:
            return _Response(200, STREAM_HEADERS, single(result), owner)
        return await _result_response(result, media_type, coding, owner)


def _headers(sent: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return the headers by name: joined if it is a list (RFC 9110 §5.3), otherwise the first."""
    headers = dict(reversed(sent))
    if len(headers) < len(sent):
        for name in _LISTS & headers.keys():
            headers[name] = b",".join(value for key, value in sent if key == name)
    return headers


_LISTS = frozenset({b"accept", b"accept-encoding"})


@dataclass(slots=True)
class _Response:
    """A response, as an ASGI app. Starlette's `Response` spends more time on its headers."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    owner: Owner | None = None
    """The owner of a response that may be long."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response. The bytes of a long response count as unsent until most are sent."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        if self.owner is None or len(self.body) <= MAX_BUFFERED:
            await send({"type": "http.response.body", "body": self.body})
            return
        with self.owner.sending(len(self.body)):
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            # The server waits before it sends, so this empty message waits for the body.
            await send({"type": "http.response.body", "body": b""})


async def _result_response(
    result: ExecutionResult, media_type: str, coding: bytes, owner: Owner
) -> ASGIApp:
    body = results.body(result)
    if not result.errors:
        return await _response(body, 200, media_type, coding, owner=owner)
    began = "data" in body
    problems = [e.original_error for e in result.errors if isinstance(e.original_error, Problem)]
    status, headers = (200 if began or (media_type == JSON and not problems) else 400), None
    for problem in problems:
        if isinstance(problem, Unavailable | Unauthenticated | RateLimited):
            status, headers = problem.status, problem.headers
    return await _response(body, status, media_type, coding, headers, owner)


async def _response(  # noqa: PLR0913, PLR0917 - it makes all responses
    body: Mapping[str, object],
    status: int,
    media_type: str,
    coding: bytes,
    headers: Mapping[str, str] | None = None,
    owner: Owner | None = None,
) -> ASGIApp:
    octets = encoded(body)
    all_headers = [
        (b"content-type", media_type.encode()),
        (b"vary", b"Accept, Accept-Encoding"),
        *((name.lower().encode(), value.encode()) for name, value in (headers or {}).items()),
    ]
    # Compression is safe from the BREACH attack. It needs a secret in the response, and a page that
    # makes the victim's browser send guesses. But no response has a token, and no cookie is read.
    if len(octets) > MIN_COMPRESSED and weights(coding).get("gzip"):
        all_headers.append((b"content-encoding", b"gzip"))
        began = records.clock()
        if len(octets) > MAX_COMPRESSED_HERE:
            octets = await asyncio.to_thread(_compressed, octets)
        else:
            octets = _compressed(octets)
        records.ended("encode", began)
    all_headers.append((b"content-length", b"%d" % len(octets)))
    return _Response(status, all_headers, octets, owner)


def _compressed(octets: bytes) -> bytes:
    return gzip.compress(octets, 1, mtime=0)


class Accepted(NamedTuple):
    """The media types that a client accepts."""

    media_type: str
    """The type of a response that is not a stream of events."""
    events: bool
    """Whether the client's `Accept` names `text/event-stream`."""
    prefers_events: bool
    """Whether the client prefers a stream of events, even for a single result."""


@lru_cache(128)
def _negotiated(accept: bytes) -> Accepted:
    """Return the media types of the response (RFC 9110 §12.5.1). Raises BadRequest 406."""
    named = weights(accept)
    anything = named.get("application/*", named.get("*/*", 0.0))
    quality = {GRAPHQL_RESPONSE: named.get(GRAPHQL_RESPONSE, 0.0), JSON: named.get(JSON, anything)}
    best = max(quality, key=quality.__getitem__)
    events = named.get(EVENT_STREAM, 0.0)
    if not quality[best] and not events:
        raise BadRequest(f"Accept {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}.", 406)
    return Accepted(best, events > 0, events > quality[best])


def _from_query_string(request: Request) -> dict[str, object]:
    given: dict[str, object] = dict(request.query_params)
    if not given.get("operationName"):
        given.pop("operationName", None)
    for name in ("variables", "extensions"):
        if text := given.pop(name, None):
            given[name] = read_object(str(text).encode("utf-8", "surrogatepass"), f"`{name}`")
    return given
