"""The API and the web app read a DATABASE_URL alike, and connect to the same server."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.postgres import url as database_url
from dev.postgres import ROOT, Postgres
from tests import connecting, stack, tls
from tests.authority import Authority
from tests.conftest import run

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/database_urls.json").read_text())
needs_tls = pytest.mark.skipif(tls.BINARIES is None, reason=tls.WHY_NOT)
PASSWORD = "p@s%s/w#o?r:d &+é"


def both(what: str, urls: list[str], **env: str) -> tuple[list[Any], list[Any]]:
    """Return the results of the API's code and of the web app's code.

    If environment variables are given, the API's code runs in a new process, because it caches TLS
    contexts. Otherwise it runs in this process.
    """
    web = printed([stack.NODE, "--no-warnings", ROOT / "tests/connecting.mjs", what], urls, env)
    if env:
        return printed([sys.executable, "-m", "tests.connecting"], urls, env), web
    with mock.patch.dict(os.environ, {"PATH": os.environ["PATH"]}, clear=True):
        api: list[Any] = (
            [connecting.parsed(url) for url in urls]
            if what == "read"
            else asyncio.run(connecting.connected_to(urls))
        )
    return json.loads(json.dumps(api)), web  # the results of the web app are JSON too


def printed(command: Sequence[str | Path], urls: list[str], env: Mapping[str, str]) -> list[Any]:
    """Return what a program with this environment prints about the URLs."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        input=json.dumps(urls),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["url"])
def test_url_is_parsed_as_in_the_table(case: dict[str, Any]) -> None:
    base = connecting.parsed(CASES[0]["url"])["says"]
    assert isinstance(base, dict)
    answer = connecting.parsed(case["url"])
    if "refused" in case:
        assert answer == {"refused": case["refused"]}
        assert "hunter2" not in case["refused"]
        assert re.fullmatch(r"expected .+, for example .+", case["refused"])
    else:
        assert answer == {"says": base | case["says"]}


def test_table_has_every_parameter() -> None:
    urls = " ".join(case["url"] for case in CASES)
    missing = {
        name
        for name in database_url.SUPPORTED | database_url.IGNORED
        if f"{name}=" not in urls and not name.startswith(("keepalives", "max_"))
    }
    assert missing <= {"fallback_application_name", "single_use_connections", "workaround"}


PIECES = st.sampled_from(
    [
        *("postgresql://", "postgres://", "://", "ada", "päss", "db.example", "[::1]", "127.0.0.1"),
        *("/", ":", "@", "?", "&", "=", "#", "%", "%40", "%2F", "%00", "%ff", "%C3%A9", ",", " "),
        *("5432", "0", "65536", "tasks", "+", ";", "\t", "'", "host=/run", "system", "verify-full"),
        *(f"{name}=" for name in sorted(database_url.SUPPORTED | database_url.IGNORED)),
        *(f"{name}={value}" for name, values in database_url.VALUES.items() for value in values),
        *("sslrootcert=/ca.pem", "sslrootcert=system", "sslcert=/a", "sslkey=/a", "search_path=x"),
    ]
)
LIKELY = st.builds(
    "postgresql://{}@{}/{}?{}".format,
    st.sampled_from(["ada", "ada:secret", "ada:s%40", "", "a:b:c"]),
    st.sampled_from(["db.example", "[::1]:6432", "", "%2Frun", "a,b", "db:1"]),
    st.sampled_from(["tasks", "", "a/b"]),
    st.lists(PIECES, max_size=4).map("&".join),
)


def test_api_and_web_app_parse_random_urls_alike() -> None:
    urls: list[str] = [case["url"] for case in CASES]

    @settings(max_examples=int(os.environ.get("EXAMPLES", "100")) * 5, database=None)
    @given(st.one_of(LIKELY, st.lists(PIECES, max_size=8).map("".join), st.text()))
    def drawn(url: str) -> None:
        if url.isprintable() or url.isascii():
            urls.append(url)

    drawn()
    api, web = both("read", urls)
    assert [(url, a, b) for url, a, b in zip(urls, api, web, strict=True) if a != b] == []
    taken = sum("says" in answer for answer in api)
    assert 0.05 < taken / len(urls) < 0.95


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    """Create a folder that the server can enter too: it runs as the user nobody if we are root."""
    with TemporaryDirectory(prefix="tls-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def authority(files: Path) -> Authority:
    return Authority(files)


@pytest.fixture(scope="module")
def encrypted(files: Path, authority: Authority) -> Iterator[int]:
    """Start a server whose certificate is for `localhost` only, and return its port."""
    with tls.server(files, authority, PASSWORD) as port:
        yield port


@pytest.fixture(scope="module")
def plain(files: Path) -> Iterator[int]:
    """Start a server without TLS, and return its port."""
    port, rules = stack.free_port(), files / "hba"
    rules.write_text(tls.RULES)
    rules.chmod(0o644)
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "hba_file": str(rules)}
    with Postgres(files / "postgres", settings) as server:
        run(f"{server.url}&port={port}", partial(tls.populate, password=PASSWORD))
        yield port


