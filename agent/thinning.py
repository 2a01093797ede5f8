"""Which fixes of a track are enough to draw it: what is left out lies on the line between those that are kept.

Decides that and where there is no line at all. It must not say anything, nor smooth anything: what is kept is kept as measured.

*The line.* A reader joins two positions by a straight line in latitude and longitude and reads the time off it. So a left-out fix is
compared with the place of that line *at its own time*, and may be off by its own accuracy. Times are `wall`, since that is what is
told; those of kept fixes are taken as they are told, to the second. No line that leaves out a fix is longer than LONGEST_LINE_M times
the scale: beyond it, straight on a map and straight on the earth begin to differ.

*How.* From a kept fix every later one asks for a velocity: to pass it by no more than its accuracy, the line must have a velocity
inside a circle round the fix's own. What all of them allow is kept as its extent along a few directions (a polygon inside the circles, so
that it never promises too much). The furthest fix whose own velocity lies in there is the next one that is kept. The search ends
where nothing is allowed any more, which is soon after that one: time is linear in the fixes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import median

from agent.geo import EARTH_RADIUS_M, UNKNOWN_ACCURACY_M, east_deg
from agent.model import Fix

GAP_S = 60.0  # a longer time without a fix is no line, unless this is the usual rhythm
USUAL_RHYTHMS = 3.0  # that many missing ones are a gap
FEWEST_INTERVALS = 4  # fewer show no rhythm
CLOCK_STEP_S = 2.0  # wall and monotonic time that differ by more between two fixes: the clock was set between them
LONGEST_LINE_M = 10_000.0  # at 45 degrees of latitude its middle is 2 m off the great circle
TOLD_TO_M = 1.0  # five decimals of a degree: nobody reads off more

_METRES_PER_DEGREE = math.radians(EARTH_RADIUS_M)
_AXES = tuple((math.cos(math.pi * k / 6), math.sin(math.pi * k / 6)) for k in range(6))
_INSIDE = math.cos(math.pi / 12)  # of a circle's radius: the polygon of these axes lies within it
_ROUNDING_MPS = 1e-9  # of two velocities that are one


class Break(Enum):
    """Why no line joins two neighbours."""

    GAP = "gap"  # nothing was heard for too long
    CLOCK = "clock"  # the clock was set, or the order of times is in doubt


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of fixes, by index, both ends included, whose neighbours are joined by a line."""

    first: int
    last: int


def tolerance_m(fix: Fix) -> float:
    """How far a line may pass a fix at scale 1: its accuracy, at most what an unknown one is taken for, at least what is told of it."""
    return UNKNOWN_ACCURACY_M if fix.accuracy_m is None else min(max(TOLD_TO_M, fix.accuracy_m), UNKNOWN_ACCURACY_M)


def elapsed_s(earlier: Fix, later: Fix) -> float | None:
    """Seconds between two captures: by the monotonic clock where both are of this boot (`at` above 0), else by trusted wall time.

    None where nobody knows.
    """
    if earlier.at > 0 and later.at > 0:
        return later.at - earlier.at
    return later.wall - earlier.wall if earlier.wall_trusted and later.wall_trusted else None


def broken(earlier: Fix, later: Fix, gap_s: float) -> Break | None:
    """Why no line joins these neighbours; None where one does. gap_s: from `longest_s`."""
    passed_s = elapsed_s(earlier, later)
    told_s = later.wall - earlier.wall
    if passed_s is None or passed_s < 0 or told_s < 0 or abs(told_s - passed_s) > CLOCK_STEP_S:
        return Break.CLOCK
    if passed_s > gap_s:
        return Break.GAP
    return Break.CLOCK if earlier.receiver == later.receiver and earlier.segment != later.segment else None


def longest_s(fixes: Sequence[Fix]) -> float:
    """The longest time between neighbours that is no gap."""
    known = [elapsed_s(earlier, later) for earlier, later in pairwise(fixes)]
    forward = [each for each in known if each is not None and each > 0]
    return GAP_S if len(forward) < FEWEST_INTERVALS else max(GAP_S, USUAL_RHYTHMS * median(forward))


