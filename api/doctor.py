"""Check the secret, the database, the clocks, the issuer and its keys, and suggest fixes."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from itertools import chain

import asyncpg
import httpx

from api import (
    migrations,
    schema,  # noqa: F401 - declares the tables of every noun
)
from api.config import Config, TokenConfig
from api.errors import Unavailable
from api.identity.keys import (
    ACCESS_TOKEN,
    FETCH_TIMEOUT,
    KeySet,
    KeysUnavailable,
    derive,
    system_trust,
)
from api.identity.tokens import LEEWAY
from api.owned.owner import Owned
from api.owned.resource import RESOURCES
from api.owned.writes import Writes
from api.postgres import citus
from api.postgres.codecs import set_text_codecs
from api.postgres.connections import Connection, Server, connect
from api.postgres.database import Transaction
from api.postgres.outages import OUTAGE_ERRORS
from api.postgres.tables import SCHEMA, metadata
from api.proxies import own_hosts, proxy_for, shown

TIMEOUT = 5.0
"""Seconds for the issuer to answer."""
OLDEST = 15
"""The oldest supported major version of PostgreSQL."""

_MIGRATE = "run: python -m api migrate"
_NODES = (
    "make sure that bearer_tasks_caller may log in from each node of Citus to every other node "
    "(ALTER ROLE bearer_tasks_caller LOGIN, pg_hba.conf, pg_dist_authinfo), then run: "
    "python -m api migrate"
)
_ROW_SECURITY = f"""
SELECT current_user AS role, session_user AS login, ARRAY(
  SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND c.relkind IN ('r', 'p')
    AND a.attname = 'owner_id' AND NOT a.attisdropped AND NOT row_security_active(c.oid)
) AS unprotected
WHERE $1::{SCHEMA}.caller IS NOT NULL
"""  # noqa: S608 - of constants
"""The role that runs the statements of a caller, and the tables without active row security."""
_RIGHTS = f"""
SELECT session_user,
  CASE
    WHEN rolsuper THEN 'is a superuser'
    WHEN rolbypassrls THEN 'may bypass row security'
    WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('{SCHEMA}')
                 AND pg_has_role(relowner, 'USAGE')) THEN 'owns tables'
  END,
  NOT EXISTS (
    SELECT FROM pg_class c WHERE c.oid = to_regclass('{SCHEMA}.owners')
    AND row_security_active(c.oid) AND NOT EXISTS (
      SELECT FROM pg_policy, unnest(polroles) AS of_policy
      WHERE polrelid = c.oid AND polname IN ('everyone', 'api') AND pg_has_role(of_policy, 'USAGE')
    )
  )
