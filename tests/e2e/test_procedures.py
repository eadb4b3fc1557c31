"""Follow each procedure of docs/tokens.md on a site in use, and check that no request is rejected.

`make prove` runs them. `make test` also rotates secrets and keys, and loses a secret, but sends no
other requests meanwhile (`tests/contract/test_rotation.py` and `test_matrix.py`).
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from dev.postgres import Postgres
from tests import databases, plain, stack
from tests.e2e.person import Newcomer, Person
from tests.tcp_proxy import TcpProxy, tcp_proxy
from tests.waiting import wait_until

VIEWER = {"query": "{ viewer { id } }"}
PACE = 0.02
"""Seconds between the requests of a client, which would use a whole core without a pause."""


class Site(stack.Site):
    """A site whose servers are replaced in use: each new one starts before the old one stops."""

    doors: tuple[TcpProxy, TcpProxy]
    folder: Path
    api_env: dict[str, str]

    def settles(self) -> None:
        """Wait, as a load balancer does, until no request is on its way to an old server."""

    def stop(self) -> None:
        """Stop the current servers."""
        self.web.stop()
        self.api.stop()

    def set_api(self, **changes: str) -> None:
        """Restart the API with these variables changed. An empty variable is unset."""
        self.api_env |= changes
        port = stack.free_port()
        old, self.api = self.api, stack.api(self.folder, self.api_env, "--no-migrate", port=port)
        self.doors[0].to = port
        self.settles()
        old.stop()

    def set_web(self, **changes: str) -> None:
        """Restart the web app with these variables changed."""
        self.env |= changes
        port = stack.free_port()
        old, self.web = self.web, stack.web(self.env, port)
        self.doors[1].to = port
        self.settles()
        old.stop()


class Program(threading.Thread):
    """A client that sends requests all the time, with a current token and with its first one."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site
        self._over = threading.Event()
        self.answers: Counter[int] = Counter()
        self.algorithms: set[str] = set()
        self.keys: set[str | None] = set()
        self.keeps_first = True
        self.trouble: BaseException | None = None
        self._latest, self._fetched_at = "", 0.0
        self._cookies = httpx.Cookies()
        email = f"{secrets.token_hex(6)}@example.com"
        given = {"email": email, "name": "Program", "password": "correct horse"}
        self._send("POST", f"{site.url}/api/auth/sign-up/email", given)
        self._first = self._fresh()

    def _send(self, method: str, url: str, body: object = None, token: str = "") -> httpx.Response:
        # A new connection for each request, which a stopping server cannot close.
        # Each request also comes from a new address. Better Auth refuses the 101st request for a
        # token from an address, until the address has sent none for 10 seconds.
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        headers = {"Origin": self._site.url, "X-Forwarded-For": address}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        with plain.Client(cookies=self._cookies) as client:
            answer = client.request(method, url, json=body, headers=headers)
            self._cookies = client.cookies
        self.answers[answer.status_code] += 1
        return answer

    def _fresh(self) -> str:
        answer = self._send("GET", f"{self._site.url}/api/auth/token")
        token = str(answer.raise_for_status().json()["token"])
        header = jwt.get_unverified_header(token)
        self.algorithms.add(header["alg"])
        self.keys.add(header.get("kid"))
        return token

    def run(self) -> None:
        """Send requests until the end, or until an error."""
        graphql = f"{self._site.env['API_URL']}/graphql"
        try:
            while not self._over.wait(PACE):
                if time.monotonic() > self._fetched_at + 0.25:
                    self._latest, self._fetched_at = self._fresh(), time.monotonic()
                self._send("POST", graphql, VIEWER, self._latest)
                if self.keeps_first:
                    self._send("POST", graphql, VIEWER, self._first)
        except BaseException as trouble:  # noqa: BLE001 - raised by `ends`, in the test's own thread
            self.trouble = trouble

    def goes_on(self) -> None:
        """Wait for twenty more responses."""
        seen = self.answers.total()
        wait_until(lambda: self.trouble or self.answers.total() >= seen + 20, "it goes on")
        assert self.trouble is None, self.trouble

    def ends(self) -> None:
        """Stop, and check that every request was answered with 200."""
        self._over.set()
        self.join()
        assert self.trouble is None, self.trouble
        assert set(self.answers) == {200}, self.answers


Arrive = Callable[..., tuple[Site, Program, Person]]


@contextmanager
def running(folder: Path, server: Postgres, **variables: str) -> Iterator[Site]:
    with ExitStack() as opened:
        api_port, web_port, api_behind, web_behind = (stack.free_port() for _ in range(4))
        database = opened.enter_context(databases.empty(server))
        url = f"http://localhost:{web_port}"
        env = stack.environment(
            BETTER_AUTH_SECRET=secrets.token_urlsafe(32),
            NEXT_PUBLIC_BETTER_AUTH_URL=url,
            API_URL=f"http://localhost:{api_port}",
            DATABASE_URL=database.url,
            TRUSTED_PROXIES="127.0.0.1",
            ALLOWED_HEADERS="X-Forwarded-For",
            **variables,
        )
        doors = (
            opened.enter_context(tcp_proxy(api_behind, api_port)),
            opened.enter_context(tcp_proxy(web_behind, web_port)),
        )
        api_env = dict(env)
        if variables.get("TOKEN_SIGNING") == "key-set":
            api_env["JWKS_URL"] = f"{url}/api/auth/jwks"
        api = stack.api(folder, api_env, port=api_behind)
        with ExitStack() as unless_all_run:
            unless_all_run.callback(api.stop)
            site = Site(env, database, api, stack.web(env, web_behind))
            unless_all_run.pop_all()
        opened.callback(site.stop)
        site.doors, site.folder, site.api_env = doors, folder, api_env
        yield site


