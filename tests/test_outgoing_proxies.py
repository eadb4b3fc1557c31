"""Which proxy is used for a URL: none for the product's own hosts, nor for those in NO_PROXY."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest

from api.app import create_app
from api.config import Config
from api.environment import ConfigError
from api.identity.key_set import KeySet
from api.outgoing_proxies import own_hosts, proxy_for, shown
from tests import issuer, stack
from tests.conftest import Caller, mint, trusting
from tests.issuer import Issuer

PROXY = "http://proxy.example:3128"
FAR = "http://issuer.example/jwks"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        (FAR, {}, None),
        (FAR, {"HTTP_PROXY": PROXY}, PROXY),
        (FAR, {"http_proxy": PROXY}, PROXY),
        (FAR, {"HTTP_PROXY": "proxy.example:3128"}, PROXY),
        (FAR, {"HTTPS_PROXY": PROXY}, None),
        (FAR, {"ALL_PROXY": PROXY}, PROXY),
        ("https://issuer.example/", {"HTTPS_PROXY": PROXY}, PROXY),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "issuer.example"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "a.example, .example"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "no_proxy": "example"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "uer.example,other"}, PROXY),
        ("http://10.1.2.3/", {"HTTP_PROXY": PROXY, "NO_PROXY": "x, 10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"HTTP_PROXY": PROXY, "NO_PROXY": "x, 10.0.0.0/8"}, PROXY),
        ("http://[fd00::1]/", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,fd00::/8"}, None),
        ("http://localhost:3000/", {"ALL_PROXY": PROXY}, None),
        ("http://app.localhost/", {"ALL_PROXY": PROXY}, None),
        ("http://127.0.0.1:3000/", {"ALL_PROXY": PROXY}, None),
        ("http://127.9.9.9/", {"ALL_PROXY": PROXY}, None),
        ("http://[::1]:3000/", {"ALL_PROXY": PROXY}, None),
        ("https://own.example/", {"ALL_PROXY": PROXY}, None),
        ("https://not.own.example/", {"ALL_PROXY": PROXY}, PROXY),
    ],
)
def test_proxy_is_used_for_other_hosts_only(
    env: pytest.MonkeyPatch, url: str, variables: dict[str, str], expected: str | None
) -> None:
    for name, value in variables.items():
        env.setenv(name, value)
    assert proxy_for(url, {"own.example"}) == expected


def test_own_hosts_are_those_of_the_web_app_and_the_api(env: pytest.MonkeyPatch) -> None:
    for name, value in trusting("postgresql://u@h/d", API_URL="https://api.example:8443").items():
        env.setenv(name, value)
    env.setenv("NEXT_PUBLIC_BETTER_AUTH_URL", "https://tasks.example")
    assert own_hosts(Config.read(Path("/dev/null"))) == {"tasks.example", "api.example"}


def test_proxy_is_shown_without_its_password() -> None:
    assert shown("http://ada:hunter2@proxy.example:3128") == PROXY


def test_unsupported_proxy_is_an_error_of_one_line(env: pytest.MonkeyPatch) -> None:
    for name, value in trusting("postgresql://u@h/d", JWKS_URL=FAR).items():
        env.setenv(name, value)
    env.setenv("ALL_PROXY", "socks5://ada:hunter2@proxy.example:1080")
    with pytest.raises(ConfigError, match=r"\AALL_PROXY: expected .*, for example .*\Z") as told:
        create_app(Config.read(Path("/dev/null")))
    assert "hunter2" not in str(told.value)
    env.setenv("NO_PROXY", "issuer.example")
    create_app(Config.read(Path("/dev/null")))


def test_key_set_is_fetched_through_its_proxy() -> None:
    async def asked(proxy: str) -> Any:
        async with KeySet(FAR, proxy=proxy) as key_set:
            return await key_set.candidates("EdDSA", None)

    with Issuer(issuer.serving(issuer.eddsa().jwk)) as proxy:
        [key] = asyncio.run(asked(proxy.origin))
        assert key.id == "ed"
        assert proxy.asked[0].path == FAR


def test_key_set_on_this_machine_is_fetched_without_a_proxy(
    settings: dict[str, str], tmp_path: Path
) -> None:
    signer = issuer.eddsa()
    with (
        Issuer(issuer.serving(signer.jwk)) as served,
        Issuer(issuer.responding(b"", "502 Bad Gateway")) as proxy,
    ):
        through = {name.upper(): proxy.origin for name in NAMES if name != "no_proxy"}
        api = stack.api(tmp_path, settings | through | {"JWKS_URL": served.url})
        try:
            claims = jwt.decode(mint("ada"), options={"verify_signature": False})
            token = signer.token(signer.header, claims)
            assert Caller(api.url, "ada", token)("{ viewer { id } }")
        finally:
            api.stop()
        assert proxy.asked == []
