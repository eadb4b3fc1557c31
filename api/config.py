"""The settings: their names, their defaults and the values that they may have.

The `repr` of the settings does not contain secrets.
"""

import math
import re
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from api.client_address import Network
from api.environment import Environment
from api.postgres.url import arguments

DAY = 86_400
"""Seconds."""
GRACE = 30
"""Seconds that active requests may still take after SIGTERM."""
LAST_GRACE = 5
"""The last seconds of `GRACE`, in which uvicorn accepts no more connections. A request that arrived
just before has these seconds to finish: they are more than the timeout of a statement."""


def _origin(url: str) -> str:
    """Return the origin of a URL, as a browser sends it (RFC 6454 §6.1).

    Raises ValueError unless the URL has only a scheme, a host and an optional port.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii():
        raise ValueError
    if "@" in parts.netloc or parts.netloc.endswith(":"):
        raise ValueError
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.lower()
    return f"{parts.scheme}://{host.removesuffix(f':{default}') if parts.port == default else host}"


def _http_url(url: str) -> str:
    """Return the URL. Raise ValueError unless it is http or https, without user and fragment."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError
    if parts.port == 0 or parts.fragment or not (url.isascii() and url.isprintable()):
        raise ValueError
    return url


def _postgres_url(url: SecretStr) -> SecretStr:
    arguments(url.get_secret_value())  # also reads the files that the URL names
    return url


def _header_name(name: str) -> str:
    """Return the name. Raise ValueError unless it is a token (RFC 9110 §5.1) other than `*`."""
    if name == "*" or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError
    return name


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < 32:
        raise ValueError
    return secret


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _manifest(path: object) -> object:
    """Read the trusted documents by their identifiers from a file of codegen's client-preset.

    Raises ValueError if there are none, or if an identifier is not the SHA-256 of its document.
    """
    if not isinstance(path, str):
        return path
    try:
        documents = TypeAdapter(dict[str, str]).validate_json(Path(path).read_bytes())
    except OSError:
        raise ValueError from None
    if not documents:
        raise ValueError
    for identifier, text in documents.items():
        if identifier != f"sha256:{sha256(text.encode()).hexdigest()}":
            raise ValueError
    return documents


def _networks(value: object) -> object:
    """Return the networks in a list of addresses and networks, as the web app reads it."""
    if not isinstance(value, str):
        return value
    parts = (part.strip() for part in value.split(","))
    return tuple(ip_network(part, strict=False) for part in parts if part)


HeaderName = Annotated[str, AfterValidator(_header_name)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Origin = Annotated[str, AfterValidator(_origin)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]


class LogConfig(Environment):
    """The format of the log."""

    log_format: Literal["text", "json"] = Field(
        "text",
        description="json for one JSON object a line, or text",
        examples=["json"],
    )


class DatabaseConfig(Environment):
    """The database that stores the tasks."""

    database_url: PostgresUrl = Field(
        description="the URL of a PostgreSQL database, with special characters in its password "
        "percent-encoded (without a URL, `make dev` starts a database of its own)",
        examples=["postgresql://user:password@host/database?sslmode=require"],
    )
    database_url_unpooled: PostgresUrl | None = Field(
        None,
        description="the URL of the same database without its transaction pooler, for migrations "
        "and LISTEN",
        examples=["postgresql://user:password@host/database?sslmode=require"],
    )

    @property
    def direct_url(self) -> str:
        """The URL for migrations and listeners, which bypasses a transaction pooler."""
        return (self.database_url_unpooled or self.database_url).get_secret_value()


class TokenConfig(Environment):
    """The settings for verifying access tokens."""

    better_auth_secret: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        description="32 bytes or more, the same as for the web app",
        examples=['the output of: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'],
    )
    next_public_better_auth_url: Origin = Field(
        description="the web app's origin, as browsers reach it, without a path",
        examples=["http://localhost:3000"],
    )
    jwt_issuer: str = Field(
        "",
        max_length=255,
        description="the `iss` that tokens must have, or the word off",
        examples=["https://tasks.example.com"],
    )
    jwt_audience: str = Field(
        "",
        description="the `aud` that tokens must have, or the word off",
        examples=["https://tasks.example.com"],
    )
    access_token_max_age: int = Field(
        DAY,
        ge=1,
        le=31 * DAY,
        description="seconds that an access token may live, 1 to 2678400",
        examples=["86400"],
    )
    raw_secret_tokens: bool = Field(
        True,
        description="1 to also accept tokens signed with the secret itself, 0 to reject them",
        examples=["0"],
    )
    better_auth_secret_previous: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        None,
        description="the previous secret, 32 bytes or more, during a rotation",
        examples=["the BETTER_AUTH_SECRET before the rotation"],
    )
    jwks_url: HttpUrl | None = Field(
        None,
        description="the URL of the issuer's public keys, to accept only tokens signed with them",
        examples=["http://localhost:3000/api/auth/jwks"],
    )
    shared_secret_tokens: bool = Field(
        False,
        description="1 to accept tokens signed with the shared secret in addition to those of "
        "JWKS_URL, or 0",
        examples=["1"],
    )

    @field_validator("better_auth_secret_previous")
    @classmethod
    def _not_the_current_secret(
        cls, secret: SecretStr | None, others: ValidationInfo
    ) -> SecretStr | None:
        if secret and secret == others.data.get("better_auth_secret"):
            raise ValueError  # the rotation would change nothing
        return secret

    @property
    def secrets(self) -> list[str]:
        """The secrets that the web app may sign with. The current one is first."""
        both = (self.better_auth_secret, self.better_auth_secret_previous)
        return [secret.get_secret_value() for secret in both if secret]

    @property
    def accepts_shared_secrets(self) -> bool:
        """Whether to accept tokens under a shared secret.

        With a key set this must be turned on explicitly, because anybody who can read the secret
        can sign tokens.
        """
        return self.jwks_url is None or self.shared_secret_tokens

    @property
    def issuer(self) -> str | None:
        """The expected `iss`; None when the check is off."""
        return self._expected(self.jwt_issuer)

    @property
    def audience(self) -> str | None:
        """The expected `aud`; None when the check is off."""
        return self._expected(self.jwt_audience)

    def _expected(self, value: str) -> str | None:
        return None if value == "off" else value or self.next_public_better_auth_url


