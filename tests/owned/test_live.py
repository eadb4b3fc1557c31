"""Live changes: each subscriber gets each changed row in its latest state, without repeats."""

import asyncio
import gc
import itertools
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from asyncpg.exceptions import ConnectionDoesNotExistError

from api import migrations
from api.context import Context, Delivery
from api.errors import Unauthenticated
from api.identity.tokens import Claims
from api.owned import changes, live
from api.owned.changes import Changes, CursorExpired
from api.owned.feed import MAX_BYTES, SPACING, Feed
from api.owned.live import Live
from api.owned.owner import Owned
from api.owned.resource import RESOURCES, Resource
from api.owned.retention import purge
from api.owned.writes import Writes
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.postgres.tables import Row
from api.projects.rules import PROJECTS
from api.rate_limits import RateLimits
from api.tasks.rules import TASKS
from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.databases import empty
from tests.waiting import PATIENCE

NEVER, OFTEN = 1_000.0, 0.02
"""Seconds between two polls. The first poll has no delay."""
APPLICATION = "bearer-tasks-api"

Follower = AsyncGenerator[tuple[Row, str], None]


@dataclass(frozen=True)
class Process:
    """The parts of an API process that live changes need."""

    database: Database
    live: Live
    notifications: Notifications

    # ruff: noqa: D102 - each of these does what its name says
    def owned(self, owner: str) -> Owned:
        return Owned(self.database, owner, self.live)

    def follow(self, owner: str, after: str | None = None, of: Resource = TASKS) -> Follower:
        return Changes(self.owned(owner), of).follow(after)

    def write(self, owner: str, to: Resource = TASKS) -> Writes:
        return Writes(self.owned(owner), to)

    async def create(self, owner: str, title: str = "a task") -> str:
        return str((await self.write(owner).create({"title": title}))["id"])


@asynccontextmanager
async def process(
    url: str,
    poll: float = NEVER,
    listen_url: str | None = None,
    coalesce_owner: float = live.COALESCE_OWNER,
) -> AsyncIterator[Process]:
    notifications = Notifications(listen_url or url)
    async with (
        Database(url) as database,
        Live(database, notifications, poll=poll, coalesce_owner=coalesce_owner) as running,
    ):
        yield Process(database, running, notifications)


