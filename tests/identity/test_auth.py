"""Authentication of requests: 401 before the body is parsed, one body for every bad token."""

import asyncio
import copy
import itertools
import json
import logging
import random
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.identity.auth import Authenticated, Authentication, RejectionLog
from api.identity.key_set import KeySet
from api.identity.keys import ACCESS_TOKEN, KeyRing, shared_secrets
from api.identity.model import Kind
from api.identity.revocations import Revocations, SecurityEvent
from api.identity.tokens import Claims, Verifier
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.rate_limits import RateLimits
from api.telemetry import records
from api.telemetry.log_limits import Limit, Throttle
from dev.postgres import Postgres
from tests import issuer, plain, stack, wire, wrong_tokens
from tests.conftest import KEY, SECRET, SITE, mint
from tests.waiting import PATIENCE

log = logging.getLogger(__name__)

UNAUTHENTICATED = {
    "errors": [
        {
            "message": "Sign in: this request carries no valid access token.",
            "extensions": {"code": "UNAUTHENTICATED"},
        }
    ]
}


def post(api: stack.Server, *authorization: str, **kwargs: Any) -> httpx.Response:
    headers = [("Authorization", value) for value in authorization]
    content = kwargs.pop("content", b'{"query":"{ viewer { id } }"}')
    headers += [("Content-Type", "application/json"), *kwargs.pop("headers", [])]
    return plain.post(f"{api.url}/graphql", headers=headers, content=content, **kwargs)


def unsigned(user: str) -> str:
    return jwt.encode(
        {"user_id": user, "iss": SITE, "aud": SITE, "exp": time.time() + 60}, "", "none"
    )


def other_key(user: str) -> str:
    claims = {"user_id": user, "iss": SITE, "aud": SITE, "exp": time.time() + 60}
    return jwt.encode(claims, secrets.token_bytes(32), "HS256")


def other_algorithm(user: str) -> str:
    claims = {"user_id": user, "iss": SITE, "aud": SITE, "exp": time.time() + 60}
    return jwt.encode(claims, KEY * 2, "HS512")


BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: mint("ada", exp=int(time.time()) - 1),
    "just expired": lambda: mint("ada", exp=int(time.time())),
    "no exp": lambda: mint("ada", exp=None),
    "too long a life": lambda: mint("ada", exp=int(time.time()) + 86_400 + 120),
    "no user_id": lambda: mint("ada", user_id=None),
    "another issuer": lambda: mint("ada", iss="https://evil.example"),
    "no issuer": lambda: mint("ada", iss=None),
    "another audience": lambda: mint("ada", aud="https://evil.example"),
    "no audience": lambda: mint("ada", aud=None),
    "another secret": lambda: other_key("ada"),
    "another algorithm": lambda: other_algorithm("ada"),
    "no algorithm": lambda: unsigned("ada"),
    "malformed": lambda: "not.a.token",
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_token_is_answered_401_with_error_invalid_token(api: stack.Server, fault: str) -> None:
    response = post(api, f"Bearer {BAD[fault]()}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == UNAUTHENTICATED


@pytest.mark.parametrize("scheme", [None, "Basic YWRhOnB3", "Token {}", "{}", "Bearer{}"])
def test_request_without_bearer_token_is_answered_401_without_error(
    api: stack.Server, scheme: str | None
) -> None:
    response = post(api, *([scheme.format(mint("ada"))] if scheme else []))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json() == UNAUTHENTICATED


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer    {}"])
def test_authorization_scheme_ignores_case_and_repeated_spaces(
    api: stack.Server, form: str
) -> None:
    response = post(api, form.format(mint("ada")))
    assert response.json() == {"data": {"viewer": {"id": "ada"}}}


NO_TOKEN, BAD_TOKEN = "Bearer", 'Bearer error="invalid_token"'
HEADERS: dict[str, tuple[str, list[str]]] = {
    "none": (NO_TOKEN, []),
    "empty": (NO_TOKEN, ["Authorization:"]),
    "the token alone": (NO_TOKEN, ["Authorization: {}"]),
    "no space": (NO_TOKEN, ["Authorization: Bearer{}"]),
    "a colon": (NO_TOKEN, ["Authorization: Bearer: {}"]),
    "an equals sign": (NO_TOKEN, ["Authorization: Bearer={}"]),
    "a comma for a space": (NO_TOKEN, ["Authorization: Bearer,{}"]),
    "quoted": (NO_TOKEN, ['Authorization: "Bearer {}"']),
    "twice the name": (NO_TOKEN, ["Authorization: Authorization: Bearer {}"]),
    "another scheme": (NO_TOKEN, ["Authorization: Token {}"]),
    "JWT": (NO_TOKEN, ["Authorization: JWT {}"]),
    "DPoP": (NO_TOKEN, ["Authorization: DPoP {}"]),
    "Basic": (NO_TOKEN, ["Authorization: Basic YWRhOnB3"]),
    "Basic with a token": (NO_TOKEN, ["Authorization: Basic {}"]),
    "a longer scheme": (NO_TOKEN, ["Authorization: Bearers {}"]),
    "a shorter scheme": (NO_TOKEN, ["Authorization: Beare {}"]),
    "a scheme in other letters": (NO_TOKEN, ["Authorization: B\u0435arer {}"]),
    "a scheme in front": (NO_TOKEN, ["Authorization: Basic x, Bearer {}"]),
    "a proxy's": (NO_TOKEN, ["Proxy-Authorization: Bearer {}"]),
    "another name": (NO_TOKEN, ["X-Authorization: Bearer {}"]),
    "forwarded": (NO_TOKEN, ["X-Forwarded-Access-Token: {}", "X-Access-Token: {}"]),
    "a cookie": (NO_TOKEN, ["Cookie: token={}; access_token={}; Authorization=Bearer {}"]),
    "a subprotocol": (NO_TOKEN, ["Sec-WebSocket-Protocol: bearer, {}"]),
    "no token": (BAD_TOKEN, ["Authorization: Bearer"]),
    "no token, in upper case": (BAD_TOKEN, ["Authorization: BEARER"]),
    "spaces": (BAD_TOKEN, ["Authorization: Bearer      "]),
    "a tab": (BAD_TOKEN, ["Authorization: Bearer\t{}"]),
    "a space and a tab": (BAD_TOKEN, ["Authorization: Bearer \t{}"]),
    "a tab and a space": (BAD_TOKEN, ["Authorization: Bearer\t {}"]),
    "a no-break space": (BAD_TOKEN, ["Authorization: Bearer \xa0{}"]),
    "something after it": (BAD_TOKEN, ["Authorization: Bearer {} x"]),
    "itself after it": (BAD_TOKEN, ["Authorization: Bearer {} {}"]),
    "itself after a comma": (BAD_TOKEN, ["Authorization: Bearer {}, Bearer {}"]),
    "another scheme after it": (BAD_TOKEN, ["Authorization: Bearer {}, Basic YWRhOnB3"]),
    "a comma": (BAD_TOKEN, ["Authorization: Bearer {},"]),
    "a comma before it": (BAD_TOKEN, ["Authorization: Bearer ,{}"]),
    "a semicolon": (BAD_TOKEN, ["Authorization: Bearer {};"]),
    "a parameter": (BAD_TOKEN, ["Authorization: Bearer {};realm=x"]),
    "a named token": (BAD_TOKEN, ["Authorization: Bearer token={}"]),
    "quotes": (BAD_TOKEN, ['Authorization: Bearer "{}"']),
    "single quotes": (BAD_TOKEN, ["Authorization: Bearer '{}'"]),
    "brackets": (BAD_TOKEN, ["Authorization: Bearer <{}>"]),
    "padding": (BAD_TOKEN, ["Authorization: Bearer {}="]),
    "a percent sign": (BAD_TOKEN, ["Authorization: Bearer {}%20"]),
    "a slash": (BAD_TOKEN, ["Authorization: Bearer {}/"]),
    "the scheme twice": (BAD_TOKEN, ["Authorization: Bearer Bearer {}"]),
    "an umlaut": (BAD_TOKEN, ["Authorization: Bearer {}\xfc"]),
    "another alphabet's digit": (BAD_TOKEN, ["Authorization: Bearer {}\u0663"]),
    "two of them": (BAD_TOKEN, ["Authorization: Bearer {}", "Authorization: Bearer {}"]),
    "two names in two cases": (BAD_TOKEN, ["authorization: Bearer {}", "AUTHORIZATION: Bearer {}"]),
    "a good one and Basic": (BAD_TOKEN, ["Authorization: Bearer {}", "Authorization: Basic x"]),
    "Basic and a good one": (BAD_TOKEN, ["Authorization: Basic x", "Authorization: Bearer {}"]),
    "an empty one and a good one": (BAD_TOKEN, ["Authorization:", "Authorization: Bearer {}"]),
    "a good one and an empty one": (BAD_TOKEN, ["Authorization: Bearer {}", "Authorization:"]),
    "three": (BAD_TOKEN, ["Authorization: Bearer {}"] * 3),
}


def check(named: str, answer: wire.Answer, challenge: str) -> None:
    """Check that the answer is the 401 of the contract, with exactly this challenge."""
    assert answer.status == 401, named
    assert answer.headers["www-authenticate"] == challenge, named
    assert json.loads(answer.body) == UNAUTHENTICATED, named
    assert answer.headers["content-type"] == "application/json", named
    assert answer.headers["access-control-allow-origin"] == SITE, named
    assert answer.headers["cache-control"] == "no-store", named


def test_malformed_authorization_header_is_answered_401(api: stack.Server) -> None:
    origin, token = f"Origin: {SITE}".encode(), mint("ada")
    asked = [
        wire.request("/graphql", origin, *(line.replace("{}", token).encode() for line in lines))
        for _, lines in HEADERS.values()
    ]
    for (named, (challenge, _)), answer in zip(
        HEADERS.items(), asyncio.run(wire.answers(api.url, asked)), strict=True
    ):
        check(named, answer, challenge)


SendAuthorization = Callable[[list[str]], Awaitable[httpx.Response]]


@asynccontextmanager
async def running_middleware(
    postgres: Postgres,
    ring: KeyRing,
    key_set: KeySet | None = None,
    limits: RateLimits | None = None,
) -> AsyncIterator[tuple[Database, Revocations, SendAuthorization]]:
    """Run the middleware in this process; yield a function that sends Authorization headers."""

    async def inner_app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            assert "state" not in scope
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            return
        claims: Claims = scope["state"]["claims"]
        quota = scope["state"].get("rate_limit", {}) if limits else {}
        assert scope["state"].keys() - ({"rate_limit"} if limits else set()) == {
            "claims",
            *scope["kept"],
        }
        assert (await receive())["type"] == "http.request"
        await Response(f"{claims.user_id} {claims.sid}", headers=quota)(scope, receive, send)

    verifier = Verifier(ring, issuer=SITE, audience=SITE, max_age=86_400)
    async with (
        Database(postgres.url) as database,
        Authentication(
            verifier, Revocations(database, Notifications(postgres.url), max_age=86_400), key_set
        ) as authentication,
    ):
        authenticated = Authenticated(inner_app, authentication, limits)

        states: Iterator[dict[str, dict[str, int]]]
        states = itertools.cycle([{}, {"state": {"other": 1}}])  # a server may have set a state

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            state = copy.deepcopy(next(states))  # each request gets a copy (ASGI, lifespan state)
            kept = [*state.get("state", {})]
            await authenticated({**scope, **state, "kept": kept}, receive, send)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:

            async def send_authorization(values: list[str]) -> httpx.Response:
                headers = [(b"authorization", value.encode()) for value in values]
                return await client.get("/", headers=headers)

            said: list[Message] = []

            async def say(message: Message) -> None:
                said.append(message)

            await authenticated({"type": "lifespan"}, receive_startup, say)
            assert said == [{"type": "lifespan.startup.complete"}]
            yield database, authentication.revocations, send_authorization


async def receive_startup() -> Message:
    """Return the first message that a server sends."""
    return {"type": "lifespan.startup"}


def test_good_token_is_accepted_and_only_rejected_tokens_are_logged(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api.identity.auth")
    user, sid = secrets.token_hex(8), secrets.token_hex(8)
    good, bad = mint(user, sid=sid), mint(user, exp=1)

    async def ask() -> None:
        ring = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN))
        async with running_middleware(postgres, ring) as (database, kept, send_authorization):
            for form in ("Bearer {}", "bearer {}", "BEARER   {}"):
                answer = await send_authorization([form.format(good)])
                assert (answer.status_code, answer.text) == (200, f"{user} {sid}")
            for challenge, lines in HEADERS.values():
                values = [
                    line.partition(":")[2].strip(" ").replace("{}", good)
                    for line in lines
                    if line.lower().startswith("authorization:")
                ]
                answer = await send_authorization(values)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == challenge
                assert answer.json() == UNAUTHENTICATED
            assert caplog.messages == []
            answer = await send_authorization([f"Bearer {bad}"])
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, BAD_TOKEN)

            event = SecurityEvent(SITE, secrets.token_hex(8), Kind.SESSION, sid)
            async with database.transaction() as transaction:
                await kept.record(transaction, event)
            await kept.announce()
            answer = await send_authorization([f"Bearer {good}"])
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, BAD_TOKEN)

    asyncio.run(ask())
    assert caplog.messages == [
        "token rejected: expired",
        "token rejected: its session or owner was revoked",
    ]


