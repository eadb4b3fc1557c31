"""`functools.cache` for functions whose callers mypy should check."""

from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def cached(function: Callable[P, T]) -> Callable[P, T]:
    """Return `functools.cache(function)`, with the parameters of the function.

    The type of `functools.cache` accepts any arguments, so mypy would not report a wrong one.
    """
    return cast("Callable[P, T]", cache(function))
