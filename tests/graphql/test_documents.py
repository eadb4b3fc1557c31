"""The cache of documents, and the cost of an operation."""

import gc
import weakref
from contextlib import nullcontext
from dataclasses import make_dataclass
from typing import Any

import pytest
import strawberry
from graphql import get_introspection_query

from api.errors import BadRequest, OperationTooLarge
from api.graphql.cost import MAX_COST, MAX_RESPONSE
from api.graphql.documents import Document, Documents, InvalidDocument
from api.schema import SIZES, schema
from tests.conftest import Caller

TASK = "id title description completed priority labels"
SHORT = "id createdAt updatedAt completed priority completedAt"


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(schema)


def test_cached_document_is_returned_again(documents: Documents) -> None:
    assert documents.get("{ viewer { id } }") is documents.get("{ viewer { id } }")


def test_cache_of_documents_evicts_the_least_recently_used() -> None:
    documents = Documents(schema, most=2)
    kept, forgotten = documents.get("{ a: viewer { id } }"), documents.get("{ b: viewer { id } }")
    assert documents.get(kept.text) is kept
    documents.get("{ c: viewer { id } }")
    assert documents.get(kept.text) is kept
    assert documents.get(forgotten.text) is not forgotten


def test_cache_of_documents_is_bounded_in_bytes() -> None:
    documents = Documents(schema, most_bytes=20_000)
    for long in ("{ viewer { " + "id " * 40 + "} }", '{ task(id: "' + "x" * 6000 + '") { id } }'):
        first = documents.get("{ viewer { id } }")
        documents.get(long)
        assert documents.get(first.text) is not first


def test_weak_references_to_an_evicted_document_are_cleared() -> None:
    documents = Documents(schema, most=1)
    kept: weakref.WeakKeyDictionary[Document, str] = weakref.WeakKeyDictionary()
    kept[documents.get("{ a: viewer { id } }")] = "compiled"
    documents.get("{ b: viewer { id } }")
    gc.collect()
    assert not kept


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{ nothing }",
        "{ viewer { " + "id " * 60 + "} }",
        "{ tasks(first: " + "9" * 5_000 + ") { totalCount } }",
    ],
    ids=["malformed", "invalid", "too large", "too many digits"],
)
def test_rejected_document_is_rejected_again_and_evicts_no_good_one(text: str) -> None:
    documents = Documents(schema, most=1)
    good = documents.get("{ viewer { id } }")
    told = []
    for _ in range(2):
        with pytest.raises((InvalidDocument, OperationTooLarge)) as refusal:
            documents.get(text)
        told.append(refusal.value)
    assert told[0] is not told[1]
    assert told[0].args == told[1].args
    assert documents.get(good.text) is good


def test_cache_of_rejections_evicts_the_least_recently_used() -> None:
    documents = Documents(schema, most=1)

    def errors_of(text: str) -> list[dict[str, Any]]:
        with pytest.raises(InvalidDocument) as refusal:
            documents.get(text)
        return refusal.value.errors

    first = errors_of("{ a }")
    assert errors_of("{ a }") is first
    errors_of("{ b }")
    assert errors_of("{ a }") is not first


def test_error_quotes_a_long_value_in_part(documents: Documents) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        documents.get("{ tasks(first: [" + "1 " * 450 + "]) { totalCount } }")
    assert all(len(error["message"]) < 600 for error in refusal.value.errors)


def test_operation_is_selected_by_its_name(documents: Documents) -> None:
    document = documents.get("query a { viewer { id } } query b { viewer { email } }")
    assert document.operation("b").node.name.value == "b"  # type: ignore[union-attr]  # it has one
    for name in (None, "", "c"):
        with pytest.raises(BadRequest):
            document.operation(name)


