"""A track as one SVG: title, map, strip of time, legend. Made for two widths, because a wide one is unreadable on a phone.

Pure. It needs no script, no font and no network. Must not judge: `story` did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.tracks import ink, words
from agent.tracks.chart import MEANS, Chart
from agent.tracks.frame import Box, Frame, survey
from agent.tracks.history import Called, Pressed
from agent.tracks.labels import width_px
from agent.tracks.marks import marks
from agent.tracks.points import Fate, Point
from agent.tracks.story import Story
from agent.tracks.strip import Strip, height_px
from agent.tracks.xmltext import said


@dataclass(frozen=True, slots=True)
class Form:
    """A size of picture. width, left, title, size: px; of the whole, of the words left of the strip, of the fonts.

    tallest, flattest: height of the map by its width.
    """

    name: str
    width: float
    left: float
    title: float
    size: float
    tallest: float
    flattest: float
    narrow: bool = False


WIDE = Form("wide", 1160, 84, 24, 14, 0.66, 0.4)
NARROW = Form("narrow", 400, 0, 17, 11.5, 1.25, 0.8, narrow=True)
_MARGIN = 12.0


def draw(story: Story, presses: Sequence[Pressed], callouts: Sequence[Called], form: Form = WIDE) -> str:
    """The picture; the story has at least one point."""
    moments = marks(presses, callouts)
    points = [point for stretch in story.stretches for point in stretch.points]
    on_map = [mark for mark in moments if mark.place is not None and _is_of(story, mark.place)]
    ground = survey([*points, *(mark.place for mark in on_map if mark.place is not None)])
    inner = form.width - 2 * _MARGIN
    title, y = _title(story, presses, callouts, form)
    box = Box(_MARGIN, y, inner, inner * min(form.tallest, max(form.flattest, ground.aspect)))
    chart = Chart(story, on_map, Frame(ground, box, 34 if form.narrow else 64), form.size).draw()
    y = box.bottom + 22
    lanes = Box(_MARGIN + form.left, y, inner - form.left, 0)
    strip = Strip(story, lanes, form.size, narrow=form.narrow, prefix=form.name).draw(moments, callouts)
    legend, y = _legend(story, form, y + height_px(form.size, narrow=form.narrow) + 12)
    name = said(words.title(story))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ct {form.name}" viewBox="0 0 {form.width:.0f} {y:.0f}" role="img"'
        f' aria-label="{name}"><title>{name}</title><style>{ink.style()}</style>{ink.patterns(form.name)}'
        f"{ink.bar(0, 0, form.width, y, 'paper')}{title}{chart}{strip}{legend}</svg>\n"
    )


def _is_of(story: Story, place: Point) -> bool:
    """Whether a place lies on this track and not on an earlier or later one: a span may hold one end of a callout."""
    return story.first is not None and story.last is not None and story.first.wall <= place.wall <= story.last.wall


def _title(story: Story, presses: Sequence[Pressed], callouts: Sequence[Called], form: Form) -> tuple[str, float]:
    """The head, and where the map may begin."""
    y = _MARGIN + form.title
    parts = []
    for line in _wrapped(re.split(r" (?=to \d+ )|(?<=,) ", words.title(story)), " ", form, form.title):
        parts.append(ink.text(line, _MARGIN, y, form.title, "strong"))
        y += form.title * 1.25
    for line in _wrapped(words.headlines(story, presses, callouts), "  ·  ", form, form.size * 1.1):
        parts.append(ink.text(line, _MARGIN, y, form.size * 1.1))
        y += form.size * 1.5
    return "".join(parts), y - form.size * 0.4


def _wrapped(pieces: list[str], joint: str, form: Form, size: float) -> Iterator[str]:
    line = ""
    for piece in pieces:
        longer = f"{line}{joint}{piece}" if line else piece
        if line and width_px(longer, size) > form.width - 2 * _MARGIN:
            yield line
            longer = piece
        line = longer
    yield line


def _legend(story: Story, form: Form, y: float) -> tuple[str, float]:
    """What the lines and marks mean, those that are there; and how high the picture is."""
    size = form.size * 0.95
    x, parts = _MARGIN, []
    for name, sample in _samples(story):
        wide = 46 + width_px(name, size)
        if x > _MARGIN and x + wide > form.width - _MARGIN:
            x, y = _MARGIN, y + size * 1.9
        parts.append(f'<g transform="translate({x:.0f} {y:.0f})">{sample}</g>')
        parts.append(ink.text(name, x + 40, y + size * 0.35, size))
        x += wide + 14
    return "".join(parts), y + size * 1.6


def _samples(story: Story) -> Iterator[tuple[str, str]]:
    there = {stretch.fate for stretch in story.stretches}
    for fate in (Fate.LIVE, Fate.TOLD, Fate.UNTOLD, Fate.QUIET):
        if fate in there:
            yield MEANS[fate], ink.line([(0, 0), (33, 0)], f"{fate.value} line")
    if story.gaps:
        yield "no position", ink.line([(0, 0), (33, 0)], "gap")
    if story.stops:
        yield "stop", ink.symbol("stop", 24, 0)
    yield "direction", '<path class="arrow" transform="translate(24 0)" d="M6 0L-5 -5L-2.5 0L-5 5z"/>'
