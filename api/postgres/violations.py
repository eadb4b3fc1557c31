"""The constraint that a statement violated."""

import re

import asyncpg


def violated_constraint(violation: asyncpg.IntegrityConstraintViolationError) -> str | None:
    """Return the name of the constraint that was violated.

    An error from a node of Citus reaches the client only as a message, which may be in any
    language. The name of a CHECK is then found in the message.
    """
    if violation.constraint_name is not None:
        return violation.constraint_name
    found = re.search(r"\bck_\w+", str(violation))
    return found[0] if found else None
