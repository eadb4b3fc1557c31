"""The key set, fetched over real sockets from an issuer that may do anything."""

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
from pathlib import Path
from typing import Any, ParamSpec

import httpx
import jwt
import pytest

from api.config import TokenConfig
from api.identity import keys
from api.identity.auth import verifier
from api.identity.keys import Key, KeyRing, KeySet, KeysUnavailable, TooManyUnknownKeys
from api.identity.tokens import InvalidToken, Verifier
from dev.postgres import Postgres
from tests import issuer, plain, stack
from tests.conftest import SECRET, SITE, mint, trusting
from tests.faults import Case
from tests.identity.test_auth import UNAUTHENTICATED
from tests.issuer import FAULTY, Asked, Issuer, Signer, serving

P = ParamSpec("P")

ED, EC = issuer.eddsa("ed"), issuer.es256("ec")
NEW = issuer.eddsa("new")
BOTH = serving(ED.jwk, EC.jwk)
UNAVAILABLE = {"code": "UNAVAILABLE"}


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs it, and sees that nothing runs on behind it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def alone() -> None:
            await test(*args, **kwargs)
            async with asyncio.timeout(1):  # httpx leaves a generator to be closed by the loop
                while asyncio.all_tasks() != {asyncio.current_task()}:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)

        asyncio.run(alone())

    return run


quick = functools.partial(KeySet, min_interval=0.05, fetch_timeout=2.0)
"""A key set for which a second is long."""


def known(key_set: KeySet, signer: Signer = ED) -> bool:
    """Whether its key is there for nobody to wait, not even for the loop to turn once."""
    asking = key_set.candidates(signer.algorithm, signer.id)
    try:
        asking.send(None)
    except StopIteration as found:
        return [key.id for key in found.value] == [signer.id]
    asking.close()
    return False


