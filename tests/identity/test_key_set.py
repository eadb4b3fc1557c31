"""The key set, fetched over real sockets from an issuer that may fail in any way."""

import asyncio
import functools
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import httpx
import jwt
import pytest

from api.config import TokenConfig
from api.identity.auth import verifier
from api.identity.key_set import MAX_BYTES, MAX_WAITING, STALE_IF_ERROR, KeySet, _lifetime
from api.identity.keys import Key, KeyRing, KeysUnavailable, TooManyUnknownKeys
from api.identity.tokens import InvalidToken, Verifier
from dev.postgres import Postgres
from tests import issuer, plain, stack
from tests.conftest import SECRET, SITE, mint, trusting
from tests.identity.test_auth import UNAUTHENTICATED
from tests.issuer import FAULTY, Asked, Issuer, Signer, serving
from tests.waiting import PATIENCE, SLACK
from tests.wrong_tokens import Case

P = ParamSpec("P")

ED, EC = issuer.eddsa("ed"), issuer.es256("ec")
NEW = issuer.eddsa("new")
BOTH = serving(ED.jwk, EC.jwk)
UNAVAILABLE = {"code": "UNAVAILABLE"}


def run_in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run the test in an event loop, and check that it leaves no task running."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def alone() -> None:
            await test(*args, **kwargs)
            async with asyncio.timeout(PATIENCE):  # httpx leaves a generator for the loop to close
                while asyncio.all_tasks() != {asyncio.current_task()}:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)

        asyncio.run(alone())

    return run


quick = functools.partial(KeySet, min_interval=0.05, fetch_timeout=PATIENCE)
"""A key set with short intervals. Its fetches do not time out while a test waits for them."""


def known(key_set: KeySet, signer: Signer = ED) -> bool:
    """Return whether this key is cached: `candidates` returns without suspending once."""
    asking = key_set.candidates(signer.algorithm, signer.id)
    try:
        asking.send(None)
    except StopIteration as found:
        return [key.id for key in found.value] == [signer.id]
    asking.close()
    return False


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.005)


