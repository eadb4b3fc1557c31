"""`python -m api doctor`: each problem is named with a fix, and the fix works."""

import asyncio
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import asyncpg
import pytest

from api import cli, doctor, migrations
from api.doctor import row_security
from api.owned.resource import RESOURCES
from dev.postgres import Postgres
from tests import issuer, pooler, stack
from tests.authority import CANNOT_ENTER_THE_STORE, Authority
from tests.conftest import run, trusting
from tests.issuer import Issuer
from tests.test_cli import run as command
from tests.waiting import PATIENCE

ALONE = {"API_URL": f"http://{stack.NOBODY}"}
"""The variable of an installation whose API does not run."""


def examined(env: Mapping[str, str], **limits: float) -> dict[str, doctor.Finding]:
    """Return the findings in this environment, by subject."""
    [found] = examined_at_once(env, **limits)
    return found


def examined_at_once(*envs: Mapping[str, str], **limits: float) -> list[dict[str, doctor.Finding]]:
    """Return the findings in each of these environments, by subject."""
    patient = {"patience": PATIENCE, "fetch_timeout": PATIENCE} | limits

    async def examine(config: doctor.Settings) -> dict[str, doctor.Finding]:
        return {finding.about: finding async for finding in doctor.examine(config, **patient)}

    async def every() -> list[dict[str, doctor.Finding]]:
        return await asyncio.gather(*(examine(config) for config in map(settings_of, envs)))

    return asyncio.run(every())


def settings_of(env: Mapping[str, str]) -> doctor.Settings:
    """Return the doctor's settings in this environment."""
    with mock.patch.dict(os.environ, {**ALONE, **env}, clear=True):
        return doctor.Settings.read(Path("/dev/null"))


def test_the_check_of_row_security_uses_no_column_of_a_noun() -> None:
    source = Path(row_security.__file__).read_text()
    assert [each.name for each in RESOURCES if each.count in source] == []


def wrong(found: Mapping[str, doctor.Finding]) -> list[str]:
    return [finding.about for finding in found.values() if finding.fix is not None]


def database(postgres: Postgres, role: str) -> str:
    """Create an empty database with an owner of this kind, and return its URL."""
    name = f"doctor_{secrets.token_hex(6)}"

    async def make(connection: asyncpg.Connection) -> None:
        await connection.execute(f"CREATE ROLE {name} LOGIN {role}")
        await connection.execute(f"CREATE DATABASE {name} OWNER {name}")

    run(postgres, make)
    return urlsplit(postgres.url)._replace(netloc=f"{name}@", path=f"/{name}").geturl()


def test_doctor_prints_ok_for_each_subject(settings: dict[str, str], tmp_path: Path) -> None:
    done = command(settings | ALONE, tmp_path, "doctor")
    lines = done.stdout.splitlines()
    about = ["secret", "database", "migrations", "wall 3", "role", "issuer", "events", "clock"]
    assert [re.match(r"ok     ([\w ]+): ", line)[1] for line in lines] == about  # type: ignore[index]  # each matches
    assert (done.returncode, done.stderr) == (0, "")
    assert "is on: statements of an owner run as bearer_tasks_caller" in lines[3]
    assert "does not need" in lines[5], "the web app does not run in this test"
    assert "set EVENTS_URL" in lines[6], "the API does not run either"
    assert "the clocks of this machine and the database agree within" in lines[7]
    assert settings["BETTER_AUTH_SECRET"] not in done.stdout


def test_doctor_exits_with_1_when_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    env = trusting(f"postgresql://u:hunter2@{stack.NOBODY}/db")
    with mock.patch.dict(os.environ, env, clear=True), pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == 1
    printed, errors = capsys.readouterr()
    assert re.search(r"^WRONG  database: .*\n       start it, or correct", printed, re.MULTILINE)
    assert "hunter2" not in printed + errors


def test_fingerprint_identifies_the_secret(settings: dict[str, str]) -> None:
    """The secrets of both programs can be compared without showing them."""
    once, again = examined(settings)["secret"], examined(settings)["secret"]
    other = settings | {"BETTER_AUTH_SECRET": secrets.token_urlsafe(32)}
    assert once == again != examined(other)["secret"]


