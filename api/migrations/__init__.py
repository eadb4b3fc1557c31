"""Migrate the API's tables, in the PostgreSQL schema `tasks`. Better Auth migrates its own tables."""

import logging
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from api.postgres.outages import OUTAGE_ERRORS
from api.postgres.url import read

log = logging.getLogger(__name__)

ATTEMPTS = 10
"""How often a migration is tried if it has deadlocks with writes of running processes.

A migration locks several tables, one after the other, and so does a write. In a deadlock,
PostgreSQL ends one of them. A failed migration has changed nothing, because it is one transaction.
"""


class MigrationError(Exception):
    """The migration failed. The message is one line for the user of the command."""


def _config() -> Config:
    return Config(toml_file=Path(__file__).parents[2] / "pyproject.toml")


def head() -> str | None:
    """Return the latest revision."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def has(revision: str) -> bool:
    """Return whether this version of the API has a revision."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return revision in {script.revision for script in scripts}


def is_newer(revision: str) -> bool:
    """Return whether a database's revision is newer than the latest one of this version.

    Revisions are numbers, so that they can be compared with unknown ones. An unknown revision that
    is not newer was removed when old migrations were squashed (CONTRIBUTING.md).
    """
    latest = head()
    return latest is not None and revision.isdecimal() and int(revision) > int(latest)


def upgrade(url: str, partitions: int | None = None) -> None:
    """Apply the pending migrations, one process at a time. Do not call this in an event loop.

    If `partitions` is given, each table with an `owner_id` is divided into that number of hash
    partitions; with 1 it becomes an ordinary table again. Raises MigrationError.
    """
    config = _config()
    config.attributes.update(url=url, partitions=partitions, compares=False)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            command.upgrade(config, "head")
        except (*OUTAGE_ERRORS, asyncpg.PostgresError, SQLAlchemyError) as error:
            cause = getattr(error, "orig", None) or error
            if attempt < ATTEMPTS and _is_deadlock(cause):
                log.warning("the migration had a deadlock with a write: it is tried again")
                continue
            reason = (
                str(cause).rpartition(">: ")[2].splitlines()[0]
                if str(cause)
                else type(cause).__name__
            )
            where = read(url).host
            raise MigrationError(
                f"DATABASE_URL: cannot migrate the database at {where}: {reason}. "
                "Is it running, and is the URL right?"
            ) from error
        else:
            return


def _is_deadlock(cause: BaseException) -> bool:
    return getattr(cause, "sqlstate", None) == asyncpg.DeadlockDetectedError.sqlstate
