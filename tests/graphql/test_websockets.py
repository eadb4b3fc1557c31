"""GraphQL over WebSockets: close codes, messages out of order, owners and the end of sessions."""

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.types import Message
from websockets.exceptions import InvalidStatus, NegotiationError

from api.errors import BadUserInput, RateLimited, Unavailable
from api.graphql.sessions import Sessions
from tests.graphql.ticks import (
    ORIGIN,
    SUBPROTOCOL,
    TICKS,
    Client,
    Running,
    World,
    acknowledged,
    connected,
    run,
    sockets,
    until,
)
from tests.waiting import SLACK


def test_query_mutation_and_subscription_of_one_socket() -> None:
    async def test(server: Running) -> None:
        server.world.hold.set()
        async with acknowledged(server.url) as client:
            await client.subscribe("q", "{ me }")
            answer = {"data": {"me": "ada"}}
            assert await client.receive() == {"type": "next", "id": "q", "payload": answer}
            assert await client.receive() == {"type": "complete", "id": "q"}
            await client.subscribe("m", "mutation ($n: String!) { write(name: $n) }", n="w")
            answer = {"data": {"write": "w"}}
            assert await client.receive() == {"type": "next", "id": "m", "payload": answer}
            assert await client.receive() == {"type": "complete", "id": "m"}
            await client.subscribe("s", "subscription { upto(count: 2) { number } }")
            for number in range(2):
                event = {"data": {"upto": {"number": number}}}
                assert await client.receive() == {"type": "next", "id": "s", "payload": event}
            assert await client.receive() == {"type": "complete", "id": "s"}
            await client.subscribe("s", "{ me }")  # the id may be used again
            assert (await client.receive())["type"] == "next"

    run(test)


def test_ping_is_answered_before_and_after_initialisation_and_pong_is_ignored() -> None:
    async def test(server: Running) -> None:
        async with connected(server.url) as client:
            for _ in range(2):
                await client.send("pong")
                await client.send("ping", payload={"any": "thing"})
                assert await client.receive() == {"type": "pong"}

    run(test)


SUBSCRIBE = {"id": "a", "payload": {"query": "{ me }"}}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '"ping"',
        '{"type": "ping", "payload": NaN}',
        "[" * 100_000,
        '{"type": "\\ud800"}',
        b'{"type": "ping"}',
        json.dumps({}),
        json.dumps({"type": None}),
        json.dumps({"type": ["ping"]}),
        json.dumps({"type": "PING"}),
        json.dumps({"type": "start", **SUBSCRIBE}),
        json.dumps({"type": "next", **SUBSCRIBE}),
        json.dumps({"type": "error", **SUBSCRIBE}),
        json.dumps({"type": "connection_ack"}),
        json.dumps({"type": "ping", "payload": []}),
        json.dumps({"type": "connection_init", "payload": "Bearer ada"}),
        json.dumps({"type": "complete"}),
        json.dumps({"type": "complete", "id": 1}),
        json.dumps({"type": "subscribe"}),
        json.dumps({"type": "subscribe", **SUBSCRIBE, "id": ""}),
        json.dumps({"type": "subscribe", **SUBSCRIBE, "id": 1}),
        json.dumps({"type": "subscribe", **SUBSCRIBE, "id": None}),
        json.dumps({"type": "subscribe", **SUBSCRIBE, "id": "a" * 129}),
        *(
            f'{{"type": "subscribe", "id": "a", "payload": {payload}}}'
            for payload in (
                "[]",
                "{}",
                '{"query": 1}',
                '{"query": "{ me }", "variables": []}',
                '{"query": "{ me }", "extensions": 1}',
                '{"query": "{ me }", "operationName": 1}',
                '{"documentId": 1}',
            )
        ),
    ],
)
def test_malformed_or_unexpected_message_closes_the_socket_with_4400(message: str | bytes) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.connection.send(message)
            assert await client.close_code() == 4400

    run(test)


def test_operation_before_the_acknowledgement_closes_the_socket_with_4401() -> None:
    async def test(server: Running) -> None:
        async with connected(server.url) as client:
            await client.subscribe("a", "{ me }")
            assert await client.close_code() == 4401

    run(test)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"Authorization": ""},
        {"Authorization": "ada"},
        {"Authorization": "Basic ada"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ada:-1"},
        {"Authorization": ["Bearer ada"]},
        {"Authorization": 1},
        {"authorization": "Bearer ada"},
        {"token": "ada"},
    ],
)
def test_missing_or_bad_token_closes_the_socket_with_4403(payload: object) -> None:
    async def test(server: Running) -> None:
        async with connected(server.url) as client:
            await client.send("connection_init", payload=payload)
            assert await client.close_code() == 4403

    run(test)


