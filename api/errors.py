"""Everything that a client can be told went wrong.

Problem
├── Unauthenticated    401  no token, or one that is not good
├── NotFound           404  missing, someone else's, or a malformed id: never said which
├── BadUserInput       400  names each field and why
├── Conflict           409  the task has moved on, or the id is taken
├── BadRequest         400  not GraphQL over HTTP (with a status of its own: 405, 406, 415)
├── OperationTooLarge  400  the document is over a limit (413 when the body is)
├── RateLimited        429  one of very many: try again, nobody is signed out
├── Unavailable        503  the database or the keys are away: try again, nobody is signed out
└── Bug                500  ours; the log has it under the same request id

`status` is the HTTP status when the whole request failed. A resolver's problem travels in the
`errors` of a 200 answer instead, but for Unavailable and Unauthenticated, which are 503 and 401
wherever they come from.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

import orjson
from starlette.responses import Response

MAX_MESSAGE = 500
"""The most characters of an error message: some messages quote a whole value."""


def shortened(message: str) -> str:
    """Return the message, cut to `MAX_MESSAGE` characters."""
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"


class Code(StrEnum):
    """`extensions.code` of an error: what a client matches on, never the message."""

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
    """What a client may be told: a code to match on, a sentence for a person, and nothing else."""

    code: ClassVar[Code]
    status: int
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, **extensions: object) -> None:
        super().__init__(message)
        self.message = message
        self.extensions: dict[str, object] = {"code": self.code, **extensions}

    def response(self, media_type: str = "application/json") -> Response:
        """Return the response for a request that fails outside of GraphQL."""
        body = {"errors": [{"message": self.message, "extensions": self.extensions}]}
        return Response(orjson.dumps(body), self.status, self.headers, media_type)


class Unauthenticated(Problem):
    """RFC 6750 §3: `error` only when a token was sent, and never what was wrong with it."""

    code = Code.UNAUTHENTICATED
    status = 401

    def __init__(self, *, token_sent: bool) -> None:
        super().__init__("Sign in: this request carries no valid access token.")
        challenge = 'Bearer error="invalid_token"' if token_sent else "Bearer"
        self.headers = {"WWW-Authenticate": challenge}


class NotFound(Problem):
    """No such row: missing, of another owner, or a malformed id.

    All three have the same message, without the id, which would tell them apart. `noun` is what
    was asked for, in the singular.
    """

    code = Code.NOT_FOUND
    status = 404

    def __init__(self, noun: str) -> None:
        super().__init__(f"No such {noun}.", status=self.status)


class BadUserInput(Problem):
    """`fields` maps the name of each bad input to what is wrong with it."""

    code = Code.BAD_USER_INPUT
    status = 400

    def __init__(self, fields: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {why}" for name, why in fields.items())
        super().__init__(f"Bad input. {told}.", fields=dict(fields))
        self.fields = fields


class Conflict(Problem):
    """`current_version` is None when what is in the way is no longer there to have one."""

    code = Code.CONFLICT
    status = 409

    def __init__(self, message: str, current_version: int | None) -> None:
        super().__init__(message, currentVersion=current_version)


class BadRequest(Problem):
    """A request that is not GraphQL over HTTP."""

    code = Code.BAD_REQUEST

    def __init__(
        self, message: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class OperationTooLarge(Problem):
    """Over one of the limits of a request."""

    code = Code.OPERATION_TOO_LARGE

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(Problem):
    """Too many at once for each to be answered. As with an outage, nobody is signed out over it."""

    code = Code.RATE_LIMITED
    status = 429

    def __init__(self) -> None:
        self.headers = {"Retry-After": "1"}
        super().__init__("That was a lot at once. Try again in a moment.")


class Unavailable(Problem):
    """An outage of ours. Never a 401: a client would sign its user out over it."""

    code = Code.UNAVAILABLE
    status = 503

    def __init__(self) -> None:
        self.headers = {"Retry-After": "1"}
        super().__init__("The service is not ready. Try again in a moment.")


class Bug(Problem):
    """A fault of ours, told by nothing but the id under which the log has it."""

    code = Code.INTERNAL_SERVER_ERROR
    status = 500

    def __init__(self, request_id: str) -> None:
        super().__init__("Something went wrong on our side.", requestId=request_id)
