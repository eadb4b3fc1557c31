"""What Citus needs that PostgreSQL alone does not, for wall 3 to stand on each of its nodes.

A shard's node gets `$1` as a literal, and evaluates the CHECK of its type after it has planned the
statement: too late for row security, which then shows and takes no rows at all. So there each
statement of an owner has a transaction of its own, which says before the statement whose rows it
means. Citus passes a `SET LOCAL` on to its nodes; `set_config`, which the CHECK calls, it does not.
"""

import re
from typing import Any

import asyncpg

SETTINGS = (
    "SET LOCAL citus.propagate_set_commands = 'local'; "
    "SET LOCAL citus.override_table_visibility = off"
)
"""For a transaction. The second one is about asyncpg, which looks each type of a statement up in
the catalog once a connection: with shards hidden from it that takes up to a second."""


async def serves(connection: "asyncpg.Connection[Any]") -> bool:
    """Return whether this database has Citus, whatever of it is distributed."""
    query = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
    return bool(await connection.fetchval(query))


def announcement(owner: str) -> str:
    """Return the SQL that tells every node whose rows the rest of a transaction means.

    `SET` takes no parameters, so that the owner stands in it as text. Written as PostgreSQL's
    `quote_literal` does, it is the same string whatever `standard_conforming_strings` says.
    """
    escaped = owner.replace("\\", "\\\\").replace("'", "''")
    return f"{SETTINGS}; SET LOCAL app.owner_id = E'{escaped}'"


def constraint(violation: asyncpg.IntegrityConstraintViolationError) -> str | None:
    """Return the name of the CHECK that was violated.

    What a node of Citus answers reaches the client as a message alone, in whatever language.
    """
    if violation.constraint_name is not None:
        return violation.constraint_name
    found = re.search(r"\bck_\w+", str(violation))
    return found[0] if found else None
