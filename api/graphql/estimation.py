"""Estimate the cost of an operation: the most fields and bytes of its response.

Each selected field counts once, multiplied by the length of each list that contains it. The length
of a list is the argument `first`, or the number of items of a list among the field's arguments. The
bytes of a field are those of its key and of its largest value, which the author of the schema
declares (`Sizes`). This module does not depend on tasks.

A field in a list also counts the values of its arguments, because they are read again for each item
of the list.

The cost of introspection is scaled, so that the full introspection query costs half of each limit
in any schema. So it is allowed in a large schema too, and aliases cannot repeat it often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLList,
    GraphQLSchema,
    GraphQLString,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    parse,
    value_from_ast_untyped,
)

from api.graphql.cost import (
    MAX_COST,
    MAX_ITEMS,
    MAX_RESPONSE,
    Cost,
    Input,
    Length,
    Total,
    count_values,
)

TEXT = 300
"""The estimate of the bytes of a String that has no entry in `Sizes`."""
LEAF = 40
"""The estimate of the bytes of any other leaf, such as a UUID, a timestamp or a number."""
PUNCTUATION = 4
"""Bytes around a key and its value: two quotes, a colon, a comma."""

Sizes: TypeAlias = Mapping[str, Mapping[str, int]]
"""The most bytes of the value of a long field (a text, a list) in JSON, by type and field."""


class Costs:
    """Estimates the costs of operations of a schema, whose long fields have these sizes."""

    def __init__(self, schema: GraphQLSchema, sizes: Sizes) -> None:
        self._schema = schema
        self._sizes = sizes
        self._lengths = _introspected(schema)
        self._introspection = Total(1, 1)
        document = parse(get_introspection_query())
        full = self.estimate(cast("OperationDefinitionNode", document.definitions[0]), document)
        self._introspection = Total(MAX_COST / 2 / full.fields, MAX_RESPONSE / 2 / full.octets)

    def estimate(self, operation: OperationDefinitionNode, document: DocumentNode) -> Cost:
        """Return the cost of an operation of a valid document."""
        root = self._schema.get_root_type(operation.operation)
        fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
            if definition.default_value
        }
        estimation = _Estimation(
            self._schema, self._sizes, self._lengths, self._introspection, fragments, defaults
        )
        return estimation.selections(root, operation.selection_set, None) if root else Cost(0)


@dataclass(frozen=True, slots=True)
class _Estimation:
    """Estimates the cost of one operation."""

    schema: GraphQLSchema
    sizes: Sizes
    lengths: Mapping[tuple[str, str], float]
    introspection: Total
    """The weights of a field and of a byte of introspection."""
    fragments: Mapping[str, FragmentDefinitionNode]
    defaults: Mapping[str, ValueNode]

    def selections(
        self, parent: GraphQLCompositeType, selections: SelectionSetNode, page: Length | None
    ) -> Cost:
        """Return the cost of the fields that are selected in one object.

        `page` is the number of items that the arguments of an enclosing field ask for. A list that
        is selected in the object has this length.
        """
        parts = []
        for node in selections.selections:
            if isinstance(node, FieldNode):
                parts.append(self._field(parent, node, page))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                on = self._composite(condition.name.value) if condition else parent
                parts.append(self.selections(on, node.selection_set, page))
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                on = self._composite(fragment.type_condition.name.value)
                parts.append(self.selections(on, fragment.selection_set, page))
        return Cost(
            sum(part.fields for part in parts),
            sum(part.octets for part in parts),
            tuple(each for part in parts for each in part.lists),
            inputs=tuple(each for part in parts for each in part.inputs),
        )

    def _composite(self, name: str) -> GraphQLCompositeType:
        """Return the type of a fragment. Validation refuses fragments on other types."""
        return cast("GraphQLCompositeType", self.schema.get_type(name))

    def _field(self, parent: GraphQLCompositeType, node: FieldNode, page: Length | None) -> Cost:
        cost = self._response(parent, node, page)
        if not node.arguments or parent.name.startswith("__"):  # introspection
            return cost
        inputs = [each for argument in node.arguments for each in self._inputs(argument)]
        return replace(cost, inputs=(*cost.inputs, *inputs))

    def _inputs(self, argument: ArgumentNode) -> list[Input]:
        """Return the literals and the variables of an argument."""
        inputs = [Input("", _weight(argument.value))]
        for name in _names(argument.value):
            default = self.defaults.get(name)
            inputs.append(Input(name, _weight(default) if default else 0))
        return inputs

    def _response(self, parent: GraphQLCompositeType, node: FieldNode, page: Length | None) -> Cost:
        # Validation refuses unknown fields.
        found = cast("GraphQLField", self.schema.get_field(parent, node.name.value))
        key = len((node.alias or node.name).value) + PUNCTUATION
        if node.selection_set is None:
            return Cost(1, key + self._size(parent, node.name.value, found))
        own = self._page(found, node)
        page = own or page
        named = cast("GraphQLCompositeType", get_named_type(found.type))
        if not isinstance(get_nullable_type(found.type), GraphQLList):
            inner = self.selections(named, node.selection_set, page)
            if "first" in found.args:
                inner = replace(inner, rows=own)
                return Cost(1, key + PUNCTUATION, ((Length(1), inner),))
            octets = key + PUNCTUATION + inner.octets
            cost = Cost(1 + inner.fields, octets, inner.lists, inputs=inner.inputs)
            if node.name.value in ("__schema", "__type"):  # all their lists are in `lengths`
                weight = self.introspection
                return Cost(cost.fields * weight.fields, cost.octets * weight.octets)
            return cost
        known = self.lengths.get((parent.name, node.name.value))
        length = Length(known) if known is not None else page or Length(MAX_ITEMS)
        inner = self.selections(named, node.selection_set, None)
        inner = replace(inner, octets=inner.octets + PUNCTUATION)
        if length.variable or inner.lists or inner.inputs:
            return Cost(1, key, ((length, inner),))
        return Cost(1 + length.fixed * inner.fields, key + length.fixed * inner.octets)

    def _size(self, parent: GraphQLCompositeType, name: str, found: GraphQLField) -> float:
        """Return the most bytes of the value of a leaf."""
        known = self.sizes.get(parent.name, {}).get(name)
        if known is not None:
            return known
        each = TEXT if get_named_type(found.type) is GraphQLString else LEAF
        return each * (MAX_ITEMS if isinstance(get_nullable_type(found.type), GraphQLList) else 1)

    def _page(self, found: GraphQLField, node: FieldNode) -> Length | None:
        """Return how many items the field's arguments ask for or list; None if they do neither."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name, argument in found.args.items():
            if name == "first":
                default = argument.default_value
                otherwise = default if isinstance(default, int) else MAX_ITEMS
                return self._length(given.get(name), otherwise)
            if isinstance(get_nullable_type(argument.type), GraphQLList):
                return self._length(given.get(name), 1)
        return None

    def _length(self, value: ValueNode | None, otherwise: float) -> Length:
        if isinstance(value, VariableNode):
            name = value.name.value
            default = self._length(self.defaults.get(name), otherwise)
            return Length(default.fixed, name, null=otherwise)
        if isinstance(value, ListValueNode):
            return Length(min(len(value.values), MAX_ITEMS))
        if isinstance(value, IntValueNode):
            # A negative length would lower the cost of the rest of the document.
            most = MAX_ITEMS if len(value.value) > 3 else min(int(value.value), MAX_ITEMS)
            return Length(max(most, 1))
        return Length(otherwise)


