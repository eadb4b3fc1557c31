"""Compiled execution answers what graphql-core answers: data, order of keys, errors, and calls."""

import asyncio
import importlib
import inspect
import json
import math
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import orjson
import pytest
import strawberry
from graphql import GraphQLScalarType, StringValueNode, parse, print_schema, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries
from strawberry.extensions import ParserCache
from strawberry.schema.config import StrawberryConfig

from api import execution
from api.schema import WRITTEN, DateTime
from api.schema import schema as house
from dev.postgres import ROOT
from tests import stack
from tests.conftest import Caller, mint

EXAMPLES = int(os.environ.get("EXAMPLES", "150"))
SEARCHED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

calls: list[str] = []


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = strawberry.enum_value("blue", deprecation_reason="worn off")


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
    at: datetime
    texts: list[str]
    holes: list[str | None] | None
    colours: list[Colour]


@strawberry.type
class Person(Named):
    leafy: Leafy
    friend: "Person | None"
    many: list[Leafy]
    some: list[Leafy | None] | None
    grid: list[list[int]]

    @strawberry.field
    def greeting(self, twice: bool = False) -> str:  # noqa: FBT001, FBT002 - an argument
        calls.append(f"greeting {self.name} {twice}")
        return f"hello {self.name}" * (2 if twice else 1)

    @strawberry.field
    async def slow(self) -> str | None:
        calls.append(f"slow {self.name}")
        await asyncio.sleep(0)
        return None

    @strawberry.field
    def broken(self) -> str | None:
        calls.append(f"broken {self.name}")
        raise ValueError(self.name)

    @strawberry.field
    def fatal(self) -> Leafy:
        calls.append(f"fatal {self.name}")
        raise ValueError(self.name)


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
        "at": NOW,
        "texts": ["a"],
        "holes": [None, "b"],
        "colours": [Colour.BLUE, Colour.RED],
    }
    return Leafy(**(plain | odd))


# One thing wrong with each: what graphql-core has words for, and what it has none for.
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


@strawberry.type
class Query:
    @strawberry.field
    def one(self, number: int | None = 0) -> Person | None:
        calls.append(f"one {number}")
        return people()[number] if number is not None and 0 <= number < len(ODD) + 1 else None

    @strawberry.field
    async def all(self, first: int = 3) -> list[Person]:
        calls.append(f"all {first}")
        await asyncio.sleep(0)
        return people()[:first]

    @strawberry.field
    def must(self, number: int = 0) -> Leafy:
        calls.append(f"must {number}")
        return ODD[number % len(ODD)]

    @strawberry.field
    def beings(self) -> list[Being]:
        calls.append("beings")
        return [person("x", leafy()), Dog(name="rex", age=3)]

    @strawberry.field
    def named(self) -> Named | None:
        calls.append("named")
        return Dog(name="rex", age=3)


CONFIG = StrawberryConfig(scalar_map={datetime: DateTime})


class Quiet(strawberry.Schema):
    def process_errors(self, *_: object) -> None:
        """The errors are what is compared."""


REFERENCE = Quiet(Query, types=[Dog, Person], config=CONFIG)
COMPILED = Quiet(
    Query,
    types=[Dog, Person],
    config=CONFIG,
    extensions=[ParserCache],
    execution_context_class=execution.compiling(WRITTEN),
)
SDL = print_schema(REFERENCE._schema)  # noqa: SLF001 - Strawberry has no other name for it


def asked(schema: strawberry.Schema, query: str, variables: dict[str, Any] | None) -> Any:
    """All that can be seen: the response to the byte, the errors in full, and who was called."""
    calls.clear()
    result = asyncio.run(schema.execute(query, variables))
    errors = [(e.message, e.path, e.locations, repr(e.original_error)) for e in result.errors or ()]
    body = orjson.dumps(result.data, option=orjson.OPT_UTC_Z)
    return body, sorted(errors, key=repr), sorted(calls)


