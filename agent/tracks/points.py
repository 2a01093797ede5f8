"""One recorded position after the other: what became of each, and where the line through them is broken.

Pure. Takes rows in capture order and streams: holds no more than the positions of `covered_s` at a time. Must not read a
database, and must not hide or invent a position: what cannot be drawn is counted by its caller.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.columns import read_utc


class Fate(StrEnum):
    """What dispatch knows of a position."""

    QUIET = "quiet"  # recorded while no callout was on: nobody waited for it
    LIVE = "live"  # accepted on the location lane, or between two such positions that are no outage apart
    TOLD = "told"  # missed live, told afterwards with its time
    UNTOLD = "untold"  # recorded during an emergency, and has not left the device


MISSED = (Fate.TOLD, Fate.UNTOLD)


class Break(StrEnum):
    """Why two positions in a row are not joined by a line."""

    BOOT = "boot"  # the device was started in between
    RECEIVER = "receiver"  # another receiver spoke
    CLOCK = "clock"  # the receiver's time stepped, or time ran backwards
    GAP = "gap"  # no position for longer than is usual


@dataclass(frozen=True, slots=True)
class Limits:
    """gap_s: without a position for longer than this is a gap, quiet_gap_s likewise while nothing is on; covered_s: see `Fate.LIVE`."""

    gap_s: float = 60.0
    quiet_gap_s: float = 90.0  # three times the idle cadence
    covered_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Point:
    """A recorded fix with its marks. Numbers as in `agent.model.Fix`; wall_utc, sent_utc and told_utc as the database has them."""

    boot_id: str
    at: float
    wall: float
    wall_utc: str
    latitude: float
    longitude: float
    receiver: str
    segment: int
    quality: str
    wall_trusted: bool
    accuracy_m: float | None
    altitude_m: float | None
    speed_mps: float | None
    track_deg: float | None
    episode: str | None
    sent_utc: str | None
    told_utc: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A point, what became of it, and why it is not joined to the one before (None: it is, or it is the first)."""

    point: Point
    fate: Fate
    broken: Break | None


def read_point(row: Mapping[str, Any]) -> Point | None:
    """A row of `history` as a point; None where it has no place or no time that could be drawn."""
    latitude, longitude = _number(row["latitude_deg"]), _number(row["longitude_deg"])
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    try:
        wall = read_utc(row["wall_utc"])
    except (ValueError, TypeError):
        return None
    return Point(
        boot_id=str(row["boot_id"]),
        at=_number(row["at_s"]) or 0.0,
        wall=wall,
        wall_utc=row["wall_utc"],
        latitude=latitude,
        longitude=longitude,
        receiver=str(row["receiver"]),
        segment=row["segment"] or 0,
        quality=str(row["quality"]),
        wall_trusted=bool(row["wall_trusted"]),
        accuracy_m=_number(row["accuracy_m"]),
        altitude_m=_number(row["altitude_m"]),
        speed_mps=_number(row["speed_mps"]),
        track_deg=_number(row["track_deg"]),
        episode=row["episode"] or None,
        sent_utc=row["sent_utc"] or None,
        told_utc=row["told_utc"] or None,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def elapsed_s(before: Point, after: Point) -> float:
    """Seconds between two points: by the clock that never steps where they are of one boot."""
    return after.at - before.at if before.boot_id == after.boot_id else after.wall - before.wall


def find_break(before: Point, after: Point, limits: Limits) -> Break | None:
    """Why no line joins two points in a row; None where one does."""
    if before.boot_id != after.boot_id:
        return Break.BOOT
    if before.receiver != after.receiver:
        return Break.RECEIVER
    if before.segment != after.segment or after.wall < before.wall:
        return Break.CLOCK
    quiet = before.episode is None or after.episode is None
    return Break.GAP if after.at - before.at > (limits.quiet_gap_s if quiet else limits.gap_s) else None


def edge_fate(before: Step, after: Step) -> Fate:
    """Of the way between two joined points: before or after a callout nobody waited for it, and dispatch saw it only if it saw both."""
    fates = (before.fate, after.fate)
    return next(fate for fate in (Fate.QUIET, Fate.UNTOLD, Fate.TOLD, Fate.LIVE) if fate in fates)


def walk(points: Iterable[Point], limits: Limits) -> Iterator[Step]:
    """The points in order, each with its fate and the break before it."""
    before: Point | None = None
    for point, fate in _fates(points, limits.covered_s):
        yield Step(point, fate, None if before is None else find_break(before, point, limits))
        before = point


def _fates(points: Iterable[Point], covered_s: float) -> Iterator[tuple[Point, Fate]]:
    """A point that was not sent waits until the next that was, or until it is plain that none came in time."""
    since: Point | None = None  # the last one that dispatch has live, else the first of the emergency
    waiting: deque[Point] = deque()
    for point in points:
        if point.sent_utc:
            covered = since is not None and elapsed_s(since, point) < covered_s
            yield from ((each, Fate.LIVE if covered else _by_marks(each)) for each in waiting)
            yield point, Fate.LIVE
            since = point
            waiting.clear()
        elif point.episode is None:  # nobody waited for it, though the trail before a press may have told it
            yield from _rest(waiting, since)
            yield point, _by_marks(point)
            since = None
        else:
            since = since or point
            waiting.append(point)
            if elapsed_s(since, point) >= covered_s:
                yield from ((each, _by_marks(each)) for each in waiting)
                waiting.clear()
    yield from _rest(waiting, since)


def _rest(waiting: deque[Point], since: Point | None) -> Iterator[tuple[Point, Fate]]:
    """What was recorded in the last seconds of an emergency: no outage yet where something had been accepted just before."""
    live = since is not None and since.sent_utc is not None
    yield from ((each, Fate.LIVE if live else _by_marks(each)) for each in waiting)
    waiting.clear()


def _by_marks(point: Point) -> Fate:
    if point.told_utc:
        return Fate.TOLD
    return Fate.QUIET if point.episode is None else Fate.UNTOLD
