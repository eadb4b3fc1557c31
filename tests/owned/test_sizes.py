"""The sizes of texts, by which the bytes of a response are estimated before it is made."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import orjson
import pytest
from annotated_types import Len
from graphql import GraphQLObjectType, GraphQLString, build_schema, get_named_type
from pydantic import StringConstraints, ValidationError

from api.owned.columns import ONE_LINE, MaxOctets, max_octets
from api.owned.resource import RESOURCES, Resource
from api.schema import SIZES, schema

CHARACTERS = ("\U0001f600", "\U0001d518", '"', "\\", "\n", "ΐ", "a")
"""Characters that take much room in UTF-8 or in JSON, or grow when they are folded."""
Short = Annotated[str, StringConstraints(max_length=10), ONE_LINE]


SIZED: dict[str, tuple[Any, int | None]] = {
    "text": (Short, 42),
    "optional text": (Short | None, 42),
    "optional text with a rule": (Annotated[Short | None, "a rule"], 42),
    "list": (Annotated[list[Short], Len(max_length=3)], 2 + 3 * 43),
    "optional list": (Annotated[list[Short] | None, Len(max_length=3)], 2 + 3 * 43),
    "text with control characters": (Annotated[str, StringConstraints(max_length=10)], 62),
    "declared": (Annotated[str, MaxOctets(5)], 5),
    "number": (int, None),
    "optional number": (int | None, None),
    "numbers": (Annotated[list[int], Len(max_length=3)], None),
}
UNLIMITED: dict[str, Any] = {
    "text": str,
    "optional text": str | None,
    "list": list[Short],
    "text in a list": Annotated[list[str], Len(max_length=3)],
    "text in a tuple": tuple[str, ...],
    "limited text in a set": set[Short],
    "text in a dict": dict[str, int],
}


@pytest.mark.parametrize(("annotation", "octets"), SIZED.values(), ids=SIZED.keys())
def test_most_bytes_of_a_column_follow_from_its_annotation(
    annotation: Any, octets: int | None
) -> None:
    assert max_octets(annotation) == octets


@pytest.mark.parametrize("annotation", UNLIMITED.values(), ids=UNLIMITED.keys())
def test_text_without_a_limit_cannot_be_declared(annotation: Any) -> None:
    with pytest.raises(TypeError, match="MaxOctets"):
        max_octets(annotation)


def accepted(resource: Resource, column: str) -> Iterator[Any]:
    """Return long values that a client may write into a column, as they are stored."""
    rule = resource.rules[column]
    for character in CHARACTERS:
        for length in (1, 10, 30, 49, 50, 99, 100, 199, 200, 254, 255, 1_000, 9_999, 10_000):
            text = character * length
            several = [chr(ord("a") + n) + text for n in range(20)]
            for value in (text, f"a{text}", f"a0{text}", [text], several):
                with suppress(ValidationError):
                    yield rule.validate_python(value)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_no_value_that_a_client_may_write_is_larger_than_its_column_declares(
    resource: Resource,
) -> None:
    assert resource.octets
    for column, octets in resource.octets.items():
        sizes = [len(orjson.dumps(value)) for value in accepted(resource, column)]
        assert max(sizes) <= octets, column


def test_each_text_of_the_schema_has_a_size() -> None:
    """A text without one counts as some hundred bytes, whatever its limit is."""
    known = {(type_, name) for type_, sizes in SIZES.items() for name in sizes}
    texts = {
        (type_.name, name)
        for type_ in build_schema(schema.as_str()).type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, found in type_.fields.items()
        if get_named_type(found.type) is GraphQLString
    }
    assert texts <= known, texts - known
