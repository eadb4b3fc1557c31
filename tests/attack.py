"""Tries to steal: every operation of the schema, with somebody else's ids, cursors and token.

`make attack` prints what was tried and what came of it; `tests/test_isolation.py` asserts the same.
What to try is found in the schema itself, so that an operation or an input added later is attacked
without a line here.
"""

import json
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from api import migrations
from dev.postgres import ROOT
from tests import stack
from tests.conftest import Caller, mint, trusting

MADE_UP_ID = "018f0000-0000-7000-8000-00000000dead"
SPELLINGS = ("", "x", "../../etc/passwd", "0" * 8, "é", "\ud800", "' OR true --", "null")
"""What is no id at all, and must be answered as one that nobody has."""
DEPTH = 4
EVERYTHING = """{ viewer { id email labels taskCount(filter: {status: [OPEN, COMPLETED, TRASHED]}) }
  tasks(first: 100, filter: {status: [OPEN, COMPLETED, TRASHED]}) { nodes { %s } }
  taskChanges { nodes { kind taskId task { version } } } }"""


@dataclass(frozen=True)
class WayIn:
    """A place in an operation's arguments that takes an id or a cursor."""

    path: tuple[str, ...]
    kind: str
    """`ID`, or the field whose cursors it takes."""

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Operation:
    """A field of Query or Mutation, and how to ask for all of it."""

    root: str
    name: str
    field: GraphQLField
    ways_in: tuple[WayIn, ...]

    def document(self) -> str:
        """An operation in which each argument is a variable of its own name."""
        declared = ", ".join(f"${name}: {arg.type}" for name, arg in self.field.args.items())
        passed = ", ".join(f"{name}: ${name}" for name in self.field.args)
        arguments = (f"({declared})", f"({passed})") if declared else ("", "")
        wanted = selection(self.field.type, DEPTH)
        return f"{self.root} it{arguments[0]} {{ {self.name}{arguments[1]} {wanted} }}"

    def variables(self, way: WayIn | None = None, stolen: object = None) -> dict[str, Any]:
        """What must be given, with harmless values; and what was stolen, put in its place."""
        given = {}
        for name, argument in self.field.args.items():
            inner = way.path[1:] if way and way.path[0] == name else None
            if inner is not None or is_required_argument(argument):
                given[name] = filled(argument.type, inner, stolen)
        return given


@dataclass
class Attempt:
    """What was tried, how often, and what the thief was told."""

    operation: str
    with_what: str
    tries: int = 0
    told: str = ""
    faults: list[str] = field(default_factory=list)


def operations(schema: GraphQLSchema) -> list[Operation]:
    """All of them, each with its ways in."""
    roots = {"query": schema.query_type, "mutation": schema.mutation_type}
    return [
        Operation(kind, name, found, tuple(_ways_in(name, found)))
        for kind, root in roots.items()
        if root
        for name, found in root.fields.items()
    ]


def _ways_in(operation: str, found: GraphQLField) -> Iterator[WayIn]:
    for name, argument in found.args.items():
        for path, kind in _ids(argument.type, (name,), ()):
            yield WayIn(path, kind)
        if name in {"after", "before"}:
            yield WayIn((name,), operation)


