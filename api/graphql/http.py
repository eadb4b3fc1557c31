"""Serve GraphQL over HTTP: read a request, run its operation, and send the response.

This follows the GraphQL-over-HTTP specification (https://graphql.github.io/graphql-over-http/draft/).
The status is 200 if an operation ran, even if there were errors. If it could not run, the status is
400 for `application/graphql-response+json`, and 200 for the older `application/json`.
"""

import asyncio
import gzip
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import orjson
from graphql import GraphQLError, OperationType, VariableDefinitionNode
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.types import ExecutionResult

from api import bodies
from api.errors import (
    BadRequest,
    Bug,
    Code,
    Problem,
    RateLimited,
    Unauthenticated,
    Unavailable,
    shortened,
)
from api.graphql.documents import Documents, Execution, InvalidDocument, Operation
from api.media_types import is_utf8, weights

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""The most bytes of a body."""
GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
MAX_VALUE = 512
"""The most bytes of a header that are read. Headers are cached, so this bounds the cache."""
MIN_COMPRESSED = 4_096
"""The most bytes of a response that is not compressed, although the client accepts gzip."""
MAX_COMPRESSED_HERE = 65_536
"""The most bytes of a response that is compressed in the event loop, which takes about a
millisecond. A longer one is compressed in a thread, so that it does not block other requests."""


class Parameters(NamedTuple):
    """The parameters of a GraphQL request."""

    query: str | None
    document_id: str | None
    variables: dict[str, Any] | None
    operation_name: str | None


class GraphQLEndpoint:
    """An ASGI app that runs the operation of each request, in a context for that request.

    `context` is called after the body has arrived, with the cost of the operation. It must check
    again that the session has not ended, because a client can send a body slowly.
    """

    def __init__(
        self,
        documents: Documents,
        execute: Execution,
        context: Callable[[Scope, Operation, float], Awaitable[object]],
    ) -> None:
        self._documents = documents
        self._execute = execute
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request. Errors become responses, and are not raised."""
        headers = _headers(scope["headers"])
        media_type = JSON
        try:
            media_type = _negotiated(headers.get(b"accept", b"*/*")[:MAX_VALUE])
            response = await self._answer(scope, receive, headers, media_type)
        except Problem as problem:
            response = problem.response(media_type)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server stops and no longer waits for this request
            response = Unavailable().response(media_type)
        except Exception as bug:  # noqa: BLE001 - the client learns only an id
            response = _bug(bug).response(media_type)
        await response(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], media_type: str
    ) -> ASGIApp:
        method = scope["method"]
        if method == "POST":
            if not is_utf8(headers.get(b"content-type", b"")[:MAX_VALUE], JSON):
                raise BadRequest(f"Send a body of type {JSON}, in UTF-8.", 415)
            parameters = _parameters(
                _object(await bodies.read(scope, receive, MAX_BODY), "The body")
            )
        elif method == "GET":
            parameters = _parameters(_from_query_string(Request(scope)))
        else:
            raise BadRequest("Send a POST, or a GET to query.", 405, {"Allow": "GET, POST"})
        name, variables = parameters.operation_name, parameters.variables
        coding = headers.get(b"accept-encoding", b"")[:MAX_VALUE]
        try:
            document = self._documents.get(parameters.query, parameters.document_id)
        except InvalidDocument as refusal:
            status = 200 if media_type == JSON else 400
            return await _response({"errors": refusal.errors}, status, media_type, coding)
        operation = document.operation(name)
        if method == "GET" and operation.type is not OperationType.QUERY:
            raise BadRequest("A GET may only query: send a POST.", 405, {"Allow": "POST"})
        cost = operation.cost.check(variables or {})
        context = await self._context(scope, operation, cost)
        result = await self._execute(document, name, variables, context)
        return await _result_response(result, media_type, coding)


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
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})


async def _result_response(result: ExecutionResult, media_type: str, coding: bytes) -> ASGIApp:
    if not result.errors:
        return await _response({"data": result.data}, 200, media_type, coding)
    # Only an operation that began has errors with a path. Only its response may have `data`.
    began = result.data is not None or any(error.path for error in result.errors)
    body: dict[str, object] = {"errors": [_client_error(error) for error in result.errors]}
    if began:
        body["data"] = result.data
    problems = [e.original_error for e in result.errors if isinstance(e.original_error, Problem)]
    status, headers = (200 if began or (media_type == JSON and not problems) else 400), None
    for problem in problems:
        if isinstance(problem, Unavailable | Unauthenticated | RateLimited):
            status, headers = problem.status, problem.headers
    return await _response(body, status, media_type, coding, headers)


