"""Each request and each operation over a socket has one record of what it did."""

import json
import re
import secrets
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.telemetry.records import (
    MAX_ID,
    MAX_NAME,
    MAX_SPANS,
    Observers,
    Record,
    current,
    ended,
    leave,
)
from tests import plain, sse, stack, websocket
from tests.conftest import Caller
from tests.waiting import wait_until

QUERY = "query Tasks { tasks(first: 1) { nodes { id } } }"


class Recording(stack.Server):
    """A server that prints the records of its requests."""

    def find(self, **fields: object) -> list[dict[str, Any]]:
        """Return the records that have these values in their fields."""
        lines = [line.removeprefix("record ") for line in self.lines if line.startswith("record ")]
        records = [dict(json.loads(line)) for line in lines]
        return [record for record in records if fields.items() <= record.items()]

    def record(self, **fields: object) -> dict[str, Any]:
        """Wait for a record that has these values in its fields, and return it."""
        wait_until(lambda: bool(self.find(**fields)), f"no record has {fields}")
        return self.find(**fields)[-1]

    def record_of(self, response: httpx.Response) -> dict[str, Any]:
        """Wait for the record of the request that got this response, and return it."""
        return self.record(request_id=response.headers["x-request-id"])


@pytest.fixture(scope="module")
def server(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    running = Recording(
        [sys.executable, "-m", "tests.recording"],
        tmp_path_factory.mktemp("recording"),
        settings,
        r"running on (http://\S+)",
    )
    yield running
    running.stop()


@pytest.fixture
def eve(server: Recording) -> Caller:
    return Caller.new(server.url)


def test_request_is_recorded_with_all_of_its_parts(server: Recording, eve: Caller) -> None:
    for _ in range(2):
        response = eve.post(QUERY)
    record = server.record_of(response)
    assert record["transport"] == "http"
    assert (record["method"], record["route"]) == ("POST", "/graphql")
    assert (record["operation_name"], record["operation_type"]) == ("Tasks", "query")
    assert record["owner"] == eve.user
    assert record["cost"] > 0
    assert record["statements"] == 1
    assert (record["status"], record["codes"]) == (200, {})
    assert record["compiled"] == "taken"
    seconds = record["seconds"]
    assert seconds.keys() == {"token", "parse", "compile", "execute", "database", "encode"}
    assert seconds["execute"] > seconds["database"] > 0
    assert seconds["execute"] > seconds["compile"] > 0
    assert (
        sum(seconds[part] for part in ("token", "parse", "execute", "encode"))
        <= (record["duration"])
    )
    assert [part for part, *_ in record["spans"]] == [
        *("token", "parse", "compile", "database", "execute", "encode")
    ]


@pytest.mark.parametrize(
    ("query", "outcome", "reason"),
    [
        ("{ viewer { id } }", "missed", "requested too seldom"),
        ("query ($id: ID!) { task(id: $id) { id } }", "missed", "an error or a special value"),
        ("query ($n: Int!) { tasks(first: $n) { nodes { id } } }", "missed", "variables"),
    ],
)
def test_record_says_why_the_compiled_operation_was_not_taken(
    server: Recording, eve: Caller, query: str, outcome: str, reason: str
) -> None:
    requests = 1 if reason == "requested too seldom" else 2
    query += f" # {secrets.token_hex(8)}"
    for _ in range(requests):
        response = eve.post(query, {"id": "none", "n": "one"})
    record = server.record_of(response)
    assert (record["compiled"], record["compiled_reason"]) == (outcome, reason)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('{ task(id: "none") { id } }', "NOT_FOUND"),
        ("query ($n: Int!) { tasks(first: $n) { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_REQUEST"),
    ],
)
def test_codes_of_errors_are_recorded_over_every_transport(
    server: Recording, eve: Caller, query: str, code: str
) -> None:
    response = eve.post(query)
    assert server.record_of(response)["codes"] == {code: 1}
    with websocket.subscribed(eve, query) as socket:
        socket.next()
    assert server.record(transport="websocket", owner=eve.user)["codes"] == {code: 1}


