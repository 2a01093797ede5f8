"""The map of a picture: the line with what became of it, its gaps, moments and stops, the time along it, scale and north.

Pure. Must not decide what an outage or a stop is, and must leave words out rather than heap them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from agent.tracks import ink, words
from agent.tracks.frame import Box, Frame, time_ticks
from agent.tracks.labels import Labels
from agent.tracks.marks import Mark
from agent.tracks.points import Break, Fate, Point
from agent.tracks.story import Gap, Outage, Stop, Story

_Each = TypeVar("_Each", Gap, Outage, Stop)
# What is named on a map at most, the longest first: more would be read by nobody.
_MOST_NAMED = 8
_BRIEF_S = 120.0  # a break shorter than this is drawn, and named only in the table
_TICK_EVERY_PX = 110.0


class Chart:
    """One map. size: of its font, px."""

    def __init__(self, story: Story, marks: Sequence[Mark], frame: Frame, size: float) -> None:
        self._story, self._marks, self._frame, self._size = story, marks, frame, size
        self._lines = [(stretch, [frame.xy(point) for point in stretch.points]) for stretch in story.stretches]
        dense = (spot for _, line in self._lines for spot in _dense(line))
        self._labels = Labels(frame.box, dense)
        self._words: list[str] = []

    def draw(self) -> str:
        """The whole, as SVG."""
        box = self._frame.box
        furniture = self._furniture()
        lines = [*self._gaps(), *self._halos(), *self._stretches()]
        moments = [*self._ends(), *self._moments()]
        self._name_outages()
        moments += self._stops()
        ticks = self._ticks()
        parts = [ink.bar(box.x, box.y, box.width, box.height, "land"), *lines, *ticks, *moments, *furniture, *self._words]
        return "".join(parts)

    def _name(self, lines: tuple[str, ...], x: float, y: float, kind: str = "", *, must: bool = True, away: float = 9.0) -> None:
        size = self._size if "strong" in kind else self._size * 0.88
        placed = self._labels.place(lines, x, y, size, must=must, away=away)
        if placed is not None:
            self._words += ink.label(placed, size, kind)

    # The line

    def _halos(self) -> Iterator[str]:
        for stretch, line in self._lines:
            width = ink.LINES[stretch.fate][0] + 3.5
            yield ink.line(line, "halo").replace("/>", f' style="stroke-width:{width:.1f}px"/>')

    def _stretches(self) -> Iterator[str]:
        order = (Fate.QUIET, Fate.LIVE, Fate.TOLD, Fate.UNTOLD)
        for stretch, line in sorted(self._lines, key=lambda each: order.index(each[0].fate)):
            begin, end = stretch.span
            title = f"{MEANS[stretch.fate]}: {words.clock(begin, seconds=True)} to {words.clock(end, seconds=True)} UTC"
            if len(line) == 1:
                drawn = ink.line([line[0], (line[0][0] + 0.1, line[0][1])], f"{stretch.fate.value} line")
                yield ink.hover(title, [drawn.replace("/>", ' stroke-linecap="round"/>')])
            else:
                yield ink.hover(title, [ink.line(line, f"{stretch.fate.value} line")])

    def _gaps(self) -> Iterator[str]:
        named = _longest([gap for gap in self._story.gaps if gap.length_s >= _BRIEF_S])
        for gap in self._story.gaps:
            ends = [self._frame.xy(gap.before), self._frame.xy(gap.after)]
            yield ink.hover(_gap_title(gap), [ink.line(ends, "gap")])
            if gap in named:
                (x1, y1), (x2, y2) = ends
                lines = (f"{words.WHY[gap.why]} {words.length(gap.length_s)}",)
                self._name(lines, (x1 + x2) / 2, (y1 + y2) / 2, must=False)

    # What happened on it

    def _ends(self) -> Iterator[str]:
        first, last = self._story.first, self._story.last
        assert first is not None and last is not None  # noqa: S101, PT018 - a map without a point is never drawn
        x, y = self._frame.xy(first)
        dated = words.day(first.wall) != words.day(last.wall)
        yield ink.hover(f"first position, {words.clock(first.wall, seconds=True)} UTC", [ink.circle(x, y, 7, "spot")])
        self._name((f"start {words.short(first.wall, dated=dated)}",), x, y, "strong", away=12)
        x, y = self._frame.xy(last)
        yield ink.hover(f"last position, {words.clock(last.wall, seconds=True)} UTC", [ink.bar(x - 7, y - 7, 14, 14, "solid")])
        self._name((f"end {words.short(last.wall, dated=dated)}",), x, y, "strong", away=12)

    def _moments(self) -> Iterator[str]:
        presses = [mark.wall for mark in self._marks if mark.kind == "press"]
        for mark in self._marks:
            if mark.place is None:
                continue
            x, y = self._frame.xy(mark.place)
            yield ink.hover(f"{mark.name}. {mark.text}", [ink.symbol(mark.kind, x, y)])
            follows = mark.kind == "raised" and any(0 <= mark.wall - press < _BRIEF_S for press in presses)
            if not follows:  # else the press says it
                few = len(self._marks) <= 2 * _MOST_NAMED
                self._name((f"{_SHORT[mark.kind]} {words.clock(mark.wall)}",), x, y, "strong", must=few, away=14)

    def _name_outages(self) -> None:
        for outage in _longest(self._story.outages):
            x, y = self._frame.xy(self._at(outage.since_wall + outage.length_s / 2) or outage.place)
            self._name((f"offline {words.length(outage.length_s)}", words.fate_of(outage)), x, y, "strong")

    def _stops(self) -> Iterator[str]:
        named = _longest(self._story.stops)
        for stop in self._story.stops:
            x, y = self._frame.xy(stop.place)
            title = f"stood {words.length(stop.length_s)} from {words.clock(stop.since_wall, seconds=True)} UTC"
            yield ink.hover(title, [ink.symbol("stop", x, y)])
            if stop in named:
                self._name((f"stood {words.length(stop.length_s)}",), x, y, must=False)

    # Time along it

    def _ticks(self) -> list[str]:
        first, last = self._story.first, self._story.last
        assert first is not None and last is not None  # noqa: S101, PT018 - as above
        length_px = sum(math.dist(a, b) for _, line in self._lines for a, b in pairwise(line))
        moments, step_s = time_ticks(first.wall, last.wall, max(2, min(16, round(length_px / _TICK_EVERY_PX))))
        parts = []
        near_s = (last.wall - first.wall) / 100
        for wall in moments:
            found = self._passing(wall)
            if found is not None and first.wall + near_s < wall < last.wall - near_s:  # the ends have their times
                x, y, turn_deg = found
                parts.append(ink.hover(f"{words.clock(wall, seconds=True)} UTC", [_arrow(x, y, turn_deg)]))
                self._name((words.tick(wall, step_s),), x, y, "soft", must=False)
        return parts

    def _at(self, wall: float) -> Point | None:
        """The kept point nearest to a moment."""
        points = (point for stretch in self._story.stretches for point in stretch.points)
        return min(points, key=lambda point: abs(point.wall - wall), default=None)

    def _passing(self, wall: float) -> tuple[float, float, float] | None:
        """Where the line was at a moment, and its direction in the picture; None in a gap."""
        for stretch, line in self._lines:
            if not stretch.points[0].wall <= wall <= stretch.points[-1].wall:
                continue
            for (before, a), (after, b) in pairwise(zip(stretch.points, line, strict=True)):
                if before.wall <= wall <= after.wall:
                    part = (wall - before.wall) / ((after.wall - before.wall) or 1.0)
                    turn = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
                    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), turn
        return None

    # What a map has

    def _furniture(self) -> list[str]:
        box, size = self._frame.box, self._size
        metres, long = self._frame.scale_bar(min(180.0, box.width / 4))
        x, y = box.x + 16, box.bottom - 16
        self._labels.reserve(Box(box.x, y - size - 12, long + 60, size + 28))
        self._labels.reserve(Box(box.right - 44, box.y, 44, 56))
        bar = [(x, y - 6), (x, y), (x + long, y), (x + long, y - 6)]
        north = box.right - 22
        needle = f'<path class="solid" d="M{north:.1f} {box.y + 12:.1f}l6 18l-6 -4l-6 4z"/>'
        return [
            ink.line(bar, "scale"),
            ink.text(words.distance(metres) if metres < 1000 else f"{metres / 1000:g} km", x + 4, y - 6, size * 0.9, "words"),
            needle,
            ink.text("N", north, box.y + 46, size * 0.9, "middle"),
        ]


MEANS = {
    Fate.QUIET: "no callout on",
    Fate.LIVE: "live at dispatch",
    Fate.TOLD: "told to dispatch later",
    Fate.UNTOLD: "not told to dispatch",
}
_SHORT = {"press": "pressed", "raised": "callout", "ended": "callout ended"}


def _longest(of: Sequence[_Each]) -> list[_Each]:
    return sorted(of, key=lambda each: -each.length_s)[:_MOST_NAMED]


def _gap_title(gap: Gap) -> str:
    begin, end = words.clock(gap.before.wall, seconds=True), words.clock(gap.after.wall, seconds=True)
    return f"{words.WHY[gap.why]}: {begin} to {end} UTC" + (f" ({words.length(gap.length_s)})" if gap.why is not Break.CLOCK else "")


def _dense(line: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points of a line no more than 6 px apart."""
    yield from line[:1]
    for a, b in pairwise(line):
        count = max(1, math.ceil(math.dist(a, b) / 6))
        yield from ((a[0] + (b[0] - a[0]) * n / count, a[1] + (b[1] - a[1]) * n / count) for n in range(1, count + 1))


def _arrow(x: float, y: float, turn_deg: float) -> str:
    return f'<path class="arrow" transform="translate({x:.1f} {y:.1f}) rotate({turn_deg:.0f})" d="M6 0L-5 -5L-2.5 0L-5 5z"/>'