FROM pg_roles WHERE rolname = session_user
"""  # noqa: S608 - of constants
"""The role of DATABASE_URL, its excess rights, and whether it can find the rows of all owners."""
_READ = f"""
SELECT DISTINCT owner_id FROM {SCHEMA}.{{}}
WHERE owner_id = ANY ($2::text[]) AND $1::{SCHEMA}.caller <> ''
"""  # noqa: S608 - of constants
_WRITE = f"""
UPDATE {SCHEMA}.owners SET change_number = 0
WHERE owner_id = $2::text AND $1::{SCHEMA}.caller <> '' RETURNING owner_id
"""  # noqa: S608 - of constants
_GIVE = f"""
INSERT INTO {SCHEMA}.owners (owner_id, change_number)
VALUES ($2::text, length($1::{SCHEMA}.caller) * 0)
"""  # noqa: S608 - of constants
"""Statements that access the rows of another owner. Only row security (wall 3) can stop them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one thing. `fix` says how to correct it; None if it is right."""

    about: str
    detail: str
    fix: str | None = None

    def __str__(self) -> str:
        if self.fix is None:
            return f"ok     {self.about}: {self.detail}"
        return f"WRONG  {self.about}: {self.detail}\n       {self.fix}"


async def examine(
    config: Config, *, patience: float = TIMEOUT, fetch_timeout: float = FETCH_TIMEOUT
) -> AsyncIterator[Finding]:
    """Yield the findings about all parts. A part comes after the parts that it depends on.

    The issuer has `patience` seconds to answer, and its key set `fetch_timeout` seconds to arrive.
    """
    yield _secret(config)
    for about, check in (
        ("database", _database(config)),
        ("issuer", _issuer(config, patience)),
        ("key set", _key_set(config, fetch_timeout)),
    ):
        async for finding in _guarded(about, check):
            yield finding


async def _guarded(about: str, check: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """Yield these findings. Report an exception as a finding, so that the other checks run too."""
    try:
        async for finding in check:
            yield finding
    except Exception as error:  # noqa: BLE001 - a check may raise any exception
        detail = f"cannot be examined ({type(error).__name__}: {_first_line(error)})"
        yield Finding(about, detail, "correct that error; the other checks are listed here")


def _secret(config: TokenConfig) -> Finding:
    fingerprint = sha256(derive(config.secrets[0].encode(), ACCESS_TOKEN)).hexdigest()[:8]
    detail = f"the key derived from BETTER_AUTH_SECRET has the fingerprint {fingerprint}"
    if not config.accepts_shared_secrets:
        detail += ", and no access tokens are accepted under it, since JWKS_URL is set"
    return Finding("secret", f"{detail}; the web app's must have the same")


async def _database(config: Config) -> AsyncIterator[Finding]:
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
            ("database", _server(connection)),
            ("pooler", _poolers(connection, config)),
            ("migrations", _migrations(connection)),
            ("wall 3", _walls(connection)),
            ("role", _role(connection)),
            ("clock", _server_clock(connection)),
        ):
            async for finding in _guarded(about, check):
                yield finding
    finally:
        connection.terminate()


async def _server(connection: Connection) -> AsyncIterator[Finding]:
    version = connection.get_server_version().major
    took, _ = await _round_trip(connection)
    if version < OLDEST:
        fix = f"upgrade to PostgreSQL {OLDEST} or newer"
        yield Finding("database", f"is PostgreSQL {version}", fix)
    else:
        yield Finding("database", f"PostgreSQL {version}, {took * 1000:.1f} ms away")


async def _round_trip(connection: Connection) -> tuple[float, float]:
    """Return the seconds that a query took, and the time of the database's clock."""
    began = time.perf_counter()
    moment = await connection.fetchval("SELECT clock_timestamp()")
    return time.perf_counter() - began, moment.timestamp()


async def _server_clock(connection: Connection) -> AsyncIterator[Finding]:
    took, moment = await _round_trip(connection)
    yield _clock("database", moment - time.time(), took)


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
    elif current and not migrations.has(current):
        detail = f"at {current}, which is newer than {head}, the latest of this version"
        yield Finding("migrations", detail, "finish the deployment of the newer version")
    else:
        detail = f"at {current or 'no revision'}, but {head} is the latest"
        yield Finding("migrations", detail, _MIGRATE)


async def _role(connection: Connection) -> AsyncIterator[Finding]:
    """Describe the rights of the role of DATABASE_URL. Excess rights are not an error."""
    [(login, excess, finds_rows)] = await connection.fetch(_RIGHTS)
    if excess:
        advice = "deploy/roles.sql creates a role with only the rights that the API needs"
        yield Finding("role", f"{login} {excess}; {advice}")
    else:
        yield Finding("role", f"{login} owns no tables and cannot bypass row security")
    if not finds_rows:
        detail = f"{login} finds neither old rows to delete nor the writes of other processes"
        fix = f'run as an administrator: GRANT bearer_tasks_api TO "{login}"; then {_MIGRATE}'
        yield Finding("retention", detail, fix)


async def _walls(connection: Connection) -> AsyncIterator[Finding]:
    yield await row_security(connection)


