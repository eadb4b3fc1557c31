"""Generate Python functions from the selection sets of an operation.

Such a function builds the response for an object from the object's attributes. It also calls the
resolvers in the selection set. If a resolver returns an awaitable, `Run.await_pending` awaits it.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, GroupedFieldSet, collect_fields
from graphql.pyutils import Path
from strawberry import Schema
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from api.graphql.execution.inputs import Inputs
from api.graphql.execution.plain import Exactly, NotPlain, condition, member_names, serializer
from api.graphql.execution.resolvers import DEFINITION, BatchResolver, Resolver, Resolvers
from api.graphql.execution.run import Pending, Run

Step = Callable[[None, None, Run, Pending], dict[str, Any]]
"""A function that executes root fields, and returns the response object for them."""
MAX_OPERATION_FIELDS = 200
"""The most fields of an operation that is compiled. Compiling takes about 100 µs for each field."""


class IndexedRow(Protocol):
    """A class of rows. `indexes` has the index at which an attribute can also be read: `row[0]`."""

    indexes: ClassVar[Mapping[str, int]]


class Source:
    """Generates the source code of an operation's functions, and their global variables.

    In the generated code, `s` is a source object, `v` the result of a resolver, `p` the path to
    either, `r` the run, `l` the list of pending fields and `d` the response object.
    """

    def __init__(
        self,
        schema: Schema,
        executor: Executor[Any],
        inputs: Inputs,
        passthrough: Mapping[str, Exactly],
        rows: Mapping[str, type[IndexedRow]],
    ) -> None:
        self._executor = executor
        self._resolvers = Resolvers(schema, executor, inputs)
        self._passthrough = passthrough
        self._rows = rows
        self._lines: list[str] = []
        self._names = 0
        self._globals: dict[str, Any] = {"NotPlain": NotPlain, "Path": Path}
        self._completions: list[tuple[Resolver | BatchResolver, str]] = []
        self.fields = 0
        """The number of fields that were generated so far."""

    def steps(self, root: GraphQLObjectType, *, serially: bool) -> list[Step]:
        """Compile the operation. Return its steps, which run one after the other.

        Raises NotPlain if the operation cannot be compiled.
        """
        executor = self._executor
        grouped = collect_fields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            root,
            executor.operation,
        ).grouped_field_set
        sets = [{key: details} for key, details in grouped.items()] if serially else [grouped]
        names = [self._step(root, each) for each in sets]
        code = compile("\n".join(self._lines), "<compiled operation>", "exec")
        exec(code, self._globals)  # noqa: S102 - only names from the schema, and generated ones
        for resolver, complete in self._completions:
            resolver.complete = self._globals[complete]
        return [self._globals[name] for name in names]

    def _name(self) -> str:
        """Return a name that the generated code does not use yet."""
        self._names += 1
        return f"x{self._names}"

    def _global(self, value: object) -> str:
        """Make this object a global variable of the generated functions. Return its name."""
        name = self._name()
        self._globals[name] = value
        return name

    def _step(self, root: GraphQLObjectType, grouped: GroupedFieldSet) -> str:
        lines, _ = self._fields(root, grouped, "s", "p", "d")
        return self._function("s, p, r, l", [*lines, "return d"])

    def _complete(self, field: GraphQLField, details: list[FieldDetails], path: str = "p") -> str:
        """Generate the function that completes the result of a resolver. Return its name.

        `path` is the Python expression for the path of the field.
        """
        lines, _ = self._value(field.type, "v", details, path)
        return self._function("v, p, r, l", [*lines, "return v"])

    def _function(self, parameters: str, lines: list[str]) -> str:
        name = self._name()
        self._lines += [f"def {name}({parameters}):", *_indented(lines)]
        return name

    def _fields(
        self, parent: GraphQLObjectType, grouped: GroupedFieldSet, source: str, path: str, into: str
    ) -> tuple[list[str], bool]:
        """Return lines that build the response object `into`, and whether they call resolvers.

        If they call resolvers, the object is created first, and each field is assigned to it.
        Otherwise one dict display creates all fields, which is faster.
        """
        self.fields += len(grouped)
        if self.fields > MAX_OPERATION_FIELDS:
            raise NotPlain
        indexes = self._rows[parent.name].indexes if parent.name in self._rows else {}
        fields: list[tuple[str, str, list[str]]] = []  # keys, variables and lines
        calls = False
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "__typename":
                fields.append((key, repr(parent.name), []))
                continue
            field = self._executor.schema.get_field(parent, name)
            if field is None or name.startswith("__"):
                raise NotPlain
            field_path = f"Path({path}, {key!r}, {parent.name!r})"
            if attribute := _attribute(field):
                value = self._name()
                index = indexes.get(attribute)
                read = f"{source}.{attribute}" if index is None else f"{source}[{index}]"
                lines, below = self._value(field.type, value, details, field_path)
                fields.append((key, value, [f"{value} = {read}", *lines]))
                calls = calls or below
            else:
                resolver: Resolver | BatchResolver
                if batch := self._resolvers.batch(parent, field, key, details):
                    resolver, arguments = batch, f"{source}, {path}, l, {into}"
                    complete = self._complete(field, details, f"Path(p, {key!r}, {parent.name!r})")
                else:
                    resolver = self._resolvers.of(parent, field, details)
                    arguments = f"{source}, {field_path}, r, l, {into}"
                    complete = self._complete(field, details)
                self._completions.append((resolver, complete))
                fields.append((key, "", [f"{self._global(resolver)}({arguments})"]))
                calls = True
        if not calls:
            items = ", ".join(f"{key!r}: {value}" for key, value, _ in fields)
            lines = [line for *_, lines in fields for line in lines]
            return [*lines, f"{into} = {{{items}}}"], False
        items = ", ".join(f"{key!r}: None" for key, *_ in fields)
        made = [f"{into} = {{{items}}}"]
        for key, value, lines in fields:
            made += [*lines, *([f"{into}[{key!r}] = {value}"] if value else ())]
        return made, True

    def _value(
        self, kind: GraphQLOutputType, value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        """Return lines that complete the variable `value`, and whether they call resolvers."""
        if isinstance(kind, GraphQLNonNull):
            lines, calls = self._non_null(kind.of_type, value, details, path)
            if isinstance(kind.of_type, GraphQLScalarType):
                return lines, calls  # the check of the scalar also rejects None
            return [f"if {value} is None: raise NotPlain", *lines], calls
        lines, calls = self._non_null(kind, value, details, path)
        return [f"if {value} is not None:", *_indented(lines or ["pass"])], calls

    def _non_null(
        self, kind: Any, value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        if isinstance(kind, GraphQLObjectType):
            selected = self._executor.collect_subfields(kind, details)
            if selected.new_defer_usages:
                raise NotPlain
            into = self._name()
            lines, calls = self._fields(kind, selected.grouped_field_set, value, path, into)
            return [*self._check(kind, value), *lines, f"{value} = {into}"], calls
        if isinstance(kind, GraphQLList):
            return self._items(kind, value, details, path)
        return [self._leaf(kind, value)], False

    def _check(self, kind: GraphQLObjectType, value: str) -> list[str]:
        """Return lines with the checks that graphql-core makes before it executes an object."""
        row = self._rows.get(kind.name)
        lines = [f"if type({value}) is not {self._global(row)}: raise NotPlain"] if row else []
        if kind.is_type_of is not None:
            definition = kind.extensions.get(DEFINITION)
            if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of:
                raise NotPlain  # the application's own `is_type_of` may need a real `info`
            is_type_of = self._global(kind.is_type_of)
            lines.append(f"if not {is_type_of}({value}, None): raise NotPlain")
        return lines

    def _items(
        self, kind: GraphQLList[Any], value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        item, index, items, list_path = (self._name() for _ in range(4))
        lines, calls = self._value(kind.of_type, item, details, f"Path({list_path}, {index}, None)")
        loop = f"for {index}, {item} in enumerate({value}):" if calls else f"for {item} in {value}:"
        return [
            f"if type({value}) is not list: raise NotPlain",
            *([f"{list_path} = {path}"] if calls else ()),
            f"{items} = []",
            loop,
            *_indented([*lines, f"{items}.append({item})"]),
            f"{value} = {items}",
        ], calls

    def _leaf(self, kind: Any, value: str) -> str:
        if isinstance(kind, GraphQLEnumType):
            definition = kind.extensions.get(DEFINITION)
            if not isinstance(definition, StrawberryEnumDefinition):
                raise NotPlain
            by_id, by_number = member_names(kind, definition.wrapped_cls)
            member = f"{self._global(by_id)}[id({value})]"
            if not by_number:
                return f"{value} = {member}"
            number = f"{self._global(by_number)}[{value}]"
            return f"{value} = {number} if type({value}) is int else {member}"
        if not isinstance(kind, GraphQLScalarType):
            raise NotPlain
        if exactly := self._passthrough.get(kind.name):
            return f"if not ({exactly.source(value, self._global)}): raise NotPlain"
        if built_in := condition(kind):
            return f"if not ({built_in.format(value)}): raise NotPlain"
        return f"{value} = {self._global(serializer(kind))}({value})"


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _attribute(field: GraphQLField) -> str | None:
    """Return the name of the attribute that the field reads; None if the field does more."""
    definition = field.extensions.get(DEFINITION)
    if (
        isinstance(definition, StrawberryField)
        and definition.is_basic_field
        and definition.default_resolver is getattr
        and type(definition).get_result is StrawberryField.get_result
        and not field.args
        and definition.python_name.isidentifier()
    ):
        return definition.python_name
    return None
