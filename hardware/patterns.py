"""What lamp and buzzer do for each sign, as steps of light and dark.

Pure: a table and how to read it at any moment. It must depend on nothing but the sign and the time since it was shown: whoever watches the
device may not learn from it what the device keeps to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, cycle
from math import inf
from types import MappingProxyType

from agent.model import Sign

Step = tuple[float, float]  # seconds on, seconds off


@dataclass(frozen=True, slots=True)
class Pattern:
    """Some steps once, then others for ever. Without others: as `rests` from then on."""

    first: tuple[Step, ...] = ()
    then: tuple[Step, ...] = ()
    rests: bool = False

    def at(self, since_s: float) -> tuple[bool, float]:
        """Whether it is on at this time after its start, and how many seconds until that changes (inf: never)."""
        left_s = self._left_s(since_s)
        if left_s is None:
            return self.rests, inf
        for on_s, off_s in chain(self.first if since_s < self._first_s else (), cycle(self.then)):
            if left_s < on_s:
                return True, on_s - left_s
            if left_s < on_s + off_s:
                return False, on_s + off_s - left_s
            left_s -= on_s + off_s
        return self.rests, inf

    @property
    def _first_s(self) -> float:
        return sum(map(sum, self.first))

    def _left_s(self, since_s: float) -> float | None:
        """The time into the steps that count now; None once they are over."""
        first_s = self._first_s
        if since_s < first_s:
            return since_s
        return (since_s - first_s) % sum(map(sum, self.then)) if self.then else None


DARK = Pattern()
LIT = Pattern(rests=True)
_LONG_S = 0.8
_SHORT_S = 0.12
_TWICE: tuple[Step, ...] = ((0.12, 0.18), (0.12, 1.08))
# The lamp of a held button is on already, and dispatch may answer before it blinks: the hand must see that it may let go.
_BLINK: tuple[Step, ...] = ((0.0, 0.2), (0.2, 0.2))

FLOURISHES = frozenset({Sign.MESSAGE})  # shown for some seconds over what goes on

LAMP: Mapping[Sign, Pattern] = MappingProxyType(
    {
        Sign.NOTHING: DARK,
        Sign.PRESSED: LIT,
        Sign.WINDOW: Pattern(then=((0.06, 0.06),)),
        Sign.CONTACTING: Pattern(then=((0.16, 0.16),)),
        Sign.FAILING: Pattern(then=_TWICE),
        Sign.ACCEPTED: Pattern(first=_BLINK, rests=True),
        Sign.RESPONDING: Pattern(then=((1.9, 0.1),)),
        Sign.ARRIVED: Pattern(first=((0.0, 0.2),), then=((1.0, 1.0),)),
        Sign.MESSAGE: Pattern(first=((0.0, 0.2),), then=((0.2, 0.2), (0.2, 0.2), (0.2, 0.2), (0.8, 0.4))),
    }
)
BUZZER: Mapping[Sign, Pattern] = MappingProxyType(
    {
        Sign.NOTHING: DARK,
        Sign.PRESSED: DARK,
        Sign.WINDOW: Pattern(then=((0.06, 0.18),)),
        Sign.CONTACTING: DARK,
        Sign.FAILING: Pattern(then=_TWICE),
        Sign.ACCEPTED: Pattern(first=((_LONG_S, 0.0),)),
        Sign.RESPONDING: Pattern(first=((_LONG_S, 0.4), (_LONG_S, 0.0))),
        Sign.ARRIVED: Pattern(first=((_LONG_S, 0.4), (_LONG_S, 0.4), (_LONG_S, 0.0))),
        Sign.MESSAGE: Pattern(first=((_SHORT_S, 0.12), (_SHORT_S, 0.12), (_SHORT_S, 0.0))),
    }
)
