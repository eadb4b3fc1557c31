"""Check the secret, the database, the clocks, the issuer and its keys, and suggest fixes."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from itertools import chain

import asyncpg
import httpx

from api import migrations
from api.config import Config, TokenConfig
from api.doctor import events, row_security
from api.doctor.clocks import Clocks
from api.doctor.finding import Finding, first_line
from api.doctor.responses import NoResponse, response_to
from api.doctor.settings import Settings
from api.errors import Unavailable
from api.identity.key_set import FETCH_TIMEOUT, KeySet
from api.identity.keys import ACCESS_TOKEN, KeysUnavailable, derive
from api.outgoing_proxies import own_hosts, proxy_for, shown
from api.postgres.connections import Connection, Server, connect
from api.postgres.tables import SCHEMA

TIMEOUT = 5.0
"""Seconds for the issuer or the API to answer."""
OLDEST = 15
"""The oldest supported major version of PostgreSQL."""

_MIGRATE = "run: python -m api migrate"


async def examine(
    config: Settings, *, patience: float = TIMEOUT, fetch_timeout: float = FETCH_TIMEOUT
) -> AsyncIterator[Finding]:
    """Yield the findings about all parts. A part comes after the parts that it depends on.

    The issuer and the API have `patience` seconds to answer, and the key set `fetch_timeout`
    seconds to arrive.
    """
    clocks = Clocks()
    yield _secret(config)
    for about, check in (
        ("database", _database(config, clocks)),
        ("issuer", _issuer(config, clocks, patience)),
        ("key set", _key_set(config, fetch_timeout)),
        ("events", events.check(config, clocks, patience)),
    ):
        async for finding in _guarded(about, check):
            yield finding
    for finding in clocks.findings():
        yield finding


async def _guarded(about: str, check: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """Yield these findings. Report an exception as a finding, so that the other checks run too."""
    try:
        async for finding in check:
            yield finding
    except Exception as error:  # noqa: BLE001 - a check may raise any exception
        detail = f"cannot be examined ({type(error).__name__}: {first_line(error)})"
        yield Finding(about, detail, "correct this error; the other checks ran too")


def _secret(config: TokenConfig) -> Finding:
    fingerprint = sha256(derive(config.secrets[0].encode(), ACCESS_TOKEN)).hexdigest()[:8]
    detail = f"the key derived from BETTER_AUTH_SECRET has the fingerprint {fingerprint}"
    if not config.accepts_shared_secrets:
        detail += ", and no access tokens are accepted under it, since JWKS_URL is set"
    return Finding("secret", f"{detail}; the web app's must have the same")


async def _database(config: Config, clocks: Clocks) -> AsyncIterator[Finding]:
    try:
        connection = await connect(config.database_url.get_secret_value())
    except Unavailable as outage:
        yield Finding(
            "database",
            f"cannot be reached ({_reason(outage)})",
            "start it, or correct DATABASE_URL: its host, port, user, password and database",
        )
        return
    try:
        for about, check in (
            ("database", _server(connection, clocks)),
            ("pooler", _poolers(connection, config)),
            ("migrations", _migrations(connection)),
            ("wall 3", _row_security(connection)),
            ("role", row_security.check_role(connection)),
        ):
            async for finding in _guarded(about, check):
                yield finding
    finally:
        connection.terminate()


async def _server(connection: Connection, clocks: Clocks) -> AsyncIterator[Finding]:
    version = connection.get_server_version().major
    began = time.perf_counter()
    moment = await connection.fetchval("SELECT clock_timestamp()")
    took = time.perf_counter() - began
    clocks.record("the database", moment.timestamp(), took)
    if version < OLDEST:
        fix = f"upgrade to PostgreSQL {OLDEST} or newer"
        yield Finding("database", f"is PostgreSQL {version}", fix)
    else:
        yield Finding("database", f"PostgreSQL {version}, {took * 1000:.1f} ms away")


async def _poolers(connection: Connection, config: Config) -> AsyncIterator[Finding]:
    server = await Server.behind(connection)
    if not server.keeps_statements:
        yield Finding(
            "pooler",
            "does not support prepared statements: each statement takes four round trips",
            "set max_prepared_statements = 200 (PgBouncer 1.21 or newer), or let DATABASE_URL "
            "bypass the pooler",
        )
    elif not server.limits_statements:
        role = await connection.fetchval("SELECT current_user")
        yield Finding(
            "pooler",
            "does not support statement_timeout: only the API cancels slow statements",
            f"run on the database: ALTER ROLE \"{role}\" SET statement_timeout = '4s'",
        )
    if await _is_pooled(config.direct_url):
        yield Finding(
            "notifications",
            "a transaction pooler does not forward them: only polling finds out about sign-outs",
            "set DATABASE_URL_UNPOOLED to the URL of the same database without its pooler",
        )


async def _is_pooled(url: str) -> bool:
    try:
        connection = await connect(url)
    except Unavailable:
        return False  # another check reports this
    try:
        serving: int = await connection.fetchval("SELECT pg_backend_pid()")
        return serving != connection.get_server_pid()
    finally:
        connection.terminate()


async def _migrations(connection: Connection) -> AsyncIterator[Finding]:
    head, current = migrations.head(), None
    with suppress(asyncpg.UndefinedTableError):
        current = await connection.fetchval(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608 - of constants alone
    if current == head:
        yield Finding("migrations", f"at {head}, the latest")
    elif current and migrations.is_newer(current):
        detail = f"at {current}, which is newer than {head}, the latest of this version"
        yield Finding("migrations", detail, "finish the deployment of the newer version")
    elif current and not migrations.has(current):
        detail = f"at {current}, from which this version cannot migrate to {head}"
        yield Finding("migrations", detail, "with an earlier version run: python -m api migrate")
    else:
        detail = f"at {current or 'no revision'}, but {head} is the latest"
        yield Finding("migrations", detail, _MIGRATE)


async def _row_security(connection: Connection) -> AsyncIterator[Finding]:
    yield await row_security.check(connection)


async def _issuer(config: TokenConfig, clocks: Clocks, patience: float) -> AsyncIterator[Finding]:
    for name, expected in (("JWT_ISSUER", config.issuer), ("JWT_AUDIENCE", config.audience)):
        if expected is None:
            yield Finding("issuer", f"{name} is off: the claim's value is not checked")
    url = f"{config.next_public_better_auth_url}/api/health"
    began = time.time()
    try:
        async with response_to("GET", url, patience) as response:
            pass  # the status and the headers are enough
    except NoResponse as error:
        detail = str(error)
        if proxy := proxy_for(url):
            detail += f"; the proxy {shown(proxy)} is never used for the web app's own host"
        if config.accepts_shared_secrets:
            yield Finding("issuer", f"{detail}; with a shared secret, the API does not need it")
        else:
            fix = "start the web app, or correct NEXT_PUBLIC_BETTER_AUTH_URL"
            yield Finding("issuer", detail, fix)
        return
    if response.status_code == httpx.codes.OK:
        yield Finding("issuer", f"{url} responds")
    else:
        fix = "read the web app's log, or correct NEXT_PUBLIC_BETTER_AUTH_URL"
        yield Finding("issuer", f"{url} responds with {response.status_code}", fix)
    clocks.record_header("the issuer", response.headers.get("date", ""), time.time() - began)


async def _key_set(config: Config, fetch_timeout: float) -> AsyncIterator[Finding]:
    about, url = "key set", config.jwks_url
    if url is None:
        return
    proxy = proxy_for(url, own_hosts(config))
    where = f"{url} through the proxy {shown(proxy)}" if proxy else url
    async with KeySet(url, proxy=proxy, fetch_timeout=fetch_timeout) as key_set:
        try:
            kinds = [
                await key_set.candidates(algorithm, None)
                for algorithm in ("EdDSA", "ES256", "RS256", "PS256")
            ]
        except KeysUnavailable:
            fix = "start its issuer, or correct JWKS_URL"
            if proxy:
                fix += ", or name its host in NO_PROXY"
            yield Finding(about, f"cannot be fetched from {where}", fix)
            return
    keys = [f"{key.algorithm} {key.id}" for key in chain(*kinds)]
    if keys:
        yield Finding(about, f"{', '.join(keys)} from {where}")
    else:
        yield Finding(about, f"has no usable key at {where}", "correct JWKS_URL")


def _reason(outage: Unavailable) -> str:
    return first_line(outage.__cause__ or outage)