async def becomes_true(condition: Callable[[], bool], seconds: float = issuer.PATIENCE) -> None:
    """Until it is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of this
            await asyncio.sleep(0.005)


async def in_time(key_set: KeySet, key_id: str) -> tuple[Key, ...]:
    """Return the keys with this id. Ask again after a fetch that failed or took too long."""
    async with asyncio.timeout(issuer.PATIENCE):
        while True:
            with suppress(KeysUnavailable):
                return await key_set.candidates("EdDSA", key_id)


async def asked(by: Issuer, times: int) -> None:
    await asyncio.to_thread(by.wait_asked, times)


class Gate:
    """Holds answers back until it is opened."""

    def __init__(self, behaviour: issuer.Behaviour) -> None:
        self._behaviour = behaviour
        self.opened = threading.Event()

    def __call__(self, request: Asked) -> None:
        """Answers, in the end."""
        while not (self.opened.wait(0.01) or request.over.is_set()):
            pass
        self._behaviour(request)


def bare(user: str) -> str:
    """As Better Auth signs what it signs for itself."""
    return jwt.encode(jwt.decode(mint(user), options={"verify_signature": False}), SECRET)


def under_a_key(user: str) -> str:
    return Case(ED, int(time.time()), SITE).token(user_id=user, sub=user)


ELSEWHERE = "https://elsewhere.example"
OTHER = "another secret, of which there are thirty-two characters"


@pytest.mark.parametrize(
    ("variables", "believed"),
    [
        ({}, [mint, bare]),
        ({"RAW_SECRET_TOKENS": "0"}, [mint]),
        ({"BETTER_AUTH_SECRET": OTHER}, []),
        ({"BETTER_AUTH_SECRET": OTHER, "BETTER_AUTH_SECRET_PREVIOUS": SECRET}, [mint, bare]),
        ({"JWT_ISSUER": ELSEWHERE}, []),
        ({"JWT_AUDIENCE": ELSEWHERE}, []),
        ({"JWT_ISSUER": "off", "JWT_AUDIENCE": SITE}, [mint, bare]),
        ({"ACCESS_TOKEN_MAX_AGE": "600"}, []),
        ({"JWKS_URL": "…"}, [under_a_key]),
        ({"JWKS_URL": "…", "SHARED_SECRET_TOKENS": "1"}, [mint, bare, under_a_key]),
        (
            {"JWKS_URL": "…", "SHARED_SECRET_TOKENS": "1", "RAW_SECRET_TOKENS": "0"},
            [mint, under_a_key],
        ),
    ],
)
@in_a_loop
async def test_what_is_believed_is_what_the_settings_say(
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
            for make in (mint, bare, under_a_key):
                with suppress(InvalidToken):
                    assert (await asked.verify(make("ada"))).user_id == "ada"
                    found.append(make)
    assert found == believed


@in_a_loop
async def test_the_log_is_told_when_keys_come_and_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "api.identity.keys")
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


@in_a_loop
async def test_what_is_known_is_asked_for_once() -> None:
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


@in_a_loop
async def test_all_who_come_before_the_first_answer_wait_for_one_fetch() -> None:
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


@in_a_loop
async def test_unknown_keys_are_asked_about_together_and_never_more_often_than_the_floor() -> None:
    floor = 0.3  # longer than a fetch takes on a busy machine
    with Issuer(BOTH) as served:
        began = time.monotonic()
        async with KeySet(served.url, min_interval=floor) as key_set:
            for wave in range(4):
                found = await asyncio.gather(
                    *(key_set.candidates("EdDSA", f"{wave}-{n}") for n in range(keys.MAX_WAITING))
                )
                assert set(found) == {()}
                assert known(key_set)
            took = time.monotonic() - began
            # The first wave waits for the first fetch, and each other one for one of its own.
            assert len(served.asked) == 4
            assert 3 * floor <= took < 5, "and not much more seldom either"


@in_a_loop
async def test_a_new_key_is_found_by_its_name_at_once() -> None:
    with Issuer(serving(ED.jwk)) as served:
        async with quick(served.url) as key_set:
            assert await key_set.candidates("EdDSA", "ed")
            before = key_set.version
            served.behaviour = serving(ED.jwk, NEW.jwk)
            [key] = await key_set.candidates("EdDSA", "new")
            assert key.id == "new"
            assert key_set.version > before
            assert len(served.asked) == 2


@in_a_loop
async def test_a_fetch_that_began_before_does_not_tell_that_a_key_is_unknown() -> None:
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
@in_a_loop
async def test_the_log_is_told_why_there_are_no_keys(
    caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    with Issuer(FAULTY[fault]) as served:
        async with quick(served.url) as key_set:
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
        assert caplog.messages == [f"no key set from {served.url}: {REASONS[fault]}"]


@in_a_loop
async def test_what_the_issuer_cannot_tell_is_not_asked_about() -> None:
    """A name that is known for another algorithm; no name at all."""
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


@in_a_loop
async def test_no_more_wait_than_there_is_room_for() -> None:
    """It is no outage, and one of the rest may have a new key's first token."""
    with Issuer(BOTH) as served:
        async with quick(served.url, max_waiting=10, fetch_timeout=0.3) as key_set:

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


@in_a_loop
async def test_where_nothing_is_known_too_many_are_no_flood() -> None:
    """They are everybody, after a start."""
    with Issuer(gate := Gate(BOTH)) as served:
        async with quick(served.url, max_waiting=1) as key_set:
            first = asyncio.create_task(key_set.candidates("EdDSA", "ed"))
            await asked(served, 1)
            with pytest.raises(KeysUnavailable) as told:
                await key_set.candidates("EdDSA", "ed")
            assert told.type is KeysUnavailable
            gate.opened.set()
            assert len(await first) == 1


@in_a_loop
async def test_a_set_is_fetched_again_before_it_is_due_and_becomes_true_it() -> None:
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
            await becomes_true(lambda: known(key_set, NEW))
            assert not known(key_set, ED)