def test_refused_request_is_recorded_with_its_code_and_without_an_owner(server: Recording) -> None:
    response = plain.post(f"{server.url}/graphql", headers={"Authorization": "Bearer x.y.z"})
    record = server.record_of(response)
    assert (record["status"], record["codes"]) == (401, {"UNAUTHENTICATED": 1})
    assert record["owner"] == ""
    assert record["seconds"].keys() == {"token"}


def test_route_of_an_unknown_path_is_not_recorded(server: Recording) -> None:
    response = plain.get(f"{server.url}/secret")
    record = server.record_of(response)
    assert (record["status"], record["route"]) == (404, "")


@pytest.mark.parametrize("sent", ["a1-b2", "7f.3:9_=+/", "x" * MAX_ID])
def test_safe_request_id_is_taken_and_sent_back(server: Recording, sent: str) -> None:
    response = plain.get(f"{server.url}/health/live", headers={"X-Request-Id": sent})
    assert response.headers.get_list("x-request-id") == [sent]
    assert server.record(request_id=sent)["route"] == "/health/live"


@pytest.mark.parametrize("sent", ["", "x" * (MAX_ID + 1), "a b", '"', "{}", "a\tb", "\xe4"])
def test_unsafe_request_id_is_replaced(server: Recording, sent: str) -> None:
    headers = {b"X-Request-Id": sent.encode("latin-1")}
    response = plain.get(f"{server.url}/health/live", headers=headers)
    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])


def test_stream_is_recorded_when_it_ends(server: Recording, eve: Caller) -> None:
    query = "subscription Stream { taskChanges { cursor } }"
    with sse.subscribed(eve, query) as stream:
        request_id = stream.response.headers["x-request-id"]
        assert not server.find(request_id=request_id)
    record = server.record(request_id=request_id)
    assert (record["transport"], record["operation_name"]) == ("sse", "Stream")
    assert record["operation_type"] == "subscription"


def test_operations_of_a_socket_have_records_of_their_own(server: Recording, eve: Caller) -> None:
    name = f"Socket{secrets.token_hex(4)}"
    with websocket.subscribed(eve, QUERY.replace("Tasks", name)) as socket:
        socket.next()
    record = server.record(operation_name=name)
    assert (record["transport"], record["operation_type"]) == ("websocket", "query")
    assert (record["owner"], record["statements"]) == (eve.user, 1)
    assert record["status"] is None
    assert record["seconds"].keys() >= {"parse", "execute", "database", "encode"}


def test_long_name_of_an_operation_is_cut(server: Recording, eve: Caller) -> None:
    response = eve.post(f"query {'x' * 200} {{ viewer {{ id }} }}")
    record = server.record_of(response)
    assert record["operation_name"] == "x" * MAX_NAME


def test_failing_observer_fails_no_request_and_hinders_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    records: list[Record] = []

    def fail(_: Record) -> None:
        raise ZeroDivisionError

    record = Observers([fail, records.append]).begin_operation("someone")
    record.end()
    leave()
    assert records == [record]
    assert "an observer of requests failed" in caplog.text


def test_spans_are_bounded_and_kept_only_if_wanted() -> None:
    for keep_spans in (True, False):
        observers = Observers([lambda _: None], keep_spans=keep_spans)
        record = observers.begin_operation("someone")
        for _ in range(2 * MAX_SPANS):
            ended("database", record.began)
        assert len(record.spans or []) == (MAX_SPANS if keep_spans else 0)
        assert record.seconds["database"] > 0
    leave()
    assert current() is None


def test_without_observers_no_time_is_recorded() -> None:
    record = Observers().begin_operation("someone")
    ended("database", record.began)
    leave()
    assert record.seconds == {}
