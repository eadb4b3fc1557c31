"""The server process: slow clients, kept connections and shutdown."""

import asyncio
import re
import resource
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import plain, stack
from tests.conftest import Caller, mint
from tests.graphql.ticks import acknowledged
from tests.waiting import PATIENCE, wait_until
from tests.wire import START, connected, post


def test_slow_clients_leave_room_for_others(settings: dict[str, str], tmp_path: Path) -> None:
    """There are more clients than the soft limit on open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))  # the API inherits the limit
    try:
        api = stack.api(tmp_path, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        with ExitStack() as strangers:
            for _ in range(200):
                strangers.enter_context(connected(api.url)).sendall(START)
            assert plain.get(f"{api.url}/health/live").status_code == 200
    finally:
        api.stop()


def test_connections_are_kept_for_further_requests(ada: Caller) -> None:
    headers = {"Authorization": f"Bearer {ada.token}"}
    with plain.Client(base_url=ada.url, headers=headers) as client:
        for _ in range(3):
            answer = client.post("/graphql", json={"query": "{ viewer { id } }"})
            assert answer.json() == {"data": {"viewer": {"id": ada.user}}}


def test_stopping_server_is_not_ready_and_finishes_its_requests(
    settings: dict[str, str], tmp_path: Path
) -> None:
    server = stack.api(tmp_path, settings)
    asked = post()
    with connected(server.url) as busy:
        busy.sendall(asked[:-10])
        assert plain.get(f"{server.url}/health/ready").status_code == 200
        server.child.process.send_signal(signal.SIGTERM)
        ready = f"{server.url}/health/ready"
        wait_until(lambda: plain.get(ready).status_code == 503, "the signal did not come through")
        assert plain.get(f"{server.url}/health/live").status_code == 200
        busy.sendall(asked[-10:])
        answer = b""
        while not answer.endswith(b"}}}"):
            answer += busy.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert server.child.process.wait(PATIENCE) in {0, -signal.SIGTERM}
    server.stop()


@pytest.mark.parametrize("times", [1, 2])
def test_stopping_server_sends_sockets_away(
    times: int, settings: dict[str, str], tmp_path: Path
) -> None:
    """The second Ctrl-C ends the process at once."""
    server = stack.api(tmp_path, settings)

    async def attempt() -> None:
        url = f"{server.url}/graphql"
        async with acknowledged(url, mint("ada")) as ada, acknowledged(url, mint("bob")) as bob:
            for client, owner in ((ada, "ada"), (bob, "bob")):
                await client.subscribe("a", "{ viewer { id } }")
                answer = {"data": {"viewer": {"id": owner}}}
                assert (await client.receive())["payload"] == answer
                assert (await client.receive())["type"] == "complete"
            for _ in range(times):
                server.child.process.send_signal(signal.SIGINT)
            codes = {1001} if times == 1 else {1001, 1012, None}
            assert await ada.close_code() in codes
            assert await bob.close_code() in codes

    asyncio.run(attempt())
    assert server.child.process.wait(PATIENCE) in {0, -signal.SIGINT}
    printed = "\n".join(server.lines)
    # Starlette may log that the second Ctrl-C has ended the process and cancelled its lifespan.
    ends = r"^(asyncio\.exceptions\.CancelledError|KeyboardInterrupt)$"
    allowed = len(re.findall(ends, printed, re.MULTILINE)) if times == 2 else 0
    assert printed.count("Traceback") == allowed
    assert "/graphql" not in printed
    server.stop()
