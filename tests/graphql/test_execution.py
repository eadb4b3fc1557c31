"""Compiled execution equals graphql-core: data, the order of keys, errors and resolver calls."""

import asyncio
import gc
import json
import logging
import math
import os
import re
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from functools import partial
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID, uuid4

import orjson
import pytest
import strawberry
from graphql import (
    ArgumentNode,
    DocumentNode,
    GraphQLObjectType,
    GraphQLScalarType,
    NameNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    build_schema,
    parse,
    parse_type,
    print_ast,
    print_schema,
    validate,
    value_from_ast_untyped,
    visit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import mutations, queries
from strawberry import UNSET, Info
from strawberry.extensions import SchemaExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult

from api.context import Context
from api.graphql import execution, results
from api.graphql.documents import Documents, Execution
from api.graphql.execution.compiled import Plan
from api.graphql.execution.run import Run
from api.graphql.execution.selections import Step
from api.identity.tokens import Claims
from api.postgres.database import Database
from api.projects.rules import PROJECTS
from api.scalars import PASSTHROUGH, DateTime
from api.schema import ROW_TYPES
from api.schema import schema as house
from api.tasks.rules import TASKS
from benchmarks.workloads import WORKLOADS, Workload
from dev.postgres import ROOT

WATCHERS: list[list[Plan]] = []
"""The lists that collect the compiled operations that produced a result."""


class RecordedPlan(Plan):
    """A compiled operation that adds itself to each watcher when it has produced a result."""

    made: ClassVar[int] = 0

    def __init__(self, steps: list[Step], fields: int) -> None:
        super().__init__(steps, fields)
        RecordedPlan.made += 1

    async def __call__(self, run: Run) -> dict[str, Any]:
        data = await super().__call__(run)
        for answered in WATCHERS:
            answered.append(self)
        return data


compiled = partial(execution.Compiled, plan=RecordedPlan)
log = logging.getLogger(__name__)
EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
SEARCHED = settings(max_examples=EXAMPLES, suppress_health_check=[*HealthCheck])
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

# When a field fails before its siblings in a list have started, graphql-core drops their coroutines
# in the reference as well. Python warns when it collects one of them, or fails to warn: in the code
# of a named tuple's constructor there are no builtins.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message} '?(Executor|GraphQLCoreConverter)\\.:{kind}")
    for message, kind in (
        ("coroutine", "RuntimeWarning"),
        ("Exception ignored in. <coroutine object", "pytest.PytestUnraisableExceptionWarning"),
    )
]

calls: list[object] = []


def called(info: Info, *arguments: object) -> None:
    """Record everything that a resolver receives."""
    path = info.path.as_list()
    selected = [getattr(field, "name", field) for field in info.selected_fields]
    kinds = info.path.typename, str(info.return_type)
    calls.append((path, kinds, selected, info.variable_values, info.context, arguments))


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = strawberry.enum_value("blue", deprecation_reason="worn off")


@strawberry.enum
class Size(Enum):
    SMALL = 1
    LARGE = 2


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Leafy:
    text: str
    maybe: str | None
    number: int
    ratio: float
    flag: bool
    key: strawberry.ID
    colour: Colour
    shade: Colour | None
    size: Size
    at: datetime
    texts: list[str]
    holes: list[str | None] | None
    colours: list[Colour]


class Allowed(BasePermission):
    message = "not you"

    def has_permission(self, source: Any, info: Info, **arguments: Any) -> bool:
        calls.append(("asked", type(source).__name__, info.field_name, arguments))
        return bool(arguments.get("twice"))


@strawberry.type
class Person(Named):
    leafy: Leafy
    friend: "Person | None"
    many: list[Leafy]
    some: list[Leafy | None] | None
    grid: list[list[int]]

    @strawberry.field
    def greeting(self, info: Info, twice: bool = False) -> str:  # noqa: FBT001, FBT002 - an argument
        called(info, self.name, twice)
        return f"hello {self.name}" * (2 if twice else 1)

    @strawberry.field
    async def slow(self, info: Info) -> str | None:
        called(info, self.name)
        await asyncio.sleep(0)
        return None

    @strawberry.field
    async def later(self, info: Info, count: int = 1) -> list[Leafy]:
        called(info, self.name, count)
        await asyncio.sleep(0)
        return [self.leafy] * (count % 4)

    @strawberry.field
    def broken(self, info: Info) -> str | None:
        called(info, self.name)
        raise ValueError(self.name)

    @strawberry.field
    async def breaks(self, info: Info) -> str | None:
        called(info, self.name)
        await asyncio.sleep(0)
        raise ValueError(self.name)

    @strawberry.field
    def fatal(self, info: Info) -> Leafy:
        called(info, self.name)
        raise ValueError(self.name)

    @execution.batched(description="For some, null or an error. For some, of another type.")
    @staticmethod
    async def together(people: Sequence["Person"], factor: int = 1) -> list[list[Leafy] | None]:
        calls.extend(("together", each.name, factor) for each in people)
        await asyncio.sleep(0)
        found: list[Any] = [[each.leafy] * (factor % 3) for each in people]
        if factor == 5:
            found[-1] = ValueError(people[-1].name)
        return found

    @execution.batched(description="For some, it fails.")
    @staticmethod
    async def must_together(people: Sequence["Person"]) -> list[Leafy]:
        calls.extend(("must together", each.name) for each in people)
        await asyncio.sleep(0)
        found: list[Any] = [None if each.name == "p2" else each.leafy for each in people]
        return found

    @strawberry.field(permission_classes=[Allowed])  # type: ignore[untyped-decorator]  # Strawberry's
    def guarded(self, twice: bool | None = None) -> str | None:  # noqa: FBT001 - an argument
        return f"guarded {twice}"

    @strawberry.field
    def of(parent: strawberry.Parent["Person"]) -> "Person | None":  # noqa: N805 - Strawberry's
        return parent.friend


@strawberry.type
class Dog(Named):
    age: int


Being = Annotated[Person | Dog, strawberry.union("Being")]


