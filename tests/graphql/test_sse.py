"""GraphQL as server-sent events, in the distinct connections mode."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from api.serving.connection import BoundedHttp
from tests import plain
from tests.graphql.ticks import TICKS, Running, World, constant, run, until
from tests.waiting import PATIENCE

STREAM = "text/event-stream"


class Events:
    """The events of a response, as they arrive."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Any:
        """Return the name and the data of the next event; a comment is one without a name."""
        lines = []
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line:
                    break
                lines.append(line)
        if not lines:
            return None
        if lines == [":"]:
            return ("", None)
        name, data = lines
        data = data.removeprefix("data:").strip()
        return name.removeprefix("event: "), json.loads(data) if data else None


@asynccontextmanager
async def streaming(
    server: Running,
    query: str,
    *,
    sent: str = "ada",
    accept: str = STREAM,
    method: str = "POST",
    **variables: object,
) -> AsyncIterator[Events]:
    """Send an operation, and read the response as it arrives."""
    headers = {"Authorization": f"Bearer {sent}", "Accept": accept}
    async with httpx.AsyncClient(verify=plain.NO_TLS, timeout=PATIENCE) as client:
        body = {"query": query, "variables": variables}
        asked: Any = {"json": body} if method == "POST" else {"params": {"query": query}}
        async with client.stream(method, server.url, headers=headers, **asked) as response:
            yield Events(response)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_query_is_one_event(method: str) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, "{ me }", method=method) as events:
            assert events.response.headers["content-type"] == f"{STREAM}; charset=utf-8"
            assert await events.next() == ("next", {"data": {"me": "ada"}})
            assert await events.next() == ("complete", None)
            assert await events.next() is None

    run(test)


def test_mutation_is_one_event() -> None:
    async def test(server: Running) -> None:
        server.world.hold.set()
        async with streaming(server, 'mutation { write(name: "w") }') as events:
            assert await events.next() == ("next", {"data": {"write": "w"}})
            assert await events.next() == ("complete", None)
        assert server.world.ran == ["w"]

    run(test)


def test_subscription_delivers_its_events_and_completes() -> None:
    async def test(server: Running) -> None:
        async with streaming(
            server, "subscription { upto(count: 2) { number missing } }"
        ) as events:
            for _ in range(2):
                name, data = await events.next()
                assert (name, data["data"]) == ("next", None)
                assert data["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            assert await events.next() == ("complete", None)
            assert await events.next() is None

    run(test)


def test_events_arrive_as_they_happen_and_a_disconnect_ends_the_subscription() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as ada, streaming(server, TICKS, sent="bob") as bob:
            await until(lambda: server.world.open == 2)
            for number in (1, 2):
                await server.world.tick()
                for events, owner in ((ada, "ada"), (bob, "bob")):
                    tick = {"number": number, "owner": owner}
                    assert await events.next() == ("next", {"data": {"ticks": tick}})
        await until(lambda: not server.world.open and not len(server.sessions))

    run(test)


def test_comments_keep_an_idle_stream_alive() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as events:
            assert await events.next() == ("", None)
            assert await events.next() == ("", None)

    run(test, heartbeat=0.05)


@pytest.mark.parametrize(
    "accept",
    [
        f"{STREAM}, multipart/mixed",
        f"application/graphql-response+json, application/json, {STREAM}, multipart/mixed",
        f"application/json, {STREAM};q=0.5",
    ],
)
def test_subscription_is_a_stream_whenever_the_client_accepts_one(accept: str) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS, accept=accept) as events:
            await until(lambda: server.world.open)
            await server.world.tick()
            assert (await events.next())[0] == "next"

    run(test)


@pytest.mark.parametrize("accept", [f"application/json, {STREAM}", f"{STREAM};q=0.5, */*"])
def test_query_is_a_stream_only_if_the_client_prefers_one(accept: str) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, "{ me }", accept=accept) as events:
            assert events.response.headers["content-type"] == "application/json"

    run(test)


@pytest.mark.parametrize("accept", ["application/json", "*/*", f"{STREAM};q=0, */*"])
def test_subscription_without_a_stream_is_a_bad_request_that_names_both_ways(accept: str) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS, accept=accept) as events:
            [error] = json.loads(await events.response.aread())["errors"]
        assert events.response.status_code == 400
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert "graphql-transport-ws" in error["message"]
        assert STREAM in error["message"]
        assert not server.world.open

    run(test)


