"""Every mode, algorithm, issuer and lifetime: a real Better Auth issues, and a real API verifies.

`make prove` tests all combinations, and `make test` a site with key pairs and default settings.
`test_issuance.py` tests the claims of both modes, and `test_rotation.py` rotates a secret.
"""

import itertools
import secrets
import time
from pathlib import Path

import jwt
import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import run
from tests.contract.people import VIEWER, Browsers, Person
from tests.waiting import wait_until

ALGORITHMS = ("HS256", "EdDSA", "ES256", "RS256", "PS256")
NAMED = {"JWT_ISSUER": "https://id.example", "JWT_AUDIENCE": "tasks"}
MATRIX = list(itertools.product(ALGORITHMS, ({}, NAMED), (5, 2_678_400)))
DAY = 24 * 60 * 60
TRIED = [
    pytest.param(case, id=f"{case[0]}-{'named' if case[1] else 'unnamed'}-{case[2]}")
    for case in MATRIX
]


def api(site: stack.Site, folder: Path, **variables: str) -> stack.Server:
    """Run another API with other settings."""
    return stack.api(folder, site.env | variables, "--no-migrate")


def rotate(site: stack.Site, algorithm: str, folder: Path) -> None:
    """Replace the key that signs tokens, as if the key had expired."""
    if algorithm == "HS256":
        site.env["BETTER_AUTH_SECRET_PREVIOUS"] = site.env["BETTER_AUTH_SECRET"]
        site.env["BETTER_AUTH_SECRET"] = secrets.token_urlsafe(32)
        port = int(site.api.url.rpartition(":")[2])
        for server in (site.api, site.web):
            server.stop()
        site.api = stack.api(folder, site.env, "--no-migrate", port=port)
        site.web = stack.web(site.env)
        return
    end = "UPDATE jwks SET \"expiresAt\" = now() - interval '1 second'"
    run(site.database, lambda connection: connection.execute(end))


def test_token_of_the_usual_key_set_is_verified_rotated_and_revoked(
    key_set_site: stack.Site, tmp_path: Path, browsers: Browsers
) -> None:
    check_tokens("EdDSA", DAY, key_set_site, tmp_path, browsers)


@pytest.mark.prove
@pytest.mark.parametrize("case", TRIED)
def test_token_is_issued_verified_rotated_and_revoked(
    case: tuple[str, dict[str, str], int], tmp_path: Path, browsers: Browsers, postgres: Postgres
) -> None:
    algorithm, named, life = case
    signing = {"TOKEN_SIGNING": "shared-secret"}
    if algorithm != "HS256":
        signing = {"TOKEN_SIGNING": "key-set", "TOKEN_ALGORITHM": algorithm}
    settings = {**signing, **named, "ACCESS_TOKEN_MAX_AGE": str(life)}
    with stack.site(tmp_path, postgres, **settings) as site:
        check_tokens(algorithm, life, site, tmp_path, browsers)


def check_tokens(
    algorithm: str, life: int, site: stack.Site, folder: Path, browsers: Browsers
) -> None:
    """Check tokens before and after a rotation of their key, and after a sign-out."""
    ada, bob = browsers.sign_up(site), browsers.sign_up(site)
    token, sid = issued(ada, life)
    assert status(ada, token) == 200

    header, payload, signature = token.split(".")
    other = bob.token().split(".")
    for bad in (
        f"{header}.{other[1]}.{signature}",
        f"{header}.{payload}.{other[2]}",
        f"{header}.{payload}.",
        f"{header}.{payload[:-2]}.{signature}",
        jwt.encode(jwt.decode(token, options={"verify_signature": False}), "x" * 32, "HS256"),
    ):
        assert status(ada, bad) == 401

    # `test_tokens.py` tries both variables.
    variable = "JWT_ISSUER" if "JWT_ISSUER" in site.env else "JWT_AUDIENCE"
    elsewhere = api(site, folder, **{variable: "https://elsewhere.example"})
    headers = {"Authorization": f"Bearer {ada.token()}"}
    answer = plain.post(f"{elsewhere.url}/graphql", json=VIEWER, headers=headers)
    assert answer.status_code == 401
    elsewhere.stop()

    rotate(site, algorithm, folder)
    renewed, same = issued(ada, life)
    assert same == sid, "nobody had to sign in"
    if algorithm != "HS256":
        assert kid(renewed) != kid(token)
    assert status(ada, renewed) == 200, "the API fetches the new key at once"
    if life > 60:
        assert status(ada, token) == 200, "the earlier key still verifies tokens"
    else:
        wait_until(lambda: status(ada, renewed) == 401, "it expires")
        claims = jwt.decode(renewed, options={"verify_signature": False})
        assert time.time() >= claims["exp"]
        assert status(ada, token) == status(ada, renewed) == 401
        renewed = ada.token()
    assert status(ada, renewed) == 200
    ada.client.post("/api/auth/sign-out", json={}).raise_for_status()
    assert [status(ada, one) for one in (token, renewed)] == [401, 401]


def issued(person: Person, life: int) -> tuple[str, str]:
    """Return a new token, after a check of its claims, and the ID of its session."""
    token, site = person.token(), person.site
    claims = person.verified(token)
    sid = person.client.get("/api/auth/get-session").json()["session"]["id"]
    assert claims == {
        "user_id": person.id,
        "sub": person.id,
        "email": person.email,
        "sid": sid,
        "iss": site.env.get("JWT_ISSUER", site.url),
        "aud": site.env.get("JWT_AUDIENCE", site.url),
        "iat": claims["iat"],
        "exp": claims["iat"] + life,
    }
    return token, sid


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def status(person: Person, token: str) -> int:
    return person.ask(token).status_code