def test_missing_wall_3_is_reported_with_its_fix(postgres: Postgres, tmp_path: Path) -> None:
    """The API serves all the same, and reports it when it starts."""
    url = database(postgres, "")
    env = trusting(url)
    found = examined(env)
    assert wrong(found) == ["migrations", "wall 3"]
    assert "the migrations have not created it yet" in found["wall 3"].detail
    migrations.upgrade(url)
    found = examined(env)
    assert wrong(found) == ["wall 3"]
    assert "is off, because" in found["wall 3"].detail
    served = stack.api(tmp_path, env)
    served.stop()
    assert any(str(found["wall 3"].fix) in line for line in served.lines)

    [grant] = re.findall(r"GRANT bearer_tasks_caller TO \".*?\"", str(found["wall 3"].fix))
    run(postgres, lambda connection: connection.execute(grant))
    migrations.upgrade(url)
    assert wrong(examined(env)) == []

    # Once wall 3 exists, the API does not serve without it.
    revoke = grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")
    run(postgres, lambda connection: connection.execute(revoke))
    migrations.upgrade(url)
    found = examined(env)
    assert wrong(found) == ["wall 3"]
    assert "makes every statement fail" in found["wall 3"].detail


def test_table_without_row_security_is_named(postgres: Postgres) -> None:
    url = database(postgres, "SUPERUSER")
    migrations.upgrade(url)
    bare = "CREATE TABLE tasks.bare (owner_id text)"
    run(url, lambda connection: connection.execute(bare))
    assert "is off for bare" in examined(trusting(url))["wall 3"].detail


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        ("tasks.tasks USING (true)", "an owner saw another in tasks"),
        ("tasks.task_ids FOR SELECT USING (true)", "an owner saw another in task_ids"),
        ("tasks.owners FOR INSERT WITH CHECK (true)", "an owner wrote a row for another"),
        ("tasks.tasks AS RESTRICTIVE FOR SELECT USING (false)", "cannot be tested"),
    ],
)
def test_ineffective_row_security_is_detected(postgres: Postgres, policy: str, seen: str) -> None:
    """Row security is enabled on each table, but another policy allows too much or too little."""
    url = database(postgres, "SUPERUSER")
    migrations.upgrade(url)
    assert wrong(examined(trusting(url))) == []
    run(url, lambda connection: connection.execute(f"CREATE POLICY hole ON {policy}"))
    found = examined(trusting(url))
    assert wrong(found) == ["wall 3"]
    assert seen in found["wall 3"].detail

    async def left(connection: asyncpg.Connection) -> list[int]:
        count = "SELECT count(*) FROM tasks.{}"
        return [await connection.fetchval(count.format(name)) for name in ("owners", "tasks")]

    assert run(url, left) == [0, 0], "what was tried is undone"


def test_wrong_clock_is_named(settings: dict[str, str]) -> None:
    for hours, faults in ((0, []), (1, ["clock"]), (-1, ["clock"])):
        date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        with Issuer(issuer.responding(b"{}", Date=date)) as served:
            found = examined(settings | {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin})
        assert wrong(found) == faults
        if faults:
            assert re.fullmatch(
                r"the clock of the issuer is 3\d{3} s (ahead of|behind) those of "
                "this machine and the database",
                found["clock"].detail,
            )


def test_unavailable_key_set_is_reported(settings: dict[str, str]) -> None:
    with Issuer(issuer.serving(issuer.eddsa().jwk)) as served:
        env = settings | {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin, "JWKS_URL": served.url}
        found = examined(env)
        assert wrong(found) == []
        assert found["key set"].detail == f"EdDSA ed from {served.url}"
        served.behaviour = issuer.serving()
        assert wrong(examined(env)) == ["key set"]
        served.behaviour = issuer.responding(b"", "500 Oops")
        assert wrong(examined(env)) == ["issuer", "key set"]
    assert wrong(examined(env)) == ["issuer", "key set"]


