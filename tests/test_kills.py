"""A client that reconnects with its last cursor misses no change, whatever was killed."""

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
import httpx
import orjson
from websockets.exceptions import WebSocketException

from api import migrations
from dev.postgres import Postgres
from tests import sse, stack
from tests.conftest import Caller, mint, run, trusting
from tests.tasks.test_tasks import CREATE_ALL, MANY, UPDATE
from tests.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "20"))
FOLLOW = """subscription ($after: String!) {
  taskChanges(after: $after) { cursor kind taskId task { version title } } }"""

Tasks = dict[str, tuple[int, str]]
"""The version and the title of each task, by its id."""


class Subscription(Protocol):
    """A client of one subscription."""

    def next(self) -> bytes:
        """Return the next result, in JSON."""


Subscribe = Callable[[Caller, str, dict[str, Any]], AbstractContextManager[Subscription]]
"""A function that subscribes with a caller, a query and its variables."""


class Replica:
    """A client that keeps a copy of the tasks. It reconnects whenever it loses its connection."""

    def __init__(self, caller: Caller, subscribe: Subscribe = sse.subscribed) -> None:
        self.tasks: Tasks = {}
        self.faults: list[object] = []
        self._caller = caller
        self._subscribe = subscribe
        self._cursor = caller("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
        self._gone: set[str] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._follow)

    @contextmanager
    def following(self, stop: Callable[[], None]) -> Iterator[None]:
        """Follow the changes for a `with` block, in a thread.

        At its end, call `stop`, which must end the connection.
        """
        self._thread.start()
        try:
            yield
        finally:
            self._stopped = True
            stop()
            self._thread.join()

    def _follow(self) -> None:
        while not self._stopped:
            after = {"after": self._cursor}
            with (
                # A proxy that reaches no server answers with a page of HTML.
                suppress(httpx.HTTPError, WebSocketException, OSError, orjson.JSONDecodeError),
                suppress(StopIteration),
                self._subscribe(self._caller, FOLLOW, after) as stream,
            ):
                while self._take(orjson.loads(stream.next())):
                    pass
            time.sleep(0.01)

    def _take(self, result: Any) -> bool:
        """Apply a result to the copy. Return False if the client must reconnect."""
        if "errors" in result:
            codes = {error["extensions"]["code"] for error in result["errors"]}
            if codes != {"UNAVAILABLE"}:
                self.faults.append(result)
            return False
        change = result["data"]["taskChanges"]
        id, task, self._cursor = change["taskId"], change["task"], change["cursor"]
        if task is None:
            if id in self._gone:
                self.faults.append(f"the deletion of {id} was delivered twice")
            self._gone.add(id)
            self.tasks.pop(id, None)
        elif task["version"] <= self.tasks.get(id, (0, ""))[0] or id in self._gone:
            self.faults.append(f"version {task['version']} of {id} was delivered again")
        else:
            self.tasks[id] = (task["version"], task["title"])
        return True


def stored(database: Postgres | str, owner: str) -> Tasks:
    """Return the tasks of an owner in the database."""
    query = "SELECT id, version, title FROM tasks.tasks WHERE owner_id = $1"
    rows = run(database, lambda connection: connection.fetch(query, owner))
    return {str(row["id"]): (row["version"], row["title"]) for row in rows}


class Product:
    """A database, and two processes of the API: one for the replica, and one for the writer."""

    def __init__(self, folder: Path, database: Postgres) -> None:
        self.database = database
        self._folder = folder
        self._env = trusting(database.url)
        self._ports = (stack.free_port(), stack.free_port())
        self._apis = [self._started(place) for place in (0, 1)]
        token = mint("ada")
        self.reader, self.writer = (Caller(api.url, "ada", token) for api in self._apis)

    def stop(self) -> None:
        """Stop both processes."""
        for api in self._apis:
            api.stop()

    def kill_api(self, place: int) -> None:
        """Kill a process of the API, and start it again."""
        self._apis[place].child.process.kill()
        self._apis[place].stop()
        self._apis[place] = self._started(place)

    def kill_listeners(self) -> None:
        """Close the connections on which the processes receive notifications."""
        self._sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )

    def kill_connections(self) -> None:
        """Close all connections of the processes, such as those with a write under way."""
        self._sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'bearer-tasks-api'"
        )

    def crash_database(self) -> None:
        """Kill a process of PostgreSQL, which then ends all others and recovers."""
        query = "SELECT pg_backend_pid()"

        async def crash(connection: asyncpg.Connection) -> None:
            os.kill(await connection.fetchval(query), signal.SIGKILL)

        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            run(self.database, crash)
        wait_until(self._answers, "PostgreSQL does not recover")

    def tasks(self) -> Tasks:
        """Return the tasks in the database."""
        return stored(self.database, "ada")

    def _started(self, place: int) -> stack.Server:
        return stack.api(self._folder, self._env, "--no-migrate", port=self._ports[place])

    def _sql(self, statement: str) -> None:
        run(self.database, lambda connection: connection.execute(statement))

    def _answers(self) -> bool:
        try:
            self._sql("SELECT")
        except (OSError, asyncpg.PostgresError):
            return False
        return True


class Writer:
    """Writes at random, again and again. A write that fails may have been committed or not."""

    def __init__(self, caller: Caller, chance: random.Random) -> None:
        self._caller = caller
        self._chance = chance
        self._ids: list[str] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._work)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write during a `with` block, in a thread."""
        self._stopped = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        try:
            yield
        finally:
            self._stopped = True
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped:
            self._write()

    def _write(self) -> None:
        ids = self._chance.sample(self._ids, min(2, len(self._ids)))
        if len(ids) < 2 or (len(self._ids) < 50 and self._chance.random() < 0.3):
            id = str(uuid4())
            self._ids.append(id)
            self._post(CREATE_ALL, inputs=[{"id": id, "title": "new"}])
        elif self._chance.random() < 0.2:
            self._ids.remove(ids[0])
            self._post(MANY["deleteTasks"], ids=ids[:1])
        else:
            title = f"{self._chance.random()}"
            self._post(UPDATE, id=ids[0], patch={"title": title}, version=None)

    def _post(self, query: str, **variables: Any) -> None:
        with suppress(httpx.HTTPError):
            self._caller.post(query, variables)


def test_replica_is_complete_after_everything_was_killed(tmp_path: Path) -> None:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    chance = random.Random(seed)  # noqa: S311 - no secret
    with stack.postgres() as database:
        migrations.upgrade(database.url)
        product = Product(tmp_path, database)
        ways: list[Callable[[], None]] = [
            *[product.kill_listeners, product.kill_connections, product.crash_database] * 6,
            lambda: product.kill_api(0),
            lambda: product.kill_api(1),
        ]
        replica, writer = Replica(product.reader), Writer(product.writer, chance)

        def is_complete() -> bool:
            assert not replica.faults, f"SEED={seed}: {replica.faults}"
            # PostgreSQL may answer once more before it notices that a process was killed.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return replica.tasks == product.tasks()
            return False

        with replica.following(product.stop):
            for number in range(KILLS):
                with writer.writing():
                    time.sleep(chance.random() * 0.05)  # the kill may happen at any moment
                    ways[number % len(ways)]()
                wait_until(is_complete, f"SEED={seed}: the replica is not complete")
