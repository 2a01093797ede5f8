"""The track as GeoJSON (RFC 7946), piece by piece: a line for each unbroken stretch of one fate, a point for whatever is a moment.

Pure. Longitude first, seven decimals, no altitude (the RFC wants it above the ellipsoid; receivers tell it above the sea), lines cut
at the date line, the bounding box last because only then it is known. Must not hold the track in memory: a long line goes on in
another feature.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from agent import wording
from agent.tracks.marks import Mark
from agent.tracks.points import Fate, Point, Step, edge_fate

LONGEST = 5_000  # positions in one line

Position = list[float]


def pieces(steps: Iterable[Step], marks: Iterable[Mark]) -> Iterator[str]:
    """The document as text."""
    box = _Box()
    yield '{"type":"FeatureCollection","features":[\n'
    comma = ""
    for feature in _features(steps, marks, box):
        yield f"{comma}{json.dumps(feature, ensure_ascii=False, allow_nan=False, separators=(',', ':'))}"
        comma = ",\n"
    yield f'\n],"bbox":{json.dumps(box.corners())}}}\n' if box.any else "\n]}\n"


def _features(steps: Iterable[Step], marks: Iterable[Mark], box: _Box) -> Iterator[dict[str, Any]]:
    for mark in marks:
        about = {"kind": mark.kind, "time": wording.utc(mark.wall), "name": mark.name, "text": mark.text}
        yield _feature(None if mark.place is None else _point(mark.place, box), about)
    line: list[Step] = []
    fate = Fate.QUIET
    for step in steps:
        if line and step.broken is None:
            edge = edge_fate(line[-1], step)
            if len(line) > 1 and (edge is not fate or len(line) >= LONGEST):
                yield _line(line, fate, box)
                line = [line[-1]]  # the next one begins where this one ends
            fate = edge
        elif line:
            yield _line(line, fate, box)
            line = []
        line.append(step)
        if step.point.sent_utc:
            yield _feature(_point(step.point, box), _about(step.point, "sent"))
    if line:
        yield _line(line, fate, box)


def _feature(geometry: dict[str, Any] | None, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _about(point: Point, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "time": point.wall_utc,
        "accuracy_m": point.accuracy_m,
        "speed_mps": point.speed_mps,
        "track_deg": point.track_deg,
        "quality": point.quality,
        "receiver": point.receiver,
        "sent_utc": point.sent_utc,
        "told_utc": point.told_utc,
    }


def _line(line: list[Step], fate: Fate, box: _Box) -> dict[str, Any]:
    """One stretch; a position that no line joins is a point."""
    first, last = line[0].point, line[-1].point
    if len(line) == 1:
        return _feature(_point(first, box), {**_about(first, "fix"), "dispatch": line[0].fate.value})
    parts, times = _cut([step.point for step in line], box)
    geometry = {"type": "LineString", "coordinates": parts[0]} if len(parts) == 1 else {"type": "MultiLineString", "coordinates": parts}
    about = {"kind": "track", "dispatch": fate.value, "meaning": MEANINGS[fate], "begin": first.wall_utc, "end": last.wall_utc}
    return _feature(geometry, {**about, "receiver": first.receiver, "coordTimes": times[0] if len(times) == 1 else times})


MEANINGS = {
    Fate.QUIET: "recorded, no callout was on",
    Fate.LIVE: "dispatch had it live",
    Fate.TOLD: "missed live, told to dispatch afterwards",
    Fate.UNTOLD: "has not left the device",
}


def _point(point: Point, box: _Box) -> dict[str, Any]:
    return {"type": "Point", "coordinates": box.take(point.longitude, point.latitude)}


def _cut(points: list[Point], box: _Box) -> tuple[list[list[Position]], list[list[str]]]:
    """The line in parts that do not cross the date line, and the times of their positions (RFC 7946, 3.1.9)."""
    parts, times = [[box.take(points[0].longitude, points[0].latitude)]], [[points[0].wall_utc]]
    for before, after in pairwise(points):
        if abs(after.longitude - before.longitude) > 180:
            side = 180.0 if before.longitude > 0 else -180.0
            latitude, time = _crossing(before, after, side)
            parts[-1].append(box.take(side, latitude))
            times[-1].append(time)
            parts.append([box.take(-side, latitude)])
            times.append([time])
        parts[-1].append(box.take(after.longitude, after.latitude))
        times[-1].append(after.wall_utc)
    return parts, times


def _crossing(before: Point, after: Point, side: float) -> tuple[float, str]:
    """Latitude and time where the straight line between two points meets the date line. side: 180 or -180, where it is left."""
    there = after.longitude + (360.0 if side > 0 else -360.0)
    part = (side - before.longitude) / (there - before.longitude)
    latitude = before.latitude + part * (after.latitude - before.latitude)
    return latitude, wording.utc(before.wall + part * (after.wall - before.wall))


@dataclass(slots=True)
class _Box:
    """West, south, east and north of all that was written. Across the date line west is the larger number (RFC 7946, 5.2)."""

    any: bool = False
    south: float = 90.0
    north: float = -90.0
    # Longitudes counted from -180 and from 0: one of the two is not torn apart by its own seam.
    spans: list[list[float]] = field(default_factory=lambda: [[360.0, -360.0], [360.0, -360.0]])

    def take(self, longitude: float, latitude: float) -> Position:
        """Note a position, and give it back as it is written."""
        x, y = round(longitude, 7) + 0.0, round(latitude, 7) + 0.0  # plus zero: no minus zero
        self.any = True
        self.south, self.north = min(self.south, y), max(self.north, y)
        for span, turned in zip(self.spans, (x, x if x >= 0 else x + 360.0), strict=True):
            span[0], span[1] = min(span[0], turned), max(span[1], turned)
        return [x, y]

    def corners(self) -> Position:
        west, east = min(self.spans, key=lambda span: span[1] - span[0])
        return [round(west if west <= 180 else west - 360, 7), self.south, round(east if east <= 180 else east - 360, 7), self.north]