def same(query: str, variables: dict[str, Any] | None = None) -> None:
    expected = asked(REFERENCE, query, variables)
    for _ in range(3):  # the second sight compiles, the third runs what was compiled
        assert asked(COMPILED, query, variables) == expected, query


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the selections that were compiled."""
    made = []
    compiled = execution._Source.compiled  # noqa: SLF001 - to look on

    def looked_on(*arguments: Any) -> Any:
        found = compiled(*arguments)
        made.append(found)
        return found

    monkeypatch.setattr(execution._Source, "compiled", looked_on)  # noqa: SLF001
    return lambda: len(made)


LEAVES = "text maybe number ratio flag key colour shade at texts holes colours"


@pytest.mark.parametrize("number", range(len(ODD) + 1))
def test_whatever_is_wrong_is_told_in_graphql_cores_words(number: int) -> None:
    for leaf in LEAVES.split():
        variables = {"n": number}
        same(f"query ($n: Int!) {{ must(number: $n) {{ text: __typename {leaf} }} }}", variables)
    inner = f"leafy {{ {LEAVES} }} many {{ {LEAVES} }} some {{ {LEAVES} }} name"
    same(f"query ($n: Int) {{ one(number: $n) {{ {inner} friend {{ {inner} }} }} }}", {"n": number})


WRITTEN_BY_HAND = [
    "{ all { name leafy { text } } }",
    "{ all(first: 99) { a: name b: name many { at t: text } __typename } }",
    "{ all { ...F ... on Person { leafy { flag } } } } fragment F on Person { leafy { key } name }",
    "{ all { ... @include(if: true) { name } leafy { text @skip(if: true) flag } } }",
    "{ all { ...F @include(if: false) name } } fragment F on Person { leafy { text } }",
    "{ all { greeting(twice: true) slow leafy { key } } }",
    "{ all { broken name } one { fatal { text } } }",
    "{ one { fatal { text } } must { text } }",
    "{ one { grid name } last: one(number: 27) { grid } }",
    "{ beings { __typename ... on Named { name } ... on Dog { age } } named { name } }",
    "{ one(number: null) { name } other: one(number: 1) { leafy { maybe } } }",
    "{ one { leafy { text } leafy { flag } ...F } } fragment F on Person { leafy { text key } }",
    "{ one { friend { name } } last: one(number: 27) { friend { friend { name } many { flag } }}}",
]


@pytest.mark.parametrize("query", WRITTEN_BY_HAND)
def test_operations_written_by_hand(query: str) -> None:
    same(query)


@pytest.mark.parametrize("on", [True, False, None])
def test_a_directive_is_asked_for_each_time(on: bool | None) -> None:  # noqa: FBT001
    query = "query ($on: Boolean!) { all { leafy { text @skip(if: $on) flag @include(if: $on) } } }"
    for chosen in (on, True, False):
        same(query, {"on": chosen})


def test_what_is_plain_is_compiled_and_nothing_else(fast: Callable[[], int]) -> None:
    same("{ all { name: __typename leafy { text } many { key } } }")
    plain = fast()
    assert plain, "each selection that was met twice before the whole was"
    same("{ all { name: __typename leafy { text } many { key } } }")
    same("{ all { name @skip(if: false) } }")
    same("{ named { name } beings { __typename } }")
    assert fast() == plain, "once compiled, and what is not plain never"
    same("{ all { greeting leafy { text } } }")
    assert fast() == plain + 1, "what is below the resolver"


def test_random_operations_on_a_nasty_schema(fast: Callable[[], int]) -> None:
    seen = 0

    @SEARCHED
    @given(queries(SDL, custom_scalars={"DateTime": st.nothing()}))
    def compare(document: str) -> None:
        nonlocal seen
        if not validate(REFERENCE._schema, parse(document)):  # noqa: SLF001
            same(document)
            seen += 1

    compare()
    assert seen > EXAMPLES / 2
    assert fast() > seen / 4, "else it proves nothing"


def test_random_operations_on_the_real_api(
    settings: dict[str, str], api: stack.Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two servers on one database, one of which lets graphql-core do everything."""
    plain = stack.api(tmp_path_factory.mktemp("api"), settings | {"EXECUTION": "reference"})
    owner = "somebody with tasks"
    here, there = (Caller(url, owner, mint(owner)) for url in (api.url, plain.url))
    for number in range(7):
        here.create(f"task {number}", dueOn="2026-01-01" if number % 2 else None, labels=["x"])
    days = st.dates().map(lambda day: StringValueNode(value=str(day)))
    sdl = (ROOT / "schema.graphql").read_text()
    try:

        @SEARCHED
        @given(queries(sdl, custom_scalars={"Date": days, "DateTime": days}))
        def compare(document: str) -> None:
            expected = there.post(document)
            for answer in (here.post(document) for _ in range(3)):
                assert answer.status_code == expected.status_code
                # Of several that fail at once, which one is first is chance, here as there.
                if b'"errors"' in expected.content:
                    assert answer.json()["data"] == expected.json()["data"], document
                else:
                    assert answer.content == expected.content, document

        compare()
    finally:
        plain.stop()


@pytest.mark.parametrize(
    "value",
    [
        NOW,
        NOW.replace(microsecond=0),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        date(1, 1, 1),
        date(9999, 12, 31),
        UUID("01a1fdc8-f53f-7301-af6e-5cca4e5cb955"),
    ],
)
def test_the_encoder_writes_what_the_scalar_would(value: object) -> None:
    name = {datetime: "DateTime", date: "Date", UUID: "ID"}[type(value)]
    assert WRITTEN[name](value)
    scalar = house._schema.type_map[name]  # noqa: SLF001
    assert isinstance(scalar, GraphQLScalarType)
    text = json.dumps(scalar.coerce_output_value(value))
    assert orjson.dumps(value, option=orjson.OPT_UTC_Z).decode() == text


def test_each_private_name_that_it_touches_is_there() -> None:
    for place, names in execution.PRIVATE.items():
        module, _, kind = place.rpartition(".")
        found = getattr(importlib.import_module(module), kind)
        for name in names:
            assert hasattr(found, name) or f"self.{name} = " in inspect.getsource(found), name