async def row_security(connection: Connection) -> Finding:
    """Check that row-level security restricts each statement to its owner (docs/walls.md)."""
    about = "wall 3"
    grant = (
        "as an administrator of the database server run: CREATE ROLE bearer_tasks_caller NOLOGIN "
        '(unless it exists) and GRANT bearer_tasks_caller TO "{}"; then run: '
        "python -m api migrate"
    )
    try:
        [(role, login, unprotected)] = await connection.fetch(_ROW_SECURITY, "nobody")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidSchemaNameError):
        return Finding(about, "is off, because the migrations have not created it yet", _MIGRATE)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
        login = await connection.fetchval("SELECT session_user")
        detail = f"makes every statement fail, because its role cannot be used ({error})"
        return Finding(about, detail, grant.format(login))
    except asyncpg.PostgresError as error:
        return Finding(about, f"cannot be examined ({_first_line(error)})", _MIGRATE)
    if role == login:
        detail = f"is off, because {login} may neither create its role nor use it"
        return Finding(about, detail, grant.format(login))
    if unprotected:
        detail = f"is off for {', '.join(unprotected)}, because row security is not active there"
        return Finding(about, detail, _MIGRATE)
    is_citus = await citus.serves(connection)
    try:
        leaks = await _leaks(connection, is_citus=is_citus)
    except (*OUTAGE_ERRORS, asyncpg.PostgresError) as error:
        detail = f"cannot be tested: {_first_line(error)}"
        return Finding(about, detail, _NODES if is_citus else "correct that, and run this again")
    if leaks:
        fix = _NODES if is_citus else "look for policies and triggers that this API did not create"
        return Finding(about, f"does not work: {leaks}", fix)
    tested = "in a test, two temporary owners could read and write only their own rows"
    where = ", and the nodes of Citus get the owner first" if is_citus else ""
    return Finding(about, f"is on: statements of an owner run as {role}{where}; {tested}")


async def _leaks(connection: Connection, *, is_citus: bool) -> str | None:
    """Return what an owner could read or write although wall 3 forbids it; None for nothing.

    The owners are invented for the test. Their rows are created by `Writes`, like all rows, and
    everything is rolled back. Raises the errors of asyncpg.
    """
    transaction = Transaction(connection, is_citus=is_citus)
    one, other, third = (f"doctor-{secrets.token_hex(8)}" for _ in range(3))

    async def caller(sql: str, *values: object) -> set[str]:
        if is_citus:
            await connection.execute(citus.announcement(one))
        rows = await connection.fetch(sql, one, *values)
        await connection.execute("RESET ROLE")
        return {row["owner_id"] for row in rows}

    await set_text_codecs(connection)  # `Writes` compares ids as text
    temporary = connection.transaction()
    await temporary.start()
    try:
        # The name marks the statements below in the log: they are the only ones that ask for rows
        # of another owner.
        await connection.execute("SET LOCAL application_name = 'bearer-tasks-doctor'")
        for owner in (one, other):
            for resource in RESOURCES:
                await Writes(Owned(transaction, owner), resource).create(resource.example)
        for table in (table.name for table in metadata.sorted_tables if "owner_id" in table.c):
            seen = await caller(_READ.format(table), [one, other])
            if seen != {one}:
                return f"an owner saw {'another' if other in seen else 'nothing'} in {table}"
        if await caller(_WRITE, other):
            return "an owner wrote into a row of another"
        with suppress(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await caller(_GIVE, third)
            return "an owner wrote a row for another"
        return None
    finally:
        await temporary.rollback()


async def _issuer(config: TokenConfig, patience: float) -> AsyncIterator[Finding]:
    for name, expected in (("JWT_ISSUER", config.issuer), ("JWT_AUDIENCE", config.audience)):
        if expected is None:
            yield Finding("issuer", f"{name} is off: the claim's value is not checked")
    url = f"{config.next_public_better_auth_url}/api/health"
    try:
        async with (
            asyncio.timeout(patience),
            httpx.AsyncClient(verify=system_trust(), trust_env=False) as client,
        ):
            began = time.time()
            async with client.stream("GET", url) as response:
                pass  # the status and the headers are enough
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        detail = f"{url} does not respond ({type(error).__name__})"
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
    took = time.time() - began
    with suppress(ValueError):  # an invalid date is ignored
        date = parsedate_to_datetime(response.headers.get("date", ""))
        # The header has whole seconds, rounded down.
        yield _clock("issuer", date.timestamp() + 0.5 - time.time(), took + 0.5)


def _clock(whose: str, ahead: float, uncertain: float) -> Finding:
    about, off = "clock", max(0.0, abs(ahead) - uncertain)
    if off <= LEEWAY / 2:
        return Finding(about, f"agrees with the {whose}'s within {max(off, uncertain):.1f} s")
    detail = f"the {whose}'s clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    return Finding(about, detail, f"synchronize both by NTP: tokens allow for {LEEWAY} s")


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
    return _first_line(outage.__cause__ or outage)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
