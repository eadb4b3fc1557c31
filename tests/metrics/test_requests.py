"""Requests are counted by operation, status and code, and their parts are timed."""

import asyncio
import secrets

from api.metrics.requests import MAX_NAMES, OTHER, PARTS
from tests import plain
from tests.graphql.ticks import acknowledged
from tests.metrics.scraping import Scraped, Watched
from tests.waiting import wait_until

TOTAL = "tasks_api_requests_total"
CREATE = 'mutation CreateTask { createTask(input: {title: "Watered the plants"}) { task { id } } }'
MISSING = 'mutation UpdateTask { updateTask(id: "none", patch: {title: "x"}) { task { id } } }'


def test_request_is_counted_by_operation_status_and_code_and_its_parts_are_timed(
    watched: Watched,
) -> None:
    ada = watched.caller()
    before = watched.scrape()
    ada(CREATE)
    assert ada.post(MISSING).json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert plain.post(f"{ada.url}/graphql", json={"query": CREATE}).status_code == 401
    assert ada.post("{ none }").status_code == 200

    last = {"operation": "", "code": "GRAPHQL_VALIDATION_FAILED"}
    wait_until(lambda: watched.scrape()(TOTAL, **last) > before(TOTAL, **last), "all are counted")
    after = watched.scrape()

    def counted(**labels: str) -> float:
        return after(TOTAL, **labels) - before(TOTAL, **labels)

    graphql = {"transport": "http", "route": "/graphql"}
    assert counted(**graphql, operation="CreateTask", status="200", code="") == 1
    assert counted(**graphql, operation="UpdateTask", status="200", code="NOT_FOUND") == 1
    assert counted(**graphql, operation="", status="401", code="UNAUTHENTICATED") == 1
    assert counted(**graphql, **last) == 1
    durations = "tasks_api_request_seconds_count"
    assert after(durations) - before(durations) >= 4
    spent = {part: _seconds(after, part) - _seconds(before, part) for part in PARTS}
    assert all(seconds > 0 for part, seconds in spent.items() if part != "compile"), spent
    named = {"operation": "CreateTask"}
    assert after("tasks_api_operation_seconds_total", **named) > 0
    errors = "tasks_api_errors_total"
    assert after(errors, code="NOT_FOUND") - before(errors, code="NOT_FOUND") == 1
    assert ada.user not in plain.get(watched.url).text


def _seconds(scraped: Scraped, part: str) -> float:
    return scraped("tasks_api_part_seconds_sum", part=part)


def test_compiled_operations_are_counted(watched: Watched) -> None:
    ada = watched.caller()

    def counted(outcome: str) -> float:
        return watched.scrape()("tasks_api_compiled_total", outcome=outcome)

    missed, taken = counted("missed"), counted("taken")
    query = f"query Tasks {{ {secrets.token_hex(4).translate(LETTERS)}: viewer {{ id }} }}"
    for _ in range(20):
        ada(query)
    wait_until(lambda: counted("taken") + counted("missed") == taken + missed + 20, "counted")
    assert counted("missed") > missed  # the first requests are executed by graphql-core
    assert counted("taken") > taken


LETTERS = str.maketrans("0123456789", "ghijklmnop")


def test_operation_over_a_websocket_is_counted(watched: Watched) -> None:
    ada = watched.caller()
    before = watched.scrape()

    async def attempt() -> None:
        async with acknowledged(f"{ada.url}/graphql", ada.token) as client:
            assert open_sockets(watched) == 1
            await client.subscribe("a", "query Tasks { viewer { id } }")
            assert (await client.receive())["type"] == "next"

    asyncio.run(attempt())
    labels = {"transport": "websocket", "operation": "Tasks", "status": "", "code": ""}
    wait_until(
        lambda: watched.scrape()(TOTAL, **labels) == before(TOTAL, **labels) + 1, "is counted"
    )


def open_sockets(server: Watched) -> float:
    """Return the number of open WebSockets, when it has been sampled."""
    wait_until(lambda: server.scrape()("tasks_api_sessions", transport="websocket"), "sampled")
    return server.scrape()("tasks_api_sessions", transport="websocket")


def test_names_that_clients_invent_are_bounded(watched: Watched) -> None:
    ada = watched.caller()
    trusted = len(watched.scrape().labels(TOTAL, "operation"))
    for name in _invented(MAX_NAMES + 20):
        ada(f"query {name} {{ viewer {{ id }} }}")
    wait_until(lambda: watched.scrape()(TOTAL, operation=OTHER) >= 20, "the others are counted")
    now = watched.scrape()
    assert len(now.labels(TOTAL, "operation")) <= trusted + MAX_NAMES + 1
    before = now(TOTAL, operation="UpdateTask")
    ada.post(MISSING)  # a trusted document has this name
    wait_until(lambda: watched.scrape()(TOTAL, operation="UpdateTask") == before + 1, "by name")


def _invented(number: int) -> list[str]:
    return [f"Invented{secrets.token_hex(4)}" for _ in range(number)]