def test_doctor_trusts_authorities_of_a_variable_and_no_others(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with Issuer(issuer.serving(issuer.eddsa().jwk), tls=authority.server) as served:
        env = {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin, "JWKS_URL": served.url}
        assert wrong(examined(settings | env)) == ["issuer", "key set"]
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert wrong(examined(settings | env)) == []


@pytest.mark.skipif(CANNOT_ENTER_THE_STORE is not None, reason=CANNOT_ENTER_THE_STORE or "")
def test_doctor_trusts_authorities_of_the_system(settings: dict[str, str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Issuer(issuer.serving(issuer.eddsa().jwk), tls=authority.server) as served:
        env = {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin, "JWKS_URL": served.url}
        under = authority.in_the_systems_store()
        done = command(settings | env, tmp_path, "doctor", under=under)
    about = re.findall(r"^(ok|WRONG) +(issuer|key set): ", done.stdout, re.MULTILINE)
    assert about == [("ok", "issuer"), ("ok", "key set")], done.stdout + done.stderr


@pytest.mark.parametrize("fault", issuer.FAULTY)
def test_every_faulty_issuer_is_reported(settings: dict[str, str], fault: str) -> None:
    with Issuer(issuer.FAULTY[fault]) as served:
        env = {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin, "JWKS_URL": served.url}
        assert "key set" in wrong(examined(settings | env, patience=0.5, fetch_timeout=0.5))


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 00:00:00 GMT", "0", "\xff"])
def test_invalid_date_header_says_nothing_about_the_clock(
    settings: dict[str, str], date: str
) -> None:
    with Issuer(issuer.responding(b"{}", Date=date)) as served:
        assert wrong(examined(settings | {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin})) == []


def test_unreachable_database_is_reported(postgres: Postgres) -> None:
    """No finding quotes a value of the URL."""
    with Issuer(issuer.babbling) as babbling, Issuer(issuer.resetting) as resetting:
        urls = (
            f"postgresql://u:hunter2@127.0.0.1:{babbling.port}/db",
            f"postgresql://u:hunter2@127.0.0.1:{resetting.port}/db",
            "postgresql://u:hunter2@nowhere.invalid/db",
            f"{postgres.url}&options=-c%20hunter2%3D1",
            f"{postgres.url}&dbname=missing",
            f"{postgres.url}&user=nobody%20here",
        )
        for url, found in zip(urls, examined_at_once(*map(trusting, urls)), strict=True):
            assert wrong(found) == ["database"], url
            assert "cannot be reached" in found["database"].detail
            assert "u:hunter2" not in str(found["database"])


def test_missing_privileges_are_reported_and_the_rest_is_examined(
    postgres: Postgres,
) -> None:
    url = database(postgres, "")
    migrations.upgrade(url)
    name = urlsplit(url).username
    lock_out = "REVOKE ALL ON SCHEMA tasks FROM PUBLIC; ALTER SCHEMA tasks OWNER TO postgres"
    run(postgres.url.replace("/postgres?", f"/{name}?"), lambda one: one.execute(lock_out))
    found = examined(trusting(url))
    assert {"migrations", "wall 3"} <= set(wrong(found))
    assert "cannot be examined" in found["migrations"].detail
    assert {"clock", "issuer"} <= found.keys()


def test_proxy_is_named_and_not_used_for_own_hosts(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jwk = issuer.eddsa().jwk
    with Issuer(issuer.serving(jwk)) as served, Issuer(issuer.serving(jwk)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ada:hunter2@127.0.0.1:{proxy.port}")
        own = {"NEXT_PUBLIC_BETTER_AUTH_URL": served.origin, "JWKS_URL": served.url}
        assert wrong(examined(settings | own)) == []
        assert proxy.asked == []
        far = own | {"JWKS_URL": "http://issuer.example/jwks"}
        found = examined(settings | far)
        said = f"EdDSA ed from http://issuer.example/jwks through the proxy {proxy.origin}"
        assert found["key set"].detail == said
        assert proxy.asked[0].path == "http://issuer.example/jwks"
        proxy.behaviour = issuer.responding(b"", "502 Bad Gateway")
        found = examined(settings | far)
        assert f"through the proxy {proxy.origin}" in found["key set"].detail
        assert "NO_PROXY" in str(found["key set"].fix)
        monkeypatch.setenv("http_proxy", "socks5://ada:hunter2@127.0.0.1:9")
        found = examined(settings | far)
        assert "HTTP_PROXY: expected an http or https proxy" in found["key set"].detail
        assert "hunter2" not in str(found)


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_pooler_that_costs_round_trips_is_reported(postgres: Postgres) -> None:
    with pooler.pooler(postgres.url) as url:
        found = examined(trusting(url))
        unpooled = examined(trusting(url, DATABASE_URL_UNPOOLED=postgres.url))
    costly = [] if pooler.keeps_statements() else ["pooler"]
    assert wrong(found) == [*costly, "notifications"]
    assert wrong(unpooled) == costly
