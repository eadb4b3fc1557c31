"""A sign-out reaches every process; it cannot be missed, lost or outrun."""

import asyncio
import os
import secrets
import signal
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import jwt
import pytest

from api.errors import Unavailable
from api.identity import revocations as room
from api.identity.model import Kind
from api.identity.revocations import Revocations, SecurityEvent
from api.identity.tokens import Claims
from api.owned.retention import Retention
from api.postgres.database import Database
from api.postgres.limits import Limits
from api.postgres.notifications import Notifications
from api.postgres.tables import Row
from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import SITE, Caller, mint, run, trusting
from tests.events import purged, push, revoked
from tests.waiting import PATIENCE, SLACK, wait_until

WHO = "{ viewer { id } }"
COUNTS = """SELECT json_build_array((SELECT count(*) FROM tasks.tasks WHERE owner_id = $1),
    (SELECT count(*) FROM tasks.task_ids WHERE owner_id = $1),
    (SELECT coalesce(sum(task_count), 0) FROM tasks.owners WHERE owner_id = $1))"""


def sid(caller: Caller) -> str:
    return str(jwt.decode(caller.token, options={"verify_signature": False})["sid"])


def claims(user: str = "ada", session: str | None = None) -> Claims:
    return Claims(user, None, session, SITE, time.time() + 3600)


def ended(subject: str, kind: Kind = Kind.SESSION) -> SecurityEvent:
    return SecurityEvent(SITE, secrets.token_hex(8), kind, subject)


@asynccontextmanager
async def process(
    url: str, listen_url: str | None = None, **limits: Any
) -> AsyncIterator[Revocations]:
    """Run the revocations of one API process, with a connection pool of its own."""
    async with (
        Database(url) as database,
        Revocations(database, Notifications(listen_url or url), max_age=86_400, **limits) as kept,
    ):
        yield kept


@asynccontextmanager
async def without_polling(
    postgres: Postgres, limits: Limits | None = None, **options: Any
) -> AsyncIterator[tuple[Database, Revocations]]:
    """Yield a database, and revocations of it that are not refreshed in the background."""
    async with Database(postgres.url, limits or Limits()) as database:
        options = {"max_age": 86_400} | options
        yield database, Revocations(database, Notifications(postgres.url), **options)


async def record(database: Database, kept: Revocations, event: SecurityEvent) -> None:
    async with database.transaction() as transaction:
        await kept.record(transaction, event)


async def until(happened: Callable[[], Awaitable[object]]) -> float:
    """Wait until the condition holds. Return the seconds that this took."""
    began = time.monotonic()
    while not await happened():
        assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def test_running_processes_learn_of_a_revocation_within_a_second_and_new_ones_at_start(
    settings: dict[str, str],
    api: stack.Server,
    new_caller: Callable[[], Caller],
    tmp_path: Path,
) -> None:
    second = stack.api(tmp_path, settings)
    try:
        took = []
        for _ in range(20):
            here = new_caller()
            there = Caller(second.url, here.user, here.token)
            assert here(WHO) == there(WHO)
            assert push(api.url, revoked(here.user, sid(here))).status_code == 202
            began = time.monotonic()
            assert here.post(WHO).status_code == 401
            while there.post(WHO).status_code == 200:
                assert time.monotonic() - began < PATIENCE
            took.append(time.monotonic() - began)
        assert statistics.median(took) < 1
    finally:
        second.stop()
    third = stack.api(tmp_path, settings)
    try:
        assert Caller(third.url, here.user, here.token).post(WHO).status_code == 401
    finally:
        third.stop()


def test_without_notifications_a_poll_finds_a_revocation_within_a_second(
    postgres: Postgres,
) -> None:
    async def work() -> None:
        nowhere = f"postgresql://nobody@{stack.NOBODY}/nowhere"
        async with process(postgres.url, nowhere) as here, Database(postgres.url) as elsewhere:

            async def took() -> float:
                session = secrets.token_hex(8)
                assert not await here.is_revoked(claims(session=session))
                await record(elsewhere, here, ended(session))
                return await until(lambda: here.is_revoked(claims(session=session)))

            spent = [await took() for _ in range(3)]
            assert min(spent) < 1
            assert max(spent) > 0.01, "the poll was to find it"

    asyncio.run(work())


