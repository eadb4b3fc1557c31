"""A pytest plugin for `make coverage`: pause the measurement of coverage in repetitive tests.

A property test calls the same lines with hundreds of generated values. Measured, it takes twice as
long. Tests with fixed values cover the same lines, and do so in every run.
"""

from collections.abc import Iterator

import pytest
from coverage import Coverage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Stop the measurement in this process while a test marked `repetitive` runs."""
    measurement = Coverage.current()
    if measurement is None or item.get_closest_marker("repetitive") is None:
        return (yield)
    measurement.stop()
    try:
        return (yield)
    finally:
        measurement.start()
