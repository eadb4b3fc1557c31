"""Parse DATABASE_URL by the rules that the API and the web app share.

`frontend/lib/database-url.ts` implements the same rules, and `tests/database_urls.json` tests both
against the same cases. Neither driver parses the URL itself, since each driver knows different
parameters and has different defaults. The rules are libpq's, with two exceptions: options that a
driver does not support, and parameters that other programs add to a URL.
"""

import os
import pwd
import re
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import certifi

EXAMPLE = "postgresql://user:password@host/database?sslmode=require"
VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "ssl": ("true",),  # a parameter of JDBC, which libpq reads as sslmode=require
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "primary", "prefer-standby"),
    "gssencmode": ("disable", "prefer"),
    "client_encoding": ("auto", "UTF8", "utf8", "UTF-8", "utf-8"),
}
"""The allowed values of the parameters that have a fixed set of values. `target_session_attrs`,
`gssencmode` and `client_encoding` have no effect: there is only one host, GSSAPI is never used, and
both drivers use UTF-8."""
SUPPORTED = frozenset(
    {
        *("host", "port", "user", "password", "dbname", "application_name", "options"),
        *("sslrootcert", "sslcert", "sslkey"),
        *VALUES,
    }
)
IGNORED = frozenset(
    {
        # Prisma reads these for its connection pool, engine and schema.
        *("pgbouncer", "schema", "connection_limit", "pool_timeout", "socket_timeout"),
        *("statement_cache_size", "single_use_connections"),
        *("max_connection_lifetime", "max_idle_connection_lifetime"),
        # SQLAlchemy and node-postgres read these, and Supabase adds some on Vercel.
        *("prepared_statement_cache_size", "uselibpqcompat", "supa", "workaround"),
        # libpq reads these. The API and the web app have their own settings for their connections.
        *("connect_timeout", "fallback_application_name", "load_balance_hosts"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        "tcp_user_timeout",
    }
)
"""Parameters that are ignored: they are for other programs, or have no effect here."""
FILES = ("sslrootcert", "sslcert", "sslkey")
"""The parameters that name files."""
ALWAYS_TLS = ("require", "verify-ca", "verify-full")
"""The values of `sslmode` with which a connection always uses TLS."""

_URL = re.compile(r"postgres(?:ql)?://([^/?]*)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?", re.DOTALL)
_TCP_HOST = re.compile(r"(?!.*[^.]{64})(?!\.)(?!.*\.\.)[A-Za-z0-9_.:%-]{1,253}")
"""RFC 1035 §2.3.4: a label has at most 63 characters."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,62}")
_PORT = re.compile(r"[0-9]{1,5}")


class InvalidUrl(ValueError):
    """The URL is invalid. The message says what was expected.

    The message contains no value from the URL, because the value may be a password.
    """

    def __init__(self, expected: str, example: str = EXAMPLE) -> None:
        super().__init__(f"expected {expected}, for example {example}")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The settings in a URL, completed with libpq's defaults."""

    host: str
    """A name, an address, or the directory of a Unix socket, which begins with a slash."""
    port: int
    user: str
    password: str | None = field(repr=False)
    """If it is None, the drivers read PGPASSWORD or ~/.pgpass."""
    database: str
    sslmode: str
    """One of disable, prefer, require, verify-ca and verify-full."""
    sslrootcert: str | None
    """A file, or "system"."""
    sslcert: str | None
    sslkey: str | None
    sslnegotiation: str
    channel_binding: str
    """Only the web app uses this: asyncpg does not support channel binding."""
    application_name: str | None
    options: str | None


def read(url: str) -> DatabaseUrl:
    """Return the settings in a URL, with defaults for omitted ones. Raises InvalidUrl."""
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidUrl("a PostgreSQL URL")
    authority, path, query = match[1], match[2] or "", match[3] or ""
    userinfo, _, address = authority.rpartition("@")
    if (
        url.count("@") > authority.count("@")
        or "@" in userinfo
        or "#" in url
        or any(character <= " " or character == "\x7f" for character in url)
    ):
        raise _not_encoded()
    given = _parameters(query)
    user, _, password = userinfo.partition(":")
    host, port = _address(address, given)
    login = given.get("user") or _decoded(user) or _system_user()
    mode, root = _tls(given, is_socket=host.startswith("/"))
    return DatabaseUrl(
        host=host,
        port=port,
        user=login,
        password=given.get("password") or _decoded(password) or None,
        database=given.get("dbname") or _decoded(path) or login,
        sslmode=mode,
        sslrootcert=root,
        sslcert=given.get("sslcert") if mode in ALWAYS_TLS else None,
        sslkey=given.get("sslkey") if mode in ALWAYS_TLS else None,
        sslnegotiation=given.get("sslnegotiation", "postgres")
        if mode in ALWAYS_TLS
        else "postgres",
        channel_binding=given.get("channel_binding", "disable"),
        application_name=given.get("application_name"),
        options=given.get("options"),
    )


def arguments(url: str) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect` for this URL. Raises InvalidUrl.

    The certificate files that the URL names are read once in each process.
    """
    parsed = read(url)
    settings = {"application_name": parsed.application_name, "options": parsed.options}
    return {
        "host": parsed.host,
        "port": parsed.port,
        "user": parsed.user,
        "password": parsed.password,
        "database": parsed.database,
        "ssl": _asyncpg_ssl(parsed),
        "direct_tls": parsed.sslnegotiation == "direct",
        "target_session_attrs": "any",
        "server_settings": {name: value for name, value in settings.items() if value},
    }


def _parameters(query: str) -> dict[str, str]:
    """Return the supported parameters that have a value. The last duplicate wins, as in libpq."""
    given = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        name, value = _decoded(name), _decoded(value)
        if not equals or not _NAME.fullmatch(name):
            raise InvalidUrl("parameters of the form name=value after the question mark")
        if name not in SUPPORTED | IGNORED:
            raise InvalidUrl(f"no parameter {name}, which the API or the web app does not support")
        if value and value not in VALUES.get(name, (value,)):
            one_of = ", ".join(VALUES[name])
            raise InvalidUrl(f"{name} to be one of {one_of}", f"{name}={VALUES[name][-1]}")
        if value and name in SUPPORTED:
            given[name] = value
    return given


def _address(address: str, given: dict[str, str]) -> tuple[str, int]:
    """Return the host and the port. Parameters take precedence over the address in the URL."""
    match = _HOST.fullmatch(address)
    host = given.get("host") or (_decoded(match[1]).strip("[]") if match else "")
    port = given.get("port") or (match[2] if match else "") or "5432"
    if match is None or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        raise InvalidUrl(
            "one host, and a port of 1 to 65535", "postgresql://user@host:5432/database"
        )
    if not host.startswith("/") and not _TCP_HOST.fullmatch(host):
        raise InvalidUrl(
            "one host, or the directory of a socket",
            "postgresql://user@/database?host=/var/run/postgresql",
        )
    return host, int(port)


def _tls(given: dict[str, str], *, is_socket: bool) -> tuple[str, str | None]:
    """Return `sslmode` and `sslrootcert`. A Unix socket never uses TLS."""
    root = given.get("sslrootcert")
    named = [name for name in FILES if name in given]
    default = "verify-full" if named else "require" if "ssl" in given else "prefer"
    mode = given.get("sslmode", default)
    if named and mode not in ALWAYS_TLS:
        raise InvalidUrl(
            f"{named[0]} only with sslmode=require, verify-ca or verify-full", "sslmode=verify-full"
        )
    if root == "system" and mode != "verify-full":
        raise InvalidUrl("sslmode=verify-full with sslrootcert=system", "sslmode=verify-full")
    if mode == "verify-ca" and root is None:
        raise InvalidUrl(
            "sslrootcert with sslmode=verify-ca, since anybody can get a certificate of a public "
            "authority",
            "sslmode=verify-full",
        )
    if ("sslcert" in given) != ("sslkey" in given):
        raise InvalidUrl("sslcert and sslkey together", "sslcert=/a.crt&sslkey=/a.key")
    if given.get("sslnegotiation") == "direct" and mode not in ALWAYS_TLS:
        raise InvalidUrl(
            "sslmode=require or stronger with sslnegotiation=direct", "sslmode=require"
        )
    if is_socket:
        return "disable", None
    if mode == "require" and root:
        return "verify-ca", root
    if mode == "verify-full":
        return mode, root or "system"
    return ("prefer" if mode == "allow" else mode), root


def _decoded(text: str) -> str:
    """Return the text percent-decoded. Raises InvalidUrl if it is not UTF-8 or contains a NUL."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _not_encoded()
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeError:
        raise _not_encoded() from None
    if "\0" in decoded:
        raise _not_encoded()
    return decoded


def _not_encoded() -> InvalidUrl:
    """Return the error for a special character that is not percent-encoded."""
    return InvalidUrl(
        "special characters in its parts to be percent-encoded (@ as %40, % as %25, / as %2F, "
        "# as %23, ? as %3F, a space as %20)",
        "postgresql://user:p%40ssword@host/database",
    )


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise InvalidUrl("a user") from None


def _asyncpg_ssl(parsed: DatabaseUrl) -> Any:
    """Return the argument `ssl` of `asyncpg.connect`."""
    if parsed.sslmode == "disable":
        return False
    if parsed.sslmode == "prefer":
        return "prefer"  # asyncpg then connects without TLS if the server has none
    return _tls_context(parsed.sslmode, parsed.sslrootcert, parsed.sslcert, parsed.sslkey)


@lru_cache(8)
def _tls_context(mode: str, root: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    context.set_alpn_protocols(["postgresql"])  # required by sslnegotiation=direct
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    elif root == "system":
        context.load_default_certs()
        context.load_verify_locations(certifi.where())  # the system may have no certificates
    else:
        try:
            context.load_verify_locations(root)
        except OSError:
            raise InvalidUrl(
                "sslrootcert to be system, or a readable file of certificates in PEM",
                "sslrootcert=system",
            ) from None
    if cert:
        try:
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError):
            raise InvalidUrl(
                "sslcert and sslkey to be readable files in PEM, of a certificate and its key "
                "without a passphrase",
                "sslcert=/a.crt&sslkey=/a.key",
            ) from None
    return context
