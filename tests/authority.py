"""A private certificate authority, like a company's, and the places where it can be trusted."""

import os
import shlex
import shutil
import ssl
import sys
from hashlib import sha1
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import Name, NameAttribute, load_pem_x509_certificate

_SYSTEMS = Path(ssl.get_default_verify_paths().cafile or "/none").resolve()
CANNOT_ENTER_THE_STORE = (
    None
    if sys.platform == "linux" and _SYSTEMS.exists() and shutil.which("unshare")
    else "only Linux lets one program see a system's store of its own"
)
"""Why no authority can be added to the system's store for one program; None if one can."""


class Authority:
    """A certificate authority. Its certificate and those that it signs are files in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._own = trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        """The authority's certificate, for programs that trust it."""
        self._own.cert_pem.write_to_path(str(self.file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """The TLS context of a server on the loopback addresses with a certificate of this
        authority."""
        self._own.issue_cert("localhost", "127.0.0.1").configure_cert(self.server)

    def issue(self, name: str, *hosts: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """Issue a certificate with this common name. Return its file and that of its key."""
        issued = self._own.issue_cert(*hosts, common_name=name)
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        key = issued.private_key_pem.bytes()
        if passphrase:
            locked = BestAvailableEncryption(passphrase)
            key = load_pem_private_key(key, None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, locked
            )
        secret.write_bytes(key)
        secret.chmod(0o600)
        return certificate, secret

    def folder(self) -> Path:
        """Make a folder for `SSL_CERT_DIR` that has the authority.

        OpenSSL looks a file up by the hash of its subject, as `openssl x509 -subject_hash` prints
        it: the first four octets of a SHA-1 digest, in little-endian order, of the subject in lower
        case, without its outer tag and length.
        """
        subject = load_pem_x509_certificate(self.file.read_bytes()).subject
        lower = Name([NameAttribute(part.oid, str(part.value).lower()) for part in subject])
        digest = sha1(lower.public_bytes()[2:], usedforsecurity=False).digest()
        folder = self.file.with_suffix(".hashed")
        folder.mkdir()
        shutil.copy(self.file, folder / f"{int.from_bytes(digest[:4], 'little'):08x}.0")
        return folder

    def in_the_systems_store(self) -> list[str]:
        """Return a prefix for a command, which then finds the authority in the system's store.

        A mount namespace hides the changed store from all other programs.
        """
        store = self._folder / "store.pem"
        store.write_bytes(_SYSTEMS.read_bytes() + b"\n" + self.file.read_bytes())
        mount = f"mount --bind {shlex.quote(str(store))} {shlex.quote(str(_SYSTEMS))}"
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", "--mount", *as_root, "sh", "-c", f'{mount} && exec "$0" "$@"']
