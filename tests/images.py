"""Build the images with buildah on stand-ins for their bases, and run them in a chroot.

This needs root, buildah and mmdebstrap, but no image registry and no container engine.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dev.images import IMAGES
from dev.postgres import ROOT
from tests import shared, stack
from tests.composition import Command

LACKING = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
WHY_NOT = f"needs root and {' '.join(LACKING)}: apt-get install buildah mmdebstrap"
IS_POSSIBLE = os.geteuid() == 0 and not LACKING
RELEASE = "trixie"
"""The release of Debian in the bases, whose Python has the version of the API's base."""
NODE = ROOT / ".tools/node"
APT = "/etc/apt/apt.conf.d"
NO_CACHE = 'Dir::Cache::pkgcache "";Dir::Cache::srcpkgcache "";APT::Keep-Downloaded-Packages "0";'
"""The setting of the official base that keeps apt from leaving caches of many megabytes."""
CERTIFICATES = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
"""Folders that `pip` and `npm` need in a build if this machine adds a certificate authority."""
IN_A_CHROOT = """
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
user=$1; shift
exec chroot --userspec="$user" --groups= "$0" "$@"
"""


DEBIAN = f"debian:{RELEASE}-slim"
STAND_INS = {
    "debian": ("FROM scratch", "ADD root.tar /", f"RUN echo '{NO_CACHE}' > {APT}/no-cache"),
    "python": (
        f"FROM {DEBIAN}",
        "RUN apt-get update && apt-get install -y python3 python3-pip python3-venv",
        "RUN ln -s /usr/bin/python3 /usr/local/bin/python",
    ),
    "node": (
        f"FROM {DEBIAN}",
        "COPY node /usr/local/bin/node",
        "COPY npm /usr/local/lib/node_modules/npm",
        "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm",
        "ENV NODE_USE_SYSTEM_CA=1",
    ),
}
"""The Dockerfiles of the stand-in images. An image is built after the image that it is based on."""


def bases() -> set[str]:
    """Return the names of the bases in the Dockerfiles."""
    files = [ROOT / folder / "Dockerfile" for folder in ("api", "frontend", "deploy/pgbouncer")]
    found = (re.findall(r"^FROM (\S+:\S+)", file.read_text(), re.MULTILINE) for file in files)
    return {name for names in found for name in names}


@dataclass(frozen=True)
class Store:
    """A folder with the images of one test."""

    folder: Path

    def buildah(self, *arguments: str | Path) -> str:
        """Run buildah, which must succeed, and return what it prints."""
        storage: Command = ["--root", self.folder / "storage", "--runroot", self.folder / "run"]
        command: Command = ["buildah", *storage, *arguments]
        done = subprocess.run(command, cwd=ROOT, text=True, check=False, capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def build(self, tag: str, *source: str | Path) -> None:
        """Build an image. Bases are never pulled: their stand-ins are in the store."""
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never"]
        mounts = [f"--volume={path}:{path}:ro" for path in CERTIFICATES if Path(path).is_dir()]
        rules = f"--signature-policy={policy}"
        self.buildah("build", *options, *mounts, rules, "--tag", tag, *source)

    def make_stand_in(self, base: str) -> None:
        """Make the stand-in of a base from Debian's packages, and Node from this checkout."""
        program = base.partition(":")[0]
        context = self.folder / program
        context.mkdir()
        (context / "Dockerfile").write_text("\n".join(STAND_INS[program]))
        if program == "debian":
            options = ["--quiet", "--variant=minbase", "--include=ca-certificates"]
            tarball = str(context / "root.tar")
            subprocess.run(["mmdebstrap", *options, RELEASE, tarball], check=True)
        if program == "node":
            shutil.copy(NODE / "bin/node", context)
            shutil.copytree(NODE / "lib/node_modules/npm", context / "npm", symlinks=True)
        self.build(f"docker.io/library/{base}", "--squash", context)
        shutil.rmtree(context)

    def sizes(self, tag: str) -> tuple[int, int]:
        """Return the bytes of an image's base, and of the layers above it.

        Each stand-in for a base has one layer.
        """
        described = json.loads(self.buildah("inspect", "--type", "image", tag))
        base, *own = (layer["size"] for layer in json.loads(described["Manifest"])["layers"])
        return base, sum(own)


class Unpacked:
    """An image whose files are mounted."""

    def __init__(self, store: Store, tag: str) -> None:
        container = store.buildah("from", "--pull-never", tag).strip()
        self.root = Path(store.buildah("mount", container).strip())
        self._store = store
        self._container = container

    @cached_property
    def config(self) -> Any:
        """Return the image's configuration, as docker describes it."""
        return json.loads(self._store.buildah("inspect", self._container))["Docker"]["config"]

    def command(self, command: Sequence[str], env: Mapping[str, str]) -> Command:
        """Return a command that runs this one with the image's settings, on a read-only root."""
        own = [each for each in self.config["Env"] if each.partition("=")[0] not in env]
        options = ["-uPYTHONPATH", "-uTMPDIR", f"--chdir={self.config['WorkingDir']}"]
        place = ["env", *options, "HOME=/", *own]  # a user without a home, as in a container
        inside = [self.config["User"], *place, *command]
        return ["unshare", "--mount", "sh", "-ec", IN_A_CHROOT, self.root, *inside]

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> str:
        """Run a command that ends, and return what it prints. Raises CalledProcessError."""
        return subprocess.run(
            self.command(command, env),
            env=stack.environment(**env),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


@contextmanager
def built() -> Iterator[Store]:
    """Build all images in a temporary store."""
    with shared.open_folder("images-") as folder:
        store = Store(folder)
        try:
            for base in sorted(bases(), key=lambda name: [*STAND_INS].index(name.split(":")[0])):
                store.make_stand_in(base)
            for image in IMAGES:
                store.build(image.name, *image.source)
            yield store
        finally:
            store.buildah("umount", "--all")
            store.buildah("rm", "--all")
