"""The commands of `python -m api`."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import jwt
import pytest

from api import cli
from dev.postgres import ROOT
from tests import forking, plain, stack
from tests.conftest import SECRET, SITE, Caller
from tests.waiting import PATIENCE


def run(
    env: dict[str, str], cwd: Path, *arguments: str, under: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `python -m api` with these arguments, under another command if one is given."""
    command = [*under, sys.executable, "-m", "api", *arguments]
    return subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def parse(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit status and the output of a command that ends before it reads its settings.

    It is called in this process, because starting another one takes a second.
    """
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return ended.value.code, *capsys.readouterr()  # type: ignore[return-value]  # the code is a number


Token = Callable[..., tuple[int, str, str]]


@pytest.fixture
def token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Token:
    """Return a function that runs `python -m api token` in this process.

    It takes the environment, a user and more arguments, and returns the exit status and the output.
    """
    monkeypatch.chdir(tmp_path)

    def run_here(env: dict[str, str], user: str, *arguments: str) -> tuple[int, str, str]:
        status = 0
        with mock.patch.dict(os.environ, env, clear=True):
            try:
                cli.main(["token", "--user", user, *arguments])
            except SystemExit as ended:
                status = int(str(ended.code))
        return status, *capsys.readouterr()

    return run_here


@pytest.mark.parametrize(
    "command", [(), ("serve",), ("migrate",), ("token",), ("schema",), ("doctor",)]
)
def test_help_describes_every_option(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    status, printed, _ = parse(capsys, *command, "--help")
    assert status == 0
    undescribed = re.findall(r"^  (--\S+(?: \S+)?)$(?!\n {10,}\S)", printed, re.MULTILINE)
    assert not undescribed


def test_schema_command_needs_no_environment_and_prints_the_committed_schema(
    tmp_path: Path,
) -> None:
    done = run(stack.environment(), tmp_path, "schema")
    assert done.stdout == (ROOT / "schema.graphql").read_text(), "stale: run `make schema`"


def test_printed_token_is_accepted_by_the_api(
    settings: dict[str, str], api: stack.Server, tmp_path: Path
) -> None:
    done = run(settings, tmp_path, "token", "--user", "ada", "--email", "ada@example.com")
    caller = Caller(api.url, "ada", done.stdout.strip())
    assert caller("{ viewer { id email } }")["viewer"] == {"id": "ada", "email": "ada@example.com"}


def test_each_printed_token_has_a_sid_of_its_own(settings: dict[str, str], token: Token) -> None:
    printed = [token(settings, "ada")[1].strip() for _ in range(2)]
    claims = [jwt.decode(one, options={"verify_signature": False}) for one in printed]
    assert claims[0]["sid"] != claims[1]["sid"]


def test_token_command_needs_shared_secret_tokens_when_a_key_set_is_configured(
    settings: dict[str, str], token: Token
) -> None:
    env = settings | {"JWKS_URL": f"{SITE}/api/auth/jwks"}
    status, printed, error = token(env, "ada")
    assert (status, printed) == (2, "")
    assert error.startswith("JWKS_URL: ")
    assert token(env | {"SHARED_SECRET_TOKENS": "1"}, "ada")[0] == 0


@pytest.mark.parametrize("span", ["0s", "1w", "", "-1s", "24"])
def test_invalid_lifetime_of_a_token_is_rejected(
    capsys: pytest.CaptureFixture[str], span: str
) -> None:
    status, printed, error = parse(capsys, "token", "--user", "ada", "--expires-in", span)
    assert (status, printed) == (2, "")
    assert "--expires-in" in error


def test_printed_token_lives_no_longer_than_access_token_max_age(
    settings: dict[str, str], token: Token
) -> None:
    status, printed, error = token(settings, "ada", "--expires-in", "25h")
    assert (status, printed) == (2, "")
    assert "--expires-in" in error
    _, printed, _ = token(settings | {"ACCESS_TOKEN_MAX_AGE": "60"}, "ada")
    claims = jwt.decode(printed.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.parametrize("user", ["", "x" * 256, "a\nb"])
def test_token_for_an_invalid_user_is_not_printed(
    settings: dict[str, str], token: Token, user: str
) -> None:
    status, printed, error = token(settings, user)
    assert (status, printed) == (2, "")
    assert error.startswith("--user")


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_invalid_port_is_rejected(capsys: pytest.CaptureFixture[str], port: str) -> None:
    status, _, error = parse(capsys, "serve", "--port", port)
    assert status == 2
    assert "--port" in error


def test_serve_without_a_database_url_prints_one_line(tmp_path: Path) -> None:
    env = stack.environment(BETTER_AUTH_SECRET=SECRET, NEXT_PUBLIC_BETTER_AUTH_URL=SITE)
    done = run(env, tmp_path, "serve")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("DATABASE_URL: expected")
    assert "make dev" in line


def test_failed_migration_prints_one_line_without_the_password(tmp_path: Path) -> None:
    env = stack.environment(DATABASE_URL=f"postgresql://u:hunter2@{stack.NOBODY}/db")
    done = run(env, tmp_path, "migrate")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("DATABASE_URL: cannot migrate")
    assert "hunter2" not in done.stderr


def test_concurrent_and_repeated_migrations_succeed(tmp_path: Path) -> None:
    with stack.postgres() as server, (tmp_path / "printed").open("wb") as printed:
        env, command = stack.environment(DATABASE_URL=server.url), [*forking.COMMAND, "migrate"]
        start = forking.child_type(("migrate",), env)
        running = [start(command, cwd=tmp_path, env=env, output=printed.fileno()) for _ in range(4)]
        assert [child.process.wait(PATIENCE) for child in running] == [0, 0, 0, 0]
        assert run(env, tmp_path, "migrate").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_stops_on_sigterm_and_sigint(
    settings: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    server = stack.api(tmp_path, settings)
    assert plain.get(f"{server.url}/health/live").status_code == 200
    server.child.process.send_signal(number)
    assert server.child.process.wait(PATIENCE) in {0, -number, 128 + number}
    server.stop()
    assert "Finished server process" in "\n".join(server.lines)
