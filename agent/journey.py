"""What a track amounts to: how far, which way, how fast, where it stood, when nobody knew where it was.

Decides what counts as standing and as distance, not which fixes draw the track (`thinning`) nor how it is said (`trail`). Doubtful
positions (let through only so that the wearer is not starved) are no distance, no stop and no speed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.geo import UNKNOWN_ACCURACY_M, distance_m, east_deg
from agent.model import Fix, Quality
from agent.thinning import Break, Run, broken, elapsed_s, longest_s

STOP_S = 60.0  # shorter is traffic
STOP_M = 25.0  # a device that stands moves by less, even where its accuracy says that it could not
WIDEST_STOP_M = 50.0  # whatever the accuracy: a person walks as far in a minute
EXCURSION_S = 30.0  # reflections throw a standing receiver out for as long
SEEN_LATE = 64  # fixes that stayed near without being a stop, for each that is passed over: linear in them, not in their square
SHORTEST_MOVE_S = 30.0  # too short for an average speed


@dataclass(frozen=True, slots=True)
class Stop:
    """Standing from fix `first` to fix `last` (indices) for `length_s`, at the mean of what was measured meanwhile."""

    first: int
    last: int
    length_s: float
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Gap:
    """No position between neighbours, for `length_s`. apart_m: from one to the other, straight."""

    before: Fix
    after: Fix
    length_s: float
    apart_m: float


@dataclass(frozen=True, slots=True)
class Journey:
    """span_s: from first to last fix, None where the clocks do not tell. moved_m: along the track, stops as points.

    unseen_m: beside it, straight across times without position. average_mps: while it moved; None for too short a move.
    top_mps: as the receiver told it; None untold. stepped: clock steps within the track.
    """

    span_s: float | None
    moved_m: float
    unseen_m: float
    average_mps: float | None
    top_mps: float | None
    stops: tuple[Stop, ...]
    gaps: tuple[Gap, ...]
    stepped: int

    @property
    def stood(self) -> bool:
        """Whether the whole track is one stop."""
        return len(self.stops) == 1 and not self.gaps and self.moved_m + self.unseen_m == 0


def doubtful(fix: Fix) -> bool:
    """Whether this position was let through in spite of doubts."""
    return fix.quality in (Quality.FORCED, Quality.UNCONFIRMED)


def summed_up(fixes: Sequence[Fix], runs: Sequence[Run], kept: Sequence[int]) -> Journey:
    """The journey of a track. runs: its stretches. kept: indices of the fixes that draw it, so that wander is no distance."""
    stops = tuple(stop for run in runs for stop in _stops(fixes, run))
    moved_m, unseen_m = _distances_m(_points(fixes, runs, kept, stops))
    ridden_s = sum(fixes[run.last].wall - fixes[run.first].wall for run in runs) - sum(stop.length_s for stop in stops)
    gaps, stepped = _breaks(fixes, runs)
    return Journey(_span_s(fixes), moved_m, unseen_m, *_speeds_mps(fixes, moved_m, ridden_s), stops, gaps, stepped)


def _span_s(fixes: Sequence[Fix]) -> float | None:
    spans = [elapsed_s(earlier, later) for earlier, later in pairwise(fixes)]
    known = [each for each in spans if each is not None and each >= 0]
    return math.fsum(known) if len(known) == len(spans) else None


def _speeds_mps(fixes: Sequence[Fix], moved_m: float, ridden_s: float) -> tuple[float | None, float | None]:
    """On average, and at most. An average above the top is an artefact of short ways between stops, and no speed."""
    told = [fix.speed_mps for fix in fixes if fix.speed_mps is not None and math.isfinite(fix.speed_mps) and not doubtful(fix)]
    average_mps, top_mps = moved_m / ridden_s if ridden_s >= SHORTEST_MOVE_S else None, max(told, default=None)
    return (None if average_mps and top_mps and average_mps > top_mps else average_mps), top_mps


def _breaks(fixes: Sequence[Fix], runs: Sequence[Run]) -> tuple[tuple[Gap, ...], int]:
    gap_s, gaps, stepped = longest_s(fixes), [], 0
    for earlier, later in pairwise(runs):
        before, after = fixes[earlier.last], fixes[later.first]
        if broken(before, after, gap_s) is Break.GAP:
            gaps.append(Gap(before, after, elapsed_s(before, after) or 0.0, _apart_m(before, after)))
        else:
            stepped += 1
    return tuple(gaps), stepped


# --- distance -------------------------------------------------------------------------------------------------------------------


def _points(fixes: Sequence[Fix], runs: Sequence[Run], kept: Sequence[int], stops: Sequence[Stop]) -> Iterator[tuple[int, float, float]]:
    """(number of the run, latitude, longitude) of what the track is measured along: each stop is one point."""
    ends = iter((*stops, None))
    stop = next(ends)
    run = 0
    for index in kept:
        while index > runs[run].last:
            run += 1
        while stop is not None and stop.last < index:
            yield run if stop.first >= runs[run].first else run - 1, stop.latitude, stop.longitude
            stop = next(ends)
        if (stop is None or index < stop.first) and not doubtful(fixes[index]):
            yield run, fixes[index].latitude, fixes[index].longitude
    if stop is not None:
        yield run, stop.latitude, stop.longitude


def _distances_m(points: Iterator[tuple[int, float, float]]) -> tuple[float, float]:
    """Along runs, and between them."""
    moved_m = unseen_m = 0.0
    for (run, *here), (next_run, *there) in pairwise(points):
        far_m = distance_m(*here, *there)
        moved_m, unseen_m = (moved_m + far_m, unseen_m) if run == next_run else (moved_m, unseen_m + far_m)
    return moved_m, unseen_m


def _apart_m(here: Fix, there: Fix) -> float:
    return distance_m(here.latitude, here.longitude, there.latitude, there.longitude)


# --- stops ----------------------------------------------------------------------------------------------------------------------


def _stops(fixes: Sequence[Fix], run: Run) -> Iterator[Stop]:
    """Every stop of a run. A fix that is not near its place a minute later begins none, which is soon seen.

    Nor does one of a boat that swings round its anchor, which is seen late: then the next to be asked is a little of that way on.
    """
    start, later = run.first, run.first
    while start < run.last:
        while later < run.last and fixes[later].wall - fixes[start].wall < STOP_S:
            later += 1
        near = _apart_m(fixes[start], fixes[later]) <= _reach_m(fixes[start], fixes[later])
        stop, end = _stop(fixes, start, run.last) if near and not doubtful(fixes[start]) else (None, start)
        if stop is not None:
            yield stop
        start = start + 1 + (end - start) // SEEN_LATE if stop is None else stop.last + 1


def _reach_m(*fixes: Fix) -> float:
    worst_m = max(UNKNOWN_ACCURACY_M / 2 if fix.accuracy_m is None else fix.accuracy_m for fix in fixes)
    return min(WIDEST_STOP_M, max(STOP_M, 2 * worst_m))


def _stop(fixes: Sequence[Fix], first: int, end: int) -> tuple[Stop | None, int]:
    """The stop that begins at `first`: all that stays by the mean of those before, less the way in and out. None: too short for one.

    And the last of those.
    """
    origin, last, members, north, east = fixes[first], first, 1, 0.0, 0.0
    for i in range(first + 1, end + 1):
        fix = fixes[i]
        if fix.wall - fixes[last].wall > EXCURSION_S and i > last + 1:
            break
        off_deg = (fix.latitude - origin.latitude, east_deg(origin.longitude, fix.longitude))
        place = (origin.latitude + north / members, origin.longitude + east / members)
        if not doubtful(fix) and distance_m(*place, fix.latitude, fix.longitude) <= _reach_m(fix):
            members, north, east, last = members + 1, north + off_deg[0], east + off_deg[1], i
    return _trimmed(fixes, first, last, (origin.latitude + north / members, east_deg(0.0, origin.longitude + east / members))), last


def _trimmed(fixes: Sequence[Fix], first: int, last: int, place: tuple[float, float]) -> Stop | None:
    """Without the way in and out, which is near the place but not at it."""
    at_it = [
        index
        for index in range(first, last + 1)
        if distance_m(*place, fixes[index].latitude, fixes[index].longitude) <= _reach_m(fixes[index]) / 2 and not doubtful(fixes[index])
    ]
    if not at_it or fixes[at_it[-1]].wall - fixes[at_it[0]].wall < STOP_S:
        return None
    return Stop(at_it[0], at_it[-1], fixes[at_it[-1]].wall - fixes[at_it[0]].wall, *place)
