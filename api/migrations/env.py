"""Alembic's environment, for `python -m api migrate` and `alembic revision --autogenerate`."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any, Literal

import asyncpg
from alembic import context
from sqlalchemy import Connection, MetaData, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import AutoString

from api import migrations
from api.config import DatabaseConfig
from api.postgres.limits import CONNECT_TIMEOUT
from api.postgres.tables import SCHEMA, metadata
from api.postgres.url import arguments

log = logging.getLogger(__name__)

LOCK = 4_208_150_211
"""The number of an advisory lock that nothing else uses. One process migrates; the others wait, and
then find nothing to do."""
PARTITIONS = Path(__file__).with_name("partitions.sql")
ROW_SECURITY = Path(__file__).with_name("row_security.sql")


def _models() -> MetaData | None:
    """Return the tables with which Alembic compares the database, or None for an upgrade.

    An upgrade compares nothing. Without the import of every noun it takes a third less CPU time.
    """
    if not context.config.attributes.get("compares", True):
        return None
    from api import schema  # noqa: F401, PLC0415 - declares every noun's tables, and is slow
    from api.identity import model  # noqa: F401, PLC0415 - declares tables, as above

    return metadata


def _only_ours(name: str | None, kind: str, _: Any) -> bool:
    """Return whether Alembic compares this object with the models.

    Better Auth's tables and the partitions of our tables are not in the models. Without this filter
    Alembic would drop them.
    """
    if kind == "schema":
        return name == SCHEMA
    return not (kind == "table" and _is_partition(name))


def _is_partition(name: str | None) -> bool:
    return re.search(r"_\d+_of_\d+$", name or "") is not None


def _is_declared(item: Any, _: str | None, kind: str, *__: Any) -> bool:
    """Return whether Alembic compares this object with the models.

    PostgreSQL copies a foreign key to a table with partitions for each of the partitions.
    """
    return kind != "foreign_key_constraint" or not _is_partition(item.elements[0].column.table.name)


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Render SQLModel's text type as SQLAlchemy's, so that migrations do not import SQLModel."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


def _newer_revision() -> str | None:
    """Return the database's revision if it is newer than this version of the API, else None.

    While a new version is deployed, a process of the previous version may start again. It can use
    the newer database, because migrations only expand the schema (docs/operate.md). Raises
    MigrationError for a revision from which this version has no migrations.
    """
    for revision in context.get_context().get_current_heads():
        if migrations.is_newer(revision):
            return revision
        if not migrations.has(revision):
            raise migrations.MigrationError(
                f"DATABASE_URL: the database has migration {revision}, from which this version "
                "cannot migrate. Migrate with an earlier version first"
            )
    return None


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=_models(),
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=_only_ours,
        include_object=_is_declared,
        render_item=_render,
        # The second plugin finds missing CHECK constraints by their names.
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    )
    with context.begin_transaction():
        # Another role may create functions in the schema `public`. None of them must run here.
        connection.execute(text("SET LOCAL search_path = pg_catalog"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if (newer := _newer_revision()) is not None:
            # Do not change row security either: this version may know fewer tables and policies.
            log.warning(
                "the database has migration %s, which this version does not know: none is applied",
                newer,
            )
            return
        # CREATE SCHEMA IF NOT EXISTS requires the right to create schemas even if it exists.
        if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        # A migration that needs the rows of all owners fails with this setting, instead of silently
        # changing no row because row security hides them. Such a migration must use NO FORCE ROW
        # LEVEL SECURITY. ROW_SECURITY below forces it again.
        connection.execute(text("SET LOCAL row_security = off"))
        context.run_migrations()
        if partitions := context.config.attributes.get("partitions"):
            connection.execute(
                text("SELECT set_config('app.partitions', :number, true)"),
                {"number": str(partitions)},
            )
            connection.exec_driver_sql(PARTITIONS.read_text())
        if connection.scalar(text(f"SELECT to_regtype('{SCHEMA}.caller')")) is not None:
            connection.exec_driver_sql(ROW_SECURITY.read_text())


async def _run() -> None:
    url = context.config.attributes.get("url") or DatabaseConfig.read().direct_url
    engine = create_async_engine(
        "postgresql+asyncpg://",
        # SQLAlchemy must not parse the URL: its rules differ from those of `database_url`.
        async_creator=lambda: asyncpg.connect(**arguments(url), timeout=CONNECT_TIMEOUT),
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()


asyncio.run(_run())