def leafy(**odd: Any) -> Leafy:
    plain: dict[str, Any] = {
        "text": "é",
        "maybe": None,
        "number": 2**31 - 1,
        "ratio": 0.5,
        "flag": True,
        "key": strawberry.ID("k"),
        "colour": Colour.RED,
        "shade": None,
        "size": Size.LARGE,
        "at": NOW,
        "texts": ["a"],
        "holes": [None, "b"],
        "colours": [Colour.BLUE, Colour.RED],
    }
    return Leafy(**(plain | odd))


# Each has one error: some that graphql-core describes, and some that it does not.
ODD: list[Leafy] = [
    leafy(),
    leafy(text=None),
    leafy(text=7),
    leafy(text=True),
    leafy(maybe=object()),
    leafy(number=2**31),
    leafy(number=1.0),
    leafy(number="12"),
    leafy(number=True),
    leafy(ratio=math.nan),
    leafy(ratio=3),
    leafy(flag=1),
    leafy(key=5),
    leafy(key=UUID(int=5)),
    leafy(colour="red"),
    leafy(colour=None),
    leafy(shade="green"),
    leafy(size=1),
    leafy(size=3),
    leafy(size=True),
    leafy(size=2.0),
    leafy(size=None),
    leafy(at="yesterday"),
    leafy(at=NOW.replace(tzinfo=None)),
    leafy(texts=None),
    leafy(texts=("t",)),
    leafy(texts=[None]),
    leafy(texts="text"),
    leafy(texts={"t"}),
    leafy(holes=[3, None]),
    leafy(colours=[Colour.RED, None]),
    leafy(colours={}),
]


def person(name: str, inner: Leafy, **more: Any) -> Person:
    plain = {"friend": None, "many": [leafy(), inner], "some": [None, inner], "grid": [[1], []]}
    return Person(name=name, leafy=inner, **(plain | more))


def people() -> list[Person]:
    odd = [person(f"p{n}", inner) for n, inner in enumerate(ODD)]
    return [*odd, person("last", leafy(), friend=odd[0], many=(leafy(),), some=None, grid=[[None]])]


@strawberry.input
class Inner:
    colour: Colour
    day: date | None = UNSET
    numbers: list[int | None] = strawberry.field(default_factory=lambda: [1])
    more: "Outer | None" = None


@strawberry.input
class Outer:
    text: str
    key: strawberry.ID | None
    inners: list[Inner] | None = UNSET
    grid: list[list[float]] | None = UNSET
    flag: bool = True
    colour: Colour | None = Colour.BLUE


@strawberry.input
class Picky:
    number: int

    def __post_init__(self) -> None:
        if self.number > 5:
            raise ValueError("too many")


@strawberry.input(one_of=True)
class Either:
    this: strawberry.Maybe[str]
    that: strawberry.Maybe[int]


@strawberry.type
class Query:
    @strawberry.field
    def one(self, info: Info, number: int | None = 0) -> Person | None:
        called(info, number)
        return people()[number] if number is not None and 0 <= number < len(ODD) + 1 else None

    @strawberry.field
    async def all(self, info: Info, first: int = 3) -> list[Person]:
        called(info, first)
        await asyncio.sleep(0)
        return people()[:first]

    @strawberry.field
    def must(self, info: Info, number: int = 0) -> Leafy:
        called(info, number)
        return ODD[number % len(ODD)]

    @strawberry.field
    def beings(self, info: Info) -> list[Being]:
        called(info)
        return [person("x", leafy()), Dog(name="rex", age=3)]

    @strawberry.field
    def named(self, info: Info) -> Named | None:
        called(info)
        return Dog(name="rex", age=3)

    @strawberry.field
    def takes(  # noqa: PLR0913 - one of each kind
        self,
        info: Info,
        outer: Outer,
        inner: Inner | None = None,
        texts: list[str] | None = None,
        colour: Colour = Colour.RED,
        at: datetime | None = None,
        ratio: float = 0.5,
    ) -> str:
        called(info, outer, inner, texts, colour, at, ratio)
        if texts is not None:
            texts.append("whose list is it?")
        if outer.inners:
            outer.inners[0].numbers.append(7)
        return repr((outer, inner, texts, colour, at, ratio))

    @strawberry.field
    def picky(self, info: Info, picky: Picky, maybe: str | None = UNSET) -> str | None:
        called(info, picky, maybe)
        return repr((picky, maybe))

    @strawberry.field
    async def late_picky(self, info: Info, picky: Picky) -> str:
        called(info, picky)
        return repr(picky)

    @strawberry.field
    def either(self, info: Info, either: Either, one: strawberry.Maybe[str | None]) -> str:
        called(info, either, one)
        return repr((either, one))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: Info, outer: Outer) -> Person | None:
        called(info, outer)
        await asyncio.sleep(0)
        if outer.text == "":
            raise ValueError("empty")
        return person(outer.text, leafy())

    @strawberry.mutation
    def ruin(self, info: Info, fatally: bool = False) -> Leafy | None:  # noqa: FBT001, FBT002 - as above
        called(info, fatally)
        return leafy(text=None) if fatally else None

    @strawberry.mutation
    async def must(self, info: Info, number: int = 0) -> Leafy:
        called(info, number)
        return ODD[number % len(ODD)]


CONFIG = StrawberryConfig(scalar_map={datetime: DateTime})


class Quiet(strawberry.Schema):
    def process_errors(self, *_: object) -> None:
        """Log nothing: the tests compare the errors."""


SCHEMA = Quiet(
    Query,
    Mutation,
    types=[Dog, Person],
    config=CONFIG,
    execution_context_class=execution.Replaying,
)
CORE = SCHEMA._schema  # noqa: SLF001 - Strawberry has no public name for it
SDL = print_schema(CORE)


@dataclass(eq=False)
class Document:
    text: str
    node: DocumentNode


def seen(result: ExecutionResult) -> Any:
    """Return what a client or a resolver can see: exact bytes, full errors and resolver calls."""
    errors = [(e.message, e.path, e.locations, repr(e.original_error)) for e in result.errors or ()]
    body = orjson.dumps(result.data, option=orjson.OPT_UTC_Z)
    return body, sorted(errors, key=repr), result.extensions, sorted(map(repr, calls))


async def settled(running: Awaitable[ExecutionResult]) -> ExecutionResult:
    """Return the result after all background tasks have ended."""
    result = await running
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    return result


