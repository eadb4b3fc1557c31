"""What the documentation and comments name exists, and each direct dependency has a reason."""

import json
import re
import tomllib

import pytest

from dev.postgres import ROOT

FOLDERS = ("api", "dev", "tests", "frontend", "benchmarks", "deploy", "docs", "examples")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
SOURCES = [p for folder in ("api", "dev", "tests") for p in (ROOT / folder).rglob("*.py")]
TEXTS = {str(p.relative_to(ROOT)): p for p in [*PAGES, *SOURCES] if p.name != "CHANGELOG.md"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("text", TEXTS)
def test_each_named_path_and_make_target_exists(text: str) -> None:
    source = TEXTS[text].read_text()
    paths = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", source)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert set(re.findall(r"`make ([a-z-]+)", source)) <= TARGETS


def dependencies() -> list[str]:
    """Return the direct dependencies of the API, of its development and of the web app."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"].values()
    needed = [*project["project"]["dependencies"], *(each for group in groups for each in group)]
    names = {re.split(r"[\[<>=;]", each)[0] for each in needed if isinstance(each, str)}
    package = json.loads((ROOT / "frontend/package.json").read_text())
    return sorted({*names, *package["dependencies"], *package["devDependencies"]})


@pytest.mark.parametrize("name", dependencies())
def test_each_direct_dependency_has_a_purpose_in_a_table(name: str) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Dependencies\n")[1]
    cells = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)
    named = {re.sub(r"\[(.+)\].*", r"\1", each) for cell in cells for each in cell.split(", ")}
    assert name in named
