"""Media types are parsed as in RFC 9110: in any case, and with or without quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.media_types import is_utf8, weights


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", {}),
        ("application/json", {"application/json": 1.0}),
        ("application/json;q=0.5, */*;q=0", {"application/json": 0.5, "*/*": 0.0}),
        ("application/json; Q=0.5", {"application/json": 0.5}),
        ('application/json; q="0.5"', {"application/json": 0.5}),
        ('application/json; profile="a,b;q=0"; q=0.25', {"application/json": 0.25}),
        ("application/json;q=2", {"application/json": 1.0}),
        ("gzip;q=0, br", {"gzip": 0.0, "br": 1.0}),
    ],
)
def test_weights_are_parsed_after_quoted_parameters(
    accept: str, expected: dict[str, float]
) -> None:
    assert weights(accept.encode()) == expected


@given(st.binary(max_size=60))
def test_any_header_is_parsed_without_an_error(header: bytes) -> None:
    is_utf8(header, "application/json")
    assert all(0 <= weight <= 1 for weight in weights(header).values())
