"""The number of operations of one owner that run at a time, and their memory, are bounded."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest

from api.errors import Problem, RateLimited, Unavailable
from api.graphql.owner import EXECUTIONS, Owner
from tests import plain
from tests.graphql.ticks import TICKS, Client, Running, acknowledged, constant, run, until
from tests.waiting import PATIENCE

LONG = "{ long(size: 1000000) }"
QUEUED = 100


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


async def post(client: httpx.AsyncClient, server: Running, owner: str) -> int:
    """Send a request that waits until the test lets it continue. Return the status."""
    query = f'{{ slow(name: "{owner}") }}'
    headers = {"Authorization": f"Bearer {owner}"}
    response = await client.post(server.url, json={"query": query}, headers=headers)
    return response.status_code


def test_request_waits_for_few_of_the_queued_requests_of_another_owner() -> None:
    async def test(server: Running) -> None:
        ran = server.world.ran
        unlimited = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            limits=unlimited, timeout=PATIENCE, verify=plain.NO_TLS
        ) as client:
            queued = [asyncio.create_task(post(client, server, "ada")) for _ in range(QUEUED)]
            await until(lambda: len(server.state.connections) == QUEUED)
            await until(lambda: len(ran) >= EXECUTIONS)
            assert await settled(server) == EXECUTIONS
            other = asyncio.create_task(post(client, server, "bob"))
            await until(lambda: "bob begins" in ran)
            assert ran == ["ada begins"] * EXECUTIONS + ["bob begins"]
            server.world.hold.set()
            assert await asyncio.gather(other, *queued) == [200] * (1 + QUEUED)
            assert ran[: ran.index("bob ends")].count("ada ends") <= EXECUTIONS

    run(test, patience=PATIENCE)


def test_request_that_waits_too_long_for_others_of_its_owner_gets_503() -> None:
    async def test(server: Running) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE, verify=plain.NO_TLS) as client:
            running = asyncio.create_task(post(client, server, "ada"))
            await until(lambda: server.world.ran)
            assert await post(client, server, "ada") == 503
            server.world.hold.set()
            assert await running == 200

    run(test, patience=0.1, owner=partial(Owner, executions=1))


def test_operation_that_no_longer_waits_for_room_lets_another_one_begin() -> None:
    async def attempt() -> None:
        owner = Owner(most_unsent=1, executions=1)
        with owner.sending(1), pytest.raises(Unavailable):
            async with owner.execution(0.01):
                raise AssertionError("the operation began")
        async with owner.execution(0.01):
            pass

    asyncio.run(attempt())


def test_unread_responses_of_an_owner_are_bounded() -> None:
    async def test(server: Running) -> None:
        body = json.dumps({"query": "{ long(size: 8000000) }"})
        head = (
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "Authorization: Bearer ada\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        opened = []
        for _ in range(3 * EXECUTIONS):
            connection = socket.create_connection(("127.0.0.1", server.port))
            # The kernel of a client must not receive most of a response.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            reader, writer = await asyncio.open_connection(sock=connection, limit=65_536)
            writer.write((head + body).encode())
            opened.append((reader, writer))
        await until(lambda: server.world.ran)
        assert await settled(server) <= EXECUTIONS
        responses = await asyncio.gather(*(reader.read() for reader, _ in opened))
        assert all(len(response) > 8_000_000 for response in responses)
        for _, writer in opened:
            writer.close()

    run(test, patience=PATIENCE, owner=partial(Owner, most_unsent=1_000_000))


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