def _ids(
    kind: GraphQLInputType, path: tuple[str, ...], seen: tuple[object, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    named = get_named_type(kind)
    if named.name == "ID":
        yield path, "ID"
    elif isinstance(named, GraphQLInputObjectType) and named not in seen:
        for name, inner in named.fields.items():
            yield from _ids(inner.type, (*path, name), (*seen, named))


def filled(kind: GraphQLInputType, path: tuple[str, ...] | None, stolen: object) -> Any:
    """A value of this type; where `path` ends, the stolen one."""
    if path == ():
        return [stolen] if isinstance(get_nullable_type(kind), GraphQLList) else stolen
    bare = get_nullable_type(kind)
    if isinstance(bare, GraphQLList):
        return [filled(bare.of_type, path, stolen)]
    if isinstance(bare, GraphQLInputObjectType):
        return {
            name: filled(inner.type, path[1:] if path and path[0] == name else None, stolen)
            for name, inner in bare.fields.items()
            if is_required_input_field(inner) or (path and path[0] == name) or name == "title"
        }
    if isinstance(bare, GraphQLEnumType):
        return next(iter(bare.values))
    return {"Int": 1, "Boolean": True, "ID": MADE_UP_ID, "Date": "2026-01-01"}.get(
        get_named_type(bare).name, "stolen"
    )


def selection(kind: GraphQLOutputType, depth: int) -> str:
    """All that can be asked of a type without arguments."""
    named = get_named_type(kind)
    if not is_composite_type(named):
        return ""
    assert isinstance(named, GraphQLObjectType)
    parts = [
        f"{name} {selection(inner.type, depth - 1)}"
        for name, inner in named.fields.items()
        if not any(is_required_argument(argument) for argument in inner.args.values())
        and (depth > 1 or not is_composite_type(get_named_type(inner.type)))
    ]
    return f"{{ {' '.join(parts)} }}"


class Victim:
    """Somebody with tasks that carry words nobody else has, and everything a thief could note."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.mark = secrets.token_hex(8)
        for number, status in enumerate(("open", "done", "trashed", "deleted")):
            task = caller.create(
                f"{status} {self.mark}",
                description=f"secret {self.mark}",
                labels=[f"label {self.mark}"],
                completed=number == 1,
            )
            if number > 1:
                caller(
                    "mutation ($i: [ID!]!) { trashTasks(ids: $i) { tasks { id } } }", i=[task["id"]]
                )
            if number > 2:
                caller(
                    "mutation ($i: [ID!]!) { deleteTasks(ids: $i) { deletedIds } }", i=[task["id"]]
                )
        every = "filter: {status: [OPEN, COMPLETED, TRASHED]}"
        noted = caller(
            f"""{{ tasks({every}) {{ edges {{ cursor node {{ id }} }} }}
              taskChanges {{ nodes {{ cursor taskId }} }} viewer {{ changeCursor }} }}"""
        )
        self.ids = [node["taskId"] for node in noted["taskChanges"]["nodes"]]
        self.cursors = {
            "tasks": [edge["cursor"] for edge in noted["tasks"]["edges"]],
            "taskChanges": [
                noted["viewer"]["changeCursor"],
                *(node["cursor"] for node in noted["taskChanges"]["nodes"]),
            ],
        }
        self.secrets = [self.mark, *self.ids, caller.user]

    def state(self) -> bytes:
        """All that is theirs, to see that nothing became of it."""
        schema = build_schema((ROOT / "schema.graphql").read_text())
        task = schema.type_map["Task"]
        assert isinstance(task, GraphQLObjectType)
        return self.caller.post(EVERYTHING % " ".join(task.fields)).content


def attack(
    victim: Victim, new_thief: Callable[[], Caller], schema: GraphQLSchema
) -> Iterator[Attempt]:
    """Tries everything. An attempt without faults was kept out."""
    before = victim.state()
    for operation in operations(schema):
        thief = new_thief()
        if not operation.ways_in or operation.root == "query":
            yield _look(operation, victim, thief)
        for way in operation.ways_in:
            if way.kind != "ID":
                yield _cursors(operation, way, victim, thief)
            elif "create" in operation.name:
                yield _choose(operation, way, victim, thief)
            else:
                yield _ids_of(operation, way, victim, thief)
        yield _tokens(operation, victim, thief)
    after = Attempt("all of Ada's", "looked at again, by Ada", 1, "as it was")
    if victim.state() != before:
        after.faults.append("it was changed")
    yield after


def _answer(thief: Caller, operation: Operation, variables: Mapping[str, Any]) -> Any:
    """All that the thief can see but the time of day."""
    response = thief.post(operation.document(), dict(variables))
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, headers, response.content


def _see(attempt: Attempt, victim: Victim, content: bytes) -> None:
    attempt.tries += 1
    attempt.faults += [f"told {secret}" for secret in victim.secrets if secret.encode() in content]


def _code(content: bytes) -> str:
    body = json.loads(content)
    codes = [error["extensions"]["code"] for error in body.get("errors", ())]
    return ", ".join(codes) or "her own alone"


def _look(operation: Operation, victim: Victim, thief: Caller) -> Attempt:
    attempt = Attempt(operation.name, "her own token")
    _, _, content = _answer(thief, operation, operation.variables())
    _see(attempt, victim, content.replace(thief.user.encode(), b""))
    attempt.told = _code(content)
    return attempt


def _ids_of(operation: Operation, way: WayIn, victim: Victim, thief: Caller) -> Attempt:
    """Every id of the victim's must be answered as one that never was, to the byte."""
    attempt = Attempt(operation.name, f"{way}: Ada's ids, trashed and deleted ones too")
    expected = _answer(thief, operation, operation.variables(way, MADE_UP_ID))
    attempt.told = f"{_code(expected[2])}, as for one that never was"
    if "NOT_FOUND" not in attempt.told:
        attempt.faults.append(f"an id that never was is answered {attempt.told}")
    for id in (*victim.ids, victim.ids[0].upper(), *SPELLINGS):
        answer = _answer(thief, operation, operation.variables(way, id))
        _see(attempt, victim, answer[2])
        if answer != expected:
            attempt.faults.append(f"{id!r} is answered otherwise")
    return attempt


def _choose(operation: Operation, way: WayIn, victim: Victim, thief: Caller) -> Attempt:
    """Of ids that one may choose, somebody else's must be as free as any other."""
    attempt = Attempt(
        operation.name, f"{way}: Ada's ids, for tasks of her own", told="a new task of her own"
    )
    for id in (*victim.ids, str(uuid4())):
        _, _, content = _answer(thief, operation, operation.variables(way, id))
        attempt.tries += 1
        if victim.mark.encode() in content:
            attempt.faults.append("told what hers says")
        if _code(content) != "her own alone" or b'"version":1' not in content:
            attempt.faults.append(f"{id} is not free: {_code(content)}")
    return attempt


def _cursors(operation: Operation, way: WayIn, victim: Victim, thief: Caller) -> Attempt:
    attempt = Attempt(operation.name, f"{way}: Ada's cursors")
    expected = _answer(thief, operation, operation.variables(way, "made up"))
    attempt.told = f"{_code(expected[2])}, as for one made up"
    if "BAD_USER_INPUT" not in attempt.told:
        attempt.faults.append(f"a made-up cursor is answered {attempt.told}")
    for cursor in victim.cursors[way.kind]:
        answer = _answer(thief, operation, operation.variables(way, cursor))
        _see(attempt, victim, answer[2])
        if answer != expected:
            attempt.faults.append("a cursor is answered otherwise")
    return attempt


def _tokens(operation: Operation, victim: Victim, thief: Caller) -> Attempt:
    """Hers without its signature, with another's, and with another's claims: each is a 401."""
    attempt = Attempt(operation.name, "Ada's token, forged", told="401")
    header, claims, signature = victim.caller.token.split(".")
    for token in (
        f"{header}.{claims}.",
        f"{header}.{claims}.{thief.token.rpartition('.')[2]}",
        f"{header}.{thief.token.split('.')[1]}.{signature}",
        f"eyJhbGciOiJub25lIn0.{claims}.",
    ):
        forger = Caller(thief.url, thief.user, token)
        response = forger.post(operation.document(), operation.variables())
        _see(attempt, victim, response.content)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            attempt.faults.append(f"answered {response.status_code}")
    return attempt


def table(attempts: list[Attempt]) -> str:
    """For a terminal."""
    rows = [("operation", "tried with", "tries", "what Eve was told", "")]
    for attempt in attempts:
        verdict = "; ".join(dict.fromkeys(attempt.faults)) or "kept out"
        said = (attempt.operation, attempt.with_what, str(attempt.tries), attempt.told, verdict)
        rows.append(said)
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Starts an API of its own, makes Ada and a thief, and prints what the thief got."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    with stack.postgres() as server, tempfile.TemporaryDirectory() as folder:
        migrations.upgrade(server.url)
        api = stack.api(Path(folder), trusting(server.url))
        try:
            ada = Caller(api.url, "ada", mint("ada"))
            names = (f"eve-{number}" for number in count())
            thieves = (Caller(api.url, name, mint(name)) for name in names)
            attempts = list(attack(Victim(ada), lambda: next(thieves), schema))
        finally:
            api.stop()
    tries = sum(attempt.tries for attempt in attempts)
    through = [attempt for attempt in attempts if attempt.faults]
    print(
        "Ada has an open, a completed, a trashed and a deleted task. Eve knows every id and every"
    )
    print("cursor of them, and Ada's token without the key that signed it.\n")
    print(table(attempts))
    print(f"\n{tries} tries on {len(operations(schema))} operations, {len(through)} let through.")
    sys.exit(1 if through else 0)


if __name__ == "__main__":
    main()
