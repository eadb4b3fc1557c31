"""Build the images of the API, the web app and PgBouncer, with the container engine of the machine.

`make images` runs this. It needs docker, podman or buildah, and no Python package.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dev.postgres import ROOT


@dataclass(frozen=True)
class Image:
    """An image, and the arguments that name its source."""

    name: str
    source: tuple[str, ...]


IMAGES = (
    Image("bearer-tasks-api", ("--file", "api/Dockerfile", ".")),
    Image("bearer-tasks-web", ("frontend",)),
    Image("bearer-tasks-pgbouncer", ("deploy/pgbouncer",)),
)
"""The images that docker-compose.yml builds, under the same names."""


class NoEngine(Exception):
    """No container engine works here. The message gives the reason for each engine."""


def main() -> None:
    """Build all images. Exit with 1 if there is no engine, or a build fails."""
    try:
        build_command = engine()
    except NoEngine as error:
        sys.exit(str(error))
    for image in IMAGES:
        print(f"Building {image.name} with {build_command[0]} ...", flush=True)
        done = subprocess.run(
            [*build_command, "--tag", image.name, *image.source], cwd=ROOT, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{image.name} could not be built")


def engine(path: str | None = None) -> list[str]:
    """Return the command of the first engine on the path that works, up to its options.

    By default, podman and buildah write OCI images, which have no health check. Raises NoEngine.
    """
    reasons = []
    for name, command in {
        "docker": ["build"],
        "podman": ["build", "--format", "docker"],
        "buildah": ["build", "--format", "docker"],
    }.items():
        program = shutil.which(name, path=path)
        if program is None:
            reasons.append(f"{name} is not installed")
        elif reason := _failure([program, "info"]):
            reasons.append(f"{name} does not work: {reason}")
        else:
            return [program, *command, *(_isolation(path) if name == "buildah" else ())]
    raise NoEngine("No container engine can build images here:\n  " + "\n  ".join(reasons))


def _failure(command: Sequence[str]) -> str | None:
    """Return the last line that a command prints when it fails; None if it succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def _isolation(path: str | None) -> Sequence[str]:
    """Return the option for buildah without an OCI runtime: it then runs commands in a chroot."""
    if any(shutil.which(runtime, path=path) for runtime in ("crun", "runc")):
        return ()
    return ("--isolation", "chroot")


if __name__ == "__main__":
    main()
