"""Check and convert leaf values on the fast path.

A value is "plain" if graphql-core would leave it unchanged, or if one look-up converts it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import EnumMeta
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLEnumType,
    GraphQLScalarType,
    Undefined,
    is_specified_scalar_type,
    specified_scalar_types,
)
from graphql.pyutils import is_awaitable

Change = Callable[[Any], Any]

CONDITIONS = {
    "String": "type({0}) is str",
    "ID": "type({0}) is str",
    "Boolean": "type({0}) is bool",
    "Int": "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    "Float": "type({0}) is float and {0} - {0} == 0",
}
"""A condition in Python for each built-in scalar: true if coercion leaves a value unchanged."""


NAMES = {"UTC": UTC, "UUID": UUID, "date": date, "datetime": datetime, "time": time}
"""The names that the conditions of an application's own scalars may use."""


class NotPlain(Exception):
    """The fast path does not support this: graphql-core must run the operation."""


def condition(kind: GraphQLScalarType) -> str | None:
    """Return the condition of a built-in scalar; None for any other, even if it has such a name."""
    own = is_specified_scalar_type(kind) and specified_scalar_types[kind.name] is kind
    return CONDITIONS[kind.name] if own else None


def written(kind: GraphQLScalarType) -> Change:
    """Return a function that serializes a scalar for a response.

    It raises NotPlain if graphql-core would report an error.
    """

    def write(value: Any) -> Any:
        if value is None or is_awaitable(value):
            raise NotPlain
        try:
            found = kind.coerce_output_value(value)
        except Exception as error:
            raise NotPlain from error
        if found is None or found is Undefined:
            raise NotPlain
        return found

    return write


def read(kind: GraphQLScalarType) -> Change:
    """Return a function that parses a scalar from variables.

    It raises NotPlain if graphql-core would report an error.
    """

    def parse(value: Any) -> Any:
        try:
            found = kind.coerce_input_value(value)
        except Exception as error:
            raise NotPlain from error
        if value is None or found is Undefined:
            raise NotPlain
        return found

    return parse


def names(kind: GraphQLEnumType, members: EnumMeta) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of an enum's members in a response: by the member's `id`, and by its number.

    The key is the `id` because it is faster: Python hashes a member by its name each time. An `id`
    stays valid, since a member lives as long as its enum. Only members with an int have a number.
    """
    by_id, by_number = {}, {}
    member: Any
    for member in members:
        try:
            by_id[id(member)] = kind.coerce_output_value(member)
            if type(member.value) is int:
                by_number[member.value] = kind.coerce_output_value(member.value)
        except Exception as error:
            raise NotPlain from error
    return by_id, by_number


class Members(dict[str, Any]):
    """The values of an enum by their names in variables. Each name is converted only once."""

    def __init__(self, kind: GraphQLEnumType) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        """Convert a name that is not cached yet. Raises NotPlain if the enum has no such name."""
        try:
            member = self._kind.coerce_input_value(name)
        except Exception as error:
            raise NotPlain from error
        if type(name) is not str or member is Undefined:
            raise NotPlain
        self[name] = member
        return member