async def candidates_after_retry(key_set: KeySet, key_id: str) -> tuple[Key, ...]:
    """Return the keys with this id. Ask again after a fetch that failed or took too long."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(KeysUnavailable):
                return await key_set.candidates("EdDSA", key_id)


async def asked(by: Issuer, times: int) -> None:
    await asyncio.to_thread(by.wait_asked, times)


class Gate:
    """Hold answers back until the gate is opened."""

    def __init__(self, behaviour: issuer.Behaviour) -> None:
        self._behaviour = behaviour
        self.opened = threading.Event()

    def __call__(self, request: Asked) -> None:
        """Answer once the gate is open, or the connection is over."""
        while not (self.opened.wait(0.01) or request.over.is_set()):
            pass
        self._behaviour(request)


def signed_with_secret(user: str) -> str:
    """Return a token signed with the secret itself, as Better Auth signs its own tokens."""
    return jwt.encode(jwt.decode(mint(user), options={"verify_signature": False}), SECRET)


def under_a_key(user: str) -> str:
    return Case(ED, int(time.time()), SITE).token(user_id=user, sub=user)


ELSEWHERE = "https://elsewhere.example"
OTHER = "another secret, of which there are thirty-two characters"


@pytest.mark.parametrize(
    ("variables", "believed"),
    [
        ({}, [mint, signed_with_secret]),
        ({"RAW_SECRET_TOKENS": "0"}, [mint]),
        ({"BETTER_AUTH_SECRET": OTHER}, []),
        (
            {"BETTER_AUTH_SECRET": OTHER, "BETTER_AUTH_SECRET_PREVIOUS": SECRET},
            [mint, signed_with_secret],
        ),
        ({"JWT_ISSUER": ELSEWHERE}, []),
        ({"JWT_AUDIENCE": ELSEWHERE}, []),
        ({"JWT_ISSUER": "off", "JWT_AUDIENCE": SITE}, [mint, signed_with_secret]),
        ({"ACCESS_TOKEN_MAX_AGE": "600"}, []),
        ({"JWKS_URL": "…"}, [under_a_key]),
        ({"JWKS_URL": "…", "SHARED_SECRET_TOKENS": "1"}, [mint, signed_with_secret, under_a_key]),
        (
            {"JWKS_URL": "…", "SHARED_SECRET_TOKENS": "1", "RAW_SECRET_TOKENS": "0"},
            [mint, under_a_key],
        ),
    ],
)
@run_in_loop
async def test_settings_decide_which_tokens_are_accepted(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    believed: list[Callable[[str], str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    with Issuer(BOTH) as served:
        for name in TokenConfig.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        told = {"BETTER_AUTH_SECRET": SECRET, "NEXT_PUBLIC_BETTER_AUTH_URL": SITE, **variables}
        for name, value in told.items():
            monkeypatch.setenv(name, value.replace("…", served.url))
        config = TokenConfig.read()
        async with AsyncExitStack() as running:
            key_set = None
            if config.jwks_url:
                key_set = await running.enter_async_context(quick(config.jwks_url))
            asked = verifier(config, key_set)
            found = []
            for make in (mint, signed_with_secret, under_a_key):
                with suppress(InvalidToken):
                    assert (await asked.verify(make("ada"))).user_id == "ada"
                    found.append(make)
    assert found == believed


@run_in_loop
async def test_log_says_when_keys_arrive_and_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "api.identity.key_set")
    with Issuer(BOTH) as served:
        there, gone = f"2 keys from {served.url}", f"no key set from {served.url}: "
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "x")
            await key_set.candidates("EdDSA", "y")
            assert caplog.messages == [there]
            served.behaviour = FAULTY["HTTP 500"]
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "z")
            served.behaviour = BOTH
            await key_set.candidates("EdDSA", "z")
            assert caplog.messages == [there, f"{gone}ValueError HTTP 500", there]


@run_in_loop
async def test_cached_keys_are_not_fetched_again() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            ring = KeyRing([], key_set)
            [key] = await ring.candidates("EdDSA", "ed")
            assert key.signed(b"x", ED.sign(b"x"))
            assert await ring.candidates("ES256", "ed") == ()
            assert [key.id for key in await ring.candidates("ES256", "ec")] == ["ec"]
            for _ in range(100):
                assert known(key_set, ED)
                assert known(key_set, EC)
        assert [request.path for request in served.asked] == ["/jwks"]
    [request] = served.asked
    assert request.head.startswith("get /jwks http/1.1\r\n")
    assert "accept-encoding: identity\r\n" in request.head
    assert "accept: application/json\r\n" in request.head
    assert "authorization" not in request.head


@run_in_loop
async def test_requests_before_the_first_key_set_share_one_fetch() -> None:
    gate = Gate(BOTH)
    with Issuer(gate) as served:
        async with quick(served.url) as key_set:
            assert key_set.version == 0
            waiting = [asyncio.create_task(key_set.candidates("EdDSA", "ed")) for _ in range(50)]
            await asked(served, 1)
            gate.opened.set()
            assert all(len(found) == 1 for found in await asyncio.gather(*waiting))
            assert key_set.version == 1
        assert len(served.asked) == 1


@run_in_loop
async def test_unknown_key_ids_share_fetches_at_least_min_interval_apart() -> None:
    floor = 0.3  # longer than a fetch takes on a busy machine
    with Issuer(BOTH) as served:
        began = time.monotonic()
        async with KeySet(served.url, min_interval=floor) as key_set:
            for wave in range(4):
                found = await asyncio.gather(
                    *(key_set.candidates("EdDSA", f"{wave}-{n}") for n in range(MAX_WAITING))
                )
                assert set(found) == {()}
                assert known(key_set)
            took = time.monotonic() - began
            # The first wave waits for the first fetch, each later one for a fetch of its own.
            assert len(served.asked) == 4
            assert 3 * floor <= took < 30 * floor, "and not much more seldom either"


@run_in_loop
async def test_new_key_id_is_fetched_at_once() -> None:
    with Issuer(serving(ED.jwk)) as served:
        async with quick(served.url) as key_set:
            assert await key_set.candidates("EdDSA", "ed")
            before = key_set.version
            served.behaviour = serving(ED.jwk, NEW.jwk)
            [key] = await key_set.candidates("EdDSA", "new")
            assert key.id == "new"
            assert key_set.version > before
            assert len(served.asked) == 2


@run_in_loop
async def test_earlier_fetch_does_not_decide_that_a_key_is_unknown() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url, lifetime=(0.1, 0.1, 0.1)) as key_set:
            await key_set.candidates("EdDSA", "ed")
            gate = served.behaviour = Gate(BOTH)
            await asked(served, len(served.asked) + 1)
            new = asyncio.create_task(key_set.candidates("EdDSA", "new"))
            await asyncio.sleep(0)
            served.behaviour = serving(NEW.jwk)
            gate.opened.set()
            assert [key.id for key in await new] == ["new"]


REASONS = {
    "HTTP 500": "ValueError HTTP 500",
    "a gzip bomb": "ValueError unexpected Content-Encoding",
    "it says gzip": "ValueError unexpected Content-Encoding",
    "50 MB in chunks": "ValueError over 65536 bytes",
    "too many keys": "ValueError not a JWK Set of at most 32 keys",
    "elsewhere": "ValueError redirected to another origin",
    "a loop": "ValueError too many redirects",
}


@pytest.mark.parametrize("fault", REASONS)
@run_in_loop
async def test_log_says_why_there_are_no_keys(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    with Issuer(FAULTY[fault]) as served:
        async with quick(served.url) as key_set:
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
        assert caplog.messages == [f"no key set from {served.url}: {REASONS[fault]}"]


@run_in_loop
async def test_key_id_that_a_fetch_cannot_resolve_causes_no_fetch() -> None:
    """A key ID of another algorithm; no key ID; a key without an ID."""
    without_name = {name: value for name, value in NEW.jwk.items() if name != "kid"}
    with Issuer(serving(ED.jwk)) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", None)
            for algorithm, key_id in (("ES256", "ed"), ("ES256", None)):
                with pytest.raises(StopIteration) as found:
                    key_set.candidates(algorithm, key_id).send(None)
                assert found.value.value == ()
            assert len(served.asked) == 1
            served.behaviour = serving(without_name)
            await key_set.candidates("EdDSA", "any")
            [key] = await key_set.candidates("EdDSA", "another")
            assert key.id is None
            assert len(served.asked) == 2


@run_in_loop
async def test_waiters_for_unknown_keys_are_bounded() -> None:
    """Too many waiters are no outage, and one of them may have a new key's first token."""
    with Issuer(BOTH) as served:
        async with quick(served.url, max_waiting=10) as key_set:

            async def too_many(why: type[KeysUnavailable], asked_in_all: int) -> list[Any]:
                room = [asyncio.create_task(key_set.candidates("EdDSA", str(n))) for n in range(10)]
                await asked(served, asked_in_all)
                for _ in range(3):
                    with pytest.raises(KeysUnavailable) as told:
                        await key_set.candidates("EdDSA", "one too many")
                    assert told.type is why
                assert known(key_set)
                gate.opened.set()
                return await asyncio.gather(*room, return_exceptions=True)

            await key_set.candidates("EdDSA", "ed")
            gate = served.behaviour = Gate(BOTH)
            assert await too_many(TooManyUnknownKeys, 2) == [()] * 10
            assert await key_set.candidates("EdDSA", "again room") == ()
            served.behaviour = issuer.resetting
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "x")
            gate = served.behaviour = Gate(BOTH)
            assert await too_many(KeysUnavailable, 5) == [()] * 10


