"""The page on fields and nouns: its diffs and commands work in copies of the project.

The diffs fit the project as released. Once the project has a later migration than the page, its
fields and nouns are no longer those of the page, and these tests are skipped.
"""

import re
import secrets
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api import migrations
from dev.postgres import ROOT, Postgres
from tests import stack
from tests.conftest import Caller, mint, run, trusting

PAGE = (ROOT / "docs/your-noun.md").read_text()
RELEASE = "0007"
"""The last migration of the project for which the page was written."""
COPIED = ("api", "benchmarks", "dev", "tests")
HEADINGS = {
    "One more field": ("4 lines", 5),
    "A field to filter by, to sort by, and to change in bulk": ("8 lines", 8),
    "A second noun": ("150 lines", 150),
}
"""The number of lines in a section's diffs, according to the page, and its maximum."""
IN_ITS_PLACE = "Another noun in place of tasks"
FAST_NOUN_TESTS = (
    "tests/test_notes.py",
    "tests/owned/test_resources.py",
    "tests/owned/test_isolation.py::test_attack_finds_every_noun_of_the_schema",
    "tests/test_migrations.py::test_migrations_create_the_tables_of_the_models",
    "tests/test_schema.py",
)
SLOW_NOUN_TESTS = (
    "tests/owned/test_isolation.py",
    "tests/owned/test_retention.py",
    "tests/test_doctor.py::test_doctor_prints_ok_for_each_subject",
    "tests/test_doctor.py::test_ineffective_row_security_is_detected",
    "tests/postgres/test_partitions.py::test_tables_are_partitioned_and_merged_again_with_all_their_objects",
)
"""Tests that `make prove` runs for a second noun, including the attack on all nouns."""
HELD = "test_every_statement_is_scoped_to_its_owner_as_postgresql_parses_it"
TRIED_WITHOUT_IT = (
    "tests/owned/test_isolation.py::test_attack_with_the_victims_own_token_succeeds_in_every_operation",
    "tests/owned/test_isolation.py::test_task_of_another_owner_costs_the_same_statements_as_a_missing_one",
)
"""Tests that take long, and that a second noun does not change."""

pytestmark = pytest.mark.skipif(
    migrations.head() != RELEASE,
    reason=f"docs/your-noun.md is about migration {RELEASE}; this is {migrations.head()}",
)


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def diff(heading: str) -> str:
    return "".join(re.findall(r"```diff\n(.*?)```", section(heading), re.DOTALL))