@pytest.mark.parametrize(
    ("headers", "least"),
    [({"Cache_Control": "max-age=1"}, 0.8), ({"Cache_Control": "max-age=9", "Age": "8"}, 0.8)],
)
@in_a_loop
async def test_a_set_is_kept_for_as_long_as_its_issuer_says(
    headers: dict[str, str], least: float
) -> None:
    with Issuer(serving(ED.jwk, **headers)) as served:
        began = time.monotonic()
        async with quick(served.url, lifetime=(0.06, 0.06, 1000)):
            await asked(served, 2)
        assert least <= served.asked[1].at - began < least + 1, "and asked again before that ends"


@pytest.mark.parametrize("fault", FAULTY)
@in_a_loop
async def test_what_was_known_stays_known_whatever_the_issuer_does(fault: str) -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url, fetch_timeout=0.3) as key_set:
            assert await in_time(key_set, "ed")
            version = key_set.version
            served.behaviour = FAULTY[fault]
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "new")
            assert known(key_set, ED)
            assert known(key_set, EC)
            assert key_set.version == version
            served.behaviour = serving(NEW.jwk)
            assert await in_time(key_set, "new")
            assert not known(key_set, ED)
        assert all(request.sent < 8_000_000 for request in served.asked)


@pytest.mark.parametrize("fault", ["hangs", "resets", "HTTP 500", "HTML", "a byte a second"])
@in_a_loop
async def test_where_nothing_is_known_nobody_is_told_to_be_false(fault: str) -> None:
    with Issuer(FAULTY[fault]) as served:
        async with quick(served.url, fetch_timeout=0.3) as key_set:
            ring = KeyRing([], key_set)
            for algorithm, key_id in (("EdDSA", "ed"), ("RS256", None), ("ES256", "x")):
                with pytest.raises(KeysUnavailable):
                    await ring.candidates(algorithm, key_id)
            for algorithm in ("HS256", "none", "RS512"):
                assert await ring.candidates(algorithm, "ed") == (), "which needs no key set"
            assert ring.version == key_set.version == 0


@in_a_loop
async def test_an_issuer_that_is_not_there_is_looked_for_until_it_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "api.identity.keys")
    port = stack.free_port()
    async with quick(f"http://127.0.0.1:{port}/jwks") as key_set:
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
        with Issuer(BOTH, port) as served:
            await becomes_true(lambda: key_set.version > 0)
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


@in_a_loop
async def test_for_a_day_and_no_longer_it_is_used_while_the_issuer_is_away() -> None:
    now = 0.0
    with Issuer(BOTH) as served:
        async with quick(served.url, clock=lambda: now) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            token = Case(ED, int(time.time()), SITE).token()
            await key_set.candidates("EdDSA", "ed")
            claims = await by.verify(token)
            served.behaviour = issuer.resetting
            now = keys.STALE_IF_ERROR - 1
            assert known(key_set)
            assert await by.verify(token) is claims
            now = keys.STALE_IF_ERROR
            with pytest.raises(KeysUnavailable):
                await by.verify(token)
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "ed")
            served.behaviour = BOTH
            now += 10
            assert await by.verify(token) == claims


@in_a_loop
async def test_a_token_under_a_withdrawn_key_is_refused_though_it_was_remembered() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url, lifetime=(0.1, 0.1, 0.1)) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            gone, stays = (Case(one, int(time.time()), SITE).token() for one in (ED, EC))
            await key_set.candidates("EdDSA", "ed")
            assert await by.verify(gone) is await by.verify(gone)
            await by.verify(stays)
            served.behaviour = serving(EC.jwk)
            await asked(served, len(served.asked) + 2)
            await becomes_true(lambda: not known(key_set, ED))
            with pytest.raises(InvalidToken, match="no known key"):
                await by.verify(gone)
            await by.verify(stays)


