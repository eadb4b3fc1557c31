"""Open sockets and streams: backpressure, draining, and what a client leaves behind."""

import asyncio
import gc
import os
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from graphql.execution.collect_fields import CollectedFields
from websockets.exceptions import InvalidStatus

from api.graphql.execution import Replaying
from api.graphql.socket_protocol import Socket
from api.serving.websocket import BoundedWebSocket
from tests.graphql.ticks import (
    TICKS,
    Client,
    Running,
    World,
    acknowledged,
    connected,
    constant,
    run,
    until,
)
from tests.waiting import SLACK

DROPS = int(os.environ.get("DROPS", "100"))
"""How often each kind of client is dropped. `make prove` drops more."""
KINDS = ("Socket", "_Frames", "BoundedWebSocket", "BoundedHttp", "Task", "async_generator")
FLOOD = "subscription { flood(size: 10000) { number text } }"


class Impatient(BoundedWebSocket):
    """A WebSocket with a short deadline for its client to read."""

    write_timeout = 0.4


def test_client_that_reads_nothing_stops_its_subscription() -> None:
    """The source is asked for no more events than the buffers hold."""
    paused_at: list[int] = []

    class Observed(BoundedWebSocket):
        def pause_writing(self) -> None:
            paused_at.append(world[0].pulled)
            super().pause_writing()

    async def test(server: Running) -> None:
        world.append(server.world)
        async with acknowledged(server.url, max_queue=1) as client:
            await client.subscribe("a", FLOOD)
            pulled = await constant(lambda: server.world.pulled)
            assert 0 < pulled < 2_000
            assert pulled == paused_at[-1]  # no event was taken after the buffer was full
            for number in range(1, pulled + 100):
                message = await client.receive()
                assert message["payload"]["data"]["flood"]["number"] == number
            client.connection.transport.abort()
        await until(lambda: not server.world.open)

    world: list[World] = []
    run(test, socket=Observed)


def test_client_that_reads_nothing_is_disconnected_after_the_deadline() -> None:
    async def test(server: Running) -> None:
        began = time.monotonic()
        async with acknowledged(server.url, max_queue=1) as client:
            for number in range(3):
                await client.subscribe(str(number), FLOOD)
            await until(lambda: server.world.open == 3)
            await until(lambda: not server.world.open and not len(server.sessions))
            assert time.monotonic() - began < Impatient.write_timeout + SLACK
            client.connection.transport.abort()

    run(test, socket=Impatient)


def test_expired_socket_that_reads_nothing_is_aborted() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url, max_queue=1) as client:
            await client.subscribe("a", FLOOD)
            await until(lambda: server.world.pulled > 10)
            await constant(lambda: server.world.pulled)
            server.revoke("ada")
            await until(lambda: not len(server.sessions))
            assert not server.world.open
            client.connection.transport.abort()

    run(test)


def _drop(client: Client) -> None:
    """Close the connection with a reset, as a machine that crashed does."""
    raw = client.connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.connection.transport.abort()


@pytest.mark.parametrize("query", [TICKS, "subscription { ticks { later } }", "{ slow }"])
def test_abrupt_drops_leave_no_task_generator_or_object(query: str) -> None:
    """A client may drop while it waits, while an event is executed, and while a query runs."""

    async def test(server: Running) -> None:
        world = server.world

        async def drop(number: int) -> None:
            async with acknowledged(server.url) as client:
                await client.subscribe("a", query)
                await until(lambda: world.open or len(world.ran) > 2 * number)
                if "later" in query:
                    begun = world.begun
                    await world.tick()
                    await until(lambda: world.begun > begun)
                _drop(client)
            if "slow" in query:
                world.hold.set()
            await until(lambda: not world.open)

        async def drop_many(times: int) -> int:
            world.ran.clear()
            for number in range(times):
                await drop(number)
            await server.wait_until_idle()
            gc.collect()
            return sum(type(each).__name__ in KINDS for each in gc.get_objects())

        before = await drop_many(3)
        assert await drop_many(DROPS) == before
        assert not len(server.sessions)

    run(test)


def test_closed_socket_leaves_no_reference_cycle() -> None:
    """Its memory is free at once, not after the next garbage collection."""

    async def test(server: Running) -> None:
        for drop in (False, True):
            async with acknowledged(server.url) as client:
                await client.subscribe("a", "{ me }")
                assert (await client.receive())["type"] == "next"
                if drop:
                    _drop(client)
            await server.wait_until_idle()
            assert held() - before == set()

    def held() -> set[int]:
        kinds = ("Socket", "_Frames", "BoundedWebSocket", "BoundedHttp")
        return {id(each) for each in gc.get_objects() if type(each).__name__ in kinds}

    gc.collect()
    before = held()  # a test that failed holds its objects
    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()


