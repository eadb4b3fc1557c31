"""The API's tables through time, in the PostgreSQL schema `tasks`. Better Auth's are its own."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from api.database import AWAY


class Failed(Exception):
    """The database could not be brought up to date. Its text is one line for whoever runs this."""


def upgrade(url: str) -> None:
    """Applies what is pending, one process at a time. Blocks, and must not run in an event loop.

    Raises Failed.
    """
    config = Config(toml_file=Path(__file__).parents[2] / "pyproject.toml")
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except (*AWAY, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Failed(f"DATABASE_URL: cannot bring this database up to date: {reason}") from error