PAGE = "tasks(first: $n) { nodes { id title } totalCount }"
COUNTS = "a: taskCount(filter: $f) b: taskCount(filter: $f)"


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ viewer { id email } }", {}, 3),
        ("{ tasks { totalCount } }", {}, 51),
        ("{ tasks(first: 100) { pageInfo { hasNextPage } } }", {}, 101),
        ("{ tasks { nodes { id } } }", {}, 2 + 50),
        ("{ tasks(first: null) { nodes { id } } }", {}, 2 + 50),
        ("{ tasks(first: 3) { nodes { id title } edges { node { id } } } }", {}, 3 + 3 * 4),
        ("{ tasks(first: 99999) { nodes { id } } }", {}, 2 + 100),
        ("{ tasks { ...a } } fragment a on TaskConnection { nodes { id } }", {}, 2 + 50),
        ("{ tasks { ... { nodes { id } } } }", {}, 2 + 50),
        (f"query ($n: Int) {{ {PAGE} }}", {"n": 7}, 3 + 7 * 2),
        (f"query ($n: Int) {{ {PAGE} }}", {"n": 2**31}, 3 + 100 * 2),
        (f"query ($n: Int) {{ {PAGE} }}", {"n": None}, 3 + 50 * 2),
        (f"query ($n: Int) {{ {PAGE} }}", {}, 3 + 50 * 2),
        (f"query ($n: Int = 20) {{ {PAGE} }}", {}, 3 + 20 * 2),
        (f"query ($n: Int = 1) {{ {PAGE} }}", {"n": 100.0}, 3 + 100 * 2),
        (f"query ($n: Int = 1) {{ {PAGE} }}", {"n": None}, 3 + 50 * 2),
        ("{ taskChanges { nodes { task { id } } } }", {}, 2 + 100 * 2),
        ("subscription { taskChanges { cursor task { id } } }", {}, 4),
        (
            "subscription { projectChanges { project { tasks(first: 9) { nodes { id } } } } }",
            {},
            4 + 9,
        ),
        (
            f"query ($f: TaskFilter!) {{ projects(first: 3) {{ nodes {{ {COUNTS} }} }} }}",
            {"f": {"labels": ["x"] * 4}},
            2 + 3 * 2 * (1 + 7),  # the variable counts at both fields
        ),
        ('mutation { trashTasks(ids: ["a", "b"]) { tasks { id } } }', {}, 2 + 2),
        ("mutation ($i: [ID!]!) { trashTasks(ids: $i) { tasks { id } } }", {"i": ["a"] * 9}, 2 + 9),
        ("mutation ($i: [ID!]!) { deleteTasks(ids: $i) { deletedIds } }", {"i": ["a"] * 9}, 2),
    ],
)
def test_cost_counts_fields_and_items_of_lists(
    documents: Documents, query: str, variables: dict[str, object], cost: int
) -> None:
    assert documents.get(query).operation(None).cost.evaluate(variables).fields == cost


def test_lists_of_too_many_fields_together_are_rejected_before_execution(
    documents: Documents,
) -> None:
    pages = [
        f"p{n}: tasks(first: $n) {{ nodes {{ {SHORT} }} edges {{ node {{ {SHORT} }} }} }}"
        for n in range(10)
    ]
    document = documents.get(f"query ($n: Int!) {{ {' '.join(pages)} }}")
    check = document.operation(None).cost.check
    check({"n": 100})
    wide = documents.get(document.text.replace(SHORT, f"{SHORT} dueOn version trashedAt a: id"))
    wide.operation(None).cost.check({"n": 50})
    with pytest.raises(OperationTooLarge, match="smaller pages"):
        wide.operation(None).cost.check({"n": 100})


def test_cost_counts_the_values_of_inputs(documents: Documents) -> None:
    query = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"
    check = documents.get(query).operation(None).cost.check
    new = {"title": "x", "labels": ["a"] * 20}
    check({"i": [new] * 100})
    with pytest.raises(OperationTooLarge):
        check({"i": [new] * 1000})


LABELS = "{labels: [" + '"x" ' * 200 + "]}"


@pytest.mark.parametrize(
    ("head", "filter", "variables"),
    [
        ("($f: TaskFilter)", "$f", {"f": {"labels": ["x"] * 200}}),
        ("($f: TaskFilter)", "$f", {"f": {"search": "x" * 200_000}}),
        ("($l: [String!])", "{labels: $l}", {"l": ["x"] * 200}),
        ("($l: String!)", "{labels: [$l]}", {"l": "x" * 200_000}),
        (f"($f: TaskFilter = {LABELS})", "$f", {}),
        ("", LABELS, {}),
    ],
)
@pytest.mark.parametrize("field", ["taskCount(filter: $)", "tasks(filter: $) { totalCount }"])
def test_cost_counts_the_arguments_of_a_field_for_each_item_of_its_list(
    documents: Documents, head: str, filter: str, variables: dict[str, Any], field: str
) -> None:
    """A filter is converted for each project. A request of 900 kB took 7 s of CPU time."""
    for first, is_refused in ((1, False), (100, True)):
        list_ = (
            f"projects(first: {first}) {{ edges {{ node {{ {field.replace('$', filter)} }} }} }}"
        )
        check = documents.get(f"query {head} {{ {list_} }}").operation(None).cost.check
        with pytest.raises(OperationTooLarge) if is_refused else nullcontext():
            check(variables)


