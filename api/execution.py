"""Execution of GraphQL operations for Strawberry, with its objects compiled.

What a resolver answers is mostly plain: objects whose fields are attributes, lists of them, leaves
of the right type. graphql-core walks all of it leaf by leaf, some 6 µs each. Here the selection
below a resolver is compiled once, into one function that reads the attributes and builds the
response.

It stays honest by doing the plain path alone. The function has no effects, and gives up at
whatever is not plain: a null where none may be, a leaf of another type, an attribute that is not
there. Then graphql-core completes the same answer of the same resolver in its own way, with its own
words, paths and null propagation, so that nothing is resolved twice. A selection that is not plain
to begin with (a directive, an argument, a resolver, an abstract type) is never compiled.

Nothing here knows of tasks: `strawberry.Schema(execution_context_class=compiling())` is all that
another schema needs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    InlineFragmentNode,
    SelectionSetNode,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

Complete = Callable[[Any], Any]

PRIVATE = {
    "graphql.execution.Executor": (
        "complete_list_value",
        "complete_object_value",
        "collect_subfields",
        "fragments",
    ),
    "strawberry.schema.schema.StrawberryGraphQLCoreExecutionContext": ("__init__",),
    "strawberry.types.field.StrawberryField": ("is_basic_field", "python_name"),
}
"""What it touches that nobody promised to keep. A test fails when a new version moves one."""

DEFINITION = "strawberry-definition"
"""Where a GraphQL field keeps the Strawberry field that it was made from."""

MOST_SELECTIONS = 5_000
"""Compiled at once; beyond that, what is new goes to graphql-core until documents are forgotten."""


class NotPlain(Exception):
    """Something that graphql-core must complete."""


def compiling(
    written: Mapping[str, Callable[[Any], bool]] | None = None,
) -> type[StrawberryGraphQLCoreExecutionContext]:
    """An execution context class. A schema wants one of its own.

    `written` names scalars whose values may be left to whoever encodes the response, and says of a
    value whether its encoder writes the very text that the scalar would.
    """
    return type("Compiling", (Executor,), {"written": written or {}, "known": WeakKeyDictionary()})


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's, as Strawberry has it, which asks the compiled function first."""

    written: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    known: ClassVar["WeakKeyDictionary[FieldNode, dict[Any, Complete | None]]"]
    """By the selection's first field: what was compiled goes when its document is forgotten."""

    def complete_object_value(
        self, return_type: GraphQLObjectType, field_details_list: Any, *rest: Any
    ) -> Any:
        """An object that a resolver answered: `rest` ends with it and a context."""
        if complete := self._compiled(return_type, field_details_list):
            try:
                return complete(rest[2])
            except (NotPlain, AttributeError, TypeError):
                pass
        return super().complete_object_value(return_type, field_details_list, *rest)

    def complete_list_value(
        self, return_type: GraphQLList[Any], field_details_list: Any, *rest: Any
    ) -> Any:
        """A list of them; of anything else it is graphql-core's."""
        item = return_type.of_type
        named = item.of_type if isinstance(item, GraphQLNonNull) else item
        plain = isinstance(named, GraphQLObjectType) and type(rest[2]) is list
        if plain and (complete := self._compiled(named, field_details_list)):
            try:
                return [complete(each) for each in rest[2]]
            except (NotPlain, AttributeError, TypeError):
                pass
        return super().complete_list_value(return_type, field_details_list, *rest)

    def _compiled(self, of: GraphQLObjectType, details: Any) -> Complete | None:
        """From the second sight of a selection on, if it is plain."""
        nodes = [detail.node for detail in details]
        found = self.known.get(nodes[0])
        if found is None:
            if len(self.known) >= MOST_SELECTIONS:
                return None
            found = self.known[nodes[0]] = {}
        key = (of.name, *map(id, nodes))  # all of one document, and so as long there as the first
        if key in found:
            return found[key]
        seen = ("seen", *key)
        if seen not in found:
            found[seen] = None
            return None
        found[key] = None
        if _is_unconditional(details, self.fragments):
            with suppress(NotPlain):
                found[key] = _Source(self).compiled(of, details)
        return found[key]


def _is_unconditional(details: Any, fragments: Mapping[str, Any]) -> bool:
    """Whether the same fields are selected every time, whatever the variables."""
    return not any(
        detail.defer_usage or detail.fragment_variable_values for detail in details
    ) and not any(_has_directives(detail.node.selection_set, fragments) for detail in details)


def _has_directives(selected: SelectionSetNode | None, fragments: Mapping[str, Any]) -> bool:
    for node in selected.selections if selected else ():
        if node.directives:
            return True
        if isinstance(node, FragmentSpreadNode):
            definition = fragments[node.name.value].definition
            if definition.directives or _has_directives(definition.selection_set, fragments):
                return True
        elif isinstance(node, FieldNode | InlineFragmentNode) and _has_directives(
            node.selection_set, fragments
        ):
            return True
    return False


