"""`serve --workers`: worker processes are replaced, drained, and never left running."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.postgres.limits import Limits
from tests import forking, plain, stack
from tests.conftest import mint
from tests.metrics.scraping import Watched
from tests.waiting import PATIENCE, wait_until
from tests.wire import BODY, connected, post

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


COMPLETE = "Application startup complete"
REQUESTS = "tasks_api_requests_total"
CONNECTIONS = "tasks_api_pool_connections"
CPU = "process_cpu_seconds_total"


def names(*processes: int) -> set[str]:
    return {str(process) for process in processes}


def workers(server: stack.Server) -> list[int]:
    """Wait until both workers serve, and return their PIDs."""
    server.wait_for_output(COMPLETE, times=2)
    return [int(server.wait_for_output(r"Started server process \[(\d+)\]", n)[1]) for n in (1, 2)]


def worker(server: stack.Server) -> int:
    """Wait until the only worker serves, and return its PID."""
    server.wait_for_output(COMPLETE)
    return int(server.wait_for_output(r"Started server process \[(\d+)\]")[1])


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ready_status(server: stack.Server) -> int:
    """Return the status of a request on a new connection, which any worker may accept."""
    return plain.get(f"{server.url}/health/ready").status_code


def test_workers_are_replaced_and_drained(settings: dict[str, str], tmp_path: Path) -> None:
    """One port serves the sum of what the workers have counted, even after one of them has died.

    The workers write the access log, without the query strings.
    """
    env = {**settings, "TMPDIR": str(tmp_path)}
    watched = Watched(tmp_path, env, "--workers", "2", "--access-log")
    server = watched.api
    both = workers(server)
    killed = both[0]
    assert ready_status(server) == 200
    assert watched.scrape().labels(CPU, "process") == names(server.child.process.pid, *both)
    assert all(ready_status(server) == 200 for _ in range(20))
    ready = {"route": "/health/ready", "status": "200"}
    wait_until(lambda: watched.scrape()(REQUESTS, **ready) == 21, "both have counted")
    before = watched.scrape()
    assert before(CONNECTIONS, state="limit") == 2 * Limits().size
    os.kill(killed, signal.SIGKILL)
    server.wait_for_output(COMPLETE, times=3)
    assert not runs(killed)
    assert all(ready_status(server) == 200 for _ in range(20))
    wait_until(lambda: watched.scrape()(REQUESTS, **ready) == 41, "nothing is lost")
    after = watched.scrape()
    assert after(CONNECTIONS, state="limit") == 2 * Limits().size  # not three times
    assert after("tasks_api_processes_started_total") == 3
    assert after("tasks_api_processes_ended_total") == 1
    assert len(after.labels(CPU, "process")) == 3
    assert str(killed) not in after.labels(CPU, "process")
    [directory] = tmp_path.glob("tasks-api-metrics-*")
    plain.get(f"{server.url}/graphql?query=secret")
    server.wait_for_output("method=GET route=/graphql status=401")

    url = urlsplit(server.url)
    body = b'{"query": "{ viewer { id } }"}'
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {mint('ada')}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as busy:
        busy.sendall(head.encode() + body[:10])
        assert ready_status(server) == 200  # the other request is running by then
        server.child.process.send_signal(signal.SIGTERM)
        busy.sendall(body[10:])
        answer = b""
        while not answer.endswith(b"}}}"):
            received = busy.recv(4096)
            assert received, "hung up on"
            answer += received
    assert server.child.process.wait(PATIENCE) == 0
    server.stop()
    assert not directory.exists()
    log = "\n".join(server.lines)
    assert f"Child process [{killed}] died" in log
    assert log.count("Finished server process") == 2
    assert "secret" not in log


@pytest.mark.prove
def test_reloaded_process_ends_when_its_parent_is_killed(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """`test_workers_whose_parent_is_killed_answer_no_request_500_and_end` tests workers."""
    server = stack.api(tmp_path, settings, "--reload")
    left = worker(server)
    os.kill(server.child.process.pid, signal.SIGKILL)
    server.stop()
    wait_until(lambda: not runs(left), "it ended")


def test_workers_whose_parent_is_killed_answer_no_request_500_and_end(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """Some requests arrive just before a worker ends, and their bodies never arrive.

    The worker may close the connection without an answer.
    """
    server = stack.api(tmp_path, settings, "--workers", "2")
    both = workers(server)
    begun = post().removesuffix(BODY)
    with ExitStack() as until_the_end:
        first = until_the_end.enter_context(connected(server.url))
        first.sendall(begun)
        assert ready_status(server) == 200  # the first request is running by then
        os.kill(server.child.process.pid, signal.SIGKILL)
        server.wait_for_output("Shutting down")  # the other worker has no request
        others = [until_the_end.enter_context(connected(server.url)) for _ in range(20)]
        first.sendall(BODY)
        assert first.recv(1000).startswith(b"HTTP/1.1 200 ")
        for each in others:
            with suppress(OSError):
                each.sendall(begun)
        answers = [answer_or_nothing(each) for each in others]
    assert {answer[:13] for answer in answers} <= {b"", b"HTTP/1.1 503 "}
    server.stop()
    wait_until(lambda: not any(map(runs, both)), "they ended")


def answer_or_nothing(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1000)
    except ConnectionError:
        return b""


@pytest.mark.prove
def test_second_ctrl_c_stops_at_once(settings: dict[str, str], tmp_path: Path) -> None:
    """Ctrl-C in a terminal sends the signal to the parent and to all workers.

    `test_stopping_server_sends_sockets_away` does the same with a single process.
    """
    server = stack.api(tmp_path, settings, "--workers", "2")
    both = workers(server)
    group = os.getpgid(server.child.process.pid)
    assert group != os.getpgid(0)
    with connected(server.url) as busy:
        busy.sendall(post(b"Expect: 100-continue").removesuffix(BODY))
        assert b" 100 " in busy.recv(1000)  # the request is running by then
        os.killpg(group, signal.SIGINT)
        wait_until(lambda: sum(map(runs, both)) == 1, "the idle one has ended")
        os.killpg(group, signal.SIGINT)
        server.child.process.wait(PATIENCE)
    server.stop()
    assert not any(map(runs, both))


def test_workers_that_cannot_start_are_not_restarted(
    settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(
        """
