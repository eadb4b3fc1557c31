"""Rate limits: of owners by requests, cost and events, and of addresses by refused requests."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.config import Config
from api.errors import RateLimited
from api.graphql.cost import MAX_COST
from api.rate_limits import (
    BURST_OF_EVENTS,
    COST_OF_A_REQUEST,
    COST_OF_AN_EVENT,
    EVENTS_OF_A_REQUEST,
    MAX_KEYS,
    RateLimits,
)
from dev.postgres import Postgres
from tests import events, plain, sse, stack
from tests.conftest import SITE, Caller, mint, trusting
from tests.waiting import wait_until

BURST = 5
VIEWER = {"query": "{ viewer { id } }"}
POLICY = f'"owner";q={BURST};w={BURST}'


@pytest.fixture(scope="module")
def limited(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Server]:
    """Return an API that allows one request a second, behind a trusted proxy on this machine."""
    env = trusting(
        postgres.url,
        RATE_LIMIT_PER_SECOND="1",
        RATE_LIMIT_BURST=str(BURST),
        TRUSTED_PROXIES="127.0.0.0/8",
    )
    server = stack.api(tmp_path_factory.mktemp("limited"), env)
    yield server
    server.stop()


@pytest.fixture
def ask(limited: stack.Server) -> Callable[..., httpx.Response]:
    """Return a function that sends a request of one owner, by default a small query."""
    user = secrets.token_hex(8)
    token = mint(user)

    def send(content: object = VIEWER, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} | headers
        return plain.post(f"{limited.url}/graphql", json=content, headers=headers)

    return send


def address() -> str:
    """Return the first 64 bits of a random IPv6 address."""
    return f"2001:db8:{secrets.randbelow(0xFFFF):x}:{secrets.randbelow(0xFFFF):x}"


def until_limited(send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send requests until one is answered 429, and return all responses.

    The quota is refilled meanwhile, so a slow machine sends more of them.
    """
    responses: list[httpx.Response] = []

    def is_limited() -> bool:
        responses.append(send())
        return responses[-1].status_code == 429

    wait_until(is_limited, "no request was limited")
    return responses


def test_owner_has_a_burst_and_then_gets_429(ask: Callable[..., httpx.Response]) -> None:
    *answered, limited = until_limited(ask)
    assert len(answered) >= BURST
    assert {response.status_code for response in answered} == {200}
    [error] = limited.json()["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED"}
    assert limited.headers["retry-after"] == "1"
    assert limited.headers["ratelimit-policy"] == POLICY
    assert limited.headers["ratelimit"] == f'"owner";r=0;t={BURST}'
    assert limited.headers["cache-control"] == "no-store"


def test_limited_owner_may_send_again_later_and_others_meanwhile(
    ask: Callable[..., httpx.Response],
) -> None:
    until_limited(ask)
    other = mint(secrets.token_hex(8))
    assert ask(Authorization=f"Bearer {other}").status_code == 200
    wait_until(lambda: ask().status_code == 200, "the quota was not refilled")


def test_responses_have_quota_headers_once_less_than_half_is_left(
    ask: Callable[..., httpx.Response],
) -> None:
    *answered, _ = until_limited(ask)
    assert "ratelimit" not in answered[0].headers
    assert "ratelimit-policy" not in answered[0].headers
    with_headers = [response for response in answered if "ratelimit" in response.headers]
    assert with_headers[-1] is answered[-1]
    assert {response.headers["ratelimit-policy"] for response in with_headers} == {POLICY}
    assert with_headers[-1].headers["ratelimit"] == f'"owner";r=0;t={BURST}'


def test_costly_operation_counts_as_several_requests(ask: Callable[..., httpx.Response]) -> None:
    values = [0] * (COST_OF_A_REQUEST * (BURST - 1) + 1)
    costly = {**VIEWER, "variables": {"unused": values}}
    first, second = ask(costly), ask(costly)
    assert first.status_code == 200
    assert first.headers["ratelimit"] == f'"owner";r=0;t={BURST}'
    assert second.status_code == 429
    assert 1 <= int(second.headers["retry-after"]) <= BURST
    assert second.headers.get_list("ratelimit-policy") == [POLICY]


def test_request_that_cannot_be_parsed_is_counted(ask: Callable[..., httpx.Response]) -> None:
    *answered, _ = until_limited(lambda: ask({"query": "{"}))
    assert len(answered) >= BURST
    *others, _ = until_limited(ask)
    assert len(others) < BURST, "the requests that cannot be parsed were not counted"


