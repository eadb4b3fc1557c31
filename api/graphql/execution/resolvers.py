"""Call the resolvers of fields, without Strawberry where it would only call them."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path, is_awaitable
from strawberry import Schema
from strawberry.types.field import StrawberryField

from api.graphql.execution.batched import BATCH
from api.graphql.execution.inputs import Inputs
from api.graphql.execution.plain import NotPlain
from api.graphql.execution.replay import ResolverResult
from api.graphql.execution.run import Complete, Pending, PendingBatch, PendingField, Run

Call = Callable[[Any, Path, Run], Any]
"""A function that calls a resolver for a source object."""

DEFINITION = "strawberry-definition"
"""The extension of GraphQL's types and fields that holds Strawberry's definition of them."""


class Resolver:
    """The resolver of a field: a function that calls it, and one that completes its result."""

    __slots__ = ("_call", "_is_async", "complete")
    complete: Complete

    def __init__(self, call: Call, *, is_async: bool) -> None:
        self._call = call
        self._is_async = is_async

    def __call__(
        self, source: Any, path: Path, run: Run, pending: Pending, into: dict[Any, Any]
    ) -> None:
        """Complete the field, or add it to the pending fields if its result is awaitable."""
        try:
            result = self._call(source, path, run)
        except NotPlain:
            raise
        except Exception as error:
            # Strawberry converts the arguments of an async resolver when the resolver is awaited.
            # So graphql-core must get an error of the conversion when it awaits the field.
            run.results[path] = ResolverResult(error=error, is_async=self._is_async)
            raise NotPlain from error
        if is_awaitable(result):
            run.results[path] = ResolverResult(awaitable=result)
            pending.fields.append(PendingField(result, path, into, self.complete))
        else:
            run.results[path] = ResolverResult(result)
            into[path.key] = self.complete(result, path, run, pending)


class BatchResolver:
    """The resolver of a field that is called once for many objects."""

    __slots__ = ("_call", "_key", "_type_name", "complete")
    complete: Complete

    def __init__(self, call: Call, key: str, type_name: str) -> None:
        self._call = call
        self._key = key
        self._type_name = type_name

    def __call__(self, source: Any, path: Path, pending: Pending, into: dict[Any, Any]) -> None:
        """Add the field of an object to the pending fields. `path` is the path of the object."""
        batch = pending.batches.get(self)
        if batch is None:
            batch = PendingBatch(self._call, self.complete, self._key, self._type_name)
            pending.batches[self] = batch
            pending.fields.append(batch)
        batch.sources.append(source)
        batch.places.append((path, into))


class Resolvers:
    """Makes the functions that call the resolvers of an operation."""

    def __init__(self, schema: Schema, executor: Executor[Any], inputs: Inputs) -> None:
        self._schema = schema
        self._executor = executor
        self._inputs = inputs

    def of(
        self, parent: GraphQLObjectType, field: GraphQLField, details: list[FieldDetails]
    ) -> Resolver:
        """Return the resolver of a field. Raises NotPlain if only graphql-core can call it."""
        definition = field.extensions.get(DEFINITION)
        is_async = isinstance(definition, StrawberryField) and definition.is_async
        return Resolver(self._call(parent, field, details), is_async=is_async)

    def batch(
        self, parent: GraphQLObjectType, field: GraphQLField, key: str, details: list[FieldDetails]
    ) -> BatchResolver | None:
        """Return the resolver that is called once for many objects, or None if there is none."""
        definition = field.extensions.get(DEFINITION)
        if not isinstance(definition, StrawberryField) or BATCH not in definition.metadata:
            return None
        nodes = [detail.node for detail in details]
        make_info = _info_maker(self._executor, field, nodes, parent)
        resolve_all = definition.metadata[BATCH]
        try:
            call = self._direct(definition, field, nodes[0], make_info, resolve_all)
        except NotPlain:
            return None  # it has an argument that only Strawberry can convert
        return BatchResolver(call, key, parent.name)

    def _call(
        self, parent: GraphQLObjectType, field: GraphQLField, details: list[FieldDetails]
    ) -> Call:
        """Return a function that calls the resolver of a field. Raises NotPlain."""
        nodes = [detail.node for detail in details]
        make_info = _info_maker(self._executor, field, nodes, parent)
        definition = field.extensions.get(DEFINITION)
        if isinstance(definition, StrawberryField) and self._is_direct(definition):
            try:
                return self._direct(definition, field, nodes[0], make_info)
            except NotPlain:
                pass  # it has an argument that only Strawberry can convert
        if field.resolve is None:
            raise NotPlain
        resolve, arguments = field.resolve, self._inputs.arguments(field, nodes[0], None)
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
        field: GraphQLField,
        node: Any,
        make_info: Callable[[Path, Run], GraphQLResolveInfo[Any]],
        function: Callable[..., Any] | None = None,
    ) -> Call:
        """Return a function that calls the resolver, or another function in its place, directly.

        It builds the arguments like `strawberry.schema.schema_converter.get_arguments`.
        """
        resolver = definition.base_resolver
        if resolver is None:
            raise NotPlain
        function = function or resolver
        arguments = self._inputs.arguments(field, node, definition.arguments)
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
            return function(source, **given) if takes_self else function(**given)

        return call


def _info_maker(
    executor: Executor[Any], field: GraphQLField, nodes: list[Any], parent: GraphQLObjectType
) -> Callable[[Path, Run], GraphQLResolveInfo[Any]]:
    """Return a function that makes the `info` of a resolver.

    The function copies a template, since calls differ only in their path and their request.
    """
    template = executor.build_resolve_info(field, nodes, parent, Path(None, "", None))
    kind: Any = type(template)
    indexes = [kind._fields.index(name) for name in _CHANGES]

    def make_info(path: Path, run: Run) -> GraphQLResolveInfo[Any]:
        values = [*template]
        new = (path, run.variables, run.context, run.extensions)
        for index, value in zip(indexes, new, strict=True):
            values[index] = value
        info: GraphQLResolveInfo[Any] = kind._make(values)
        return info

    return make_info


_CHANGES = ("path", "variable_values", "context", "operation_extensions")
