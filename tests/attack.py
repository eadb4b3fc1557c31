"""Attacks: every operation of the schema, with the IDs, cursors and token of another owner.

`make attack` prints what was tried and what the API answered; `tests/owned/test_isolation.py`
asserts the same. Operations, inputs and nouns are found in the schema, so that one that is added
later is attacked without a change here. A noun is found by the names that all nouns have: a list
`tasks` with `filter.status`, the feed `taskChanges`, and the mutations `createTasks`,
`trashTasks` and `deleteTasks`.
"""

import json
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from api import migrations
from dev.postgres import ROOT
from tests import sse, stack
from tests.conftest import Caller, mint, trusting

MADE_UP_ID = "018f0000-0000-7000-8000-00000000dead"
SPELLINGS = ("", "x", "../../etc/passwd", "0" * 8, "é", "\ud800", "' OR true --", "null")
"""Texts that are no IDs. The API must answer them like an ID that no row has."""
DEPTH = 6
"""The most levels of a selection, so that a list in a row in a list is selected."""
SILENCE = 2.0
"""The seconds in which a subscription must deliver its first result."""
FIRST, NESTED_FIRST = 5, 2
"""The sizes of pages. Larger ones would exceed the cost limit, at this depth."""


@dataclass(frozen=True)
class Noun:
    """A type whose rows belong to owners, as the schema names it."""

    many: str
    """The field of Query that lists the rows, such as `tasks`."""
    listed: GraphQLField
    row: GraphQLObjectType

    @property
    def one(self) -> str:
        """Return the noun in the singular, such as `task`."""
        return self.row.name[0].lower() + self.row.name[1:]

    @property
    def many_in_mutations(self) -> str:
        """Return the noun as in the names of mutations, such as `Tasks`."""
        return self.many[0].upper() + self.many[1:]

    @property
    def statuses(self) -> list[str]:
        """Return every status, the trash included."""
        filter = get_named_type(self.listed.args["filter"].type)
        assert isinstance(filter, GraphQLInputObjectType)
        status = get_named_type(filter.fields["status"].type)
        assert isinstance(status, GraphQLEnumType)
        return [*status.values]

    @property
    def everything(self) -> str:
        """Return the arguments of a list of all rows."""
        return f"(first: 100, filter: {{status: [{', '.join(self.statuses)}]}})"

    def is_named_by(self, operation: str) -> bool:
        """Return whether an operation is about this noun, by its name."""
        names = f"{self.row.name}|{self.many_in_mutations}"
        own = {self.one, self.many, f"{self.one}Changes"}
        return operation in own or re.fullmatch(f"[a-z]+({names})", operation) is not None


@dataclass(frozen=True)
class WayIn:
    """An argument of an operation that accepts an ID or a cursor."""

    path: tuple[str, ...]
    """The name of the argument, and of the input fields within it."""
    kind: str
    """`ID` or `cursor`."""
    at: tuple[str, ...] = ()
    """The fields that lead to the field with this argument; none for the operation's own."""

    def __str__(self) -> str:
        return ".".join((*self.at, *self.path))

    def is_filter(self) -> bool:
        """Return whether the IDs select the rows of a list. An unknown ID then selects no row."""
        return self.path[0] == "filter"

    def is_reference(self) -> bool:
        """Return whether an input field names the row that another row refers to."""
        return len(self.path) > 1 and self.path[-1] != "id"


