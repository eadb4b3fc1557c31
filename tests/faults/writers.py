"""Clients that write during a fault, and record each acknowledged write and each response."""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import httpx

from dev.postgres import Postgres
from tests import plain
from tests.conftest import mint
from tests.tasks.test_tasks import CREATE
from tests.test_kills import stored
from tests.waiting import wait_until

log = logging.getLogger(__name__)

WRITERS = 4
PAUSE = 0.01
"""Seconds between two requests of a writer. A client would wait for `Retry-After`, but then the
measured recovery would be that of the client."""
UPDATE = """mutation ($id: ID!, $patch: TaskPatch!) {
  updateTask(id: $id, patch: $patch) { task { id } } }"""
READ = "query ($id: ID!) { task(id: $id) { title } }"


def long_lived(owner: str) -> str:
    """Return a token of this owner that lives almost as long as the web app's."""
    return mint(owner, exp=int(time.time()) + 80_000)


class Writer:
    """Creates, updates and reads tasks of its own owner, one after the other, in a thread.

    It repeats each request until the response is not 503. To repeat a write has no further effect:
    the client chooses the id of a task, and an update sets a title.
    """

    def __init__(self, url: str, token: Callable[[str], str]) -> None:
        self.owner = secrets.token_hex(8)
        self.acknowledged: dict[str, str] = {}
        """The title of each task, as the last acknowledged write of the task set it."""
        self.wrong: list[str] = []
        """Answers that are neither the right result nor 503."""
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []
        """The time that each answer took."""
        self.written_at = time.monotonic()
        self.longest_gap = 0.0
        """The longest time between two acknowledged writes."""
        self._url = url
        self._token = token(self.owner)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write during a `with` block."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()

    def _work(self) -> None:
        with plain.Client(headers={"Authorization": f"Bearer {self._token}"}) as client:
            number = 0
            while not self._stopped.is_set():
                number += 1
                id, title = str(uuid4()), f"number {number}"
                for query, variables, after in (
                    (CREATE, {"i": {"id": id, "title": "new"}}, "new"),
                    (UPDATE, {"id": id, "patch": {"title": title}}, title),
                ):
                    if self._done(client, query, variables) is None:
                        break
                    self.acknowledged[id] = after
                    gap = time.monotonic() - self.written_at
                    self.written_at, self.longest_gap = (
                        time.monotonic(),
                        max(gap, self.longest_gap),
                    )
                else:
                    data = self._done(client, READ, {"id": id})
                    if data is not None and data != {"task": {"title": title}}:
                        self.wrong.append(f"read {data} after {title!r} was acknowledged")

    def _done(self, client: httpx.Client, query: str, variables: Any) -> Any:
        """Return the data of an operation, or None if the answer is wrong or the writer stops."""
        while not self._stopped.wait(PAUSE):
            began = time.monotonic()
            try:
                answer = client.post(
                    f"{self._url}/graphql", json={"query": query, "variables": variables}
                )
            except httpx.TransportError as error:
                self.wrong.append(repr(error))
                return None
            self.seconds.append(time.monotonic() - began)
            self.answers[answer.status_code] += 1
            try:
                body = answer.json()
            except ValueError:
                self.wrong.append(f"{answer.status_code}: {answer.text}")
                return None
            if answer.status_code == 200 and "errors" not in body:
                return body["data"]
            codes = {error["extensions"]["code"] for error in body["errors"]}
            if (answer.status_code, codes) != (503, {"UNAVAILABLE"}):
                self.wrong.append(f"{answer.status_code}: {answer.text}")
                return None
            if answer.headers.get("retry-after") != "1":
                self.wrong.append("503 without Retry-After")
        return None