@pytest.fixture
def arrive(tmp_path: Path, newcomer: Newcomer, postgres: Postgres) -> Iterator[Arrive]:
    """Return a function that starts a site, a client that sends requests, and a user's browser."""
    with ExitStack() as opened:
        programs: list[Program] = []

        def begin(**variables: str) -> tuple[Site, Program, Person]:
            site = opened.enter_context(running(tmp_path, postgres, **variables))
            ada = newcomer(site)
            ada.has_an_account()
            program = Program(site)
            programs.append(program)
            program.start()
            # The requests of the program are the traffic that the site waits for.
            site.settles = program.goes_on  # type: ignore[method-assign]  # replaces a method
            return site, program, ada

        yield begin
        for program in programs:
            program.ends()


def goes_on(program: Program, ada: Person, title: str) -> None:
    """Check that the client works, and the user too, in the open page and after a reload."""
    program.goes_on()
    ada.adds(title)
    ada.page.reload()
    ada.adds(f"{title}, and again")


@pytest.mark.prove
def test_secret_is_rotated_without_a_rejected_request(arrive: Arrive) -> None:
    site, program, ada = arrive()
    old, new = site.env["BETTER_AUTH_SECRET"], secrets.token_urlsafe(32)
    both = {"BETTER_AUTH_SECRET": new, "BETTER_AUTH_SECRET_PREVIOUS": old}
    site.set_api(**both)
    goes_on(program, ada, "the API knows both")
    site.set_web(**both)
    goes_on(program, ada, "the web app signs with the new one")
    program.keeps_first = False  # the token has expired by now, as the page says to wait for
    program.goes_on()
    site.set_web(BETTER_AUTH_SECRET_PREVIOUS="")
    site.set_api(BETTER_AUTH_SECRET_PREVIOUS="")
    goes_on(program, ada, "the old one is gone")


@pytest.mark.prove
def test_shared_secret_is_replaced_by_a_key_set_without_a_rejected_request(arrive: Arrive) -> None:
    site, program, ada = arrive()
    site.set_api(JWKS_URL=f"{site.url}/api/auth/jwks", SHARED_SECRET_TOKENS="1")
    goes_on(program, ada, "the API takes both")
    site.set_web(TOKEN_SIGNING="key-set")
    goes_on(program, ada, "the web app signs with its private key")
    program.keeps_first = False
    program.goes_on()
    site.set_api(SHARED_SECRET_TOKENS="")
    goes_on(program, ada, "the shared secret makes no tokens any more")
    assert program.algorithms == {"HS256", "EdDSA"}


@pytest.mark.prove
def test_key_set_is_replaced_by_the_shared_secret_without_a_rejected_request(
    arrive: Arrive,
) -> None:
    site, program, ada = arrive(TOKEN_SIGNING="key-set")
    site.set_api(SHARED_SECRET_TOKENS="1")
    goes_on(program, ada, "the API takes both")
    site.set_web(TOKEN_SIGNING="shared-secret")
    goes_on(program, ada, "the web app signs with the secret")
    site.set_api()
    goes_on(program, ada, "an API that starts now finds the keys too")
    program.keeps_first = False
    program.goes_on()
    site.set_api(JWKS_URL="", SHARED_SECRET_TOKENS="")
    goes_on(program, ada, "the key set is gone")
    assert program.algorithms == {"HS256", "EdDSA"}


@pytest.mark.prove
def test_keys_of_a_key_set_are_rotated_without_a_rejected_request(arrive: Arrive) -> None:
    _, program, ada = arrive(TOKEN_SIGNING="key-set", JWKS_ROTATION="9", ACCESS_TOKEN_MAX_AGE="60")
    ada.adds("under the first key")
    wait_until(lambda: program.trouble or len(program.keys) > 1, "the keys are rotated")
    goes_on(program, ada, "under the second key")


@pytest.mark.prove
def test_tokens_and_sessions_of_a_leaked_secret_are_rejected(
    tmp_path: Path, newcomer: Newcomer, postgres: Postgres
) -> None:
    with running(tmp_path, postgres) as site:
        ada = newcomer(site)
        ada.has_an_account()
        program = Program(site)
        stolen = program._fresh()  # noqa: SLF001 - the token that a thief would have
        changed = {"BETTER_AUTH_SECRET": secrets.token_urlsafe(32)}
        ada.leaves()  # an open page would get a 401, and log it
        site.set_api(**changed)
        site.set_web(**changed)
        send = program._send  # noqa: SLF001 - a request of the same client
        assert send("POST", f"{site.env['API_URL']}/graphql", VIEWER, stolen).status_code == 401
        assert send("GET", f"{site.url}/api/auth/token").status_code == 401
        ada.goes_to("/tasks")
        ada.is_at("/sign-in?next=%2Ftasks")
        ada.leaves()
