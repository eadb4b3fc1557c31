"""Check and convert leaf values on the fast path.

A value is "plain" if coercion leaves it unchanged, or if a single look-up or call converts it.
"""

from collections.abc import Callable
from enum import EnumMeta
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    is_specified_scalar_type,
    specified_scalar_types,
)
from graphql.pyutils import is_awaitable
from strawberry import Schema

Conversion = Callable[[Any], Any]
"""A function that checks a value, and returns it as it is or converted."""

CONDITIONS = {
    "String": "type({0}) is str",
    "ID": "type({0}) is str",
    "Boolean": "type({0}) is bool",
    "Int": "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    "Float": "type({0}) is float and {0} - {0} == 0",
}
"""For each built-in scalar, the Python condition under which coercion does not change a value."""


class NotPlain(Exception):
    """Only graphql-core can execute this part of an operation."""


def core_schema(schema: Schema) -> GraphQLSchema:
    """Return the graphql-core schema that a Strawberry schema wraps."""
    return schema._schema  # noqa: SLF001 - it has no public name


class Exactly:
    """A condition on a value: its type is this class, and its attributes are these objects.

    `Exactly(datetime, tzinfo=UTC)` accepts the datetimes in UTC. A subclass is not accepted.
    Attributes are compared by identity.
    """

    def __init__(self, type_: type, **attributes: object) -> None:
        self.type = type_
        self.attributes = attributes

    def source(self, value: str, name_of: Callable[[object], str]) -> str:
        """Return the condition as Python source. `name_of` returns a variable for an object."""
        parts = [f"type({value}) is {name_of(self.type)}"]
        for name, wanted in self.attributes.items():
            parts.append(f"{value}.{name} is {name_of(wanted)}")
        return " and ".join(parts)


def condition(kind: GraphQLScalarType) -> str | None:
    """Return the condition of a built-in scalar; None for any other, even one of the same name."""
    is_built_in = is_specified_scalar_type(kind) and specified_scalar_types[kind.name] is kind
    return CONDITIONS[kind.name] if is_built_in else None


def serializer(kind: GraphQLScalarType) -> Conversion:
    """Return a function that serializes a scalar for a response.

    It raises NotPlain if graphql-core would report an error.
    """

    def write(value: Any) -> Any:
        if value is None or is_awaitable(value):
            raise NotPlain
        try:
            serialized = kind.coerce_output_value(value)
        except Exception as error:
            raise NotPlain from error
        if serialized is None or serialized is Undefined:
            raise NotPlain
        return serialized

    return write


def parser(kind: GraphQLScalarType) -> Conversion:
    """Return a function that parses a scalar from variables.

    It raises NotPlain if graphql-core would report an error.
    """

    def parse(value: Any) -> Any:
        try:
            parsed = kind.coerce_input_value(value)
        except Exception as error:
            raise NotPlain from error
        if value is None or parsed is Undefined:
            raise NotPlain
        return parsed

    return parse


class MemberNames(dict[int, str]):
    """The names of an enum's members in a response. Looking up anything else raises NotPlain."""

    def __missing__(self, _: int) -> str:
        raise NotPlain


def member_names(kind: GraphQLEnumType, members: EnumMeta) -> tuple[MemberNames, MemberNames]:
    """Return the names of an enum's members by `id(member)`, and by the members' numbers.

    The first look-up uses `id(member)` because it is faster: Python computes the hash of a member
    again at each look-up. An id stays valid, because a member lives as long as its enum.
    """
    by_id, by_number = MemberNames(), MemberNames()
    member: Any
    for member in members:
        by_id[id(member)] = kind.coerce_output_value(member)
        if type(member.value) is int:
            by_number[member.value] = kind.coerce_output_value(member.value)
    return by_id, by_number


class Members(dict[str, Any]):
    """The values of an enum by their names in variables. Each name is converted only once."""

    def __init__(self, kind: GraphQLEnumType) -> None:
        super().__init__()
        self._kind = kind

    def member(self, name: object) -> Any:
        """Return the member of this name. Raises NotPlain if there is none."""
        if type(name) is not str:
            raise NotPlain
        return self[name]

    def __missing__(self, name: str) -> Any:
        """Convert a name that is not cached yet. Raises NotPlain if the enum has no such name."""
        try:
            member = self._kind.coerce_input_value(name)
        except Exception as error:
            raise NotPlain from error
        if member is Undefined:
            raise NotPlain
        self[name] = member
        return member
