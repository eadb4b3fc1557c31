"""Convert coerced arguments to the Python values that resolvers take, as Strawberry does."""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

from strawberry import UNSET, Schema
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.lazy_type import LazyType

from api.graphql.execution.plain import Conversion, NotPlain


class Conversions:
    """Builds the conversions of one schema, and caches them by type."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._cache: dict[Any, Conversion] = {}

    def of(self, kind: Any) -> Conversion | None:
        """Return Strawberry's conversion for this type; None if it leaves values unchanged.

        It does the same as `strawberry.types.arguments.convert_argument`.
        """
        if isinstance(kind, StrawberryMaybe):
            raise NotPlain
        if isinstance(kind, StrawberryOptional):
            return self.of(kind.of_type)
        if isinstance(kind, LazyType):
            return self.of(kind.resolve_type())
        if isinstance(kind, StrawberryList):
            return _list_of(self.of(kind.of_type))
        if kind is GlobalID:
            raise NotPlain
        leaf = isinstance(kind, StrawberryEnumDefinition) or has_enum_definition(kind)
        if leaf or is_scalar(kind, self._schema.schema_converter.scalar_registry):
            return None
        return cached(self._cache, kind, lambda: self._instance(kind))

    def _instance(self, kind: Any) -> Conversion:
        """Return the conversion of a coerced input object to an instance of this Python class."""
        definition = get_object_definition(kind)
        if definition is None or not definition.is_input or definition.from_input is not None:
            raise NotPlain
        absent = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }
        steps = {
            self._schema.config.name_converter.from_field(field): (
                field.python_name,
                self.of(field.resolve_type(type_definition=definition)),
            )
            for field in definition.fields
        }

        def make(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            found = absent.copy()
            for name, given in value.items():
                python_name, change = steps[name]
                found[python_name] = change(given) if change else given
            return kind(**found)

        return make


def cached(cache: dict[Any, Conversion], key: Any, make: Callable[[], Conversion]) -> Conversion:
    """Return the cached function for a key. Make it if there is none.

    An input type can contain itself. So the cache holds a placeholder, which calls the function,
    while the function is being made.
    """
    if key not in cache:
        cache[key] = lambda value: cache[key](value)  # noqa: PLW0108 - looks up the final function
        try:
            cache[key] = make()
        except BaseException:
            del cache[key]
            raise
    return cache[key]


def _list_of(change: Conversion | None) -> Conversion:
    def items(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        return [change(item) for item in value] if change else list(value)

    return items