@dataclass(frozen=True)
class Operation:
    """A field of a root type, and documents that select everything in it."""

    root: str
    name: str
    field: GraphQLField
    ways_in: tuple[WayIn, ...]
    nouns: tuple[Noun, ...]

    def document(self, way: WayIn | None = None) -> str:
        """Return an operation in which each argument is a variable of its own name.

        An argument of a nested field is the variable `stolen`.
        """
        declared = [f"${name}: {arg.type}" for name, arg in self.field.args.items()]
        passed = ", ".join(f"{name}: ${name}" for name in self.field.args)
        at: tuple[str, ...] = ()
        if way and way.at:
            at = (*way.at, way.path[0])
            declared.append(f"$stolen: {_field(self.field, way.at).args[way.path[0]].type}")
        arguments = f"({', '.join(declared)})" if declared else ""
        wanted = selection(self.field.type, DEPTH, at)
        own = f"({passed})" if passed else ""
        return f"{self.root} it{arguments} {{ {self.name}{own} {wanted} }}"

    def variables(
        self, way: WayIn | None = None, stolen: object = None, own: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the required arguments with harmless values, and the stolen value in its place.

        `own` has an id of each noun, by its singular, for all other ids that are required.
        """
        filler = _Filler(stolen, own or {}, self._own_noun())
        given = {}
        for name, argument in self.field.args.items():
            inner = way.path[1:] if way and not way.at and way.path[0] == name else None
            if inner is not None or is_required_argument(argument):
                given[name] = filler.value(name, argument.type, inner)
            elif name == "first":
                given[name] = FIRST
        if way and way.at:
            argument = _field(self.field, way.at).args[way.path[0]]
            given["stolen"] = filler.value(way.path[0], argument.type, way.path[1:])
        return given

    def _own_noun(self) -> str:
        return next((noun.one for noun in self.nouns if noun.is_named_by(self.name)), "")


@dataclass
class Attempt:
    """What was tried, how often, and how the API answered the thief."""

    operation: str
    with_what: str
    tries: int = 0
    told: str = ""
    faults: list[str] = field(default_factory=list)


def nouns(schema: GraphQLSchema) -> tuple[Noun, ...]:
    """Return the nouns: the types of which Query has a list."""
    found = []
    for name, listed in schema.query_type.fields.items() if schema.query_type else ():
        connection = get_named_type(listed.type)
        if isinstance(connection, GraphQLObjectType) and "nodes" in connection.fields:
            row = get_named_type(connection.fields["nodes"].type)
            if connection.name.endswith("Connection") and isinstance(row, GraphQLObjectType):
                found.append(Noun(name, listed, row))
    return tuple(found)


def operations(schema: GraphQLSchema) -> list[Operation]:
    """Return all operations, each with its ways in."""
    roots = {
        "query": schema.query_type,
        "mutation": schema.mutation_type,
        "subscription": schema.subscription_type,
    }
    known = nouns(schema)
    return [
        Operation(kind, name, found, (*_ways_in(found), *_nested_ways_in(kind, found)), known)
        for kind, root in roots.items()
        if root
        for name, found in root.fields.items()
    ]


def _ways_in(found: GraphQLField, at: tuple[str, ...] = ()) -> Iterator[WayIn]:
    for name, argument in found.args.items():
        for path in _ids(argument.type, (name,), ()):
            yield WayIn(path, "ID", at)
        if name in {"after", "before"}:
            yield WayIn((name,), "cursor", at)


def _nested_ways_in(root: str, found: GraphQLField) -> Iterator[WayIn]:
    """Yield the ways in of all selected fields below an operation, once for each field of a type.

    The lists in the answer of a mutation may be empty, such as those of a new row. So the ways in
    below a nested list are tried only in queries. The fields of an event are those of queries.
    """
    if root == "subscription":
        return
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[GraphQLOutputType, tuple[str, ...]]] = [(found.type, ())]
    for kind, at in waiting:
        named = get_named_type(kind)
        if not isinstance(named, GraphQLObjectType) or len(at) >= DEPTH - 1:
            continue
        for name, inner in named.fields.items():
            if (named.name, name) not in seen and _is_selected(inner):
                seen.add((named.name, name))
                yield from _ways_in(inner, (*at, name))
                if root == "query" or "first" not in inner.args:
                    waiting.append((inner.type, (*at, name)))


def _ids(
    kind: GraphQLInputType, path: tuple[str, ...], seen: tuple[object, ...]
) -> Iterator[tuple[str, ...]]:
    named = get_named_type(kind)
    if named.name == "ID":
        yield path
    elif isinstance(named, GraphQLInputObjectType) and named not in seen:
        for name, inner in named.fields.items():
            yield from _ids(inner.type, (*path, name), (*seen, named))


def _field(found: GraphQLField, path: tuple[str, ...]) -> GraphQLField:
    for name in path:
        kind = get_named_type(found.type)
        assert isinstance(kind, GraphQLObjectType)
        found = kind.fields[name]
    return found


@dataclass(frozen=True)
class _Filler:
    """The values of one operation's arguments."""

    stolen: object
    own: Mapping[str, str]
    noun: str
    """The noun of an argument `id` or `ids`. One named `taskId` is of the noun `task`."""

    def value(self, name: str, kind: GraphQLInputType, path: tuple[str, ...] | None) -> Any:
        """Return a value of this type: the stolen one where `path` ends."""
        bare = get_nullable_type(kind)
        if path == ():
            return [self.stolen] if isinstance(bare, GraphQLList) else self.stolen
        if isinstance(bare, GraphQLList):
            return [self.value(name, bare.of_type, path)]
        if isinstance(bare, GraphQLInputObjectType):
            return {
                inner: self.value(
                    inner, declared.type, path[1:] if path and path[0] == inner else None
                )
                for inner, declared in bare.fields.items()
                if is_required_input_field(declared)
                or (path and path[0] == inner)
                or inner == _something_to_write(bare)
                or _referred(inner) in self.own
            }
        if isinstance(bare, GraphQLEnumType):
            return next(iter(bare.values))
        if get_named_type(bare).name == "ID":
            noun = self.noun if name in {"id", "ids"} else _referred(name)
            return self.own.get(noun, MADE_UP_ID)
        values = {"Int": 1, "Float": 1, "Boolean": True, "Date": "2026-01-01"}
        return values.get(get_named_type(bare).name, "stolen")


def _referred(name: str) -> str:
    """Return the noun to which a field refers, by its name: `task` of `taskId`."""
    return re.sub(r"Ids?$", "", name)


def _something_to_write(kind: GraphQLInputObjectType) -> str | None:
    """Return the first field that is no id, of an input in which no field is required.

    Without it a patch would be empty, and an empty patch writes nothing.
    """
    if any(is_required_input_field(declared) for declared in kind.fields.values()):
        return None
    leaves = (
        name
        for name, declared in kind.fields.items()
        if is_leaf_type(named := get_named_type(declared.type)) and named.name != "ID"
    )
    return next(leaves, None)


def _is_selected(found: GraphQLField) -> bool:
    return not any(is_required_argument(argument) for argument in found.args.values())


def selection(kind: GraphQLOutputType, depth: int, at: tuple[str, ...] = ()) -> str:
    """Return all that can be selected of a type without arguments that are required.

    `at` leads to an argument of a nested field, which is the variable `stolen`.
    """
    named = get_named_type(kind)
    if not is_composite_type(named):
        return ""
    assert isinstance(named, GraphQLObjectType)
    parts = []
    for name, inner in named.fields.items():
        if not _is_selected(inner) or (
            depth <= 1 and is_composite_type(get_named_type(inner.type))
        ):
            continue
        beyond = at[1:] if at and at[0] == name else ()
        given = [f"{beyond[0]}: $stolen"] if len(beyond) == 1 else []
        if "first" in inner.args:
            given.append(f"first: {NESTED_FIRST}")
        arguments = f"({', '.join(given)})" if given else ""
        parts.append(f"{name}{arguments} {selection(inner.type, depth - 1, beyond)}")
    return f"{{ {' '.join(parts)} }}" if parts else "{ __typename }"


class Owner:
    """An owner with rows of their own."""

    def __init__(self, caller: Caller, schema: GraphQLSchema) -> None:
        self.caller = caller
        self.nouns = nouns(schema)
        self._schema = schema

    @cached_property
    def own(self) -> dict[str, str]:
        """Return an ID of each noun, by its singular. A row is created if there is none."""
        ids: dict[str, str] = {}
        for noun in self._in_order():
            listed = self.caller(f"{{ {noun.many}(first: 1) {{ nodes {{ id }} }} }}")
            rows = listed[noun.many]["nodes"]
            ids[noun.one] = rows[0]["id"] if rows else self.create(noun, "own", ids)
        return ids

    def create(self, noun: Noun, mark: str, own: Mapping[str, str], **fields: object) -> str:
        """Create a row with a mark in each text, and references to other rows of the owner.

        A text that the API rejects, because it must have a certain form, is omitted.
        """
        operation, input = f"create{noun.many_in_mutations}", self._input(noun)
        given = dict(fields)
        filler = _Filler(None, own, noun.one)
        for name, declared in input.fields.items():
            if name in given or name == "id":
                continue
            if (named := get_named_type(declared.type).name) == "String":
                is_list = isinstance(get_nullable_type(declared.type), GraphQLList)
                given[name] = [mark] if is_list else mark
            elif is_required_input_field(declared) or (named == "ID" and _referred(name) in own):
                given[name] = filler.value(name, declared.type, None)
        document = (
            f"mutation ($inputs: [{input.name}!]!) {{ {operation}(inputs: $inputs)"
            f" {{ {noun.many} {{ id }} }} }}"
        )
        answer = self.caller.post(document, {"inputs": [given]}).json()
        for error in answer.get("errors", ()):
            for path in error["extensions"]["fields"]:
                name = path.split(".")[2]
                assert not is_required_input_field(input.fields[name]), answer
                del given[name]
        if "errors" in answer:
            answer = self.caller.post(document, {"inputs": [given]}).json()
        assert "errors" not in answer, answer
        return str(answer["data"][operation][noun.many][0]["id"])

    def _input(self, noun: Noun) -> GraphQLInputObjectType:
        """Return the type from which rows of a noun are created."""
        mutations = self._schema.mutation_type
        assert mutations is not None
        create = mutations.fields[f"create{noun.many_in_mutations}"]
        input = get_named_type(create.args["inputs"].type)
        assert isinstance(input, GraphQLInputObjectType)
        return input

    def _in_order(self) -> list[Noun]:
        """Return the nouns, each after those that it refers to."""
        singulars = {noun.one for noun in self.nouns}
        waiting, done = [*self.nouns], list[Noun]()
        while waiting:
            noun = waiting.pop(0)
            fields = self._input(noun).fields
            referred = {_referred(name) for name in fields} & singulars
            if referred - {noun.one} <= {other.one for other in done}:
                done.append(noun)
            else:
                waiting.append(noun)
        return done


class Victim(Owner):
    """An owner whose rows contain a mark that no other row has, and all that a thief could know.

    There are rows of each noun: one as it was created, one for each flag of the noun, one in the
    trash, and one that was deleted.
    """

    def __init__(self, caller: Caller, schema: GraphQLSchema) -> None:
        super().__init__(caller, schema)
        self.mark = secrets.token_hex(8)
        self.ids: list[str] = []
        own: dict[str, str] = {}
        for noun in self._in_order():
            fields = self._input(noun).fields.items()
            flags = [n for n, inner in fields if get_named_type(inner.type).name == "Boolean"]
            own[noun.one] = self.create(noun, f"open {self.mark}", own)
            for flag in flags:
                self.create(noun, f"{flag} {self.mark}", own, **{flag: True})
            for verb in ("trash", "delete"):
                gone = self.create(noun, f"{verb} {self.mark}", own)
                wanted = f"{noun.many} {{ id }}" if verb == "trash" else "deletedIds"
                caller(
                    f"mutation ($ids: [ID!]!) {{ {verb}{noun.many_in_mutations}(ids: $ids)"
                    f" {{ {wanted} }} }}",
                    ids=[gone],
                )
        for noun in self.nouns:
            feed = caller(f"{{ {noun.one}Changes {{ nodes {{ {noun.one}Id }} }} }}")
            ids = [node[f"{noun.one}Id"] for node in feed[f"{noun.one}Changes"]["nodes"]]
            listed = caller(f"{{ {noun.many}{noun.everything} {{ nodes {{ id }} }} }}")
            assert len(ids) == len(listed[noun.many]["nodes"]) + 1 >= 3, noun
            self.ids += ids
        self.cursors = sorted(self._cursors(schema))
        self.secrets = [self.mark, *self.ids, caller.user]

    def state(self) -> list[bytes]:
        """Return everything that the owner has, to compare it after the attack."""
        queries = [f"{{ viewer {{ {self._leaves(self._schema.type_map['Viewer'])} }} }}"]
        for noun in self.nouns:
            row = self._leaves(noun.row)
            queries.append(f"{{ {noun.many}{noun.everything} {{ nodes {{ {row} }} totalCount }} }}")
            change = f"{noun.one}Id {noun.one} {{ version }}"
            queries.append(f"{{ {noun.one}Changes {{ nodes {{ {change} }} }} }}")
        answers = [self.caller.post(query).content for query in queries]
        assert not [answer for answer in answers if b'"errors"' in answer], answers
        return answers

    def _leaves(self, kind: object) -> str:
        assert isinstance(kind, GraphQLObjectType)
        fields = kind.fields.items()
        return " ".join(name for name, inner in fields if is_leaf_type(get_named_type(inner.type)))

    def _cursors(self, schema: GraphQLSchema) -> set[str]:
        """Return every cursor that the queries of the schema show."""
        found: set[str] = set()
        for operation in operations(schema):
            if operation.root == "query":
                given = operation.variables(own=self.own)
                content = self.caller.post(operation.document(), given).content.decode()
                found.update(re.findall(r'[cC]ursor":"(.*?)"', content))
        return found


def attack(
    victim: Victim, new_thief: Callable[[], Caller], schema: GraphQLSchema
) -> Iterator[Attempt]:
    """Try everything. An attempt without faults failed to read or write anything."""
    for operation in operations(schema):
        if operation.root == "subscription":
            yield _overhear(operation, victim, Owner(new_thief(), schema))
    before = victim.state()
    for operation in operations(schema):
        thief = Owner(new_thief(), schema)
        if not operation.ways_in or operation.root == "query":
            yield _look(operation, victim, thief)
        for way in operation.ways_in:
            if way.kind != "ID":
                yield _cursors(operation, way, victim, thief)
            elif operation.name.startswith("create") and way.path[-1] == "id":
                yield _choose(operation, way, victim, thief)
            else:
                yield _ids_of(operation, way, victim, thief)
        yield _tokens(operation, victim, thief.caller)
    after = Attempt("everything of Ada", "read again, by Ada", 1, "as it was")
    if victim.state() != before:
        after.faults.append("it was changed")
    yield after


def _answer(thief: Owner, operation: Operation, way: WayIn | None, stolen: object) -> Any:
    """Return everything that the thief can see, except the time and the id of the request."""
    given = operation.variables(way, stolen, thief.own)
    if operation.root == "subscription":
        with sse.subscribed(thief.caller, operation.document(way), given, SILENCE) as stream:
            return stream.response.status_code, (), _heard(stream)
    response = thief.caller.post(operation.document(way), given)
    varying = {"date", "x-request-id"}
    headers = {name: value for name, value in response.headers.items() if name not in varying}
    return response.status_code, headers, response.content


def _heard(stream: sse.Stream) -> bytes:
    """Return the first result of a subscription, or an empty one if there is none for a while."""
    try:
        return stream.next()
    except httpx.ReadTimeout:
        return b"{}"


def _see(attempt: Attempt, victim: Victim, content: bytes) -> None:
    attempt.tries += 1
    attempt.faults += [f"told {secret}" for secret in victim.secrets if secret.encode() in content]


def _errors(content: bytes) -> list[Any]:
    return list(json.loads(content).get("errors", ()))


def _code(content: bytes) -> str:
    codes = [error["extensions"]["code"] for error in _errors(content)]
    return ", ".join(dict.fromkeys(codes)) or "her own alone"


def _look(operation: Operation, victim: Victim, thief: Owner) -> Attempt:
    attempt = Attempt(operation.name, "her own token")
    _, _, content = _answer(thief, operation, None, None)
    _see(attempt, victim, content.replace(thief.caller.user.encode(), b""))
    attempt.told = _code(content)
    if attempt.told != "her own alone":
        attempt.faults.append(f"nothing could be seen: {attempt.told}")
    return attempt


def _overhear(operation: Operation, victim: Victim, thief: Owner) -> Attempt:
    """Check that a subscriber gets its own change, and not the victim's, which is written first."""
    attempt = Attempt(operation.name, "her own token, while Ada writes")
    [noun] = [noun for noun in operation.nouns if noun.is_named_by(operation.name)]
    victims, own = victim.own, thief.own
    now = thief.caller("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
    with sse.subscribed(thief.caller, operation.document(), {"after": now}) as stream:
        victim.create(noun, f"live {victim.mark}", victims)
        id = thief.create(noun, "her own", own)
        content = stream.next()
    _see(attempt, victim, content)
    attempt.told = _code(content)
    if id.encode() not in content:
        attempt.faults.append(f"the subscriber did not get its own change: {attempt.told}")
    return attempt


def _ids_of(operation: Operation, way: WayIn, victim: Victim, thief: Owner) -> Attempt:
    """Check that every ID of the victim is answered like an ID that no row has, byte for byte.

    The first fault ends the attempt.
    """
    attempt = Attempt(operation.name, f"{way}: Ada's ids, trashed and deleted ones too")
    expected = _answer(thief, operation, way, MADE_UP_ID)
    attempt.told = f"{_code(expected[2])}, as for an id that no row has"
    if ("her own alone" if way.is_filter() else "NOT_FOUND") not in attempt.told:
        attempt.faults.append(f"an id that no row has is answered {attempt.told}")
    for id in (*victim.ids, victim.ids[0].upper(), *SPELLINGS):
        answer = _answer(thief, operation, way, id)
        _see(attempt, victim, answer[2])
        if not _is_alike(operation, way, answer, expected):
            attempt.faults.append(f"{id!r} is answered otherwise")
        if attempt.faults:
            break
    if way.is_reference():
        own = thief.own.get(_referred(way.path[-1]))
        told = _code(_answer(thief, operation, way, own)[2])
        if told != "her own alone":
            attempt.faults.append(f"nothing was tried: an id of her own is answered {told}")
    return attempt


def _choose(operation: Operation, way: WayIn, victim: Victim, thief: Owner) -> Attempt:
    """Check that an ID of another owner can be chosen like any other for a new row."""
    attempt = Attempt(
        operation.name, f"{way}: Ada's ids, for rows of her own", told="a new row of her own"
    )
    for id in (*victim.ids, str(uuid4())):
        _, _, content = _answer(thief, operation, way, id)
        attempt.tries += 1
        if victim.mark.encode() in content:
            attempt.faults.append("told what hers says")
        if _code(content) != "her own alone" or b'"version":1' not in content:
            attempt.faults.append(f"{id} is not free: {_code(content)}")
    return attempt


def _is_alike(operation: Operation, way: WayIn, answer: Any, expected: Any) -> bool:
    """Return whether two answers are the same, except for her own row that a mutation wrote."""
    if operation.root == "mutation" and (way.kind == "cursor" or way.is_filter()):
        return _errors(answer[2]) == _errors(expected[2])
    return bool(answer == expected)


def _cursors(operation: Operation, way: WayIn, victim: Victim, thief: Owner) -> Attempt:
    attempt = Attempt(operation.name, f"{way}: Ada's cursors")
    expected = _answer(thief, operation, way, "made up")
    attempt.told = f"{_code(expected[2])}, as for one made up"
    if "BAD_USER_INPUT" not in attempt.told:
        attempt.faults.append(f"a made-up cursor is answered {attempt.told}")
    for cursor in victim.cursors:
        answer = _answer(thief, operation, way, cursor)
        _see(attempt, victim, answer[2])
        if not _is_alike(operation, way, answer, expected):
            attempt.faults.append("a cursor is answered otherwise")
        if attempt.faults:
            break
    return attempt


def _tokens(operation: Operation, victim: Victim, thief: Caller) -> Attempt:
    """Forge the victim's token: without a signature, and with parts of the thief's own."""
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
    """Return the attempts as a table for a terminal."""
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
    """Start an API, create Ada and a thief, and print what the thief could read or write."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    with stack.postgres() as server, tempfile.TemporaryDirectory() as folder:
        migrations.upgrade(server.url)
        api = stack.api(Path(folder), trusting(server.url))
        try:
            user = "ada the victim"  # no id and no cursor contains a space
            ada = Caller(api.url, user, mint(user))
            names = (f"eve-{number}" for number in count())
            thieves = (Caller(api.url, name, mint(name)) for name in names)
            attempts = list(attack(Victim(ada, schema), lambda: next(thieves), schema))
        finally:
            api.stop()
    tries = sum(attempt.tries for attempt in attempts)
    through = [attempt for attempt in attempts if attempt.faults]
    every = ", ".join(noun.many for noun in nouns(schema))
    print(
        f"Ada has {every}: open, completed, trashed and deleted ones. Eve knows every id and every"
    )
    print("cursor of them, and Ada's token without the key that signed it.\n")
    print(table(attempts))
    print(f"\n{tries} tries on {len(operations(schema))} operations, {len(through)} let through.")
    sys.exit(1 if through else 0)


if __name__ == "__main__":
    main()