@run_in_loop
async def test_too_many_waiters_before_the_first_key_set_are_an_outage() -> None:
    """After a start, every request waits, not only those with unknown keys."""
    with Issuer(gate := Gate(BOTH)) as served:
        async with quick(served.url, max_waiting=1) as key_set:
            first = asyncio.create_task(key_set.candidates("EdDSA", "ed"))
            await asked(served, 1)
            with pytest.raises(KeysUnavailable) as told:
                await key_set.candidates("EdDSA", "ed")
            assert told.type is KeysUnavailable
            gate.opened.set()
            assert len(await first) == 1


@run_in_loop
async def test_key_set_is_refreshed_before_it_expires_and_replaces_the_old_one() -> None:
    with Issuer(BOTH) as served:
        began = time.monotonic()
        async with quick(served.url, lifetime=(0.1, 0.2, 0.3)) as key_set:
            await key_set.candidates("EdDSA", "ed")
            await asked(served, 5)
            assert known(key_set)
            assert time.monotonic() - began >= 4 * 0.8 * 0.2
            served.behaviour = gate = Gate(serving(NEW.jwk))
            await asked(served, 6)
            assert known(key_set)
            gate.opened.set()
            await wait_until(lambda: known(key_set, NEW))
            assert not known(key_set, ED)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Cache_Control": "max-age=1"}, 0.8),
        ({"Cache_Control": "max-age=999", "Age": "998"}, 0.8),
    ],
)
@run_in_loop
async def test_key_set_is_cached_for_its_max_age(headers: dict[str, str], least: float) -> None:
    with Issuer(serving(ED.jwk, **headers)) as served:
        began = time.monotonic()
        async with quick(served.url, lifetime=(0.06, 0.06, 1000)):
            await asked(served, 2)
        assert least <= served.asked[1].at - began < least + SLACK, "not only after 799 s"


