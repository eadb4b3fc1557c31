"""What must be right for the API to serve, looked at one after the other, and how to mend it."""

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

from api import citus, migrations
from api.config import Config, TokenConfig
from api.database import Transaction
from api.errors import Unavailable
from api.keys import ACCESS_TOKEN, FETCH_TIMEOUT, KeySet, KeysUnavailable, derive, system_trust
from api.models import SCHEMA, metadata
from api.pool import AWAY, Connection, Server, connect, take_text
from api.proxies import own_hosts, proxy_for, shown
from api.tasks import Tasks
from api.tokens import LEEWAY

TIMEOUT = 5.0
"""Seconds for the issuer to answer."""
OLDEST = 15
"""PostgreSQL's major version."""

_MIGRATE = "run: python -m api migrate"
_NODES = (
    "see that bearer_tasks_caller may log in from each node of Citus to each other (ALTER ROLE "
    "bearer_tasks_caller LOGIN, pg_hba.conf, pg_dist_authinfo), then run: python -m api migrate"
)
_WALL = f"""
SELECT current_user AS role, session_user AS login, ARRAY(
  SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND c.relkind IN ('r', 'p')
    AND a.attname = 'owner_id' AND NOT a.attisdropped AND NOT row_security_active(c.oid)
) AS unheld
WHERE $1::{SCHEMA}.caller IS NOT NULL
"""  # noqa: S608 - of constants
"""What holds for a statement of some caller, asked as one."""
_READ = f"""
SELECT DISTINCT owner_id FROM {SCHEMA}.{{}}
WHERE owner_id = ANY ($2::text[]) AND $1::{SCHEMA}.caller <> ''
"""  # noqa: S608 - of constants
_WRITE = f"""
UPDATE {SCHEMA}.owners SET task_count = 0
WHERE owner_id = $2::text AND $1::{SCHEMA}.caller <> '' RETURNING owner_id
"""  # noqa: S608 - of constants
_GIVE = f"""
INSERT INTO {SCHEMA}.owners (owner_id, task_count)
VALUES ($2::text, length($1::{SCHEMA}.caller) * 0)
"""  # noqa: S608 - of constants
"""Statements that access the rows of another owner. Only row security (wall 3) can stop them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing, and unless it is right what to do about it."""

    about: str
    said: str
    mend: str | None = None

    def __str__(self) -> str:
        if self.mend is None:
            return f"ok     {self.about}: {self.said}"
        return f"WRONG  {self.about}: {self.said}\n       {self.mend}"


async def examine(
    config: Config, *, patience: float = TIMEOUT, fetch_timeout: float = FETCH_TIMEOUT
) -> AsyncIterator[Finding]:
    """Yield the findings about all parts. A part comes after the parts that it depends on.

    The issuer has `patience` seconds to answer, and its key set `fetch_timeout` seconds to arrive.
    """
    yield _secret(config)
    for about, look in (
        ("database", _database(config)),
        ("issuer", _issuer(config, patience)),
        ("key set", _key_set(config, fetch_timeout)),
    ):
        async for finding in _guarded(about, look):
            yield finding


