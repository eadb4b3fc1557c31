"""`python -m api serve | migrate | token | schema | doctor`.

Each command imports its own modules, so that `--help` does not wait for the whole API.
"""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from api.config import DAY, GRACE, Config, DatabaseConfig, LogConfig, TokenConfig
from api.environment import ConfigError
from api.metrics.directory import VARIABLE, directory
from api.telemetry import log_lines

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

DEV_LOCK, DEV_ENV = Path(".data/lock"), Path(".data/dev.env")
"""The settings of a running `make dev`, with the ports that it really uses."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit 2 if the command or the environment is not valid, 1 if it fails."""
    chosen = _parser().parse_args(arguments)
    log_lines.configure("text")
    command: Callable[[argparse.Namespace], None] = chosen.command
    try:
        command(chosen)
    except ConfigError as error:
        _stop(str(error), 2)


def application() -> "FastAPI":
    """Return the app that the environment describes, for a server that imports it by name."""
    from uvicorn.config import STARTUP_FAILURE

    try:
        config = Config.read()
        log_lines.configure(config.log_format)
        return _app(config)
    except ConfigError as error:
        _stop(str(error), STARTUP_FAILURE)  # uvicorn does not restart a worker with this status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="The tasks API. It reads its settings from the environment and from .env: see "
        "docs/settings.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="serve the API",
        description="Migrate the database, then serve until SIGTERM or Ctrl-C. Requests in "
        f"progress then have {GRACE} seconds to end.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", default=8000, type=_port, help="port to listen on (%(default)s)")
    serve.add_argument(
        "--workers",
        default=1,
        type=_number,
        metavar="N",
        help="number of processes, usually one for each core (%(default)s)",
    )
    serve.add_argument("--no-migrate", action="store_true", help="do not migrate the database")
    serve.add_argument("--reload", action="store_true", help="restart when the code changes")
    serve.add_argument(
        "--metrics-port",
        type=_port,
        metavar="PORT",
        help="port of 127.0.0.1 that serves the metrics of all processes to Prometheus. Without "
        "it, nothing is counted",
    )
    serve.add_argument(
        "--access-log", action="store_true", help="log each request, without its values"
    )
    serve.set_defaults(command=_serve)

    migrate = commands.add_parser(
        "migrate",
        help="migrate the database",
        description="Apply the pending migrations, then exit. It is safe to run several at once.",
    )
    migrate.add_argument(
        "--partitions",
        type=_number,
        metavar="N",
        help="divide the tables of owners into N hash partitions. With 1, they become ordinary "
        "tables again. Without this option, the number of partitions stays as it is",
    )
    migrate.set_defaults(command=_migrate)

    token = commands.add_parser(
        "token",
        help="print an access token",
        description="Print a token that an API with these settings accepts, to call it with "
        "curl. While `make dev` runs, the token is for its API.",
    )
    token.add_argument("--user", required=True, metavar="ID", help="the `user_id` of the token")
    token.add_argument("--email", metavar="E", help="the `email` of the token (none)")
    token.add_argument(
        "--expires-in",
        type=_span,
        metavar="SPAN",
        help="the lifetime, such as 90s, 15m or 1d (24h, or ACCESS_TOKEN_MAX_AGE if that is "
        "shorter)",
    )
    token.set_defaults(command=_token)

    sdl = commands.add_parser(
        "schema",
        help="print the GraphQL schema",
        description="Print the content of schema.graphql. No settings are needed.",
    )
    sdl.set_defaults(command=_schema)

    examined = commands.add_parser(
        "doctor",
        help="check an installation, and suggest fixes",
        description="Check the secret, the database, its migrations and row security, the "
        "issuer, its key set, the running API and the clocks. Exit 1 if anything is wrong.",
    )
    examined.set_defaults(command=_doctor)
    return parser


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999")
    return int(text)


def _span(text: str) -> int:
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time span: write 90s, 15m, 24h or 1d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": DAY}[match[2]]


def _serve(chosen: argparse.Namespace) -> None:
    if chosen.access_log:
        os.environ["ACCESS_LOG"] = "1"  # also for the workers
    config = Config.read()
    log_lines.configure(config.log_format)
    _check_workers(chosen.workers, reload=chosen.reload)
    with _served_metrics(chosen.metrics_port):
        _serve_api(chosen, config)


@contextlib.contextmanager
def _served_metrics(port: int | None) -> Iterator[None]:
    """Serve metrics until the `with` block ends: those of this process and of its workers."""
    if port is None:
        os.environ.pop(VARIABLE, None)
        yield
        return
    with directory() as path, contextlib.ExitStack() as until_the_end:
        from api.metrics.exposition import ADDRESS, served

        try:
            url = until_the_end.enter_context(served(path, port))
        except OSError as error:
            _stop(f"--metrics-port: {ADDRESS}:{port} cannot be used ({error.strerror})", 2)
        log.info("metrics: %s", url)
        yield


