"""Typed clients, generated from the committed schema as others would: built, checked and run."""

import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from dev.postgres import ROOT
from tests import stack
from tests.conftest import mint
from tests.waiting import PATIENCE

CLIENTS = ROOT / "tests/clients"
MODULES = stack.FRONTEND / "node_modules"
ARIADNE = ROOT / ".tools/clients/bin"
"""A separate environment: ariadne-codegen needs an older graphql-core than the API."""


def workplace(folder: Path, language: str) -> Path:
    """Copy what the author of a client starts with: the schema, documents and a program."""
    shutil.copytree(CLIENTS / language, folder, dirs_exist_ok=True)
    for file in (ROOT / "schema.graphql", CLIENTS / "flow.graphql"):
        shutil.copy2(file, folder)
    return folder


def run(folder: Path, *command: str | Path, **variables: str) -> str:
    env = stack.environment(**variables) | {"PYTHONPATH": ""}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


CHECKED = pytest.mark.parametrize("checked", [False, pytest.param(True, marks=pytest.mark.prove)])
"""`make prove` checks the types too, which takes ten times as long as the run of a client."""


@CHECKED
def test_typescript_client_is_generated_and_works(
    tmp_path: Path, api: stack.Server, *, checked: bool
) -> None:
    folder = workplace(tmp_path, "typescript")
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{"type": "module"}')

    def node(program: str, *arguments: str) -> None:
        run(folder, stack.NODE, MODULES / program, *arguments)

    node("@graphql-codegen/cli/cjs/bin.js", "--config", "codegen.ts")
    if checked:
        node("gql.tada/bin/cli.js", "generate-output")
        node("typescript/bin/tsc", "--project", "tsconfig.json")
    user = secrets.token_hex(8)
    told = run(folder, stack.NODE, "flow.ts", API=api.url, TOKEN=mint(user))
    assert told == "the flow went through\n"


@CHECKED
def test_clients_for_sockets_and_streams_follow_changes(
    tmp_path: Path, api: stack.Server, *, checked: bool
) -> None:
    folder = workplace(tmp_path, "live")
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{"type": "module"}')
    if checked:
        run(folder, stack.NODE, MODULES / "typescript/bin/tsc", "--project", "tsconfig.json")
    token = mint(secrets.token_hex(8))
    told = run(folder, stack.NODE, "live.ts", API=api.url, TOKEN=token)
    assert told == "the flow went through\n"


@CHECKED
def test_python_client_is_generated_and_works(
    tmp_path: Path, api: stack.Server, *, checked: bool
) -> None:
    folder = workplace(tmp_path, "python")
    run(folder, ARIADNE / "ariadne-codegen")
    if checked:
        run(folder, ARIADNE / "mypy", "flow.py", "tasks_client")
    user = secrets.token_hex(8)
    told = run(folder, ARIADNE / "python", "flow.py", API=api.url, TOKEN=mint(user))
    assert told == "the flow went through\n"
