"""The schema breaks no client of the last release, except for listed changes."""

import tomllib

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes

from dev.postgres import ROOT

HERE = ROOT / "tests/contract"
NOW = (ROOT / "schema.graphql").read_text()


def broken(before: str, after: str) -> set[str]:
    changes = find_breaking_changes(build_schema(before), build_schema(after))
    return {change.description for change in changes}


def test_breaking_changes_are_listed_with_a_reason() -> None:
    listed = tomllib.loads((HERE / "breaking.toml").read_text())
    assert broken((HERE / "released.graphql").read_text(), NOW) == set(listed)
    assert all(listed.values())


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("  dueOn: Date\n", "  due: Date\n"),
        ('one line."""\n  title: String!', 'one line."""\n  title: String'),
        ("  URGENT\n", "  DIRE\n"),
        ("    id: ID!\n  ): Task\n", "    id: ID!\n    why: String!\n  ): Task\n"),
    ],
)
def test_breaking_change_is_detected(written: str, instead: str) -> None:
    assert written in NOW
    assert broken(NOW, NOW.replace(written, instead))
