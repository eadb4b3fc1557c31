"""Where `make dev` listens, and how it reads an `.env`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.postgres import ROOT
from dev.run import loopback


@pytest.mark.parametrize(
    ("localhost", "expected"),
    [
        ({"127.0.0.1"}, "127.0.0.1"),
        ({"127.0.0.1", "::1"}, "127.0.0.1"),
        ({"::1"}, "::1"),
        (set(), "127.0.0.1"),
    ],
)
def test_server_listens_on_an_address_of_localhost(localhost: set[str], expected: str) -> None:
    assert loopback(lambda: localhost) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_env_file_in_another_encoding_prints_one_line(tmp_path: Path, encoding: str) -> None:
    for room in ("api", "dev"):
        shutil.copytree(ROOT / room, tmp_path / room)
    (tmp_path / ".env").write_bytes("JWT_ISSUER='hunter2 Ä'\n".encode(encoding))
    done = subprocess.run(
        [sys.executable, "-m", "dev.run"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).splitlines()
    assert line.startswith(".env: expected a readable file of text in UTF-8, for example ")
