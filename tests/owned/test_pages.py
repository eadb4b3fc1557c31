"""Lists: sort orders, filters, and pages that stay correct during concurrent writes."""

import threading
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from api.owned import cursors as pages
from api.owned import read_sql
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests import stack
from tests.conftest import Caller
from tests.tasks.test_tasks import CREATE_ALL, MANY, UPDATE, UPDATE_ALL

pytestmark = pytest.mark.partitioned

MOMENT, ID = "1767225600000000", "01a1fdc8-f53f-7301-af6e-5cca4e5cb955"
PAGE = """query ($first: Int, $after: String, $filter: TaskFilter, $orderBy: TaskOrder) {
  tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount
    nodes { id title }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


def page(caller: Caller, **variables: Any) -> Any:
    return caller(PAGE, **variables)["tasks"]


def titles(caller: Caller, **variables: Any) -> list[str]:
    return [node["title"] for node in page(caller, **variables)["nodes"]]


def walk(caller: Caller, first: int, **variables: Any) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        found = page(caller, first=first, after=after, **variables)
        ids += [node["id"] for node in found["nodes"]]
        if not found["pageInfo"]["hasNextPage"]:
            return ids
        after = found["pageInfo"]["endCursor"]


def test_newest_task_is_first(ada: Caller) -> None:
    for title in ("one", "two", "three"):
        ada.create(title)
    assert titles(ada) == ["three", "two", "one"]


def test_page_info_says_whether_there_are_pages_before_and_after(ada: Caller) -> None:
    ids = [ada.create()["id"] for _ in range(3)][::-1]
    first = page(ada, first=2)
    assert [edge["node"]["id"] for edge in first["edges"]] == ids[:2]
    assert first["totalCount"] == 3
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    last = page(ada, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["id"] for node in last["nodes"]] == ids[2:]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)


def newest(**of_it: Any) -> str:
    statement = read_sql.page(TASKS, "created_at", descending=True, filtered=False, **of_it)
    return " ".join(statement.sql.split())


def ran(database: Postgres) -> set[str]:
    return {" ".join(sql.split()) for sql in stack.statements(database, "bearer-tasks-api")}


COUNTED = [
    "{ tasks(first: %d, after: %s) { n: totalCount nodes { id } } }",
    """query ($yes: Boolean = true, $no: Boolean = false) { tasks(first: %d, after: %s) {
      ...on TaskConnection { ...Counted } __typename
      nodes @skip(if: $yes) { labels } pageInfo @include(if: $no) { endCursor }
    } }
    fragment Counted on TaskConnection { n: totalCount nodes { id } }""",
]


@pytest.mark.parametrize(("query", "bulky"), [(COUNTED[0], []), (COUNTED[1], ["labels"])])
def test_page_and_its_count_come_from_one_statement(
    ada: Caller, database: Postgres, query: str, bulky: list[str]
) -> None:
    """After the last task no row is left that could carry the count."""
    ids = [ada.create()["id"] for _ in range(3)][::-1]
    end = page(ada)["pageInfo"]["endCursor"]
    for first, after, shown in ((2, "null", ids[:2]), (5, "null", ids), (2, f'"{end}"', [])):
        told = ada(query % (first, after))["tasks"]
        assert (told["n"], [node["id"] for node in told["nodes"]]) == (3, shown)
    assert newest(counted=True, without=TASKS.bulky - {*bulky}) in ran(database)


@pytest.mark.parametrize("bulky", [["description"], ["labels"], ["description", "labels"], []])
def test_unselected_columns_are_not_read(ada: Caller, database: Postgres, bulky: list[str]) -> None:
    given = {"description": "At length.", "labels": ["a", "b"]}
    task = ada.create("x", **given)
    spread = f"fragment Bulky on Task {{ title {' '.join(bulky)} }}"
    query = "{ tasks(first: 1) { edges { node { id ...Bulky } } nodes { ...Bulky } } }" + spread
    told = {"title": "x", **{name: given[name] for name in bulky}}
    for _ in range(3):  # first by graphql-core, then compiled
        found = ada(query)["tasks"]
        assert found == {"edges": [{"node": {"id": task["id"], **told}}], "nodes": [told]}
    statement = newest(without=TASKS.bulky - {*bulky})
    assert statement in ran(database)
    assert all((f"tasks.{name}" in statement) == (name in bulky) for name in TASKS.bulky)


def test_each_list_of_an_operation_reads_only_its_own_selection(
    ada: Caller, database: Postgres
) -> None:
    task = ada.create("x", labels=["a"])
    query = """{ long: tasks(first: 7) { nodes { ...All } } long: tasks(first: 7) { totalCount }
      short: tasks(first: 7) { edges { node { id } } } } fragment All on Task { labels }"""
    before = len(stack.statements(database, "bearer-tasks-api"))
    for _ in range(3):  # first by graphql-core, then compiled
        found = ada(query)
        assert found == {
            "long": {"nodes": [{"labels": ["a"]}], "totalCount": 1},
            "short": {"edges": [{"node": {"id": task["id"]}}]},
        }
    long = newest(counted=True, without=TASKS.bulky - {"labels"})
    now = stack.statements(database, "bearer-tasks-api")[before:]
    lists = {text for sql in now if "found" in (text := " ".join(sql.split()))}
    assert lists == {long, newest(without=TASKS.bulky)}


def test_empty_list_has_an_empty_page(ada: Caller) -> None:
    info = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert page(ada) == {"totalCount": 0, "nodes": [], "edges": [], "pageInfo": info}


def test_pages_of_any_size_have_the_same_tasks(ada: Caller) -> None:
    ids = [ada.create()["id"] for _ in range(7)][::-1]
    assert all(walk(ada, step) == ids for step in (1, 2, 3, 7, 100))


def test_page_has_fifty_tasks_by_default(ada: Caller) -> None:
    for _ in range(51):
        ada.create()
    assert len(page(ada)["nodes"]) == 50
    assert len(page(ada, first=None)["nodes"]) == 50


def test_status_filters_the_list_and_its_count(ada: Caller) -> None:
    ada.create("open")
    ada.create("done", completed=True)
    gone = ada.create("gone")
    ada(MANY["trashTasks"], ids=[gone["id"]])
    for status, expected in {
        None: ["done", "open"],
        ("OPEN",): ["open"],
        ("COMPLETED",): ["done"],
        ("TRASHED",): ["gone"],
        ("TRASHED", "OPEN", "OPEN"): ["gone", "open"],
    }.items():
        chosen = {"status": list(status) if status else None}
        assert titles(ada, filter=chosen) == expected
        count = "query ($f: TaskFilter) { viewer { taskCount(filter: $f) } }"
        assert ada(count, f=chosen)["viewer"]["taskCount"] == len(expected)
        assert page(ada, filter=chosen)["totalCount"] == len(expected)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"first": 0}, "first"),
        ({"first": -1}, "first"),
        ({"first": 101}, "first"),
        ({"after": ""}, "after"),
        ({"after": "nonsense"}, "after"),
        ({"after": "é" * 40}, "after"),
        ({"after": "A" * 5000}, "after"),
        ({"filter": {"status": []}}, "filter.status"),
        ({"filter": {"priority": []}}, "filter.priority"),
        ({"filter": {"labels": []}}, "filter.labels"),
        ({"filter": {"labels": ["ok", " "]}}, "filter.labels"),
        ({"filter": {"search": "a\0b"}}, "filter.search"),
        ({"filter": {"search": "\ud800"}}, "filter.search"),
        ({"filter": {"search": "x" * 201}}, "filter.search"),
        ({"filter": {"search": "a b c d e f g h i j k"}}, "filter.search"),
    ],
)
def test_invalid_argument_of_a_list_is_named_in_the_error(
    ada: Caller, variables: dict[str, Any], named: str
) -> None:
    extensions = ada.error(PAGE, **variables)["extensions"]
    assert (extensions["code"], list(extensions["fields"])) == ("BAD_USER_INPUT", [named])


def test_cursor_with_one_character_changed_is_rejected(ada: Caller) -> None:
    ada.create()
    cursor = page(ada)["pageInfo"]["endCursor"]
    changed = [
        cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :]
        for i in range(len(cursor))
    ]
    for bad in [*changed, cursor[:-1], cursor + "A", cursor + "=", " " + cursor]:
        assert ada.error(PAGE, after=bad)["extensions"]["code"] == "BAD_USER_INPUT", bad


@pytest.mark.parametrize(
    "key",
    [
        ("garbage", ID),
        ("infinity", ID),
        (MOMENT,),
        (MOMENT, "zz"),
        (MOMENT, ID, "more"),
        (MOMENT, ID.upper()),
        ("2026-01-02T03:00:00+00:00", ID),
        (f"+{MOMENT}", ID),
        (f" {MOMENT}", ID),
        (f"{MOMENT}.0", ID),
        ("1_000", ID),
        ("\uff11", ID),
        ("-0", ID),
        ("253402300800000000", ID),  # the year 10,000
        ("-62135596800000001", ID),  # the year 0
        ("9" * 30, ID),
        ("9" * 1_400, ID),
    ],
)
def test_made_up_cursor_is_rejected(ada: Caller, key: tuple[str, ...]) -> None:
    """The digest is no secret: anyone who reads the source can compute one."""
    scope = f"{ada.user}\0tasks\0created_at desc\0statuses=['COMPLETED', 'OPEN']"
    assert page(ada, after=pages.Cursors(scope).encode(MOMENT, ID))["nodes"] == [], (
        "well made, it is taken"
    )
    error = ada.error(PAGE, after=pages.Cursors(scope).encode(*key))
    assert list(error["extensions"]["fields"]) == ["after"]


def test_cursor_is_bound_to_its_filter_and_its_owner(ada: Caller, bob: Caller) -> None:
    ada.create()
    bob.create()
    cursor = page(ada)["pageInfo"]["endCursor"]
    page(
        ada, after=cursor, filter={"status": ["COMPLETED", "OPEN"]}
    )  # the default filter, written out
    error = ada.error(PAGE, after=cursor, filter={"status": ["OPEN"]})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert bob.error(PAGE, after=cursor)["extensions"]["code"] == "BAD_USER_INPUT"


def test_pages_neither_skip_nor_repeat_tasks_during_concurrent_writes(ada: Caller) -> None:
    """While other clients write, a reader sees each task that remains exactly once."""
    ids = [ada.create()["id"] for _ in range(60)]
    go, stay = ids[::3], ids[1::3] + ids[2::3]
    stopped = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        for id in go:
            if stopped.is_set():
                return
            ada.create()
            ada(UPDATE, id=stay[written % len(stay)], patch={"title": "edited"}, version=None)
            ada(MANY["deleteTasks"], ids=[id])
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        walks = 0
        while writer.is_alive():
            seen = walk(ada, 3)
            assert len(seen) == len(set(seen))
            assert set(stay) <= set(seen)
            walks += 1
    finally:
        stopped.set()
        writer.join()
    assert walks
    assert written == len(go), "there were writes between the pages"


FIELDS = ("CREATED_AT", "UPDATED_AT", "DUE_ON", "PRIORITY", "POSITION", "TITLE")
MIXED = [
    {"title": "b", "dueOn": "2026-02-01", "priority": "HIGH", "position": "a1"},
    {"title": "A", "priority": "HIGH", "position": "Zz"},
    {"title": "Éa", "dueOn": "2026-01-01", "position": "a0V"},
    {"title": "\U0010ffff", "dueOn": "2026-02-01", "priority": "URGENT", "position": "a0"},
    {"title": "a", "completed": True, "priority": "LOW", "position": "b00"},
    {"title": "ea", "dueOn": "9999-12-31", "completed": True, "position": "a0"},
    {"title": "c", "dueOn": "0001-01-01", "priority": "LOW", "position": "a2"},
]


def sorted_as(tasks: list[Any], field: str, *, descending: bool) -> list[str]:
    """Sort as the contract says: ties by ID, and tasks without a day last in either direction."""
    name = {"CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt", "DUE_ON": "dueOn"}.get(field)
    ranks = ["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"]

    def key(task: Any) -> Any:
        if field == "TITLE":
            return task["title"].casefold()
        return ranks.index(task["priority"]) if field == "PRIORITY" else task[name or "position"]

    dated = [task for task in tasks if key(task) is not None]
    undated = [task for task in tasks if key(task) is None]
    dated.sort(key=lambda task: (key(task), task["id"]), reverse=descending)
    undated.sort(key=lambda task: task["id"], reverse=descending)
    return [task["id"] for task in dated + undated]


def test_pages_of_any_size_have_the_same_tasks_in_every_order(ada: Caller) -> None:
    made = ada(CREATE_ALL, inputs=MIXED)["createTasks"]["tasks"]
    ada(UPDATE_ALL, ids=[made[0]["id"], made[4]["id"]], patch={"completed": False})
    every = "query { tasks(first: 100) { nodes { id title dueOn priority position createdAt "
    tasks = ada(every + "updatedAt } } }")["tasks"]["nodes"]
    for field, direction in product(FIELDS, ("ASC", "DESC")):
        order = {"field": field, "direction": direction}
        expected = sorted_as(tasks, field, descending=direction == "DESC")
        for step in (1, 3, 100):
            assert walk(ada, step, orderBy=order) == expected, (order, step)
        narrow = {"search": "a", "status": ["OPEN", "COMPLETED"]}
        kept = {task["id"] for task in tasks if "a" in task["title"].casefold()}
        found = walk(ada, 2, orderBy=order, filter=narrow)
        assert found == [id for id in expected if id in kept]


def test_filters_are_combined_with_and(ada: Caller) -> None:
    ada.create("Buy BREAD", description="50%_off \\o/", labels=["Home "], dueOn="2026-03-01")
    ada.create("Bread knife", priority="HIGH", labels=["home", "kitchen"])
    ada.create("Straße", completed=True, priority="LOW", dueOn="2026-03-02")
    knife, bread, street = ["Bread knife"], ["Buy BREAD"], ["Straße"]
    both = [*knife, *bread]
    for chosen, expected in [
        ({"search": "bread"}, both),
        ({"search": " BREAD\n off "}, bread),
        ({"search": "kitchen knife"}, knife),
        ({"search": "0%_O"}, bread),
        ({"search": "\\o"}, bread),
        ({"search": "%"}, bread),
        ({"search": "STRASSE"}, street),
        ({"search": "  "}, [*street, *both]),
        ({"search": "breadknife"}, []),
        ({"labels": ["HOME"]}, both),
        ({"labels": ["home", "kitchen"]}, knife),
        ({"priority": ["HIGH", "LOW"]}, [*street, *knife]),
        ({"priority": ["NONE"]}, bread),
        ({"dueFrom": "2026-03-01"}, [*street, *bread]),
        ({"dueFrom": "2026-03-02"}, street),
        ({"dueTo": "2026-03-01"}, bread),
        ({"dueFrom": "2026-03-02", "dueTo": "2026-03-01"}, []),
        ({"search": "bread", "status": ["COMPLETED"]}, []),
        ({"search": "bread", "labels": ["home"], "priority": ["HIGH"]}, knife),
        (
            {"status": None, "search": None, "priority": None, "labels": None, "dueFrom": None},
            [*street, *both],
        ),
    ]:
        found = page(ada, filter=chosen)
        assert [node["title"] for node in found["nodes"]] == expected, chosen
        assert found["totalCount"] == len(expected), chosen
        count = "query ($f: TaskFilter) { viewer { taskCount(filter: $f) } }"
        assert ada(count, f=chosen)["viewer"]["taskCount"] == len(expected), chosen


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("due_on", ("2026-01-1", ID)),
        ("due_on", ("20260101", ID)),
        ("due_on", ("infinity", ID)),
        ("priority", ("5", ID)),
        ("priority", ("0", ID, "")),
        ("priority", ("\uff11", ID)),
        ("priority", ("99999999999", ID)),
        ("position", ("a", ID)),
        ("position", ("{", ID)),
        ("title", ("a\0", ID)),
        ("created_at", ("", ID)),
    ],
)
def test_made_up_cursor_of_another_order_is_rejected(
    ada: Caller, order: str, key: tuple[str, ...]
) -> None:
    scope = f"{ada.user}\0tasks\0{order} asc\0statuses=['COMPLETED', 'OPEN']"
    by = {"field": order.upper(), "direction": "ASC"}
    good = {"due_on": "", "priority": "1", "position": "a0", "title": "x", "created_at": MOMENT}
    page(ada, orderBy=by, after=pages.Cursors(scope).encode(good[order], ID))
    error = ada.error(PAGE, orderBy=by, after=pages.Cursors(scope).encode(*key))
    assert list(error["extensions"]["fields"]) == ["after"]


def test_operation_may_search_once(ada: Caller) -> None:
    """A search may read all text of the owner, and one operation may have ten lists."""
    ada.create("bread")
    search = 'filter: {search: "bread"}'
    once = ada(f"{{ tasks({search}) {{ totalCount nodes {{ title }} }} }}")["tasks"]
    assert once == {"totalCount": 1, "nodes": [{"title": "bread"}]}
    for twice in (
        f"{{ a: tasks({search}) {{ totalCount }} b: tasks({search}) {{ totalCount }} }}",
        f"{{ viewer {{ taskCount({search}) }} tasks({search}) {{ totalCount }} }}",
    ):
        assert ada.error(twice)["extensions"] == {"code": "OPERATION_TOO_LARGE"}
    nothing = 'a: tasks(filter: {search: " "}) { totalCount }'
    assert ada(f"{{ {nothing} {nothing.replace('a:', 'b:')} }}")["b"] == {"totalCount": 1}


def test_search_for_a_word_that_almost_matches_is_not_slower(
    new_caller: Callable[[], Caller],
) -> None:
    """LIKE compares up to the whole word at each position, which took 260 times as long."""
    someone = new_caller()
    inputs = [{"title": "a", "description": "a" * 10_000}] * 100
    for _ in range(5):
        someone(
            "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }",
            i=inputs,
        )

    def took(word: str) -> float:
        began = time.perf_counter()
        counted = someone(
            "query ($w: String) { viewer { taskCount(filter: {search: $w}) } }", w=word
        )
        assert counted["viewer"]["taskCount"] == 0
        return time.perf_counter() - began

    plain = min(took("xyz") for _ in range(3))
    assert min(took("a" * 199 + "b") for _ in range(3)) < 25 * plain
    assert min(took("b" + "a" * 199) for _ in range(3)) < 25 * plain


@pytest.mark.parametrize(
    ("search", "is_found"), [("οδος", True), ("ΟΔΟΣ", True), ("Weiß(e)", True), ("weiß.e.", False)]
)
def test_label_is_found_in_any_case(ada: Caller, search: str, *, is_found: bool) -> None:
    """Labels are stored in lower case, which differs from case folding: ß and ς stay."""
    ada.create("Labelled", labels=["ΟΔΟΣ", "Weiß(e)"])
    query = "query ($s: String) { viewer { taskCount(filter: {search: $s}) } }"
    assert ada(query, s=search)["viewer"]["taskCount"] == is_found