def same(query: str, *each: dict[str, Any]) -> bool:
    """Compare both results for each of these variables, or without variables.

    Return whether the compiled form produced one.
    """
    document, fast = Document(query, parse(query)), compiled(SCHEMA, PASSTHROUGH)
    executions = 3  # the second execution compiles, the third runs the compiled form
    with asyncio.Runner() as runner, watched() as answered:
        for variables in each or [None]:
            calls.clear()
            expected = seen(runner.run(settled(SCHEMA.execute(query, variables, "context"))))
            for _ in range(executions):
                calls.clear()
                found = seen(runner.run(settled(fast.execute(document, variables, "context"))))
                assert found == expected, (query, variables)
            executions = 1
    assert fast.fallbacks == 0, query
    return bool(answered)


@contextmanager
def watched() -> Iterator[list[Plan]]:
    """Collect the compiled operations that produced a result."""
    answered: list[Plan] = []
    WATCHERS.append(answered)
    try:
        yield answered
    finally:
        WATCHERS.pop()


LEAVES = "text maybe number ratio flag key colour shade size at texts holes colours"


NUMBERS = [{"n": number} for number in range(len(ODD) + 1)]
"""Variables for each odd value."""


@pytest.mark.parametrize("leaf", LEAVES.split())
def test_errors_of_compiled_execution_equal_those_of_graphql_core(leaf: str) -> None:
    assert same(f"query ($n: Int!) {{ must(number: $n) {{ a: __typename {leaf} }} }}", *NUMBERS)
    same(f"mutation ($n: Int!) {{ must(number: $n) {{ {leaf} }} ruin {{ flag }} }}", *NUMBERS)


def test_errors_of_nested_objects_equal_those_of_graphql_core() -> None:
    inner = f"leafy {{ {LEAVES} }} many {{ {LEAVES} }} some {{ {LEAVES} }} name"
    assert same(
        f"query ($n: Int) {{ one(number: $n) {{ {inner} friend {{ {inner} }} }} }}", *NUMBERS
    )


FAST = [
    "{ all(first: 1) { name leafy { text } } }",
    "{ all(first: 1) { name: __typename leafy { text } many { key } } }",
    """{ all(first: 1) { ...F leafy { flag } } }
        fragment F on Person { ...G leafy { key } name } fragment G on Named { name }""",
    "{ all(first: 1) { ... @include(if: true) { name } leafy { text @skip(if: true) flag } } }",
    "{ all(first: 1) { ...F @include(if: false) name } } fragment F on Person { leafy { text } }",
    "{ all(first: 1) { greeting(twice: true) slow leafy { key } later(count: 2) { text } } }",
    "{ all(first: 1) { later { text } of { name } friend { slow } slow } one { slow greeting } }",
    "{ last: one(number: 32) { friend { friend { name slow } name later { flag } } slow } }",
    "{ one { leafy { text } leafy { flag } ...F } } fragment F on Person { leafy { text key } }",
    "{ one { guarded(twice: true) greeting } must { text } }",
    "{ one { grid name } last: one(number: 0) { grid } }",
    '{ takes(outer: {text: "a", key: null}) }',
    """{ takes(outer: {text: "a", key: "k", inners: {colour: RED, day: "2026-01-01"}, grid: [1]},
        texts: "one", colour: BLUE, inner: {colour: BLUE, more: {text: "b", key: "l"}}) }""",
    'mutation { write(outer: {text: "x", key: null}) { name slow } b: ruin { text } }',
    '{ either(either: {this: "a"}, one: null) }',
    "{ __typename }",
    "{ picky(picky: {number: 1}) }",
    "{ all { together(factor: 1) { key } } one { together { key } mustTogether { text } } }",
    "{ all(first: 2) { mustTogether { key } a: together { flag } b: together { size } slow } }",
]


@pytest.mark.parametrize("query", FAST)
def test_operation_on_the_fast_path_is_compiled(query: str) -> None:
    assert same(query)


SLOW = [
    "{ all(first: 99) { a: name b: name many { at t: text } __typename } }",
    "{ all { broken name } one { fatal { text } } }",
    "{ one { fatal { text } slow } must { text } }",
    "{ one { slow later { text } broken greeting } }",
    "{ all { breaks slow later { text } } }",
    "{ all { guarded slow } }",
    "{ beings { __typename ... on Named { name } ... on Dog { age } } named { name } }",
    "{ one(number: 32) { grid } }",
    "{ picky(picky: {number: 9}) all { slow } }",
    "{ latePicky(picky: {number: 9}) one { broken } }",
    'mutation { a: write(outer: {text: "", key: null}) { name } b: ruin(fatally: true) { text } }',
    "mutation { a: must { flag } b: must(number: 1) { text } c: must { flag } }",
    "{ __schema { queryType { name } } }",
    '{ either(either: {that: null}, one: "") }',
    "{ one { name @unknown } }",
    "query ($outer: Outer) { takes(outer: $outer) }",
]


@pytest.mark.parametrize("query", SLOW)
def test_operation_off_the_fast_path_is_left_to_graphql_core(query: str) -> None:
    assert not same(query)


TAKES = """query ($outer: Outer!, $inner: Inner, $texts: [String!], $colour: Colour! = BLUE,
    $at: DateTime, $ratio: Float! = 2) {
  takes(outer: $outer, inner: $inner, texts: $texts, colour: $colour, at: $at, ratio: $ratio) }"""
OUTER: dict[str, Any] = {"text": "a", "key": "k"}


