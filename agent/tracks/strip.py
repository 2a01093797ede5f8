"""The strip of time below the map: when there was a position, what dispatch knew of it, when a callout was on.

Pure. Must say the same as the map, and show the gaps that a map cannot show: those at one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.tracks import ink, words
from agent.tracks.chart import MEANS
from agent.tracks.frame import Box, time_ticks
from agent.tracks.history import Called
from agent.tracks.labels import width_px
from agent.tracks.marks import Mark
from agent.tracks.points import MISSED, Fate
from agent.tracks.story import Story

LANE_PX = 15.0
_SLIVER_PX = 0.4


class Strip:
    """One strip. box: of the lanes, without the words at their left (narrow: above them). prefix: of its patterns' names."""

    def __init__(self, story: Story, box: Box, size: float, *, narrow: bool, prefix: str) -> None:
        assert story.first is not None and story.last is not None  # noqa: S101, PT018 - a strip without a point is never drawn
        self._story, self._box, self._size, self._narrow, self._prefix = story, box, size, narrow, prefix
        self._begin, self._end = story.first.wall, max(story.last.wall, story.first.wall + 1.0)
        self._step = height_px(size, narrow=narrow) / 4

    def draw(self, marks: Sequence[Mark], callouts: Sequence[Called]) -> str:
        """The whole, as SVG."""
        lanes = (("position", [*self._positions()]), ("dispatch", [*self._fates()]), ("callout", [*self._calls(marks, callouts)]))
        parts = [*self._axis()]
        for row, (name, drawn) in enumerate(lanes):
            y = self._top(row)
            x, below = (self._box.x, y - 4) if self._narrow else (self._box.x - 10, y + LANE_PX - 3)
            kind = "soft" if self._narrow else "soft late"
            parts += [ink.text(name, x, below, self._size * 0.92, kind), *drawn]
        return "".join(parts)

    def _top(self, row: int) -> float:
        return self._box.y + row * self._step + (self._size + 2 if self._narrow else 0)

    def _x(self, wall: float) -> float:
        inside = min(max(wall, self._begin), self._end)
        return self._box.x + (inside - self._begin) / (self._end - self._begin) * self._box.width

    def _bar(self, row: int, begin: float, end: float, kind: str, *, inset: float = 0.0) -> str:
        x, right = self._x(begin), self._x(end)
        return ink.bar(x, self._top(row) + inset, max(1.0, right - x), LANE_PX - 2 * inset, kind)

    def _positions(self) -> Iterator[str]:
        """A bar for each time without a break; in between it is empty, and the break is named where there is room."""
        begin = self._begin
        for gap in self._story.gaps:
            yield self._bar(0, begin, gap.before.wall, "quiet bar", inset=3)
            begin = gap.after.wall
            name = f"{words.WHY[gap.why]} {words.length(gap.length_s)}"
            x, right = self._x(gap.before.wall), self._x(gap.after.wall)
            yield ink.hover(name, [ink.bar(x, self._top(0), max(1.0, right - x), LANE_PX, "land")])
            if width_px(name, self._size * 0.85) < right - x:
                yield ink.text(name, (x + right) / 2, self._top(0) + 11, self._size * 0.85, "middle soft")
        yield self._bar(0, begin, self._end, "quiet bar", inset=3)

    def _fates(self) -> Iterator[str]:
        right = -1.0
        for stretch in self._story.stretches:
            begin, end = stretch.span
            if self._x(end) - right < _SLIVER_PX:
                continue  # lies below what is drawn already
            right = self._x(end)
            title = f"{MEANS[stretch.fate]}: {words.clock(begin, seconds=True)} to {words.clock(end, seconds=True)} UTC"
            inset = 5 if stretch.fate is Fate.QUIET else 0
            drawn = [self._bar(1, begin, end, f"{stretch.fate.value} bar", inset=inset)]
            if stretch.fate in MISSED:
                over = self._bar(1, begin, end, "over")
                drawn.append(over.replace("/>", f' fill="url(#{self._prefix}-{stretch.fate.value})"/>'))
            yield ink.hover(title, drawn)

    def _calls(self, marks: Sequence[Mark], callouts: Sequence[Called]) -> Iterator[str]:
        for callout in callouts:
            end = self._end if callout.ended_wall is None and callout.going_on else callout.ended_wall or callout.raised_wall
            drawn = [self._bar(2, callout.raised_wall, end, "call")]
            name = words.callout_words(callout)
            x, right = self._x(callout.raised_wall), self._x(end)
            if width_px(name, self._size * 0.85) + 26 < right - x:
                drawn.append(ink.text(name, (x + right) / 2, self._top(2) + 11.5, self._size * 0.85, "middle on"))
            yield ink.hover(f"{callout.id}: {name}", drawn)
        for mark in marks:
            if mark.kind == "press" and self._begin <= mark.wall <= self._end:
                yield ink.hover(f"{mark.name}. {mark.text}", [ink.symbol("press", self._x(mark.wall), self._top(2) + LANE_PX / 2)])
        if not callouts and not marks:
            yield ink.text("none", self._box.x + 2, self._top(2) + 11.5, self._size * 0.92, "soft")

    def _axis(self) -> Iterator[str]:
        moments, step_s = time_ticks(self._begin, self._end, max(2, int(self._box.width / (self._size * 5.2))))
        low = self._top(2) + LANE_PX
        for wall in moments:
            x = self._x(wall)
            yield ink.line([(x, self._top(0) - 2), (x, low + 5)], "rule thin")
            if self._box.x + 14 <= x <= self._box.right - 14:
                yield ink.text(words.tick(wall, step_s), x, low + 6 + self._size, self._size * 0.92, "middle soft")


def height_px(size: float, *, narrow: bool) -> float:
    """How much a strip needs, its times included."""
    return 4 * (LANE_PX + (size + 8 if narrow else 9))