from starlette.applications import Starlette

async def lifespan(app):
    raise OSError
    yield

def app():
    return Starlette(lifespan=lifespan)
"""
    )
    program = "from api.serving.server import serve; serve('broken:app', '127.0.0.1', 0, workers=2)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.count(b"Started server process") <= 2


@pytest.mark.prove
@pytest.mark.parametrize("arguments", [("--workers", "2"), ("--reload",)])
def test_server_stopped_while_it_starts_leaves_no_process_running(
    settings: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    server = stack.api(
        tmp_path, settings, *arguments
    )  # the server listens, and its workers are starting
    server.child.process.send_signal(signal.SIGTERM)
    assert server.child.process.wait(PATIENCE) in {
        0,
        -signal.SIGTERM,
    }  # the signal may arrive before the first worker
    server.stop()  # waits until no process holds the other end of the pipe


def test_port_in_use_is_an_error_of_one_line(settings: dict[str, str], tmp_path: Path) -> None:
    """The server ends before it starts a worker, so the test may fork it, which is faster."""
    printed = tmp_path / "printed"
    with socket.create_server(("127.0.0.1", 0)) as taken, printed.open("wb") as output:
        port = str(taken.getsockname()[1])
        command = [*forking.COMMAND, "serve", "--port", port, "--workers", "2"]
        start = forking.child_type(("serve",), settings)
        child = start(command, cwd=tmp_path, env=settings, output=output.fileno())
        assert child.process.wait(PATIENCE) == 3
    assert "address already in use" in printed.read_text().splitlines()[-1].lower()
