"""Tokens signed by key pairs, and the key set that verifiers fetch."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import jwt
import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import run
from tests.contract.people import Browsers, Issuer, issuer
from tests.waiting import PATIENCE

LOCK = 7238619340925514
"""The advisory lock for creating a key."""


@pytest.fixture(scope="module")
def eddsa(postgres: Postgres) -> Iterator[Issuer]:
    with issuer(postgres, TOKEN_SIGNING="key-set") as running:
        yield running


def key_set(site: Issuer) -> dict[str, dict[str, Any]]:
    """Return the served keys by their IDs."""
    answer = plain.get(f"{site.url}/api/auth/jwks").raise_for_status()
    return {key["kid"]: key for key in answer.json()["keys"]}


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def verified(token: str, keys: dict[str, dict[str, Any]], site: Issuer) -> dict[str, Any]:
    """Return the claims of a token that one of these keys signed."""
    key = jwt.PyJWK(keys[kid_of(token)])
    claims: dict[str, Any] = jwt.decode(
        token, key, [str(key.algorithm_name)], audience=site.url, issuer=site.url
    )
    return claims


def test_private_keys_are_encrypted_in_the_database(eddsa: Issuer, browsers: Browsers) -> None:
    browsers.join(eddsa.url).token()
    stored = run(eddsa.database, lambda c: c.fetch('SELECT "privateKey" FROM jwks'))
    assert stored
    for (private,) in stored:
        with pytest.raises(json.JSONDecodeError):
            json.loads(json.loads(private))


def test_parallel_first_tokens_make_one_key(eddsa: Issuer, browsers: Browsers) -> None:
    ada = browsers.join(eddsa.url)
    run(eddsa.database, lambda c: c.execute("DELETE FROM jwks"))
    with ThreadPoolExecutor(20) as pool:
        tokens = list(pool.map(lambda _: ada.token(), range(20)))
    keys = key_set(eddsa)
    assert len(keys) == 1
    for token in tokens:
        verified(token, keys, eddsa)


def test_two_processes_rotate_to_the_same_key(eddsa: Issuer, browsers: Browsers) -> None:
    ada = browsers.join(eddsa.url)
    elsewhere = f"http://localhost:{stack.free_port()}"
    second = stack.web(eddsa.env | {"NEXT_PUBLIC_BETTER_AUTH_URL": elsewhere})
    try:
        before = key_set(eddsa).keys()

        def kid(number: int) -> str:
            url = (eddsa.url, elsewhere)[number % 2]
            return kid_of(ada.client.get(f"{url}/api/auth/token").json()["token"])

        async def both_at_once(connection: asyncpg.Connection) -> set[str]:
            await connection.execute("DELETE FROM jwks")
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            asked = [asyncio.create_task(asyncio.to_thread(kid, number)) for number in range(20)]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            async with asyncio.timeout(PATIENCE):
                while await connection.fetchval(waiting) < 2:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
            return set(await asyncio.gather(*asked))

        kids = run(eddsa.database, both_at_once)
        assert len(kids) == 1
        assert kids == key_set(eddsa).keys()
        assert not kids & before
    finally:
        second.stop()


def _expire(site: Issuer, token: str, seconds: float) -> None:
    """Set the expiry of a token's key to this number of seconds from now."""
    sql = 'UPDATE jwks SET "expiresAt" = now() + make_interval(secs => $2) WHERE id = $1'
    run(site.database, lambda c: c.execute(sql, kid_of(token), seconds))


def test_key_is_served_before_its_first_signature_and_after_its_last(
    eddsa: Issuer, browsers: Browsers
) -> None:
    ada = browsers.join(eddsa.url)
    run(eddsa.database, lambda c: c.execute("DELETE FROM jwks"))
    old = ada.token()
    _expire(eddsa, old, 601)
    assert key_set(eddsa).keys() == {kid_of(old)}

    _expire(eddsa, old, 599)
    keys = key_set(eddsa)
    [new] = keys.keys() - {kid_of(old)}
    assert kid_of(ada.token()) == kid_of(old), "the new one may not have been fetched yet"

    move_new = "UPDATE jwks SET \"createdAt\" = now() - interval '601 seconds' WHERE id = $1"
    run(eddsa.database, lambda c: c.execute(move_new, new))
    assert kid_of(ada.token()) == new
    verified(old, key_set(eddsa), eddsa)

    life = 24 * 60 * 60
    _expire(eddsa, old, -life - 60)
    assert key_set(eddsa).keys() == {kid_of(old), new}, "a token of its last second lives"
    _expire(eddsa, old, -life - 125)
    assert key_set(eddsa).keys() == {new}


@pytest.mark.prove
def test_keys_rotate_at_the_configured_interval(browsers: Browsers, postgres: Postgres) -> None:
    settings = {"TOKEN_SIGNING": "key-set", "ACCESS_TOKEN_MAX_AGE": "20", "JWKS_ROTATION": "7"}
    with issuer(postgres, **settings) as site:
        ada = browsers.join(site.url)
        kids: dict[str, None] = {}
        deadline = time.monotonic() + PATIENCE
        while len(kids) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.5)  # Better Auth allows ten requests a second to each path
            served = key_set(site)
            token = ada.token()
            kids[kid_of(token)] = None
            if len(kids) > 1:
                assert kid_of(token) in served, "known before it signs"
            verified(token, key_set(site), site)


def test_no_key_set_is_served_in_shared_secret_mode(site: stack.Site, browsers: Browsers) -> None:
    assert plain.get(f"{site.url}/api/auth/jwks").status_code == 404
    browsers.join(site.url).token()
    assert run(site.database, lambda c: c.fetch("SELECT id FROM jwks")) == []


@pytest.mark.prove
def test_older_keys_are_served_after_a_change_of_the_algorithm_or_of_the_mode(
    browsers: Browsers, postgres: Postgres
) -> None:
    with issuer(postgres, TOKEN_SIGNING="key-set") as site:
        ada = browsers.join(site.url)
        old = ada.token()
        site.restart({"TOKEN_ALGORITHM": "ES256"})
        keys = key_set(site)
        assert len(keys) == 2
        verified(old, keys, site)
        new = ada.token()
        verified(new, keys, site)
        assert [keys[kid_of(one)]["alg"] for one in (old, new)] == ["EdDSA", "ES256"]

        site.restart({"TOKEN_SIGNING": ""})
        for token in (old, new):
            verified(token, key_set(site), site)
        assert jwt.get_unverified_header(ada.token())["alg"] == "HS256"
        for token in (old, new):
            _expire(site, token, -24 * 60 * 60 - 125)
        assert key_set(site) == {}, "no token under it can be alive"
