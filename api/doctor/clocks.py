"""Compare the clocks of the programs of an installation, and find out which one is wrong."""

import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from api.doctor.finding import Finding
from api.identity.tokens import LEEWAY

TOLERATED = LEEWAY / 2
"""The seconds that two clocks may differ. Tokens allow for twice as many."""


class _Clock(NamedTuple):
    whose: str
    ahead: float
    """How many seconds this clock is ahead of the clock of this machine."""
    uncertain: float
    """The seconds by which `ahead` may be wrong, because reading another clock takes time."""

    def agrees(self, other: "_Clock") -> bool:
        difference = abs(self.ahead - other.ahead)
        return difference - self.uncertain - other.uncertain <= TOLERATED


class Clocks:
    """The clock of this machine, and the clocks of other programs that were read."""

    def __init__(self) -> None:
        self._clocks = [_Clock("this machine", 0.0, 0.0)]

    def record(self, whose: str, moment: float, uncertain: float) -> None:
        """Record the time that this clock shows now, in seconds since the epoch."""
        self._clocks.append(_Clock(whose, moment - time.time(), uncertain))

    def record_header(self, whose: str, date: str, took: float) -> None:
        """Record the `Date` of a response that took `took` seconds. Ignore an invalid date."""
        with suppress(ValueError):
            # The header has whole seconds, rounded down.
            moment = parsedate_to_datetime(date).timestamp() + 0.5
            self.record(whose, moment, took + 0.5)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings. A clock is wrong if it differs from most clocks, which agree.

        If there is no such majority, all clocks have to be synchronized.
        """
        own, *others = self._clocks
        right = max(([c for c in self._clocks if c.agrees(one)] for one in self._clocks), key=len)
        wrong = [clock for clock in self._clocks if clock not in right]
        if not others:
            return
        if not wrong:
            within = max(
                max(abs(clock.ahead) - clock.uncertain, clock.uncertain) for clock in others
            )
            agreeing = f"the clocks of {_names(self._clocks)} agree"
            yield Finding("clock", f"{agreeing} within {within:.1f} s")
        elif 2 * len(right) > len(self._clocks):
            detail = "; ".join(_difference(clock, right) for clock in wrong)
            fix = f"synchronize the clock of {_names(wrong)} by NTP"
            yield Finding("clock", detail, f"{fix}: tokens allow for {LEEWAY} s")
        else:
            apart = [clock for clock in others if not clock.agrees(own)]
            detail = "; ".join(_difference(clock, [own]) for clock in apart)
            fix = f"synchronize the clocks of {_names(self._clocks)} by NTP"
            yield Finding("clock", detail, f"{fix}: tokens allow for {LEEWAY} s")


def _difference(clock: _Clock, others: list[_Clock]) -> str:
    ahead = clock.ahead - others[0].ahead
    direction = "ahead of" if ahead > 0 else "behind"
    compared = f"{'those' if len(others) > 1 else 'that'} of {_names(others)}"
    return f"the clock of {clock.whose} is {abs(ahead):.0f} s {direction} {compared}"


def _names(clocks: list[_Clock]) -> str:
    *names, last = (clock.whose for clock in clocks)
    return f"{', '.join(names)} and {last}" if names else last
