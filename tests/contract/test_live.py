"""Live changes over WebSockets and server-sent events, from the token to the database."""

import asyncio
import resource
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest
from websockets.exceptions import InvalidStatus

from tests import stack
from tests.conftest import SITE, Caller, mint
from tests.events import purged, push, revoked
from tests.graphql.ticks import Client, acknowledged
from tests.sse import subscribed
from tests.waiting import PATIENCE, SLACK

CHANGES = """subscription ($after: String) {
  taskChanges(after: $after) { kind taskId task { title project { name } } cursor }
}"""
CURSOR = "{ viewer { changeCursor } }"


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test, which fails if it takes too long."""
    asyncio.run(asyncio.wait_for(test, PATIENCE))


async def writing(write: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Write in another thread, because the client over HTTP would block the sockets."""
    return await asyncio.to_thread(write, *arguments, **named)


async def change(client: Client, id: str = "a") -> Any:
    """Receive the next event of a subscription, and return the change in it."""
    message = await client.receive()
    assert (message["type"], message["id"]) == ("next", id), message
    return message["payload"]["data"]["taskChanges"]


def cursor(caller: Caller) -> str:
    return str(caller(CURSOR)["viewer"]["changeCursor"])


def test_only_pages_of_allowed_origins_connect_and_only_to_graphql(ada: Caller) -> None:
    async def test() -> None:
        async with acknowledged(f"{ada.url}/graphql", ada.token, origin=SITE):
            pass
        for path, origin, status in (("graphql", ada.url, 403), ("", SITE, 404)):
            with pytest.raises(InvalidStatus) as refused:
                async with acknowledged(f"{ada.url}/{path}", ada.token, origin=origin):
                    pass
            assert refused.value.response.status_code == status

    run(test())


def test_two_owners_get_their_own_changes_at_once(ada: Caller, bob: Caller) -> None:
    async def test() -> None:
        url = f"{ada.url}/graphql"
        async with acknowledged(url, ada.token) as of_ada, acknowledged(url, bob.token) as of_bob:
            for caller, client in ((ada, of_ada), (bob, of_bob)):
                after = await writing(cursor, caller)
                await client.subscribe("a", CHANGES, after=after)
            for number in range(3):
                for caller, client in ((ada, of_ada), (bob, of_bob)):
                    task = await writing(caller.create, f"{caller.user} {number}")
                    began = time.monotonic()
                    got = await change(client)
                    assert time.monotonic() - began < 1 + SLACK
                    assert (got["kind"], got["taskId"]) == ("SAVED", task["id"])
                    assert got["task"] == {"title": f"{caller.user} {number}", "project": None}

    run(test())


def test_client_that_reconnects_with_its_cursor_misses_nothing(ada: Caller) -> None:
    async def test() -> None:
        url, seen = f"{ada.url}/graphql", []
        after = await writing(cursor, ada)
        for number in range(4):
            await writing(ada.create, f"while away {number}")
            async with acknowledged(url, ada.token) as client:
                await client.subscribe("a", CHANGES, after=after)
                got = await change(client)
                seen.append(got["task"]["title"])
                after = got["cursor"]
        assert seen == [f"while away {number}" for number in range(4)]

    run(test())


def test_mutation_over_a_socket_wakes_a_subscription_of_the_same_socket(ada: Caller) -> None:
    async def test() -> None:
        async with acknowledged(f"{ada.url}/graphql", ada.token) as client:
            after = await writing(cursor, ada)
            await client.subscribe("a", CHANGES, after=after)
            create = 'mutation { createTask(input: {title: "mine"}) { task { title } } }'
            await client.subscribe("m", create)
            messages = [await client.receive() for _ in range(3)]
            assert {(each["type"], each["id"]) for each in messages} == {
                ("next", "a"),
                ("next", "m"),
                ("complete", "m"),
            }

    run(test())


@pytest.mark.parametrize("ends", [revoked, purged])
def test_revoked_session_closes_its_socket_and_no_other(
    ends: Callable[..., dict[str, object]], ada: Caller
) -> None:
    async def test() -> None:
        url = f"{ada.url}/graphql"
        other = mint(ada.user)
        sid = jwt.decode(ada.token, options={"verify_signature": False})["sid"]
        async with acknowledged(url, ada.token) as ended, acknowledged(url, other) as kept:
            await ended.subscribe("a", CHANGES)
            await kept.subscribe("a", CHANGES, after=await writing(cursor, ada))
            event = ends(ada.user, sid) if ends is revoked else ends(ada.user)
            began = time.monotonic()
            assert (await writing(push, ada.url, event)).status_code == 202
            assert await ended.close_code() == 4403
            assert time.monotonic() - began < 1 + SLACK
            if ends is purged:
                assert await kept.close_code() == 4403
            else:
                await writing(Caller(ada.url, ada.user, other).create, "still here")
                assert (await change(kept))["task"]["title"] == "still here"

    run(test())


def test_cursor_of_another_owner_ends_the_subscription_with_an_error(
    ada: Caller, bob: Caller
) -> None:
    async def test() -> None:
        await writing(bob.create)
        async with acknowledged(f"{ada.url}/graphql", ada.token) as client:
            await client.subscribe("a", CHANGES, after=await writing(cursor, bob))
            message = await client.receive()
            assert message["type"] == "error"
            [error] = message["payload"]
            assert error["path"] == ["taskChanges"]
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
            assert error["extensions"]["reason"] == "CURSOR_EXPIRED"
            await client.subscribe("a", CURSOR)
            assert (await client.receive())["type"] == "next"

    run(test())


def test_stream_of_events_resumes_from_a_cursor_and_ends_with_the_session(ada: Caller) -> None:
    after = cursor(ada)
    ada.create("first")
    ada.create("second")
    with subscribed(ada, CHANGES, {"after": after}) as stream:
        first = stream.data()["taskChanges"]
        assert first["task"]["title"] == "first"
    with subscribed(ada, CHANGES, {"after": first["cursor"]}) as stream:
        assert stream.data()["taskChanges"]["task"]["title"] == "second"
        ada.create("third")
        assert stream.data()["taskChanges"]["task"]["title"] == "third"
        sid = jwt.decode(ada.token, options={"verify_signature": False})["sid"]
        assert push(ada.url, revoked(ada.user, sid)).status_code == 202
        assert b"UNAUTHENTICATED" in stream.next()
        with pytest.raises(StopIteration):
            stream.next()


@pytest.mark.prove
def test_idle_socket_takes_at_most_24_kib(settings: dict[str, str], tmp_path: Path) -> None:
    """Each socket has a token of its own, and has run a query."""
    count = 1_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 1_000), hard))
    server = stack.api(tmp_path, settings)
    memory = psutil.Process(server.child.process.pid).memory_info

    async def test() -> None:
        async with AsyncExitStack() as clients:

            async def connect(number: int) -> None:
                token = mint(f"idle-{number}")
                url = f"{server.url}/graphql"
                client = await clients.enter_async_context(acknowledged(url, token))
                await client.subscribe("a", CURSOR)
                assert (await client.receive())["type"] == "next"

            for number in range(100):
                await connect(number)
            before = memory().rss
            for number in range(100, 100 + count):
                await connect(number)
            assert (memory().rss - before) / count <= 24 * 1024

    try:
        run(test())
    finally:
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
