"""Make row-level security (wall 3) work on the nodes of Citus.

The node of a shard receives `$1` as a literal, and evaluates the CHECK of its type only after it
has planned the statement. That is too late: row security then shows no rows and accepts no rows.
So on Citus each statement of an owner runs in its own transaction, which first names the owner with
`SET LOCAL`. Citus forwards `SET LOCAL` to its nodes. It does not forward `set_config`, which the
CHECK calls.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

SETTINGS = (
    "SET LOCAL citus.propagate_set_commands = 'local'; "
    "SET LOCAL citus.override_table_visibility = off"
)
"""Settings for a transaction. The second one is for asyncpg, which looks up each type that a
statement uses in the catalog, once on each connection. While Citus hides shards from the catalog,
such a lookup takes up to a second."""


async def serves(connection: "asyncpg.Connection[Any]") -> bool:
    """Return whether this database has the Citus extension, even if no table is distributed."""
    query = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
    return bool(await connection.fetchval(query))


def announcement(owner: str) -> str:
    """Return the SQL that names the owner to every node, for the rest of a transaction.

    `SET` takes no parameters, so the SQL contains the owner as quoted text. The quoting is that of
    PostgreSQL's `quote_literal`: its meaning does not depend on `standard_conforming_strings`.
    """
    escaped = owner.replace("\\", "\\\\").replace("'", "''")
    return f"{SETTINGS}; SET LOCAL app.owner_id = E'{escaped}'"
