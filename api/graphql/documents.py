"""Parse documents, check their limits, validate them and estimate their cost. Cache the results.

A cached document is neither parsed nor validated again. Rejections are cached too, by the digest of
the text. They have a cache of their own, so that they never evict a valid document.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    parse,
    specified_rules,
    validate,
)
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionResult

from api.errors import BadRequest, Code, OperationTooLarge, shortened
from api.graphql import limits
from api.graphql.cost import Cost
from api.graphql.estimation import Costs, Sizes
from api.graphql.execution import Compiled, core_schema
from api.graphql.streams import Subscription, subscribe

MAX_DOCUMENTS = 1_000
"""The most cached documents, and the most cached rejections. The least recently used one is evicted
first."""
MAX_BYTES = 50_000_000
"""The most bytes of all cached documents together, estimated from the two numbers below."""
TOKEN_BYTES = 470
"""The bytes of memory for each token of a document, as measured."""
TEXT_COPIES = 3
"""The number of copies of a long string in memory: in the text, in its token and in its node."""
MAX_ERRORS = 10
"""The number of errors in a document after which validation stops."""

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


Selected: TypeAlias = Mapping[tuple[str, ...], frozenset[str]]
"""The fields that an operation selects, such as `Task.title`, below each field with arguments.

The key is the path of that field in the response, without the indexes of lists. Fields that `@skip`
or `@include` omit count as selected.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a document."""

    node: OperationDefinitionNode
    cost: Cost
    selected: Selected

    @property
    def type(self) -> OperationType:
        """The type of the operation, such as query or mutation."""
        return self.node.operation


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Document:
    """A document that was parsed and is valid and within the limits.

    It is hashed by identity and allows weak references. So data about a document, such as its
    compiled form, can be kept in a WeakKeyDictionary until `Documents` evicts the document.
    """

    text: str
    node: DocumentNode
    operations: Mapping[str | None, Operation]

    @property
    def size(self) -> int:
        """The bytes of memory that the document takes, estimated."""
        tokens = self.node.token_count or 0
        return tokens * TOKEN_BYTES + TEXT_COPIES * sys.getsizeof(self.text)

    def operation(self, name: str | None) -> Operation:
        """Return the operation with this name; for None, the only one (GraphQL §6.1).

        Raises BadRequest if there is no such operation.
        """
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise BadRequest("Name the operation to run in `operationName`.")
        if name not in self.operations:
            raise BadRequest("The document has no operation with this name.")
        return self.operations[name]


class InvalidDocument(Exception):
    """The document has a syntax error or does not fit the schema. `errors` are for the client."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


class NotTrusted(BadRequest):
    """No trusted document has this identifier, or only trusted documents may run.

    The two messages are those of Apollo's persisted queries. Apollo's clients and urql then send
    the text instead, and decide whether to send identifiers again.
    """

    def __init__(self, *, supported: bool) -> None:
        super().__init__("PersistedQueryNotFound" if supported else "PersistedQueryNotSupported")
        self.extensions["reason"] = "DOCUMENT_NOT_TRUSTED"