def run_to_the_last_task(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test, and check that no task is left at its end."""

    async def patient() -> None:
        async with asyncio.timeout(PATIENCE):
            await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(patient())


Next = asyncio.Task[tuple[Row, str]]


def begun(follower: Follower) -> Next:
    """Wait for the next change in the background."""
    return asyncio.ensure_future(anext(follower))


async def waiting_for(postgres: Postgres, *followers: Follower) -> list[Next]:
    """Return the next changes of the first subscribers of a process.

    They wait, because their first read, the first poll and its announcement have begun.
    """
    reads = (live.NUMBERS.sql, "pg_notify", changes.STATE.sql)
    before = [await ran(postgres, sql) for sql in reads]
    nexts = [begun(follower) for follower in followers]
    for sql, count in zip(reads, before, strict=True):
        await until_ran(postgres, sql, count + 1)
    return nexts


async def until_ran(postgres: Postgres, sql: str, times: int) -> None:
    """Wait until statements with this text have run this many times."""

    async def has() -> bool:
        return await ran(postgres, sql) >= times

    await until(has)


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition holds."""
    while not await holds():  # noqa: ASYNC110 - the condition is in another process
        await asyncio.sleep(0.005)


async def ran(postgres: Postgres, sql: str) -> int:
    """Return how many statements with this text have run."""
    found = await asyncio.to_thread(stack.statements, postgres, APPLICATION)
    return sum(sql in statement for statement in found)


async def titles(follower: Follower, how_many: int) -> list[str]:
    return [(await anext(follower))[0]["title"] for _ in range(how_many)]


def new() -> str:
    """Return a new owner."""
    return secrets.token_hex(8)


def test_subscriber_without_a_cursor_gets_the_changes_from_now_on(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url) as here, aclosing(here.follow(ada)) as follower:
            await here.create(ada, "before")
            [first] = await waiting_for(postgres, follower)
            id = await here.create(ada, "after")
            row, _ = await first
            assert (row["id"], row["title"], row["version"]) == (id, "after", 1)
            await here.write(ada).delete([id])
            row, _ = await anext(follower)
            assert (row["id"], row["version"]) == (id, None)

    run_to_the_last_task(test)


def test_reconnected_subscriber_misses_nothing_and_gets_nothing_twice(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url) as here:
            start = await changes.current(here.owned(ada))
            given = [{"title": f"{number}"} for number in range(250)]
            for first in range(0, 250, 100):
                await here.write(ada).create_all(given[first : first + 100])
            seen: list[str] = []
            cursor, size = start, 1
            while len(seen) < len(given):
                async with aclosing(here.follow(ada, cursor)) as follower:
                    for _ in range(min(size, len(given) - len(seen))):
                        row, cursor = await anext(follower)
                        seen.append(row["title"])
                size *= 3
            assert sorted(map(int, seen)) == [*range(250)]
            page = await Changes(here.owned(ada), TASKS).since(None, cursor)
            assert not page.rows, "cursors of the subscription are those of the query"

    run_to_the_last_task(test)


def test_slow_subscriber_gets_only_the_latest_state(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url) as here:
            ids = [await here.create(ada, title) for title in ("one", "two")]
            start = await changes.current(here.owned(ada))
            async with aclosing(here.follow(ada, start)) as follower:
                await here.write(ada).update(ids[0], {"title": "0"}, None)
                assert await titles(follower, 1) == ["0"]
                for number in range(1, 6):
                    await here.write(ada).update(ids[0], {"title": f"{number}"}, None)
                await here.write(ada).update(ids[1], {"title": "last"}, None)
                assert await titles(follower, 2) == ["5", "last"]
                waiting = begun(follower)
                await here.write(ada).update(ids[0], {"title": "6"}, None)
                assert (await waiting)[0]["title"] == "6"

    run_to_the_last_task(test)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_hundred_subscribers_of_an_owner_cost_one_statement_for_a_write(
    postgres: Postgres, resource: Resource
) -> None:
    async def test() -> None:
        ada = new()
        read = changes.since(resource).sql
        async with process(postgres.url) as here:
            followers = [here.follow(ada, of=resource) for _ in range(100)]
            first = await waiting_for(postgres, *followers)
            for _ in range(3):
                before = await ran(postgres, read)
                created = await here.write(ada, resource).create(dict(resource.example))
                found = await asyncio.gather(*first)
                assert {row["id"] for row, _ in found} == {created["id"]}
                assert len({cursor for _, cursor in found}) == 1
                first = [begun(each) for each in followers]
                assert await ran(postgres, read) - before == 1
            for task in first:
                task.cancel()
            await asyncio.gather(*first, return_exceptions=True)
            for each in followers:
                await each.aclose()

    run_to_the_last_task(test)


class Empty:
    """A page without rows."""

    is_dropped = has_next = False

    def size(self) -> int:
        """Return 0."""
        return 0

    def drop(self) -> None:
        """Do nothing."""


def test_subscribers_of_an_owner_continue_one_after_the_other() -> None:
    """Between two of them, the event loop runs the tasks of others."""

    async def test() -> None:
        feed, page = Feed(), Empty()
        order: list[str] = []

        async def read() -> Empty:
            return page

        async def subscribe() -> None:
            await feed.read("a place", read)
            order.append("subscriber")

        subscribers = [asyncio.ensure_future(subscribe()) for _ in range(100)]
        while not all(each.done() for each in subscribers):
            order.append("other")
            await asyncio.sleep(0)
        assert order.count("subscriber") == len(subscribers)
        pairs = itertools.pairwise(order)
        assert ("subscriber", "subscriber") not in pairs

    run_to_the_last_task(test)


def test_two_changes_at_once_wake_a_waiting_subscriber_once() -> None:
    async def test() -> None:
        feed = Feed()
        waiting = asyncio.ensure_future(feed.wait(0, 0))
        await asyncio.sleep(0)
        feed.wake()
        feed.wake()
        await waiting
        assert feed.wakes == 2

    run_to_the_last_task(test)


def test_many_subscribers_are_woken_at_most_once_in_their_interval() -> None:
    async def test() -> None:
        now, observed = 5.0, list[float]()
        feed = Feed(lambda: now, observed.append)
        feed.subscribers = 100
        feed.wake()
        now += feed.subscribers * SPACING / 2
        noticed_at = now
        for _ in range(3):
            feed.wake()
        assert feed.wakes == 1
        now += feed.subscribers * SPACING
        await feed.wait(1, 0)
        assert feed.wakes == 2
        assert feed.noticed_at == noticed_at
        feed.delivered(feed.noticed_at)
        assert observed == [now - noticed_at], "waiting for the wake is a part of the delivery"
        feed.wake()
        assert feed.wakes == 2
        now += feed.subscribers * SPACING
        await feed.wait(2, 0)
        feed.subscribers = 0
        feed.wake()
        assert feed.wakes == 4

    run_to_the_last_task(test)


def test_poll_does_not_notice_a_change_again_for_which_a_wake_is_due() -> None:
    async def test() -> None:
        feed = Feed(lambda: 5.0)
        feed.subscribers = 100
        feed.wake()
        waiting = asyncio.ensure_future(feed.wait(1, 7))
        await asyncio.sleep(0)
        assert not feed.compare(7)
        assert feed.compare(8)
        assert not feed.compare(8)
        assert feed.wakes == 1
        await waiting
        assert feed.wakes == 2

    run_to_the_last_task(test)


def test_read_that_is_cancelled_when_the_process_ends_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def read() -> Empty:
        await asyncio.Event().wait()
        raise AssertionError

    async def test() -> None:
        feed = Feed()
        subscriber = asyncio.ensure_future(feed.read("a place", read))
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 3
        assert not subscriber.done()

    asyncio.run(test())  # cancels the tasks that are left
    assert not caplog.records


def test_subscribers_of_an_owner_share_a_feed_until_the_last_one_leaves(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        async with process(postgres.url) as here:
            subscribed = here.live.subscribed
            with subscribed("ada") as first:
                with subscribed("ada") as second, subscribed("bob") as other:
                    assert first is second
                    assert first is not other
                    assert here.live.subscribers == 3
                assert here.live.subscribers == 1
                here.live.written("ada")
                assert first.wakes == 1
            assert here.live.subscribers == 0
            with subscribed("ada") as later:
                assert later.wakes == 0
            with pytest.raises(TypeError):
                Owned(here.database, "ada").subscribed()

    run_to_the_last_task(test)


def test_subscribers_share_a_whole_page_although_the_owner_writes_meanwhile(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        ada, sql = new(), changes.since(TASKS).sql
        async with process(postgres.url) as here:
            start = await changes.current(here.owned(ada))
            last = await here.create(ada, "old")
            await here.write(ada).create_all([{"title": "x"} for _ in range(60)])
            follower = here.follow(ada, start)
            assert (await anext(follower))[0]["title"] == "old"
            before = await ran(postgres, sql)
            await here.write(ada).update(last, {"title": "new"}, None)
            async with aclosing(here.follow(ada, start)) as other:
                found = [(await anext(other))[0] for _ in range(changes.EVENTS_AT_ONCE)]
                assert await ran(postgres, sql) == before
                # The row comes once more with its latest state, after the shared page.
                while found[-1]["title"] != "new":
                    found.append((await anext(other))[0])
                assert [each["title"] for each in found if each["id"] == last] == ["old", "new"]
            await follower.aclose()

    run_to_the_last_task(test)


def test_slow_subscribers_at_many_places_hold_few_pages(postgres: Postgres) -> None:
    async def test() -> None:
        ada, text = new(), "x" * 10_000
        async with process(postgres.url) as here:
            starts = [await changes.current(here.owned(ada))]
            for _ in range(5):
                await here.write(ada).create_all(
                    [{"title": "x", "description": text} for _ in range(20)]
                )
                starts += (await Changes(here.owned(ada), TASKS).since(20, starts[-1])).cursors
            followers = [here.follow(ada, start) for start in starts[:60]]
            seen = [[(await anext(each))[0]["id"]] for each in followers]
            gc.collect()
            records = sum(type(each) is TASKS.record for each in gc.get_objects())
            assert 0 < records * len(text) <= MAX_BYTES
            for number, (each, ids) in enumerate(zip(followers, seen, strict=True)):
                for _ in range(100 - number - 1):
                    ids.append((await anext(each))[0]["id"])
                assert len({*ids}) == len(ids)
                await each.aclose()

    run_to_the_last_task(test)


def test_write_of_another_owner_reads_nothing_for_a_subscriber(postgres: Postgres) -> None:
    async def test() -> None:
        ada, bob = new(), new()
        async with process(postgres.url) as here, aclosing(here.follow(ada)) as follower:
            [waiting] = await waiting_for(postgres, follower)
            before = await ran(postgres, changes.since(TASKS).sql)
            for _ in range(5):
                await here.create(bob, "his")
            assert await ran(postgres, changes.since(TASKS).sql) == before
            await here.create(ada, "hers")
            assert (await waiting)[0]["title"] == "hers"

    run_to_the_last_task(test)


def test_poll_finds_a_change_whose_notification_was_lost(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        nowhere = f"postgresql://nobody@{stack.NOBODY}/nowhere"
        async with (
            process(postgres.url, OFTEN, nowhere) as here,
            Database(postgres.url) as elsewhere,
            aclosing(here.follow(ada)) as follower,
        ):
            waiting = begun(follower)
            while not waiting.done():
                await Writes(Owned(elsewhere, ada), TASKS).create({"title": "elsewhere"})
                await asyncio.wait({waiting}, timeout=0.1)
            assert (await waiting)[0]["title"] == "elsewhere"

    run_to_the_last_task(test)


def test_poll_that_fails_unexpectedly_is_logged_and_repeated(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async def has_failed_twice() -> bool:
        return caplog.messages.count("a poll of the change numbers failed") >= 2

    async def test() -> None:
        with empty(postgres) as database:  # it has no tables
            async with process(database.url, OFTEN) as here:
                with here.live.subscribed(new()):
                    await until(has_failed_twice)

    run_to_the_last_task(test)


def test_process_with_a_subscriber_is_notified_by_the_others(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        ada, bob = new(), new()
        async with (
            process(postgres.url) as here,
            process(postgres.url) as there,
            aclosing(here.follow(ada)) as follower,
        ):
            listening = asyncio.ensure_future(there.notifications.listen())
            await until(lambda: listeners(postgres))
            polls = await ran(postgres, live.NUMBERS.sql)
            waiting = begun(follower)
            # The process announces itself after the first poll. It polls again when it listens.
            await until_ran(postgres, live.NUMBERS.sql, polls + 2)
            while not waiting.done():
                await there.create(bob, "his")  # no subscriber here follows bob
                await there.create(ada, "there")
                await asyncio.wait({waiting}, timeout=0.1)
            assert (await waiting)[0]["title"] == "there"
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    run_to_the_last_task(test)
    assert not caplog.records


def test_owner_who_writes_all_the_time_delays_no_notification_about_others(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        ada, bob = new(), new()
        async with (
            process(postgres.url) as here,
            process(postgres.url, coalesce_owner=NEVER) as there,
            aclosing(here.follow(ada)) as adas,
            aclosing(here.follow(bob)) as bobs,
        ):
            listening = asyncio.ensure_future(there.notifications.listen())
            await until(lambda: listeners(postgres))
            [adas_first, bobs_first] = await waiting_for(postgres, adas, bobs)
            while not adas_first.done():  # until `there` has heard an announcement of `here`
                await there.create(ada, "first")
                await asyncio.wait({adas_first}, timeout=0.1)
            await there.create(ada, "again")
            await there.create(bob, "his")
            assert (await bobs_first)[0]["title"] == "his"
            assert here.live.noticed["notification"] == 2
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    run_to_the_last_task(test)


def test_write_runs_only_its_own_statement_while_no_process_has_subscribers(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url) as here:
            await here.create(ada)  # the first statement opens a connection
            before = await asyncio.to_thread(stack.statements, postgres, APPLICATION)
            await here.create(ada)
            after = await asyncio.to_thread(stack.statements, postgres, APPLICATION)
            # Another API on this server may read the revocations meanwhile.
            [sql] = [each for each in after[len(before) :] if "revocation" not in each]
            assert sql.startswith("WITH given AS") or "INSERT INTO tasks.tasks" in sql

    run_to_the_last_task(test)


async def listeners(postgres: Postgres) -> list[int]:
    """Return the processes of PostgreSQL that listen for changes."""
    query = f"""SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%{live.CHANNEL}%'"""  # noqa: S608 - of constants alone

    async def look(connection: asyncpg.Connection) -> list[int]:
        return [row["pid"] for row in await connection.fetch(query)]

    return await asyncio.to_thread(run, postgres, look)


def test_listening_ends_with_the_last_subscriber_and_survives_a_lost_connection(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        ada, known = new(), {*await listeners(postgres)}

        async def of_here() -> set[int]:
            return {*await listeners(postgres)} - known

        async def none_of_here() -> bool:
            return not await of_here()

        async with process(postgres.url, OFTEN) as here:
            async with aclosing(here.follow(ada)) as follower:
                waiting = begun(follower)
                await until(of_here)
                [lost] = await of_here()
                known.add(lost)
                end = f"SELECT pg_terminate_backend({lost})"
                await asyncio.to_thread(run, postgres, lambda c: c.execute(end))
                await until(of_here)
                await here.create(ada, "afterwards")
                assert (await waiting)[0]["title"] == "afterwards"
            await until(none_of_here)
            polls = await ran(postgres, live.NUMBERS.sql)
            await here.create(ada)
            assert await ran(postgres, live.NUMBERS.sql) == polls

    run_to_the_last_task(test)


def test_process_that_receives_no_notifications_logs_one_warning(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        nowhere = f"postgresql://nobody@{stack.NOBODY}/nowhere"
        async with (
            process(postgres.url, 0.001, nowhere) as here,
            aclosing(here.follow(new())) as follower,
        ):
            announcements = await ran(postgres, "pg_notify")
            waiting = begun(follower)
            await until_ran(postgres, "pg_notify", announcements + 3 * live.MAX_UNHEARD)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    run_to_the_last_task(test)
    assert caplog.text.count("receives no notifications") == 1


def test_subscriber_of_a_purged_account_is_unauthenticated(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url, OFTEN) as here:
            await here.create(ada)
            async with aclosing(here.follow(ada)) as follower:
                [waiting] = await waiting_for(postgres, follower)
                async with here.database.transaction() as transaction:
                    await purge(transaction, ada)
                with pytest.raises(Unauthenticated):
                    await waiting
            with pytest.raises(Unauthenticated):
                await anext(here.follow(ada))

    run_to_the_last_task(test)


def test_cursor_that_is_of_another_owner_or_expires_ends_the_subscription(
    postgres: Postgres,
) -> None:
    async def test() -> None:
        ada, bob = new(), new()
        async with process(postgres.url) as here:
            for after in (await changes.current(here.owned(bob)), "made up", ""):
                with pytest.raises(CursorExpired):
                    await anext(here.follow(ada, after))
            start = await changes.current(here.owned(ada))
            id = await here.create(ada)
            async with aclosing(here.follow(ada, start)) as follower:
                await anext(follower)
                await here.write(ada).delete([id])
                forget = "UPDATE tasks.owners SET forgotten_number = 2 WHERE owner_id = $1"
                await asyncio.to_thread(run, postgres, lambda c: c.execute(forget, ada))
                with pytest.raises(CursorExpired):
                    await anext(follower)

    run_to_the_last_task(test)


def test_subscriber_that_has_read_everything_stays_when_tombstones_are_deleted(
    postgres: Postgres,
) -> None:
    """Writes of projects advance the place of a subscriber to tasks, which gets no change."""

    async def test() -> None:
        ada = new()
        async with process(postgres.url, OFTEN) as here, aclosing(here.follow(ada)) as follower:
            [waiting] = await waiting_for(postgres, follower)
            projects = here.write(ada, PROJECTS)
            made = await projects.create({"name": "gone"})
            await projects.delete([made["id"]])
            polls = await ran(postgres, live.NUMBERS.sql)
            await until_ran(postgres, live.NUMBERS.sql, polls + 3)
            forget = "UPDATE tasks.owners SET forgotten_number = 2 WHERE owner_id = $1"
            await asyncio.to_thread(run, postgres, lambda c: c.execute(forget, ada))
            await here.create(ada, "here")
            assert (await waiting)[0]["title"] == "here"

    run_to_the_last_task(test)


def test_cancelled_subscriber_does_not_end_the_read_of_another(postgres: Postgres) -> None:
    async def test() -> None:
        ada = new()
        async with process(postgres.url) as here:
            start = await changes.current(here.owned(ada))
            await here.create(ada, "shared")
            one, other = here.follow(ada, start), here.follow(ada, start)
            first, second = begun(one), begun(other)
            for _ in range(5):
                await asyncio.sleep(0)  # both wait for the same read
            first.cancel()
            assert (await second)[0]["title"] == "shared"
            await asyncio.gather(first, return_exceptions=True)
            await one.aclose()
            await other.aclose()

    run_to_the_last_task(test)


def test_subscribers_wait_out_a_restart_of_postgresql() -> None:
    async def test(server: Postgres) -> None:
        ada = new()
        async with process(server.url, OFTEN) as here:
            await here.create(ada, "before")
            start = await changes.current(here.owned(ada))
            async with aclosing(here.follow(ada, start)) as follower:
                waiting = begun(follower)
                await asyncio.to_thread(server.stop)
                with pytest.raises((OSError, ConnectionDoesNotExistError)):
                    await asyncpg.connect(server.url)
                here.live.written(ada)  # the read that follows fails
                await asyncio.wait({waiting}, timeout=0.1)
                assert not waiting.done()
                await asyncio.to_thread(server.__enter__)
                async with Database(server.url) as elsewhere:
                    await Writes(Owned(elsewhere, ada), TASKS).create({"title": "after"})
                assert (await waiting)[0]["title"] == "after"

    with stack.postgres() as server:
        migrations.upgrade(server.url)
        run_to_the_last_task(lambda: test(server))


def test_event_reads_anew_and_is_refused_after_the_session_has_ended(postgres: Postgres) -> None:
    async def test() -> None:
        ada, ended = new(), False

        async def check(_: Claims) -> None:
            if ended:
                raise Unauthenticated(token_sent=True)

        async with process(postgres.url) as here:
            claims = Claims(ada, None, None, "", 0.0)
            delivery = Delivery(check, RateLimits(0).wait_for_event)
            context = Context(claims, here.database, None, here.live, delivery)
            made = await context.write(PROJECTS).create({"name": "old"})
            task = await context.write(TASKS).create({"title": "x", "project_id": made["id"]})

            async def loaded() -> str:
                [row] = await context.load(PROJECTS, [task], "project_id")
                return name(row)

            assert await loaded() == "old"
            await here.write(ada, PROJECTS).update(made["id"], {"name": "new"}, None)
            assert await loaded() == "old"
            context.owned.begin_search()
            await context.begin_event()
            context.owned.begin_search()
            assert await loaded() == "new"
            ended = True
            with pytest.raises(Unauthenticated):
                await context.begin_event()

    run_to_the_last_task(test)


def name(row: Any) -> str:
    return str(row["name"])