def answers(urls: Mapping[str, str], **env: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return for each side whether it connects encrypted, or why it does not connect."""
    api, web = both("connect", [*urls.values()], **env)
    told = []
    for side in (api, web):
        seen = [one if isinstance(one, str) else one["ssl"] for one in side]
        told.append(dict(zip(urls, seen, strict=True)))
    return told[0], told[1]


def assert_both_answer(expected: dict[str, object]) -> None:
    """Assert what the API and the web app answer for each URL."""
    api, web = answers({url: url for url in expected})
    assert api == expected
    assert web == expected


NOT = "does not connect"


@needs_tls
def test_server_with_tls_is_reached_as_sslmode_says(
    encrypted: int, authority: Authority, files: Path
) -> None:
    other = Authority(files, "other").file
    by_name = f"postgresql://postgres@localhost:{encrypted}/postgres"
    by_address = f"postgresql://postgres@127.0.0.1:{encrypted}/postgres"
    root = f"sslrootcert={authority.file}"
    expected: dict[str, object] = {
        by_name: True,
        f"{by_name}?sslmode=disable": False,
        f"{by_name}?sslmode=allow": True,
        f"{by_name}?sslmode=prefer": True,
        f"{by_name}?ssl=true": True,
        f"{by_address}?sslmode=require": True,
        f"{by_address}?sslmode=require&channel_binding=require": True,
        f"{by_address}?sslmode=require&sslnegotiation=direct": tls.version() >= 17 or NOT,
        f"{by_address}?sslmode=require&{root}": True,
        f"{by_address}?sslmode=verify-ca&{root}": True,
        f"{by_address}?sslmode=verify-ca&sslrootcert={other}": NOT,
        f"{by_name}?sslmode=verify-full&{root}": True,
        f"{by_name}?{root}": True,
        f"{by_address}?sslmode=verify-full&{root}": NOT,
        f"{by_name}?sslmode=verify-full&sslrootcert={other}": NOT,
        f"{by_name}?sslmode=verify-full": NOT,
        f"{by_name}?sslrootcert=system": NOT,
        f"{by_name}?pgbouncer=true&connect_timeout=15&schema=public": True,
    }
    assert_both_answer(expected)


@needs_tls
def test_verify_full_trusts_the_authorities_of_the_system(
    encrypted: int, authority: Authority
) -> None:
    url = f"postgresql://postgres@localhost:{encrypted}/postgres?sslmode=verify-full"
    system = {"SSL_CERT_FILE": str(authority.file)}
    api, web = answers({url: url, "by name": f"{url}&sslrootcert=system"}, **system)
    assert api == web == {url: True, "by name": True}


def test_server_without_tls_is_reached_unless_tls_is_required(plain: int) -> None:
    url = f"postgresql://postgres@127.0.0.1:{plain}/postgres"
    expected: dict[str, object] = {
        url: False,
        f"{url}?sslmode=prefer": False,
        f"{url}?sslmode=disable": False,
        f"{url}?sslmode=require": NOT,
        f"{url}?sslmode=verify-full": NOT,
    }
    assert_both_answer(expected)


@needs_tls
def test_client_certificate_is_sent(encrypted: int, authority: Authority, files: Path) -> None:
    certificate, key = authority.issue("carded")
    _, locked = authority.issue("locked", passphrase=b"hunter2")
    url = f"postgresql://carded@localhost:{encrypted}/postgres?sslmode=verify-full"
    url += f"&sslrootcert={authority.file}"
    own = f"{url}&sslcert={certificate}&sslkey={key}"
    api, web = answers({"with": own, "without": url})
    assert api == web == {"with": True, "without": NOT}
    unreadable = {
        "root missing": f"{url}&sslrootcert={files / 'missing'}",
        "root a folder": f"{url}&sslrootcert={files}",
        "root no certificate": f"{url}&sslrootcert={key}",
        "key missing": f"{url}&sslcert={certificate}&sslkey={files / 'missing'}",
        "key of another": f"{url}&sslcert={certificate}&sslkey={locked}",
        "key locked": f"{url}&sslcert={files / 'locked.crt'}&sslkey={locked}",
        "no certificate": f"{url}&sslcert={key}&sslkey={key}",
    }
    api, web = answers(unreadable)
    assert api == web
    for name, answer in api.items():
        about = "sslrootcert" if name.startswith("root") else "sslcert and sslkey"
        assert str(answer).startswith(f"expected {about} to be ")
        assert "hunter2" not in str(answer)


@pytest.mark.parametrize("kind", ["plain", pytest.param("encrypted", marks=needs_tls)])
def test_password_with_special_characters_is_percent_encoded(
    request: pytest.FixtureRequest, kind: str
) -> None:
    encoded, port = quote(PASSWORD, safe=""), request.getfixturevalue(kind)
    options = {"plain": "", "encrypted": "?sslmode=require&channel_binding=require"}[kind]
    place = f"127.0.0.1:{port}/postgres"
    api, web = both(
        "connect",
        [
            f"postgresql://ada:{encoded}@{place}{options}",
            f"postgresql://ada:wrong@{place}{options}",
            f"postgresql://ada:{PASSWORD}@{place}{options}",
        ],
    )
    for right, wrong, bare in (api, web):
        assert right["current_user"] == "ada"
        assert wrong == NOT
        assert "percent-encoded (@ as %40" in bare


@needs_tls
def test_tls_is_used_if_the_server_requires_it_and_the_url_does_not_mention_it(
    encrypted: int,
) -> None:
    url = f"postgresql://secretive:{quote(PASSWORD, safe='')}@127.0.0.1:{encrypted}/postgres"
    api, web = answers({"unsaid": url, "disabled": f"{url}?sslmode=disable"})
    assert api == web == {"unsaid": True, "disabled": NOT}


def test_session_has_the_application_name_of_the_url(plain: int) -> None:
    url = f"postgresql://postgres@127.0.0.1:{plain}/postgres"
    api, web = both(
        "connect", [url, f"{url}?application_name=a%20b", f"{url}?options=-c%20geqo%3Doff"]
    )
    assert [one["application"] for one in api] == ["bearer-tasks-api", "a b", "bearer-tasks-api"]
    assert [one["application"] for one in web] == [
        "bearer-tasks-frontend",
        "a b",
        "bearer-tasks-frontend",
    ]
