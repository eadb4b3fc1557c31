"""Compile operations, and decide which requests are left to graphql-core."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from graphql import (
    DocumentNode,
    OperationType,
    VariableNode,
    get_operation_ast,
    separate_operations,
)
from graphql.execution.values import VariableValues
from graphql.language import DirectiveNode, Visitor, visit
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from api.graphql.execution.inputs import Inputs
from api.graphql.execution.plain import Exactly, NotPlain, core_schema
from api.graphql.execution.replay import RESULTS, Replaying, discard
from api.graphql.execution.run import Pending, Run
from api.graphql.execution.selections import IndexedRow, Source, Step
from api.telemetry import records

log = logging.getLogger(__name__)

MAX_COMPILED_FIELDS = 20_000
"""The most fields of all compiled operations together. A field takes about 1 kB of memory.

The operations of the oldest documents are dropped first.
"""
MIN_REQUESTS = 2
"""The number of requests for an operation after which it is compiled.

Each time that the operations of a document are dropped to make room, the number doubles for that
document. Otherwise, if there are too many operations, each request would compile one again, which
takes longer than graphql-core takes to execute it.
"""
MAX_CONDITIONS = 4
"""The most variables of `@skip` and `@include`. Each combination of their values that is requested
is compiled separately."""
MAX_NAME = 100
"""The most characters of an operation's name in the log."""
HOOKS = ("on_operation", "on_execute", "resolve", "get_results")
"""The methods of an extension that Strawberry calls around and during execution."""


class Document(Protocol):
    """A parsed and valid document. It is hashed by identity, and allows weak references."""

    @property
    def text(self) -> str:
        """The source text."""
        ...

    @property
    def node(self) -> DocumentNode:
        """The syntax tree."""
        ...


@dataclass(slots=True)
class Plan:
    """A compiled operation, for one combination of the values of its conditions."""

    steps: list[Step]
    fields: int
    """The number of its fields, which is counted against `MAX_COMPILED_FIELDS`."""

    async def __call__(self, run: Run) -> dict[str, Any]:
        """Return the data of the response.

        Raises NotPlain when only graphql-core can continue, and the exceptions of properties.
        """
        data: dict[str, Any] = {}
        for step in self.steps:
            pending = Pending()
            found = step(None, None, run, pending)
            await run.await_pending(pending)
            data.update(found)
        return data


@dataclass(slots=True)
class Operation:
    """An operation that was requested often enough to be compiled."""

    coerce: Callable[[Mapping[str, Any]], dict[str, Any]]
    """A function that coerces the variables of a request. Raises NotPlain."""
    conditions: list[str]
    """The variables of `@skip` and `@include`."""
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)