class Documents:
    """A cache of prepared documents for a schema, bounded in number and in memory.

    The trusted documents, by their identifiers, are prepared at once and never evicted. Raises
    InvalidDocument or OperationTooLarge if one of them could not run.
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
        self._cache: OrderedDict[str, Document] = OrderedDict()
        self._bytes = 0
        self._rejected: OrderedDict[bytes, Callable[[], Exception]] = OrderedDict()
        self._trusted = {
            identifier: self._prepare(text) for identifier, text in (trusted or {}).items()
        }

    def get(self, text: str | None, identifier: str | None = None) -> Document:
        """Return the trusted document with this identifier, or else the document with this text.

        Raises NotTrusted, OperationTooLarge, InvalidDocument, and BadRequest when the text is
        empty.
        """
        if identifier is not None and identifier in self._trusted:
            return self._trusted[identifier]
        if text is None or self.only_trusted:
            raise NotTrusted(supported=bool(self._trusted))
        document = self._cache.get(text)
        if document is not None:
            self._cache.move_to_end(text)
            return document
        return self._prepare_and_cache(text)

    def _prepare_and_cache(self, text: str) -> Document:
        limits.check_length(text)
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if make_error := self._rejected.get(digest):
            self._rejected.move_to_end(digest)
            raise make_error()
        try:
            document = self._prepare(text)
        except (InvalidDocument, OperationTooLarge) as error:
            # The exception itself is not cached: its traceback would keep every request in memory
            # in which it was raised.
            self._rejected[digest] = partial(type(error), *error.args)
            if len(self._rejected) > self._most:
                self._rejected.popitem(last=False)
            raise
        self._cache[text] = document
        self._bytes += document.size
        while len(self._cache) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._cache.popitem(last=False)[1].size
        return document

    def _prepare(self, text: str) -> Document:
        if not text.strip():
            raise BadRequest("The `query` is empty.")
        limits.check_tokens(text)
        try:
            node = parse(text, max_tokens=limits.MAX_TOKENS)
            limits.check(node)
            errors = validate(self._schema, node, _RULES, MAX_ERRORS)
        except GraphQLSyntaxError as error:
            raise InvalidDocument([_format_error(error, Code.GRAPHQL_PARSE_FAILED)]) from None
        if errors:
            raise InvalidDocument(
                [_format_error(error, Code.GRAPHQL_VALIDATION_FAILED) for error in errors]
            )
        return Document(
            text,
            node,
            {
                definition.name.value if definition.name else None: Operation(
                    definition,
                    self._costs.estimate(definition, node),
                    _selected(self._schema, node, definition),
                )
                for definition in node.definitions
                if isinstance(definition, OperationDefinitionNode)
            },
        )


def _selected(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> Selected:
    """Return the fields that a valid operation selects below each of its fields with arguments."""
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }
    selected: dict[tuple[str, ...], set[str]] = {}

    def collect(
        parent: Any, selections: SelectionSetNode, path: tuple[str, ...], above: list[set[str]]
    ) -> None:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                for names in above:
                    names.add(f"{parent.name}.{node.name.value}")
                field = schema.get_field(parent, node.name.value)
                if field and node.selection_set:
                    here = (*path, (node.alias or node.name).value)
                    own = [selected.setdefault(here, set())] if field.args else []
                    collect(get_named_type(field.type), node.selection_set, here, [*above, *own])
            elif isinstance(node, FragmentSpreadNode):
                fragment = fragments[node.name.value]
                on = schema.get_type(fragment.type_condition.name.value)
                collect(on, fragment.selection_set, path, above)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                on = schema.get_type(condition.name.value) if condition else parent
                collect(on, node.selection_set, path, above)

    collect(schema.get_root_type(operation.operation), operation.selection_set, (), [])
    return {path: frozenset(names) for path, names in selected.items()}


def _format_error(error: GraphQLError, code: Code) -> dict[str, Any]:
    return {**error.formatted, "message": shortened(error.message), "extensions": {"code": code}}


class Prepared(SchemaExtension):
    """Makes Strawberry use the document that `Execution` runs, instead of parsing it again."""

    def on_parse(self) -> Iterator[None]:
        """Use the prepared document instead of parsing the text."""
        extensions = self.execution_context.operation_extensions or {}
        self.execution_context.graphql_document = extensions[_DOCUMENT].node
        yield

    def on_validate(self) -> Iterator[None]:
        """Skip validation. An empty list means "no errors"; None would mean "not validated"."""
        self.execution_context.pre_execution_errors = []
        yield


_DOCUMENT = "document"
"""The key of the prepared document in the `operation_extensions`, which clients cannot set."""


class Execution:
    """Runs the operations of a schema: compiled, or with Strawberry and graphql-core."""

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
        """Run the operation with this name; for None, the only one.

        The variables are those of the request, not validated yet. A variable of the wrong type
        becomes an error without a path, in a result without data. An exception of a resolver
        becomes the `original_error` of an error, and is not raised. An exception that is raised is
        a bug.
        """
        extensions = {_DOCUMENT: document}
        if self._compiled:
            return await self._compiled.execute(
                document, variables, context, operation_name, extensions
            )
        return await self._schema.execute(
            document.text, variables, context, None, operation_name, None, extensions
        )

    async def subscribe(
        self,
        document: Document,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        context: object,
    ) -> Subscription:
        """Begin the subscription with this name; for None, the only one. Raises NotSubscribed."""
        return await subscribe(self._schema, document, operation_name, variables, context)
