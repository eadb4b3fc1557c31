"""What the sockets and streams of one owner may hold in memory."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from api.errors import Problem, RateLimited, Unavailable
from api.graphql.owner import Owner
from tests.graphql.ticks import TICKS, Client, Running, acknowledged, constant, run, until

LONG = "{ long(size: 1000000) }"


async def settled(server: Running) -> int:
    """Return the number of executed queries once it no longer grows."""
    return await constant(lambda: len(server.world.ran))


async def ids(client: Client, messages: int) -> int:
    """Return how many different ids the next messages have."""
    return len({(await client.receive())["id"] for _ in range(messages)})


async def connect(clients: AsyncExitStack, server: Running) -> Client:
    """Open a socket whose client reads almost nothing."""
    return await clients.enter_async_context(acknowledged(server.url, max_queue=1))


def test_owner_whose_clients_read_nothing_has_few_unsent_results() -> None:
    """Each kernel and each client buffer some megabytes. The API holds only a few results."""

    async def test(server: Running) -> None:
        async with AsyncExitStack() as clients:
            opened = [await connect(clients, server) for _ in range(3)]
            for client in opened:
                for number in range(15):
                    await client.subscribe(str(number), LONG)
            await until(lambda: server.world.ran)
            assert await settled(server) < 40
            async with acknowledged(server.url, "bob") as bob:
                await bob.subscribe("a", "{ me }")
                assert (await bob.receive())["payload"] == {"data": {"me": "bob"}}
            counts = await asyncio.gather(*(ids(client, 30) for client in opened))
            assert counts == [15] * len(opened)

    run(test, owner=partial(Owner, most_unsent=2_000_000))


def test_events_wait_while_the_owner_has_too_many_unsent_results() -> None:
    async def test(server: Running) -> None:
        async with AsyncExitStack() as clients:
            stuck, other = await connect(clients, server), await connect(clients, server)
            for number in range(15):
                await stuck.subscribe(str(number), LONG)
            await until(lambda: server.world.ran)
            await settled(server)
            await other.subscribe("s", TICKS)
            await until(lambda: server.world.open)
            await server.world.tick()
            await until(lambda: server.world.pulled)
            await settled(server)
            assert not server.world.begun
            assert await ids(stuck, 30) == 15
            assert (await other.receive())["payload"]["data"]["ticks"]["number"] == 1

    run(test, owner=partial(Owner, most_unsent=1))


def test_result_that_waits_for_events_of_the_same_socket_is_sent() -> None:
    """An event that waits for room must not hold the turn of the socket: the result needs it."""

    async def test(server: Running) -> None:
        async with AsyncExitStack() as clients:
            client = await connect(clients, server)
            for id in ("a", "b", "c"):
                await client.subscribe(id, "subscription { flood(size: 100000) { text } }")
            await constant(lambda: server.world.pulled)  # one is being sent, and two wait
            await client.subscribe("q", LONG)
            await until(lambda: server.world.ran)
            while (message := await client.receive())["id"] != "q":
                pass
            assert message["type"] == "next"
            client.connection.transport.abort()

    run(test, owner=partial(Owner, most_unsent=500_000))


def test_operations_with_too_many_bytes_are_refused_until_others_end() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client, acknowledged(server.url) as other:
            await client.subscribe("1", TICKS, unknown="x" * 100_000)
            await until(lambda: server.world.open)
            await other.subscribe("2", TICKS)
            refused = await other.receive()
            assert (refused["type"], refused["id"]) == ("error", "2")
            assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            await client.send("complete", id="1")
            await until(lambda: not server.world.open)
            await other.subscribe("2", "{ me }")
            assert (await other.receive())["type"] == "next"

    run(test, owner=partial(Owner, most_reserved=100_000))


def test_few_queries_of_an_owner_are_executed_at_a_time() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client, acknowledged(server.url) as other:
            for number in range(5):
                await client.subscribe(str(number), "{ slow }")
                await other.subscribe(str(number), "{ slow }")
            assert await settled(server) == 2
            server.world.hold.set()
            for each in (client, other):
                assert await ids(each, 10) == 5

    run(test, owner=partial(Owner, executions=2))


def test_query_that_has_not_begun_is_dropped_with_its_socket() -> None:
    """A dropped socket counts until its operations have ended, so that they are limited."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            for number in range(5):
                await client.subscribe(str(number), "{ slow }")
            await until(lambda: server.world.ran)
            client.connection.transport.abort()
        await until(lambda: not server.state.connections)
        assert len(server.sessions) == 1
        server.world.hold.set()
        await until(lambda: not len(server.sessions))
        assert server.world.ran == ["slow begins", "slow ends"]

    run(test, owner=partial(Owner, executions=1))


@pytest.mark.parametrize("problem", [Unavailable(), RateLimited()])
def test_event_that_lacks_a_part_for_now_is_not_delivered(problem: Problem) -> None:
    """The client connects again, and resumes from the cursor of the event before."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "subscription { ticks { number outage } }")
            await until(lambda: server.world.open)
            await server.world.tick()
            tick = {"number": 1, "outage": 1}
            assert (await client.receive())["payload"] == {"data": {"ticks": tick}}
            server.world.failing = problem
            await server.world.tick()
            assert await client.close_code() == 1013

    run(test)