def _weight(literal: ValueNode) -> int:
    """Return the number of values in a literal."""
    return count_values([value_from_ast_untyped(literal)])


def _names(literal: ValueNode) -> list[str]:
    """Return the names of the variables in a literal."""
    if isinstance(literal, VariableNode):
        return [literal.name.value]
    if isinstance(literal, ListValueNode):
        return [name for value in literal.values for name in _names(value)]
    if isinstance(literal, ObjectValueNode):
        return [name for each in literal.fields for name in _names(each.value)]
    return []


def _introspected(schema: GraphQLSchema) -> dict[tuple[str, str], float]:
    """Return the length of each list of introspection, which for a list of a type is an average."""
    types = list(schema.type_map.values())
    fields = [each for type_ in types for each in getattr(type_, "fields", {}).values()]
    arguments = [each for found in fields for each in getattr(found, "args", {})]
    per_type = len(fields) / len(types)
    per_field = len(arguments) / len(fields)
    return {
        ("__Schema", "types"): len(types),
        ("__Schema", "directives"): len(schema.directives),
        ("__Directive", "args"): 1,
        ("__Type", "fields"): per_type,
        ("__Type", "inputFields"): per_type,
        ("__Type", "enumValues"): per_type,
        ("__Type", "interfaces"): 1,
        ("__Type", "possibleTypes"): 1,
        ("__Field", "args"): per_field,
    }