@pytest.mark.parametrize(
    ("plain", "variables"),
    [
        (True, {"outer": OUTER}),
        (True, {"outer": OUTER, "inner": None, "texts": None, "at": None}),
        (True, {"outer": OUTER, "texts": ["a", "b"], "colour": "RED", "ratio": 1.5}),
        (True, {"outer": OUTER | {"inners": [{"colour": "RED", "more": OUTER}], "flag": False}}),
        (True, {"outer": OUTER | {"inners": [{"colour": "RED", "numbers": [None, 3]}]}}),
        (True, {"outer": OUTER | {"grid": [[1.5], []], "colour": None}, "unknown": 1}),
        (True, {"outer": OUTER, "inner": {"colour": "BLUE", "day": "2026-01-02"}}),
        (False, {}),
        (False, {"outer": None}),
        (False, {"outer": {"text": "a", "key": 5}}),
        (False, {"outer": OUTER | {"text": 7}}),
        (False, {"outer": OUTER | {"odd": 7}}),
        (False, {"outer": {"key": "k"}}),
        (False, {"outer": [OUTER]}),
        (False, {"outer": OUTER, "texts": "one"}),
        (False, {"outer": OUTER, "texts": [None]}),
        (False, {"outer": OUTER, "colour": "GREEN"}),
        (False, {"outer": OUTER, "colour": ["RED"]}),
        (False, {"outer": OUTER, "colour": None}),
        (False, {"outer": OUTER, "ratio": 3}),
        (False, {"outer": OUTER, "ratio": math.inf}),
        (False, {"outer": OUTER, "at": "yesterday"}),
        (False, {"outer": OUTER, "inner": {"colour": "RED", "day": "2026-02-30"}}),
    ],
)
def test_variables_are_coerced_like_graphql_core(plain: bool, variables: dict[str, Any]) -> None:  # noqa: FBT001 - a parameter
    assert same(TAKES, variables) is plain


INSIDE = """query ($text: String!, $key: ID, $inners: [Inner!], $n: Int, $colour: Colour!) {
  takes(outer: {text: $text, key: $key, inners: $inners, colour: $colour},
    texts: ["b", $text], inner: {colour: $colour, numbers: [$n, 2]})
  one(number: $n) { name } }"""


@pytest.mark.parametrize(
    "variables",
    [
        {"text": "a", "key": "k", "colour": "RED", "n": 1},
        {"text": "a", "inners": [{"colour": "BLUE"}], "colour": "RED"},
        {"text": "a", "key": None, "inners": None, "colour": "RED", "n": None},
    ],
)
def test_variables_inside_literals_are_coerced(variables: dict[str, Any]) -> None:
    assert same(INSIDE, variables)
    assert not same(INSIDE, variables | {"text": None})


@pytest.mark.parametrize("on", [True, False, None])
def test_skip_and_include_are_evaluated_at_each_execution(on: bool | None) -> None:  # noqa: FBT001 - a parameter of the test
    query = """query ($on: Boolean!) {
        all(first: 1) { leafy { text @skip(if: $on) flag @include(if: $on) } } }"""
    document, fast = Document(query, parse(query)), compiled(SCHEMA, PASSTHROUGH)
    with watched() as answered:
        for chosen in (on, True, False, on, True):
            calls.clear()
            expected = seen(asyncio.run(SCHEMA.execute(query, {"on": chosen}, "context")))
            calls.clear()
            result = asyncio.run(fast.execute(document, {"on": chosen}, "context"))
            assert seen(result) == expected
    assert len(answered) == (3 if on is None else 4)


def test_operation_of_a_document_is_selected_by_name() -> None:
    query = "query A { all { name } } query B { one { name } }"
    document, fast = Document(query, parse(query)), compiled(SCHEMA, PASSTHROUGH)
    for name in ("A", "B", "A", "B", "A"):
        expected = asyncio.run(SCHEMA.execute(query, operation_name=name))
        found = asyncio.run(fast.execute(document, operation_name=name))
        assert (found.data, str(found.errors)) == (expected.data, str(expected.errors))


def test_name_that_selects_no_operation_is_left_to_graphql_core() -> None:
    query = "query A { all { name } }"
    document, fast = Document(query, parse(query)), compiled(SCHEMA, PASSTHROUGH)
    for _ in range(3):
        with pytest.raises(CannotGetOperationTypeError):
            asyncio.run(fast.execute(document, operation_name="B"))
    assert fast.fallbacks == 0


def test_schema_extensions_still_run() -> None:
    class Looking(SchemaExtension):
        def on_operation(self) -> Iterator[None]:
            calls.append("before")
            yield
            calls.append("after")

    schema = Quiet(
        Query, extensions=[Looking], execution_context_class=execution.Replaying, config=CONFIG
    )
    query = "{ one { name } }"
    document, fast = Document(query, parse(query)), compiled(schema)
    for _ in range(3):
        calls.clear()
        result = asyncio.run(fast.execute(document, None, "context"))
        assert result.data == {"one": {"name": "p0"}}
        assert (calls[0], calls[-1]) == ("before", "after")


class Place(tuple[str, int]):
    """A row that records each access to one of its attributes."""

    __slots__ = ()
    indexes: ClassVar[Mapping[str, int]] = {"name": 0, "number": 1}

    @property
    def name(self) -> str:
        calls.append("name")
        return self[0]

    @property
    def number(self) -> int:
        calls.append("number")
        return self[1]


@strawberry.type
class Spot:
    name: str
    number: int


@strawberry.type
class Spots:
    @strawberry.field
    def spots(self, *, other: bool) -> list[Spot]:
        found: list[Any] = [Place(("a", 1)), Place(("b", 2))]
        return [*found, Spot(name="c", number=3)] if other else found


@pytest.mark.parametrize("other", [False, True])
def test_rows_of_a_declared_type_are_read_by_index_not_by_attribute(*, other: bool) -> None:
    schema = Quiet(Spots, execution_context_class=execution.Replaying, config=CONFIG)
    query = "query ($other: Boolean!) { spots(other: $other) { number name } }"
    document = Document(query, parse(query))
    fast = compiled(schema, rows={"Spot": Place})
    expected = asyncio.run(schema.execute(query, {"other": other}))
    assert expected.errors is None
    asyncio.run(fast.execute(document, {"other": other}))
    calls.clear()
    with watched() as answered:
        found = asyncio.run(fast.execute(document, {"other": other}))
    assert found.data == expected.data
    assert (len(answered), calls) == ((0, ["number", "name"] * 2) if other else (1, []))


class Word(str):
    """A value of a scalar that the response encoder cannot write."""

    __slots__ = ()


def spelled(word: Word) -> str | None:
    if word == "wrong":
        raise ValueError(word)
    return None if word == "silence" else word.upper()


@strawberry.type
class Speech:
    @strawberry.field
    def word(self, given: str) -> Word:
        return Word(given)