@pytest.mark.parametrize(
    ("query", "variables", "status", "code"),
    [
        ("{", {}, 400, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        ("", {}, 400, "BAD_REQUEST"),
        ("subscription ($n: Int!) { upto(count: $n) { number } }", {}, 400, "BAD_USER_INPUT"),
        (
            "subscription ($n: Int = 1) { upto(count: $n) { number } }",
            {"n": None},
            400,
            "BAD_USER_INPUT",
        ),
    ],
)
def test_operation_that_cannot_run_is_refused_as_over_http(
    query: str, variables: dict[str, Any], status: int, code: str
) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, query, **variables) as events:
            [error, *_] = json.loads(await events.response.aread())["errors"]
        assert (events.response.status_code, error["extensions"]["code"]) == (status, code)
        assert not len(server.sessions)

    run(test)


def test_bad_token_and_too_many_streams_are_refused_with_their_status() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS, sent="ada:-1") as events:
            assert events.response.status_code == 401
        async with streaming(server, TICKS) as events:
            assert events.response.status_code == 200
            async with streaming(server, TICKS) as second:
                assert second.response.status_code == 429
            async with streaming(server, "{ me }") as query:
                assert query.response.status_code == 200
        server.world.unavailable = True
        async with streaming(server, TICKS) as events:
            assert events.response.status_code == 503

    run(test, most=1)


def test_get_may_not_subscribe() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS, method="GET") as events:
            assert events.response.status_code == 405

    run(test)


def test_error_of_the_first_step_is_an_event() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, "subscription { ticks(after: -1) { number } }") as events:
            name, data = await events.next()
            assert name == "next"
            [error] = data["errors"]
            assert error["path"] == ["ticks"]
            assert error["extensions"]["fields"] == {"after": "has expired"}
            assert await events.next() == ("complete", None)
            assert await events.next() is None

    run(test)


@pytest.mark.parametrize("expires", [True, False])
def test_stream_ends_with_an_error_when_its_token_expires_or_is_revoked(*, expires: bool) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS, sent="ada:0.4" if expires else "ada") as events:
            await until(lambda: server.world.open)
            if not expires:
                server.revoke("ada")
                server.revoke("ada")  # a poll may find what a notification has said before
            name, data = await events.next()
            assert name == "next"
            assert data["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            assert await events.next() == ("complete", None)
            assert await events.next() is None
        await until(lambda: not server.world.open)

    run(test)


def test_event_of_a_revoked_session_is_not_delivered() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as events:
            await until(lambda: server.world.open)
            server.world.revoked.add("ada")
            await server.world.tick()
            _, data = await events.next()
            assert "data" not in data

    run(test)


def test_unexpected_error_of_an_event_is_logged_and_ends_the_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as events:
            await until(lambda: server.world.open)
            server.world.refusing = LookupError("secret")
            await server.world.tick()
            name, data = await events.next()
            assert (name, [*data]) == ("next", ["errors"])
            [error] = data["errors"]
            assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert error["extensions"]["requestId"] in caplog.text
            assert "secret" not in str(error)
            assert await events.next() == ("complete", None)
            assert await events.next() is None
        assert not server.world.open

    run(test)


def test_stopping_server_that_no_longer_waits_ends_streams_without_complete() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as events:
            await until(lambda: server.world.open)
            server.cancel()
            assert await events.next() is None
        assert not server.world.open
        assert not len(server.sessions)

    run(test)


def test_draining_server_ends_streams_without_complete() -> None:
    async def test(server: Running) -> None:
        async with streaming(server, TICKS) as events:
            await until(lambda: server.world.open)
            await server.sessions.drain(5)
            assert await events.next() is None
        async with streaming(server, TICKS) as events:
            assert events.response.status_code == 503

    run(test)


def test_client_that_reads_nothing_stops_its_subscription() -> None:
    """No event is taken after the buffers are full."""
    world: list[World] = []
    paused_at: list[int] = []

    class Observed(BoundedHttp):
        def pause_writing(self) -> None:
            paused_at.append(world[0].pulled)
            super().pause_writing()

    async def test(server: Running) -> None:
        world.append(server.world)
        query = {"query": "subscription { flood(size: 10000) { number text } }"}
        body = json.dumps(query).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = [
            "POST /graphql HTTP/1.1",
            "Host: x",
            "Content-Type: application/json",
            f"Accept: {STREAM}",
            "Authorization: Bearer ada",
            f"Content-Length: {len(body)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await until(lambda: paused_at)
        pulled = await constant(lambda: server.world.pulled)
        assert pulled < 2_000
        assert pulled == paused_at[-1]
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
        await until(lambda: not server.world.open and not len(server.sessions))

    run(test, http=Observed)