def _app(config: Config) -> "FastAPI":
    """Return the app. It counts for Prometheus if the service serves metrics."""
    from api.app import create_app

    if VARIABLE not in os.environ:
        return create_app(config)
    from api.metrics.metrics import Metrics

    return create_app(config, metrics=Metrics(config.trusted_documents.values()))


def _serve_api(chosen: argparse.Namespace, config: Config) -> None:
    from api.serving.server import serve

    for name, expected in (("JWT_ISSUER", config.issuer), ("JWT_AUDIENCE", config.audience)):
        if expected is None:
            log.warning("%s is off: any value of that claim is accepted", name)
    if config.jwks_url and config.shared_secret_tokens:
        log.warning(
            "SHARED_SECRET_TOKENS is on: the secret can sign tokens too, although JWKS_URL is set"
        )
    if config.better_auth_secret_previous:
        log.warning("BETTER_AUTH_SECRET_PREVIOUS is also accepted: unset it after the rotation")
    if not chosen.no_migrate:
        _upgrade(config.direct_url)
    asyncio.run(_log_row_security(config.database_url.get_secret_value()))
    app = _app(config)  # workers create their own, but an error is reported only once
    is_alone = chosen.workers == 1 and not chosen.reload
    serve(
        app if is_alone else "api.cli:application",
        chosen.host,
        chosen.port,
        workers=chosen.workers,
        reload_dir=Path(__file__).parent if chosen.reload else None,
    )


def _check_workers(number: int, *, reload: bool) -> None:
    if number > 1 and reload:
        _stop("--workers: expected 1 with --reload, which restarts one process", 2)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if number > cores:
        log.warning("--workers %d: this machine has only %d cores", number, cores)


async def _log_row_security(url: str) -> None:
    from api.doctor import row_security
    from api.errors import Unavailable
    from api.postgres.connections import connect

    with contextlib.suppress(Unavailable):  # without a database, there is nothing to check
        connection = await connect(url)
        try:
            finding = await row_security.check(connection)
        finally:
            connection.terminate()
        if finding.fix is None:
            log.info("%s %s", finding.about, finding.detail)
        else:
            log.warning("%s %s; %s", finding.about, finding.detail, finding.fix)


def _migrate(chosen: argparse.Namespace) -> None:
    log_lines.configure(LogConfig.read(*_env_files()).log_format)
    _upgrade(DatabaseConfig.read(*_env_files()).direct_url, chosen.partitions)


def _upgrade(url: str, partitions: int | None = None) -> None:
    from api import migrations

    try:
        migrations.upgrade(url, partitions)
    except migrations.MigrationError as error:
        _stop(str(error), 1)


def _token(chosen: argparse.Namespace) -> None:
    import jwt

    from api.identity.auth import verifier
    from api.identity.keys import ACCESS_TOKEN, derive
    from api.identity.tokens import InvalidToken

    config = TokenConfig.read(*_env_files())
    longest = config.access_token_max_age
    life = chosen.expires_in or min(DAY, longest)
    if life > longest:
        _stop(f"--expires-in: expected at most {longest}s, which is ACCESS_TOKEN_MAX_AGE", 2)
    if not config.accepts_shared_secrets:
        _stop(
            "JWKS_URL: only its issuer has the private keys to sign tokens; sign in there to get "
            "one, or set SHARED_SECRET_TOKENS=1",
            2,
        )
    now = int(time.time())
    claims: dict[str, object] = {
        "user_id": chosen.user,
        "sub": chosen.user,
        "sid": secrets.token_urlsafe(24),
        "iss": config.issuer or config.next_public_better_auth_url,
        "aud": config.audience or config.next_public_better_auth_url,
        "iat": now,
        "exp": now + life,
    }
    if chosen.email:
        claims["email"] = chosen.email
    token = jwt.encode(claims, derive(config.secrets[0].encode(), ACCESS_TOKEN), "HS256")
    try:
        asyncio.run(verifier(config).verify(token))
    except InvalidToken as reason:
        _stop(f"--user, --email: the API would reject this token: {reason}", 2)
    print(token)


def _env_files() -> list[Path]:
    """Return the files to read settings from: those of a running `make dev`, and `.env`."""
    return [Path(".env"), *([DEV_ENV] if _dev_runs() else [])]


def _dev_runs() -> bool:
    with contextlib.suppress(FileNotFoundError), DEV_LOCK.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _schema(_: argparse.Namespace) -> None:
    from api.schema import schema

    print(schema.as_str())


def _doctor(_: argparse.Namespace) -> None:
    from api import doctor

    async def examine() -> bool:
        well = True
        async for finding in doctor.examine(config):
            well = well and finding.fix is None
            print(finding)
        return well

    config = doctor.Settings.read(*_env_files())
    if not asyncio.run(examine()):
        raise SystemExit(1)


def _stop(line: str, status: int) -> NoReturn:
    print(line, file=sys.stderr)
    raise SystemExit(status)