@pytest.mark.parametrize("fault", FAULTY)
@run_in_loop
async def test_faulty_fetch_keeps_the_cached_keys(fault: str) -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url, fetch_timeout=0.3) as key_set:
            assert await candidates_after_retry(key_set, "ed")
            version = key_set.version
            served.behaviour = FAULTY[fault]
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(KeysUnavailable):
                    await key_set.candidates("EdDSA", "new")
            assert known(key_set, ED)
            assert known(key_set, EC)
            assert key_set.version == version
            served.behaviour = serving(NEW.jwk)
            assert await candidates_after_retry(key_set, "new")
            assert not known(key_set, ED)
        assert all(request.sent < 8_000_000 for request in served.asked)


@pytest.mark.parametrize("fault", ["hangs", "resets", "HTTP 500", "HTML", "ten bytes a second"])
@run_in_loop
async def test_without_cached_keys_a_faulty_fetch_raises_unavailable(fault: str) -> None:
    with Issuer(FAULTY[fault]) as served:
        async with quick(served.url, fetch_timeout=0.3) as key_set:
            ring = KeyRing([], key_set)
            for algorithm, key_id in (("EdDSA", "ed"), ("RS256", None), ("ES256", "x")):
                async with asyncio.timeout(PATIENCE):
                    with pytest.raises(KeysUnavailable):
                        await ring.candidates(algorithm, key_id)
            for algorithm in ("HS256", "none", "RS512"):
                assert await ring.candidates(algorithm, "ed") == (), "which needs no key set"
            assert ring.version == key_set.version == 0


@run_in_loop
async def test_missing_issuer_is_polled_until_it_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "api.identity.key_set")
    port = stack.free_port()
    async with quick(f"http://127.0.0.1:{port}/jwks") as key_set:
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
        with Issuer(BOTH, port) as served:
            await wait_until(lambda: key_set.version > 0)
            assert known(key_set)
            await asyncio.gather(key_set.candidates("EdDSA", "a"))
            assert len(served.asked) == 2
        with pytest.raises(KeysUnavailable):
            await key_set.candidates("EdDSA", "b")
        assert known(key_set)
    said = [record.getMessage() for record in caplog.records]
    gone, there, gone_again = said
    url = f"http://127.0.0.1:{port}/jwks"
    assert gone.startswith(f"no key set from {url}: ConnectError")
    assert there == f"2 keys from {url}"
    assert gone_again.startswith(f"no key set from {url}: ")


