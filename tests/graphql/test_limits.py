"""A document over a limit is rejected before execution, and a document at the limit runs."""

from typing import Any

import pytest

from tests import stack
from tests.conftest import Caller

# Deeper than any path in the API's schema: rejected before validation.
DEEP = "{ tasks " + "{ x " * 9 + "}" * 10
INCLUDED = " ".join(f"a{n}: id @include(if: true) @skip(if: false)" for n in range(25))
BOMB = (
    "{ ...a0 } "
    + " ".join(f"fragment a{n} on Query {{ ...a{n + 1} ...a{n + 1} }}" for n in range(40))
    + " fragment a40 on Query { viewer { id } }"
)


def answer(caller: Caller, query: str) -> tuple[int, Any]:
    response = caller.post(query)
    body = response.json()
    return response.status_code, body["errors"][0] if "errors" in body else body["data"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ " + "viewer { id } " * 1300 + "}", "5000 tokens"),
        ("{a" * 5000, "5000 tokens"),
        ("{ tasks " + "{ x " * 10 + "}" * 11, "10 levels"),
        ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(11)) + " }", "10 root fields"),
        ("{ viewer { " + " ".join(f"a{n}: id" for n in range(31)) + " } }", "30 aliases"),
        ("{ viewer { id @include(if: true) " + INCLUDED + " } }", "50 directives"),
        (BOMB, "50 spread fragments"),
        ("{ viewer { ...f ...f } } fragment f on Viewer { " + "a: id " * 16 + "}", "30 aliases"),
        ("{ viewer { id } }" + " " * 32_752, "32768 characters"),
        ("{ viewer { " + "".join(f"x{n} " for n in range(500)) + "} }", "500 fields"),
        ("{ viewer { " + "id " * 52 + "} }", "50 repeated fields"),
        ("{ viewer { " + "...f " * 51 + "} } fragment f on Viewer { ...f }", "50 spread fragments"),
        ("{ __schema { types { " + "ofType { " * 49 + "name" + " }" * 52, "nests over 50"),
        ("{ viewer { id } } " + "fragment f on Viewer { id } " * 50, "50 definitions"),
        ("query (" + "$v: ID " * 51 + ") { viewer { id } }", "50 variables"),
        ('{ tasks(filter: {labels: ["a", ' + "1 " * 498 + "]}) { totalCount } }", "500 values"),
        ("query ($v: [Int] = [" + "1 " * 500 + "]) { viewer { id } }", "500 values"),
        ("{ viewer { id } } fragment f on Viewer { " + "id " * 52 + "}", "50 repeated fields"),
    ],
)
def test_document_over_a_limit_is_answered_400_after_less_than_a_second_of_cpu_time(
    ada: Caller, api: stack.Server, query: str, told: str
) -> None:
    before = api.cpu_seconds()
    status, error = answer(ada, query)
    assert api.cpu_seconds() - before < 1
    assert (status, error["extensions"]["code"]) == (400, "OPERATION_TOO_LARGE")
    assert told in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(10)) + " }",
        "{ viewer { " + " ".join(f"a{n}: id" for n in range(30)) + " } }",
        "{ viewer { " + INCLUDED + " } }",
        "{ viewer { id } }" + " " * 32_751,
        "{ viewer { " + "id " * 51 + "} }",
        "{ viewer { id " + "...f " * 50 + "} } fragment f on Viewer { ... { __typename } }",
        "{ tasks(filter: {labels: [" + '"a" ' * 400 + "]}) { pageInfo { endCursor } } }",
    ],
)
def test_document_at_a_limit_runs(ada: Caller, query: str) -> None:
    assert ada(query)


def test_document_of_ten_levels_is_rejected_by_validation_only(ada: Caller) -> None:
    assert answer(ada, DEEP)[1]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_introspection_may_be_deeper(ada: Caller) -> None:
    nested = "ofType { name " * 12 + "}" * 12
    status, data = answer(ada, "{ __schema { types { fields { type { name " + nested + " } } } } }")
    assert status == 200
    assert data["__schema"]


def test_fragment_that_spreads_itself_is_rejected_by_validation(ada: Caller) -> None:
    query = "{ ...f } fragment f on Query { ...f viewer { id } }"
    assert answer(ada, query)[1]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_one_of_several_operations_must_be_named(ada: Caller) -> None:
    query = (
        'mutation b { createTask(input: {title: "x"}) { task { id } } } query a { viewer { id } }'
    )
    status, error = answer(ada, query)
    assert (status, error["extensions"]["code"]) == (400, "BAD_REQUEST")
    assert ada("{ viewer { taskCount } }")["viewer"]["taskCount"] == 0


def test_operation_with_a_response_of_many_megabytes_is_rejected_before_it_reads(
    ada: Caller,
) -> None:
    """A request of 496 bytes had a response of 120 MB, held in memory until the client read it."""
    long = {"title": "long", "description": "\U0001f600" * 10_000}
    ada(
        "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }",
        i=[long] * 8,
    )
    many = " ".join(f"a{n}: description" for n in range(30))
    status, error = answer(ada, f"{{ tasks(first: 100) {{ nodes {{ {many} }} }} }}")
    assert (status, error["extensions"]["code"]) == (400, "OPERATION_TOO_LARGE")
    status, data = answer(ada, "{ tasks(first: 100) { nodes { description } } }")
    assert status == 200
    assert [node["description"] for node in data["tasks"]["nodes"]] == [long["description"]] * 8


@pytest.mark.parametrize(
    ("head", "skipped"),
    [("", "tasks(first: -99)"), ("query ($n: Int = -99) ", "tasks(first: $n)")],
)
def test_a_list_of_negative_length_does_not_pay_for_others(
    ada: Caller, head: str, skipped: str
) -> None:
    """A document of 500 bytes was answered with 36 MB, where the limit is 8 MB."""
    pages = " ".join(f"a{n}: tasks(first: 100) {{ nodes {{ description }} }}" for n in range(9))
    credit = " ".join(f"b{n}: nodes {{ description }}" for n in range(15))
    query = f"{head}{{ {pages} {skipped} @skip(if: true) {{ {credit} }} }}"
    status, error = answer(ada, query)
    assert (status, error["extensions"]["code"]) == (400, "OPERATION_TOO_LARGE")