def test_many_bad_tokens_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """The limit of the whole log omits none of these lines."""
    caplog.set_level(logging.INFO, "api.identity.auth")
    now = 0.0
    rejections = RejectionLog(lambda: now)
    with caplog.filtering(Limit(Throttle(lambda: now))):
        for _ in range(1_000):
            rejections.add("expired")
        rejections.add("no known key verifies the signature")
        now = 1.0
        rejections.add("expired")
        now = 2.0
        rejections.add("expired")
    assert caplog.messages == [
        "token rejected: expired",
        "token rejected: no known key verifies the signature",
        "token rejected: expired, and 999 before it",
        "token rejected: expired",
    ]


def test_request_is_recorded_with_its_owner_and_the_time_of_its_verification(
    postgres: Postgres,
) -> None:
    user = secrets.token_hex(8)
    observers = records.Observers([lambda _: None])

    async def ask() -> None:
        ring = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN))
        async with running_middleware(postgres, ring) as (_, _, send_authorization):
            for token, status, owner in (
                (mint(user), 200, user),
                (mint(user, exp=1), 401, ""),
            ):
                record = observers.begin_request("POST", "/graphql", [])
                answer = await send_authorization([f"Bearer {token}"])
                record.end()
                assert (answer.status_code, record.owner) == (status, owner)
                assert 0 < record.seconds["token"] < record.duration

    asyncio.run(ask())


