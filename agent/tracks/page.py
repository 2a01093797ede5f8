"""A track as one HTML page: the picture for wide and for narrow windows, and below it tables of what happened.

Pure. Self-contained: no script, no network, no font. Every word that came from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.tracks import ink, words
from agent.tracks.history import Called, Pressed, Said
from agent.tracks.marks import marks
from agent.tracks.picture import NARROW, WIDE, draw
from agent.tracks.points import Point
from agent.tracks.story import Story
from agent.tracks.xmltext import said


def _colours(of: dict[str, str]) -> str:
    return ":root{" + ";".join(f"--{name}:{of[name]}" for name in ("paper", "text", "soft", "rule")) + "}"


_STYLE = f"""
:root{{color-scheme:light dark}}{_colours(ink.LIGHT)}
@media screen and (prefers-color-scheme:dark){{{_colours(ink.DARK)}}}
body{{margin:0 auto;max-width:1180px;padding:8px;background:var(--paper);color:var(--text);font:15px/1.45 {ink.FONT}}}
svg{{display:block;width:100%;height:auto}}svg.narrow{{display:none}}
@media (max-width:700px){{svg.wide{{display:none}}svg.narrow{{display:block}}}}
@media print{{body{{padding:0;font-size:11px}}svg.wide{{display:block;max-height:60vh}}svg.narrow{{display:none}}}}
main{{padding:0 8px}}h2{{font-size:1.1em;margin:1.6em 0 .3em}}section{{break-inside:avoid}}p,footer{{color:var(--soft)}}
table{{border-collapse:collapse;width:100%}}th{{color:var(--soft);font-weight:600}}
td,th{{text-align:left;vertical-align:top;padding:.3em .9em .3em 0;border-bottom:1px solid var(--rule)}}
td{{overflow-wrap:break-word;font-variant-numeric:tabular-nums}}td:first-child{{white-space:nowrap;width:13em}}
@media screen and (max-width:700px){{thead{{display:none}}table,tbody,tr,td{{display:block}}
tr{{padding:.5em 0;border-bottom:1px solid var(--rule)}}
td{{padding:0;border:0}}td:empty{{display:none}}td:first-child{{width:auto;font-weight:600}}
td:not(:first-child)[data-head]:not([data-head=""])::before{{content:attr(data-head) ": ";color:var(--soft)}}}}
"""


def render(story: Story, presses: Sequence[Pressed], callouts: Sequence[Called], messages: Sequence[Said], source: str) -> str:
    """The page; the story has at least one point. source: what it was made from and by, one line."""
    title = said(words.title(story))
    pictures = "".join(draw(story, presses, callouts, form) for form in (WIDE, NARROW))
    tables = _Tables(story)
    parts = [tables.moments(presses, callouts), tables.outages(any_callout=bool(callouts)), tables.gaps()]
    parts += [tables.stops(), tables.messages(messages)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        f" style-src 'unsafe-inline'\"><title>{title}</title><style>{_STYLE}</style></head><body>\n{pictures}<main>"
        f"{''.join(parts)}<footer><p>{said(source)} All times are UTC.</p></footer></main></body></html>\n"
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], otherwise: str) -> str:
    body = "".join(f"<tr>{''.join(map(_cell, heads, row))}</tr>" for row in rows)
    head = "".join(f"<th>{said(each)}</th>" for each in heads)
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else f"<p>{said(otherwise)}</p>"
    return f"<section><h2>{said(title)}</h2>{inner}</section>\n"


def _cell(head: str, text: str) -> str:
    """On a phone the table is a list: each cell then says what it is."""
    return f'<td data-head="{said(head)}">{said(text)}</td>'


class _Tables:
    """The tables of one story. Times are without their date where the title already says it."""

    def __init__(self, story: Story) -> None:
        self._story = story
        ends = (story.first, story.last)
        self._dated = len({words.day(point.wall) for point in ends if point is not None}) > 1

    def outages(self, *, any_callout: bool) -> str:
        rows = (
            (
                self._range(o.since_wall, o.until_wall),
                words.length(o.length_s),
                f"{o.told} told later, {o.untold} not told",
                _where(o.place),
            )
            for o in self._story.outages
        )
        none = "No position failed to reach dispatch in time." if any_callout else "There was no callout: nothing had to be sent."
        return _table("Offline", ("from, to", "length", "positions", "began at"), rows, none)

    def gaps(self) -> str:
        rows = (
            (self._range(gap.before.wall, gap.after.wall), words.length(gap.length_s), words.WHY[gap.why], _where(gap.before))
            for gap in self._story.gaps
        )
        return _table("Gaps", ("from, to", "length", "why", "last known at"), rows, "The position was known throughout.")

    def stops(self) -> str:
        rows = (
            (self._range(stop.since_wall, stop.until_wall), words.length(stop.length_s), _where(stop.place)) for stop in self._story.stops
        )
        return _table("Stops", ("from, to", "length", "at"), rows, "It never stood for three minutes.")

    def moments(self, presses: Sequence[Pressed], callouts: Sequence[Called]) -> str:
        rows = ((self._when(each.wall), each.name, each.text, _where(each.place)) for each in marks(presses, callouts))
        return _table("Presses and callouts", ("time", "what", "", "at"), rows, "There was none.")

    def messages(self, messages: Sequence[Said]) -> str:
        rows = ((self._when(each.wall), each.source, each.text, "yes" if each.told else "not yet") for each in messages)
        return _table("Messages", ("time", "from", "", "delivered"), rows, "There is none to show.")

    def _when(self, wall: float) -> str:
        clock = words.clock(wall, seconds=True)
        return f"{words.day(wall)} {clock}" if self._dated else clock

    def _range(self, begin: float, end: float | None) -> str:
        return f"{self._when(begin)} to {'now' if end is None else self._when(end)}"


def _where(place: Point | None) -> str:
    return "unknown" if place is None else f"{place.latitude:.5f}, {place.longitude:.5f}"
