"""A pytest plugin for mutation tests: run the files first in which a mutant fails soonest."""

import pytest
from hypothesis import Phase, settings

ORDER = [
    "test_keys",
    "test_revocations",
    "test_auth",
    "test_fetches",
    "test_key_set",
    "test_tokens",
]

# Do not search for the smallest failing example: mutation tests do not show it.
settings.register_profile("mutants", phases=[Phase.generate])
settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by file, and in each file from top to bottom."""
    items.sort(key=lambda item: (ORDER.index(item.path.stem), item.location[1]))
