"""Live changes through HAProxy, nginx and PgBouncer, between two processes of the API."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from api.owned.live import POLL
from dev.postgres import Postgres
from tests import pooler, proxy, sse, stack, websocket
from tests.conftest import Caller, mint, trusting
from tests.proxy import SERVED_BY, Proxy
from tests.tasks.test_tasks import CREATE
from tests.test_kills import FOLLOW, Replica, Subscription, Writer, stored
from tests.waiting import SLACK, wait_until

Start = Callable[..., Proxy]


@pytest.fixture(scope="module")
def other(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    """Return a process of the API with the same database as `api`."""
    server = stack.api(tmp_path_factory.mktemp("other"), settings, "--no-migrate")
    yield server
    server.stop()


@pytest.fixture(params=[proxy.haproxy, proxy.nginx], ids=["haproxy", "nginx"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a proxy in front of servers."""
    with ExitStack() as running:

        def started(*servers: stack.Server) -> Proxy:
            one = Proxy(request.param, tmp_path, servers)
            running.callback(one.kill)
            return one

        yield started


def user(server: stack.Server | Proxy) -> Caller:
    """Return a client of a server with a new user."""
    name = secrets.token_hex(8)
    return Caller(server.url, name, mint(name))


def cursor(caller: Caller) -> dict[str, str]:
    """Return the variables of a subscription to the changes from now on."""
    return {"after": caller("{ viewer { changeCursor } }")["viewer"]["changeCursor"]}


def next_title(subscriber: Subscription) -> str:
    """Return the title of the next changed task."""
    return str(orjson.loads(subscriber.next())["data"]["taskChanges"]["task"]["title"])


def delays(writer: Caller, subscriber: Subscription, times: int) -> list[float]:
    """Return how many seconds the change of each write takes to the subscriber."""
    found = []
    for number in range(times):
        writer.create(f"{number}")
        began = time.monotonic()
        assert next_title(subscriber) == f"{number}"
        found.append(time.monotonic() - began)
    return found


def test_changes_reach_both_transports_in_order(
    api: stack.Server, other: stack.Server, start: Start
) -> None:
    behind = start(api, other)
    ada, bob = user(behind), user(behind)
    after, bobs = cursor(ada), cursor(bob)
    with (
        sse.subscribed(ada, FOLLOW, after, SLACK) as stream,
        websocket.subscribed(ada, FOLLOW, after, SLACK) as socket,
        sse.subscribed(bob, FOLLOW, bobs, SLACK) as bobs_stream,
    ):
        assert stream.response.headers[SERVED_BY] != socket.header(SERVED_BY)
        written_by, took = set(), []
        for number in range(10):
            answer = ada.post(CREATE, {"i": {"title": f"{number}"}})
            began = time.monotonic()
            assert next_title(stream) == next_title(socket) == f"{number}"
            took.append(time.monotonic() - began)
            written_by.add(answer.headers[SERVED_BY])
        assert len(written_by) == 2
        # Five changes of each process would take at least four intervals of the other one's polls.
        assert sum(took) < 4 * POLL / 2
        bob.create("Bob's")
        assert next_title(bobs_stream) == "Bob's"


def test_clients_miss_nothing_when_the_proxy_is_killed(
    postgres: Postgres, api: stack.Server, other: stack.Server, start: Start
) -> None:
    behind = start(api, other)
    ada = user(behind)
    replicas = Replica(ada), Replica(ada, websocket.subscribed)
    writer = Writer(ada, random.Random(ada.user))  # noqa: S311 - no secret
    with replicas[0].following(behind.kill), replicas[1].following(behind.kill):
        for _ in range(3):
            with writer.writing():
                wait_for_changes(*replicas)
                behind.kill()
                behind.start()
                wait_for_changes(*replicas)
            wait_until_complete(postgres, ada, *replicas)


def test_clients_of_a_stopped_process_move_to_the_other(
    postgres: Postgres, api: stack.Server, settings: dict[str, str], tmp_path: Path, start: Start
) -> None:
    deployed = stack.api(tmp_path, settings, "--no-migrate")
    behind = start(api, deployed)
    ada, bob = user(behind), user(behind)
    replicas = [Replica(ada, way) for way in (sse.subscribed, websocket.subscribed) * 2]
    writer = Writer(ada, random.Random(ada.user))  # noqa: S311 - no secret
    after = cursor(bob)
    staying: list[websocket.Socket] = []
    leaving: list[websocket.Socket] = []
    with ExitStack() as until_the_end:
        for _ in range(4):
            socket = until_the_end.enter_context(websocket.subscribed(bob, FOLLOW, after))
            stays = api.url.endswith(socket.header(SERVED_BY))
            (staying if stays else leaving).append(socket)
        for replica in replicas:
            until_the_end.enter_context(replica.following(behind.kill))
        with writer.writing():
            wait_for_changes(*replicas)
            deployed.stop()
            wait_for_changes(*replicas)
        wait_until_complete(postgres, ada, *replicas)
        assert len(staying) == len(leaving) == 2
        for socket in leaving:
            with pytest.raises(ConnectionClosed) as closed:
                socket.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        bob.create("after the deployment")
        assert {next_title(socket) for socket in staying} == {"after the deployment"}


def wait_for_changes(*replicas: Replica) -> None:
    """Wait until each replica has received a change from now on."""
    before = [dict(replica.tasks) for replica in replicas]
    wait_until(
        lambda: all(now.tasks != old for now, old in zip(replicas, before, strict=True)),
        "a subscriber gets no change",
    )


def wait_until_complete(database: Postgres, owner: Caller, *replicas: Replica) -> None:
    """Wait until each replica is equal to the tasks in the database."""
    tasks = stored(database, owner.user)
    wait_until(lambda: all(each.tasks == tasks for each in replicas), "a replica is not complete")
    assert not any(replica.faults for replica in replicas)


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_notifications_bypass_a_transaction_pooler(
    postgres: Postgres, api: stack.Server, tmp_path: Path
) -> None:
    """The pooler passes on the notifications that a process sends, but none that it receives."""
    with pooler.pooler(postgres.url) as url, ExitStack() as until_the_end:
        env = trusting(url, DATABASE_URL_UNPOOLED=postgres.url)
        pooled = stack.api(tmp_path, env, "--no-migrate")
        until_the_end.callback(pooled.stop)
        for writing, reading in ((api, pooled), (pooled, api)):
            reader = user(reading)
            writer = Caller(writing.url, reader.user, reader.token)
            with sse.subscribed(reader, FOLLOW, cursor(reader)) as stream:
                # Polls alone would find each change half an interval after the last one, or later.
                assert median(delays(writer, stream, 5)) < POLL / 2


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_polls_find_changes_without_an_unpooled_url(
    postgres: Postgres, api: stack.Server, tmp_path: Path
) -> None:
    with pooler.pooler(postgres.url) as url, ExitStack() as until_the_end:
        pooled = stack.api(tmp_path, trusting(url), "--no-migrate")
        until_the_end.callback(pooled.stop)
        reader = user(pooled)
        writer = Caller(api.url, reader.user, reader.token)
        with sse.subscribed(reader, FOLLOW, cursor(reader)) as stream:
            # Each write but the first follows a poll, so it waits for the next one.
            assert median(delays(writer, stream, 5)) > POLL / 8
            pooled.wait_for_output("receives no notifications")
            assert max(delays(writer, stream, 2)) < POLL + SLACK
    assert sum("receives no notifications" in line for line in pooled.lines) == 1
