"""Read settings from the environment and from `.env` files, and explain which ones are invalid.

The environment of the process takes precedence over the files. An error message consists of a
field's description and example, and never contains the invalid value.
"""

from pathlib import Path
from typing import Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.postgres.url import InvalidUrl

ENV_ENCODING = "utf-8-sig"
"""The encoding of `.env`: UTF-8, with or without the byte order mark that some editors write."""


class ConfigError(Exception):
    """Some variables are invalid. The message has a line for each, with its name and an example."""


def check_env_file(path: Path) -> None:
    """Raise ConfigError when the file exists and cannot be read as UTF-8 text."""
    try:
        # English text in UTF-16 without a byte order mark is valid UTF-8, with a NUL after each
        # letter.
        readable = not path.is_file() or "\0" not in path.read_text(ENV_ENCODING)
    except (OSError, UnicodeError):
        readable = False
    if not readable:
        raise ConfigError(
            f"{path.name}: expected a readable file of text in UTF-8, for example as an editor "
            'saves it under "UTF-8"'
        )


class Environment(BaseSettings):
    """Settings that are read from the environment and `.env` files. Subclasses declare them."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, env_file_encoding=ENV_ENCODING
    )

    @classmethod
    def read(cls, *env_files: Path) -> Self:
        """Read the settings from the environment and these files, by default `.env`.

        The environment takes precedence over the files, and later files over earlier ones. Raises
        ConfigError when a variable is missing or invalid, or when a file is not UTF-8.
        """
        files = env_files or (Path(".env"),)
        for file in files:
            check_env_file(file)
        try:
            return cls(_env_file=files)
        except ValidationError as error:
            raise ConfigError("\n".join(_lines(cls, error))) from None


def _lines(cls: type[BaseSettings], error: ValidationError) -> list[str]:
    """Return a line for each invalid variable."""
    lines = {}
    for details in error.errors():
        name = str(details["loc"][0])
        reason = details.get("ctx", {}).get("error")
        field = cls.model_fields[name]
        expected = f"expected {field.description}, for example {(field.examples or [''])[0]}"
        lines[name] = f"{name.upper()}: {reason if isinstance(reason, InvalidUrl) else expected}"
    return [*lines.values()]
