"""No client can fill the log: each kind of line is logged once a second, on each of the servers."""

import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.telemetry.log_limits import MAX_KINDS, Limit, Throttle
from tests import plain, stack
from tests.test_bodies import TYPES
from tests.wire import connected

MANY = 60


class Logger:
    """A logger with the limit, and with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.log = logging.getLogger(f"tests.{secrets.token_hex(8)}")
        self.log.propagate = False
        for _ in range(2):  # a record that two handlers receive counts once
            handler = logging.Handler()
            handler.emit = self._keep  # type: ignore[method-assign]  # replaces a method
            self.log.addHandler(handler)
        rule = Limit(Throttle(lambda: self.now))
        for handler in self.log.handlers:
            handler.addFilter(rule)

    def _keep(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_each_kind_of_line_is_logged_once_a_second_with_the_number_left_out() -> None:
    logger = Logger()
    for n in range(1_000):
        logger.log.warning("refused: %s", n)
    logger.log.warning("another")
    logger.now = 1.0
    logger.log.warning("refused: %s", "100%")
    logger.now = 2.0
    logger.log.warning("refused: %s", 2)
    assert logger.lines[::2] == logger.lines[1::2]
    assert logger.lines[::2] == [
        "refused: 0",
        "another",
        "refused: 100%, and 999 before it",
        "refused: 2",
    ]


def test_errors_at_different_places_are_different_kinds() -> None:
    logger = Logger()

    def bug(work: Callable[[], object]) -> None:
        try:
            work()
        except ArithmeticError:
            logger.log.exception("bug %s", secrets.token_hex(4))

    for _ in range(10):
        bug(lambda: 1 // 0)
        bug(lambda: 1 % 0)
    assert len(logger.lines) == 2 * 2


def test_number_of_kinds_is_bounded() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    told = [n for n in range(3 * MAX_KINDS) if throttle.left_out(n) is not None]
    assert len(told) == MAX_KINDS + 1
    now = 1.0
    assert throttle.left_out("another") == 0


def push(url: str) -> None:
    headers = {"Content-Type": TYPES["/events"]}
    assert plain.post(f"{url}/events", content="x", headers=headers).status_code == 400


def send_bad_token(url: str) -> None:
    headers = {"Authorization": "Bearer x.y.z"}
    assert plain.post(f"{url}/graphql", headers=headers).status_code == 401


def send_malformed_request(url: str) -> None:
    with connected(url) as stranger:
        stranger.sendall(b"no request\r\n\r\n")
        assert b"400" in stranger.makefile("rb").read()


def propose_upgrade(url: str) -> None:
    with connected(url) as stranger:
        upgrade = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
        stranger.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + upgrade)
        assert b"200" in stranger.recv(1000)


def request_unknown_path(url: str) -> None:
    assert plain.get(f"{url}/nowhere").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        push,
        send_bad_token,
        send_malformed_request,
        propose_upgrade,
        request_unknown_path,
    ],
)
def test_invalid_requests_are_logged_at_most_once_a_second(
    wrong: Callable[[str], None], server: stack.Server
) -> None:
    lines, began = len(server.lines), time.monotonic()
    for _ in range(MANY):
        wrong(server.url)
    # A line is logged before its request is answered. A log record has one or two lines.
    assert len(server.lines) - lines <= 2 * (time.monotonic() - began + 1) + 2


@pytest.mark.parametrize("logged", [True, False])
def test_access_log_is_off_by_default_and_has_no_query_strings(
    settings: dict[str, str], tmp_path: Path, *, logged: bool
) -> None:
    """Query strings may contain a GraphQL document with a user's text."""
    server = stack.api(tmp_path, settings, *(["--access-log"] if logged else []))
    plain.get(f"{server.url}/graphql?query=secret", headers={"Authorization": "Bearer hidden"})
    plain.get(f"{server.url}/health/live%3Fsecret")
    server.stop()
    log = "\n".join(server.lines)
    assert ("method=GET route=/graphql status=401" in log) == logged
    assert "query=" not in log
    assert "hidden" not in log