def test_poll_needs_no_requests_and_survives_an_outage(postgres: Postgres) -> None:
    async def work() -> None:
        session, database = secrets.token_hex(8), Database(postgres.url)
        nowhere = f"postgresql://nobody@{stack.NOBODY}/nowhere"
        async with Revocations(
            database, Notifications(nowhere), max_age=86_400, refresh_after=1000.0, poll=0.01
        ) as kept:
            with pytest.raises(Unavailable):
                await kept.is_revoked(claims(session=session))
            for _ in range(10):
                await asyncio.sleep(0)  # the poll fails too
            async with database, Database(postgres.url) as elsewhere:
                await until(lambda: has_state(kept, session, refused=False))
                await record(elsewhere, kept, ended(session))
                await until(lambda: has_state(kept, session))

    asyncio.run(work())


async def has_state(kept: Revocations, session: str, *, refused: bool = True) -> bool:
    """Return whether the session has this state. During an outage, return False."""
    try:
        return await kept.is_revoked(claims(session=session)) is refused
    except Unavailable:
        return False


def test_notification_alone_delivers_a_revocation(postgres: Postgres) -> None:
    async def work() -> None:
        session = secrets.token_hex(8)
        async with (
            process(postgres.url, refresh_after=1000.0, poll=1000.0) as kept,
            without_polling(postgres) as (elsewhere, other),
        ):
            assert not await kept.is_revoked(claims(session=session))
            await until(lambda: listener(postgres))
            await record(elsewhere, kept, ended(session))
            await other.announce()
            await until(lambda: has_state(kept, session))

    asyncio.run(work())


def test_listener_connects_when_it_can_and_reconnects_after_a_loss(
    postgres: Postgres,
) -> None:
    later = f"later_{secrets.token_hex(8)}"

    async def do(statement: str, *arguments: int) -> None:
        await asyncio.to_thread(run, postgres, lambda c: c.execute(statement, *arguments))

    async def listener_changed(than: int) -> bool:
        return await listener(postgres, later) not in {0, than}

    async def work() -> None:
        there = urlsplit(postgres.url)._replace(path=f"/{later}").geturl()
        async with process(postgres.url, there, poll=0.01) as kept:
            assert not await kept.is_revoked(claims())
            await do(f"CREATE DATABASE {later} TEMPLATE template0")
            await until(lambda: listener_changed(0))
            first = await listener(postgres, later)
            await do("SELECT pg_terminate_backend($1)", first)
            await until(lambda: listener_changed(first))
        await do(f"DROP DATABASE {later} WITH (FORCE)")

    asyncio.run(work())


async def listener(postgres: Postgres, database: str | None = None) -> int:
    """Return the PID of the PostgreSQL process that listens in this database, or 0."""
    query = """SELECT coalesce(max(pid), 0) FROM pg_stat_activity
        WHERE datname = coalesce($1, current_database()) AND query LIKE 'LISTEN%'"""
    return int(await asyncio.to_thread(run, postgres, lambda c: c.fetchval(query, database)))


def test_closed_revocations_leave_no_task_running(postgres: Postgres) -> None:
    async def work() -> None:
        async with Database(postgres.url) as database:
            async with Revocations(database, Notifications(postgres.url), max_age=86_400) as kept:
                assert not await kept.is_revoked(claims())
                assert len(asyncio.all_tasks()) == 4, "of this test, the poll and the listener"
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_fresh_state_is_not_refreshed_again(
    postgres: Postgres,
) -> None:
    now = 1000.0

    async def work() -> None:
        nonlocal now
        async with without_polling(postgres, clock=lambda: now, refresh_after=0.5) as (
            database,
            kept,
        ):
            session = secrets.token_hex(8)
            await kept.refresh()
            await record(database, kept, ended(session))
            await kept.refresh()  # a refresh that began before this moment is recent enough
            now += 0.5
            assert not await kept.is_revoked(claims(session=session))
            now += 0.25
            assert await kept.is_revoked(claims(session=session))

    asyncio.run(work())


def test_refresh_timeout_raises_unavailable(postgres: Postgres) -> None:
    async def work(connection: asyncpg.Connection) -> None:
        slow = Limits(statement=2 * PATIENCE)
        async with without_polling(postgres, slow, timeout=0.3) as (_, kept):
            async with connection.transaction():
                await connection.execute("LOCK TABLE tasks.revocations")
                async with asyncio.timeout(PATIENCE):
                    with pytest.raises(Unavailable):
                        await kept.refresh()
                    await kept.announce()  # the notification can wait: the revocation is stored
            await kept.refresh()

    run(postgres, work)


