"""Items expire in order, and removed items leave few entries in memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from api.graphql.expirations import Expirations


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans())))
def test_items_expire_at_their_time_unless_they_were_removed(items: list[tuple[int, bool]]) -> None:
    expirations: Expirations[int] = Expirations(most_stale=2)
    numbers = [expirations.add(item, time) for item, (time, _) in enumerate(items)]
    for number, (_, removed) in zip(numbers, items, strict=True):
        if removed:
            expirations.remove(number)
    for now in range(10):
        due = [i for i, (time, removed) in enumerate(items) if time == now and not removed]
        assert [*expirations.expired(now)] == due
        assert not [*expirations.expired(now)]


def test_removed_items_leave_few_entries() -> None:
    """Clients may connect again and again, and each of their tokens may be valid for a day."""
    expirations: Expirations[str] = Expirations(most_stale=10)
    expirations.add("kept", 1)
    tracemalloc.start()
    for _ in range(10_000):
        expirations.remove(expirations.add("removed", 86_400))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 10_000
    assert [*expirations.expired(86_400)] == ["kept"]


def test_removal_after_the_expiry_changes_nothing() -> None:
    expirations: Expirations[str] = Expirations()
    number = expirations.add("ada", 1)
    assert [*expirations.expired(1)] == ["ada"]
    expirations.remove(number)
    assert not [*expirations.expired(2)]