async def _response(
    body: Mapping[str, object],
    status: int,
    media_type: str,
    coding: bytes,
    headers: Mapping[str, str] | None = None,
) -> ASGIApp:
    octets = _encoded(body)
    all_headers = [
        (b"content-type", media_type.encode()),
        (b"vary", b"Accept, Accept-Encoding"),
        *((name.lower().encode(), value.encode()) for name, value in (headers or {}).items()),
    ]
    # Compression is safe from the BREACH attack. It needs a secret in the response, and a page that
    # makes the victim's browser send guesses. But no response has a token, and no cookie is read.
    if len(octets) > MIN_COMPRESSED and weights(coding).get("gzip"):
        all_headers.append((b"content-encoding", b"gzip"))
        if len(octets) > MAX_COMPRESSED_HERE:
            octets = await asyncio.to_thread(_compressed, octets)
        else:
            octets = _compressed(octets)
    all_headers.append((b"content-length", b"%d" % len(octets)))
    return _Response(status, all_headers, octets)


def _compressed(octets: bytes) -> bytes:
    return gzip.compress(octets, 1, mtime=0)


def _client_error(error: GraphQLError) -> dict[str, Any]:
    """Return an error as the client may see it: a `Problem` in full, and only the id of a bug."""
    message, extensions = _explained(error)
    return {**error.formatted, "message": message, "extensions": extensions}


def _explained(error: GraphQLError) -> tuple[str, Mapping[str, object]]:
    cause = error.original_error
    if isinstance(cause, Problem):
        return cause.message, cause.extensions
    variables = [
        node.variable.name.value
        for node in error.nodes or ()
        if isinstance(node, VariableDefinitionNode)
    ]
    message = shortened(error.message)
    # When variables have too many errors, graphql-core ends the list with an error that has no
    # cause and names no variable.
    if not error.path and (cause is None or (isinstance(cause, GraphQLError) and variables)):
        return message, {"code": Code.BAD_USER_INPUT, "fields": dict.fromkeys(variables, message)}
    if isinstance(cause, GraphQLError) and error.path and cause.nodes:
        # The error of an argument that could not be coerced has nodes of the document. The error of
        # a leaf that could not be serialized is a GraphQLError without nodes: that is a bug.
        fields = {str(error.path[-1]): message}
        return message, {"code": Code.BAD_USER_INPUT, "fields": fields}
    bug = _bug(cause or error)
    return bug.message, bug.extensions


def _bug(error: Exception) -> Bug:
    request_id = secrets.token_hex(8)
    log.error("bug %s", request_id, exc_info=error)
    return Bug(request_id)


def _encoded(body: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_UTC_Z)
    except TypeError:  # a lone surrogate from the request, which orjson cannot encode
        return json.dumps(body, default=_with_orjson).encode()


def _with_orjson(value: object) -> object:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))


@lru_cache(128)
def _negotiated(accept: bytes) -> str:
    """Return the media type of the response (RFC 9110 §12.5.1). Raises BadRequest 406."""
    named = weights(accept)
    anything = named.get("application/*", named.get("*/*", 0.0))
    quality = {GRAPHQL_RESPONSE: named.get(GRAPHQL_RESPONSE, 0.0), JSON: named.get(JSON, anything)}
    best = max(quality, key=quality.__getitem__)
    if not quality[best]:
        raise BadRequest(f"Accept {GRAPHQL_RESPONSE} or {JSON}.", 406)
    return best


def _from_query_string(request: Request) -> dict[str, object]:
    given: dict[str, object] = dict(request.query_params)
    if not given.get("operationName"):
        given.pop("operationName", None)
    for name in ("variables", "extensions"):
        if text := given.pop(name, None):
            given[name] = _object(str(text).encode("utf-8", "surrogatepass"), f"`{name}`")
    return given


def _object(octets: bytes, what: str) -> dict[str, object]:
    try:
        value = _json(octets)
    except (ValueError, RecursionError):
        raise BadRequest(f"{what} is not JSON.") from None
    if not isinstance(value, dict):
        raise BadRequest(f"{what} is not a JSON object.")
    return value


def _json(octets: bytes) -> object:
    try:
        return orjson.loads(octets)
    except ValueError:
        # orjson cannot parse a lone surrogate. Parse it here, so that the error can name its field.
        if b"\\ud" not in octets.lower():
            raise
        return json.loads(octets.decode(), parse_constant=_not_json)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _parameters(given: Mapping[str, object]) -> Parameters:
    query, variables = given.get("query"), given.get("variables")
    operation_name, extensions = given.get("operationName"), given.get("extensions")
    document_id = given.get("documentId")
    if not isinstance(variables, dict | None):
        raise BadRequest("`variables` must be an object.")
    if not isinstance(operation_name, str | None):
        raise BadRequest("`operationName` must be a string.")
    if not isinstance(extensions, dict | None):
        raise BadRequest("`extensions` must be an object.")
    if document_id is None and extensions:
        document_id = _apollos_hash(extensions.get("persistedQuery"))
    if not isinstance(document_id, str | None):
        raise BadRequest("`documentId` must be a string.")
    if not isinstance(query, str | None) or (query is None and document_id is None):
        raise BadRequest("`query` must be a string.")
    return Parameters(query, document_id, variables, operation_name)


def _apollos_hash(persisted: object) -> object:
    """Return the document id for the hash that Apollo's clients and urql send."""
    given = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return f"sha256:{given}" if isinstance(given, str) and ":" not in given else given
