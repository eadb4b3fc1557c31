"""Check that PostgreSQL's row security (wall 3, docs/walls.md) restricts callers to their own rows.

The check reads every table with an `owner_id`, including those of nouns that are added later.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg

from api import schema  # noqa: F401 - declares the tables of every noun
from api.doctor.finding import Finding, first_line
from api.owned.owner import Owned
from api.owned.resource import RESOURCES
from api.owned.writes import Writes
from api.postgres import citus
from api.postgres.codecs import set_text_codecs
from api.postgres.connections import Connection
from api.postgres.database import Transaction
from api.postgres.outages import OUTAGE_ERRORS
from api.postgres.tables import SCHEMA, metadata

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


async def check(connection: Connection) -> Finding:
    """Return whether row security restricts each statement to its owner, as a finding.

    Raises the errors of asyncpg for a connection that is lost.
    """
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
        return Finding(about, f"cannot be examined ({first_line(error)})", _MIGRATE)
    if role == login:
        detail = f"is off, because {login} may neither create its role nor use it"
        return Finding(about, detail, grant.format(login))
    if unprotected:
        detail = f"is off for {', '.join(unprotected)}, because row security is not active there"
        return Finding(about, detail, _MIGRATE)
    is_citus = await citus.serves(connection)
    try:
        found = await leaks(connection, is_citus=is_citus)
    except (*OUTAGE_ERRORS, asyncpg.PostgresError) as error:
        detail = f"cannot be tested: {first_line(error)}"
        return Finding(about, detail, _NODES if is_citus else "correct that, and run this again")
    if found:
        fix = _NODES if is_citus else "look for policies and triggers that this API did not create"
        return Finding(about, f"does not work: {found}", fix)
    tested = "in a test, two temporary owners could read and write only their own rows"
    where = ", and the nodes of Citus get the owner first" if is_citus else ""
    return Finding(about, f"is on: statements of an owner run as {role}{where}; {tested}")


async def leaks(connection: Connection, *, is_citus: bool) -> str | None:
    """Return what an owner could read or write although wall 3 forbids it; None for nothing.

    The owners are invented for the test. Their rows are created by `Writes`, like all rows, and
    everything is rolled back. Raises the errors of asyncpg.
    """
    transaction = Transaction(connection, is_citus=is_citus)
    one, other, third = (f"doctor-{secrets.token_hex(8)}" for _ in range(3))

    async def owners_of(sql: str, *values: object) -> set[str]:
        if is_citus:
            await connection.execute(citus.announcement(one))
        rows = await connection.fetch(sql, one, *values)
        await connection.execute("RESET ROLE")
        return {row["owner_id"] for row in rows}

    await set_text_codecs(connection)  # `Writes` compares ids as text
    temporary = connection.transaction()
    await temporary.start()
    try:
        # The statements below select rows of another owner. If PostgreSQL logs them, this name says
        # that they are the doctor's.
        await connection.execute("SET LOCAL application_name = 'bearer-tasks-doctor'")
        for owner in (one, other):
            for resource in RESOURCES:
                await Writes(Owned(transaction, owner), resource).create(resource.example)
        for table in (table.name for table in metadata.sorted_tables if "owner_id" in table.c):
            seen = await owners_of(_READ.format(table), [one, other])
            if seen != {one}:
                return f"an owner saw {'another' if other in seen else 'nothing'} in {table}"
        if await owners_of(_WRITE, other):
            return "an owner wrote into a row of another"
        with suppress(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await owners_of(_GIVE, third)
            return "an owner wrote a row for another"
        return None
    finally:
        await temporary.rollback()


async def check_role(connection: Connection) -> AsyncIterator[Finding]:
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
