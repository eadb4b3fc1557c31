"""How large a document may be, before it is parsed or validated.

Fragments count as often as they are spread, so that a small document cannot stand for a large one.
What is counted here beyond depth, aliases, root fields and directives bounds what validation costs:
its rules compare what stands side by side, each with each.
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
"""Of a document: long texts go into variables."""
MAX_TOKENS = 5_000
MAX_DEPTH = 10
"""Of fields, introspection apart."""
MAX_NESTING = 50
"""Of selection sets, introspection and inline fragments included."""
MAX_ALIASES = 30
MAX_ROOT_FIELDS = 10
MAX_DIRECTIVES = 50
MAX_FIELDS = 500
MAX_REPEATED = 50
"""Fields that the same place has already."""
MAX_SPREADS = 50
MAX_VALUES = 500
"""Written into an operation, those in lists and objects too: more of them go into variables."""
MAX_DEFINITIONS = 50
MAX_VARIABLES = 50

# As the lexer splits a text, but for what is no token at all. Comments count: it counts them too.
# What does not end is taken to the end of the text, once: a search from each quote is quadratic.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\"""|\\|"(?!""))*+(?:""")?'
    r'|"(?:[^"\\\n\r]|\\.)*+"?'
    r"|#[^\n\r]*+|\w++|\.\.\.|[!$&()\[\]{|}:=@]"
)


def check_length(text: str) -> None:
    """Raises OperationTooLarge for a document that would take too long even to look at."""
    if len(text) > MAX_CHARACTERS:
        raise OperationTooLarge(f"The document has over {MAX_CHARACTERS} characters.")


def check_tokens(text: str) -> None:
    """Raises OperationTooLarge for a document that would take too long to parse."""
    if sum(1 for _ in islice(_TOKEN.finditer(text), MAX_TOKENS + 1)) > MAX_TOKENS:
        raise OperationTooLarge(f"The document has over {MAX_TOKENS} tokens.")


def check(document: DocumentNode) -> None:
    """Raises OperationTooLarge, naming the limit, when the document or an operation is over one."""
    _few(document.definitions, "definitions", MAX_DEFINITIONS)
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    spread: set[str] = set()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _few(definition.variable_definitions or (), "variables", MAX_VARIABLES)
            size = _Size(fragments, spread)
            size.count("directives", MAX_DIRECTIVES, len(definition.directives or ()))
            for variable in definition.variable_definitions or ():
                size.add_values([variable.default_value] if variable.default_value else [])
            size.add(definition.selection_set, {}, _Place(depth=0))
    for name, fragment in fragments.items():
        if name not in spread:  # which validation refuses, once it has looked at all of it
            _Size(fragments, spread).add(fragment.selection_set, {}, _Place(depth=1))


_Seen: TypeAlias = "dict[str, _Seen]"
"""The fields that one place has, each with those below it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Of a selection set: how many fields it is below, None of introspection."""

    depth: int | None
    nesting: int = 1
    within: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Size:
    """Of one operation."""

    fragments: dict[str, FragmentDefinitionNode]
    spread: set[str]
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, most: int, number: int = 1) -> None:
        self.counts[what] += number
        if self.counts[what] > most:
            raise OperationTooLarge(f"The operation has over {most} {what}.")

    def add(self, selections: SelectionSetNode, seen: _Seen, place: _Place) -> None:
        if place.nesting > MAX_NESTING:
            raise OperationTooLarge(f"The operation is nested over {MAX_NESTING} times.")
        deeper = replace(place, nesting=place.nesting + 1)
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
                if name in self.fragments and name not in place.within:  # else it is not valid
                    self.spread.add(name)
                    inside = replace(deeper, within=place.within | {name})
                    self.add(self.fragments[name].selection_set, seen, inside)

    def _add_field(self, node: FieldNode, seen: _Seen, place: _Place) -> None:
        # Introspection goes deeper by its nature, and is over when the schema ends.
        meta = place.depth is None or node.name.value.startswith("__")
        depth = None if meta else (place.depth or 0) + 1
        name = (node.alias or node.name).value
        if place.depth == 0:
            self.count("fields at its root", MAX_ROOT_FIELDS)
        if depth is not None and depth > MAX_DEPTH:
            raise OperationTooLarge(f"The operation has over {MAX_DEPTH} levels.")
        self.count("aliases", MAX_ALIASES, node.alias is not None)
        self.count("repeated fields", MAX_REPEATED, name in seen)
        self.count("fields", MAX_FIELDS)
        self.add_values(node.arguments or ())
        below = seen.setdefault(name, {})
        if node.selection_set:
            self.add(node.selection_set, below, replace(place, depth=depth))

    def add_values(self, nodes: Sequence[ArgumentNode | ObjectFieldNode | ValueNode]) -> None:
        self.count("values", MAX_VALUES, len(nodes))
        for node in nodes:
            value = node if isinstance(node, ValueNode) else node.value
            if isinstance(value, ObjectValueNode):
                self.add_values(value.fields)
            elif isinstance(value, ListValueNode):
                self.add_values(value.values)


def _few(nodes: Sequence[object], what: str, most: int) -> None:
    if len(nodes) > most:
        raise OperationTooLarge(f"The document has over {most} {what}.")
