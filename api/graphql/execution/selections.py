"""Generate Python functions from the selection sets of an operation.

Such a function builds the response for an object from the object's attributes. It also calls the
resolvers in the selection set. If a resolver returns an awaitable, `Run.settle` awaits it later.
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
from api.graphql.execution.plain import Exactly, NotPlain, condition, names, written
from api.graphql.execution.resolvers import DEFINITION, Resolver, Resolvers
from api.graphql.execution.run import Later, Run

Step = Callable[[None, None, Run, Later], dict[str, Any]]
"""A function that executes root fields, and returns the response object for them."""
MOST_OPERATION_FIELDS = 200
"""The most fields of an operation that is compiled. Compiling takes about 100 µs for each field."""


class Placed(Protocol):
    """A class of rows whose attributes in `places` can also be read as items, by index."""

    places: ClassVar[Mapping[str, int]]


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
        written_as_is: Mapping[str, Exactly],
        placed: Mapping[str, type[Placed]],
    ) -> None:
        self._executor = executor
        self._resolvers = Resolvers(schema, executor, inputs)
        self._written_as_is = written_as_is
        self._placed = placed
        self._lines: list[str] = []
        self._names = 0
        self._globals: dict[str, Any] = {"NotPlain": NotPlain, "Path": Path}
        self._completions: list[tuple[Resolver, str]] = []
        self.fields = 0
        """The number of fields that were generated so far."""

    def steps(self, root: GraphQLObjectType, *, serially: bool) -> list[Step]:
        """Compile the operation. Return its steps, which run one after the other.

        Raises NotPlain if the operation cannot be compiled.
        """
        executor = self._executor
        found = collect_fields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            root,
            executor.operation,
        )
        grouped = found.grouped_field_set
        sets = [{key: details} for key, details in grouped.items()] if serially else [grouped]
        names = [self._step(root, each) for each in sets]
        code = compile("\n".join(self._lines), "<compiled operation>", "exec")
        exec(code, self._globals)  # noqa: S102 - only names from the schema, and generated ones
        for resolver, complete in self._completions:
            resolver.complete = self._globals[complete]
        return [self._globals[name] for name in names]

    def _name(self) -> str:
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

    def _complete(self, found: GraphQLField, details: list[FieldDetails]) -> str:
        """Generate the function that completes the result of a resolver. Return its name."""
        lines, _ = self._value(found.type, "v", details, "p")
        return self._function("v, p, r, l", [*lines, "return v"])

    def _function(self, takes: str, lines: list[str]) -> str:
        name = self._name()
        self._lines += [f"def {name}({takes}):", *_indented(lines)]
        return name

    def _fields(
        self, of: GraphQLObjectType, grouped: GroupedFieldSet, source: str, path: str, into: str
    ) -> tuple[list[str], bool]:
        """Return lines that build the response object `into`, and whether they call resolvers.

        If they call resolvers, the object is created first, and each field is assigned to it.
        Otherwise one dict display creates all fields, which is faster.
        """
        self.fields += len(grouped)
        if self.fields > MOST_OPERATION_FIELDS:
            raise NotPlain
        places = self._placed[of.name].places if of.name in self._placed else {}
        parts: list[tuple[str, str, list[str]]] = []
        live = False
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "__typename":
                parts.append((key, repr(of.name), []))
                continue
            found = self._executor.schema.get_field(of, name)
            if found is None or name.startswith("__"):
                raise NotPlain
            below = f"Path({path}, {key!r}, {of.name!r})"
            if attribute := _attribute(found):
                value = self._name()
                lines, calls = self._value(found.type, value, details, below)
                place = places.get(attribute)
                read = f"{source}.{attribute}" if place is None else f"{source}[{place}]"
                parts.append((key, value, [f"{value} = {read}", *lines]))
                live = live or calls
            else:
                resolver = self._resolvers.of(of, found, details)
                self._completions.append((resolver, self._complete(found, details)))
                call = f"{self._global(resolver)}({source}, {below}, r, l, {into})"
                parts.append((key, "", [call]))
                live = True
        if not live:
            whole = ", ".join(f"{key!r}: {value}" for key, value, _ in parts)
            return [
                *(line for *_, lines in parts for line in lines),
                f"{into} = {{{whole}}}",
            ], False
        made = [f"{into} = {{{', '.join(f'{key!r}: None' for key, *_ in parts)}}}"]
        for key, value, lines in parts:
            made += [*lines, *([f"{into}[{key!r}] = {value}"] if value else ())]
        return made, True

    def _value(
        self, kind: GraphQLOutputType, value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        """Return lines that complete the variable `value`, and whether they call resolvers."""
        if isinstance(kind, GraphQLNonNull):
            lines, live = self._non_null(kind.of_type, value, details, path)
            if isinstance(kind.of_type, GraphQLScalarType):
                return lines, live  # the check of the scalar also rejects None
            return [f"if {value} is None: raise NotPlain", *lines], live
        lines, live = self._non_null(kind, value, details, path)
        return [f"if {value} is not None:", *_indented(lines or ["pass"])], live

    def _non_null(
        self, kind: Any, value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        if isinstance(kind, GraphQLObjectType):
            found = self._executor.collect_subfields(kind, details)
            if found.new_defer_usages:
                raise NotPlain
            into = self._name()
            lines, live = self._fields(kind, found.grouped_field_set, value, path, into)
            return [*self._check(kind, value), *lines, f"{value} = {into}"], live
        if isinstance(kind, GraphQLList):
            return self._items(kind, value, details, path)
        return [self._leaf(kind, value)], False

    def _check(self, of: GraphQLObjectType, value: str) -> list[str]:
        """Return lines with the checks that graphql-core makes before it executes an object."""
        made = self._placed.get(of.name)
        lines = [f"if type({value}) is not {self._global(made)}: raise NotPlain"] if made else []
        if of.is_type_of is not None:
            definition = of.extensions.get(DEFINITION)
            if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of:
                raise NotPlain  # the application's own `is_type_of` may need a real `info`
            asked = f"{self._global(of.is_type_of)}({value}, None)"
            lines.append(f"if not {asked}: raise NotPlain")
        return lines

    def _items(
        self, kind: GraphQLList[Any], value: str, details: list[FieldDetails], path: str
    ) -> tuple[list[str], bool]:
        item, number, made, above = (self._name() for _ in range(4))
        lines, live = self._value(kind.of_type, item, details, f"Path({above}, {number}, None)")
        loop = f"for {number}, {item} in enumerate({value}):" if live else f"for {item} in {value}:"
        return [
            f"if type({value}) is not list: raise NotPlain",
            *([f"{above} = {path}"] if live else ()),
            f"{made} = []",
            loop,
            *_indented([*lines, f"{made}.append({item})"]),
            f"{value} = {made}",
        ], live

    def _leaf(self, kind: Any, value: str) -> str:
        if isinstance(kind, GraphQLEnumType):
            definition = kind.extensions.get(DEFINITION)
            if not isinstance(definition, StrawberryEnumDefinition):
                raise NotPlain
            by_id, by_number = names(kind, definition.wrapped_cls)
            member = f"{self._global(by_id)}[id({value})]"
            if not by_number:
                return f"{value} = {member}"
            number = f"{self._global(by_number)}[{value}]"
            return f"{value} = {number} if type({value}) is int else {member}"
        if not isinstance(kind, GraphQLScalarType):
            raise NotPlain
        if as_is := self._written_as_is.get(kind.name):
            return f"if not ({as_is.source(value, self._global)}): raise NotPlain"
        if own := condition(kind):
            return f"if not ({own.format(value)}): raise NotPlain"
        return f"{value} = {self._global(written(kind))}({value})"


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _attribute(found: GraphQLField) -> str | None:
    """Return the name of the attribute that the field reads; None if the field does more."""
    definition = found.extensions.get(DEFINITION)
    if (
        isinstance(definition, StrawberryField)
        and definition.is_basic_field
        and definition.default_resolver is getattr
        and type(definition).get_result is StrawberryField.get_result
        and not found.args
        and definition.python_name.isidentifier()
    ):
        return definition.python_name
    return None