class Writers:
    """Runs several writers, and adds up their measurements."""

    def __init__(self, url: str, token: Callable[[str], str]) -> None:
        self._writers = [Writer(url, token) for _ in range(WRITERS)]
        self._repaired_at = 0.0
        self._recovered: float | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write during a `with` block."""
        with ExitStack() as running:
            for writer in self._writers:
                running.enter_context(writer.writing())
            yield

    def repaired(self) -> None:
        """Record that the fault ends now."""
        self._repaired_at, self._recovered = time.monotonic(), None

    def wait_until_all_write(self) -> float:
        """Wait until each writer had a write acknowledged since the fault ended.

        Return the seconds from the end of the fault until the last of them had its first one.
        """
        if self._recovered is not None:
            return self._recovered
        first: dict[str, float] = {}

        def have_written() -> bool:
            for writer in self._writers:
                if (written_at := writer.written_at) > self._repaired_at:
                    first.setdefault(writer.owner, written_at)
            return len(first) == len(self._writers)

        wait_until(have_written, self._wrong)
        self._recovered = max(first.values()) - self._repaired_at
        return self._recovered

    def wait_until_each_wrote(self, tasks: int) -> None:
        """Wait until each writer has created so many tasks."""
        wait_until(
            lambda: all(len(writer.acknowledged) > tasks for writer in self._writers), self._wrong
        )

    def wait_until_refused(self, times: int = WRITERS) -> None:
        """Wait for this number of further answers with 503."""
        until = self.answers()[503] + times
        wait_until(lambda: self.answers()[503] >= until, "no request is answered with 503")

    def answers(self) -> Counter[int]:
        """Return the number of answers by their status."""
        return sum((writer.answers for writer in self._writers), Counter[int]())

    def lost(self, database: Postgres | str) -> list[str]:
        """Return the acknowledged writes that the database does not have."""
        found = []
        for writer in self._writers:
            rows = stored(database, writer.owner)
            for id, title in writer.acknowledged.items():
                at = rows.get(id, (0, None))[1]
                if at is None:
                    found.append(f"the creation of {id}")
                # A writer that stops during an update does not know whether it took effect.
                if title not in {at, "new"}:
                    found.append(f"the update of {id}: its title is {at!r} instead of {title!r}")
            # A writer that stops during a creation does not know either.
            if len(rows) > len(writer.acknowledged) + 1:
                found.append(f"{len(rows)} tasks instead of {len(writer.acknowledged)}")
        return found

    def report(self, fault: str, lost: int, recovered: float) -> None:
        """Log a row of the table of faults in docs/operate.md."""
        answers = self.answers()
        seconds = [each for writer in self._writers for each in writer.seconds]
        titles = [title for writer in self._writers for title in writer.acknowledged.values()]
        acknowledged = len(titles) + sum(title != "new" for title in titles)
        log.warning(
            "| %s | 200: %d, 503: %d, slowest answer %.1f s | %d of %d | %.2f | %.2f |",
            *(fault, answers[200], answers[503], max(seconds), lost, acknowledged, recovered),
            max(writer.longest_gap for writer in self._writers),
        )

    def check(self) -> None:
        """Check that each answer was either the right result or 503."""
        assert not self._wrong(), self._wrong()

    def _wrong(self) -> str:
        return "\n".join(line for writer in self._writers for line in writer.wrong)


@contextmanager
def writing(
    fault: str,
    url: str,
    database: Postgres | str,
    token: Callable[[str], str] = long_lived,
    *,
    may_lose: bool = False,
) -> Iterator[Writers]:
    """Write during a `with` block in which a fault begins and ends. The block calls `repaired`.

    Afterwards, wait until every writer writes again, check all answers, and check that the database
    has every acknowledged write. With `may_lose`, only count the lost ones.
    """
    writers = Writers(url, token)
    with writers.writing():
        writers.wait_until_each_wrote(5)
        yield writers
        recovered = writers.wait_until_all_write()
    if not may_lose:
        writers.check()
    lost = writers.lost(database)
    writers.report(fault, len(lost), recovered)
    assert may_lose or not lost, lost
