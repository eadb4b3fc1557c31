"""The documentation: its links, names, commands and tables are correct."""

import ast
import builtins
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest
from uvicorn.supervisors import multiprocess

from api.errors import Code
from api.graphql.sse import HEARTBEAT
from api.postgres.url import SUPPORTED
from api.serving.server import PING
from dev.postgres import ROOT
from dev.run import NAMES
from tests import stack
from tests.conftest import Caller

TOKENS = (ROOT / "docs/tokens.md").read_text()
PAGES = sorted(
    str(page.relative_to(ROOT)) for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
)


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/\S+::\w+)`", TOKENS))))
def test_each_test_that_the_page_names_exists(named: str) -> None:
    file, _, name = named.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_every_procedure_has_a_test() -> None:
    headings = TOKENS.split("\n## Procedures\n")[1].split("\n### ")[1:]
    tests = (ROOT / "tests/e2e/test_procedures.py").read_text()
    named = [re.search(r"^`(test_\w+)`$", section, re.MULTILINE) for section in headings]
    assert all(named)
    assert {name[1] for name in named if name} == set(re.findall(r"def (test_\w+)\(", tests))


def test_every_parameter_of_a_database_url_is_documented() -> None:
    page = (ROOT / "docs/walls.md").read_text()
    no_effect = {"ssl", "gssencmode", "client_encoding", "target_session_attrs"}
    assert [name for name in SUPPORTED - no_effect if f"`{name}`" not in page] == []


def test_every_variable_is_documented() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    [table, *_] = page.split("\n## Commands\n")
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert NAMES - listed == set()
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    assert listed - NAMES - proxies == set()


def test_proxies_wait_longer_than_the_server_is_silent() -> None:
    """The timeouts must leave time for a server that is late."""
    page = (ROOT / "docs/settings.md").read_text()
    timeouts = re.findall(r"(timeout (?:tunnel|server)|proxy_read_timeout) (\d+)s", page)
    needed = {"timeout tunnel": PING, "timeout server": HEARTBEAT, "proxy_read_timeout": PING}
    assert {name for name, seconds in timeouts if int(seconds) >= 2 * needed[name]} == {*needed}


def literals(file: Path) -> list[str]:
    """Return the texts in the code of a Python file, as one text where Python joins them."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_log_lines_on_the_page_about_operating_are_in_the_code() -> None:
    """Check each part of a quoted line. Colons and placeholders separate the parts.

    The class of an error must exist. What PostgreSQL itself says after it is not checked.
    """
    page = re.sub(r"\s+", " ", (ROOT / "docs/operate.md").read_text())
    quoted = re.findall(r"(?:line|message|logs|writes|is) `([a-zC][^`]+)`", page)
    quoted += re.findall(r"`((?:no known|nbf|exp|security events?|token rejected)[^`]+)`", page)
    outages = re.findall(r"`(\w+Error)\b[^`]*`", page)
    code = [text for file in (ROOT / "api").rglob("*.py") for text in literals(file)]
    code += literals(Path(multiprocess.__file__))
    code += [file.read_text() for file in (ROOT / "frontend/lib").glob("*.ts")]
    parts = {
        part.strip(" ,")
        for line in quoted
        if " " in line
        for part in re.split(r": |…|\[PID\]|\b(?:NAME|ERROR)\b", line)
    }
    assert len(parts) > 10
    assert {part for part in parts if not any(part in text for text in code)} == set()
    assert {name for name in outages if not hasattr(asyncpg, name)} - {*dir(builtins)} == set()


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_existing_files_and_headings(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text())
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_calls_on_the_api_page_have_the_documented_results(ada: Caller) -> None:
    page = (ROOT / "docs/api.md").read_text()
    [define, *calls] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    answers = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    env = stack.environment(API=ada.url, TOKEN=ada.token)
    for call, answer in zip(calls, answers, strict=True):
        done = subprocess.run(
            ["bash", "-c", define + call], env=env, capture_output=True, text=True, check=True
        )
        told = ".*".join(re.escape(part) for part in answer.strip().split("…"))
        assert re.fullmatch(told, done.stdout), (call, done.stdout)
    codes = set(re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE))
    assert {code for cell in codes for code in re.findall(r"`(.*?)`", cell)} == set(Code)
