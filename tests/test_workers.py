"""`serve --workers`: processes on one socket, replaced, drained, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import stack
from tests.conftest import NO_TLS, mint
from tests.wire import BODY, connected, post

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


COMPLETE = "Application startup complete"


def workers(server: stack.Server) -> list[int]:
    """Return the ids of both processes, once they serve."""
    server.said(COMPLETE, times=2)
    return [int(server.said(r"Started server process \[(\d+)\]", n)[1]) for n in (1, 2)]


def soon(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def worker(server: stack.Server) -> int:
    """Return the id of the only one, once it serves."""
    server.said(COMPLETE)
    return int(server.said(r"Started server process \[(\d+)\]")[1])


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def asked(server: stack.Server) -> int:
    """On a new connection, which any of them may take."""
    return httpx.get(f"{server.url}/health/ready", verify=NO_TLS, timeout=30).status_code


def test_workers_are_replaced_and_drained(settings: dict[str, str], tmp_path: Path) -> None:
    server = stack.api(tmp_path, settings, "--workers", "2")
    killed = workers(server)[0]
    assert asked(server) == 200
    os.kill(killed, signal.SIGKILL)
    server.said(COMPLETE, times=3)
    assert not runs(killed)
    assert all(asked(server) == 200 for _ in range(20))

    url = urlsplit(server.url)
    body = b'{"query": "{ viewer { id } }"}'
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {mint('ada')}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=30) as busy:
        busy.sendall(head.encode() + body[:10])
        assert asked(server) == 200  # by when the other request is under way
        server.child.process.send_signal(signal.SIGTERM)
        busy.sendall(body[10:])
        answer = b""
        while not answer.endswith(b"}}}"):
            received = busy.recv(4096)
            assert received, "hung up on"
            answer += received
    assert server.child.process.wait(30) == 0
    server.stop()
    log = "\n".join(server.lines)
    assert f"Child process [{killed}] died" in log
    assert log.count("Finished server process") == 2


@pytest.mark.parametrize("arguments", [("--workers", "2"), ("--reload",)])
def test_workers_end_when_the_one_above_is_killed(
    settings: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    server = stack.api(tmp_path, settings, *arguments)
    left = workers(server) if "--workers" in arguments else [worker(server)]
    os.kill(server.child.process.pid, signal.SIGKILL)
    server.stop()
    soon(lambda: not any(map(runs, left)), "they ended")


def test_a_second_ctrl_c_waits_for_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    """As a terminal sends it: to every process of the group."""
    server = stack.api(tmp_path, settings, "--workers", "2")
    both = workers(server)
    group = os.getpgid(server.child.process.pid)
    assert group != os.getpgid(0)
    with connected(server.url) as busy:
        busy.sendall(post(b"Expect: 100-continue").removesuffix(BODY))
        assert b" 100 " in busy.recv(1000)  # by when the request is under way
        os.killpg(group, signal.SIGINT)
        soon(lambda: sum(map(runs, both)) == 1, "the idle one has ended")
        os.killpg(group, signal.SIGINT)
        server.child.process.wait(10)
    server.stop()
    assert not any(map(runs, both))


def test_workers_that_cannot_start_are_not_started_again(
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
    program = "from api.server import serve; serve('broken:app', '127.0.0.1', 0, workers=2)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.count(b"Started server process") <= 2


@pytest.mark.parametrize("arguments", [("--workers", "2"), ("--reload",)])
def test_one_that_is_told_to_stop_while_it_starts_leaves_nothing_running(
    settings: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    server = stack.api(tmp_path, settings, *arguments)  # it listens, and its workers start
    server.child.process.send_signal(signal.SIGTERM)
    assert server.child.process.wait(30) in {0, -signal.SIGTERM}  # before it started any
    server.stop()  # waits until nobody holds the other end of the pipe that it reads


def test_a_port_that_is_taken_is_one_line(settings: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "api", "serve", "--port", port, "--workers", "2"]
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert b"address already in use" in done.stderr.splitlines()[-1].lower()
