"""Generate Python functions from the selection sets of an operation.

Such a function builds the response for an object from the object's attributes. It also calls the
resolvers in the selection set. If a resolver returns an awaitable, `Run.settle` awaits it later.
"""

from asyncio import FIRST_COMPLETED, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLScalarType,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, GroupedFieldSet, collect_fields
from graphql.pyutils import Path, is_awaitable
from strawberry import Schema
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from api.graphql.execution.inputs import Inputs
from api.graphql.execution.plain import Exactly, NotPlain, condition, names, written
from api.graphql.execution.replay import Answer, Memory, Shared

Call = Callable[[Any, Path, "Run"], Any]
"""A function that calls a resolver for a source object."""
Complete = Callable[[Any, Path, "Run", "Later"], Any]
"""A function that completes the result of a resolver (GraphQL §6.4.3)."""
Pending = tuple[Awaitable[Any], Path, dict[Any, Any], Complete]
"""A pending field: the awaitable of its resolver, its path, the response object that it belongs to,
and the function that completes its value."""
Later = list[Pending]
"""The fields that are still pending."""
Step = Callable[[None, None, "Run", Later], dict[str, Any]]
"""A function that executes root fields, and returns the response object for them."""

DEFINITION = "strawberry-definition"
"""The extension of GraphQL's types and fields that holds Strawberry's definition of them."""
MOST_OPERATION_FIELDS = 200
"""The most fields of an operation that is compiled. Compiling takes about 100 µs for each field."""


class Placed(Protocol):
    """A class of rows whose attributes in `places` can also be read as items, by index."""

    places: ClassVar[Mapping[str, int]]


@dataclass(slots=True)
class Run:
    """The execution of an operation: the input of its resolvers, and their recorded results."""

    context: Any
    variables: dict[str, Any]
    extensions: dict[str, Any] | None
    memory: Memory = field(default_factory=dict)

    async def settle(self, later: Later) -> None:
        """Await the pending fields and complete them, until no field is pending.

        Completing a field can add further pending fields. Raises NotPlain for the first result that
        is not plain: graphql-core then continues, and decides whether to await the other fields.
        """
        while len(later) == 1:
            later = await self._settle_alone(*later[0])
        pending: dict[Future[Any], Later] = {}
        self._start(later, pending)
        try:
            while pending:
                await wait(pending, return_when=FIRST_COMPLETED)
                for future in [future for future in pending if future.done()]:
                    fields = pending.pop(future)
                    if future.cancelled() or future.exception():
                        raise NotPlain
                    more: Later = []
                    for _, path, into, complete in fields:
                        into[path.key] = complete(future.result(), path, self, more)
                    self._start(more, pending)
        except CancelledError:
            for future in pending:
                future.cancel()
            raise

    def _start(self, later: Later, pending: dict[Future[Any], Later]) -> None:
        """Add fields to those that wait for a future. Start and record the tasks of resolvers."""
        for each in later:
            awaitable = each[0]
            if isinstance(awaitable, Shared):
                pending.setdefault(awaitable.future, []).append(each)
            else:
                task = ensure_future(awaitable)
                self.memory[each[1]].waiting = task
                pending[task] = [each]

    async def _settle_alone(
        self, awaitable: Awaitable[Any], path: Path, into: dict[Any, Any], complete: Complete
    ) -> Later:
        """Await and complete the only pending field, without the cost of a task.

        Return the fields that are pending after that.
        """
        answer = self.memory[path]
        answer.waited, answer.waiting = True, None
        try:
            answer.value = await awaitable
        except Exception as error:
            answer.error = error
            raise NotPlain from error
        more: Later = []
        into[path.key] = complete(answer.value, path, self, more)
        return more


