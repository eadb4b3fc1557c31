"""Users with browsers of their own, and the web app that they sign in to."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from api.identity.keys import ACCESS_TOKEN, derive
from dev.postgres import Postgres
from tests import databases, plain, stack

MEMBERS = {
    "EdDSA": {"alg", "kid", "kty", "crv", "x"},
    "ES256": {"alg", "kid", "kty", "crv", "x", "y"},
    "RS256": {"alg", "kid", "kty", "n", "e"},
    "PS256": {"alg", "kid", "kty", "n", "e"},
}
"""The members of a public key (RFC 7518 §6, RFC 8037 §2)."""
ROUTES_OFF = (
    "list-sessions",
    "revoke-session",
    "revoke-sessions",
    "revoke-other-sessions",
    "update-session",
)
"""Routes of Better Auth that this app does not have. Most of them take or return session tokens."""
VIEWER = {"query": "{ viewer { id email } }"}


@dataclass(frozen=True)
class Member:
    """A user who signed up, with a cookie jar."""

    client: httpx.Client
    id: str
    email: str

    def token(self) -> str:
        """Fetch a new access token."""
        return str(self.client.get("/api/auth/token").raise_for_status().json()["token"])


@dataclass(frozen=True)
class Person(Member):
    """A user of a site with an API."""

    site: stack.Site

    def ask(self, token: str) -> httpx.Response:
        """Send a token to the API, and return its response."""
        headers = {"Authorization": f"Bearer {token}"}
        return plain.post(f"{self.site.api.url}/graphql", json=VIEWER, headers=headers)

    def verified(self, token: str) -> Any:
        """Return the claims of a token, verified by PyJWT alone."""
        env, url = self.site.env, self.site.url
        header = jwt.get_unverified_header(token)
        key: Any
        if env.get("TOKEN_SIGNING") == "key-set":
            served = plain.get(f"{url}/api/auth/jwks").json()["keys"]
            [jwk] = [jwk for jwk in served if jwk["kid"] == header["kid"]]
            assert header == {"alg": env.get("TOKEN_ALGORITHM", "EdDSA"), "kid": jwk["kid"]}
            assert jwk.keys() == MEMBERS[jwk["alg"]], "and nothing of the private half"
            key = jwt.PyJWK(jwk)
        else:
            assert header == {"alg": "HS256", "typ": "JWT"}
            key = derive(env["BETTER_AUTH_SECRET"].encode(), ACCESS_TOKEN)
        audience, issuer = env.get("JWT_AUDIENCE", url), env.get("JWT_ISSUER", url)
        return jwt.decode(token, key, [header["alg"]], audience=audience, issuer=issuer)


def mailed(web: stack.Server, email: str, mail: int = 1) -> str:
    """Return the token of the link in the first or a later mail to this address, as printed."""
    pattern = rf"^To: {re.escape(email)}\n(?:(?!To: ).*\n)*?http.*token=(.*)\n"
    return web.wait_for_output(pattern, mail)[1]


class Browsers:
    """Makes clients that behave like browsers, and closes them."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened

    def new_browser(self, url: str) -> httpx.Client:
        """Return a client with a new address, since sign-ups are limited by address."""
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        headers = {"Origin": url, "X-Forwarded-For": address}
        client = plain.Client(base_url=url, headers=headers)
        return self._opened.enter_context(client)

    def join(self, url: str) -> Member:
        """Sign up a new user."""
        browser = self.new_browser(url)
        email = f"{secrets.token_hex(6)}@example.com"
        given = {"email": email, "name": "Ada", "password": "correct horse"}
        answer = browser.post("/api/auth/sign-up/email", json=given).raise_for_status()
        return Member(browser, answer.json()["user"]["id"], email)

    def sign_up(self, site: stack.Site) -> Person:
        """Sign up a new user of a site with an API."""
        member = self.join(site.url)
        return Person(member.client, member.id, member.email, site)


@dataclass
class Issuer:
    """The web app and its database, without an API."""

    env: dict[str, str]
    database: Postgres
    web: stack.Server

    @property
    def url(self) -> str:
        """Return the URL for browsers."""
        return self.web.url

    def restart(self, changes: Mapping[str, str]) -> None:
        """Restart the web app with these variables changed. An empty variable is unset."""
        self.web.stop()
        self.env.update(changes)
        self.web = stack.web(self.env)
        # `issuer` stops this server. Otherwise the end of the test would stop it.
        stack.started.remove(self.web)


@contextmanager
def issuer(server: Postgres, under: Sequence[str] = (), **variables: str) -> Iterator[Issuer]:
    """Run the web app on a new database of this server. `under` is a command that starts it."""
    with databases.empty(server) as database:
        usual = {
            "BETTER_AUTH_SECRET": secrets.token_urlsafe(32),
            "NEXT_PUBLIC_BETTER_AUTH_URL": f"http://localhost:{stack.free_port()}",
            "DATABASE_URL": database.url,
            "API_URL": f"http://{stack.NOBODY}",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        env = stack.environment(**(usual | variables))
        running = Issuer(env, database, stack.web(env, under=under))
        try:
            yield running
        finally:
            running.web.stop()
