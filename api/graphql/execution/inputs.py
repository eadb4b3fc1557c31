"""Coerce variables and arguments, and convert them to the Python values that resolvers take.

There are two steps, as without compilation. First GraphQL coerces a value to its type in the
schema. Then Strawberry converts it to its type annotation in Python. The functions for both steps
are composed once for each type. Input that is not plain raises NotPlain before its resolver is
called.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from types import NoneType
from typing import Any
from uuid import UUID

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_required_argument,
    is_required_input_field,
    type_from_ast,
)
from graphql.execution.values import VariableValues
from graphql.language import Visitor, visit
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry import Schema
from strawberry.types.arguments import StrawberryArgument

from api.graphql.execution.conversions import Conversions, cached
from api.graphql.execution.plain import (
    Conversion,
    Members,
    NotPlain,
    condition,
    core_schema,
    parser,
)

Variables = Mapping[str, Any]
Arguments = Callable[[Variables], dict[str, Any]]
"""A function from the coerced variables of an operation to the keyword arguments of one call."""
SHARED = frozenset({NoneType, str, int, float, bool, bytes, date, datetime, time, timedelta, UUID})
"""Immutable types, whose values all calls of a resolver may share."""


class Inputs:
    """Builds the coercions and conversions of one schema, and caches them by type."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._graphql = core_schema(schema)
        self._coercions: dict[str, Conversion] = {}
        self._conversions = Conversions(schema)

    def variables(
        self, operation: OperationDefinitionNode
    ) -> Callable[[Variables], dict[str, Any]]:
        """Return a function that coerces the variables of a request (GraphQL §6.1.2).

        Both this method and that function raise NotPlain.
        """
        steps = []
        for node in operation.variable_definitions or ():
            kind: Any = type_from_ast(self._graphql, node.type)
            default: Any = Undefined
            if node.default_value:
                default = _value(node.default_value, kind)
                if not _may_be_shared(kind, default):
                    raise NotPlain
            required = isinstance(kind, GraphQLNonNull) and default is Undefined
            steps.append((node.variable.name.value, self._coercion(kind), default, required))

        def coerce(sent: Variables) -> dict[str, Any]:
            found = {}
            for name, change, default, required in steps:
                if name in sent:
                    found[name] = change(sent[name])
                elif required:
                    raise NotPlain
                elif default is not Undefined:
                    found[name] = default
            return found

        return coerce

    def arguments(
        self, field: GraphQLField, node: FieldNode, declared: list[StrawberryArgument] | None
    ) -> Arguments:
        """Return a function that builds the arguments of a resolver's call from the variables.

        With `declared`, the names and values are those that Strawberry passes to a resolver.
        Without it, they are those that graphql-core passes. Both this method and the returned
        function raise NotPlain.
        """
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        converted = self._converted(declared)
        steps = []
        for name, argument in field.args.items():
            default: Any = coerce_default_value(argument)
            value = self._literal(given[name], argument.type) if name in given else None
            required = is_required_argument(argument)
            if value is None and required:
                raise NotPlain
            out, change = converted.get(name) or (argument.out_name or name, None)
            steps.append((out, value, default, required, change))

        def build(variables: Variables) -> dict[str, Any]:
            found = {}
            for out, value, default, required, change in steps:
                argument = Undefined if value is None else value(variables)
                if argument is Undefined:
                    if required:
                        raise NotPlain
                    argument = default
                    if argument is Undefined:
                        continue
                found[out] = change(argument) if change else argument
            return found

        return build

    def _converted(
        self, arguments: list[StrawberryArgument] | None
    ) -> dict[str, tuple[str, Conversion | None]]:
        """Return the Python name and the conversion of each argument, by its GraphQL name."""
        found = {}
        for argument in arguments or ():
            name = self._schema.config.name_converter.from_argument(argument)
            found[name] = argument.python_name, self._conversions.of(argument.type)
        return found

    def _literal(self, node: ValueNode, kind: GraphQLInputType) -> Conversion:
        """Return a function from the variables to the value of a node.

        The value is Undefined if the node is a variable that was not sent.
        """
        if isinstance(node, VariableNode):
            name, never_null = node.name.value, isinstance(kind, GraphQLNonNull)

            def variable(variables: Variables) -> Any:
                value = variables.get(name, Undefined)
                if value is None and never_null:
                    raise NotPlain
                return value

            return variable
        if not _has_variables(node):
            value = _value(node, kind)
            if _may_be_shared(kind, value):
                return lambda _: value

        def literal(variables: Variables) -> Any:
            return _value(node, kind, VariableValues({}, dict(variables)))

        return literal

    def _coercion(self, kind: Any) -> Conversion:
        """Return the coercion of a JSON value to this type (GraphQL §3.12)."""
        if isinstance(kind, GraphQLNonNull):
            return self._non_null(kind.of_type)
        non_null = self._non_null(kind)
        return lambda value: None if value is None else non_null(value)

    def _non_null(self, kind: Any) -> Conversion:
        """Return the coercion of a value that is not null. It raises NotPlain for null."""
        if isinstance(kind, GraphQLList):
            item = self._coercion(kind.of_type)

            def items(value: Any) -> Any:
                if type(value) is not list:
                    raise NotPlain
                return [item(each) for each in value]

            return items
        return cached(self._coercions, kind.name, lambda: self._named(kind))

    def _named(self, kind: Any) -> Conversion:
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind)
        if isinstance(kind, GraphQLEnumType):
            return Members(kind).member
        if isinstance(kind, GraphQLScalarType):
            built_in = condition(kind)
            return _checked(built_in) if built_in else parser(kind)
        raise NotPlain

    def _object(self, kind: GraphQLInputObjectType) -> Conversion:
        """Return the coercion of a value to this input object type."""
        steps = [
            (name, field.out_name or name, self._coercion(field.type), _default(field))
            for name, field in kind.fields.items()
        ]

        def coerce(value: Any) -> Any:
            if type(value) is not dict:
                raise NotPlain
            remaining, found = len(value), {}
            for name, out, change, default in steps:
                if name in value:
                    found[out] = change(value[name])
                    remaining -= 1
                elif default is _REQUIRED:
                    raise NotPlain
                elif default is not Undefined:
                    found[out] = default
            if remaining:
                raise NotPlain  # a field that the type does not have
            try:
                return kind.out_type(found)
            except Exception as error:  # for example, two keys of a `@oneOf` input
                raise NotPlain from error

        return coerce