class Compiled:
    """Runs the operations of a schema. Call `execute` instead of the schema's own `execute`.

    `passthrough` maps the name of a scalar to a condition on its values. A value that meets the
    condition stays an object in the response. The encoder of the response must write such an object
    as the same text that the scalar would serialize it to.

    `rows` maps the name of a type to the class of its objects, if they are rows. Columns are read
    by index, which is faster than reading an attribute. If a resolver returns an object of another
    class for the type, graphql-core executes the operation.

    `plan` is the class of the compiled operations. A test passes one that counts its calls.

    If an extension of the schema has hooks around execution, no operation is compiled, because
    Strawberry must call the hooks. Raises TypeError for a schema without
    `execution_context_class=Replaying`.
    """

    def __init__(
        self,
        schema: Schema,
        passthrough: Mapping[str, Exactly] | None = None,
        rows: Mapping[str, type[IndexedRow]] | None = None,
        *,
        most_fields: int = MAX_COMPILED_FIELDS,
        plan: type[Plan] = Plan,
    ) -> None:
        if not issubclass(schema.execution_context_class, Replaying):
            raise TypeError("expected a schema with execution_context_class=Replaying")
        self.fallbacks = 0
        """How many requests fell back to graphql-core because of an unexpected exception."""
        self._schema = schema
        self._passthrough = passthrough or {}
        self._rows = rows or {}
        self._most_fields = most_fields
        self._plan_type = plan
        self._inputs = Inputs(schema)
        self._is_enabled = not any(_has_hooks(extension) for extension in schema.get_extensions())
        # By document and name: the operation, or how often it was requested so far.
        self._requested: WeakKeyDictionary[Document, dict[str | None, Operation | int]] = (
            WeakKeyDictionary()
        )
        self._requests_needed: WeakKeyDictionary[Document, int] = WeakKeyDictionary()
        self._logged: WeakSet[Document] = WeakSet()

    async def execute(
        self,
        document: Document,
        variable_values: dict[str, Any] | None = None,
        context_value: object = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Return what `schema.execute` would return for the document's text."""
        extensions = operation_extensions
        run = None
        reason = "requested too seldom"
        try:
            operation = self._operation(document, operation_name)
            if operation is not None:
                reason = "not supported" if operation is NEVER else "variables"
                variables = operation.coerce(variable_values or {})
                reason = "not supported"
                plan = self._plan(document, operation_name, operation, variable_values, variables)
                if plan is not None:
                    run = Run(context_value, variables, operation_extensions)
                    data = await plan(run)
                    _record("taken")
                    return ExecutionResult(data=data, errors=None, extensions={})
            _record("missed", reason)
        except Exception as error:  # noqa: BLE001 - graphql-core reports it to the client
            if isinstance(error, NotPlain):
                _record("missed", reason if run is None else "an error or a special value")
            else:
                _record("failed", type(error).__qualname__)
                self._count(document, operation_name, error)
            if run is not None:
                extensions = {**(operation_extensions or {}), RESULTS: run.recorded()}
        except BaseException:
            if run is not None:  # pragma: no branch - a request is cancelled while its plan runs
                discard(run.recorded())
            raise
        try:
            return await self._schema.execute(
                document.text,
                variable_values=variable_values,
                context_value=context_value,
                operation_name=operation_name,
                operation_extensions=extensions,
            )
        finally:
            if run is not None:
                discard(run.results)

    def _count(self, document: Document, name: str | None, error: Exception) -> None:
        """Count an unexpected exception, and log it once for each document, without any values."""
        self.fallbacks += 1
        if document in self._logged:
            return
        self._logged.add(document)
        operation = get_operation_ast(document.node, name)
        known = operation.name.value[:MAX_NAME] if operation and operation.name else "anonymous"
        log.warning(
            "compiled operation %s: %s, left to graphql-core", known, type(error).__qualname__
        )

    def _operation(self, document: Document, name: str | None) -> Operation | None:
        """Return an operation that was requested often enough, or None."""
        if not self._is_enabled:
            return None
        operations = self._requested.setdefault(document, {})
        found = operations.get(name, 0)
        if isinstance(found, int):
            found += 1
            if found >= self._requests_needed.get(document, MIN_REQUESTS):
                found = self._prepared(document.node, name)
            operations[name] = found
        return found if isinstance(found, Operation) else None

    def _prepared(self, document: DocumentNode, name: str | None) -> Operation:
        """Return the operation, or `NEVER` if it cannot be compiled."""
        node = get_operation_ast(document, name)
        if node is None:
            return NEVER
        conditions = _Conditions()
        visit(separate_operations(document)[node.name.value if node.name else ""], conditions)
        if not conditions.only_skip_and_include or len(conditions.names) > MAX_CONDITIONS:
            return NEVER
        try:
            return Operation(self._inputs.variables(node), sorted(conditions.names))
        except NotPlain:
            return NEVER

    def _plan(
        self,
        document: Document,
        name: str | None,
        operation: Operation,
        sent: dict[str, Any] | None,
        variables: Mapping[str, Any],
    ) -> Plan | None:
        """Return the plan for these variables, which is compiled at first use.

        Return None if an earlier attempt has failed. Raises NotPlain if this one fails.
        """
        chosen = tuple(variables.get(condition) for condition in operation.conditions)
        if chosen not in operation.plans:
            if not all(type(choice) is bool for choice in chosen):
                raise NotPlain
            operation.plans[chosen] = None
            began = records.clock()
            try:
                operation.plans[chosen] = self._compiled(document.node, name, sent)
            finally:
                records.ended("compile", began)
            self._make_room()
        return operation.plans[chosen]

    def _compiled(
        self, document: DocumentNode, name: str | None, sent: dict[str, Any] | None
    ) -> Plan:
        schema = core_schema(self._schema)
        executor = self._schema.execution_context_class.build(
            schema, document, raw_variable_values=sent, operation_name=name
        )
        if isinstance(executor, list):
            raise NotPlain
        kind = executor.operation.operation
        root = schema.get_root_type(kind)
        if root is None or kind is OperationType.SUBSCRIPTION:
            raise NotPlain
        source = Source(self._schema, executor, self._inputs, self._passthrough, self._rows)
        steps = source.steps(root, serially=kind is OperationType.MUTATION)
        # The functions refer to the executor, which must not keep the variables of this request.
        executor.variable_values = VariableValues({}, {})
        return self._plan_type(steps, source.fields)

    def _make_room(self) -> None:
        """Drop the operations of the oldest documents until the others have few enough fields."""
        fields = {
            document: sum(
                plan.fields
                for operation in operations.values()
                if isinstance(operation, Operation)
                for plan in operation.plans.values()
                if plan
            )
            for document, operations in self._requested.items()
        }
        total = sum(fields.values())
        for document, number in fields.items():  # the oldest first
            if total <= self._most_fields:
                return
            if number:
                del self._requested[document]
                self._requests_needed[document] = 2 * self._requests_needed.get(
                    document, MIN_REQUESTS
                )
                total -= number


def _record(outcome: records.Outcome, reason: str = "") -> None:
    record = records.current()
    if record is not None:
        record.compiled, record.compiled_reason = outcome, reason


def _refuse(_: Mapping[str, Any]) -> dict[str, Any]:
    raise NotPlain


NEVER = Operation(_refuse, [])
"""An operation that is always left to graphql-core."""


class _Conditions(Visitor):
    """Collects the variables of `@skip` and `@include`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.only_skip_and_include = True
        """Whether the operation has no directives but `@skip` and `@include`."""

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Collect the variables of a directive."""
        if node.name.value not in {"skip", "include"}:
            self.only_skip_and_include = False
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)


def _has_hooks(extension: SchemaExtension) -> bool:
    return any(
        getattr(type(extension), hook) is not getattr(SchemaExtension, hook) for hook in HOOKS
    )
