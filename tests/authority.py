"""A certificate authority of one's own, as a company's network has it, and where it is trusted."""

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
"""Why no program can be shown an authority in the system's store; None where one can."""


class Authority:
    """An authority that vouches for this machine's loopback addresses, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        own = trustme.CA()
        self._folder = folder
        self.file = folder / "authority.pem"
        """Its certificate, for whoever is to trust it."""
        own.cert_pem.write_to_path(str(self.file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """For a server that it vouches for."""
        own.issue_cert("localhost", "127.0.0.1").configure_cert(self.server)

    def in_the_systems_store(self) -> list[str]:
        """Return a command to put before one that is to find it in the system's store.

        A mount namespace keeps the other store from everybody else.
        """
        store = self._folder / "store.pem"
        store.write_bytes(_SYSTEMS.read_bytes() + b"\n" + self.file.read_bytes())
        mount = f"mount --bind {shlex.quote(str(store))} {shlex.quote(str(_SYSTEMS))}"
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", "--mount", *as_root, "sh", "-c", f'{mount} && exec "$0" "$@"']
