"""What must be right for the API to serve, looked at one after the other, and how to mend it."""

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
from api.keys import ACCESS_TOKEN, KeySet, KeysUnavailable, derive
from api.models import SCHEMA, metadata
from api.pool import AWAY, Connection, connect, keeps_statements, take_text
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
"""Statements of a caller that mean another owner's rows: wall 3 alone can stop them."""


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


async def examine(config: Config) -> AsyncIterator[Finding]:
    """Everything, in the order in which one thing needs another."""
    yield _secret(config)
    url = config.database_url.get_secret_value()
    try:
        connection = await connect(url)
    except Unavailable as outage:
        yield Finding(
            "database",
            f"cannot be reached ({_reason(outage)})",
            "start it, or mend DATABASE_URL: its host, port, user, password and database",
        )
    else:
        try:
            async for finding in _database(connection, config):
                yield finding
        finally:
            connection.terminate()
    async for finding in _issuer(config):
        yield finding
    if config.jwks_url:
        yield await _key_set(config.jwks_url)


def _secret(config: TokenConfig) -> Finding:
    fingerprint = sha256(derive(config.secrets[0].encode(), ACCESS_TOKEN)).hexdigest()[:8]
    said = f"the key derived from BETTER_AUTH_SECRET has the fingerprint {fingerprint}"
    if not config.takes_shared_secrets:
        said += ", and signs no access tokens, since JWKS_URL is set"
    return Finding("secret", f"{said}; the web app's must have the same")


async def _database(connection: Connection, config: Config) -> AsyncIterator[Finding]:
    version = connection.get_server_version().major
    began = time.perf_counter()
    moment = await connection.fetchval("SELECT clock_timestamp()")
    took = time.perf_counter() - began
    if version < OLDEST:
        mend = f"move to PostgreSQL {OLDEST} or newer"
        yield Finding("database", f"is PostgreSQL {version}", mend)
    else:
        yield Finding("database", f"PostgreSQL {version}, {took * 1000:.1f} ms away")
    if not await keeps_statements(connection):
        yield Finding(
            "pooler",
            "keeps no account of prepared statements: each statement takes four round trips",
            "set max_prepared_statements = 200 (PgBouncer 1.21 or newer), or point DATABASE_URL "
            "past it",
        )
    if await _is_pooled(config.direct_url):
        yield Finding(
            "notifications",
            "a transaction pooler lets none through: sign-outs are heard of by asking alone",
            "set DATABASE_URL_UNPOOLED to the same database's URL past its pooler",
        )
    yield await _migrations(connection)
    yield await wall(connection)
    yield _clock("database", moment.timestamp() - time.time(), took)


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


async def _migrations(connection: Connection) -> Finding:
    head, current = migrations.head(), None
    with suppress(asyncpg.UndefinedTableError):
        current = await connection.fetchval(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608
    if current == head:
        return Finding("migrations", f"at {head}, the last one")
    return Finding("migrations", f"at {current or 'none'}, and {head} is the last one", _MIGRATE)


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
        said = f"cannot be tried: {_line(error)}"
        return Finding(about, said, _NODES if is_citus else "mend that, and run this again")
    if leaks:
        mend = _NODES if is_citus else "look for policies and triggers that are not this API's"
        return Finding(about, f"does not hold: {leaks}", mend)
    tried = "two owners, made up and undone, saw and wrote their own rows alone"
    where = ", each told to the nodes of Citus first" if is_citus else ""
    return Finding(about, f"is on: statements of an owner run as {role}{where}; {tried}")


async def _leaks(connection: Connection, *, is_citus: bool) -> str | None:
    """Return what one of two owners saw or wrote that wall 3 should have prevented.

    Both are made up. Their tasks are written as any are, and everything is rolled back. Raises what
    asyncpg raises.
    """
    transaction = Transaction(connection, is_citus=is_citus)
    one, other, third = (f"doctor-{secrets.token_hex(8)}" for _ in range(3))

    async def caller(sql: str, *values: object) -> set[str]:
        if is_citus:
            await connection.execute(citus.announcement(one))
        rows = await connection.fetch(sql, one, *values)
        await connection.execute("RESET ROLE")
        return {row["owner_id"] for row in rows}

    await take_text(connection)  # which `Tasks` compares ids as
    undone = connection.transaction()
    await undone.start()
    try:
        # The statements below are the only ones here that are not held to their owner.
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


async def _issuer(config: TokenConfig) -> AsyncIterator[Finding]:
    for name, expected in (("JWT_ISSUER", config.issuer), ("JWT_AUDIENCE", config.audience)):
        if expected is None:
            yield Finding("issuer", f"{name} is off: tokens are taken whatever they say there")
    url = f"{config.next_public_better_auth_url}/api/health"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            began = time.time()
            response = await client.get(url)
    except httpx.HTTPError as error:
        said = f"{url} does not answer from here ({type(error).__name__})"
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
    if date := response.headers.get("date"):
        took = time.time() - began
        # In whole seconds, rounded down.
        ahead = parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
        yield _clock("issuer", ahead, took + 0.5)


def _clock(whose: str, ahead: float, uncertain: float) -> Finding:
    about, off = "clock", max(0.0, abs(ahead) - uncertain)
    if off <= LEEWAY / 2:
        return Finding(about, f"agrees with the {whose}'s to {max(off, uncertain):.1f} s")
    said = f"the {whose}'s is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    return Finding(about, said, f"set both by NTP: tokens allow for {LEEWAY} s")


async def _key_set(url: str) -> Finding:
    about = "key set"
    async with KeySet(url) as key_set:
        try:
            kinds = [
                await key_set.candidates(algorithm, None)
                for algorithm in ("EdDSA", "ES256", "RS256", "PS256")
            ]
        except KeysUnavailable:
            return Finding(about, f"none from {url}", "start its issuer, or mend JWKS_URL")
    keys = [f"{key.algorithm} {key.id}" for key in chain(*kinds)]
    if not keys:
        return Finding(about, f"no key for signing at {url}", "mend JWKS_URL")
    return Finding(about, f"{', '.join(keys)} from {url}")


def _reason(outage: Unavailable) -> str:
    return _line(outage.__cause__ or outage)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
