"""A two-hour drive as a daemon leaves it in its database: a press, two outages, a tunnel, two stops; and what else a track may be.

The rows come through the real store with the marks of the lanes; only the driving is made up.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from agent.columns import write_utc
from agent.geo import bearing_deg, distance_m
from agent.kept import CalloutKept, CalloutRecord, EventKept, FixesTold, NoteKept, PressesSettled, PressMade
from agent.model import Fix, Press
from agent.store import Pace, Store

BEGIN = 1_772_438_400.0  # 2026-03-02T08:00:00Z
BASE = "https://dispatch.example/panic-api/v2"
TRAIL = "Nothing got through from 08:40:00 to 08:58:00 (18 min). 14 km driven east. <b>Positions follow.</b>"
NEVER = Pace(group_s=3600, group_rows=10**6)
# Cape Town to the winelands and back over the hill; roughly.
LATITUDES = (
    *(-33.9249, -33.9330, -33.9460, -33.9560, -33.9540, -33.9700, -33.9950, -34.0220, -34.0480, -34.0760),
    *(-34.0600, -34.0230, -33.9820, -33.9380, -33.9200, -33.9060, -33.8830, -33.8300, -33.7800, -33.7340),
)
LONGITUDES = (
    *(18.4241, 18.4560, 18.4760, 18.5050, 18.5480, 18.5980, 18.6400, 18.7000, 18.7600, 18.8430),
    *(18.8560, 18.8480, 18.8530, 18.8600, 18.9000, 18.9500, 18.9770, 18.9740, 18.9640, 18.9620),
)
ROUTE = tuple(zip(LATITUDES, LONGITUDES, strict=True))


@dataclass(frozen=True, slots=True)
class Times:
    """When what happens, s after BEGIN."""

    press: float = 1860.0
    accepted: float = 1864.0
    closed: float = 6510.0
    end: float = 7450.0
    offline: tuple[tuple[float, float], ...] = ((2400.0, 3480.0), (5700.0, 6420.0))
    told: tuple[float, ...] = (3500.0,)  # when the trail of each outage was; the second never is
    tunnel: tuple[float, float] = (4080.0, 4440.0)
    stops: tuple[tuple[float, float], ...] = ((720.0, 1020.0), (4800.0, 5220.0))


DRIVE = Times()


def within(second: float, spans: tuple[tuple[float, float], ...]) -> bool:
    return any(begin <= second < end for begin, end in spans)


def fixes(times: Times = DRIVE) -> list[Fix]:
    """A position a second, without those in the tunnel."""
    moving = sum(1 for second in range(int(times.end)) if not within(second, times.stops))
    total_m = sum(distance_m(*a, *b) for a, b in pairwise(ROUTE))
    made, gone_m = [], 0.0
    for second in range(int(times.end)):
        speed = 0.0 if within(second, times.stops) else total_m / moving
        gone_m += speed
        if not within(second, (times.tunnel,)):
            made.append(_fix(second, gone_m, speed))
    return made


def _fix(second: int, gone_m: float, speed: float) -> Fix:
    left_m = gone_m
    for (lat1, lon1), (lat2, lon2) in pairwise(ROUTE):
        leg_m = distance_m(lat1, lon1, lat2, lon2)
        if left_m <= leg_m or (lat2, lon2) == ROUTE[-1]:
            break
        left_m -= leg_m
    part = min(1.0, left_m / leg_m)
    bend = 0.004 * math.sin(part * math.pi) * math.sin(gone_m / 1700)  # roads are not straight
    wander = 2e-5 * math.sin(second * 1.7)
    place = (lat1 + part * (lat2 - lat1) + bend + wander, lon1 + part * (lon2 - lon1) - bend + wander)
    track = bearing_deg(lat1, lon1, lat2, lon2) if speed else None
    return Fix(
        1000.0 + second, BEGIN + second, "gpsd", *place, accuracy_m=6.0, altitude_m=120.0, speed_mps=speed, track_deg=track,
        gnss_time=BEGIN + second,
    )  # fmt: skip


class Recorder:
    """A daemon's hands on its store. Its clock says what the drive says."""

    def __init__(self, path: Path, *, boot_id: str = "boot-1") -> None:
        self.now = BEGIN
        self.store = Store(path, boot_id=boot_id, machine_id="m1", pace=NEVER, wall=lambda: self.now)

    def at(self, fix: Fix) -> float:
        """Set the clock by a position; s after BEGIN."""
        self.now = fix.wall
        return fix.wall - BEGIN

    async def press(self, fix: Fix) -> None:
        await self.store.step(PressMade(Press(1, fix.at, fix.wall, "button:panic")))

    async def accept(self, *, calm: bool = False) -> None:
        record = replace(self.record(), calm=calm)
        await self.store.step(PressesSettled(1, 992011, self.now), CalloutKept(record))

    def record(self) -> CalloutRecord:
        raised = BEGIN + DRIVE.press
        return CalloutRecord(992011, BASE, 5, "active", calm=False, origin="button:panic", drill=False, raised_wall=raised, press_number=1)

    async def tell(self, fix: Fix, text: str) -> None:
        event = EventKept(992011, f"trail-{fix.at}", text, self.now, "customer", told=True)
        await self.store.step(event, FixesTold(fix.at, self.now))

    async def cancel(self) -> None:
        """What the step of a cancel writes."""
        calm = replace(self.record(), phase="cancelling", calm=True)
        await self.store.step(CalloutKept(calm), NoteKept("calm", "true"), NoteKept("calm_since", write_utc(self.now)))

    async def cancel_early(self) -> None:
        """Likewise, while the raise is still on its way."""
        await self.store.step(NoteKept("calm", "true"), NoteKept("calm_since", write_utc(self.now)))

    async def close(self, *, calm: bool = False) -> None:
        closed = replace(self.record(), phase="standby", calm=calm, closed_wall=self.now)
        await self.store.step(CalloutKept(closed))


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What happens behind a cancel at `at` (s after BEGIN). hidden: everything goes on; else dispatch closed at that very moment."""

    at: float
    hidden: bool


class Driver:
    """Drives the drive into a store."""

    def __init__(self, path: Path, times: Times, cancelled: Cancelled | None) -> None:
        self._recorder, self._times, self._cancelled = Recorder(path), times, cancelled
        self._told = list(times.told)
        self._on = self._calm = False
        self._last: Fix | None = None

    async def drive(self) -> None:
        await self._recorder.store.open()
        for fix in fixes(self._times):
            second = self._recorder.at(fix)
            await self._go_on(second, fix)
            self._record(second, fix)
            if self._told and second >= self._told[0]:
                del self._told[0]
                if self._on:
                    await self._recorder.tell(fix, TRAIL)
        await self._recorder.store.aclose()

    async def _go_on(self, second: float, fix: Fix) -> None:
        """The callout's moments."""
        if second == self._times.press:
            await self._recorder.press(fix)
        if second == self._times.accepted and not self._is_over:
            await self._recorder.accept(calm=self._calm)
            self._on = True
        if self._cancelled is not None and second == self._cancelled.at:
            await (self._recorder.cancel() if self._on else self._recorder.cancel_early())
            self._calm = True
        if self._on and (second == self._times.closed or self._is_over):
            await self._recorder.close(calm=self._calm)
            self._on = False

    @property
    def _is_over(self) -> bool:
        return self._calm and self._cancelled is not None and not self._cancelled.hidden

    def _record(self, second: float, fix: Fix) -> None:
        if not is_due(self._last, fix, on=self._on and not self._calm):
            return
        self._recorder.store.record(fix)
        self._last = fix
        self._recorder.now = fix.wall + 0.3
        if self._on and not within(second, self._times.offline):
            self._recorder.store.sent(fix)


def is_due(last: Fix | None, fix: Fix, *, on: bool) -> bool:
    """What the daemon records: every 5 s during a callout, else every 30 s or 50 m."""
    if last is None or fix.at - last.at >= (5 if on else 30):
        return True
    return distance_m(last.latitude, last.longitude, fix.latitude, fix.longitude) >= 50


def make_drive(path: Path, times: Times = DRIVE, cancelled: Cancelled | None = None) -> Path:
    """The database of the drive."""
    asyncio.run(Driver(path, times, cancelled).drive())
    return path


def make_track(path: Path, rows: Iterable[Fix], sent: Container[float] = (), boots: Container[float] = ()) -> Path:
    """A database of just these positions. sent: `at` of those that were; boots: of those before which the device started anew."""

    async def record() -> None:
        count, recorder = 1, Recorder(path)
        await recorder.store.open()
        for fix in rows:
            if fix.at in boots:
                await recorder.store.aclose()
                count += 1
                recorder = Recorder(path, boot_id=f"boot-{count}")
                await recorder.store.open()
            recorder.now = fix.wall
            recorder.store.record(fix)
            if fix.at in sent:
                recorder.store.sent(fix)
        await recorder.store.aclose()

    asyncio.run(record())
    return path