def copy(folder: Path) -> Path:
    """Return a copy of the project, with the interpreter of these tests."""
    for name in COPIED:  # with the bytecode, which Python uses if a file has the same time and size
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "schema.graphql"):
        shutil.copy2(ROOT / name, folder)
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def do(folder: Path, *command: str, given: str | None = None, **variables: str) -> str:
    """Run a command in a copy, and return what it printed. It must succeed."""
    env = stack.environment(**{**variables, "PYTHONPATH": str(folder)})
    done = subprocess.run(
        command, cwd=folder, env=env, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
    return done.stdout


def check(folder: Path, *more: str) -> None:
    """Check the types and the imports of a copy."""
    do(folder, sys.executable, "-m", "mypy", "api", *more)
    do(folder, f"{sys.prefix}/bin/lint-imports", "--no-cache")


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """Return the URL of an empty database."""
    name = f"noun_{secrets.token_hex(6)}"
    run(postgres, lambda connection: connection.execute(f"CREATE DATABASE {name}"))
    yield urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
    run(postgres, lambda connection: connection.execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy with all diffs of the page."""
    folder = copy(tmp_path_factory.mktemp("project"))
    for heading in HEADINGS:
        do(folder, "git", "apply", "-", given=diff(heading))
    sdl = do(folder, sys.executable, "-m", "api", "schema")
    (folder / "schema.graphql").write_text(sdl)
    return folder


@pytest.mark.parametrize("heading", HEADINGS)
def test_diff_applies_alone_and_is_as_short_as_the_page_says(heading: str, tmp_path: Path) -> None:
    lines, most = HEADINGS[heading]
    files = re.split(r"^diff --git a/(\S+) .*\n", diff(heading), flags=re.MULTILINE)
    python = [
        line
        for name, changes in zip(files[1::2], files[2::2], strict=True)
        if name.startswith("api/") and "/migrations/" not in name
        for line in re.findall(r"^\+(?!\+\+)(.*\S.*)$", changes, re.MULTILINE)
    ]
    assert f"{len(python)} lines" == lines
    assert f" {lines} of Python" in " ".join(section(heading).split())
    assert len(python) <= most
    shutil.copytree(ROOT / "api", tmp_path / "api")
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    do(tmp_path, "git", "apply", "--check", "-", given=diff(heading))


CREATE = """mutation ($input: CreateTaskInput!) {
  createTask(input: $input) { task { id place estimateMinutes } } }"""
UPDATE = """mutation ($id: ID!, $patch: TaskPatch!) {
  updateTask(id: $id, patch: $patch) { task { place estimateMinutes } } }"""
UPDATE_ALL = """mutation ($ids: [ID!]!, $patch: TasksPatch!) {
  updateTasks(ids: $ids, patch: $patch) { tasks { estimateMinutes } } }"""
SORTED = """query ($first: Int, $after: String, $filter: TaskFilter) {
  tasks(first: $first, after: $after, filter: $filter, orderBy: {field: ESTIMATE}) {
    nodes { title } pageInfo { endCursor } totalCount } }"""


def test_fields_of_the_page_work(project: Path, database: str) -> None:
    """The API applies the migrations of the page when it starts."""
    api = stack.api(project, trusting(database, PYTHONPATH=str(project)))
    try:
        a_place_can_be_given_and_cleared(Caller(api.url, "ada", mint("ada")))
        an_estimate_filters_sorts_and_is_changed_in_bulk(Caller(api.url, "bob", mint("bob")))
    finally:
        api.stop()


def a_place_can_be_given_and_cleared(ada: Caller) -> None:
    created = ada(CREATE, input={"title": "Buy bread", "place": "bakery"})["createTask"]["task"]
    assert created["place"] == "bakery"
    assert ada(CREATE, input={"title": "No place"})["createTask"]["task"]["place"] is None
    patched = ada(UPDATE, id=created["id"], patch={"title": "Buy rye"})
    assert patched["updateTask"]["task"]["place"] == "bakery"
    cleared = ada(UPDATE, id=created["id"], patch={"place": None})
    assert cleared["updateTask"]["task"]["place"] is None
    error = ada.error(CREATE, input={"title": "x", "place": "x" * 201})
    assert list(error["extensions"]["fields"]) == ["place"]


def an_estimate_filters_sorts_and_is_changed_in_bulk(bob: Caller) -> None:
    def made(title: str, estimate: int | None) -> Any:
        given = {"title": title, "estimateMinutes": estimate}
        return bob(CREATE, input=given)["createTask"]["task"]

    def titles(**variables: Any) -> tuple[str, str]:
        page = bob(SORTED, **variables)["tasks"]
        return " ".join(node["title"] for node in page["nodes"]), page["pageInfo"]["endCursor"]

    ids = {title: made(title, n)["id"] for title, n in (("c", None), ("b", 30), ("a", 5))}
    assert titles()[0] == "b a c", "the longest first, then those without an estimate"
    found, after = titles(first=1)
    assert (found, titles(first=2, after=after)[0]) == ("b", "a c")
    assert titles(filter={"estimateTo": 5})[0] == "a"
    patched = bob(UPDATE_ALL, ids=[*ids.values()], patch={"estimateMinutes": 60})["updateTasks"]
    assert patched["tasks"] == [{"estimateMinutes": 60}] * 3
    cleared = bob(UPDATE, id=ids["a"], patch={"estimateMinutes": None})["updateTask"]["task"]
    assert cleared["estimateMinutes"] is None
    for bad in (0, 10_001, 70_000):
        error = bob.error(CREATE, input={"title": "x", "estimateMinutes": bad})
        assert list(error["extensions"]["fields"]) == ["estimateMinutes"]
        error = bob.error(SORTED, filter={"estimateTo": bad})
        assert list(error["extensions"]["fields"]) == ["filter.estimateTo"]


def test_code_of_the_page_passes_mypy_import_linter_and_ruff(project: Path) -> None:
    check(project, "tests/test_notes.py")
    for style in (("check",), ("format", "--check")):
        do(project, sys.executable, "-m", "ruff", *style, "--quiet", "api", "tests/test_notes.py")


@pytest.mark.parametrize(
    ("tests", "found"),
    [
        (FAST_NOUN_TESTS, "rows_of_an_owner_and_rejects_later_writes[notes] PASSED"),
        pytest.param(
            *(SLOW_NOUN_TESTS, "test_owner_cannot_read_or_write_rows_of_another_owner PASSED"),
            marks=pytest.mark.prove,
        ),
    ],
    ids=["fast", "slow"],
)
def test_second_noun_passes_every_test_of_a_noun(
    project: Path, tests: tuple[str, ...], found: str
) -> None:
    """The tests find the second noun: the IDs of its tests are in the output."""
    skipped = [f"--deselect={test}" for test in TRIED_WITHOUT_IT]
    # These tests have run for the other nouns.
    others = ("-k", "not [tasks and not [projects and not tasks] and not projects]")
    command = (sys.executable, "-m", "pytest", "-n0", "-v", "-x")
    told = do(project, *command, *tests, *skipped, *others)
    assert found in told
    assert "test_attack_finds_every_noun_of_the_schema PASSED" in told


@pytest.fixture
def renamed(tmp_path: Path, database: str) -> Path:
    """Return a copy with another noun in place of tasks, and the copy's SDL written anew."""
    folder = copy(tmp_path)
    [commands] = re.findall(r"```sh\n(.*?)```", section(IN_ITS_PLACE), re.DOTALL)
    do(folder, "bash", "-euc", textwrap.dedent(commands), **trusting(database))
    return folder


@pytest.mark.prove
def test_noun_in_place_of_tasks_is_a_rename(renamed: Path) -> None:
    sdl = (renamed / "schema.graphql").read_text()
    assert "createRecipes(" in sdl
    assert "task" not in sdl.lower()
    do(renamed, f"{sys.prefix}/bin/lint-imports", "--no-cache")


@pytest.mark.prove
def test_renamed_noun_passes_mypy_its_tests_and_the_attack(renamed: Path) -> None:
    """Run mypy on the whole copy, because every module of it was changed."""
    check(renamed)
    tests = ("tests/owned/test_resources.py", "-k", f"not {HELD}")
    do(renamed, sys.executable, "-m", "pytest", "-n0", "-x", *tests)
    assert "0 let through" in do(renamed, sys.executable, "-m", "tests.attack")
