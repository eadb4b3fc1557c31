"""Notifications: one connection for all channels, which is closed when there are no listeners."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from api.errors import Unavailable
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.waiting import PATIENCE


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.005)


async def stopped(*listening: "asyncio.Task[None]") -> None:
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


def listeners(postgres: Postgres, channel: str) -> Callable[[], Awaitable[list[int]]]:
    """Return a function that returns the processes of PostgreSQL that listened last to a channel.

    This is the channel that was added last.
    """
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' || $1 || '%'"

    async def look(connection: asyncpg.Connection) -> list[int]:
        return [row["pid"] for row in await connection.fetch(query, channel)]

    return lambda: asyncio.to_thread(run, postgres, look)


def test_several_listeners_share_a_connection_that_the_last_one_closes(postgres: Postgres) -> None:
    async def work() -> None:
        one, other = (f"channel_{secrets.token_hex(8)}" for _ in range(2))
        heard: dict[str, list[str]] = {one: [], other: []}
        notifications = Notifications(postgres.url)
        for channel, into in heard.items():
            notifications.on(channel, into.append)
        users = [asyncio.create_task(notifications.listen()) for _ in range(3)]
        processes = listeners(postgres, other)
        await until(processes)
        async with Database(postgres.url) as database:
            for channel in heard:
                for payload in ("", "é,x"):
                    await database.notify(channel, payload)

            async def all_arrived() -> bool:
                return all(into == ["", "", "é,x"] for into in heard.values())

            await until(all_arrived)  # an empty payload means that the process listens
        await stopped(*users[:2])
        assert len(await processes()) == 1
        await stopped(users[2])
        assert asyncio.all_tasks() == {asyncio.current_task()}

        async def closed() -> bool:
            return not await processes()

        await until(closed)
        again = asyncio.create_task(notifications.listen())
        await until(processes)
        await stopped(again)

    asyncio.run(work())


def test_every_listener_learns_of_a_lost_connection_and_can_listen_again(
    postgres: Postgres,
) -> None:
    async def work() -> None:
        channel = f"channel_{secrets.token_hex(8)}"
        notifications = Notifications(postgres.url)
        notifications.on(channel, lambda _: None)
        users = [asyncio.create_task(notifications.listen()) for _ in range(2)]
        processes = listeners(postgres, channel)
        await until(processes)
        [process] = await processes()
        end = f"SELECT pg_terminate_backend({process})"
        await asyncio.to_thread(run, postgres, lambda c: c.execute(end))
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*users)
        again = asyncio.create_task(notifications.listen())
        await until(processes)
        assert await processes() != [process]
        await stopped(again)

    asyncio.run(work())


def test_connection_that_cannot_be_opened_is_unavailable_for_every_listener() -> None:
    async def work() -> None:
        notifications = Notifications(f"postgresql://nobody@{stack.NOBODY}/nowhere")
        users = [notifications.listen() for _ in range(2)]
        for error in await asyncio.gather(*users, return_exceptions=True):
            with pytest.raises(Unavailable):
                raise error  # type: ignore[misc]  # `gather` may return results

    asyncio.run(work())
