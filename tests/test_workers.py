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

from dev.postgres import ROOT
from tests import stack
from tests.conftest import NO_TLS, mint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def children(process: int) -> set[int]:
    """Of this process, those that run."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    return {int(child) for child in listed.read_text().split()} if listed.exists() else set()


def soon(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


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
    above = server.child.process.pid
    soon(lambda: len(children(above)) == 2, "both started")
    soon(lambda: asked(server) == 200, "ready")
    first = children(above)
    killed = next(iter(first))
    os.kill(killed, signal.SIGKILL)
    soon(lambda: len(children(above)) == 2 and killed not in children(above), "it was replaced")
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
    assert f"worker {killed} died (-9) and is replaced" in log
    assert log.count("Finished server process") == 2


def test_workers_end_when_the_one_above_is_killed(settings: dict[str, str], tmp_path: Path) -> None:
    server = stack.api(tmp_path, settings, "--workers", "2")
    above = server.child.process.pid
    soon(lambda: len(children(above)) == 2, "both started")
    left = children(above)
    os.kill(above, signal.SIGKILL)
    server.stop()
    soon(lambda: not any(map(runs, left)), "they ended")


@pytest.mark.parametrize(("does", "status"), [("sys.exit(3)", 3), ("time.sleep(60)", 0)])
def test_workers_that_cannot_start_are_not_started_again(does: str, status: int) -> None:
    program = f"""
import os, signal, sys, time
from api.workers import Workers

signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
signal.alarm(1)
sys.exit(Workers(lambda sockets: {does}, 2).run("127.0.0.1", 0))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, b"")


def test_a_port_that_is_taken_is_one_line(settings: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "api", "serve", "--port", port, "--workers", "2"]
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert b"address already in use" in done.stderr.splitlines()[-1].lower()
