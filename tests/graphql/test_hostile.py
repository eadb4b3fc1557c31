"""Hostile input: no internal error, no traceback, and quick responses afterwards."""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, StringValueNode, build_schema, get_named_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema

from dev.postgres import ROOT
from tests import attack
from tests.conftest import Caller
from tests.projects.test_projects import create
from tests.waiting import SLACK

SDL = (ROOT / "schema.graphql").read_text()
SCHEMA = build_schema(SDL)
EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
SEARCHED = settings(max_examples=EXAMPLES, suppress_health_check=[*HealthCheck])

HOSTILE = {
    "NUL": "a\0b",
    "lone surrogate": "\ud800",
    "two of them, the wrong way round": "\udc00\ud800",
    "right to left": "\u202egpj.exe\u2066",
    "zero width": "\u200b",
    "byte order": "\ufeff",
    "emoji": "👩‍👩‍👧‍👦" * 50,
    "the last character": "\U0010ffff",
    "combining": "a" + "\u0301" * 199,
    "combining, out of order": "a" + "\u0315" * 80_000 + "\u0300" * 80_000,
    "controls": "\x01\x1b[2J\x7f",
    "line separators": "a\u2028b\u2029c",
    "LIKE": "%_\\%%",
    "SQL": "'; DROP TABLE tasks.tasks; --",
    "a template": "{{7*7}}${jndi:ldap://x}",
    "a formula": "=cmd|' /C calc'!A0",
    "folds to three": "\u0390" * 200,
    "folds to nothing like it": "\u1e9e\u0130\u0131\u017f\u212a",
    "spaces of all kinds": "\u00a0\u2003\u3000",
    "a megabyte": "x" * 900_000,
}
NUMBERS = [2**31, -(2**31) - 1, 2**53 + 1, 10**400, 1.5, 1e308, -0.0, True, "1", None, [1], {}]
SEVERE = {"INTERNAL_SERVER_ERROR", "UNAVAILABLE", "UNAUTHENTICATED"}


def quick(caller: Caller) -> None:
    began = time.monotonic()
    caller("{ viewer { id } }")
    assert time.monotonic() - began < SLACK


def sound(caller: Caller, query: str, variables: dict[str, Any] | None = None) -> Any:
    """Return the response, which may have errors but no internal one."""
    response = caller.post(query, variables)
    assert response.status_code in {200, 400, 413}, (query, response.text)
    body = response.json()
    codes = {error["extensions"]["code"] for error in body.get("errors", ())}
    assert not codes & SEVERE, (query, body)
    assert "Traceback" not in response.text
    assert "asyncpg" not in response.text
    return body


def texts(kind: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of an input where text is allowed."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        for name, inner in named.fields.items():
            yield from texts(inner.type, (*path, name))
    elif named.name in {"String", "ID", "Date"}:
        yield path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_stored_unchanged_or_rejected(ada: Caller, name: str) -> None:
    for operation in attack.operations(SCHEMA):
        for argument, declared in operation.field.args.items():
            for path in texts(declared.type, (argument,)):
                way = attack.WayIn(path, "text")
                variables = operation.variables(way, HOSTILE[name])
                body = sound(ada, operation.document(), variables)
                if body.get("data") and operation.name == "createTask" and path[-1] == "title":
                    title = (body["data"]["createTask"] or {}).get("task", {}).get("title")
                    assert title in {HOSTILE[name].strip(), None}
    quick(ada)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number)[:20])
def test_hostile_number_causes_no_internal_error(ada: Caller, number: object) -> None:
    sound(ada, "query ($n: Int) { tasks(first: $n) { totalCount } }", {"n": number})
    update = """mutation ($n: Int) {
      updateTask(id: "x", patch: {}, expectedVersion: $n) { task { id } }
    }"""
    sound(ada, update, {"n": number})
    if isinstance(number, int | float):
        sound(ada, f"{{ tasks(first: {json.dumps(number)}) {{ totalCount }} }}")


def _days(value: str) -> StringValueNode:
    return StringValueNode(value=value)


DATES = st.dates().map(str).map(_days) | st.text(max_size=12).map(_days)
RANDOM = from_schema(SDL, custom_scalars={"Date": DATES, "DateTime": DATES})


def test_random_operations_cause_no_internal_error(new_caller: Callable[[], Caller]) -> None:
    caller = new_caller()
    project = create(caller, "a project to find")
    caller.create("something to find", labels=["x"], projectId=project["id"])

    @SEARCHED
    @given(RANDOM)
    def ask(document: str) -> None:
        sound(caller, document)

    ask()
    quick(caller)


def test_random_text_causes_no_internal_error(new_caller: Callable[[], Caller]) -> None:
    caller = new_caller()
    names = ("...", "query", "mutation", "fragment", "on", "tasks", "first", "viewer", "id", "null")
    marks = (*"{}()[]:!$@|&=,#1", '"', '"""', "\\u", "__schema", "\ufeff", "\n")
    pieces = st.sampled_from([*names, *marks])
    words = st.lists(pieces | st.text(max_size=3), max_size=30).map(" ".join)

    @SEARCHED
    @given(words)
    def ask(document: str) -> None:
        response = caller.post(document)
        assert response.status_code in {200, 400}, response.text
        assert "INTERNAL_SERVER_ERROR" not in response.text

    ask()
    quick(caller)