@pytest.mark.parametrize(("given", "is_fast"), [("hello", 1), ("wrong", 0), ("silence", 0)])
def test_scalar_of_another_kind_is_serialized_as_graphql_core_does(
    given: str, is_fast: int
) -> None:
    config = StrawberryConfig(scalar_map={Word: strawberry.scalar(name="Word", serialize=spelled)})
    schema = Quiet(Speech, execution_context_class=execution.Replaying, config=config)
    query = "query ($given: String!) { word(given: $given) }"
    document, fast = Document(query, parse(query)), compiled(schema)
    expected = asyncio.run(schema.execute(query, {"given": given}))
    with watched() as answered:
        for _ in range(3):
            found = asyncio.run(fast.execute(document, {"given": given}))
            assert seen(found) == seen(expected)
    assert len(answered) == 2 * is_fast, "all but the first are compiled"


@strawberry.type
class Luck:
    good: str
    bad: str | None


class Unlucky(Luck):
    """An object with an attribute that cannot be read."""

    def __init__(self) -> None:
        self.good = "secret value"

    def __getattribute__(self, name: str) -> Any:
        if name == "bad":
            raise LookupError("secret value")
        return super().__getattribute__(name)


@strawberry.type
class Lucks:
    @strawberry.field
    def luck(self) -> Luck:
        return Unlucky()


def test_unexpected_exception_is_counted_and_logged_once_per_document(
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema = Quiet(Lucks, execution_context_class=execution.Replaying)
    fast = compiled(schema)
    texts = ["query First { luck { good bad } }", "{ luck { bad } }"]
    kept = [Document(text, parse(text)) for text in texts]
    for document in kept:
        expected = asyncio.run(schema.execute(document.text))
        for _ in range(4):
            found = asyncio.run(fast.execute(document))
            assert (found.data, str(found.errors)) == (expected.data, str(expected.errors))
    assert fast.fallbacks == 6, "each document is compiled at its second request"
    assert [record.getMessage() for record in caplog.records] == [
        "compiled operation First: LookupError, left to graphql-core",
        "compiled operation anonymous: LookupError, left to graphql-core",
    ]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "variables",
    [
        {"either": {"this": "a", "that": 1}, "colour": "RED"},
        {"either": {"this": "a"}, "colour": ["RED"]},
        {"either": {"this": "a"}, "colour": {"RED": 1}},
    ],
)
def test_invalid_variables_are_not_counted_as_unexpected(variables: dict[str, Any]) -> None:
    query = """query ($either: Either!, $colour: Colour!) {
        either(either: $either, one: null)
        takes(outer: {text: "a", key: null}, colour: $colour) }"""
    document, fast = Document(query, parse(query)), compiled(SCHEMA, PASSTHROUGH)
    for _ in range(3):
        assert asyncio.run(fast.execute(document, variables, "context")).errors
    assert fast.fallbacks == 0


ALSO_UTC = timezone(timedelta(0), "Z")


def accepts(condition: execution.Exactly, value: object) -> bool:
    """Return whether a condition holds for a value, by the source that compiled code contains."""
    names: dict[str, object] = {"value": value}

    def name_of(found: object) -> str:
        names[f"name{len(names)}"] = found
        return f"name{len(names) - 1}"

    return bool(eval(condition.source("value", name_of), names))  # noqa: S307 - of the source under test


@pytest.mark.parametrize(
    ("condition", "value", "is_accepted"),
    [
        (execution.Exactly(datetime, tzinfo=UTC), NOW, True),
        (execution.Exactly(datetime, tzinfo=UTC), NOW.replace(tzinfo=None), False),
        (
            execution.Exactly(datetime, tzinfo=UTC),
            NOW.astimezone(timezone(timedelta(0), "Z")),
            False,
        ),
        (execution.Exactly(datetime, tzinfo=UTC), NOW.date(), False),
        (execution.Exactly(date), NOW.date(), True),
        (execution.Exactly(date), NOW, False),
    ],
)
def test_value_is_passed_through_only_if_its_type_is_exact(
    condition: execution.Exactly, value: object, *, is_accepted: bool
) -> None:
    assert accepts(condition, value) is is_accepted


def test_schema_without_a_replaying_context_is_rejected() -> None:
    with pytest.raises(TypeError, match="Replaying"):
        compiled(Quiet(Query, config=CONFIG))


def documents(number: int, fields: int) -> Iterator[Document]:
    for each in range(number):
        text = f"{{ one {{ {' '.join(f'a{each}_{n}: name' for n in range(fields))} }} }}"
        yield Document(text, parse(text))


async def twice(fast: execution.Compiled, document: Document) -> None:
    for _ in range(2):
        assert not (await fast.execute(document, None, "context")).errors


def test_cache_of_compiled_operations_is_bounded() -> None:
    fast = compiled(SCHEMA, most_fields=100)
    kept = list(documents(20, 9))
    with watched() as answered:
        for document in kept:
            asyncio.run(twice(fast, document))
        assert len(answered) == 20, "each was compiled when it was met again"
        answered.clear()
        for document in reversed(kept):
            asyncio.run(fast.execute(document, None, "context"))
    assert len(answered) == 10, "of ten fields each"


def test_operation_larger_than_the_cache_is_not_kept() -> None:
    fast = compiled(SCHEMA, most_fields=5)
    once, large = documents(2, 9)
    asyncio.run(fast.execute(once, None, "context"))
    with watched() as answered:
        for _ in range(2):
            asyncio.run(twice(fast, large))
    assert len(answered) == 1, "when it was compiled"


def test_evicted_operation_is_not_compiled_again_at_once() -> None:
    fast, kept = compiled(SCHEMA, most_fields=100), list(documents(20, 9))
    with watched() as answered:
        for _ in range(20):
            for document in kept:
                asyncio.run(fast.execute(document, None, "context"))
        assert len(answered) > 100, "those that there is room for"
    before = RecordedPlan.made
    for _ in range(20):
        for document in kept:
            asyncio.run(fast.execute(document, None, "context"))
    assert RecordedPlan.made - before < 40, "of 400 requests"


def mark(value: Any) -> str:
    value["seen"] = 1 + value.get("seen", 0)
    return repr(value)


@strawberry.input
class Marks:
    value: JSON


