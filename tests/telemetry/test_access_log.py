"""The access log has one line for each request, without anything that users wrote."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed

from api.telemetry.access_log import OwnerHash, access_log
from api.telemetry.records import Observers
from tests import plain, sse, stack, websocket
from tests.conftest import SECRET, Caller, mint
from tests.events import purged, push
from tests.waiting import wait_until
from tests.wire import connected

FOUND = "query Found($filter: TaskFilter) { tasks(filter: $filter) { nodes { title } } }"
CREATE = "mutation Create($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }"


@pytest.fixture(scope="module")
def server(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    env = settings | {"LOG_FORMAT": "json", "SLOW_STATEMENT_MS": "1"}
    running = stack.api(tmp_path_factory.mktemp("logging"), env, "--access-log")
    yield running
    running.stop()


@pytest.fixture
def eve(server: stack.Server) -> Caller:
    return Caller.new(server.url)


def lines(server: stack.Server, **members: object) -> list[dict[str, Any]]:
    """Return the lines with these members. Each line of the log must be a JSON object."""
    objects = [dict(json.loads(line)) for line in server.lines]
    return [line for line in objects if members.items() <= line.items()]


def line_of(server: stack.Server, **members: object) -> dict[str, Any]:
    """Wait for a line with these members, and return it."""
    wait_until(lambda: bool(lines(server, **members)), f"no line has {members}")
    return lines(server, **members)[0]


def test_request_has_one_line_with_its_operation_cost_and_duration(
    server: stack.Server, eve: Caller
) -> None:
    eve.post(FOUND)  # the first request also reads the revocations
    response = eve.post(FOUND)
    line = line_of(server, request_id=response.headers["x-request-id"])
    assert line.pop("time").endswith("Z")
    assert line.pop("duration_ms") > 0
    assert line.pop("cost") > 0
    assert line.pop("owner") == line_of(server, operation="Found")["owner"]
    assert line == {
        "level": "info",
        "logger": "api.access",
        "message": "request",
        "request_id": response.headers["x-request-id"],
        "transport": "http",
        "method": "POST",
        "route": "/graphql",
        "status": 200,
        "operation": "Found",
        "type": "query",
        "compiled": line["compiled"],
        "statements": 1,
    }


def test_refused_request_has_its_code(server: stack.Server) -> None:
    response = plain.post(f"{server.url}/graphql")
    line = line_of(server, request_id=response.headers["x-request-id"])
    assert (line["status"], line["codes"]) == (401, ["UNAUTHENTICATED"])
    assert "owner" not in line


def test_stream_that_the_server_ends_has_its_code(server: stack.Server, eve: Caller) -> None:
    with sse.subscribed(eve, "subscription Ended { taskChanges { cursor } }") as stream:
        assert push(server.url, purged(eve.user)).status_code == 202
        assert b"UNAUTHENTICATED" in stream.next()
    line = line_of(server, operation="Ended")
    assert (line["transport"], line["status"]) == ("sse", 200)
    assert line["codes"] == ["UNAUTHENTICATED"]


def test_all_lines_of_a_request_have_its_id(server: stack.Server) -> None:
    headers = {"Authorization": f"Bearer {mint('someone', exp=1)}", "X-Request-Id": "mine"}
    plain.post(f"{server.url}/graphql", headers=headers)
    line_of(server, request_id="mine", message="request")
    assert lines(server, request_id="mine", logger="api.identity.auth")


def test_slow_statement_has_a_line_with_its_request(server: stack.Server, eve: Caller) -> None:
    def is_logged() -> bool:
        """Create a task. At most one slow statement a second is logged."""
        eve.post(CREATE, {"i": {"title": "seldom fast"}})
        return bool(lines(server, logger="api.postgres.slow_statements", operation="Create"))

    wait_until(is_logged, "no statement took a millisecond")
    line = lines(server, logger="api.postgres.slow_statements", operation="Create")[0]
    assert line["message"].startswith("slow statement")
    assert line["level"] == "warning"
    assert line["duration_ms"] >= 1
    assert "tasks." in line["statement"]
    request = line_of(server, message="request", request_id=line["request_id"])
    assert line["owner"] == request["owner"]


def send_everything(server: stack.Server, canary: Callable[[], str]) -> None:
    """Send requests of every kind, with new canaries wherever a client can write a text."""
    url = f"{server.url}/graphql"
    user = canary()
    caller = Caller(server.url, user, mint(user, email=f"{canary()}@example.com"))
    caller.create(canary(), description=canary(), labels=[canary()])
    caller.post(CREATE, {"i": {"title": canary() * 100}})
    caller.post(CREATE, {"i": {"title": {canary(): canary()}}})
    caller.post(CREATE, {"i": {"title": f"{canary()}\ud800"}})
    for _ in range(3):
        caller.post(FOUND, {"filter": {"search": canary()}})
    caller.post(f'{{ tasks(filter: {{ search: "{canary()}" }}) {{ nodes {{ id }} }} }}')
    caller.post(f'{{ tasks(after: "{canary()}") {{ nodes {{ id }} }} }}')
    caller.post(f'{{ task(id: "{canary()}") {{ id }} }}')
    caller.post(f'{{ none(a: "{canary()}") }} {canary()} "')
    caller.post(f"{{ {canary().replace('-', '_')} }}")
    headers = {"Authorization": f"Bearer {caller.token}"}
    plain.get(f"{url}?query={quote(f'{{ viewer {{ id }} }} # {canary()}')}", headers=headers)
    plain.get(f"{url}?query={canary()}&variables={canary()}", headers=headers)
    plain.post(url, content=canary(), headers=headers)
    plain.post(url, headers={"Authorization": f"Bearer {canary()}"})
    plain.post(url, headers={"Authorization": canary()})
    plain.post(url, headers={"X-Request-Id": f"{canary()} {canary()}", "Cookie": canary()})
    plain.post(f"{url}/{canary()}?{canary()}", content=canary())
    plain.options(url, headers={"Origin": f"http://{canary()}"})
    plain.post(f"{server.url}/events", content=canary())
    secevent = {"Content-Type": "application/secevent+jwt"}
    plain.post(f"{server.url}/events", content=canary(), headers=secevent)
    plain.post(f"{server.url}/events", content=caller.token, headers=secevent)
    with connected(server.url) as stranger:
        stranger.sendall(f"{canary()}\r\n\r\n".encode())
        stranger.makefile("rb").read()
    with websocket.subscribed(caller, f'{{ task(id: "{canary()}") {{ id }} }}') as socket:
        socket.next()
        socket.send(canary(), payload=canary())
        with suppress(ConnectionClosed):
            socket.receive()
    stranger_to_us = Caller(server.url, user, canary())
    with suppress(ConnectionClosed), websocket.subscribed(stranger_to_us, canary()) as socket:
        socket.receive()
    changes = f'subscription {{ taskChanges(after: "{canary()}") {{ cursor }} }}'
    with sse.subscribed(caller, changes):
        pass


def test_log_has_no_token_and_no_text_of_any_request(server: stack.Server) -> None:
    canaries: list[str] = []

    def canary() -> str:
        canaries.append(f"canary-{secrets.token_hex(6)}")
        return canaries[-1]

    send_everything(server, canary)
    plain.get(f"{server.url}/health/live", headers={"X-Request-Id": "last"})
    line_of(server, request_id="last")
    printed = "\n".join(server.lines)
    assert len(canaries) > 30
    assert not [found for found in [*canaries, "canary", "eyJ", SECRET] if found in printed]
    assert "example.com" not in printed


def test_owner_has_the_same_hash_for_every_observer_with_the_key() -> None:
    written: list[bytes] = []
    for key in (b"one", b"one", b"another"):
        observers = Observers([access_log("json", OwnerHash(key), written.append)])
        observers.begin_operation("someone").end()
    first, second, third = (json.loads(line)["owner"] for line in written)
    assert first == second == OwnerHash(b"one")("someone")
    assert third != first
    assert len(first) == 12
