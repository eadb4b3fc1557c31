"""Run the services of docker-compose.yml without containers, with the same configuration files.

Only addresses and ports differ: each service listens on a free port of this machine.
"""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dev.postgres import ROOT, binaries
from dev.processes import Child
from tests import plain, pooler, shared, stack
from tests.conftest import run
from tests.waiting import PATIENCE, wait_until

CADDY = ROOT / ".venv/bin/caddy"
SECRETS = (
    *("BETTER_AUTH_SECRET", "POSTGRES_PASSWORD"),
    *("API_DATABASE_PASSWORD", "WEB_DATABASE_PASSWORD"),
)
"""The variables that docker-compose.yml requires."""

Command = list[str | Path]
Started = Callable[[str, Command, Mapping[str, str]], tuple[Command, Path]]
"""Returns the command that starts a service, and the working directory of the service.

The arguments are the service's name, its command outside of an image, and its environment.
"""


def services(**variables: str) -> dict[str, Any]:
    """Return the services of docker-compose.yml with the values of these variables."""
    described = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    return {name: _interpolated(service, variables) for name, service in described.items()}


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a value of the Compose file with its variables replaced, as Compose does it."""

    def replaced(match: re.Match[str]) -> str:
        name, operator, word = match.groups()
        given = variables.get(name, "")
        if operator == "+":
            return word if given else ""
        assert given or operator == "-", f"{name} is required"
        return given or word

    match value:
        case str():
            return re.sub(r"\$\{(\w+):([-+?])([^}]*)\}", replaced, value)
        case dict():
            return {key: _interpolated(each, variables) for key, each in value.items()}
        case list():
            return [_interpolated(each, variables) for each in value]
    return value


def outside_images(_name: str, command: Command, _env: Mapping[str, str]) -> tuple[Command, Path]:
    """Run a service with the programs of this machine."""
    return command, Path("/")


@dataclass
class Composition:
    """The running services."""

    ports: dict[str, int]
    servers: dict[str, stack.Server] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the URL of the site, which is that of Caddy."""
        return f"http://localhost:{self.ports['caddy']}"

    def address(self, name: str) -> str:
        """Return the address of a service, which only other services use."""
        return f"127.0.0.1:{self.ports[name]}"

    def placed(self, value: Any) -> Any:
        """Return a setting with the addresses of this machine instead of those in Compose."""
        for compose, here in {
            "http://localhost": self.url,
            "http://api:8000": f"http://{self.address('api')}",
            "@pgbouncer:6432/": f"@{self.address('pgbouncer')}/",
            "@database/": f"@{self.address('database')}/",
            "10.76.29.2": "127.0.0.1",
        }.items():
            value = value.replace(compose, here)
        return value


@contextmanager
def composition(start: Started = outside_images, **variables: str) -> Iterator[Composition]:
    """Run all services, with new passwords and with these variables of Compose."""
    described = services(**{name: secrets.token_urlsafe(32) for name in SECRETS}, **variables)
    names = ("caddy", "web", "api", "pgbouncer", "database")
    made = Composition({name: stack.free_port() for name in names})
    environments = {
        name: {key: made.placed(value) for key, value in service.get("environment", {}).items()}
        for name, service in described.items()
    }
    with (
        shared.open_folder("composition-") as folder,
        _database(folder / "postgres", made, environments),
        pgbouncer(
            folder / "pgbouncer",
            made.ports["pgbouncer"],
            f"host=127.0.0.1 port={made.ports['database']}",
            environments["pgbouncer"],
        ),
    ):
        try:
            _serve(made, folder, described, environments, start)
            yield made
        finally:
            for server in reversed(made.servers.values()):
                server.stop()