@strawberry.type
class Marking:
    @strawberry.field
    def marked(self, value: JSON) -> str:
        return mark(value)

    @strawberry.field
    def inside(self, marks: Marks) -> str:
        return mark(marks.value)

    @strawberry.field
    def lazily(
        self, marks: Annotated["Marks", strawberry.lazy("tests.graphql.test_execution")]
    ) -> str:
        return mark(marks.value)

    @strawberry.field
    def told(self, value: JSON, marks: Marks | None = None) -> str:
        return f"{value}, {marks}"


@pytest.mark.parametrize(
    "query",
    [
        "{ marked(value: {a: 1}) }",
        "{ inside(marks: {value: {a: [1]}}) }",
        "{ lazily(marks: {value: {a: [1]}}) }",
        "query ($v: JSON! = {a: 1}) { marked(value: $v) }",
        "query ($m: Marks! = {value: {a: 1}}) { inside(marks: $m) }",
    ],
)
def test_literal_that_a_resolver_changes_is_new_in_each_call(query: str) -> None:
    schema = Quiet(Marking, execution_context_class=execution.Replaying)
    fast, document = compiled(schema), Document(query, parse(query))
    expected = schema.execute_sync(query).data
    assert expected
    for _ in range(4):
        assert asyncio.run(fast.execute(document)).data == expected


