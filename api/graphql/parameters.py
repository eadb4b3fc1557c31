"""Read the parameters of a GraphQL request from JSON. Every transport has the same ones."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import orjson

from api.errors import BadRequest


class Parameters(NamedTuple):
    """The parameters of a GraphQL request."""

    query: str | None
    document_id: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    size: int
    """The bytes of the message or the request that had these parameters."""


def read_object(octets: bytes, what: str) -> dict[str, object]:
    """Return the JSON object in these bytes. Raises BadRequest, in which `what` names them."""
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


def read_parameters(given: Mapping[str, object], size: int) -> Parameters:
    """Return the parameters in a JSON object, which had `size` bytes.

    Raises BadRequest if a parameter has a wrong type.
    """
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
    return Parameters(query, document_id, variables, operation_name, size)


def _apollos_hash(persisted: object) -> object:
    """Return the document id for the hash that Apollo's clients and urql send."""
    given = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return f"sha256:{given}" if isinstance(given, str) and ":" not in given else given
