"""Where a document becomes runnable: parsed, within the limits, valid, its cost known. Once.

What was prepared is remembered, so that a known document is neither parsed nor validated again;
what was refused is remembered apart, by its digest, and never in the place of a good one.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionResult

from api.errors import BadRequest, Code, OperationTooLarge, shortened
from api.graphql import limits
from api.graphql.cost import Cost, Costs, Sizes
from api.graphql.execution import Compiled, core_schema

MAX_DOCUMENTS = 1_000
"""That are remembered, and as many refusals; what was not asked for the longest goes first."""
MAX_BYTES = 50_000_000
"""That the remembered documents take together, about: so many for each token, measured,"""
TOKEN_BYTES = 470
TEXT_COPIES = 3
"""and the text, the token and the node of a long string."""
MAX_ERRORS = 10
"""That validation looks for in one document."""

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class Operation:
    """One of a document's."""

    node: OperationDefinitionNode
    cost: Cost

    @property
    def type(self) -> OperationType:
        """Query or mutation."""
        return self.node.operation


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Document:
    """Parsed, within the limits, valid: it may run as often as one likes.

    Hashed by identity, and may be referred to weakly: what somebody keeps about a document (a
    compiled form, say) goes when `Documents` forgets it.
    """

    text: str
    node: DocumentNode
    operations: Mapping[str | None, Operation]
    selected: frozenset[str]
    """All fields that are selected anywhere, such as `Task.title`, whether included or not."""

    def operation(self, name: str | None) -> Operation:
        """The one of that name, or the only one. Raises BadRequest (GraphQL §6.1)."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise BadRequest("`operationName` must say which of the operations to run.")
        if name not in self.operations:
            raise BadRequest("The document has no operation of that name.")
        return self.operations[name]


class Refused(Exception):
    """A document that is not GraphQL, or does not fit the schema: `errors` as a client is told."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


class NotTrusted(BadRequest):
    """An identifier that no trusted document has, or a text where only those run.

    The two messages are Apollo's, by which its clients and urql's know to send the text instead,
    and whether to ask by an identifier again.
    """

    def __init__(self, *, supported: bool) -> None:
        super().__init__("PersistedQueryNotFound" if supported else "PersistedQueryNotSupported")
        self.extensions["reason"] = "DOCUMENT_NOT_TRUSTED"


class Documents:
    """Those that were prepared for a schema, bounded in number and in memory.

    Trusted ones, by their identifiers, are prepared at once and stay: raises Refused or
    OperationTooLarge for one that could not run.
    """

    def __init__(  # noqa: PLR0913 - each bound is an argument with a default
        self,
        schema: Schema,
        trusted: Mapping[str, str] | None = None,
        *,
        sizes: Sizes | None = None,
        only_trusted: bool = False,
        most: int = MAX_DOCUMENTS,
        most_bytes: int = MAX_BYTES,
    ) -> None:
        self.only_trusted = only_trusted
        self._most = most
        self._most_bytes = most_bytes
        self._schema = core_schema(schema)
        self._costs = Costs(self._schema, sizes or {})
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._bytes = 0
        self._refused: OrderedDict[bytes, Callable[[], Exception]] = OrderedDict()
        self._trusted = {
            identifier: self._prepared(text) for identifier, text in (trusted or {}).items()
        }

    def of(self, text: str | None, identifier: str | None = None) -> Document:
        """The trusted document of this identifier; otherwise the one that the text is.

        Raises NotTrusted, OperationTooLarge, BadRequest when the text is empty, and Refused for
        what is no GraphQL.
        """
        if identifier is not None and identifier in self._trusted:
            return self._trusted[identifier]
        if text is None or self.only_trusted:
            raise NotTrusted(supported=bool(self._trusted))
        document = self._known.get(text)
        if document is not None:
            self._known.move_to_end(text)
            return document
        return self._met(text)

    def _met(self, text: str) -> Document:
        limits.check_length(text)
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if again := self._refused.get(digest):
            self._refused.move_to_end(digest)
            raise again()
        try:
            document = self._prepared(text)
        except (Refused, OperationTooLarge) as refusal:
            # Not the exception itself: raised again, it would hold on to the requests that met it.
            self._refused[digest] = partial(type(refusal), *refusal.args)
            if len(self._refused) > self._most:
                self._refused.popitem(last=False)
            raise
        self._known[text] = document
        self._bytes += _size(document)
        while len(self._known) > self._most or self._bytes > self._most_bytes:
            self._bytes -= _size(self._known.popitem(last=False)[1])
        return document

    def _prepared(self, text: str) -> Document:
        if not text.strip():
            raise BadRequest("The `query` is empty.")
        limits.check_tokens(text)
        try:
            node = parse(text, max_tokens=limits.MAX_TOKENS)
            limits.check(node)
            errors = validate(self._schema, node, _RULES, MAX_ERRORS)
        except GraphQLSyntaxError as error:
            raise Refused([_told(error, Code.GRAPHQL_PARSE_FAILED)]) from None
        except ValueError:  # Python reads no number of 4,301 digits
            errors = [GraphQLError("The document holds a number that nobody can read.")]
        if errors:
            raise Refused([_told(error, Code.GRAPHQL_VALIDATION_FAILED) for error in errors])
        return Document(
            text,
            node,
            {
                definition.name.value if definition.name else None: Operation(
                    definition, self._costs.of(definition, node)
                )
                for definition in node.definitions
                if isinstance(definition, OperationDefinitionNode)
            },
            frozenset(_selected(self._schema, node)),
        )


def _selected(schema: GraphQLSchema, document: DocumentNode) -> set[str]:
    """Return the fields that a valid document selects anywhere, each with its type."""
    types, selected = TypeInfo(schema), set()

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if parent := types.get_parent_type():
                selected.add(f"{parent.name}.{node.name.value}")

    visit(document, TypeInfoVisitor(types, Fields()))
    return selected


def _told(error: GraphQLError, code: Code) -> dict[str, Any]:
    return {**error.formatted, "message": shortened(error.message), "extensions": {"code": code}}


def _size(document: Document) -> int:
    tokens = document.node.token_count or 0
    return tokens * TOKEN_BYTES + TEXT_COPIES * sys.getsizeof(document.text)


class Prepared(SchemaExtension):
    """Hands Strawberry the document that `Execution` runs, as parsed and validated; no other."""

    def on_parse(self) -> Iterator[None]:
        """Instead of parsing."""
        given = self.execution_context.operation_extensions or {}
        self.execution_context.graphql_document = given[_DOCUMENT].node
        yield

    def on_validate(self) -> Iterator[None]:
        """Instead of validating: no errors, rather than none looked for."""
        self.execution_context.pre_execution_errors = []
        yield


_DOCUMENT = "document"
"""Under which the extensions of an operation, which no client reaches, hold what was prepared."""


class Execution:
    """Runs operations of a schema: compiled ones, or as Strawberry and graphql-core do."""

    def __init__(self, schema: Schema, compiled: Compiled | None) -> None:
        self._schema = schema
        self._compiled = compiled

    async def __call__(
        self,
        document: Document,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        context: object,
    ) -> ExecutionResult:
        """Runs the operation of that name, or the only one.

        The variables are as they were sent: those of a wrong type are an error without a path.
        What a resolver raises is among the result's errors, and nothing of it is raised.
        """
        extensions = {_DOCUMENT: document}
        if self._compiled:
            return await self._compiled.execute(
                document, variables, context, operation_name, extensions
            )
        return await self._schema.execute(
            document.text, variables, context, None, operation_name, None, extensions
        )