@in_a_loop
async def test_a_token_is_held_against_the_key_that_it_names_and_no_other() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            by = Verifier(KeyRing([], key_set), issuer=SITE, audience=SITE, max_age=3600)
            case = Case(ED, int(time.time()), SITE)
            await by.verify(case.token())
            for name in ("ec", "unknown"):
                with pytest.raises(InvalidToken, match="no known key"):
                    await by.verify(case.token({"kid": name}))


@in_a_loop
async def test_whoever_hangs_up_does_not_end_it_for_the_others() -> None:
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


@in_a_loop
async def test_it_goes_on_when_all_have_hung_up() -> None:
    with Issuer(BOTH) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            gate = served.behaviour = Gate(serving(NEW.jwk))
            only = asyncio.create_task(key_set.candidates("EdDSA", "new"))
            await asked(served, 2)
            only.cancel()
            await asyncio.wait([only])
            gate.opened.set()
            await becomes_true(lambda: known(key_set, NEW))


@pytest.mark.parametrize("asks", [False, True])
@in_a_loop
async def test_nothing_runs_on_once_it_is_left(asks: bool) -> None:  # noqa: FBT001
    """In the middle of the first fetch, and of one that somebody asked for."""
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
        assert monotonic() - began < 2.0, "it did not wait for the fetch to time out"


@in_a_loop
async def test_redirects_are_followed_on_the_spot_and_to_nowhere_else() -> None:
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


@in_a_loop
async def test_so_many_bytes_and_no_more() -> None:
    body = json.dumps({"keys": [ED.jwk]}).encode()
    with Issuer(issuer.saying(body.ljust(keys.MAX_BYTES))) as served:
        async with quick(served.url) as key_set:
            await key_set.candidates("EdDSA", "ed")
            assert known(key_set)
            served.behaviour = issuer.saying(body.ljust(keys.MAX_BYTES + 1))
            with pytest.raises(KeysUnavailable):
                await key_set.candidates("EdDSA", "new")
            assert keys.MAX_BYTES == 64 * 1024


# The same through a whole API, with its own times.


@pytest.fixture
def believes(postgres: Postgres, tmp_path: Path) -> Iterator[Callable[[Issuer], stack.Server]]:
    """Starts an API that believes an issuer."""
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


def test_an_api_without_its_issuer_signs_nobody_out(
    believes: Callable[[Issuer], stack.Server],
) -> None:
    good = {"data": {"viewer": {"id": "ada"}}}
    with Issuer(issuer.hanging) as served:
        api = believes(served)
        with plain.Client(base_url=api.url, timeout=30) as client, ThreadPoolExecutor(40) as pool:
            # Nothing is known yet: 503, and who needs no token is not kept waiting.
            waiting = pool.submit(ask, client, by(ED))
            assert client.get("/health/live").status_code == 200
            assert ask(client, mint("ada")).status_code == 401, "a shared secret is not asked about"
            answer = waiting.result()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["errors"][0]["extensions"] == UNAVAILABLE
            assert answer.headers["access-control-allow-origin"] == SITE

            served.behaviour = BOTH
            deadline = time.monotonic() + 20
            while (answer := ask(client, by(ED))).status_code == 503:
                assert time.monotonic() < deadline
            assert answer.json() == good

            # The issuer hangs, strangers name keys that nobody knows, and whoever is known goes on.
            served.behaviour = issuer.hanging
            strangers = [pool.submit(ask, client, by(ED, kid=f"{n}")) for n in range(30)]
            served.wait_asked(len(served.asked) + 1)
            for signer in (ED, EC) * 10:
                assert ask(client, by(signer)).json() == good
            assert not any(stranger.done() for stranger in strangers)
            for answer in (stranger.result() for stranger in strangers):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

            # It is back: the same strangers are told what they are.
            served.behaviour = BOTH
            while (answer := ask(client, by(ED, kid="x"))).status_code == 503:
                assert time.monotonic() < deadline + 20
            assert (answer.status_code, answer.json()) == (401, UNAUTHENTICATED)
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
