"""A PostgreSQL with TLS, if the machine has one, and certificates for it.

The embedded PostgreSQL is built without TLS.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from dev.processes import Child, identity
from tests import stack
from tests.conftest import run
from tests.waiting import PATIENCE

_FOLDERS = (
    *Path("/usr/lib/postgresql").glob("*/bin"),
    *Path("/opt/homebrew/opt").glob("postgresql*/bin"),
    *Path("/usr/local/opt").glob("postgresql*/bin"),
)
BINARIES = max(_FOLDERS, key=lambda path: int(re.sub(r"\D", "", str(path)) or 0), default=None)
WHY_NOT = "needs a PostgreSQL with TLS: apt-get install postgresql"
RULES = """
local all all trust
host all postgres all trust
host all ada all scram-sha-256
"""
TLS_RULES = """
hostssl all carded all cert
hostssl all secretive all scram-sha-256
"""


def version() -> int:
    """Return the major version of that PostgreSQL."""
    said = subprocess.run(
        [f"{BINARIES}/postgres", "-V"], capture_output=True, text=True, check=True
    )
    [major] = re.findall(r" (\d+)", said.stdout)[:1]
    return int(major)


class Authority:
    """A certificate authority, and the certificates that it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._signed(self._name, self._key, usage))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension in extensions:
            critical = isinstance(extension, x509.BasicConstraints)
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self, name: str, *alternatives: x509.GeneralName, passphrase: bytes | None = None
    ) -> tuple[Path, Path]:
        """Issue a certificate with this name. Return the files of the certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.SubjectAlternativeName(alternatives)] if alternatives else []
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(self._signed(subject, key, *names))
        locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        secret.chmod(0o600)
        return certificate, secret


async def populate(connection: asyncpg.Connection, password: str) -> None:
    """Create the roles that the rules name."""
    quoted = password.replace("'", "''")
    await connection.execute("CREATE ROLE carded LOGIN")
    for name in ("ada", "secretive"):
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{quoted}'")


@contextmanager
def server(folder: Path, authority: Authority, password: str) -> Iterator[int]:
    """Start a server on 127.0.0.1 with a certificate for `localhost`, and return its port."""
    certificate, key = authority.issue("server", x509.DNSName("localhost"))
    user = "nobody" if os.geteuid() == 0 else None
    data, port, rules = folder / "data", stack.free_port(), folder / "rules"
    data.mkdir(mode=0o700)
    rules.write_text(TLS_RULES + RULES)
    rules.chmod(0o644)
    if user:
        for path in (key, data):
            shutil.chown(path, user)
    subprocess.run(
        [f"{BINARIES}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        **identity(user),
        cwd="/",
        env={"LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": data,
        "hba_file": rules,
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": certificate,
        "ssl_key_file": key,
        "ssl_ca_file": authority.path,
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    with (folder / "log").open("wb") as log:
        command: list[str | Path] = [f"{BINARIES}/postgres", "-D", data, *flags]
        child = Child(command, cwd=Path("/"), env={"LC_ALL": "C"}, output=log, user=user)
    try:
        deadline = time.monotonic() + PATIENCE
        while (status := _ready(data, port)) != 0:
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{status}: " + (folder / "log").read_text())
            time.sleep(0.05)
        url = f"postgresql://postgres@/postgres?host={quote(str(data), safe='')}&port={port}"
        run(url, partial(populate, password=password))
        yield port
    finally:
        child.stop()


def _ready(data: Path, port: int) -> int:
    command = [f"{BINARIES}/pg_isready", "-q", "-h", str(data), "-p", str(port)]
    return subprocess.run(command, env={}, check=False).returncode