@run_in_loop
async def test_stale_keys_are_used_for_a_day_while_the_issuer_is_unavailable() -> None:
    now = 0.0
    with Issuer(BOTH) as served:
        async with quick(served.url, clock=lambda: now) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            token = Case(ED, int(time.time()), SITE).token()
            await key_set.candidates("EdDSA", "ed")
            claims = await by.verify(token)
            served.behaviour = issuer.resetting
            now = STALE_IF_ERROR - 1
            assert known(key_set)
            assert await by.verify(token) is claims
            now = STALE_IF_ERROR
            with pytest.raises(KeysUnavailable):
                await by.verify(token)
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
            served.behaviour = BOTH
            now += 10
            assert await by.verify(token) == claims


@run_in_loop
async def test_token_of_a_withdrawn_key_is_rejected_though_its_claims_were_cached() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url, lifetime=(0.1, 0.1, 0.1)) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            gone, stays = (Case(one, int(time.time()), SITE).token() for one in (ED, EC))
            await key_set.candidates("EdDSA", "ed")
            assert await by.verify(gone) is await by.verify(gone)
            await by.verify(stays)
            served.behaviour = serving(EC.jwk)
            await asked(served, len(served.asked) + 2)
            await wait_until(lambda: not known(key_set, ED))
            with pytest.raises(InvalidToken, match="no known key"):
                await by.verify(gone)
            await by.verify(stays)


@run_in_loop
async def test_token_is_verified_only_with_the_key_that_it_names() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            case = Case(ED, int(time.time()), SITE)
            await by.verify(case.token())
            for name in ("ec", "unknown"):
                with pytest.raises(InvalidToken, match="no known key"):
                    await by.verify(case.token({"kid": name}))


@run_in_loop
async def test_cancelled_waiter_does_not_cancel_the_fetch_for_others() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            gate = served.behaviour = Gate(serving(NEW.jwk))
            waiting = [asyncio.create_task(key_set.candidates("EdDSA", "new")) for _ in range(3)]
            await asked(served, 2)
            waiting[0].cancel()
            await asyncio.wait([waiting[0]])
            gate.opened.set()
            assert [len(found) for found in await asyncio.gather(*waiting[1:])] == [1, 1]
            assert waiting[0].cancelled()
            assert len(served.asked) == 2


@run_in_loop
async def test_fetch_goes_on_when_every_waiter_is_cancelled() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            gate = served.behaviour = Gate(serving(NEW.jwk))
            only = asyncio.create_task(key_set.candidates("EdDSA", "new"))
            await asked(served, 2)
            only.cancel()
            await asyncio.wait([only])
            gate.opened.set()
            await wait_until(lambda: known(key_set, NEW))


@pytest.mark.parametrize("asks", [False, True])
@run_in_loop
async def test_closed_key_set_leaves_no_task_running(asks: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """During the first fetch, and during one for an unknown key."""
    monotonic = time.monotonic
    with Issuer(BOTH if asks else issuer.hanging) as served:
        began = monotonic()
        async with quick(served.url) as key_set:
            if asks:
                await key_set.candidates("EdDSA", "ed")
                served.behaviour = issuer.hanging
                waiting = asyncio.create_task(key_set.candidates("EdDSA", "new"))
                await asked(served, 2)
                waiting.cancel()
            else:
                await asked(served, 1)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert monotonic() - began < PATIENCE / 2, "it did not wait for the fetch to time out"


@run_in_loop
async def test_redirects_are_followed_within_the_origin_only() -> None:
    hops = {"/jwks": "/a", "/a": "/b?x=1", "/b?x=1": "/c"}

    def hop(request: Asked) -> None:
        if request.path in hops:
            request.answer(b"", "307 Temporary Redirect", Location=hops[request.path])
        else:
            BOTH(request)

    with Issuer(hop) as served, Issuer(BOTH) as other:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            assert known(key_set)
            assert [request.path for request in served.asked] == ["/jwks", "/a", "/b?x=1", "/c"]
            for target in (
                other.url,
                f"//127.0.0.1:{other.port}/jwks",
                f"http://localhost:{served.port}/elsewhere",
                f"https://127.0.0.1:{served.port}/elsewhere",
                f"http://127.0.0.1:{served.port}@127.0.0.1:{other.port}/jwks",
            ):
                served.behaviour = issuer.redirecting(target)
                with pytest.raises(KeysUnavailable):
                    await key_set.candidates("EdDSA", "new")
            hops["/c"] = "/d"
            served.behaviour = hop
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "new")
        assert other.asked == []
        assert {request.path for request in served.asked} <= {"/jwks", "/a", "/b?x=1", "/c"}