def test_token_in_the_url_or_in_a_header_is_not_read() -> None:
    async def test(server: Running) -> None:
        headers = {"Authorization": "Bearer ada"}
        url = f"{server.url}?Authorization=Bearer%20ada&token=ada"
        async with connected(url, additional_headers=headers) as client:
            await client.send("connection_init")
            assert await client.close_code() == 4403

    run(test)


def test_socket_without_initialisation_is_closed_with_4408() -> None:
    async def test(server: Running) -> None:
        async with connected(server.url) as silent, connected(server.url) as pinging:
            await pinging.send("ping")
            assert await pinging.receive() == {"type": "pong"}
            assert await silent.close_code() == 4408
            assert await pinging.close_code() == 4408

    run(test, init_timeout=0.3)


def test_id_in_use_closes_the_socket_with_4409() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", TICKS)
            await client.subscribe("a", "{ me }")
            assert await client.close_code() == 4409
        await until(lambda: not server.world.open)

    run(test)


def test_second_initialisation_closes_the_socket_with_4429() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.send("connection_init", payload={"Authorization": "Bearer ada"})
            assert await client.close_code() == 4429

    run(test)


def test_token_that_cannot_be_verified_now_closes_the_socket_with_1013() -> None:
    async def test(server: Running) -> None:
        server.world.unavailable = True
        async with connected(server.url) as client:
            await client.send("connection_init", payload={"Authorization": "Bearer ada"})
            assert await client.close_code() == 1013

    run(test)


def test_too_many_sockets_of_an_owner_are_closed_with_1013() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url), acknowledged(server.url):
            async with connected(server.url) as third:
                await third.send("connection_init", payload={"Authorization": "Bearer ada"})
                assert await third.close_code() == 1013
            async with acknowledged(server.url, "bob"):
                pass
        await until(lambda: not len(server.sessions))
        async with acknowledged(server.url):
            pass

    run(test, most=2)


def test_too_many_operations_of_a_socket_are_refused_one_by_one() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("1", TICKS)
            await client.subscribe("2", "{ slow }")
            await client.send("complete", id="2")  # the query still runs
            await client.subscribe("3", "{ me }")
            refused = await client.receive()
            assert (refused["type"], refused["id"]) == ("error", "3")
            assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            server.world.hold.set()
            await client.send("complete", id="1")
            await until(lambda: not server.world.open)
            await client.subscribe("3", "{ me }")
            assert (await client.receive())["type"] == "next"

    run(test, most_operations=2)


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", f"{ORIGIN}:444", "http://x"]
)
def test_page_of_another_origin_is_refused_with_403(origin: str) -> None:
    async def test(server: Running) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server.url, origin=origin):
                pass
        assert refused.value.response.status_code == 403

    run(test)


def test_page_of_an_allowed_origin_is_accepted() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url, origin=ORIGIN):
            pass

    run(test)


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["x", "graphql_transport_ws"]])
def test_other_subprotocols_are_refused_with_400(offered: list[str] | None) -> None:
    async def test(server: Running) -> None:
        with pytest.raises((InvalidStatus, NegotiationError)) as refused:
            async with connected(server.url, subprotocols=offered):
                pass
        assert isinstance(refused.value, InvalidStatus)
        assert refused.value.response.status_code == 400
        assert b"graphql-transport-ws" in (refused.value.response.body or b"")

    run(test)


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { ticks { number } upto(count: 1) { number } }",
            {},
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("", {}, "BAD_REQUEST"),
        ("query A { me } query B { me }", {}, "BAD_REQUEST"),
        ("{" + "a:me " * 1000 + "}", {}, "OPERATION_TOO_LARGE"),
        ("query ($n: String!) { slow(name: $n) }", {}, "BAD_USER_INPUT"),
        ("subscription ($n: Int!) { upto(count: $n) { number } }", {"n": "x"}, "BAD_USER_INPUT"),
        ("subscription ($n: Int) { ticks(after: $n) { number } }", {"n": -1}, "BAD_USER_INPUT"),
        (
            "subscription ($n: Int = 1) { upto(count: $n) { number } }",
            {"n": None},
            "BAD_USER_INPUT",
        ),
    ],
)
def test_operation_that_cannot_run_is_answered_with_error(
    query: str, variables: dict[str, Any], code: str
) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", query, **variables)
            message = await client.receive()
            assert (message["type"], message["id"]) == ("error", "a")
            assert message["payload"][0]["extensions"]["code"] == code
            await client.subscribe("a", "{ me }")
            assert (await client.receive())["payload"] == {"data": {"me": "ada"}}

    run(test)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Unavailable(), "UNAVAILABLE"),
        (RateLimited(), "RATE_LIMITED"),
        (BadUserInput({"x": "is bad"}), "BAD_USER_INPUT"),
        (LookupError("secret"), "INTERNAL_SERVER_ERROR"),
    ],
)
def test_query_that_its_context_refuses_is_answered_with_error(
    problem: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            server.world.refusing = problem
            await client.subscribe("a", "{ me }")
            message = await client.receive()
            assert (message["type"], message["id"]) == ("error", "a")
            [error] = message["payload"]
            assert error["extensions"]["code"] == code
            assert "secret" not in str(message)
            assert error["extensions"].get("requestId", "") in caplog.text
            server.world.refusing = None
            await client.subscribe("a", "{ me }")
            assert (await client.receive())["payload"] == {"data": {"me": "ada"}}

    run(test)


def test_errors_of_fields_come_with_the_event_and_the_subscription_continues() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "subscription { upto(count: 2) { missing } }")
            for _ in range(2):
                payload = (await client.receive())["payload"]
                assert payload["data"] is None
                [error] = payload["errors"]
                assert error["extensions"]["code"] == "BAD_USER_INPUT"
                assert error["path"] == ["upto", "missing"]
            assert (await client.receive())["type"] == "complete"

    run(test)


