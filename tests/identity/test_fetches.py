"""Fetches of the key set: their times, headers, proxy and certificates."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from api.identity.key_set import KeySet
from api.identity.keys import KeysUnavailable
from tests import issuer
from tests.authority import Authority
from tests.identity.test_key_set import ED, Gate, asked, quick
from tests.issuer import Asked, Issuer, serving
from tests.waiting import PATIENCE

P = ParamSpec("P")

SERVED = serving(ED.jwk)
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy")


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock that a test can advance. All timers of the loop use this clock."""

    ahead = 0.0

    def time(self) -> float:
        """Return the seconds of the clock, with those that the test has added."""
        return super().time() + self.ahead

    async def advance(self, seconds: float) -> None:
        """Advance the clock, and run the timers that are due."""
        self.ahead += seconds
        for _ in range(10):  # a timer may start tasks that need several turns of the loop
            await asyncio.sleep(0)


def run_in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run the test in a `Loop`, without the variables that change how a client connects."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name in VARIABLES:
                patch.delenv(name, raising=False)
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(test(*args, **kwargs))

    return run


def loop() -> Loop:
    running = asyncio.get_running_loop()
    assert isinstance(running, Loop)
    return running


def noting(began: list[float]) -> Callable[[], dict[str, str]]:
    """Return a function for `headers` that adds no header, and records when each fetch begins."""

    def headers() -> dict[str, str]:
        began.append(loop().time())
        return {}

    return headers


@run_in_loop
async def test_silent_issuer_gets_the_whole_timeout_of_a_fetch() -> None:
    gate = Gate(SERVED)
    with Issuer(gate) as served:
        async with KeySet(served.url, fetch_timeout=10 * PATIENCE) as key_set:
            waiting = asyncio.create_task(key_set.candidates("EdDSA", "ed"))
            await asked(served, 1)
            await loop().advance(9 * PATIENCE)
            gate.opened.set()
            assert len(await waiting) == 1


@run_in_loop
async def test_key_set_is_fetched_again_when_a_fifth_of_its_lifetime_is_left() -> None:
    began: list[float] = []
    with Issuer(SERVED) as served:
        async with quick(
            served.url, clock=loop().time, lifetime=(300, 300, 300), headers=noting(began)
        ) as key_set:
            await key_set.candidates("EdDSA", "ed")
            await loop().advance(200)
            await loop().advance(40)
            await asked(served, 2)
    assert 240 <= began[1] - began[0] < 300


@run_in_loop
async def test_failed_fetch_is_followed_by_another_only_after_min_interval() -> None:
    """The key set must be fetched again at 240 s. A fetch for an unknown key fails at 241 s."""
    began: list[float] = []
    with Issuer(SERVED) as served:
        async with KeySet(
            served.url,
            clock=loop().time,
            fetch_timeout=10 * PATIENCE,
            min_interval=10,
            lifetime=(300, 300, 300),
            headers=noting(began),
        ) as key_set:
            await key_set.candidates("EdDSA", "ed")
            await loop().advance(235)
            gate = served.behaviour = Gate(issuer.resetting)
            waiting = asyncio.create_task(key_set.candidates("EdDSA", "new"))
            await asked(served, 2)
            await loop().advance(6)
            gate.opened.set()
            with pytest.raises(KeysUnavailable):
                await waiting
            await loop().advance(0)  # a fetch that begins too early would begin here
            await loop().advance(10)
            await asked(served, 3)
    assert began[2] - began[1] >= 10


@run_in_loop
async def test_headers_of_a_key_set_are_sent_with_each_of_its_requests() -> None:
    numbers = iter(range(10))

    def redirect_once(request: Asked) -> None:
        if request.path == "/jwks":
            request.answer(b"", "302 Found", Location="/elsewhere")
        else:
            SERVED(request)

    with Issuer(redirect_once) as served:
        async with quick(served.url, headers=lambda: {"X-Fetch": str(next(numbers))}) as key_set:
            await key_set.candidates("EdDSA", "ed")
            await key_set.candidates("EdDSA", "new")
        sent = [line for one in served.asked for line in one.head.split("\r\n") if "fetch" in line]
    assert sent == ["x-fetch: 0", "x-fetch: 0", "x-fetch: 1", "x-fetch: 1"]


@run_in_loop
async def test_only_the_proxy_of_a_key_set_is_used() -> None:
    with Issuer(SERVED) as proxy, Issuer(SERVED) as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", proxy.origin)
        async with quick(served.url) as key_set:
            assert await key_set.candidates("EdDSA", "ed")
        assert (len(served.asked), len(proxy.asked)) == (1, 0)
        async with quick("http://issuer.invalid/jwks", proxy=proxy.origin) as key_set:
            assert await key_set.candidates("EdDSA", "ed")
        assert [request.path for request in proxy.asked] == ["http://issuer.invalid/jwks"]


@run_in_loop
async def test_certificate_authorities_of_the_environment_are_trusted(tmp_path: Path) -> None:
    in_file, in_folder = Authority(tmp_path, "file"), Authority(tmp_path, "folder")

    async def trusted() -> list[Authority]:
        """Return the authorities that a new key set trusts."""
        found = []
        for authority in (in_file, in_folder):
            with Issuer(SERVED, tls=authority.server) as served:
                async with quick(served.url) as key_set:
                    try:
                        await key_set.candidates("EdDSA", "ed")
                    except KeysUnavailable:
                        continue
                    found.append(authority)
        return found

    with pytest.MonkeyPatch.context() as patch:
        assert await trusted() == []
        patch.setenv("SSL_CERT_FILE", str(in_file.file))
        assert await trusted() == [in_file]
        patch.setenv("SSL_CERT_DIR", str(in_folder.folder()))
        assert await trusted() == [in_file, in_folder]
        patch.delenv("SSL_CERT_FILE")
        assert await trusted() == [in_folder]


@run_in_loop
async def test_missing_file_of_certificate_authorities_is_an_error(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
        with pytest.raises(FileNotFoundError):
            KeySet("https://issuer.invalid/jwks")
