"""The cost of an operation: the most fields and bytes of its response.

`estimation` computes the cost once for each document. What depends on the variables is computed
here for each request, before the operation runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from api.errors import OperationTooLarge

MAX_COST = 20_000
"""The most fields of a response and values of the variables, together."""
MAX_RESPONSE = 8_000_000
"""The most bytes of a response."""
MAX_ITEMS = 100
"""The most items of a list. Resolvers reject requests for more."""
LONG = 1_000
"""Characters of a text in the variables that cost as much as a value."""

Variables: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Length:
    """The length of a list: the value of `variable`, or `fixed` if there is no such value."""

    fixed: float
    variable: str | None = None
    null: float = 0
    """The length if the variable was sent as null."""

    def evaluate(self, variables: Variables) -> float:
        """Return the most items of the list. The types of the variables are not validated yet."""
        if self.variable is None or self.variable not in variables:
            return self.fixed
        given = variables[self.variable]
        if given is None:
            return self.null
        if isinstance(given, list):
            given = len(given)
        elif isinstance(given, float):  # GraphQL accepts 100.0 as an Int
            return MAX_ITEMS
        return min(max(given, 1), MAX_ITEMS) if isinstance(given, int) else 1


class Total(NamedTuple):
    """The most fields and bytes of a response."""

    fields: float
    octets: float


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of an operation or of a part of it."""

    fields: float
    """The number of fields outside `lists`."""
    octets: float = 0
    """The number of bytes outside `lists`."""
    lists: tuple[tuple[Length, "Cost"], ...] = ()
    """The lists whose cost depends on variables, each with its length and the cost of one item."""
    rows: Length | None = None
    """The rows that the resolver of a page reads. They are the least cost of the page: a client may
    select nothing of them."""
    inputs: tuple["Input", ...] = ()
    """The arguments of the fields outside `lists`."""

    def evaluate(self, variables: Variables, weights: dict[str, int] | None = None) -> Total:
        """Return the fields and bytes of the largest response with these variables.

        `weights` caches the number of values of each variable.
        """
        weights = {} if weights is None else weights
        fields, octets = self.fields, self.octets
        for length, items in self.lists:
            times, each = length.evaluate(variables), items.evaluate(variables, weights)
            fields += times * (each.fields + sum(i.weigh(variables, weights) for i in items.inputs))
            octets += times * each.octets
        if self.rows is not None:
            fields = max(fields, self.rows.evaluate(variables))
        return Total(fields, octets)

    def check(self, variables: Variables) -> float:
        """Return the number of values of the variables and of fields of the response, together.

        Raises OperationTooLarge when the variables and the response exceed a limit.
        """
        fields, octets = self.evaluate(variables)
        cost = count_values(variables) + fields
        if cost > MAX_COST:
            raise OperationTooLarge(
                f"The variables and the response could have over {MAX_COST} values and fields: "
                "select fewer fields, or ask for smaller pages."
            )
        if octets > MAX_RESPONSE:
            raise OperationTooLarge(
                f"The response could have over {MAX_RESPONSE} bytes: select fewer long fields, or "
                "ask for smaller pages."
            )
        return cost


class Input(NamedTuple):
    """A variable in an argument, or the literals of an argument if there is no name."""

    name: str
    weight: int
    """The number of values in the default of the variable, or in the literals."""

    def weigh(self, variables: Variables, weights: dict[str, int]) -> int:
        """Return the number of values. Store that of a variable in `weights`."""
        if self.name not in variables:
            return self.weight
        if self.name not in weights:
            weights[self.name] = count_values([variables[self.name]])
        return weights[self.name]


def count_values(given: Variables | list[Any]) -> int:
    """Return the number of values at every depth, in which a long text counts more than once.

    Stop counting above `MAX_COST`.
    """
    count = 0
    waiting: list[Any] = [given]
    for value in waiting:  # the loop body appends to this list
        count += len(value)
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) is str:
                count += len(item) // LONG
            elif type(item) in _NESTED:
                waiting.append(item)
        if count > MAX_COST:
            break
    return count


_NESTED = frozenset({dict, list})
