"""The track as GPX 1.1, piece by piece: presses and callouts as waypoints, one segment for each unbroken line.

Pure. What GPX has no element for (accuracy, speed, when a position was sent) stands in a namespace of ours. Nothing in it depends on
when it is made: the same track gives the same bytes. Must not hold the track in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from agent.tracks.marks import Mark
from agent.tracks.points import Step
from agent.tracks.xmltext import said

NAMESPACE = "urn:callout-agent:track:1"


def pieces(steps: Iterable[Step], marks: Iterable[Mark], creator: str) -> Iterator[str]:
    """The document as text. creator: the program that writes it."""
    yield (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="{said(creator)}"'
        f' xmlns="http://www.topografix.com/GPX/1/1" xmlns:ca="{NAMESPACE}">\n'
    )
    for mark in marks:
        yield from _waypoint(mark)
    yield "<trk>\n<name>Recorded track</name>\n"
    first = True
    for step in steps:
        if first or step.broken is not None:
            yield "<trkseg>\n" if first else "</trkseg>\n<trkseg>\n"
        first = False
        yield _track_point(step)
    yield "</trk>\n</gpx>\n" if first else "</trkseg>\n</trk>\n</gpx>\n"


def _waypoint(mark: Mark) -> Iterator[str]:
    if mark.place is None:
        return
    place = _at(mark.place.latitude, mark.place.longitude)
    yield f"<wpt {place}><time>{_time(mark.wall)}</time><name>{said(mark.name)}</name><desc>{said(mark.text)}</desc>"
    yield f"<type>{mark.kind}</type></wpt>\n"


def _track_point(step: Step) -> str:
    point = step.point
    own = (
        ("accuracy_m", _number(point.accuracy_m)),
        ("speed_mps", _number(point.speed_mps)),
        ("track_deg", _number(point.track_deg)),
        ("quality", point.quality),
        ("clock_trusted", "" if point.wall_trusted else "false"),
        ("dispatch", step.fate.value),
        ("sent_utc", point.sent_utc),
        ("told_utc", point.told_utc),
    )
    height = "" if point.altitude_m is None else f"<ele>{point.altitude_m:.2f}</ele>"
    more = "".join(f"<ca:{name}>{said(value)}</ca:{name}>" for name, value in own if value)
    return (
        f"<trkpt {_at(point.latitude, point.longitude)}>{height}<time>{point.wall_utc}</time>"
        f"<src>{said(point.receiver)}</src><extensions>{more}</extensions></trkpt>\n"
    )


def _at(latitude: float, longitude: float) -> str:
    # In GPX the date line is -180 and nothing else.
    text = f"{longitude:.7f}"
    return f'lat="{latitude:.7f}" lon="{"-180.0000000" if text == "180.0000000" else text}"'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