def test_dropped_socket_is_freed_without_a_garbage_collection() -> None:
    """Collections are rare, and a socket refers to messages of up to 1 MiB."""

    async def test(server: Running) -> None:
        async def drop() -> int:
            begun = server.world.begun
            async with acknowledged(server.url) as client:
                query = "subscription ($t: String!) { flood { later(text: $t) } }"
                await client.subscribe("a", query, t="a text")
                await until(lambda: server.world.begun > begun)
                _drop(client)
            await server.wait_until_idle()
            return sum(type(each) in {Replaying, Socket} for each in gc.get_objects())

        gc.collect()
        gc.disable()
        try:
            before = await drop()
            assert await drop() == before
        finally:
            gc.enable()

    run(test)


def test_failed_check_of_open_sockets_is_logged_and_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            server.world.check_fails = True
            before = server.world.checks
            await until(lambda: server.world.checks > before + 2)
            await client.send("ping")
            assert await client.receive() == {"type": "pong"}

    run(test)
    assert "the check of open sockets failed" in caplog.messages


def test_events_of_an_open_subscription_leave_nothing_in_memory() -> None:
    def collected() -> int:
        return sum(type(each) is CollectedFields for each in gc.get_objects())

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("s", TICKS)
            await until(lambda: server.world.open == 1)
            before = collected()
            for _ in range(20):
                await server.world.tick()
                assert (await client.receive())["type"] == "next"
            assert collected() < before + 10

    run(test)


@asynccontextmanager
async def waiting_event(server: Running) -> AsyncIterator[tuple[Client, asyncio.Event]]:
    """Open a socket with a subscription, of which an event waits at the rate limit.

    Yields the client, and what the event waits for.
    """
    async with acknowledged(server.url) as client:
        await client.subscribe("s", TICKS)
        await until(lambda: server.world.open == 1)
        allowed = server.world.events_allowed = asyncio.Event()
        await server.world.tick()
        await until(lambda: server.world.waiting == 1)
        yield client, allowed


def test_socket_answers_everything_else_while_an_event_waits_for_the_rate_limits() -> None:
    async def test(server: Running) -> None:
        async with waiting_event(server) as (client, allowed):
            await client.send("ping")
            assert await client.receive() == {"type": "pong"}
            await client.subscribe("q", "{ me }")
            assert (await client.receive())["payload"] == {"data": {"me": "ada"}}
            assert (await client.receive())["type"] == "complete"
            allowed.set()
            assert (await client.receive())["id"] == "s"

    run(test)


@pytest.mark.parametrize("how", ["complete", "drop", "revoke", "drain"])
def test_subscription_ends_while_an_event_waits_for_the_rate_limits(how: str) -> None:
    """The waiting event does not begin later."""

    async def test(server: Running) -> None:
        world = server.world
        async with waiting_event(server) as (client, _):
            if how == "complete":
                await client.send("complete", id="s")
                await until(lambda: not world.open)
            elif how == "revoke":
                server.revoke("ada")
                assert await client.close_code() == 4403
            elif how == "drain":
                await server.sessions.drain(0.2)
                assert await client.close_code() == 1001
            # To drop the socket, leave the block.
        await until(lambda: not world.waiting and not world.open)
        await server.wait_until_idle()
        assert world.begun == 0

    run(test)


def test_draining_server_sends_sockets_away_with_1001_after_their_operations() -> None:
    async def test(server: Running) -> None:
        async with (
            acknowledged(server.url) as writing,
            acknowledged(server.url) as busy,
            connected(server.url) as new,
        ):
            await writing.subscribe("m", 'mutation { write(name: "last") }')
            await busy.subscribe("a", TICKS)
            await until(lambda: server.world.open)
            draining = asyncio.create_task(server.sessions.drain(20))
            assert await busy.close_code() == 1001
            assert await new.close_code() == 1001
            await writing.subscribe("n", "{ me }")  # too late: the client repeats it elsewhere
            server.world.hold.set()
            assert (await writing.receive())["payload"] == {"data": {"write": "last"}}
            assert (await writing.receive())["type"] == "complete"
            assert await writing.close_code() == 1001
            await draining
            with pytest.raises(InvalidStatus) as refused:
                async with connected(server.url):
                    pass
            assert refused.value.response.status_code == 503

    run(test)


def test_draining_ends_in_time_though_an_operation_does_not() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "{ slow }")
            await until(lambda: server.world.ran)
            await server.sessions.drain(0.2)
            assert await client.close_code() == 1001

    run(test)


def test_draining_spreads_sockets_over_the_time() -> None:
    """There are more than a hundred for each second."""

    async def test(server: Running) -> None:
        async with AsyncExitStack() as clients:
            for _ in range(20):
                await clients.enter_async_context(acknowledged(server.url))
            began = time.monotonic()
            await server.sessions.drain(0.2)
            assert 20 * 0.2 * 0.8 / 20 <= time.monotonic() - began < SLACK
            await until(lambda: not len(server.sessions))

    run(test)