def runs(fixes: Sequence[Fix]) -> tuple[Run, ...]:
    """The stretches that lines may be drawn through, in order; together they are all fixes."""
    gap_s = longest_s(fixes)
    starts = [i for i in range(len(fixes)) if i == 0 or broken(fixes[i - 1], fixes[i], gap_s) is not None]
    ends = [*(start - 1 for start in starts[1:]), len(fixes) - 1]
    return tuple(Run(first, last) for first, last in zip(starts, ends, strict=False))


def thin(fixes: Sequence[Fix], scale: float = 1.0) -> tuple[int, ...]:
    """Indices of the fixes that are kept, ascending: the ends of every run, and what the line between them needs.

    fixes: in capture order. scale: how many times its own accuracy a left-out fix may be off the line; above 0.
    """
    kept: list[int] = []
    for run in runs(fixes):
        course = _Course(fixes[run.first : run.last + 1], scale)
        kept += [run.first + each for each in course.thinned()]
    return tuple(kept)


def told_s(wall: float) -> float:
    """UTC s as a reader has it: to the second."""
    return float(round(wall)) if math.isfinite(wall) else wall


class _Course:
    """One run on its map: seconds, metres north, degrees east without the jump at the date line, metres of tolerance."""

    def __init__(self, fixes: Sequence[Fix], scale: float) -> None:
        self._longest_m = LONGEST_LINE_M * scale
        self._time = [fix.wall for fix in fixes]
        self._told = [told_s(fix.wall) for fix in fixes]
        self._north = [fix.latitude * _METRES_PER_DEGREE for fix in fixes]
        self._east = [fixes[0].longitude]
        for fix in fixes[1:]:
            self._east.append(self._east[-1] + east_deg(self._east[-1], fix.longitude))
        self._width = [_METRES_PER_DEGREE * max(1e-9, math.cos(math.radians(fix.latitude))) for fix in fixes]
        self._room = [tolerance_m(fix) * scale * _INSIDE for fix in fixes]

    def thinned(self) -> list[int]:
        kept = [0]
        while kept[-1] < len(self._time) - 1:
            kept.append(self._next(kept[-1]))
        return kept

    def _next(self, start: int) -> int:
        """The furthest fix that a line from `start` reaches while it passes all between as closely as they ask for."""
        best, begun = start + 1, self._told[start]
        least, most = [-math.inf] * len(_AXES), [math.inf] * len(_AXES)
        for i in range(start + 1, len(self._time)):
            east, north = (self._east[i] - self._east[start]) * self._width[start], self._north[i] - self._north[start]
            far_m, told_s, passed_s = math.hypot(east, north), self._told[i] - begun, self._time[i] - begun
            if far_m > self._longest_m and i > start + 1:
                break
            line = _velocity(east, north, told_s)
            if i > best and all(low <= each <= high for low, each, high in zip(least, line, most, strict=True)):
                best = i
            room_m = self._room[i] * min(1.0, self._width[start] / self._width[i])  # a degree is wider towards the equator
            if passed_s <= 0:
                if far_m > room_m:
                    break
                continue
            asked, slack = line if passed_s == told_s else _velocity(east, north, passed_s), room_m / passed_s + _ROUNDING_MPS
            least = [max(low, each - slack) for low, each in zip(least, asked, strict=True)]
            most = [min(high, each + slack) for high, each in zip(most, asked, strict=True)]
            if any(low > high for low, high in zip(least, most, strict=True)):
                break
        return best


def _velocity(east_m: float, north_m: float, seconds: float) -> list[float]:
    """Along each axis, m/s; standing where no time passes."""
    return [(east_m * x + north_m * y) / seconds for x, y in _AXES] if seconds > 0 else [0.0] * len(_AXES)