class Config(TokenConfig, DatabaseConfig, LogConfig):
    """All settings that the API needs to serve requests."""

    api_url: Origin = Field(
        "http://localhost:8000",
        description="the API's origin, as browsers reach it, without a path",
        examples=["http://localhost:8000"],
    )
    allowed_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (),
        description="additional origins whose pages may call the API, separated by commas",
        examples=["https://admin.example.com,https://example.org"],
    )
    allowed_headers: Annotated[tuple[HeaderName, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (),
        description="names of additional headers that pages may send, separated by commas",
        examples=["x-tenant,x-datadog-trace-id"],
    )
    execution: Literal["compiled", "reference"] = Field(
        "compiled",
        description="compiled, or reference to run all operations with graphql-core",
        examples=["reference"],
    )
    trusted_documents: Annotated[dict[str, str], NoDecode, BeforeValidator(_manifest)] = Field(
        {},
        description="the path of a JSON file of codegen, with documents by their SHA-256 that are "
        "valid for the API's schema",
        examples=["frontend/gql/persisted-documents.json"],
    )
    trusted_documents_only: bool = Field(
        False,
        description="1 to run only TRUSTED_DOCUMENTS, which must then be set, or 0",
        examples=["1"],
    )

    rate_limit_per_second: int = Field(
        50,
        ge=0,
        le=1_000_000,
        description="the requests a second that each owner may send to a process on average, or 0 "
        "for no limit",
        examples=["50"],
    )
    rate_limit_burst: int = Field(
        200,
        ge=1,
        le=1_000_000,
        description="the requests that each owner may send at once, 1 to 1000000",
        examples=["200"],
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="addresses or networks of proxies, separated by commas",
        examples=["10.0.0.0/8,::1"],
    )

    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        None,
        description="the base URL of an OpenTelemetry collector, to which traces are sent with "
        "OTLP over HTTP (install requirements-traces.lock)",
        examples=["http://localhost:4318"],
    )
    access_log: bool = Field(
        False,
        description="1 to log each request, as `serve --access-log` does, or 0",
        examples=["1"],
    )
    slow_statement_ms: int = Field(
        500,
        ge=0,
        le=60_000,
        description="the milliseconds after which an SQL statement is logged as slow, 1 to 60000, "
        "or 0 to log none",
        examples=["500"],
    )

    @field_validator("trusted_documents_only")
    @classmethod
    def _only_with_documents(cls, only: bool, others: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it
        if only and not others.data.get("trusted_documents", True):
            raise ValueError
        return only

    @property
    def slow_statement(self) -> float:
        """The seconds after which a statement is logged as slow; infinity for none."""
        return self.slow_statement_ms / 1000 or math.inf

    @property
    def origins(self) -> tuple[str, ...]:
        """All origins whose pages may call the API."""
        return (self.next_public_better_auth_url, *self.allowed_origins)