def test_request_is_charged_to_the_owner_of_its_token(postgres: Postgres) -> None:
    """After one owner has used up a quota, the quota of another owner is still full."""

    async def ask() -> None:
        ring = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN))
        limits = RateLimits(per_second=1, burst=4)
        async with running_middleware(postgres, ring, limits=limits) as (_, _, send_authorization):

            async def sent(token: str) -> tuple[int, str]:
                answer = await send_authorization([f"Bearer {token}"])
                return answer.status_code, answer.headers.get("ratelimit", "").rpartition(";")[0]

            ada, bob = mint(secrets.token_hex(8)), mint(secrets.token_hex(8))
            answers = [await sent(ada)]
            while answers[-1][0] == 200:
                answers.append(await sent(ada))
            assert await sent(bob) == answers[0] == (200, "")
            assert answers[-2:] == [(200, '"owner";r=0'), (429, '"owner";r=0')]

    asyncio.run(ask())


def test_unavailable_keys_are_answered_503_or_429_not_401(postgres: Postgres) -> None:
    async def ask() -> None:
        signer = issuer.eddsa()
        case = wrong_tokens.Case(signer, int(time.time()), SITE)
        token = case.token()
        key_set = KeySet(f"{SITE}/jwks")
        async with running_middleware(postgres, KeyRing([], key_set), key_set) as (
            _,
            _,
            send_authorization,
        ):
            answer = await send_authorization([f"Bearer {token}"])
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "www-authenticate" not in answer.headers
        with issuer.Issuer(issuer.serving(signer.jwk)) as served:
            key_set = KeySet(served.url, max_waiting=0)
            async with running_middleware(postgres, KeyRing([], key_set), key_set) as (
                _,
                _,
                send_authorization,
            ):
                await asyncio.to_thread(served.wait_asked, 1)  # before the first request
                async with asyncio.timeout(PATIENCE):
                    while key_set.version == 0:  # noqa: ASYNC110 - the fetch takes a moment
                        await asyncio.sleep(0.005)
                assert (await send_authorization([f"Bearer {token}"])).text == "ada s1"
                assert len(served.asked) == 1
                unknown = case.token({"kid": "of a flood, or new"})
                answer = await send_authorization([f"Bearer {unknown}"])
                assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
                assert answer.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
                assert "www-authenticate" not in answer.headers

    asyncio.run(ask())


