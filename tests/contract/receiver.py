"""An endpoint for security events (RFC 8935) whose responses a test sets."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt

from tests.waiting import PATIENCE

Answer = tuple[int, Mapping[str, str], bytes]
TAKEN: Answer = (202, {}, b"")


@dataclass(frozen=True)
class Pushed:
    """One request."""

    path: str
    headers: Mapping[str, str]  # in lower case
    token: str

    @property
    def claims(self) -> dict[str, Any]:
        """Return the claims without verification."""
        claims: dict[str, Any] = jwt.decode(self.token, options={"verify_signature": False})
        return claims

    @property
    def user(self) -> str:
        """Return the user of the event's session or account."""
        subject = self.claims["sub_id"]
        return str(subject.get("user", subject)["sub"])

    @property
    def session(self) -> str | None:
        """Return the ID of the revoked session, or None if the account was deleted."""
        session = self.claims["sub_id"].get("session")
        return str(session["id"]) if session else None


@dataclass
class Receiver:
    """Stores the pushed events, and responds with what `answer` returns."""

    port: int = 0
    answer: Callable[[Pushed], Answer] = field(default=lambda _: TAKEN)
    pushed: list[Pushed] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        """Listen, again on the same port after a stop."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with suppress(BrokenPipeError):  # the client no longer waits for the response
                    receiver.serve(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Respond to one request."""
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        pushed = Pushed(request.path, headers, body.decode())
        with self._changed:
            self.pushed.append(pushed)
            self._changed.notify_all()
        status, fields, content = self.answer(pushed)
        request.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        if self._server is None:
            request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(content)

    def of(self, user: str) -> list[Pushed]:
        """Return the events about this user that have arrived."""
        with self._changed:
            return [one for one in self.pushed if one.user == user]

    def wait(self, user: str, count: int) -> list[Pushed]:
        """Wait for this number of events about a user, and return them."""
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: sum(one.user == user for one in self.pushed) >= count, PATIENCE
            )
        assert arrived, self.of(user)
        return self.of(user)

    @property
    def url(self) -> str:
        """Return the origin."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @classmethod
    @contextmanager
    def listening(cls, tls: ssl.SSLContext | None = None) -> Iterator[Self]:
        """Run a receiver until the end of the block."""
        receiver = cls(tls=tls)
        try:
            yield receiver
        finally:
            receiver.stop()
