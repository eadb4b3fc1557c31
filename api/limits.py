"""How large a request may be: its body, and the operation in it, before that is validated.

Fragments count as often as they are spread, so that a small document cannot stand for a large one.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Lexer,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    TokenKind,
)
from starlette.requests import Request
from strawberry.extensions import SchemaExtension

from api.errors import BadRequest, OperationTooLarge

BODY_TIMEOUT = 30.0
"""Seconds for all of a body to arrive."""
MAX_TOKENS = 5_000
MAX_DEPTH = 10
MAX_ALIASES = 30
MAX_ROOT_FIELDS = 10
MAX_DIRECTIVES = 50


async def body(request: Request, most: int, seconds: float = BODY_TIMEOUT) -> bytes:
    """A request's body of at most `most` bytes. Raises OperationTooLarge; BadRequest when late."""
    read = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                read += chunk
                if len(read) > most:
                    raise OperationTooLarge(f"The body is over {most} bytes.")
    except TimeoutError:
        raise BadRequest("The body did not arrive in time.", 408) from None
    return bytes(read)


class Limits(SchemaExtension):
    """Refuses a document that is over a limit, or that leaves open which operation is meant."""

    def on_operation(self) -> Iterator[None]:
        """Stops the parser at the limit of tokens."""
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_parse(self) -> Iterator[None]:
        """Raises OperationTooLarge or BadRequest, once the document is parsed or failed to be."""
        yield
        document = self.execution_context.graphql_document
        if document is None:
            if _tokens(self.execution_context.query or "") > MAX_TOKENS:
                raise OperationTooLarge(f"The document has more than {MAX_TOKENS} tokens.")
            return
        check(document)
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        # Strawberry would run the first one, and names it in `operation_name` (GraphQL §6.1).
        if len(operations) > 1 and self.execution_context._provided_operation_name is None:  # noqa: SLF001
            raise BadRequest("`operationName` must say which of the operations to run.")


def check(document: DocumentNode) -> None:
    """Raises OperationTooLarge, naming the limit, when any operation is over one."""
    measure = _Measure(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = measure.of(definition.selection_set)
            directives = size.directives + len(definition.directives or ())
            for what, count, limit in (
                ("levels deep", size.depth, MAX_DEPTH),
                ("aliases", size.aliases, MAX_ALIASES),
                ("fields at its root", size.fields, MAX_ROOT_FIELDS),
                ("directives", directives, MAX_DIRECTIVES),
            ):
                if count > limit:
                    raise OperationTooLarge(f"The operation has over {limit} {what}.")


@dataclass(frozen=True, slots=True)
class _Size:
    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0


class _Measure:
    """Measures each fragment once, however often and however deeply it is spread."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._sizes: dict[str, _Size] = {}

    def of(self, selections: SelectionSetNode | None) -> _Size:
        depth = fields = aliases = directives = 0
        for node in selections.selections if selections else ():
            directives += len(node.directives or ())
            match node:
                case FieldNode():
                    inner = self.of(node.selection_set)
                    fields += 1
                    aliases += node.alias is not None
                    # Introspection goes deeper by its nature, and is over when the schema ends.
                    if not node.name.value.startswith("__"):
                        depth = max(depth, 1 + inner.depth)
                case InlineFragmentNode():
                    inner = self.of(node.selection_set)
                    fields += inner.fields
                    depth = max(depth, inner.depth)
                case FragmentSpreadNode():
                    inner = self._spread(node.name.value)
                    fields += inner.fields
                    depth = max(depth, inner.depth)
                case _:
                    continue
            aliases += inner.aliases
            directives += inner.directives
        return _Size(depth, fields, aliases, directives)

    def _spread(self, name: str) -> _Size:
        if name not in self._sizes and name in self._fragments:
            self._sizes[name] = _Size()  # while it is measured: a cycle, which validation refuses
            self._sizes[name] = self.of(self._fragments[name].selection_set)
        return self._sizes.get(name, _Size())


def _tokens(query: str) -> int:
    """How many there are, up to one over the limit, or to where they stop making sense."""
    lexer = Lexer(Source(query))
    count = 0
    try:
        while count <= MAX_TOKENS and lexer.advance().kind is not TokenKind.EOF:
            count += 1
    except GraphQLError:
        pass
    return count