@run_in_loop
async def test_key_set_may_have_64_kib_and_no_more() -> None:
    body = json.dumps({"keys": [ED.jwk]}).encode()
    with Issuer(issuer.responding(body.ljust(MAX_BYTES))) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            assert known(key_set)
            served.behaviour = issuer.responding(body.ljust(MAX_BYTES + 1))
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "new")
            assert MAX_BYTES == 64 * 1024


# The tests below run a whole API with the default intervals.


@pytest.fixture
def start_trusting(
    postgres: Postgres, tmp_path: Path
) -> Iterator[Callable[[Issuer], stack.Server]]:
    """Return a function that starts an API with the key set of an issuer."""
    started: list[stack.Server] = []

    def start(served: Issuer) -> stack.Server:
        started.append(stack.api(tmp_path, trusting(postgres.url, JWKS_URL=served.url)))
        return started[-1]

    yield start
    assert {server.stop() for server in started} <= {0, -signal.SIGTERM}


def ask(client: httpx.Client, token: str) -> httpx.Response:
    return client.post(
        "/graphql",
        json={"query": "{ viewer { id } }"},
        headers={"Authorization": f"Bearer {token}", "Origin": SITE},
    )


def by(signer: Signer, **header: Any) -> str:
    return Case(signer, int(time.time()), SITE).token(header)


def test_api_without_its_issuer_keeps_known_users_signed_in(
    start_trusting: Callable[[Issuer], stack.Server],
) -> None:
    good = {"data": {"viewer": {"id": "ada"}}}
    with Issuer(issuer.hanging) as served:
        api = start_trusting(served)
        with plain.Client(base_url=api.url) as client, ThreadPoolExecutor(40) as pool:
            # No key is cached yet: requests with a token are 503, requests without one do not wait.
            waiting = pool.submit(ask, client, by(ED))
            assert client.get("/health/live").status_code == 200
            assert ask(client, mint("ada")).status_code == 401, "a shared secret is not asked about"
            answer = waiting.result()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["errors"][0]["extensions"] == UNAVAILABLE
            assert answer.headers["access-control-allow-origin"] == SITE

            served.behaviour = BOTH
            deadline = time.monotonic() + PATIENCE
            while (answer := ask(client, by(ED))).status_code == 503:
                assert time.monotonic() < deadline
            assert answer.json() == good

            # The issuer hangs, and clients name unknown keys: tokens of cached keys are accepted.
            served.behaviour = issuer.hanging
            strangers = [pool.submit(ask, client, by(ED, kid=f"{n}")) for n in range(30)]
            served.wait_asked(len(served.asked) + 1)
            for signer in (ED, EC) * 10:
                assert ask(client, by(signer)).json() == good
            assert not any(stranger.done() for stranger in strangers)
            for answer in (stranger.result() for stranger in strangers):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

            # The issuer answers again: the tokens with unknown keys are 401.
            served.behaviour = BOTH
            deadline = time.monotonic() + PATIENCE
            while (answer := ask(client, by(ED, kid="x"))).status_code == 503:
                assert time.monotonic() < deadline
            assert (answer.status_code, answer.json()) == (401, UNAUTHENTICATED)
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


ON_THE_HOUR, HALF_PAST = "Wed, 25 Nov 2026 10:00:00 GMT", "Wed, 25 Nov 2026 10:30:00 GMT"


