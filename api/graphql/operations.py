"""Run the operations of a schema for every transport: check, execute and subscribe."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from graphql import OperationType
from starlette.types import Scope
from strawberry.types import ExecutionResult

from api.graphql.documents import Document, Documents, Execution, Operation
from api.graphql.parameters import Parameters
from api.graphql.streams import Subscription
from api.telemetry import records


class Request(NamedTuple):
    """A request whose document is valid, and whose cost is below the limits."""

    document: Document
    operation: Operation
    parameters: Parameters
    cost: float

    @property
    def type(self) -> OperationType:
        """The type of the operation, such as query or mutation."""
        return self.operation.type

    @property
    def size(self) -> int:
        """The bytes of memory that the request takes until its operation has ended."""
        return self.parameters.size + self.document.size


class Operations:
    """Checks and runs the operations of requests, in a context for each request.

    `context` is called right before an operation runs, with the cost of the operation. It must
    check again that the session has not ended, because a client can send its parameters slowly.
    """

    def __init__(
        self,
        documents: Documents,
        execute: Execution,
        context: Callable[[Scope, Operation, float], Awaitable[object]],
        observers: records.Observers | None = None,
    ) -> None:
        self.observers = observers or records.Observers()
        """The functions that get the record of each operation over a WebSocket."""
        self._documents = documents
        self._execute = execute
        self._context = context

    def check(self, parameters: Parameters) -> Request:
        """Find the document of a request, and check its cost.

        Raises InvalidDocument, OperationTooLarge and BadRequest.
        """
        began = records.clock()
        try:
            document = self._documents.get(parameters.query, parameters.document_id)
        finally:
            records.ended("parse", began)
        operation = document.operation(parameters.operation_name)
        record = records.current()
        if record is not None:
            name = operation.node.name
            record.operation_name = name.value[: records.MAX_NAME] if name else ""
            record.operation_type = operation.type.value
        cost = operation.cost.check(parameters.variables or {})
        if record is not None:
            record.cost = cost
        return Request(document, operation, parameters, cost)

    async def run(self, scope: Scope, request: Request) -> ExecutionResult:
        """Return the result of a query or a mutation. Raises the Problems of the context."""
        context = await self._context(scope, request.operation, request.cost)
        _, _, variables, name, _ = request.parameters
        began = records.clock()
        try:
            return await self._execute(request.document, name, variables, context)
        finally:
            records.ended("execute", began)

    async def subscribe(self, scope: Scope, request: Request) -> Subscription:
        """Begin a subscription. Raises NotSubscribed, and the Problems of the context."""
        context = await self._context(scope, request.operation, request.cost)
        _, _, variables, name, _ = request.parameters
        begun = await self._execute.subscribe(request.document, name, variables, context)
        begun.cost = request.cost
        return begun
