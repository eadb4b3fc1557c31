"""The example of another FastAPI app, and the two files that may be copied into one."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.identity.keys import ACCESS_TOKEN
from dev.postgres import ROOT
from tests import plain, stack
from tests.conftest import SECRET, SITE, Caller, mint
from tests.events import push, revoked
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def rest(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stack.Server]:
    """Run the example as its first line says."""
    command = [sys.executable, "-m", "uvicorn", "examples.rest:app", "--port", "0"]
    folder = tmp_path_factory.mktemp("rest")
    server = stack.Server([*command], folder, settings, r"running on (http://\S+)")
    yield server
    server.stop()


def ask(url: str, token: str | None, method: str = "GET", **kwargs: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with plain.Client(headers=headers) as client:
        return client.request(method, url, **kwargs)  # type: ignore[arg-type]  # as httpx takes them


def test_example_has_at_most_forty_lines() -> None:
    assert len((ROOT / "examples/rest.py").read_text().splitlines()) <= 40


def test_owner_creates_and_lists_tasks_over_rest(rest: stack.Server, ada: Caller) -> None:
    url = f"{rest.url}/api/{ada.user}/tasks"
    created = ask(url, ada.token, "POST", json={"title": "over REST"})
    assert (created.status_code, created.json()["title"]) == (201, "over REST")
    assert [task["title"] for task in ask(url, ada.token).json()] == ["over REST"]
    assert ada("{ tasks { nodes { title } } }")["tasks"]["nodes"] == [{"title": "over REST"}]
    refused = ask(url, ada.token, "POST", json={"title": ""})
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
        400,
        "BAD_USER_INPUT",
    )


def test_another_owner_in_the_path_is_answered_404(
    rest: stack.Server, ada: Caller, bob: Caller
) -> None:
    bob.create("bob's")
    theirs = ask(f"{rest.url}/api/{bob.user}/tasks", ada.token)
    nobodys = ask(f"{rest.url}/api/nobody/tasks", ada.token)
    written = ask(f"{rest.url}/api/{bob.user}/tasks", ada.token, "POST", json={"title": "x"})
    assert theirs.status_code == nobodys.status_code == written.status_code == 404
    assert theirs.content == nobodys.content == written.content
    assert bob("{ viewer { taskCount } }")["viewer"]["taskCount"] == 1


def test_request_without_a_good_token_is_answered_401(rest: stack.Server, ada: Caller) -> None:
    url = f"{rest.url}/api/{ada.user}/tasks"
    for token in (None, "not.a.token", mint(ada.user, exp=1)):
        answer = ask(url, token, "POST", content=b"not JSON")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_sign_out_reaches_the_example(rest: stack.Server, api: stack.Server, ada: Caller) -> None:
    url = f"{rest.url}/api/{ada.user}/tasks"
    token = mint(ada.user, sid="elsewhere")
    assert ask(url, token).status_code == 200
    assert push(api.url, revoked(ada.user, "elsewhere")).status_code == 202

    wait_until(lambda: ask(url, token).status_code == 401, "it learns of the sign-out")


def test_copied_files_work_in_another_package(tmp_path: Path) -> None:
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("keys.py", "tokens.py"):
        shutil.copy(ROOT / "api/identity" / name, package)
    program = f"""
import asyncio, sys
from theirs.keys import KeyRing, shared_secrets
from theirs.tokens import InvalidToken, Verifier
keys = KeyRing(shared_secrets([{SECRET!r}], {ACCESS_TOKEN!r}))
verifier = Verifier(keys, issuer={SITE!r}, audience={SITE!r}, max_age=86400)
print(asyncio.run(verifier.verify({mint("ada")!r})).user_id)
try:
    asyncio.run(verifier.verify({mint("ada", aud="https://evil.example")!r}))
except InvalidToken:
    print("refused")
assert not [name for name in sys.modules if name == "api" or name.startswith("api.")]
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "ada\nrefused\n"