@pytest.fixture
def tokyo_time_zone() -> Iterator[pytest.MonkeyPatch]:
    """Set a local time zone that is not UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield patch
    time.tzset()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"Cache-Control": "public"}, 300),
        ({"Cache-Control": "max-age=600"}, 600),
        ({"Cache-Control": "public, max-age=600, immutable"}, 600),
        ({"Cache-Control": "public,MAX-AGE=600"}, 600),
        ({"Cache-Control": "max-age=600,public"}, 600),
        ({"Cache-Control": "max-age=61"}, 61),
        ({"Cache-Control": "max-age=59"}, 60),
        ({"Cache-Control": "max-age=0"}, 60),
        ({"Cache-Control": "no-store"}, 60),
        ({"Cache-Control": "No-Cache"}, 60),
        ({"Cache-Control": "no-store, max-age=600"}, 60),
        ({"Cache-Control": "max-age=3599"}, 3599),
        ({"Cache-Control": "max-age=31536000"}, 3600),
        ({"Cache-Control": "max-age=9999999999"}, 3600),
        ({"Cache-Control": "max-age=99999999999"}, 300),
        ({"Cache-Control": "max-age=-1"}, 300),
        ({"Cache-Control": "max-age=600.5"}, 300),
        ({"Cache-Control": "max-age=x"}, 300),
        ({"Cache-Control": "max-age="}, 300),
        ({"Cache-Control": "max-age=\u0663"}, 300),
        ({"Cache-Control": "s-maxage=600"}, 300),
        ({"Cache-Control": "x-max-age=600"}, 300),
        ({"Cache-Control": "max-age=600", "Age": "100"}, 500),
        ({"Cache-Control": "max-age=600", "Age": "0"}, 600),
        ({"Cache-Control": "max-age=600", "Age": "590"}, 60),
        ({"Cache-Control": "max-age=600", "Age": "600000000000"}, 60),
        ({"Cache-Control": "max-age=600", "Age": "9" * 5000}, 60),
        ({"Cache-Control": "max-age=600", "Age": "00000000100"}, 500),
        ({"Cache-Control": "max-age=9999999999", "Age": "9999999999"}, 60),
        ({"Age": "100"}, 200),
        ({"Cache-Control": "max-age=600", "Age": "-100"}, 600),
        ({"Cache-Control": "max-age=600", "Age": "1e2"}, 600),
        ({"Cache-Control": "max-age=600", "Age": "\u00b2"}, 600),
        ({"Cache-Control": "max-age=600", "Age": ""}, 600),
        ({"Expires": HALF_PAST, "Date": ON_THE_HOUR}, 1800),
        ({"Expires": HALF_PAST, "Date": ON_THE_HOUR, "Age": "100"}, 1700),
        ({"Expires": HALF_PAST, "Date": ON_THE_HOUR, "Cache-Control": "public"}, 1800),
        ({"Expires": HALF_PAST, "Date": ON_THE_HOUR, "Cache-Control": "max-age=600"}, 600),
        ({"Expires": HALF_PAST, "Date": ON_THE_HOUR, "Cache-Control": "no-store"}, 60),
        ({"Expires": "Wednesday, 25-Nov-26 10:30:00 GMT", "Date": ON_THE_HOUR}, 1800),
        ({"Expires": "Wed Nov 25 10:30:00 2026", "Date": ON_THE_HOUR}, 1800),
        ({"Expires": ON_THE_HOUR, "Date": ON_THE_HOUR}, 60),
        ({"Expires": ON_THE_HOUR, "Date": HALF_PAST}, 60),
        ({"Expires": "Wed, 25 Nov 2099 10:30:00 GMT", "Date": ON_THE_HOUR}, 3600),
        ({"Expires": "0", "Date": ON_THE_HOUR}, 60),
        ({"Expires": "", "Date": ON_THE_HOUR}, 60),
        ({"Expires": "Wed, 25 Nov 99999999999 10:30:00 GMT", "Date": ON_THE_HOUR}, 60),
        ({"Expires": HALF_PAST, "Date": "yesterday"}, 1500),
        ({"Expires": HALF_PAST}, 1500),
    ],
)
def test_lifetime_of_a_key_set_follows_its_cache_headers(
    headers: dict[str, str], seconds: float, tokyo_time_zone: pytest.MonkeyPatch
) -> None:
    five_past = datetime(2026, 11, 25, 10, 5, tzinfo=UTC).timestamp()
    tokyo_time_zone.setattr(time, "time", lambda: five_past)
    written = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert _lifetime(httpx.Headers(written)) == seconds
