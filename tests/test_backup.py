"""The commands of docs/operate.md make a backup, restore it elsewhere, and go back to it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from dev.postgres import ROOT
from tests import plain, stack
from tests.conftest import Caller, run
from tests.contract.people import Browsers

PAGE = (ROOT / "docs/operate.md").read_text()
BACKUP, RESTORE, GO_BACK = re.findall(
    r"```sh\n(.*?)```", PAGE.split("\n## Backup and restore\n")[1].split("\n## ")[0], re.DOTALL
)
TITLES = "{ tasks { nodes { title } } }"


@pytest.fixture
def target() -> Iterator[str]:
    """Return the URL of an empty database. As at a provider, its role is no superuser."""

    async def prepare(connection: asyncpg.Connection) -> None:
        await connection.execute("CREATE ROLE app LOGIN CREATEROLE")
        await connection.execute("CREATE DATABASE app OWNER app")

    with stack.postgres() as server:
        run(server, prepare)
        yield server.url.replace("postgres@/postgres", "app@/app")


def shell(commands: str, folder: Path, **variables: str) -> None:
    """Run commands of the page in a folder that is like a checkout in which `make dev` runs."""
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=stack.environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def sign_in(web: stack.Server, email: str) -> str:
    """Sign in with a password, and return an access token."""
    with plain.Client(base_url=web.url, headers={"Origin": web.url}) as browser:
        given = {"email": email, "password": "correct horse"}
        browser.post("/api/auth/sign-in/email", json=given).raise_for_status()
        return str(browser.get("/api/auth/token").raise_for_status().json()["token"])


@pytest.mark.prove
def test_backup_is_restored_elsewhere_and_in_place(
    site: stack.Site, target: str, tmp_path: Path
) -> None:
    folder = tmp_path / "a checkout"
    (folder / ".data").mkdir(parents=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".data/dev.env").write_text(f"DATABASE_URL='{site.database.url}'\n")
    with ExitStack() as running:
        ada = Browsers(running).sign_up(site)
        Caller(site.api.url, ada.id, ada.token()).create("Before the backup")
        shell(BACKUP, folder)
        env = {
            **site.env,
            "DATABASE_URL": target,
            "NEXT_PUBLIC_BETTER_AUTH_URL": f"http://localhost:{stack.free_port()}",
            "API_URL": f"http://localhost:{stack.free_port()}",
        }
        path = BACKUP.partition("\n")[0] + "\n"
        shell(path + RESTORE, folder, **(env | {"TARGET": target}))
        api = stack.api(folder, env, port=int(env["API_URL"].rpartition(":")[2]))
        running.callback(api.stop)
        web = stack.web(env)
        running.callback(web.stop)
        restored = Caller(api.url, ada.id, sign_in(web, ada.email))
        assert restored(TITLES)["tasks"]["nodes"] == [{"title": "Before the backup"}]

        restored.create("After the backup")
        shell(path + GO_BACK, folder, **(env | {"TARGET": target}))
        api.stop()
        api = stack.api(folder, env, port=int(env["API_URL"].rpartition(":")[2]))
        running.callback(api.stop)
        returned = Caller(api.url, ada.id, sign_in(web, ada.email))
        assert returned(TITLES)["tasks"]["nodes"] == [{"title": "Before the backup"}]
        returned.create("Goes on")