def _value(node: ValueNode, kind: GraphQLInputType, variables: VariableValues | None = None) -> Any:
    """Return the value of a literal. Raises NotPlain for a literal that is not of its type."""
    try:
        value = coerce_input_literal(node, kind, variables)
    except Exception as error:
        raise NotPlain from error
    if value is Undefined:
        raise NotPlain
    return value


_REQUIRED = object()


def _default(field: GraphQLInputField) -> Any:
    return _REQUIRED if is_required_input_field(field) else coerce_default_value(field)


def _refuse(_: Any = None) -> Any:
    raise NotPlain


def _checked(condition: str) -> Conversion:
    """Return a function that returns its argument if the condition is true.

    Otherwise that function raises NotPlain.
    """
    text = condition.format("value")
    checked: Conversion = eval(f"lambda value: value if {text} else refuse()", {"refuse": _refuse})  # noqa: S307 - one of five
    return checked


def _may_be_shared(kind: Any, value: Any) -> bool:
    """Return whether all calls may share this value.

    Conversion copies lists and objects, but not leaves. A leaf of an application's own scalar may
    be mutable: a resolver could change it for later calls.
    """
    if isinstance(kind, GraphQLNonNull):
        return _may_be_shared(kind.of_type, value)
    if isinstance(kind, GraphQLList) and type(value) is list:
        return all(_may_be_shared(kind.of_type, item) for item in value)
    if isinstance(kind, GraphQLInputObjectType) and type(value) is dict:
        fields = {field.out_name or name: field.type for name, field in kind.fields.items()}
        return all(_may_be_shared(fields[name], item) for name, item in value.items())
    return type(value) in SHARED or isinstance(value, Enum)


def _has_variables(node: ValueNode) -> bool:
    """Return whether a variable occurs in this value."""

    class Search(Visitor):
        found = False

        def enter_variable(self, *_: Any) -> None:
            self.found = True

    search = Search()
    visit(node, search)
    return search.found
