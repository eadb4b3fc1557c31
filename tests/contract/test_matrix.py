"""Every mode, algorithm, issuer and life together: a real Better Auth issues, a real API decides.

`make prove` tries them all, and `make test` one: `test_issuance.py` has each of the values once.
"""

import itertools
import os
import secrets
import time
from pathlib import Path

import jwt
import pytest

from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Person

ALGORITHMS = ("HS256", "EdDSA", "ES256", "RS256", "PS256")
NAMED = {"JWT_ISSUER": "https://id.example", "JWT_AUDIENCE": "tasks"}
MATRIX = list(itertools.product(ALGORITHMS, ({}, NAMED), (3, 2_678_400)))
TRIED = MATRIX if os.environ.get("MATRIX") == "all" else MATRIX[6:7]


def api(site: stack.Site, folder: Path, **variables: str) -> stack.Server:
    """Another one beside it, that believes something else."""
    return stack.api(folder, site.env | variables)


def rotate(site: stack.Site, algorithm: str, folder: Path) -> None:
    """Another key signs from now on, as if it had come up by itself."""
    if algorithm == "HS256":
        site.env["BETTER_AUTH_SECRET_PREVIOUS"] = site.env["BETTER_AUTH_SECRET"]
        site.env["BETTER_AUTH_SECRET"] = secrets.token_urlsafe(32)
        port = int(site.api.url.rpartition(":")[2])
        for server in (site.api, site.web):
            server.stop()
        site.api = stack.api(folder, site.env, port=port)
        site.web = stack.web(site.env)
        return
    end = "UPDATE jwks SET \"expiresAt\" = now() - interval '1 second'"
    run(site.database, lambda connection: connection.execute(end))


@pytest.mark.parametrize(("algorithm", "named", "life"), TRIED)
def test_it_is_issued_verified_and_refused(
    algorithm: str, named: dict[str, str], life: int, tmp_path: Path, browsers: Browsers
) -> None:
    signing = {"TOKEN_SIGNING": "shared-secret"}
    if algorithm != "HS256":
        signing = {"TOKEN_SIGNING": "key-set", "TOKEN_ALGORITHM": algorithm}
    settings = {**signing, **named, "ACCESS_TOKEN_MAX_AGE": str(life)}
    with stack.site(tmp_path, **settings) as site:
        ada, bob = browsers.sign_up(site), browsers.sign_up(site)
        token = issued(ada, algorithm, life)
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

        for variable in ("JWT_ISSUER", "JWT_AUDIENCE"):
            elsewhere = api(site, tmp_path, **{variable: "https://elsewhere.example"})
            home, site.api = site.api, elsewhere
            assert status(ada, ada.token()) == 401, variable
            site.api = home
            elsewhere.stop()

        rotate(site, algorithm, tmp_path)
        renewed = issued(ada, algorithm, life)
        if algorithm != "HS256":
            assert kid(renewed) != kid(token)
        assert status(ada, renewed) == 200, "its key is found at once"
        if life > 60:
            assert status(ada, token) == 200, "a key that signs no more is believed on"
        else:
            deadline = time.monotonic() + 20
            while status(ada, renewed) == 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            claims = jwt.decode(renewed, options={"verify_signature": False})
            assert time.time() >= claims["exp"]
            assert status(ada, token) == status(ada, renewed) == 401
            assert status(ada, ada.token()) == 200


def issued(person: Person, algorithm: str, life: int) -> str:
    """A fresh token, which says what it should."""
    token = person.token()
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == life
    assert claims["user_id"] == person.id
    return token


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def status(person: Person, token: str) -> int:
    return person.ask(token).status_code
