"""Check that every locked package can be installed on every platform that docs/settings.md names.

`make check` runs this check when a lock file has changed. The check queries the registry for the
available files, and installs nothing. A Python package must have a wheel, because building a wheel
requires a compiler. An npm package with platform-specific binaries must have one for each of these
platforms.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from dev.postgres import ROOT

UV = ROOT / ".tools/bin/uv"
DONE = ROOT / ".tools/platforms"
PYTHON_LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-traces.lock",
    "tests/clients/python/requirements.lock",
)
NODE_LOCKS = ("frontend/package-lock.json", "benchmarks/peers/package-lock.json")
PYTHONS = ("3.11", "3.14")
"""The oldest supported version and the newest released one."""


@dataclass(frozen=True)
class Platform:
    """One platform, under the names that docs/settings.md, uv and npm give it."""

    name: str
    target: str
    os: str
    cpu: str


PLATFORMS = (
    Platform("Linux (x86-64)", "x86_64-unknown-linux-gnu", "linux", "x64"),
    Platform("Linux (arm64)", "aarch64-unknown-linux-gnu", "linux", "arm64"),
    Platform("macOS (Intel)", "x86_64-apple-darwin", "darwin", "x64"),
    Platform("macOS (Apple silicon)", "aarch64-apple-darwin", "darwin", "arm64"),
)
"""The platforms that docs/settings.md names. For uv and npm, WSL is Linux."""


class Unreachable(Exception):
    """The registry cannot be reached; the message says why."""


def main() -> None:
    """Print the packages that a platform lacks, and exit with 1 if there are any.

    Without a network the check fails only in CI. Elsewhere the next `make check` repeats it.
    """
    try:
        with ThreadPoolExecutor(4) as pool:
            cases = list(product(PYTHON_LOCKS, PLATFORMS, PYTHONS))
            gaps = list(filter(None, pool.map(lambda case: python_gap(ROOT, *case), cases)))
    except Unreachable as error:
        print(f"Cannot check the lock files, because the registry is unreachable: {error}")
        sys.exit(1 if os.environ.get("CI") else 0)
    gaps += [gap for lock in NODE_LOCKS for gap in node_gaps(ROOT, lock)]
    if gaps:
        sys.exit("\n".join(gaps))
    DONE.touch()


def python_gap(root: Path, lock: str, platform: Platform, python: str) -> str | None:
    """Return what is missing for this lock, platform and Python; None if all can be installed.

    Raises Unreachable.
    """
    command: list[str | Path] = [
        UV,
        "pip",
        "install",
        "--dry-run",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    command += ["--python-platform", platform.target, "--python-version", python]
    command += ["--python", sys.executable, "--target", root / ".tools/nothing", "-r", root / lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    reason = " ".join(done.stderr.partition("error:")[2].split())
    if done.returncode != 1:  # 1 means "no solution"; other codes are errors of uv
        raise Unreachable(reason)
    return f"{lock}, {platform.name}, Python {python}: {reason}"


def node_gaps(root: Path, lock: str) -> Iterator[str]:
    """Yield a line for each package and platform for which this lock has no binary."""
    packages = json.loads((root / lock).read_text(encoding="utf-8"))["packages"]
    for path, package in packages.items():
        if "cpu" in package:  # the binary of another package, or a package that is one binary
            binaries = [] if package.get("optional") else [package]
        else:
            names = package.get("optionalDependencies", ())
            found = [_dependency(packages, path, name) for name in names]
            binaries = [binary for binary in found if "cpu" in binary]
        for platform in PLATFORMS:
            if binaries and not any(_runs_on(binary, platform) for binary in binaries):
                yield f"{lock}, {platform.name}: {path} has no binary for it"


def _dependency(packages: Mapping[str, Any], path: str, name: str) -> Mapping[str, Any]:
    """Return the package that Node resolves from this path; an empty mapping if there is none."""
    folders = [path]
    while folders[-1]:
        folders.append(folders[-1].rpartition("node_modules/")[0].rstrip("/"))
    paths = ("/".join(filter(None, (folder, "node_modules", name))) for folder in folders)
    return next((packages[found] for found in paths if found in packages), {})


def _runs_on(package: Mapping[str, Any], platform: Platform) -> bool:
    return (
        _allows(package.get("os"), platform.os)
        and _allows(package.get("cpu"), platform.cpu)
        and (platform.os != "linux" or _allows(package.get("libc"), "glibc"))
    )


def _allows(listed: Sequence[str] | None, value: str) -> bool:
    """Return whether a list of package.json allows this value. An entry `!value` excludes it."""
    return not listed or value in listed or (listed[0][0] == "!" and f"!{value}" not in listed)


if __name__ == "__main__":
    main()
