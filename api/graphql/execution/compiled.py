"""Operations that were compiled, and the choice between them and graphql-core."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

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
from api.graphql.execution.plain import NotPlain
from api.graphql.execution.replay import ANSWERS, Replaying, forget
from api.graphql.execution.selections import Later, Placed, Run, Source, Step

MOST_FIELDS = 20_000
"""Of all compiled operations, which take about 1 kB each; the oldest documents go first."""
SIGHTS = 2
"""Of an operation before it is compiled; of one that had to make room, twice as many each time.

More in turn than there is room for would be compiled in turn, at more than graphql-core costs.
"""
MOST_CONDITIONS = 4
"""Variables of `@skip` and `@include`: an operation is compiled for each choice that is met."""
HOOKS = ("on_operation", "on_execute", "resolve", "get_results")
"""Of extensions, which Strawberry calls around and in an operation that runs."""


class Document(Protocol):
    """Parsed and valid. Hashed by identity; may be referred to weakly."""

    @property
    def text(self) -> str:
        """Its source."""
        ...

    @property
    def node(self) -> DocumentNode:
        """What it was parsed to."""
        ...


@dataclass(slots=True)
class Plan:
    """An operation that was compiled, for one choice of conditions."""

    steps: list[Step]
    fields: int

    async def __call__(self, run: Run) -> dict[str, Any]:
        """Its data. What is not plain raises NotPlain, or whatever befell a compiled function."""
        data: dict[str, Any] = {}
        for step in self.steps:
            later: Later = []
            made = step(None, None, run, later)
            if later:
                await run.settle(later)
            data.update(made)
        return data


@dataclass(slots=True)
class Operation:
    """That was met twice."""

    coerce: Callable[[Mapping[str, Any]], dict[str, Any]]
    conditions: list[str]
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)


class Compiled:
    """Runs the operations of a schema: `execute` stands in for the schema's own.

    `left` names scalars whose values may be left to whoever encodes the response, each with a
    condition in Python on a value `{0}`: that its encoder writes the very text that the scalar
    would. It may name what is in `plain.NAMES`. `placed` names types whose objects are rows of some
    class, of which an item is read in a fraction of the time that an attribute takes; what else is
    given for such a type is left to graphql-core. The schema needs
    `execution_context_class=Replaying`; raises TypeError without.

    One whose extensions have hooks around execution is left to Strawberry, which calls them.
    """

    def __init__(
        self,
        schema: Schema,
        left: Mapping[str, str] | None = None,
        placed: Mapping[str, type[Placed]] | None = None,
        *,
        most_fields: int = MOST_FIELDS,
    ) -> None:
        if not issubclass(schema.execution_context_class, Replaying):
            raise TypeError("expected a schema with execution_context_class=Replaying")
        self._schema = schema
        self._left = left or {}
        self._placed = placed or {}
        self._most_fields = most_fields
        self._inputs = Inputs(schema)
        self._is_on = not any(_has_hooks(extension) for extension in schema.get_extensions())
        self._met: WeakKeyDictionary[Document, dict[str | None, Operation | int]] = (
            WeakKeyDictionary()
        )
        self._needed: WeakKeyDictionary[Document, int] = WeakKeyDictionary()

    async def execute(
        self,
        document: Document,
        variable_values: dict[str, Any] | None = None,
        context_value: object = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """As `schema.execute` answers the document's text."""
        extensions = operation_extensions
        run = None
        try:
            operation = self._operation(document, operation_name)
            if operation is not None:
                variables = operation.coerce(variable_values or {})
                plan = self._plan(document, operation_name, operation, variable_values, variables)
                if plan is not None:
                    run = Run(context_value, variables, operation_extensions)
                    return ExecutionResult(data=await plan(run), errors=None, extensions={})
        except Exception:  # noqa: BLE001 - whatever it was, graphql-core knows how to tell it
            if run is not None:
                extensions = {**(operation_extensions or {}), ANSWERS: run.memory}
        except BaseException:
            if run is not None:
                forget(run.memory)
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
                forget(run.memory)

    def _operation(self, document: Document, name: str | None) -> Operation | None:
        """Once it was met often enough."""
        if not self._is_on:
            return None
        operations = self._met.setdefault(document, {})
        found = operations.get(name, 0)
        if isinstance(found, int):
            found += 1
            if found >= self._needed.get(document, SIGHTS):
                found = self._prepared(document.node, name)
            operations[name] = found
        return found if isinstance(found, Operation) else None

    def _prepared(self, document: DocumentNode, name: str | None) -> Operation:
        node = get_operation_ast(document, name)
        if node is None:
            return NEVER
        conditions = _Conditions()
        visit(separate_operations(document)[node.name.value if node.name else ""], conditions)
        if not conditions.alone or len(conditions.names) > MOST_CONDITIONS:
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
        chosen = tuple(variables.get(condition) for condition in operation.conditions)
        if chosen not in operation.plans:
            if not all(type(choice) is bool for choice in chosen):
                raise NotPlain
            operation.plans[chosen] = None
            operation.plans[chosen] = self._compiled(document.node, name, sent)
            self._make_room()
        return operation.plans[chosen]

    def _compiled(
        self, document: DocumentNode, name: str | None, sent: dict[str, Any] | None
    ) -> Plan:
        schema = self._schema._schema  # noqa: SLF001 - Strawberry has no other name for it
        executor = self._schema.execution_context_class.build(
            schema, document, raw_variable_values=sent, operation_name=name
        )
        if isinstance(executor, list):
            raise NotPlain
        kind = executor.operation.operation
        root = schema.get_root_type(kind)
        if root is None or kind is OperationType.SUBSCRIPTION:
            raise NotPlain
        source = Source(self._schema, executor, self._inputs, self._left, self._placed)
        steps = source.steps(root, serially=kind is OperationType.MUTATION)
        # What is kept of the executor must not keep what somebody sent.
        executor.variable_values = VariableValues({}, {})
        return Plan(steps, source.fields)

    def _make_room(self) -> None:
        fields = {
            document: sum(
                plan.fields
                for operation in operations.values()
                if isinstance(operation, Operation)
                for plan in operation.plans.values()
                if plan
            )
            for document, operations in self._met.items()
        }
        total = sum(fields.values())
        for document, number in fields.items():  # the oldest first
            if total <= self._most_fields:
                return
            if number:
                del self._met[document]
                self._needed[document] = 2 * self._needed.get(document, SIGHTS)
                total -= number


def _refuse(_: Mapping[str, Any]) -> dict[str, Any]:
    raise NotPlain


NEVER = Operation(_refuse, [])
"""Stands for an operation that is left to graphql-core."""


class _Conditions(Visitor):
    """The variables on which it depends which fields are selected."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.alone = True
        """Whether there is no other directive."""

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Of a selection, or of what has none of its own."""
        if node.name.value not in {"skip", "include"}:
            self.alone = False
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)


def _has_hooks(extension: SchemaExtension) -> bool:
    return any(
        getattr(type(extension), hook) is not getattr(SchemaExtension, hook) for hook in HOOKS
    )