@pytest.mark.parametrize(
    ("query", "good", "bad"),
    [
        ("query ($v: JSON!) { told(value: $v) }", {"v": 1}, {"v": None}),
        (
            "query ($m: Marks!) { told(value: 1, marks: $m) }",
            {"m": {"value": 1}},
            {"m": {"value": None}},
        ),
    ],
)
def test_null_is_rejected_by_a_non_null_scalar_that_accepts_any_value(
    query: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    schema = Quiet(Marking, execution_context_class=execution.Replaying)
    fast, document = compiled(schema), Document(query, parse(query))
    with watched() as answered:
        for _ in range(3):
            assert asyncio.run(fast.execute(document, good)).data
    assert answered
    result = asyncio.run(fast.execute(document, bad))
    assert result.data is None
    [error] = result.errors or []
    assert "JSON!" in error.message


def test_operation_with_too_many_fields_is_not_compiled() -> None:
    (document,) = documents(1, 600)
    with watched() as answered:
        asyncio.run(twice(compiled(SCHEMA), document))
    assert not answered


def test_compiled_operation_is_released_with_its_document() -> None:
    fast = compiled(SCHEMA)
    (document,) = documents(1, 9)
    with watched() as answered:
        asyncio.run(twice(fast, document))
    gone = weakref.ref(answered[0].steps[0])
    answered.clear()
    del document
    gc.collect()
    assert gone() is None


def test_values_of_variables_are_not_retained() -> None:
    fast = compiled(SCHEMA)
    document = Document(TAKES, parse(TAKES))

    class Secret(str):
        __slots__ = ("__weakref__",)

    secret = Secret("mine")
    held = weakref.ref(secret)
    for _ in range(2):
        asyncio.run(fast.execute(document, {"outer": OUTER | {"text": secret}}, "context"))
    calls.clear()
    del secret
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("field", ["name", "together { key }", "fatal { text }"])
def test_request_is_freed_without_a_garbage_collection(
    field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Collections are rare, and a request has up to 1 MiB."""
    caplog.set_level(logging.CRITICAL, results.log.name)  # pytest keeps the errors of log lines

    class Asked:
        """The context of a request."""

    query = f"{{ all(first: 1) {{ {field} }} }}"
    document, fast = Document(query, parse(query)), compiled(SCHEMA)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            context = Asked()
            asked = weakref.ref(context)
            result = asyncio.run(fast.execute(document, None, context))
            assert ("errors" in results.body(result)) == ("fatal" in field)
            del context, result
            calls.clear()
            assert asked() is None
    finally:
        gc.enable()


async def cancelled(fast: execution.Compiled, document: Document, patience: int) -> bool:
    """Cancel an execution after some rounds of the event loop. Return whether it was running."""
    running = asyncio.ensure_future(fast.execute(document, None, "context"))
    for _ in range(patience):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    return running.cancelled()


def test_cancellation_closes_pending_resolvers() -> None:
    """A client disconnects. Warnings are errors, and a coroutine that is never awaited is one."""
    query = "{ all(first: 1) { slow later { text } } }"
    document, fast = Document(query, parse(query)), compiled(SCHEMA)
    asyncio.run(twice(fast, document))
    ended = [asyncio.run(cancelled(fast, document, patience)) for patience in range(1, 9)]
    assert ended[:3] == [True] * 3
    gc.collect()


def test_cancellation_of_graphql_core_closes_resolvers_that_it_has_not_asked_for() -> None:
    """graphql-core continues after `fatal`, and awaits both lists before it asks for `slow`.

    It drops the awaitables of the lists, as it does without compiled execution.
    """
    query = "{ all(first: 1) { slow fatal { text } } others: all(first: 1) { name } }"
    document, fast = Document(query, parse(query)), compiled(SCHEMA)
    for _ in range(2):
        asyncio.run(fast.execute(document, None, "context"))
    ended = [asyncio.run(cancelled(fast, document, patience)) for patience in range(1, 9)]
    assert ended[:3] == [True] * 3
    gc.collect()


def lifted(
    document: DocumentNode, choose: Callable[[list[Any]], Any]
) -> tuple[str, dict[str, Any]]:
    """Replace some arguments by variables, whose values may be missing, null or wrong."""
    found: list[VariableDefinitionNode] = []
    values: dict[str, Any] = {}
    types = TypeInfo(CORE)

    class Lift(Visitor):
        def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
            kind = types.get_input_type()
            if kind is None or types.get_directive() or not choose([True, True, False]):
                return None
            variable = VariableNode(name=NameNode(value=f"v{len(found)}"))
            given = value_from_ast_untyped(node.value)
            wrong = choose([*[False] * 12, True])
            value = choose([None, 7, "x", [], {}, [given], True, ...]) if wrong else given
            if value is not ...:
                values[variable.name.value] = value
            found.append(VariableDefinitionNode(variable=variable, type=parse_type(str(kind))))
            return ArgumentNode(name=node.name, value=variable)

    changed = visit(document, TypeInfoVisitor(types, Lift()))
    text = print_ast(changed)
    if found:
        definitions = ", ".join(map(print_ast, found))
        kind, _, rest = text.partition("{")
        text = f"{kind.strip() or 'query'} ({definitions}) {{{rest}"
    return text, values


DAYS = st.dates().map(lambda day: StringValueNode(value=str(day)))
KINDER = re.sub(r"  (broken|breaks|fatal|beings|named|picky|latePicky|ruin)\b.*\n", "", SDL)
"""The schema without fields that always fail or are never compiled."""


@pytest.mark.parametrize(
    ("kind", "sdl"), [(queries, SDL), (queries, KINDER), (mutations, SDL), (mutations, KINDER)]
)
def test_random_operations_on_a_schema_with_edge_cases_match_graphql_core(
    kind: Any, sdl: str
) -> None:
    valid, fast = 0, 0

    @SEARCHED
    @given(kind(sdl, custom_scalars={"DateTime": DAYS, "Date": DAYS}), st.data())
    def compare(document: str, data: st.DataObject) -> None:
        nonlocal valid, fast
        text, variables = lifted(parse(document), lambda of: data.draw(st.sampled_from(of)))
        if not validate(CORE, parse(text)):
            valid += 1
            fast += same(text, variables)

    compare()
    gc.collect()
    log.info("%d operations compared, %d of them answered by their compiled form", valid, fast)
    assert valid > EXAMPLES / 2
    if sdl is KINDER:
        assert fast > valid / 10, "else it proves nothing"


@pytest.fixture(scope="module")
def ways(settings: dict[str, str]) -> Iterator[Callable[[str, Any], tuple[Any, Any, list[Plan]]]]:
    """Return a function that runs an operation of the real schema in both ways."""
    owner = f"somebody with tasks {uuid4()}"
    database = Database(settings["DATABASE_URL"])
    documents = Documents(house)
    reference = Execution(house, None)
    fast = Execution(house, compiled(house, PASSTHROUGH, ROW_TYPES))

    def context() -> Context:
        return Context(Claims(owner, None, None, "", math.inf), database)

    with asyncio.Runner() as runner:
        runner.run(database.__aenter__())
        for number in range(7):
            given = {"title": f"task {number}", "labels": ["x"], "due_on": date(2026, 1, 1)}
            if number % 2:
                project = runner.run(context().write(PROJECTS).create({"name": f"{number}"}))
                given["project_id"] = project["id"]
            runner.run(context().write(TASKS).create(given if number % 2 else {"title": "plain"}))

        def run(query: str, variables: Any) -> tuple[Any, Any, list[Plan]]:
            document = documents.get(query)

            def answer(by: Execution) -> Any:
                return seen(runner.run(settled(by(document, None, variables, context()))))

            for _ in range(2):
                answer(fast)
            with watched() as answered:
                return answer(reference), answer(fast), answered

        yield run
        runner.run(database.__aexit__(None, None, None))


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_common_operations_are_compiled(ways: Any, workload: Workload) -> None:
    create = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"
    created = json.loads(ways(create, {"i": [{"title": "t"}] * 50})[1][0])["createTasks"]["tasks"]
    ids = [task["id"] for task in created]
    expected, found, answered = ways(workload.query, workload.variables(ids, 1))
    assert len(answered) == 1
    if not workload.writes:
        assert found == expected


COUNT = 'taskCount(filter: {search: "t"})'


@pytest.mark.parametrize(
    "query",
    [
        # graphql-core completes a list of one object in fewer iterations of the event loop.
        f"{{ projects {{ nodes {{ tasks {{ nodes {{ project {{ {COUNT} }} }} }} }} }} }}",
        # The project of the task is known one statement later than the first project.
        f"""{{ projects(first: 1) {{ nodes {{ {COUNT} }} }}
               tasks(first: 1) {{ nodes {{ project {{ {COUNT} }} }} }} }}""",
        # The responses to the statements arrive in any order, and with any time between them.
        f"""{{ projects(first: 1) {{ nodes {{ {COUNT} }} }}
               last: projects(first: 1, orderBy: {{field: CREATED_AT, direction: ASC}}) {{
                 edges {{ node {{ {COUNT} }} }} }} }}""",
    ],
)
def test_search_in_a_field_of_many_objects_is_one_search_in_both_ways(
    ways: Any, query: str
) -> None:
    """The API may read the field in several statements, but must count them as one search.

    An operation with two searches is refused.
    """
    found = json.loads(ways("{ projects { nodes { id } } }", {})[0][0])["projects"]["nodes"]
    create = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"
    ways(create, {"i": [{"title": "t", "projectId": found[-1]["id"]}] * 3})
    expected, found, answered = ways(query, {})
    assert expected[1] == []
    assert found == expected
    assert len(answered) == 1


WRONG = {"first", "after"}
"""Arguments that reject random values."""


def test_random_operations_on_the_real_schema_match_graphql_core(ways: Any) -> None:
    days = st.dates().map(lambda day: StringValueNode(value=str(day)))
    kinder = build_schema((ROOT / "schema.graphql").read_text())
    assert kinder.query_type
    for name in ("task", "project"):
        del kinder.query_type.fields[name]  # a random ID is NOT_FOUND
    objects = [kind for kind in kinder.type_map.values() if isinstance(kind, GraphQLObjectType)]
    for field in (field for kind in objects for field in kind.fields.values()):
        field.args = {name: kind for name, kind in field.args.items() if name not in WRONG}
    fast = 0

    @SEARCHED
    @given(queries(print_schema(kinder), custom_scalars={"Date": days, "DateTime": days}))
    def compare(document: str) -> None:
        nonlocal fast
        expected, found, answered = ways(document, {})
        # If several fields fail at once, it is random in both which error is first.
        assert found[0] == expected[0], document
        assert bool(found[1]) == bool(expected[1]), document
        fast += len(answered)

    compare()
    gc.collect()
    log.info("%d of %d operations answered by their compiled form", fast, EXAMPLES)
    assert fast > EXAMPLES / 2


@pytest.mark.parametrize(
    "value",
    [
        NOW,
        NOW.replace(microsecond=0),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        date(1, 1, 1),
        date(9999, 12, 31),
    ],
)
def test_json_encoder_writes_dates_as_the_scalars_do(value: object) -> None:
    name = "DateTime" if isinstance(value, datetime) else "Date"
    assert accepts(PASSTHROUGH[name], value)
    scalar = house._schema.type_map[name]  # noqa: SLF001 - no public way to do it
    assert isinstance(scalar, GraphQLScalarType)
    text = json.dumps(scalar.coerce_output_value(value))
    assert orjson.dumps(value, option=orjson.OPT_UTC_Z).decode() == text


@strawberry.type
class Batched:
    number: int

    @execution.batched(description="A number, or a value that is not plain.")
    @staticmethod
    async def together(batch: Sequence["Batched"], info: Info) -> list[int]:
        calls.append((len(batch), info.path.as_list()))
        found = await info.context([each.number for each in batch])
        return cast("list[int]", found)

    @execution.batched(description="A number, with an argument that only Strawberry can convert.")
    @staticmethod
    async def perhaps(batch: Sequence["Batched"], plus: strawberry.Maybe[int] = None) -> list[int]:
        calls.append((len(batch), []))
        return [each.number + (plus.value if plus else 0) for each in batch]

    @strawberry.field
    async def odd(self) -> int:
        await asyncio.sleep(0)
        if self.number % 2:
            raise ValueError(self.number)
        return self.number


@strawberry.type
class BatchedQuery:
    @strawberry.field
    def some(self) -> list[Batched | None]:
        return [Batched(number=number) for number in range(50)]

    @strawberry.field
    async def fails(self) -> int:
        await asyncio.sleep(0)
        raise ValueError


BATCHED = Quiet(BatchedQuery, config=CONFIG, execution_context_class=execution.Replaying)


async def doubled(numbers: list[int]) -> list[Any]:
    await asyncio.sleep(0.01)
    return [2 * number for number in numbers]


async def failing(numbers: list[int]) -> list[Any]:
    return [ValueError(number) if number % 3 else number for number in await doubled(numbers)]


async def refused(_: list[int]) -> list[Any]:
    raise ValueError("refused")


async def odd_values(numbers: list[int]) -> list[Any]:
    return [None if number % 3 else number for number in numbers]


@pytest.mark.parametrize("query", ["{ some { together } }", "{ some { together odd } }"])
@pytest.mark.parametrize("load", [doubled, failing, refused, odd_values])
def test_field_of_many_objects_is_resolved_by_one_call_with_the_same_result(
    load: Any, query: str
) -> None:
    """If `odd` fails, graphql-core cancels the other field of the same object.

    If both fields of an object fail, it is random which of the two errors is reported.
    """
    document, fast = Document(query, parse(query)), compiled(BATCHED)

    async def run() -> None:
        expected = seen(await settled(BATCHED.execute(query, None, load)))
        await fast.execute(document, None, doubled)
        calls.clear()
        with watched() as answered:
            found = seen(await settled(fast.execute(document, None, load)))
        assert calls == [(50, ["some", 0, "together"])]
        assert found[0] == expected[0]
        objects = [[path[:2] for _, path, *_ in errors] for errors in (found[1], expected[1])]
        assert sorted(objects[0]) == sorted(objects[1])
        assert "odd" in query or found[1] == expected[1]
        assert len(answered) == (load is doubled and "odd" not in query)

    asyncio.run(run())


def test_batched_field_with_an_argument_of_strawberry_is_resolved_for_each_object() -> None:
    query = "{ some { perhaps(plus: 1) } }"
    document, fast = Document(query, parse(query)), compiled(BATCHED)
    expected = [{"perhaps": number + 1} for number in range(50)]
    for is_compiled in (False, True):
        calls.clear()
        with watched() as answered:
            result = asyncio.run(fast.execute(document))
        assert (result.data, result.errors) == ({"some": expected}, None)
        assert calls == [(1, [])] * 50
        assert bool(answered) == is_compiled


def test_resolver_that_returns_too_few_results_fails_all_fields() -> None:
    query = "{ some { together } }"
    document, fast = Document(query, parse(query)), compiled(BATCHED)

    async def one(numbers: list[int]) -> list[Any]:
        return numbers[:1]

    for _ in range(2):
        result = asyncio.run(fast.execute(document, None, one))
    messages = [error.message for error in result.errors or ()]
    assert messages == ["expected 50 results, got 1"] * 50


def endless(ended: list[bool]) -> Callable[[list[int]], Awaitable[list[Any]]]:
    """Return a resolver that never returns. It adds to `ended` when it is cancelled.

    It then raises an error, as a connection does that is lost when its statement is cancelled.
    """

    async def wait(_: list[int]) -> list[Any]:
        try:
            return await asyncio.Future()
        finally:
            ended.append(True)
            raise OSError

    return wait


def test_cancellation_ends_the_resolver_of_many_objects() -> None:
    query = "{ some { together } others: some { together } }"
    document, fast = Document(query, parse(query)), compiled(BATCHED)
    ended: list[bool] = []

    async def run() -> None:
        for _ in range(2):
            await fast.execute(document, None, doubled)
        running = asyncio.ensure_future(fast.execute(document, None, endless(ended)))
        for _ in range(5):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    asyncio.run(run())
    assert ended == [True] * 2


@pytest.mark.parametrize("query", ["{ some { together odd } }", "{ some { together } fails }"])
def test_resolver_of_many_objects_ends_with_a_request_that_graphql_core_completes(
    query: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After an error, graphql-core awaits the result for each object, or drops these fields."""
    caplog.set_level(logging.CRITICAL, "strawberry.execution")
    document, fast = Document(query, parse(query)), compiled(BATCHED)
    ended: list[bool] = []

    async def run() -> None:
        await fast.execute(document, None, doubled)
        running = asyncio.ensure_future(fast.execute(document, None, endless(ended)))
        for _ in range(30):
            await asyncio.sleep(0)
        assert not ended or "fails" in query
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() == ("odd" in query)
        for _ in range(3):
            await asyncio.sleep(0)
        assert ended == [True]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
    gc.collect()
    assert not [line for line in caplog.records if line.name == "asyncio"]
