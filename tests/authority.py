"""A private certificate authority, like a company's, and the places where it can be trusted."""

import os
import shlex
import shutil
import ssl
import sys
from pathlib import Path

import trustme

_SYSTEMS = Path(ssl.get_default_verify_paths().cafile or "/none").resolve()
CANNOT_ENTER_THE_STORE = (
    None
    if sys.platform == "linux" and _SYSTEMS.exists() and shutil.which("unshare")
    else "only Linux lets one program see a system's store of its own"
)
"""Why no authority can be added to the system's store for one program; None if one can."""


class Authority:
    """An authority that signs certificates for the loopback addresses, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        own = trustme.CA()
        self._folder = folder
        self.file = folder / "authority.pem"
        """The authority's certificate, for programs that trust it."""
        own.cert_pem.write_to_path(str(self.file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """The TLS context of a server with a certificate of this authority."""
        own.issue_cert("localhost", "127.0.0.1").configure_cert(self.server)

    def in_the_systems_store(self) -> list[str]:
        """Return a prefix for a command, which then finds the authority in the system's store.

        A mount namespace hides the changed store from all other programs.
        """
        store = self._folder / "store.pem"
        store.write_bytes(_SYSTEMS.read_bytes() + b"\n" + self.file.read_bytes())
        mount = f"mount --bind {shlex.quote(str(store))} {shlex.quote(str(_SYSTEMS))}"
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", "--mount", *as_root, "sh", "-c", f'{mount} && exec "$0" "$@"']