def test_events_of_an_owner_wait_at_their_limit_and_none_is_lost(limited: stack.Server) -> None:
    ada, extra = Caller.new(limited.url), 5
    cursor = ada("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
    inputs = [{"title": f"task {n}"} for n in range(BURST_OF_EVENTS + extra)]
    create = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"
    ada(create, i=inputs[extra:])
    ada(create, i=inputs[:extra])
    changes = "subscription ($c: String) { taskChanges(after: $c) { task { title } } }"
    began = time.monotonic()
    with sse.subscribed(ada, changes, {"c": cursor}) as stream:
        titles = [stream.data()["taskChanges"]["task"]["title"] for _ in inputs]
    assert titles == [each["title"] for each in inputs[extra:] + inputs[:extra]]
    assert time.monotonic() - began > (extra - 1) / EVENTS_OF_A_REQUEST


def test_page_of_an_allowed_origin_may_read_the_headers(
    ask: Callable[..., httpx.Response],
) -> None:
    limited = until_limited(lambda: ask(Origin=SITE))[-1]
    exposed = limited.headers["access-control-expose-headers"].lower()
    assert {"ratelimit", "ratelimit-policy", "retry-after"} <= {*exposed.split(", ")}
    assert limited.headers["access-control-allow-origin"] == SITE


@pytest.mark.parametrize("authorization", ["Bearer bad", "Basic YQ=="])
def test_refused_requests_of_an_address_get_429_and_good_tokens_do_not(
    ask: Callable[..., httpx.Response], authorization: str
) -> None:
    sender, other = address(), address()

    def send_refused(host: str = f"{sender}::1") -> httpx.Response:
        return ask(Authorization=authorization, **{"X-Forwarded-For": host})

    *refused, limited = until_limited(send_refused)
    assert len(refused) >= BURST
    assert {response.status_code for response in refused} == {401}
    assert limited.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
    assert limited.headers["ratelimit-policy"] == f'"address";q={BURST};w={BURST}'
    assert ask(**{"X-Forwarded-For": f"{sender}::1"}).status_code == 200
    assert send_refused(f"{other}::1").status_code == 401
    until_limited(send_refused)
    assert send_refused(f"{sender}:ffff::2").status_code == 429


def test_rejected_events_of_an_address_get_429_and_accepted_ones_do_not(
    limited: stack.Server,
) -> None:
    sender = {"X-Forwarded-For": f"{address()}::1", "Content-Type": events.TYPE}

    def send(token: str) -> httpx.Response:
        return plain.post(f"{limited.url}/events", content=token, headers=sender)

    *rejected, last = until_limited(lambda: send("not.a.token"))
    assert len(rejected) >= BURST
    assert {response.status_code for response in rejected} == {400}
    assert last.headers["retry-after"] == "1"
    good = [events.revoked("ada", secrets.token_hex(8)) for _ in range(BURST * 2)]
    assert {send(events.signed(claims)).status_code for claims in good} == {202}


def test_defaults_are_those_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in trusting("postgresql://u@h/d").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RATE_LIMIT_PER_SECOND")
    config = Config.read()
    assert (config.rate_limit_per_second, config.rate_limit_burst) == (50, 200)
    limits = RateLimits()
    for _ in range(200):
        limits.charge("ada")
    with pytest.raises(RateLimited) as error:
        until_raised(limits, "ada")
    assert error.value.headers["RateLimit-Policy"] == '"owner";q=200;w=4'


def until_raised(limits: RateLimits, owner: str) -> None:
    """Charge an owner until the quota is used up, although it is refilled meanwhile."""
    wait_until(lambda: limits.charge(owner) is None, "the owner was not limited")


def test_rate_of_zero_turns_the_limits_off() -> None:
    limits = RateLimits(0, 1)
    for _ in range(10):
        assert limits.charge("ada") == limits.charge_cost("ada", MAX_COST) == {}
        limits.charge_refused({"type": "http", "client": ("192.0.2.1", 1), "headers": []})
        asyncio.run(limits.wait_for_event("ada", MAX_COST))


@pytest.mark.parametrize(
    ("cost", "remaining"),
    [
        (COST_OF_A_REQUEST + 1, 1),
        (COST_OF_A_REQUEST * 2, 1),
        (COST_OF_A_REQUEST * 2 + 1, 0),
    ],
)
def test_operation_counts_as_one_request_for_each_part_of_its_cost(
    cost: int, remaining: int
) -> None:
    limits = RateLimits(1, 3)
    limits.charge("ada")
    assert limits.charge_cost("ada", COST_OF_A_REQUEST) == {}
    headers = limits.charge_cost("ada", cost)
    assert headers["RateLimit"] == f'"owner";r={remaining};t={3 - remaining}'


def test_costliest_operation_needs_at_most_a_full_quota() -> None:
    limits = RateLimits(1, 2)
    assert limits.charge("ada") == {}
    assert limits.charge_cost("ada", MAX_COST)["RateLimit"] == '"owner";r=0;t=2'


@pytest.mark.parametrize(
    ("cost", "events"),
    [
        (1, 1),
        (COST_OF_AN_EVENT, 1),
        (COST_OF_AN_EVENT + 1, 2),
        (MAX_COST, BURST_OF_EVENTS),
    ],
)
def test_event_counts_as_one_for_each_part_of_its_cost(cost: int, events: int) -> None:
    async def test() -> None:
        limits, taken, began = RateLimits(per_second=50), 0, time.monotonic()
        while not limits.refused["events"] and taken < 100 * BURST_OF_EVENTS:
            await limits.wait_for_event("ada", cost)
            taken += events
        refilled = (time.monotonic() - began) * 50 * EVENTS_OF_A_REQUEST
        assert BURST_OF_EVENTS < taken <= BURST_OF_EVENTS + refilled
        waited = limits.refused["events"]
        await limits.wait_for_event("bob", cost)
        assert limits.refused["events"] == waited

    asyncio.run(test())


def test_only_a_limited_number_of_owners_and_addresses_is_remembered() -> None:
    limits = RateLimits(1, 1, keys=2)
    limits.charge("ada")
    limits.charge("bob")
    with pytest.raises(RateLimited):
        limits.charge("ada")
    limits.charge("eve")  # evicts bob, the owner without requests for the longest time
    with pytest.raises(RateLimited):
        limits.charge("ada")
    limits.charge("bob")


def test_more_keys_are_remembered_than_a_process_can_serve_while_a_quota_is_refilled() -> None:
    refill = 200 / 50
    assert MAX_KEYS / refill >= 20_000  # requests a second
