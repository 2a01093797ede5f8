"""Tracks for tests of the trail: drives, parking, gaps, clock steps; and an error of the line that is measured without the code."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from agent.geo import distance_m
from agent.model import Fix, Quality

MORNING = 1_772_442_840.0  # 2026-03-02T09:14:00Z
METRES_PER_DEGREE = 111_195.0
CAPE = (-33.92, 18.42)


class Car:
    """Drives over the plain from a place, hears a receiver that is good to `accuracy_m`, and records every `rhythm_s`."""

    def __init__(self, place: tuple[float, float] = CAPE, *, accuracy_m: float = 5.0, rhythm_s: float = 5.0, seed: int = 1) -> None:
        self.fixes: list[Fix] = []
        self.accuracy_m, self.rhythm_s = accuracy_m, rhythm_s
        self.latitude, self.longitude = place
        self.at, self.clock_ahead_s = 1_000.0, MORNING - 1_000.0
        self.segment, self.trusted, self.quality = 0, True, Quality.LIVE
        self._dice = random.Random(seed)  # noqa: S311 - a test's dice
        self._wander = [0.0, 0.0]

    def go(self, seconds: float, mps: float = 0.0, heading_deg: float = 0.0, *, sky: bool = True) -> None:
        end = self.at + seconds
        while self.at < end:
            self.at += self.rhythm_s
            self._move(mps * self.rhythm_s, heading_deg)
            if sky:
                self._record(mps)

    def away(self, seconds: float, degrees_east: float = 0.0) -> None:
        """Goes on unseen."""
        self.at += seconds
        self.longitude += degrees_east

    def _move(self, metres: float, heading_deg: float) -> None:
        way = math.radians(heading_deg)
        self.latitude += metres * math.cos(way) / METRES_PER_DEGREE
        self.longitude += metres * math.sin(way) / METRES_PER_DEGREE / math.cos(math.radians(self.latitude))
        self.longitude = (self.longitude + 180) % 360 - 180

    def _record(self, mps: float) -> None:
        self._wander = [0.9 * each + math.sqrt(0.19) * self._dice.gauss(0, self.accuracy_m / 2.45) for each in self._wander]
        north, east = (each / METRES_PER_DEGREE for each in self._wander)
        longitude = (self.longitude + east / math.cos(math.radians(self.latitude)) + 180) % 360 - 180
        place = (self.latitude + north, longitude, self.accuracy_m)
        fix = Fix(self.at, self.at + self.clock_ahead_s, "gps", *place, speed_mps=mps, segment=self.segment)
        self.fixes.append(replace(fix, wall_trusted=self.trusted, quality=self.quality))


def city(hours: float = 2.0, **car: float) -> list[Fix]:
    """Blocks, traffic lights and turns."""
    drive = Car(seed=7, rhythm_s=car.pop("rhythm_s", 5.0), **car)
    dice = random.Random(7)  # noqa: S311 - a test's dice
    heading = 0.0
    while drive.at < 1_000 + hours * 3_600:
        drive.go(dice.randint(10, 60), dice.choice((8.0, 14.0, 17.0)), heading)
        drive.go(dice.choice((0, 0, 20, 40)))
        heading += dice.choice((-90, -45, 0, 0, 45, 90))
    return drive.fixes


def parked(hours: float = 3.0) -> list[Fix]:
    """A receiver that wanders where it stands."""
    car = Car()
    car.go(hours * 3_600)
    return car.fixes


def off_line_m(here: Fix, fix: Fix, there: Fix, told: Sequence[float] | None = None) -> float:
    """How far a fix is from the straight line on a map between two others, at its own time. told: UTC s of both as a reader has them."""
    begin, end = told or (here.wall, there.wall)
    share = 0.0 if end <= begin else min(1.0, max(0.0, (fix.wall - begin) / (end - begin)))
    east = (there.longitude - here.longitude + 180) % 360 - 180
    latitude = here.latitude + share * (there.latitude - here.latitude)
    return distance_m(latitude, here.longitude + share * east, fix.latitude, fix.longitude)


@st.composite
def tracks(draw: st.DrawFn, *, whole_seconds: bool = True) -> list[Fix]:
    """Anything that a device may have missed: rides, stops, tunnels, other accuracies, clocks that step, doubts, a reboot."""
    place = draw(st.sampled_from([CAPE, (52.1, 4.3), (0.0, 179.99), (-17.0, -179.995), (85.0, 20.0)]))
    car = Car(place, rhythm_s=draw(st.sampled_from([1.0, 5.0, 30.0])), seed=draw(st.integers(0, 99)))
    car.clock_ahead_s += draw(st.sampled_from([0.0, 52_800.0])) + (0.0 if whole_seconds else 0.4)  # also over midnight
    for _ in range(draw(st.integers(1, 8))):
        car.accuracy_m = draw(st.sampled_from([0.5, 3.0, 5.0, 25.0, 400.0]))
        seconds, mps, heading = draw(st.integers(1, 300)), draw(st.sampled_from([0.0, 1.4, 14.0, 36.0])), draw(st.integers(0, 359))
        car.go(seconds, mps, heading, sky=draw(st.integers(0, 4)) > 0)
        car.clock_ahead_s += draw(st.sampled_from([0.0] * 12 + [3_600.0, -3_600.0, 40.0, -7.0]))
        car.trusted = draw(st.integers(0, 9)) > 0
        car.quality = Quality.FORCED if draw(st.integers(0, 9)) == 0 else Quality.LIVE
        car.segment += draw(st.integers(0, 9)) // 9
    fixes = [fix if draw(st.integers(0, 19)) else replace(fix, accuracy_m=None) for fix in car.fixes[:400]]
    booted = draw(st.integers(0, 3)) == 0
    return [replace(fix, at=fix.at - 1_400) for fix in fixes] if booted else fixes