def test_bugs_are_logged_and_the_client_learns_only_an_id(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "subscription { upto(count: 1) { bug } }")
            in_field = (await client.receive())["payload"]["errors"][0]
            assert (await client.receive())["type"] == "complete"
            await client.subscribe("b", "subscription { b: broken { number } }")
            assert (await client.receive())["type"] == "next"
            message = await client.receive()
            assert message["type"] == "error"
            [in_source] = message["payload"]
            assert in_source["path"] == ["b"]
            for error in (in_field, in_source):
                assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
                assert error["extensions"]["requestId"] in caplog.text
                assert "secret" not in str(error)

    run(test)


def test_each_owner_gets_only_its_own_events() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as ada, acknowledged(server.url, "bob") as bob:
            for client in (ada, bob):
                await client.subscribe("same", TICKS)
            await until(lambda: server.world.open == 2)
            for number in range(1, 4):
                await server.world.tick()
                for client, owner in ((ada, "ada"), (bob, "bob")):
                    event = {"ticks": {"number": number, "owner": owner}}
                    assert (await client.receive())["payload"] == {"data": event}
            server.revoke("ada")
            assert await ada.close_code() == 4403
            await server.world.tick()
            assert (await bob.receive())["payload"]["data"]["ticks"]["number"] == 4

    run(test)


@pytest.mark.parametrize("query", [None, TICKS, "{ slow }"])
def test_socket_whose_session_ends_is_closed_with_4403(query: str | None) -> None:
    """The socket may be idle, wait for an event, or wait for an answer, which is not delivered."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            if query:
                await client.subscribe("a", query)
                await until(lambda: server.world.open or server.world.ran)
            began = time.monotonic()
            server.revoke("ada")
            assert await client.close_code() == 4403
            assert time.monotonic() - began < 1 + SLACK

    run(test)


def test_socket_whose_session_ends_twice_is_closed_once() -> None:
    """A poll may find a revocation that a notification has announced before."""

    async def test() -> None:
        world = World()
        sessions = Sessions(world.find_revoked)
        init = {"type": "connection_init", "payload": {"Authorization": "Bearer ada"}}
        waiting = iter(
            [
                {"type": "websocket.connect"},
                {"type": "websocket.receive", "text": json.dumps(init)},
            ]
        )
        sent: list[str] = []

        async def receive() -> Message:
            if message := next(waiting, None):
                return message
            for _ in range(2):
                sessions.end_revoked("ada")
            return {"type": "websocket.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        scope = {"headers": [], "subprotocols": [SUBPROTOCOL], "state": {}}
        await sockets(world, sessions)(scope, receive, send)
        assert sent == ["websocket.accept", "websocket.send", "websocket.close"]

    asyncio.run(test())


def test_socket_whose_token_expires_is_closed_with_4403() -> None:
    async def test(server: Running) -> None:
        async with (
            acknowledged(server.url, "ada:0.4") as idle,
            acknowledged(server.url, "bob:0.4") as busy,
        ):
            await busy.subscribe("a", TICKS)
            assert await idle.close_code() == 4403
            assert await busy.close_code() == 4403

    run(test)


def test_event_of_a_revoked_session_is_not_delivered() -> None:
    """The context refuses the event, before the server has found that the session has ended."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", TICKS)
            await until(lambda: server.world.open)
            server.world.revoked.add("ada")
            await server.world.tick()
            assert await client.close_code() == 4403

    run(test)