@contextmanager
def _database(
    home: Path, made: Composition, environments: Mapping[str, Mapping[str, str]]
) -> Iterator[None]:
    """Run PostgreSQL, where roles need their passwords, and run `roles` and `migrate` once."""
    port = made.ports["database"]
    owner = environments["database"]
    listening = {"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off"}
    server = shared.initialized(home, listening)
    server.initialize()
    rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    (server.home / "data/pg_hba.conf").write_text(rules)
    with server:
        url = f"{server.url}&port={port}"
        password = owner["POSTGRES_PASSWORD"]
        create = f"CREATE ROLE tasks LOGIN SUPERUSER PASSWORD '{password}'"
        run(url, lambda connection: connection.execute(create))
        run(url, lambda connection: connection.execute("CREATE DATABASE tasks OWNER tasks"))
        here = {"PGHOST": "127.0.0.1", "PGPORT": str(port)}
        _once(
            [binaries() / "psql", "-X", "-f", "deploy/roles.sql"], {**environments["roles"], **here}
        )
        _once([sys.executable, "-m", "api", "migrate"], environments["migrate"])
        yield


def _once(command: Command, variables: Mapping[str, str]) -> None:
    """Run a service that ends."""
    env = stack.environment(**variables)
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=PATIENCE)


@contextmanager
def pgbouncer(
    folder: Path, port: int, database: str, variables: Mapping[str, str]
) -> Iterator[None]:
    """Run PgBouncer by its own files, on this port and in front of a database.

    PgBouncer refuses to run as root. Every user must be able to enter the parent of the folder.
    """
    folder.mkdir()
    configuration = (ROOT / "deploy/pgbouncer/pgbouncer.ini").read_text()
    for compose, here in {
        "host=database port=5432": database,
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "listen_port = 6432": f"listen_port = {port}",
    }.items():
        assert compose in configuration
        configuration = configuration.replace(compose, here)
    if not pooler.keeps_statements():
        configuration = configuration.replace("max_prepared_statements", ";")
    (folder / "pgbouncer.ini").write_text(configuration)
    shutil.copy(ROOT / "deploy/pgbouncer/start.sh", folder)
    user = "nobody" if os.geteuid() == 0 else None
    for path in (folder, *folder.iterdir()):
        if user:
            shutil.chown(path, user)
    where = {"PATH": f"{Path(pooler.BINARY or '').parent}:{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        command: Command = ["sh", "start.sh", "pgbouncer.ini"]
        child = Child(command, cwd=folder, env={**variables, **where}, output=log, user=user)
    try:
        printed = (folder / "log").read_text
        wait_until(lambda: "process up" in printed() or child.process.poll() is not None, printed)
        assert child.process.poll() is None, printed()
        yield
    finally:
        child.stop()


def _serve(
    made: Composition,
    folder: Path,
    described: Mapping[str, Any],
    environments: Mapping[str, Mapping[str, str]],
    start: Started,
) -> None:
    """Start the API, the web app and Caddy."""

    def serve(name: str, command: Command, env: Mapping[str, str], listening: str) -> None:
        command, cwd = start(name, command, env)
        made.servers[name] = stack.Server(command, cwd, stack.environment(**env), listening)

    python, *arguments = shlex.split(described["api"]["command"])
    assert python == "python"
    arguments[arguments.index("0.0.0.0")] = "127.0.0.1"  # noqa: S104 - replaced
    api: Command = [sys.executable, *arguments, "--port", str(made.ports["api"])]
    serve("api", api, environments["api"], r"running on (http://\S+)")
    ready = f"http://{made.address('api')}/health/ready"
    # As `service_healthy` in Compose. Each new connection goes to any of the workers.
    for _ in range(5):
        wait_until(lambda: plain.get(ready).status_code == 200, "the API does not get ready")

    listening = {"HOSTNAME": "127.0.0.1", "PORT": str(made.ports["web"])}
    web: Command = [stack.NODE, "--use-system-ca", stack.FRONTEND / ".next/standalone/server.js"]
    serve("web", web, {**environments["web"], **listening}, r"(Ready) in")

    caddyfile = (ROOT / "deploy/Caddyfile").read_text()
    (folder / "Caddyfile").write_text(caddyfile.replace("{\n", "{\n\tdefault_bind 127.0.0.1\n", 1))
    caddy: Command = [CADDY, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
    addresses = {"API_ADDRESS": made.address("api"), "WEB_ADDRESS": made.address("web")}
    env = {**environments["caddy"], **addresses, "XDG_DATA_HOME": str(folder)}
    serve("caddy", caddy, env, r"(serving initial configuration)")
