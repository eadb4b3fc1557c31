"""The errors that a client can receive.

Problem
├── Unauthenticated    401  there is no token, or it is not valid
├── NotFound           404  the row is missing or another owner's, or the id is malformed
├── BadUserInput       400  an input is not valid; names each field and the reason
├── Conflict           409  the row has another version, or the id was used before
├── BadRequest         400  the request is not GraphQL over HTTP (or 405, 406, 408, 415)
├── OperationTooLarge  400  the operation exceeds a limit (413 if the body does)
├── RateLimited        429  there are too many requests: try again
├── Unavailable        503  the database or the keys are not available: try again
└── Bug                500  a bug of the API, which is logged under the same request id

`status` is the HTTP status of a request that fails as a whole. The error of a resolver is in the
`errors` of a response with status 200 instead. Unauthenticated, RateLimited and Unavailable are
exceptions: they set the status of the response wherever they are raised.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

import orjson
from starlette.responses import Response

from api.telemetry import records

MAX_MESSAGE = 500
"""The most characters of an error message: some messages quote a whole value."""


def shortened(message: str) -> str:
    """Return the message, cut to `MAX_MESSAGE` characters."""
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"


class Code(StrEnum):
    """The values of `extensions.code`, by which clients distinguish errors. Messages may change."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    CONFLICT = "CONFLICT"
    OPERATION_TOO_LARGE = "OPERATION_TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
    BAD_REQUEST = "BAD_REQUEST"
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"


class Problem(Exception):
    """An error that a client may see, with a code for programs and a message for people."""

    code: ClassVar[Code]
    status: int
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, **extensions: object) -> None:
        super().__init__(message)
        self.message = message
        self.extensions: dict[str, object] = {"code": self.code, **extensions}

    @property
    def formatted(self) -> dict[str, object]:
        """The error as it stands in a list of `errors`."""
        return {"message": self.message, "extensions": self.extensions}

    def response(self, media_type: str = "application/json") -> Response:
        """Return the response for a request that fails outside of GraphQL."""
        records.failed(self.code)
        body = {"errors": [self.formatted]}
        return Response(orjson.dumps(body), self.status, self.headers, media_type)


class Unauthenticated(Problem):
    """The request has no valid access token.

    The challenge has an `error` only if a token was sent (RFC 6750 §3). No client learns why its
    token was rejected.
    """

    code = Code.UNAUTHENTICATED
    status = 401

    def __init__(self, *, token_sent: bool) -> None:
        super().__init__("Sign in: this request carries no valid access token.")
        challenge = 'Bearer error="invalid_token"' if token_sent else "Bearer"
        self.headers = {"WWW-Authenticate": challenge}


class NotFound(Problem):
    """The row does not exist or belongs to another owner, or the id is malformed.

    All three cases have the same message, which does not contain the id. `noun` is the noun in the
    singular.
    """

    code = Code.NOT_FOUND
    status = 404

    def __init__(self, noun: str) -> None:
        super().__init__(f"No such {noun}.", status=self.status)


class BadUserInput(Problem):
    """Some inputs are not valid. `fields` maps the name of each one to the reason."""

    code = Code.BAD_USER_INPUT
    status = 400

    def __init__(self, fields: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{name}: {why}" for name, why in fields.items())
        super().__init__(f"Bad input. {reasons}.", fields=dict(fields))
        self.fields = fields


class Conflict(Problem):
    """The row has another version than expected, or the id was used before.

    `current_version` is None if the row was deleted.
    """

    code = Code.CONFLICT
    status = 409

    def __init__(self, message: str, current_version: int | None) -> None:
        super().__init__(message, currentVersion=current_version)


class BadRequest(Problem):
    """The request is not GraphQL over HTTP."""

    code = Code.BAD_REQUEST

    def __init__(
        self, message: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class OperationTooLarge(Problem):
    """The request exceeds a limit."""

    code = Code.OPERATION_TOO_LARGE

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(Problem):
    """There are too many requests at once. Clients must not sign the user out because of it.

    `retry_after` is the number of seconds after which the request may be sent again. It is rounded
    up to whole seconds.
    """

    code = Code.RATE_LIMITED
    status = 429

    def __init__(self, retry_after: float = 1, headers: Mapping[str, str] | None = None) -> None:
        self.headers = {"Retry-After": str(max(math.ceil(retry_after), 1)), **(headers or {})}
        super().__init__("Too many requests at once. Try again in a moment.")


class Unavailable(Problem):
    """The API cannot answer at the moment, for example because its database is down.

    The status is never 401, because a client would then sign the user out.
    """

    code = Code.UNAVAILABLE
    status = 503

    def __init__(self) -> None:
        self.headers = {"Retry-After": "1"}
        super().__init__("The service is not ready. Try again in a moment.")


class Bug(Problem):
    """A bug of the API. The client learns only the id under which the error is logged."""

    code = Code.INTERNAL_SERVER_ERROR
    status = 500

    def __init__(self, request_id: str) -> None:
        super().__init__("Something went wrong on our side.", requestId=request_id)