def test_event_during_an_outage_closes_the_socket_with_1013() -> None:
    """The client connects again, and continues where it was."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", TICKS)
            await until(lambda: server.world.open)
            server.world.unavailable = True
            checks = server.world.checks
            await until(lambda: server.world.checks > checks + 2)  # idle sockets stay open
            await server.world.tick()
            assert await client.close_code() == 1013

    run(test)


def test_outage_of_the_source_closes_the_socket_with_1013() -> None:
    async def test(server: Running) -> None:
        server.world.failing = Unavailable()
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "subscription { broken { number } }")
            assert (await client.receive())["payload"] == {"data": {"broken": {"number": 1}}}
            assert await client.close_code() == 1013

    run(test)


def test_stopping_server_that_no_longer_waits_ends_the_operations_of_a_socket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", TICKS)
            await until(lambda: server.world.open)
            server.cancel()
            await client.connection.wait_closed()
        assert not server.world.open
        assert not len(server.sessions)

    run(test)
    assert not caplog.records


def test_completed_subscription_is_closed_also_while_its_event_is_executed() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", "subscription { ticks { later } }")
            await until(lambda: server.world.open)
            await server.world.tick()
            await until(lambda: server.world.begun)
            await client.send("complete", id="a")
            await client.send("complete", id="unknown")
            await until(lambda: not server.world.open)
            server.world.hold.set()
            await client.subscribe("a", "{ me }")
            assert (await client.receive())["payload"] == {"data": {"me": "ada"}}

    run(test)


def test_mutation_runs_to_its_end_though_its_client_is_gone() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            await client.subscribe("a", 'mutation { write(name: "one") }')
            await client.subscribe("b", 'mutation { write(name: "two") }')
            await client.send("complete", id="a")
            await client.send("ping")
            assert await client.receive() == {"type": "pong"}
        server.world.hold.set()
        await until(lambda: sorted(server.world.ran) == ["one", "two"])

    run(test)


def test_subscription_that_never_waits_leaves_turns_to_others() -> None:
    """There are twenty on one socket, and the client reads all of their events."""

    async def test(server: Running) -> None:
        async with acknowledged(server.url) as greedy:
            for number in range(20):
                await greedy.subscribe(str(number), "subscription { flood { number } }")
            reading = asyncio.create_task(_read(greedy))
            await until(lambda: server.world.open == 20)
            async with acknowledged(server.url, "bob") as client:
                took = []
                for _ in range(20):
                    began = time.monotonic()
                    await client.subscribe("a", "{ me }")
                    assert (await client.receive())["type"] == "next"
                    assert (await client.receive())["type"] == "complete"
                    took.append(time.monotonic() - began)
                # A busy machine may delay two of them.
                assert sorted(took)[-3] < 1, "the subscriptions delay the others"
            reading.cancel()
            greedy.connection.transport.abort()

    run(test)


async def _read(client: Client) -> None:
    while True:
        await client.receive()


def test_flood_of_messages_leaves_turns_to_others() -> None:
    """All of the messages have arrived, so that the socket never waits for one."""

    async def test(_: Running) -> None:
        world = World()
        init = {"type": "connection_init", "payload": {"Authorization": "Bearer ada"}}
        messages = [init, *[{"type": "complete", "id": "unknown"}] * 100]
        flood = [{"type": "websocket.receive", "text": json.dumps(each)} for each in messages]
        waiting = iter([{"type": "websocket.connect"}, *flood, {"type": "websocket.disconnect"}])

        async def receive() -> Message:
            return next(waiting)

        async def send(_: Message) -> None:
            pass

        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        scope = {"headers": [], "subprotocols": [SUBPROTOCOL], "state": {}}
        await sockets(world, Sessions(world.find_revoked))(scope, receive, send)
        other.cancel()
        assert turns >= len(messages)

    run(test)


def test_message_in_the_same_packets_as_the_closing_one_is_not_handled() -> None:
    async def test(server: Running) -> None:
        server.world.hold.set()
        async with acknowledged(server.url) as client:
            await client.connection.send("{")
            await client.subscribe("a", 'mutation { write(name: "late") }')
            assert await client.close_code() == 4400
        await server.wait_until_idle()
        assert server.world.ran == []

    run(test)


def test_extra_members_and_any_id_of_text_are_accepted() -> None:
    async def test(server: Running) -> None:
        async with acknowledged(server.url) as client:
            for id in ("a" * 128, "\0", "\ud800", "ü", " "):
                await client.send("subscribe", id=id, payload={"query": "{ me }", "x": 1}, y=[2])
                message = await client.receive()
                assert (message["type"], message["id"]) == ("next", id)
                assert await client.receive() == {"type": "complete", "id": id}

    run(test)
