"""What a track tells a person: stretches of one fate, outages, gaps, stops, how far and how long.

Pure. Streams: of the positions it keeps those that a picture of this size can show. Must not draw, and must not call an outage
what dispatch learnt within its usual cadence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.geo import UNKNOWN_ACCURACY_M, distance_m
from agent.tracks.points import MISSED, Break, Fate, Point, Step, edge_fate, elapsed_s

STOP_S = 180.0  # standing for as long as this is a stop worth a mark; a red light is not
_STOP_RADIUS_M, _MOST_RADIUS_M = 30.0, 100.0  # twice the accuracy, between these
_MOST_KEPT = 40_000  # positions of a picture
_COUNTED_M = 15.0  # steps shorter than this, or than the accuracy, are wander and no way


@dataclass(slots=True)
class Stretch:
    """A line of one fate, unbroken. points: enough of them to draw it; begin and end are among them."""

    fate: Fate
    points: list[Point]

    @property
    def span(self) -> tuple[float, float]:
        """UTC s of its ends."""
        return self.points[0].wall, self.points[-1].wall


@dataclass(frozen=True, slots=True)
class Gap:
    """Where the line is broken: the points before and after, and why."""

    before: Point
    after: Point
    why: Break

    @property
    def length_s(self) -> float:
        """How long nothing was recorded."""
        return max(0.0, elapsed_s(self.before, self.after))


@dataclass(slots=True)
class Outage:
    """Dispatch heard no position from since_wall to until_wall (None: not again). told, untold: positions by what became of them."""

    since_wall: float
    place: Point
    until_wall: float | None = None
    last_wall: float = 0.0
    told: int = 0
    untold: int = 0

    @property
    def length_s(self) -> float:
        """Until it ended, or until the last position."""
        return (self.last_wall if self.until_wall is None else self.until_wall) - self.since_wall


@dataclass(slots=True)
class Stop:
    """Standing still at a place; UTC s."""

    place: Point
    since_wall: float
    until_wall: float

    @property
    def length_s(self) -> float:
        """How long."""
        return self.until_wall - self.since_wall


@dataclass(slots=True)
class Story:
    """All of it. first and last are None where there was no point at all."""

    stretches: list[Stretch] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    first: Point | None = None
    last: Point | None = None
    points: int = 0
    sent: int = 0
    distance_m: float = 0.0
    untrusted: int = 0


class Teller:
    """Builds a story, a step after the other."""

    def __init__(self, keep_m: float) -> None:
        """keep_m: what lies closer to the last kept position than this is not drawn."""
        self.story = Story()
        self._keep_m = keep_m
        self._kept, self._most = 0, _MOST_KEPT
        self._last: Step | None = None
        self._live: Point | None = None
        self._outage: Outage | None = None
        self._stop: Stop | None = None
        self._counted: Point | None = None

    def hear(self, step: Step) -> None:
        """Take the next one."""
        story, point = self.story, step.point
        story.first = story.first or point
        story.last = point
        story.points += 1
        story.sent += point.sent_utc is not None
        story.untrusted += not point.wall_trusted
        self._draw(step)
        self._measure(step)
        self._follow_outage(step)
        self._follow_stop(step)
        self._last = step

    def _draw(self, step: Step) -> None:
        point, last = step.point, self._last
        if last is None or step.broken is not None:
            if last is not None and step.broken is not None:
                self.story.gaps.append(Gap(last.point, point, step.broken))
            self.story.stretches.append(Stretch(step.fate, [point]))
            self._kept += 1
            return
        stretch, fate = self.story.stretches[-1], edge_fate(last, step)
        if len(stretch.points) == 1:
            stretch.fate = fate
        elif fate is not stretch.fate:
            self.story.stretches.append(stretch := Stretch(fate, [last.point]))
            self._kept += 1
        kept = stretch.points
        # The last point always stands, for now: it gives way to the next one if it is too near to the one before it.
        if len(kept) > 1 and _apart_m(kept[-2], kept[-1]) < self._keep_m:
            kept.pop()
            self._kept -= 1
        kept.append(point)
        self._kept += 1
        if self._kept > self._most:
            self._coarsen()

    def _coarsen(self) -> None:
        """A month of driving: fewer positions, further apart, rather than more memory."""
        self._keep_m *= 2
        for stretch in self.story.stretches:
            stretch.points = _spaced(stretch.points, self._keep_m)
        self._kept = sum(len(stretch.points) for stretch in self.story.stretches)
        self._most = max(self._most, self._kept * 5 // 4)  # many short stretches cannot be thinned: their ends stay

    def _measure(self, step: Step) -> None:
        point = step.point
        if self._counted is None or step.broken is Break.BOOT or step.broken is Break.CLOCK:
            self._counted = point
            return
        way_m = _apart_m(self._counted, point)
        if way_m >= max(_COUNTED_M, point.accuracy_m or UNKNOWN_ACCURACY_M):
            self.story.distance_m += way_m
            self._counted = point

    def _follow_outage(self, step: Step) -> None:
        point, fate = step.point, step.fate
        if fate in MISSED and (point.episode is not None or self._outage is not None):
            if self._outage is None:
                self._outage = Outage((self._live or point).wall, point)
                self.story.outages.append(self._outage)
            self._outage.last_wall = point.wall
            self._outage.told += fate is Fate.TOLD
            self._outage.untold += fate is Fate.UNTOLD
        elif self._outage is not None:
            self._outage.until_wall = point.wall if fate is Fate.LIVE else self._outage.last_wall
            self._outage = None
        self._live = point if fate is Fate.LIVE else None if fate is Fate.QUIET else self._live

    def _follow_stop(self, step: Step) -> None:
        stop, point = self._stop, step.point
        near_m = min(_MOST_RADIUS_M, max(_STOP_RADIUS_M, 2 * (point.accuracy_m or 0.0)))
        # What was not seen is not claimed: behind a gap a new stop begins.
        if stop is not None and step.broken is None and _apart_m(stop.place, point) <= near_m:
            if stop.length_s < STOP_S <= point.wall - stop.since_wall:
                self.story.stops.append(stop)
            stop.until_wall = point.wall
        else:
            self._stop = Stop(point, point.wall, point.wall)


def _spaced(points: list[Point], least_m: float) -> list[Point]:
    """The ends, and of the others those that are at least so far from the one before."""
    kept = points[:1]
    for point in points[1:-1]:
        if _apart_m(kept[-1], point) >= least_m:
            kept.append(point)
    return kept + points[1:][-1:]


def tell(steps: Iterable[Step], keep_m: float) -> Story:
    """The story of these steps."""
    teller = Teller(keep_m)
    for step in steps:
        teller.hear(step)
    return teller.story


def _apart_m(one: Point, other: Point) -> float:
    return distance_m(one.latitude, one.longitude, other.latitude, other.longitude)
