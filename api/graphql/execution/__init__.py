"""Compiled execution of GraphQL operations for Strawberry.

graphql-core needs about 6 µs for each leaf of a response, and Strawberry converts the arguments of
a resolver again at each call. This package compiles an operation to Python functions when it is
requested for the second time. They make the arguments, call the resolvers, read the attributes and
build the response.

A compiled operation handles plain values only. It stops at a null in a non-null field, at a leaf
or an argument of an unexpected type, and at an exception. graphql-core then executes the operation,
and gets the recorded results of the resolvers that have already run. So the errors, their paths and
the null propagation are those of graphql-core, and no resolver runs twice.

Operations with abstract types or `@defer`, and schemas with extensions that have hooks around
execution, are never compiled.

A field that is declared with `batched` calls its resolver once for all objects of a level.

Nothing here is specific to tasks. Another app can use the package like this, with a cache of parsed
and validated documents:

    schema = strawberry.Schema(Query, execution_context_class=Replaying)
    compiled = Compiled(schema)
    result = await compiled.execute(document, variables, context)

`Compiled.fallbacks` counts the requests in which a compiled operation raised an unexpected
exception. The first one of each document is logged.
"""

from api.graphql.execution.batched import batched
from api.graphql.execution.compiled import Compiled, Document
from api.graphql.execution.plain import Exactly, core_schema
from api.graphql.execution.replay import Replaying
from api.graphql.execution.selections import IndexedRow

__all__ = ["Compiled", "Document", "Exactly", "IndexedRow", "Replaying", "batched", "core_schema"]