class _Resolver:
    """The resolver of a field: a function that calls it, and one that completes its result."""

    __slots__ = ("_call", "_is_async", "complete")
    complete: Complete

    def __init__(self, call: Call, *, is_async: bool) -> None:
        self._call = call
        self._is_async = is_async

    def __call__(
        self, source: Any, path: Path, run: Run, later: Later, into: dict[Any, Any]
    ) -> None:
        """Complete the field, or add it to the pending fields if its result is awaitable."""
        try:
            found = self._call(source, path, run)
        except NotPlain:
            raise
        except Exception as error:
            # Strawberry converts the arguments of an async resolver only when it is awaited, so an
            # error of the conversion must be replayed then.
            run.memory[path] = Answer(error=error, waited=self._is_async)
            raise NotPlain from error
        if is_awaitable(found):
            run.memory[path] = Answer(waiting=found)
            later.append((found, path, into, self.complete))
        else:
            run.memory[path] = Answer(found)
            into[path.key] = self.complete(found, path, run, later)


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
        self._schema = schema
        self._executor = executor
        self._inputs = inputs
        self._written_as_is = written_as_is
        self._placed = placed
        self._lines: list[str] = []
        self._names = 0
        self._globals: dict[str, Any] = {"NotPlain": NotPlain, "Path": Path}
        self._resolvers: list[tuple[_Resolver, str]] = []
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
        for resolver, complete in self._resolvers:
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
                definition = found.extensions.get(DEFINITION)
                is_async = isinstance(definition, StrawberryField) and definition.is_async
                resolver = _Resolver(self._call(of, found, details), is_async=is_async)
                self._resolvers.append((resolver, self._complete(found, details)))
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

    def _call(
        self, of: GraphQLObjectType, found: GraphQLField, details: list[FieldDetails]
    ) -> Call:
        """Return a function that calls the resolver of a field. Raises NotPlain."""
        nodes = [detail.node for detail in details]
        make_info = _info_maker(self._executor, found, nodes, of)
        definition = found.extensions.get(DEFINITION)
        if isinstance(definition, StrawberryField) and self._is_direct(definition):
            try:
                return self._direct(definition, found, nodes[0], make_info)
            except NotPlain:
                pass  # it has an argument that only Strawberry can convert
        if found.resolve is None:
            raise NotPlain
        resolve, arguments = found.resolve, self._inputs.arguments(found, nodes[0], None)
        return lambda source, path, run: resolve(
            source, make_info(path, run), **arguments(run.variables)
        )

    def _is_direct(self, definition: StrawberryField) -> bool:
        """Return whether Strawberry would only call the resolver, and do nothing else."""
        return bool(
            definition.base_resolver
            and not definition.extensions
            and not self._schema.exception_handlers
            and type(definition).get_result is StrawberryField.get_result
        )

    def _direct(
        self,
        definition: StrawberryField,
        found: GraphQLField,
        node: Any,
        make_info: Callable[[Path, Run], GraphQLResolveInfo[Any]],
    ) -> Call:
        """Return a function that calls the resolver directly.

        It builds the arguments like `strawberry.schema.schema_converter.get_arguments`.
        """
        resolver = definition.base_resolver
        if resolver is None:
            raise NotPlain
        arguments = self._inputs.arguments(found, node, definition.arguments)
        takes_self = resolver.self_parameter is not None
        sources = [p.name for p in (resolver.parent_parameter, resolver.root_parameter) if p]
        info = resolver.info_parameter.name if resolver.info_parameter else None
        info_class = self._schema.config.info_class

        def call(source: Any, path: Path, run: Run) -> Any:
            given = arguments(run.variables)
            for name in sources:
                given[name] = source
            if info:
                given[info] = info_class(_raw_info=make_info(path, run), _field=definition)
            return resolver(source, **given) if takes_self else resolver(**given)

        return call


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


def _info_maker(
    executor: Executor[Any], found: GraphQLField, nodes: list[Any], of: GraphQLObjectType
) -> Callable[[Path, Run], GraphQLResolveInfo[Any]]:
    """Return a function that makes the `info` of a resolver.

    The function copies a template, since calls differ only in their path and their request.
    """
    template = executor.build_resolve_info(found, nodes, of, Path(None, "", None))
    kind: Any = type(template)
    places = [kind._fields.index(name) for name in _CHANGES]

    def make_info(path: Path, run: Run) -> GraphQLResolveInfo[Any]:
        values = [*template]
        new = (path, run.variables, run.context, run.extensions)
        for place, value in zip(places, new, strict=True):
            values[place] = value
        info: GraphQLResolveInfo[Any] = kind._make(values)
        return info

    return make_info


_CHANGES = ("path", "variable_values", "context", "operation_extensions")
