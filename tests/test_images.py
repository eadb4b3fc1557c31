"""The images work behind Caddy. They are built on stand-ins for their bases."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from dev.images import IMAGES
from tests import pooler
from tests.composition import Command, Composition, composition
from tests.images import IS_POSSIBLE, WHY_NOT, Store, Unpacked, built
from tests.test_compose import try_out

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(not IS_POSSIBLE, reason=WHY_NOT),
    pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT),
]
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Return a store in which all images are built."""
    with built() as made:
        yield made


@pytest.fixture(scope="module")
def unpacked(store: Store) -> dict[str, Unpacked]:
    """Return the unpacked images by the names of their services."""
    names = [image.name for image in IMAGES]
    return {name.removeprefix("bearer-tasks-"): Unpacked(store, name) for name in names}


@pytest.fixture(scope="module")
def running(unpacked: dict[str, Unpacked]) -> Iterator[Composition]:
    """Run all services. The API and the web app run from their images, on a read-only root."""

    def start(name: str, command: Command, env: Mapping[str, str]) -> tuple[Command, Path]:
        if name in {"api", "web"}:
            image = unpacked[name]
            arguments = [str(part) for part in command[1:]]
            inside = ["python", *arguments] if name == "api" else image.config["Cmd"]
            command = image.command(inside, env)
        return command, Path("/")

    with composition(start) as made:
        yield made


def test_sizes_are_logged(store: Store) -> None:
    """The sizes of the bases are those of the stand-ins."""
    for image in IMAGES:
        base, own = store.sizes(image.name)
        log.info("%s: %.0f MB above a base of %.0f MB", image.name, own / 1e6, base / 1e6)
        assert own > 0


def test_people_use_the_images(running: Composition, unpacked: dict[str, Unpacked]) -> None:
    try_out(running)
    for name in ("api", "web"):
        process = psutil.Process(running.servers[name].child.process.pid)
        assert process.uids().real == process.uids().effective == 1000
        check: list[Any] = unpacked[name].config["Healthcheck"]["Test"]
        assert check.pop(0) == "CMD"
        here = [part.replace(":8000/", f":{running.ports['api']}/") for part in check]
        unpacked[name].run(here, {"PORT": str(running.ports["web"])})


def test_image_of_pgbouncer_runs_its_configuration(unpacked: dict[str, Unpacked]) -> None:
    image = unpacked["pgbouncer"]
    assert image.config["User"] == "1000:1000"
    log.info("%s", image.run(["pgbouncer", "--version"], {}).splitlines()[0])
