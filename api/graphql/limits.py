"""Limit the size of documents, before they are parsed or validated.

A fragment counts each time that it is spread, so that a small document cannot expand to a large
operation. The limits other than those of depth, aliases, root fields and directives bound the time
of validation: some of its rules compare all fields, values or definitions in pairs.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)

from api.errors import OperationTooLarge

MAX_CHARACTERS = 32_768
"""The most characters of a document. Long texts belong in variables."""
MAX_TOKENS = 5_000
"""The most tokens of a document, including comments."""
MAX_DEPTH = 10
"""The most fields that are nested in each other. Fields of introspection do not count."""
MAX_NESTING = 50
"""The most selection sets that are nested in each other. Those of introspection and of fragments
count too."""
MAX_ALIASES = 30
"""The most fields of an operation that have an alias."""
MAX_ROOT_FIELDS = 10
"""The most fields of an operation that are nested in no other field."""
MAX_DIRECTIVES = 50
"""The most directives of an operation."""
MAX_FIELDS = 500
"""The most fields of an operation, nested ones included."""
MAX_REPEATED = 50
"""The most fields of an operation with the response key of an earlier field of the same object."""
MAX_SPREADS = 50
"""The most fragments that an operation spreads. A fragment counts each time."""
MAX_VALUES = 500
"""The most values in the text of an operation, including those in lists and objects. More values
belong in variables."""
MAX_DEFINITIONS = 50
"""The most operations and fragments of a document."""
MAX_VARIABLES = 50
"""The most variables that an operation defines."""

# Splits a text into tokens as the lexer of graphql-core does; skips invalid characters. Comments
# count too, as they do in the lexer. An unterminated string also matches. If it did not, the
# expression would search for the end of a string again from each quote, in quadratic time.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\"""|\\|"(?!""))*+(?:""")?'
    r'|"(?:[^"\\\n\r]|\\.)*+"?'
    r"|#[^\n\r]*+|\w++|\.\.\.|[!$&()\[\]{|}:=@]"
)


def check_length(text: str) -> None:
    """Raise OperationTooLarge if the document has too many characters.

    This check comes before all others, because each of them reads the whole text.
    """
    if len(text) > MAX_CHARACTERS:
        raise OperationTooLarge(f"The document has over {MAX_CHARACTERS} characters.")


def check_tokens(text: str) -> None:
    """Raise OperationTooLarge if the document has so many tokens that parsing takes too long."""
    if sum(1 for _ in islice(_TOKEN.finditer(text), MAX_TOKENS + 1)) > MAX_TOKENS:
        raise OperationTooLarge(f"The document has over {MAX_TOKENS} tokens.")


def check(document: DocumentNode) -> None:
    """Raise OperationTooLarge if the document or an operation exceeds a limit.

    The message names the limit.
    """
    _check_count(document.definitions, "definitions", MAX_DEFINITIONS)
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    spread: set[str] = set()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _check_count(definition.variable_definitions or (), "variables", MAX_VARIABLES)
            size = _Size(fragments, spread)
            size.count("directives", MAX_DIRECTIVES, len(definition.directives or ()))
            for variable in definition.variable_definitions or ():
                size.add_values([variable.default_value] if variable.default_value else [])
            size.add(definition.selection_set, {}, _Nesting(depth=0))
    for name, fragment in fragments.items():
        if name not in spread:  # validation rejects unused fragments, but only after checking them
            _Size(fragments, spread).add(fragment.selection_set, {}, _Nesting(depth=1))


_Seen: TypeAlias = "dict[str, _Seen]"
"""The response keys of one object, each with the response keys below it."""


@dataclass(frozen=True, slots=True)
class _Nesting:
    """The position of a selection set in the operation."""

    depth: int | None
    """The number of fields around it; None inside introspection."""
    sets: int = 1
    """The number of selection sets around it, including itself."""
    within: frozenset[str] = frozenset()
    """The names of the fragments around it."""


@dataclass(frozen=True, slots=True)
class _Size:
    """The size of one operation. `counts` has the number of its fields, its aliases and so on."""

    fragments: dict[str, FragmentDefinitionNode]
    spread: set[str]
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, most: int, number: int = 1) -> None:
        self.counts[what] += number
        if self.counts[what] > most:
            raise OperationTooLarge(f"The operation has over {most} {what}.")

    def add(self, selections: SelectionSetNode, seen: _Seen, nesting: _Nesting) -> None:
        if nesting.sets > MAX_NESTING:
            raise OperationTooLarge(f"The operation nests over {MAX_NESTING} selection sets.")
        deeper = replace(nesting, sets=nesting.sets + 1)
        for node in selections.selections:
            self.count("directives", MAX_DIRECTIVES, len(node.directives or ()))
            for directive in node.directives or ():
                self.add_values(directive.arguments or ())
            if isinstance(node, FieldNode):
                self._add_field(node, seen, deeper)
            elif isinstance(node, InlineFragmentNode):
                self.add(node.selection_set, seen, deeper)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                self.count("spread fragments", MAX_SPREADS)
                # Validation rejects unknown fragments, and those that contain themselves.
                if name in self.fragments and name not in nesting.within:
                    self.spread.add(name)
                    inside = replace(deeper, within=nesting.within | {name})
                    self.add(self.fragments[name].selection_set, seen, inside)

    def _add_field(self, node: FieldNode, seen: _Seen, nesting: _Nesting) -> None:
        # The standard introspection query is deeper than MAX_DEPTH. Its response is bounded by the
        # size of the schema.
        meta = nesting.depth is None or node.name.value.startswith("__")
        depth = None if meta else (nesting.depth or 0) + 1
        name = (node.alias or node.name).value
        if nesting.depth == 0:
            self.count("root fields", MAX_ROOT_FIELDS)
        if depth is not None and depth > MAX_DEPTH:
            raise OperationTooLarge(f"The operation has over {MAX_DEPTH} levels of fields.")
        self.count("aliases", MAX_ALIASES, node.alias is not None)
        self.count("repeated fields", MAX_REPEATED, name in seen)
        self.count("fields", MAX_FIELDS)
        self.add_values(node.arguments or ())
        below = seen.setdefault(name, {})
        if node.selection_set:
            self.add(node.selection_set, below, replace(nesting, depth=depth))

    def add_values(self, nodes: Sequence[ArgumentNode | ObjectFieldNode | ValueNode]) -> None:
        self.count("values", MAX_VALUES, len(nodes))
        for node in nodes:
            value = node if isinstance(node, ValueNode) else node.value
            if isinstance(value, ObjectValueNode):
                self.add_values(value.fields)
            elif isinstance(value, ListValueNode):
                self.add_values(value.values)


def _check_count(nodes: Sequence[object], what: str, most: int) -> None:
    if len(nodes) > most:
        raise OperationTooLarge(f"The document has over {most} {what}.")
