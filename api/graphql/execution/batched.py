"""Declare fields whose resolver is called once for many objects."""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, get_args

import strawberry

BATCH = "batch"
"""The key of the resolver for many objects in the metadata of a Strawberry field."""

Batch = Callable[..., Awaitable[list[Any]]]
"""A resolver for many objects."""


def batched(*, description: str) -> Callable[[Batch], Any]:
    """Return a decorator that turns an asynchronous static method into a field.

    The first parameter of the method is a list of objects. The method returns a list with the value
    of the field for each of them, or an exception in place of a value. The path of its `info` is
    the path to the field of the first object. If the method raises an exception, the field of each
    object fails. The type of the field is the type of the items of the returned list. If the items
    have the type `Any`, the type of the field is the annotation of its attribute.

    A compiled operation calls the method once for all objects of a level. graphql-core calls it for
    each object. So the method should load what it needs with a data loader.
    """

    def decorate(method: Batch) -> Any:
        resolve_all = inspect.unwrap(method)
        signature = inspect.signature(resolve_all)
        _, *others = signature.parameters.values()
        [kind] = get_args(signature.return_annotation)

        @wraps(resolve_all)
        async def resolve(self: Any, **arguments: Any) -> Any:
            [value] = await resolve_all([self], **arguments)
            if isinstance(value, BaseException):
                raise value
            return value

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        returned = inspect.Signature.empty if kind is Any else kind
        signature = signature.replace(parameters=[own, *others], return_annotation=returned)
        vars(resolve)["__signature__"] = signature
        return strawberry.field(
            resolver=resolve, description=description, metadata={BATCH: resolve_all}
        )

    return decorate