def test_listener_is_told_the_revoked_owner_and_session(postgres: Postgres) -> None:
    async def work() -> None:
        told: list[Hashable] = []
        async with without_polling(postgres) as (database, kept):
            await kept.refresh()
            kept.on_revoked(told.append)
            gone = claims(secrets.token_hex(8), secrets.token_hex(8))
            await record(database, kept, ended(gone.user_id, Kind.OWNER))
            await record(database, kept, ended(str(gone.sid)))
            await kept.refresh()
            assert [one for one in told if one in gone.revocable] == list(gone.revocable)

    asyncio.run(work())


def test_event_is_identified_by_its_issuer_and_its_jti(postgres: Postgres) -> None:
    async def work() -> None:
        event = ended(secrets.token_hex(8))
        async with without_polling(postgres) as (database, kept):

            async def is_recorded(one: SecurityEvent) -> bool:
                async with database.transaction() as transaction:
                    return await kept.is_recorded(transaction, one)

            assert not await is_recorded(event)
            await record(database, kept, event)
            assert await is_recorded(event)
            assert await is_recorded(replace(event, subject="another", kind=Kind.OWNER))
            assert not await is_recorded(replace(event, issuer="https://id.example"))
            assert not await is_recorded(replace(event, jti="another"))

    asyncio.run(work())


