"""The token on its way in: 401 before anything is parsed, the same words whatever was wrong."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from tests import stack
from tests.conftest import KEY, SECRET, SITE, mint

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
    return httpx.post(f"{api.url}/graphql", headers=headers, content=content, **kwargs)


def none_of(user: str) -> str:
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
    "no algorithm": lambda: none_of("ada"),
    "malformed": lambda: "not.a.token",
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_token_is_401_and_says_so(api: stack.Server, fault: str) -> None:
    response = post(api, f"Bearer {BAD[fault]()}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == UNAUTHENTICATED


@pytest.mark.parametrize("scheme", [None, "Basic YWRhOnB3", "Token {}", "{}", "Bearer{}"])
def test_no_bearer_token_is_401_without_a_reason(api: stack.Server, scheme: str | None) -> None:
    response = post(api, *([scheme.format(mint("ada"))] if scheme else []))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json() == UNAUTHENTICATED


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer    {}"])
def test_the_ways_to_write_the_header(api: stack.Server, form: str) -> None:
    response = post(api, form.format(mint("ada")))
    assert response.json() == {"data": {"viewer": {"id": "ada"}}}


@pytest.mark.parametrize(
    "form",
    [
        "Bearer",
        "Bearer\t{}",
        "Bearer {} x",
        "Bearer {},",
        "Bearer {0}, Bearer {0}",
        "Bearer {};",
        'Bearer "{}"',
        "Bearer {}=",
    ],
)
def test_the_ways_not_to_write_the_header(api: stack.Server, form: str) -> None:
    response = post(api, form.format(mint("ada")))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_two_headers_are_one_too_many(api: stack.Server) -> None:
    good = f"Bearer {mint('ada')}"
    for pair in ((good, good), (good, "Basic x"), ("Basic x", good), ("", good)):
        assert post(api, *pair).status_code == 401


def test_a_token_in_the_address_or_a_cookie_is_no_token(api: stack.Server) -> None:
    token = mint("ada")
    for name in ("token", "access_token", "authorization"):
        assert post(api, params={name: token}).status_code == 401
        assert post(api, headers=[("Cookie", f"{name}={token}")]).status_code == 401


def test_nothing_is_read_before_the_token_is_good(api: stack.Server) -> None:
    """A body that would be 413, one that is no JSON, a method that is not allowed: all just 401."""
    assert post(api, content=b"x" * 2_000_000).status_code == 401
    assert post(api, content=b"{").status_code == 401
    assert httpx.put(f"{api.url}/graphql").status_code == 401
    assert httpx.get(f"{api.url}/graphql", params={"query": "{"}).status_code == 401


def test_nothing_is_executed_for_a_bad_token(api: stack.Server) -> None:
    user = secrets.token_hex(8)
    create = json.dumps({"query": 'mutation { createTask(input: {title: "x"}) { task { id } } }'})
    bad = mint(user, exp=int(time.time()) - 1)
    assert post(api, f"Bearer {bad}", content=create.encode()).status_code == 401
    count = b'{"query":"{ viewer { taskCount } }"}'
    answer = post(api, f"Bearer {mint(user)}", content=count)
    assert answer.json() == {"data": {"viewer": {"taskCount": 0}}}


def test_the_frontends_pages_can_read_a_refusal(api: stack.Server) -> None:
    response = post(api, headers=[("Origin", SITE)])
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == SITE
    assert "Origin" in response.headers["vary"]
    assert "www-authenticate" in response.headers["access-control-expose-headers"].lower()
    stranger = post(api, f"Bearer {mint('ada')}", headers=[("Origin", "https://evil.example")])
    assert "access-control-allow-origin" not in stranger.headers


def test_a_preflight_is_answered_without_a_token(api: stack.Server) -> None:
    asked = {
        "Origin": SITE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = httpx.options(f"{api.url}/graphql", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in response.headers
    stranger = httpx.options(
        f"{api.url}/graphql", headers=asked | {"Origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in stranger.headers


def test_neither_the_token_nor_the_secret_is_logged(
    settings: dict[str, str], tmp_path: Any
) -> None:
    server = stack.api(tmp_path, settings)
    tokens = [mint("ada"), mint("ada", exp=1), f"{mint('ada')}x"]
    for token in tokens:
        post(server, f"Bearer {token}")
    server.stop()
    printed = "\n".join(server.lines)
    assert "token refused: expired" in printed
    for secret in (SECRET, *(part for token in tokens for part in token.split(".")[1:])):
        assert secret not in printed