def documents_of_a_schema(*, nouns: int) -> Documents:
    """Return the documents of a schema with this number of types, each with five texts."""
    texts = [(f"text_{n}", str) for n in range(5)]
    types = [strawberry.type(make_dataclass(f"Noun{n}", texts)) for n in range(nouns)]
    query = make_dataclass("Query", [(f"noun_{n}", each) for n, each in enumerate(types)])
    return Documents(strawberry.Schema(strawberry.type(query)))


@pytest.mark.parametrize("nouns", [1, 300])
def test_full_introspection_costs_half_of_each_limit_in_any_schema(nouns: int) -> None:
    documents = documents_of_a_schema(nouns=nouns)
    cost = documents.get(get_introspection_query()).operation(None).cost.evaluate({})
    assert cost == pytest.approx((MAX_COST / 2, MAX_RESPONSE / 2))
    every_option = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    documents.get(every_option).operation(None).cost.check({})


@pytest.mark.parametrize("nouns", [1, 300])
def test_aliases_cannot_repeat_introspection(nouns: int) -> None:
    documents = documents_of_a_schema(nouns=nouns)
    again = "a: __schema { types { ...FullType } } b: __schema { types { ...FullType } }"
    query = get_introspection_query().replace("__schema {", f"{again} __schema {{")
    with pytest.raises(OperationTooLarge, match="fields"):
        documents.get(query).operation(None).cost.check({})
    long = f"{{ __schema {{ types {{ fields {{ {'x' * 30_000}: name }} }} }} }}"
    with pytest.raises(OperationTooLarge, match="bytes"):
        documents.get(long).operation(None).cost.check({})


EVERYTHING = f"{TASK} dueOn completedAt labels position trashedAt"


def listed(*selections: str, first: int = 100) -> str:
    """Return a query with one list for each of these selections."""
    lists = (f"l{n}: tasks(first: {first}) {{ {each} }}" for n, each in enumerate(selections))
    return f"{{ {' '.join(lists)} }}"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (listed(f"nodes {{ {EVERYTHING} }}"), True),
        (f"{{ taskChanges {{ nodes {{ task {{ {EVERYTHING} }} }} }} }}", True),
        (listed("nodes { a: description b: description }"), False),
        (listed(f"nodes {{ {EVERYTHING} }} edges {{ node {{ description }} }}", first=50), True),
        (listed("nodes { description } edges { node { description } }"), False),
        (listed("nodes { description }", "nodes { description }"), False),
        (listed(f"nodes {{ {'x' * 30_000}: version }}"), True),
        (listed(*[f"nodes {{ {'x' * 15_000}: version }}"] * 2), True),
        (listed(*[f"nodes {{ {'x' * 3_000}: labels title position }}"] * 10), False),
    ],
)
def test_bytes_of_a_response_are_limited(query: str, *, told: bool) -> None:
    """A description may have 40,000 bytes, and an alias is repeated in each item."""
    check = Documents(schema, sizes=SIZES).get(query).operation(None).cost.check
    if told:
        check({})
    else:
        with pytest.raises(OperationTooLarge, match="bytes"):
            check({})


@pytest.mark.parametrize("character", ["\U0001f600", '"', "\\", "\u1e9e", "a"])
def test_response_has_no_more_bytes_than_its_cost(ada: Caller, character: str) -> None:
    """The task has the most bytes possible, and the document selects it in every possible way."""
    ada(
        "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }",
        i=[
            {
                "title": character * 200,
                "description": character * 10_000,
                "completed": True,
                "dueOn": "2026-01-01",
                "labels": [character * (48 - n) for n in range(20)],
                "position": "a0" + "V" * 253,
            }
        ]
        * 3,
    )
    selected = f"{EVERYTHING} __typename"
    query = f"""{{ viewer {{ id email labels changeCursor taskCount }}
        tasks(orderBy: {{field: TITLE}}, first: 3) {{
          edges {{ cursor node {{ {selected} }} }} nodes {{ {selected} }} totalCount
          pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} }}
        taskChanges(first: 3) {{ nodes {{ cursor kind taskId task {{ {selected} }} }}
          pageInfo {{ startCursor endCursor }} }} }}"""
    answered = len(ada.post(query).content)
    counted = Documents(schema, sizes=SIZES).get(query).operation(None).cost.evaluate({}).octets
    assert answered < counted
    if character == "\U0001f600":
        assert counted < 2 * answered, "which is not far from the truth, for what is largest"