def test_revocation_number_is_at_least_the_time_and_increases_by_one(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = [secrets.token_hex(8) for _ in range(4)]

    async def numbers(connection: asyncpg.Connection) -> list[int]:
        query = "SELECT number FROM tasks.revocations WHERE subject = any($1) ORDER BY number"
        return [row[0] for row in await connection.fetch(query, subjects)]

    async def go_back(connection: asyncpg.Connection) -> None:
        await connection.execute("UPDATE tasks.revocation_counter SET number = number - 1")

    async def work() -> None:
        async with without_polling(postgres) as (database, kept):
            await record(database, kept, ended(subjects[0]))
            with monkeypatch.context() as behind:
                behind.setattr(time, "time_ns", lambda: 0)
                await record(database, kept, ended(subjects[1]))
                await record(database, kept, ended(subjects[2]))
                await asyncio.to_thread(run, postgres, go_back)
                with pytest.raises(
                    asyncpg.UniqueViolationError
                ):  # the conflict is an error, not ignored
                    await record(database, kept, ended(subjects[3]))

    began = time.time_ns() // 1000
    asyncio.run(work())
    first, second, third = run(postgres, numbers)
    assert began <= first <= time.time_ns() // 1000
    assert (second, third) == (first + 1, first + 2)


def test_expired_revocations_are_evicted_every_hour_not_at_every_refresh(
    postgres: Postgres,
) -> None:
    now = 1000.0

    async def work() -> None:
        nonlocal now
        async with without_polling(postgres, max_age=0, clock=lambda: now) as (database, kept):
            now += room.PRUNED_EVERY + 1
            session = secrets.token_hex(8)
            await record(database, kept, ended(session))
            await kept.refresh()
            for waited, refused in ((room.PRUNED_EVERY - 1, True), (2, False)):
                now += waited
                assert await kept.is_revoked(claims(session=session)) is refused

    asyncio.run(work())


def test_idle_process_refreshes_before_it_accepts_a_token(
    postgres: Postgres,
) -> None:
    now = time.monotonic()

    async def work() -> None:
        nonlocal now
        async with without_polling(postgres, clock=lambda: now) as (database, kept):
            session = secrets.token_hex(8)
            assert not await kept.is_revoked(claims(session=session))
            await record(database, kept, ended(session))
            assert not await kept.is_revoked(claims(session=session)), "nobody looks in this test"
            now += room.IDLE + 1
            assert await kept.is_revoked(claims(session=session))

    asyncio.run(work())


def test_idle_process_does_not_poll_its_database(postgres: Postgres) -> None:
    looked = 0

    async def work() -> None:
        nonlocal looked
        async with process(postgres.url, idle=0.0, poll=0.001) as kept:
            look = kept.refresh

            async def counted() -> None:
                nonlocal looked
                looked += 1
                await look()

            kept.refresh = counted  # type: ignore[method-assign]  # counts, and calls the original
            for _ in range(50):
                await asyncio.sleep(0)
            assert looked == 0
            assert not await kept.is_revoked(claims())
            assert looked >= 1

    asyncio.run(work())


def test_process_that_has_been_idle_for_exactly_a_minute_polls(postgres: Postgres) -> None:
    now = 1000.0

    async def work() -> None:
        nonlocal now
        async with process(postgres.url, clock=lambda: now, poll=0.001) as kept:
            assert not await kept.is_revoked(claims())
            now += room.IDLE
            assert kept.age == room.IDLE

            async def polled() -> bool:
                return kept.age == 0

            await until(polled)

    asyncio.run(work())


def test_no_event_is_skipped_whatever_order_transactions_commit_in(postgres: Postgres) -> None:
    """The second writer waits for the first, so that no number appears after a higher one."""

    async def work() -> None:
        async with process(postgres.url) as kept, Database(postgres.url) as database:
            first, second = secrets.token_hex(8), secrets.token_hex(8)
            async with AsyncExitStack() as open_transaction:
                slow = await open_transaction.enter_async_context(database.transaction())
                await kept.record(slow, ended(first))
                late = asyncio.create_task(record(database, kept, ended(second)))
                done, _ = await asyncio.wait({late}, timeout=0.1)
                assert not done, "it took a number while a lower one was not committed"
                await kept.refresh()
                assert not await kept.is_revoked(claims(session=first))
            await late
            await kept.refresh()
            assert await kept.is_revoked(claims(session=first))
            assert await kept.is_revoked(claims(session=second))

    asyncio.run(work())


def test_no_event_is_skipped_after_a_failover_to_a_standby_that_lags(postgres: Postgres) -> None:
    """The standby's counter is lower. Events that it numbers again must still be read."""
    lost = """WITH lost AS (DELETE FROM tasks.revocations WHERE subject = any($1))
        UPDATE tasks.revocation_counter SET number = number - 3"""

    async def work() -> None:
        async with without_polling(postgres) as (database, kept):
            unheard = [secrets.token_hex(8) for _ in range(3)]
            for session in unheard:
                await record(database, kept, ended(session))
            await kept.refresh()
            await asyncio.to_thread(run, postgres, lambda c: c.execute(lost, unheard))
            session = secrets.token_hex(8)
            await record(database, kept, ended(session))
            await kept.refresh()
            assert await kept.is_revoked(claims(session=session))
            assert await kept.is_revoked(claims(session=unheard[0]))

    asyncio.run(work())


def test_revocation_is_cached_for_a_tokens_lifetime_though_the_clock_is_wrong(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, lifetime = 1000.0, 86_460.0

    async def work() -> None:
        nonlocal now
        async with without_polling(postgres, clock=lambda: now) as (database, kept):
            session, owner = secrets.token_hex(8), secrets.token_hex(8)
            await record(database, kept, ended(session))
            await record(database, kept, ended(owner, Kind.OWNER))
            of_both = (claims(session=session), claims(owner))
            assert all([await kept.is_revoked(one) for one in of_both])
            with monkeypatch.context() as wrong:
                days_ahead = time.time() + 5 * 86_400
                wrong.setattr(time, "time", lambda: days_ahead)
                now += room.PRUNED_EVERY + 1
                await kept.refresh()
            assert all([await kept.is_revoked(one) for one in of_both])
            now = 1000.0 + lifetime - 1
            assert all([await kept.is_revoked(one) for one in of_both])
            now += room.PRUNED_EVERY + 1
            assert not any([await kept.is_revoked(one) for one in of_both]), "forgotten in the end"

    asyncio.run(work())


def test_events_of_several_pages_are_all_read(postgres: Postgres) -> None:
    async def work() -> None:
        async with without_polling(postgres, page_size=3) as (database, kept):
            read = database.rows

            async def counted(*args: Any, **kwargs: Any) -> list[Row]:
                rows = await read(*args, **kwargs)
                assert len(rows) <= 3
                return rows

            database.rows = counted  # type: ignore[method-assign]  # calls the original
            sessions = [secrets.token_hex(8) for _ in range(10)]
            for session in sessions:
                await record(database, kept, ended(session))
            assert all([await kept.is_revoked(claims(session=s)) for s in sessions])

    asyncio.run(work())


def test_131_sessions_that_are_revoked_at_once_are_all_rejected(
    api: stack.Server, new_caller: Callable[[], Caller]
) -> None:
    user = new_caller().user
    callers = [Caller(api.url, user, mint(user)) for _ in range(132)]
    *gone, left = callers
    with ThreadPoolExecutor(16) as threads:
        pushed = threads.map(lambda c: push(api.url, revoked(user, sid(c))).status_code, gone)
        assert set(pushed) == {202}
        assert {r.status_code for r in threads.map(lambda c: c.post(WHO), gone)} == {401}
    assert left(WHO)


def test_request_that_began_before_the_revocation_is_rejected_when_its_body_arrives(
    api: stack.Server, ada: Caller
) -> None:
    """A client with a stolen token could start requests early and send their bodies late."""
    body = b'{"query":"mutation { createTask(input: {title: \\"late\\"}) { task { id } } }"}'
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as thief:
        thief.sendall(
            f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ada.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert thief.recv(1000).startswith(b"HTTP/1.1 100"), "it is let in, and waited for"
        assert push(api.url, revoked(ada.user, sid(ada))).status_code == 202
        thief.sendall(body)
        assert thief.recv(1000).startswith(b"HTTP/1.1 401")


def test_purge_deletes_all_rows_of_its_owner_and_of_no_other(
    api: stack.Server, postgres: Postgres, new_caller: Callable[[], Caller]
) -> None:
    ada, bob = new_caller(), new_caller()
    for caller in (ada, bob):
        caller.create()
    trashed, deleted = ada.create(), ada.create()
    ids = "mutation ($ids: [ID!]!) { %s(ids: $ids) { %s } }"
    ada(ids % ("trashTasks", "tasks { id }"), ids=[trashed["id"]])
    ada(ids % ("deleteTasks", "deletedIds"), ids=[deleted["id"]])
    assert push(api.url, purged(ada.user)).status_code == 202
    assert run(postgres, lambda c: c.fetchval(COUNTS, ada.user)) == "[0, 0, 0]"
    assert run(postgres, lambda c: c.fetchval(COUNTS, bob.user)) == "[1, 1, 1]"
    assert ada.post(WHO).status_code == 401
    assert Caller(api.url, ada.user, mint(ada.user, sid=None)).post(WHO).status_code == 401
    assert bob(WHO)
    assert push(api.url, purged(ada.user)).status_code == 202, "another event of the same"


def test_purge_that_waits_for_the_owners_lock_delays_no_other_event(
    api: stack.Server, postgres: Postgres, new_caller: Callable[[], Caller]
) -> None:
    ada, bob = new_caller(), new_caller()
    ada.create()

    async def work(connection: asyncpg.Connection) -> None:
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        async with connection.transaction():
            mine = "SELECT FROM tasks.owners WHERE owner_id = $1 FOR UPDATE"
            await connection.execute(mine, ada.user)
            purging = asyncio.create_task(asyncio.to_thread(push, api.url, purged(ada.user)))
            while not await connection.fetchval(waits):
                assert not purging.done()
            answer = await asyncio.to_thread(push, api.url, revoked(bob.user, sid(bob)))
            assert answer.status_code == 202
            assert not purging.done()
        assert (await purging).status_code == 202

    run(postgres, work)
    assert [caller.post(WHO).status_code for caller in (ada, bob)] == [401, 401]


def test_fifty_writers_during_a_purge_leave_no_row(
    settings: dict[str, str], api: stack.Server, postgres: Postgres, ada: Caller, tmp_path: Path
) -> None:
    """The writers use two processes, one of which learns of the purge late."""
    second = stack.api(tmp_path, settings)
    urls = (api.url, second.url)
    purge_from = 150
    answers: list[int] = []

    def write(number: int) -> None:
        caller = Caller(urls[number % 2], ada.user, ada.token)
        for _ in range(10):
            query = 'mutation { createTask(input: {title: "x"}) { task { id } } }'
            answers.append(caller.post(query).status_code)

    try:
        with ThreadPoolExecutor(51) as threads:
            writers = [threads.submit(write, number) for number in range(50)]
            while len(answers) < purge_from:
                assert not all(writer.done() for writer in writers)
            assert push(api.url, purged(ada.user)).status_code == 202
            for writer in writers:
                writer.result()
    finally:
        second.stop()
    assert set(answers) == {200, 401}
    assert answers.count(200) >= purge_from
    assert run(postgres, lambda c: c.fetchval(COUNTS, ada.user)) == "[0, 0, 0]"


def test_create_after_a_purge_is_rejected_by_the_owners_row(
    postgres: Postgres, ada: Caller
) -> None:
    """A process that has not learned of the purge rejects the write too."""
    ada.create()

    async def purge_without_a_word(connection: asyncpg.Connection) -> None:
        query = "UPDATE tasks.owners SET task_count = 0, purged_at = now() WHERE owner_id = $1"
        await connection.execute(query, ada.user)

    run(postgres, purge_without_a_word)
    response = ada.post('mutation { createTask(input: {title: "x"}) { task { id } } }')
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


def test_revocations_that_no_token_can_need_are_deleted(postgres: Postgres) -> None:
    owner, session, back = (secrets.token_hex(8) for _ in range(3))

    async def expire(connection: asyncpg.Connection) -> None:
        query = "UPDATE tasks.revocations SET expires_at = now() WHERE subject = any($1)"
        await connection.execute(query, [owner, session, back])

    async def left(connection: asyncpg.Connection) -> list[Any]:
        query = """SELECT subject FROM tasks.revocations WHERE subject = any($1)
            UNION ALL SELECT owner_id FROM tasks.owners WHERE owner_id = any($1)"""
        return [row[0] for row in await connection.fetch(query, [owner, session, back])]

    async def close(connection: asyncpg.Connection) -> None:
        query = """INSERT INTO tasks.owners (owner_id, task_count, purged_at)
            VALUES ($1, 0, now()), ($2, 1, NULL)"""
        await connection.execute(query, owner, back)

    async def work() -> None:
        async with process(postgres.url) as kept, Database(postgres.url) as database:
            await record(database, kept, ended(owner, Kind.OWNER))
            await record(database, kept, ended(back, Kind.OWNER))
            await record(database, kept, ended(session))
            await Retention(database, kept.delete_expired).delete_old()

    async def forget() -> None:
        async with process(postgres.url) as kept, Database(postgres.url) as database:
            await Retention(database, kept.delete_expired).delete_old()

    asyncio.run(work())
    run(postgres, close)
    assert sorted(run(postgres, left)) == sorted([owner, owner, session, back, back])
    run(postgres, expire)
    asyncio.run(forget())
    assert run(postgres, left) == [back], "the count of tasks of one who writes again"


def test_revocation_is_stored_for_the_longest_lifetime_of_a_token(postgres: Postgres) -> None:
    session = secrets.token_hex(8)

    async def lasts(connection: asyncpg.Connection) -> float:
        query = """SELECT extract(epoch FROM expires_at - now())::float FROM tasks.revocations
            WHERE subject = $1"""
        return float(await connection.fetchval(query, session))

    async def work() -> None:
        async with process(postgres.url) as kept, Database(postgres.url) as database:
            await record(database, kept, ended(session))

    asyncio.run(work())
    assert 86_400 + 50 < run(postgres, lasts) <= 86_400 + 60


def test_process_without_its_database_answers_503_not_data(tmp_path: Path) -> None:
    """The connections hang without an error, as they do when a network fails."""
    with stack.postgres() as server:
        api = stack.api(tmp_path, trusting(server.url))
        ada = Caller(api.url, "ada", mint("ada"))
        try:
            ada.create("secret")
            stopped = frozen(server)
            cut_off = time.monotonic()
            try:
                answers = [ada.post("{ tasks { nodes { title } } }")]
                assert time.monotonic() - cut_off < room.MAX_STALENESS + SLACK
                while time.monotonic() - cut_off < room.MAX_STALENESS:
                    answers.append(ada.post("{ tasks { nodes { title } } }"))
                began = time.monotonic()
                answers.append(ada.post("{ tasks { nodes { title } } }"))
                spent = time.monotonic() - began
                ready = plain.get(f"{api.url}/health/ready")
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            assert {answer.status_code for answer in (*answers, ready)} == {503}
            assert all("secret" not in answer.text for answer in answers)
            assert all(answer.headers["retry-after"] for answer in answers)
            assert spent < room.TIMEOUT + SLACK
            wait_until(lambda: ada.post(WHO).status_code == 200, "it recovers by itself")
        finally:
            api.stop()


def frozen(server: Postgres) -> list[int]:
    """Stop every process of this server with SIGSTOP, and return their PIDs."""
    postmaster = int((server.home / "data/postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    pids = [postmaster, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def test_state_is_trusted_for_five_seconds_without_a_refresh(postgres: Postgres) -> None:
    now = 1000.0

    async def work() -> None:
        nonlocal now
        async with without_polling(postgres, clock=lambda: now) as (database, kept):
            gone = secrets.token_hex(8)
            await record(database, kept, ended(gone))
            assert not await kept.is_revoked(claims(session="s"))
        # The pool is closed, so that no refresh can succeed.
        now += room.MAX_STALENESS
        assert not await kept.is_revoked(claims(session="s"))
        assert await kept.is_revoked(claims(session=gone))
        now += 0.001
        for session in ("s", gone):
            with pytest.raises(Unavailable):
                await kept.is_revoked(claims(session=session))

    asyncio.run(work())
