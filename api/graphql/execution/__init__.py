"""Execution of GraphQL operations for Strawberry, compiled.

graphql-core walks a response leaf by leaf, some 6 µs each, and Strawberry converts each argument
anew. Here an operation that is met a second time becomes one function of Python: it makes the
arguments, calls the resolvers, reads the attributes and builds the response.

It stays honest by doing the plain path alone. At whatever is not plain (a null where none may be, a
leaf of another type, an exception, an argument of another shape) it stops, and graphql-core runs
the operation, with what the resolvers have answered so far in the place of those resolvers: its own
words, paths and null propagation, and nothing executed twice. What it does not know to begin with
(abstract types, `@defer`, extensions with hooks around execution) is never compiled.

Nothing here knows of tasks. Another app has

    schema = strawberry.Schema(Query, execution_context_class=Replaying)
    compiled = Compiled(schema)
    result = await compiled.execute(document, variables, context)

with documents that it has parsed and validated, and keeps.
"""

from api.graphql.execution.compiled import Compiled, Document
from api.graphql.execution.replay import Replaying
from api.graphql.execution.selections import Placed

__all__ = ["PRIVATE", "Compiled", "Document", "Placed", "Replaying"]

PRIVATE = {
    "graphql.execution.Executor": (
        "build_resolve_info",
        "collect_subfields",
        "fragments",
        "middleware_manager",
        "variable_values",
    ),
    "graphql.execution.collect_fields.collect_fields": (),
    "graphql.execution.collect_fields.FieldDetails": ("node",),
    "graphql.execution.collect_fields.GroupedFieldSet": (),
    "graphql.execution.values.VariableValues": ("coerced",),
    "graphql.utilities.coerce_input_value.coerce_default_value": (),
    "graphql.type.GraphQLInputObjectType": ("out_type",),
    "strawberry.schema.schema.StrawberryGraphQLCoreExecutionContext": ("operation_extensions",),
    "strawberry.schema.Schema": (
        "_schema",
        "exception_handlers",
        "execution_context_class",
        "get_extensions",
        "schema_converter",
    ),
    "strawberry.types.field.StrawberryField": (
        "get_result",
        "is_async",
        "is_basic_field",
        "python_name",
    ),
    "strawberry.types.fields.resolver.StrawberryResolver": (
        "info_parameter",
        "parent_parameter",
        "root_parameter",
        "self_parameter",
    ),
    "strawberry.types.base.StrawberryObjectDefinition": ("from_input", "is_input", "is_type_of"),
    "strawberry.types.info.Info": ("_raw_info", "_field"),
}
"""What it touches that nobody promised to keep. A test fails when a new version moves one."""
