"""The Makefile with any version of make, and the installation in any folder."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dev import tools
from dev.postgres import ROOT
from tests.authority import CANNOT_ENTER_THE_STORE, Authority
from tests.dev import wheel
from tests.issuer import Asked, Issuer
from tests.waiting import PATIENCE

EVERYWHERE = {"cd", "echo", "exec", "exit", "find", "ln", "touch"}
"""Commands that are built into a shell, or in the same place on every system."""


def commands() -> list[str]:
    """Return the first word of each command in the Makefile's recipes."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ").replace('"$(PYTHON)"', "$(PYTHON)")
    recipes = re.findall(r"^\t@?(.+)$", text, re.MULTILINE)
    unquoted = [re.sub(r"'[^']*'|\"[^\"]*\"", "quoted", recipe) for recipe in recipes]
    parts = [part for recipe in unquoted for part in re.split(r"&&|\|\||;|[{}]", recipe)]
    words = [re.sub(r"^(\s*[A-Z_]+=\S+)+", "", part).replace("exec ", "").split() for part in parts]
    return [word[0] for word in words if word]


def test_no_recipe_needs_the_path_that_make_exports() -> None:
    """GNU make 3.81 searches the PATH that it was started with, which lacks our programs."""
    named = set(commands()) - EVERYWHERE
    assert ".venv/bin/ruff" in named
    assert {word for word in named if "/" not in word and not word.startswith("$(")} == set()


def made(folder: Path, python: Path) -> None:
    """Run make for `.tools` in this folder, with this Python."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MF"))}
    command = ["make", "--no-print-directory", f"PYTHON={python}", ".tools/.done"]
    run(command, folder, env, timeout=600)


def run(
    command: list[str], folder: Path, env: Mapping[str, str], timeout: float = PATIENCE
) -> None:
    """Run a command in a folder. It must succeed within `timeout` seconds."""
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prove
def test_renamed_folder_or_another_python_is_installed_again(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    (folder / "dev").mkdir(parents=True)
    for name in ("Makefile", "dev/__init__.py", "dev/tools.py"):
        shutil.copy2(ROOT / name, folder / name)
    python = tmp_path / "a python"
    python.symlink_to(Path(sys.executable).resolve())
    made(folder, python)
    (folder / ".venv").mkdir()
    made(folder, python)
    assert (folder / ".venv").exists(), "nothing has changed"

    renamed = folder.rename(tmp_path / "it's renamed")
    pip = [str(renamed / ".tools/bin/pip"), "--version"]
    broken = subprocess.run(pip, capture_output=True, check=False)
    assert broken.returncode != 0, "it names its Python by the old folder"
    made(renamed, python)
    subprocess.run(pip, capture_output=True, check=True)
    assert not (renamed / ".venv").exists()

    done = renamed / ".tools/.done"
    for part in (sys.version, sys.base_prefix):
        (renamed / ".venv").mkdir()
        done.write_text(done.read_text().replace(part, "another"))
        made(renamed, python)
        assert not (renamed / ".venv").exists()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Serve a package index, and yield its URL and a command that trusts its authority."""
    if CANNOT_ENTER_THE_STORE:
        pytest.skip(CANNOT_ENTER_THE_STORE)
    authority = Authority(tmp_path_factory.mktemp("authority"))
    listed = f'<a href="/{wheel.name("any")}">{wheel.name("any")}</a>'.encode()

    def answer(asked: Asked) -> None:
        content, kind = (
            (wheel.content("any"), "application/zip")
            if asked.path.endswith(".whl")
            else (listed, "text/html")
        )
        asked.answer(content, **{"Content-Type": kind})

    with Issuer(answer, tls=authority.server) as served:
        yield served.origin, authority.in_the_systems_store()


BARE = {"PATH": "/usr/bin:/bin"}
"""An environment in which no variable names a file of certificates."""


UV_ASKS = "pip install -q --no-config --no-cache --dry-run --target .tools/none --index-url {} demo"
NODE_ASKS = "-e \"fetch('{}').catch(() => process.exit(1))\""


@pytest.mark.parametrize(
    "program", [f".tools/bin/uv {UV_ASKS}", f".tools/node/bin/node {NODE_ASKS}"], ids=["uv", "node"]
)
def test_programs_that_make_starts_trust_the_systems_store(
    index: tuple[str, list[str]], tmp_path: Path, program: str
) -> None:
    url, under = index
    probe = tmp_path / "probe.mk"
    probe.write_text(f"include Makefile\nprobe:\n\t{program.format(url)}\n")
    command = [*under, "make", "--silent", "-f", str(probe), "probe"]
    run(command, ROOT, BARE | {"HOME": str(tmp_path)})


def test_first_pip_trusts_the_systems_store(index: tuple[str, list[str]], tmp_path: Path) -> None:
    url, under = index
    pip = [
        str(ROOT / ".tools/bin/python"),
        "-m",
        "pip",
        "download",
        "--no-cache-dir",
        "--retries=0",
    ]
    env = tools.trusting_the_system(BARE | {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull})
    run([*under, *pip, "--no-deps", "--index-url", url, "demo"], tmp_path, env)


def test_certificates_of_the_environment_take_precedence() -> None:
    named = {"REQUESTS_CA_BUNDLE": "/mine.pem", "PIP_USE_FEATURE": "fast-deps"}
    assert named.items() <= tools.trusting_the_system(named).items()
    assert "REQUESTS_CA_BUNDLE" not in tools.trusting_the_system({"CURL_CA_BUNDLE": "/mine.pem"})


def test_edit_that_is_saved_during_a_build_of_the_web_app_is_built_next_time(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in (".tools", "frontend/.next", "frontend/node_modules"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("node_modules/.done", "page.tsx"):
        (tmp_path / "frontend" / file).touch()
    build = "cd frontend && echo built >> ../builds"
    # The clock of a file system may advance only every few milliseconds.
    newer = "test page.tsx -nt ../.tools/build-began"
    edit = f"{build} && until {newer}; do touch page.tsx; done"
    for command, count in ((edit, 1), (build, 2), (build, 2)):
        make = ["make", "--silent", "-o", "check-web", "build-web", f"BUILD={command}"]
        run(make, tmp_path, BARE)
        assert (tmp_path / "builds").read_text().count("built") == count
