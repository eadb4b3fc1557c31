"""For pytest among mutants: where a change is noticed soonest goes first, and searches go last."""

import pytest
from hypothesis import Phase, settings

ORDER = ["test_keys", "test_revocations", "test_auth", "test_key_set", "test_tokens"]

# Not the smallest example of what fails, which here nobody reads.
settings.register_profile("mutants", phases=[Phase.generate])
settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By file, and in it from top to bottom."""
    items.sort(key=lambda item: (ORDER.index(item.path.stem), item.location[1]))
