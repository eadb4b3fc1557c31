"""Compiled execution of GraphQL operations for Strawberry.

graphql-core walks a response leaf by leaf, at some 6 µs each, and Strawberry converts each argument
anew. Here an operation that is requested a second time is compiled to one Python function, which
makes the arguments, calls the resolvers, reads the attributes and builds the response.

A compiled operation handles plain values only. At a null in a non-null field, a leaf of another
type, an exception or an argument of another shape it stops, and graphql-core runs the operation. It
uses the values that resolvers have already returned in place of calling those resolvers. So the
errors, paths and null propagation are those of graphql-core, and nothing is executed twice.
Operations with abstract types or `@defer`, and schemas with extensions that have hooks around
execution, are never compiled.

Nothing here is specific to tasks. Another app uses it like this, with documents that it has parsed,
validated and kept:

    schema = strawberry.Schema(Query, execution_context_class=Replaying)
    compiled = Compiled(schema)
    result = await compiled.execute(document, variables, context)

`Compiled.fallbacks` counts the requests in which a compiled operation raised an exception that is
not expected. The first of each document is logged.
"""

from api.graphql.execution.compiled import Compiled, Document
from api.graphql.execution.plain import Exactly, core_schema
from api.graphql.execution.replay import Replaying
from api.graphql.execution.selections import Placed

__all__ = ["Compiled", "Document", "Exactly", "Placed", "Replaying", "core_schema"]