class _Source:
    """Writes the functions for a selection, as Python, with what they need beside them."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lines: list[str] = []
        self._around: dict[str, Any] = {"NotPlain": NotPlain}

    def compiled(self, of: GraphQLObjectType, details: Any) -> Complete:
        """Raises NotPlain for a selection that is not."""
        name = self._object(of, details)
        code = compile("\n".join(self._lines), f"<selection of {of.name}>", "exec")
        exec(code, self._around)  # noqa: S102 - of names from the schema and numbers of its own
        complete: Complete = self._around[name]
        return complete

    def _beside(self, value: object) -> str:
        name = f"x{len(self._around)}"
        self._around[name] = value
        return name

    def _object(self, of: GraphQLObjectType, details: Any) -> str:
        """Writes the function that completes one, and tells its name."""
        if of.is_type_of:
            raise NotPlain
        function = self._beside(None)
        grouped = self._executor.collect_subfields(of, details)[0]
        body, entries = [], []
        for number, (key, selected) in enumerate(grouped.items()):
            field_name = selected[0].node.name.value
            if field_name == "__typename":
                entries.append(f"{key!r}: {of.name!r}")
                continue
            value = f"v{number}"
            body.append(f"{value} = s.{_attribute(of.fields[field_name])}")
            body += self._value(of.fields[field_name].type, value, selected)
            entries.append(f"{key!r}: {value}")
        self._lines.append(f"def {function}(s):")
        self._lines += [f"    {line}" for line in body]
        self._lines.append(f"    return {{{', '.join(entries)}}}")
        return function

    def _value(self, kind: GraphQLOutputType, value: str, selected: Any) -> Iterator[str]:
        """Lines that leave the completed value where the attribute's was."""
        if isinstance(kind, GraphQLNonNull):
            lines = [*self._value_there(kind.of_type, value, selected)]
            yield f"if {value} is None: raise NotPlain"
            yield from lines
        else:
            yield f"if {value} is not None:"
            lines = [*self._value_there(kind, value, selected)]
            yield from (f"    {line}" for line in lines or ("pass",))

    def _value_there(self, kind: Any, value: str, selected: Any) -> Iterator[str]:
        if isinstance(kind, GraphQLObjectType):
            yield f"{value} = {self._object(kind, selected)}({value})"
        elif isinstance(kind, GraphQLList):
            inner = [*self._value(kind.of_type, "e", selected)]
            yield f"if type({value}) is not list: raise NotPlain"
            yield "made = []"
            yield f"for e in {value}:"
            yield from (f"    {line}" for line in inner)
            yield "    made.append(e)"
            yield f"{value} = made"
            if any("made" in line for line in inner):
                raise NotPlain  # a list of lists, which would want a name for each depth
        elif isinstance(kind, GraphQLEnumType):
            names = self._beside(_Names(kind))
            yield f"{value} = {names}[{value}]"
        elif isinstance(kind, GraphQLScalarType):
            yield from self._leaf(kind, value)
        else:
            raise NotPlain

    def _leaf(self, kind: GraphQLScalarType, value: str) -> Iterator[str]:
        if kind.name in self._executor.written:
            written = self._beside(self._executor.written[kind.name])
            yield f"if not {written}({value}): raise NotPlain"
            return
        condition = _PLAIN.get(kind.name)
        if condition:
            yield f"if not ({condition.format(value)}): raise NotPlain"
            return
        serialize = self._beside(_serializing(kind))
        yield f"{value} = {serialize}({value})"


_PLAIN = {
    "String": "type({0}) is str",
    "ID": "type({0}) is str",
    "Boolean": "type({0}) is bool",
    "Int": "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    "Float": "type({0}) is float and {0} - {0} == 0",
}
"""When graphql-core would leave a value as it is."""


def _serializing(kind: GraphQLScalarType) -> Complete:
    def serialize(value: Any) -> Any:
        try:
            found = kind.coerce_output_value(value)
        except Exception as error:
            raise NotPlain from error  # told again, in its place, by graphql-core
        if found is None:
            raise NotPlain
        return found

    return serialize


class _Names(dict[Any, str]):
    """What the members of an enum are called, each looked up once."""

    def __init__(self, kind: GraphQLEnumType) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, member: Any) -> str:
        if not isinstance(member, Enum):
            raise NotPlain
        name: str = _serializing_enum(self._kind, member)
        self[member] = name
        return name


def _serializing_enum(kind: GraphQLEnumType, member: Enum) -> str:
    try:
        name: str = kind.coerce_output_value(member)
    except Exception as error:
        raise NotPlain from error
    return name


def _attribute(field: GraphQLField) -> str:
    """The name of the attribute that the field is. Raises NotPlain when it is more than that."""
    definition = field.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryField) or not definition.is_basic_field:
        raise NotPlain
    if field.args or definition.default_resolver is not getattr:
        raise NotPlain
    name: str = definition.python_name
    if not name.isidentifier():
        raise NotPlain
    return name
