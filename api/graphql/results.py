"""Write results and errors as clients may see them. Every transport sends the same ones."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from graphql import ExecutionResult as SubscriptionResult
from graphql import GraphQLError, VariableDefinitionNode
from strawberry.types import ExecutionResult

from api.errors import Bug, Code, Problem, shortened
from api.telemetry import records

log = logging.getLogger(__name__)


Result: TypeAlias = ExecutionResult | SubscriptionResult
"""The result of an operation, or of one event of a subscription."""


def is_request_error(result: Result) -> bool:
    """Return whether the operation never ran, for example because of a variable of a wrong type.

    Only an operation that ran has data, or errors with a path.
    """
    return result.data is None and not any(error.path for error in result.errors or ())


def body(result: Result) -> dict[str, object]:
    """Return the response with a result."""
    if not result.errors:
        return {"data": result.data}
    errors = [client_error(error) for error in result.errors]
    return (
        {"errors": errors} if is_request_error(result) else {"errors": errors, "data": result.data}
    )


def client_error(error: GraphQLError) -> dict[str, Any]:
    """Return an error as the client may see it: a `Problem` in full, and only the id of a bug."""
    message, extensions = _explained(error)
    records.failed(str(extensions["code"]))
    _drop_tracebacks(error)
    return {**error.formatted, "message": message, "extensions": extensions}


def _drop_tracebacks(error: BaseException) -> None:
    """Remove the frames of an error that was explained.

    The frames refer to the request and, through the errors of the operation, to this error. They
    would keep a megabyte of variables in memory until a garbage collection.
    """
    rest, seen = [error], set[int]()
    while rest:
        found = rest.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        found.__traceback__ = None
        original = found.original_error if isinstance(found, GraphQLError) else None
        rest += [each for each in (original, found.__cause__, found.__context__) if each]


def refusal(problem: Problem) -> Mapping[str, object]:
    """Return the error of an operation that could not run."""
    records.failed(problem.code)
    return problem.formatted


def refusals(errors: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Return the errors of a document that is not valid."""
    for error in errors:
        records.failed(error["extensions"]["code"])
    return errors


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
    found = bug(cause or error)
    return found.message, found.extensions


def bug(error: Exception) -> Bug:
    """Log a bug, and return the error for the client, which contains only an id."""
    request_id = records.request_id()
    log.error("bug %s", request_id, exc_info=error)
    return Bug(request_id)


def encoded(body: Mapping[str, object]) -> bytes:
    """Return a response or a message as JSON."""
    began = records.clock()
    try:
        return orjson.dumps(body, option=orjson.OPT_UTC_Z)
    except TypeError:  # a lone surrogate from the request, which orjson cannot encode
        return json.dumps(body, default=_with_orjson).encode()
    finally:
        records.ended("encode", began)


def _with_orjson(value: object) -> object:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))