async def _guarded(about: str, look: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """Yield these findings, and report an exception as a finding, so that the others go on."""
    try:
        async for finding in look:
            yield finding
    except Exception as error:  # noqa: BLE001 - any exception may come from what is examined
        said = f"cannot be examined ({type(error).__name__}: {_first_line(error)})"
        yield Finding(about, said, "mend what this names; what could be examined is listed here")


def _secret(config: TokenConfig) -> Finding:
    fingerprint = sha256(derive(config.secrets[0].encode(), ACCESS_TOKEN)).hexdigest()[:8]
    said = f"the key derived from BETTER_AUTH_SECRET has the fingerprint {fingerprint}"
    if not config.takes_shared_secrets:
        said += ", and signs no access tokens, since JWKS_URL is set"
    return Finding("secret", f"{said}; the web app's must have the same")


async def _database(config: Config) -> AsyncIterator[Finding]:
    try:
        connection = await connect(config.database_url.get_secret_value())
    except Unavailable as outage:
        yield Finding(
            "database",
            f"cannot be reached ({_reason(outage)})",
            "start it, or mend DATABASE_URL: its host, port, user, password and database",
        )
        return
    try:
        for about, look in (
            ("database", _server(connection)),
            ("pooler", _poolers(connection, config)),
            ("migrations", _migrations(connection)),
            ("wall 3", _walls(connection)),
            ("clock", _server_clock(connection)),
        ):
            async for finding in _guarded(about, look):
                yield finding
    finally:
        connection.terminate()


async def _server(connection: Connection) -> AsyncIterator[Finding]:
    version = connection.get_server_version().major
    took, _ = await _asked(connection)
    if version < OLDEST:
        mend = f"move to PostgreSQL {OLDEST} or newer"
        yield Finding("database", f"is PostgreSQL {version}", mend)
    else:
        yield Finding("database", f"PostgreSQL {version}, {took * 1000:.1f} ms away")


async def _asked(connection: Connection) -> tuple[float, float]:
    """Return how many seconds the database took to answer with its clock, and its clock."""
    began = time.perf_counter()
    moment = await connection.fetchval("SELECT clock_timestamp()")
    return time.perf_counter() - began, moment.timestamp()


async def _server_clock(connection: Connection) -> AsyncIterator[Finding]:
    took, moment = await _asked(connection)
    yield _clock("database", moment - time.time(), took)


async def _poolers(connection: Connection, config: Config) -> AsyncIterator[Finding]:
    server = await Server.behind(connection)
    if not server.keeps_statements:
        yield Finding(
            "pooler",
            "keeps no account of prepared statements: each statement takes four round trips",
            "set max_prepared_statements = 200 (PgBouncer 1.21 or newer), or point DATABASE_URL "
            "past it",
        )
    elif not server.limits_statements:
        role = await connection.fetchval("SELECT current_user")
        yield Finding(
            "pooler",
            "refuses a time limit for statements: only a request of the API ends a slow one",
            f"run on the database: ALTER ROLE \"{role}\" SET statement_timeout = '4s'",
        )
    if await _is_pooled(config.direct_url):
        yield Finding(
            "notifications",
            "a transaction pooler lets none through: sign-outs are heard of by asking alone",
            "set DATABASE_URL_UNPOOLED to the same database's URL past its pooler",
        )


async def _is_pooled(url: str) -> bool:
    try:
        connection = await connect(url)
    except Unavailable:
        return False  # said elsewhere, or about to be by `migrate`
    try:
        serving: int = await connection.fetchval("SELECT pg_backend_pid()")
        return serving != connection.get_server_pid()
    finally:
        connection.terminate()


async def _migrations(connection: Connection) -> AsyncIterator[Finding]:
    head, current = migrations.head(), None
    with suppress(asyncpg.UndefinedTableError):
        current = await connection.fetchval(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608
    if current == head:
        yield Finding("migrations", f"at {head}, the last one")
    else:
        said = f"at {current or 'none'}, and {head} is the last one"
        yield Finding("migrations", said, _MIGRATE)


async def _walls(connection: Connection) -> AsyncIterator[Finding]:
    yield await wall(connection)


async def wall(connection: Connection) -> Finding:
    """Whether PostgreSQL itself holds each statement to its owner (docs/walls.md)."""
    about = "wall 3"
    grant = (
        "as an administrator of the database's server run: CREATE ROLE bearer_tasks_caller NOLOGIN "
        '(unless it is there) and GRANT bearer_tasks_caller TO "{}"; then run: '
        "python -m api migrate"
    )
    try:
        [(role, login, unheld)] = await connection.fetch(_WALL, "nobody")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidSchemaNameError):
        return Finding(about, "is off, because it is not built yet", _MIGRATE)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
        login = await connection.fetchval("SELECT session_user")
        said = f"fails every statement, because its role cannot be used ({error})"
        return Finding(about, said, grant.format(login))
    except asyncpg.PostgresError as error:
        return Finding(about, f"cannot be examined ({_first_line(error)})", _MIGRATE)
    if role == login:
        said = f"is off, because {login} may neither make its role nor use it"
        return Finding(about, said, grant.format(login))
    if unheld:
        said = f"is off for {', '.join(unheld)}, because row security is not in force there"
        return Finding(about, said, _MIGRATE)
    is_citus = await citus.serves(connection)
    try:
        leaks = await _leaks(connection, is_citus=is_citus)
    except (*AWAY, asyncpg.PostgresError) as error:
        said = f"cannot be tried: {_first_line(error)}"
        return Finding(about, said, _NODES if is_citus else "mend that, and run this again")
    if leaks:
        mend = _NODES if is_citus else "look for policies and triggers that are not this API's"
        return Finding(about, f"does not hold: {leaks}", mend)
    tried = "two owners, made up and undone, saw and wrote their own rows alone"
    where = ", each told to the nodes of Citus first" if is_citus else ""
    return Finding(about, f"is on: statements of an owner run as {role}{where}; {tried}")


async def _leaks(connection: Connection, *, is_citus: bool) -> str | None:
    """Return what an owner saw or wrote although wall 3 forbids it; None if there is nothing.

    The owners are invented for the test. Their tasks are created by `Tasks`, like all tasks, and
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

    await take_text(connection)  # `Tasks` compares ids as text
    undone = connection.transaction()
    await undone.start()
    try:
        # The name marks the statements below in the log: they are the only ones that ask for rows
        # of another owner.
        await connection.execute("SET LOCAL application_name = 'bearer-tasks-doctor'")
        for owner in (one, other):
            await Tasks(transaction.of(owner)).create({"title": "doctor"})
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
        await undone.rollback()


async def _issuer(config: TokenConfig, patience: float) -> AsyncIterator[Finding]:
    for name, expected in (("JWT_ISSUER", config.issuer), ("JWT_AUDIENCE", config.audience)):
        if expected is None:
            yield Finding("issuer", f"{name} is off: tokens are taken whatever they say there")
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
        said = f"{url} does not answer from here ({type(error).__name__})"
        if proxy := proxy_for(url):  # no proxy is used for our own hosts
            said += f", and is asked without the proxy {shown(proxy)}, since it is our own"
        if config.takes_shared_secrets:
            yield Finding("issuer", f"{said}, which the API does not need with a shared secret")
        else:
            mend = "start the web app, or mend NEXT_PUBLIC_BETTER_AUTH_URL"
            yield Finding("issuer", said, mend)
        return
    if response.status_code == httpx.codes.OK:
        yield Finding("issuer", f"{url} answers")
    else:
        mend = "look into the web app's log, or mend NEXT_PUBLIC_BETTER_AUTH_URL"
        yield Finding("issuer", f"{url} answers {response.status_code}", mend)
    took = time.time() - began
    with suppress(ValueError):  # an invalid date is ignored
        date = parsedate_to_datetime(response.headers.get("date", ""))
        # In whole seconds, rounded down.
        yield _clock("issuer", date.timestamp() + 0.5 - time.time(), took + 0.5)


def _clock(whose: str, ahead: float, uncertain: float) -> Finding:
    about, off = "clock", max(0.0, abs(ahead) - uncertain)
    if off <= LEEWAY / 2:
        return Finding(about, f"agrees with the {whose}'s to {max(off, uncertain):.1f} s")
    said = f"the {whose}'s is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    return Finding(about, said, f"set both by NTP: tokens allow for {LEEWAY} s")


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
            mend = "start its issuer, or mend JWKS_URL"
            if proxy:
                mend += ", or name its host in NO_PROXY"
            yield Finding(about, f"none from {where}", mend)
            return
    keys = [f"{key.algorithm} {key.id}" for key in chain(*kinds)]
    if keys:
        yield Finding(about, f"{', '.join(keys)} from {where}")
    else:
        yield Finding(about, f"no key for signing at {where}", "mend JWKS_URL")


def _reason(outage: Unavailable) -> str:
    return _first_line(outage.__cause__ or outage)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
