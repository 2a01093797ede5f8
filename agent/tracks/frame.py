"""From degrees to pixels, and numbers that read well on a scale: the geometry of a picture.

Pure. A flat projection with the longitude shortened by the cosine of the middle latitude: right to a pixel for 10 m, good to look at
for 1,000 km. Longitudes are counted from the first point, so that a track across the date line stays in one piece.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.geo import EARTH_RADIUS_M
from agent.tracks.points import Point

LEAST_M = 60.0  # a parked device fills no picture with its wander
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the picture, px; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def overlaps(self, other: Box) -> bool:
        """Whether they share some ground."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom


@dataclass(frozen=True, slots=True)
class Ground:
    """How much of the earth a picture shows: metres east and north of the first point."""

    latitude: float
    longitude: float
    shrink: float  # cos of the middle latitude
    west_m: float
    east_m: float
    south_m: float
    north_m: float

    @property
    def aspect(self) -> float:
        """Height by width."""
        return (self.north_m - self.south_m) / (self.east_m - self.west_m)

    def metres(self, point: Point) -> tuple[float, float]:
        """East and north of the first point."""
        east_deg = (point.longitude - self.longitude + 540.0) % 360.0 - 180.0
        return _arc_m(east_deg) * self.shrink, _arc_m(point.latitude - self.latitude)


def _arc_m(degrees: float) -> float:
    return math.radians(degrees) * EARTH_RADIUS_M


def survey(points: Sequence[Point]) -> Ground:
    """The ground that holds all of them, at least LEAST_M each way. points: at least one."""
    middle = (min(p.latitude for p in points) + max(p.latitude for p in points)) / 2
    bare = Ground(points[0].latitude, points[0].longitude, max(0.01, math.cos(math.radians(middle))), 0, 0, 0, 0)
    easts, norths = zip(*map(bare.metres, points), strict=True)
    west, east = _widened(min(easts), max(easts))
    south, north = _widened(min(norths), max(norths))
    return Ground(bare.latitude, bare.longitude, bare.shrink, west, east, south, north)


def _widened(low: float, high: float) -> tuple[float, float]:
    spare = max(0.0, LEAST_M - (high - low)) / 2
    return low - spare, high + spare


class Frame:
    """Ground fitted into a box of the picture, centred, with a margin."""

    def __init__(self, ground: Ground, box: Box, margin: float) -> None:
        self.box, self._ground = box, ground
        wide, high = ground.east_m - ground.west_m, ground.north_m - ground.south_m
        self.px_per_m = min((box.width - 2 * margin) / wide, (box.height - 2 * margin) / high)
        self._left = box.x + (box.width - wide * self.px_per_m) / 2
        self._low = box.bottom - (box.height - high * self.px_per_m) / 2

    def xy(self, point: Point) -> tuple[float, float]:
        """Where a point lies in the picture, px."""
        east, north = self._ground.metres(point)
        return self._left + (east - self._ground.west_m) * self.px_per_m, self._low - (north - self._ground.south_m) * self.px_per_m

    def scale_bar(self, most_px: float) -> tuple[float, float]:
        """A round number of metres that fits, and how long it is in px."""
        most_m = most_px / self.px_per_m
        power = 10.0 ** math.floor(math.log10(most_m))
        metres = max(factor * power for factor in (1, 2, 5) if factor * power <= most_m)
        return metres, metres * self.px_per_m


def time_ticks(begin: float, end: float, most: int) -> tuple[list[float], int]:
    """Round moments from begin to end (UTC s), about as many as asked for; and the seconds between them."""
    wanted = max(1.0, (end - begin) / max(1, most))
    step = _STEPS_S[min(bisect.bisect_left(_STEPS_S, wanted), len(_STEPS_S) - 1)]
    first = math.ceil(begin / step) * step
    return [first + n * step for n in range(max(0, math.floor((end - first) / step) + 1))], step
