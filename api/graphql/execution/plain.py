"""What is plain: what graphql-core would leave as it is, or what one look-up makes right."""

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
"""Of GraphQL's own scalars, in Python: when a value is the same before and after coercion."""


NAMES = {"UTC": UTC, "UUID": UUID, "date": date, "datetime": datetime, "time": time}
"""What a condition of somebody else may name besides."""


class NotPlain(Exception):
    """Something that graphql-core must do."""


def condition(kind: GraphQLScalarType) -> str | None:
    """Of a scalar of GraphQL's own; another scalar may have taken its name."""
    own = is_specified_scalar_type(kind) and specified_scalar_types[kind.name] is kind
    return CONDITIONS[kind.name] if own else None


def written(kind: GraphQLScalarType) -> Change:
    """A scalar's value in a response. Raises NotPlain where graphql-core has an error to tell."""

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
    """A scalar's value in variables. Raises NotPlain where graphql-core has an error to tell."""

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
    """What an enum's members are called in a response: by `id`, and by the number one stands for.

    By `id`, since Python hashes a member by its name each time; a member lives as long as its enum.
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
    """What the names of an enum stand for in variables, each looked up once."""

    def __init__(self, kind: GraphQLEnumType) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        """Of a name that was not met before. Raises NotPlain for what is none."""
        try:
            member = self._kind.coerce_input_value(name)
        except Exception as error:
            raise NotPlain from error
        if type(name) is not str or member is Undefined:
            raise NotPlain
        self[name] = member
        return member