SERVED = issuer.signers()


@pytest.fixture(scope="module")
def key_set_api(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    """Start an API that trusts only the keys of `SERVED`, and no shared secret."""
    with issuer.Issuer(issuer.serving(*(one.jwk for one in SERVED.values()))) as serves:
        server = stack.api(tmp_path_factory.mktemp("api"), settings | {"JWKS_URL": serves.url})
        yield server
        server.stop()


@pytest.mark.parametrize("algorithm", ["HS256", *SERVED])
def test_every_faulty_token_gets_the_same_401(
    api: stack.Server, key_set_api: stack.Server, algorithm: str
) -> None:
    """Faulty and good tokens share the connections. The log has the number of faulty tokens."""
    api = api if algorithm == "HS256" else key_set_api
    raw = SECRET.encode() if algorithm == "HS256" else b""
    signer = SERVED.get(algorithm, issuer.hs256(KEY))
    case = wrong_tokens.Case(signer, int(time.time()), SITE, raw)
    bad = [
        (name, token)
        for family in wrong_tokens.FAMILIES.values()
        for name, token in family(case)
        # HTTP cannot carry the first kind, and trims the second until the token is good.
        if not re.search(r"[\0-\x08\n\r]", token) and token == token.strip(" \t")
    ]
    good = [(None, case.token(sid=str(number))) for number in range(50)]
    asked = [*bad, *good]
    random.shuffle(asked)
    origin = f"Origin: {SITE}".encode()
    lines = [
        wire.request("/graphql", origin, b"Authorization: Bearer " + token.encode())
        for _, token in asked
    ]
    found = asyncio.run(wire.answers(api.url, lines))
    for (name, _), answer in zip(asked, found, strict=True):
        if name is None:
            assert json.loads(answer.body) == {"data": {"viewer": {"id": "ada"}}}
        else:
            check(name, answer, BAD_TOKEN)
    log.info("%d different tokens under %s refused", len({token for _, token in bad}), algorithm)


def test_two_authorization_headers_are_answered_401(api: stack.Server) -> None:
    good = f"Bearer {mint('ada')}"
    for pair in ((good, good), (good, "Basic x"), ("Basic x", good), ("", good)):
        assert post(api, *pair).status_code == 401


def test_token_in_query_string_cookie_or_body_is_ignored(api: stack.Server) -> None:
    token = mint("ada")
    for name in ("token", "access_token", "authorization"):
        assert post(api, params={name: token}).status_code == 401
        assert post(api, headers=[("Cookie", f"{name}={token}")]).status_code == 401
        form = [("Content-Type", "application/x-www-form-urlencoded")]  # RFC 6750 §2.2
        assert post(api, headers=form, content=f"{name}={token}".encode()).status_code == 401
        body = json.dumps({"query": "{ viewer { id } }", name: token}).encode()
        assert post(api, content=body).status_code == 401


def test_request_is_not_parsed_before_the_token_is_verified(api: stack.Server) -> None:
    """A large body, malformed JSON and a wrong method would be 413, 400 and 405: all are 401."""
    assert post(api, content=b"x" * 2_000_000).status_code == 401
    assert post(api, content=b"{").status_code == 401
    assert plain.put(f"{api.url}/graphql").status_code == 401
    assert plain.get(f"{api.url}/graphql", params={"query": "{"}).status_code == 401


def test_operation_with_bad_token_is_not_executed(api: stack.Server) -> None:
    user = secrets.token_hex(8)
    create = json.dumps({"query": 'mutation { createTask(input: {title: "x"}) { task { id } } }'})
    bad = mint(user, exp=int(time.time()) - 1)
    assert post(api, f"Bearer {bad}", content=create.encode()).status_code == 401
    count = b'{"query":"{ viewer { taskCount } }"}'
    answer = post(api, f"Bearer {mint(user)}", content=count)
    assert answer.json() == {"data": {"viewer": {"taskCount": 0}}}


def test_page_of_the_frontend_can_read_a_401(api: stack.Server) -> None:
    response = post(api, headers=[("Origin", SITE)])
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == SITE
    assert "Origin" in response.headers["vary"]
    assert "www-authenticate" in response.headers["access-control-expose-headers"].lower()
    stranger = post(api, f"Bearer {mint('ada')}", headers=[("Origin", "https://evil.example")])
    assert "access-control-allow-origin" not in stranger.headers


def test_preflight_request_needs_no_token(api: stack.Server) -> None:
    named = "authorization", "content-type"
    response = preflight(api.url, *named)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in response.headers
    stranger = preflight(api.url, *named, origin="https://evil.example")
    assert "access-control-allow-origin" not in stranger.headers


def preflight(url: str, *headers: str, origin: str = SITE) -> httpx.Response:
    return plain.preflight(f"{url}/graphql", origin, *headers)


@pytest.mark.parametrize(
    "header",
    [
        *("authorization", "content-type", "traceparent", "tracestate", "baggage", "sentry-trace"),
        *("apollographql-client-name", "apollographql-client-version", "x-request-id"),
    ],
)
def test_cors_allows_headers_of_tracing_and_of_graphql_clients(
    api: stack.Server, header: str
) -> None:
    answer = preflight(api.url, "authorization", "content-type", header)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SITE)
    assert header in answer.headers["access-control-allow-headers"].lower()
    assert preflight(api.url, header, "x-tenant").status_code == 400


def test_cors_allows_headers_that_allowed_headers_names(
    settings: dict[str, str], tmp_path: Any
) -> None:
    api = stack.api(tmp_path, settings | {"ALLOWED_HEADERS": "X-Tenant, x-datadog-trace-id"})
    try:
        named = "x-tenant", "x-datadog-trace-id", "baggage", "authorization"
        assert preflight(api.url, *named).status_code == 200
        assert preflight(api.url, "x-other").status_code == 400
    finally:
        api.stop()


def test_token_and_secret_are_not_logged(settings: dict[str, str], tmp_path: Any) -> None:
    server = stack.api(tmp_path, settings)
    tokens = [mint("ada"), mint("ada", exp=1), f"{mint('ada')}x"]
    for token in tokens:
        post(server, f"Bearer {token}")
    server.stop()
    printed = "\n".join(server.lines)
    assert "token rejected: expired" in printed
    for secret in (SECRET, *(part for token in tokens for part in token.split(".")[1:])):
        assert secret not in printed
