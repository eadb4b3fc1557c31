"""The schema: its descriptions and its error codes."""

from graphql import GraphQLNamedType, is_introspection_type, is_specified_scalar_type

from api.errors import Code
from api.schema import schema
from api.types import ErrorCode


def test_everything_in_the_schema_is_described() -> None:
    undescribed = []

    def look(path: str, thing: object) -> None:
        if not getattr(thing, "description", None):
            undescribed.append(path)
        for kind in ("fields", "args", "values"):
            for name, part in getattr(thing, kind, {}).items():
                look(f"{path}.{name}", part)

    kinds: list[GraphQLNamedType] = list(schema._schema.type_map.values())  # noqa: SLF001 - no public way to do it
    for kind in kinds:
        if not is_introspection_type(kind) and not is_specified_scalar_type(kind):
            look(kind.name, kind)
    assert undescribed == []


def test_error_codes_are_those_of_the_schema() -> None:
    assert {code.name for code in ErrorCode} == {code.name for code in Code}
